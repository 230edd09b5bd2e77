#!/usr/bin/env python3
"""Nothing in a repository can be changed without being refused with code 5 and a sentence that names the file.

A new repository has no 2.root.json, and a device that has its root never reads 1.root.json: neither can be tampered with here.
"""
import concurrent.futures
import os
import random
import shutil
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
from device_lab import DONE, LONG, NOT_AUTHENTIC, Device, LabCase, Repo, make_image, next_image  # noqa: E402

SEGMENT = 4096
SIZE = 24 * SEGMENT
WORKERS = 2
MASKS = (0x01, 0x20, 0x80, 0xff)


def damage(path, data, position, mask):
    changed = bytearray(data)
    changed[position] ^= mask
    path.write_bytes(bytes(changed))


class TamperCase(LabCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        image = make_image(SIZE, "tamper")
        cls.old = image[:SEGMENT * 3] + bytes(SEGMENT * 2) + image[SEGMENT * 5:]
        cls.new = next_image(cls.old, "tamper", changes=5)
        cls.repo = Repo(cls.lab / "origin")
        cls.repo.release("1.0", cls.old, segment_size=SEGMENT)
        cls.repo.release("2.0", cls.new, segment_size=SEGMENT)

    def device(self, repo, name="device", **settings):
        return Device(self.folder / name, self.repo.root, repo.folder, image=self.old, slot_size=SIZE, **settings)


class SmallFiles(TamperCase):
    """`decade check` reads them all, so it has to refuse each; every attempt begins without trusted metadata."""

    def files(self, repo):
        return {"timestamp.json": repo.metadata("timestamp"), "snapshot.json": repo.metadata("snapshot"),
                "targets.json": repo.metadata("targets"), "2.0.json": repo.manifest_path("2.0")}

    def attempt(self, device, name):
        """None, or what went wrong."""
        shutil.rmtree(device.state)
        device.state.mkdir()
        result = device.run("check")
        if result.code != NOT_AUTHENTIC:
            return "code %d: %s%s" % (result.code, result.out, result.err)
        if name not in result.err:
            return "does not name the file: %s" % result.err
        return None

    def work(self, number, name, positions):
        repo = self.repo.copy(self.folder / ("%s-%d" % (name, number)))
        device = self.device(repo, "device-%s-%d" % (name, number))
        path = self.files(repo)[name]
        data = path.read_bytes()
        failures = []
        for position, mask in positions:
            damage(path, data, position, mask)
            wrong = self.attempt(device, name)
            if wrong is not None:
                failures.append("%s byte %d (%r) ^ 0x%02x: %s" % (name, position, data[position:position + 1], mask, wrong))
        path.write_bytes(data)
        if device.run("check").code != DONE:
            failures.append("the mended repository is not accepted")
        return failures

    def positions(self, name):
        size = self.files(self.repo)[name].stat().st_size
        if LONG:
            return [(i, mask) for i in range(size) for mask in MASKS]
        rng = random.Random(name)
        sample = sorted(rng.sample(range(size), min(size, 130))) + [0, size - 1]
        return [(i, rng.choice(MASKS)) for i in sample]

    def test_a_flipped_byte_is_refused_and_the_file_named(self):
        with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
            jobs = []
            for name in self.files(self.repo):
                positions = self.positions(name)
                jobs += [pool.submit(self.work, n, name, positions[n::WORKERS]) for n in range(WORKERS)]
            failures = [line for job in jobs for line in job.result()]
        self.assertEqual([], failures[:20], "%d in all" % len(failures))

    def test_bytes_appended_are_refused(self):
        for name, path in self.files(self.repo).items():
            data = path.read_bytes()
            for more in (b"x", b"\0", b"\n", b" ", b"{}", b" " * (6 << 20)):
                with self.subTest(name, more=more[:4], count=len(more)):
                    self.put(name, data + more)

    def test_a_file_cut_off_anywhere_is_refused(self):
        for name, path in self.files(self.repo).items():
            data = path.read_bytes()
            rng = random.Random("cut " + name)
            lengths = range(len(data)) if LONG else [0, 1, len(data) - 1, len(data) - 2] + rng.sample(range(len(data)), 20)
            for length in lengths:
                with self.subTest(name, length=length):
                    self.put(name, data[:length])

    def test_a_file_with_the_content_of_another_is_refused(self):
        files = self.files(self.repo)
        for name in files:
            for other in files:
                if other != name:
                    with self.subTest(name, content_of=other):
                        self.put(name, files[other].read_bytes())
        with self.subTest("an older manifest in place of the newer"):
            self.put("2.0.json", self.repo.manifest_path("1.0").read_bytes())

    def put(self, name, data):
        if not hasattr(self, "own"):
            self.own = self.repo.copy(self.folder / "own")
            self.own_device = self.device(self.own)
        path = self.files(self.own)[name]
        good = path.read_bytes()
        path.write_bytes(data)
        try:
            self.assertIsNone(self.attempt(self.own_device, name))
        finally:
            path.write_bytes(good)

    def test_an_older_repository_is_a_rollback(self):
        old = self.repo.copy(self.folder / "old")
        new = self.repo.copy(self.folder / "new")
        new.release("3.0", next_image(self.new, "3.0"), segment_size=SEGMENT)
        device = self.device(new)
        self.expect(DONE, device.run("check"))
        device.configure(url=old.folder)
        before = device.slot_hash("b"), device.boot_state()
        refused = self.expect(NOT_AUTHENTIC, device.run("install", "--json"), "timestamp.json")
        self.assertEqual("metadata-rollback", refused.json["error"])
        self.assertEqual(before, (device.slot_hash("b"), device.boot_state()))


class Payloads(TamperCase):
    """A changed payload is found by `decade install`, which leaves the running slot and its boot state as they were."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.delta, cls.full = cls.repo.payload("2.0", "1.0"), cls.repo.payload("2.0")
        assert {"zero", "same", "delta"} <= {frame.kind for frame in cls.delta.frames}, [frame.kind for frame in cls.delta.frames]
        assert "full" in {frame.kind for frame in cls.full.frames}

    def setUp(self):
        super().setUp()
        self.own = self.repo.copy(self.folder / "own")
        self.origin = self.device(self.own, "origin")
        self.expect(DONE, self.origin.run("check"))  # identified once, so that each attempt is short
        self.counter = 0

    def attempt(self, payload, data, full=False, url=None):
        """Installs from a repository with the payload replaced by `data`; None, or what went wrong."""
        path = self.own.folder / "targets" / "payloads" / payload.name
        good = path.read_bytes()
        device = self.origin.copy(self.folder / ("device-%d" % self.counter))
        self.counter += 1
        if url is not None:
            device.configure(url=url)
        before = device.slot_hash("a"), device.boots()
        path.write_bytes(data)
        try:
            result = device.run("install", *(["--full"] if full else []))
        finally:
            path.write_bytes(good)
        after = device.slot_hash("a"), device.boots()
        wrong = None
        if result.code != NOT_AUTHENTIC:
            wrong = "code %d: %s%s" % (result.code, result.out, result.err)
        elif payload.name not in result.err:
            wrong = "does not name the file: %s" % result.err
        elif before != after:
            wrong = "the running slot or what boots has changed: %s, then %s" % (before, after)
        elif device.boot() != "A":
            wrong = "the other slot boots"
        elif self.counter % 10 == 1:
            healed = device.run("install", *(["--full"] if full else []))
            if healed.code != DONE or device.slot("b", SIZE) != self.new:
                wrong = "the mended repository does not install: %s" % healed
        shutil.rmtree(device.folder)
        return wrong

    def flips(self, payload, positions, full):
        data = (self.own.folder / "targets" / "payloads" / payload.name).read_bytes()
        rng = random.Random("flip")
        failures = []
        for position in positions:
            changed = bytearray(data)
            changed[position] ^= rng.choice(MASKS)
            wrong = self.attempt(payload, bytes(changed), full)
            if wrong is not None:
                failures.append("byte %d: %s" % (position, wrong))
        self.assertEqual([], failures[:10], "%d in all" % len(failures))

    def sample(self, first, last, count):
        return range(first, last) if LONG else sorted(random.Random(first).sample(range(first, last), min(count, last - first)))

    def test_a_flipped_byte_in_the_header_is_refused(self):
        self.flips(self.delta, self.sample(0, 128, 16), False)

    def test_a_flipped_byte_in_the_table_is_refused(self):
        self.flips(self.delta, self.sample(128, self.delta.table_length, 20), False)

    def test_a_flipped_byte_in_a_frame_of_each_kind_is_refused(self):
        for payload, full in ((self.delta, False), (self.full, True)):
            positions = []
            for kind in ("delta", "full"):
                frames = [frame for frame in payload.frames if frame.kind == kind]
                for frame in frames if LONG else frames[:3] + frames[-1:]:
                    positions += [frame.offset, frame.offset + frame.length // 2, frame.offset + frame.length - 1]
            with self.subTest("full" if full else "delta"):
                self.flips(payload, positions, full)

    def test_flips_at_random_positions_of_the_whole_file_are_refused(self):
        rng = random.Random("anywhere")
        self.flips(self.full, [rng.randrange(self.full.size) for _ in range(2000 if LONG else 30)], True)

    def test_a_payload_that_is_cut_off_or_goes_on_is_refused(self):
        server = self.serve(self.own.folder)
        for payload, full in ((self.delta, False), (self.full, True)):
            data = (self.own.folder / "targets" / "payloads" / payload.name).read_bytes()
            middle = (payload.table_length + payload.size) // 2
            cases = [data[:n] for n in (0, 1, 127, 128, payload.table_length - 1, payload.table_length, middle, payload.size - 1)]
            cases += [data + b"\0", data + data]
            for case in cases:
                for url in (None, server.url):
                    with self.subTest("full" if full else "delta", length=len(case), of=len(data), http=url is not None):
                        self.assertIsNone(self.attempt(payload, case, full, url))

    def test_one_payload_in_the_place_of_another_is_refused(self):
        payloads = self.own.folder / "targets" / "payloads"
        delta, full = ((payloads / one.name).read_bytes() for one in (self.delta, self.full))
        old = (payloads / self.repo.payload("1.0").name).read_bytes()
        for payload, data in ((self.delta, full), (self.full, delta), (self.full, old), (self.delta, old)):
            with self.subTest(payload.name, length=len(data)):
                self.assertIsNone(self.attempt(payload, data, payload is self.full))

    def test_two_frames_of_one_payload_changed_round_are_refused(self):
        frames = [frame for frame in self.full.frames if frame.length > 0]
        data = (self.own.folder / "targets" / "payloads" / self.full.name).read_bytes()
        pairs = [(a, b) for a in frames for b in frames if a.offset < b.offset and a.length == b.length][:3]
        pairs = [(a, b) for a, b in pairs if data[a.offset:a.offset + a.length] != data[b.offset:b.offset + b.length]]
        self.assertTrue(pairs, "the image must give two frames of one length")
        for a, b in pairs:
            changed = bytearray(data)
            changed[a.offset:a.offset + a.length], changed[b.offset:b.offset + b.length] = \
                data[b.offset:b.offset + b.length], data[a.offset:a.offset + a.length]
            self.assertIsNone(self.attempt(self.full, bytes(changed), True))


if __name__ == "__main__":
    unittest.main(verbosity=2)
