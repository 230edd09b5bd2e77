#!/usr/bin/env python3
"""A base that is not what it should be costs its damaged segments in full, and never the update."""
import os
import random
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
from device_lab import DONE, LONG, SEGMENT, Device, LabCase, Repo, make_image, next_image  # noqa: E402

SIZE = 48 * SEGMENT
PAGE = 4096


class DamagedBase(LabCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.old = make_image(SIZE, "damage")
        cls.new = next_image(cls.old, "damage", changes=25)
        cls.repo = Repo(cls.lab)
        cls.repo.release("1.0", cls.old)
        cls.repo.release("2.0", cls.new)
        cls.delta, cls.full = cls.repo.payload("2.0", "1.0"), cls.repo.payload("2.0")
        cls.kinds = [frame.kind for frame in cls.delta.frames]
        assert {"same", "delta"} <= set(cls.kinds), cls.kinds

    def setUp(self):
        super().setUp()
        self.server = self.serve(self.repo.folder)
        self.device = Device(self.folder / "device", self.repo.root, self.server.url, image=self.old, slot_size=SIZE)
        self.expect(DONE, self.device.run("check"))  # now the device believes to know what runs

    def damage(self, pages, rng):
        for page in pages:
            self.device.overwrite("a", page * PAGE, rng.randbytes(PAGE))

    def fetched_frames(self, payload):
        """Indexes of the frames of which bytes were sent; each whole, none twice. The rest must be header and table."""
        left = {}
        for request in self.server.requests(payload.name):
            at, end = request.first, request.first + request.sent
            if at < payload.table_length:
                self.assertEqual((0, payload.table_length), (at, end), "more than the table was asked for")
                continue
            for i, frame in enumerate(payload.frames):
                if frame.length > 0 and at <= frame.offset < end:
                    self.assertLessEqual(frame.offset + frame.length, end, "segment %d was fetched in part" % i)
                    self.assertNotIn(i, left, "segment %d was fetched twice" % i)
                    left[i] = frame.length
        self.assertEqual(self.server.bytes_sent(payload.name), sum(left.values()) + (payload.table_length if left else 0))
        return set(left)

    def install_and_account(self, damaged):
        """`damaged`: indexes of the base's segments that have wrong bytes."""
        self.server.forget()
        done = self.expect(DONE, self.device.run("install", "--json")).json
        self.assert_slot(self.device, "b", self.new)
        refetched = self.fetched_frames(self.full) if self.server.requests(self.full.name) else set()
        self.assertEqual(len(refetched), done["segments_refetched"])
        must = {i for i in damaged if self.kinds[i] == "same"}
        may = must | {i for i, kind in enumerate(self.kinds) if kind == "delta"}
        self.assertLessEqual(must, refetched)
        self.assertLessEqual(refetched, may)
        self.assertEqual({i for i, frame in enumerate(self.delta.frames) if frame.length > 0}, self.fetched_frames(self.delta))
        self.assertEqual("B", self.device.boot())
        self.expect(DONE, self.device.run("mark-good"))
        self.expect(DONE, self.device.run("verify", "--slot", "b"))
        return done, refetched

    def test_a_whole_base_needs_no_frame_in_full(self):
        done, refetched = self.install_and_account(set())
        self.assertEqual((0, set()), (done["segments_refetched"], refetched))

    def test_one_page_of_a_same_segment_costs_that_segment(self):
        i = self.kinds.index("same")
        self.device.overwrite("a", i * SEGMENT + 3 * PAGE + 1, b"\xff\x00\xff")
        done, refetched = self.install_and_account({i})
        self.assertIn(i, refetched)
        self.assertLess(done["segments_refetched"], self.kinds.count("same"))

    def test_a_damaged_segment_that_a_delta_rests_on_costs_that_one(self):
        i = self.kinds.index("delta")
        self.device.overwrite("a", i * SEGMENT, os.urandom(SEGMENT))
        _, refetched = self.install_and_account({i})
        self.assertIn(i, refetched)

    def test_random_pages_cost_their_segments_and_the_update_ends_right(self):
        for seed in range(12 if LONG else 3):
            with self.subTest(seed=seed):
                self.setUp()
                rng = random.Random("pages %d" % seed)
                pages = rng.sample(range(SIZE // PAGE), rng.choice([1, 5, 20]))
                self.damage(pages, rng)
                self.install_and_account({page * PAGE // SEGMENT for page in pages})

    def test_a_base_that_is_gone_altogether_still_updates(self):
        self.device.overwrite("a", 0, random.Random(1).randbytes(SIZE))
        done, refetched = self.install_and_account(set(range(len(self.kinds))))
        needed = [i for i, kind in enumerate(self.kinds) if kind in ("same", "delta")]
        self.assertEqual(set(needed), refetched)
        self.assertEqual(len(needed), done["segments_refetched"])

    def test_a_base_slot_that_was_cut_short_still_updates(self):
        os.truncate(self.device.paths[("a", "rootfs")], SIZE // 2)
        self.expect(DONE, self.device.run("install"))
        self.assert_slot(self.device, "b", self.new)

    def test_an_installed_segment_that_rots_before_the_next_install_is_written_again(self):
        self.expect(DONE, self.device.run("install", "--no-activate"))
        self.device.overwrite("b", 7 * SEGMENT + 9, b"rotten")
        self.server.forget()
        done = self.expect(DONE, self.device.run("install", "--reinstall", "--json")).json
        self.assertEqual(len(self.kinds) - 1, done["segments_already_right"])
        self.assertEqual(self.delta.table_length + self.delta.bytes_of([7]), self.server.bytes_sent("payloads/"))
        self.assert_slot(self.device, "b", self.new)

    def test_an_interrupted_install_over_a_damaged_base_keeps_what_it_refetched(self):
        rng = random.Random("both")
        self.damage(range(0, SIZE // PAGE, 16), rng)
        self.expect(DONE, self.device.run("install", "--no-activate"))
        for i in (3, 20, 40):
            self.device.overwrite("b", i * SEGMENT, b"cut")
        self.server.forget()
        done = self.expect(DONE, self.device.run("install", "--reinstall", "--json")).json
        self.assertEqual(len(self.kinds) - 3, done["segments_already_right"])
        self.assert_slot(self.device, "b", self.new)


if __name__ == "__main__":
    unittest.main(verbosity=2)
