#!/usr/bin/env python3
"""Crash disks: what a cut may and may not lose, on logs that QEMU itself made."""
import os
import struct
import unittest

from crash_lab import HAVE_QEMU_IO, SECTOR, Lab

from decade_qemu.crash_disks import CrashDisks, CrashPoint, ReferenceTracker, every_point, sample
from decade_qemu.volatile_cache import ALL, LAST, LATE, MODES, NONE, SUBSET, TORN, VolatileCache, survivors
from decade_qemu.write_log import DISCARD, FLUSH, LogError, WriteLog


def sectors(value, count=1):
    return bytes([value]) * (SECTOR * count)


class WhatACutLeaves(unittest.TestCase):
    """The model, by itself."""

    def setUp(self):
        self.cache = VolatileCache()

    def test_a_write_without_a_flush_is_lost_by_some_seed_and_kept_by_another(self):
        self.cache.write(0, sectors(1))
        kept = {len(self.cache.survivors(SUBSET, seed)) for seed in range(20)}
        self.assertEqual(kept, {0, 1})
        self.assertEqual(self.cache.survivors(NONE), [])
        self.assertEqual(self.cache.survivors(ALL), [(0, sectors(1))])

    def test_a_flushed_write_is_at_stake_no_more(self):
        self.cache.write(0, sectors(1))
        self.assertEqual(self.cache.flush(), [(0, sectors(1))])
        self.cache.write(512, sectors(2))
        for mode in MODES:
            for seed in range(10):
                self.assertNotIn(0, [offset for offset, _ in self.cache.survivors(mode, seed)])

    def test_the_newer_write_can_survive_the_older_one(self):
        self.cache.write(0, sectors(1))
        self.cache.write(512, sectors(2))
        self.cache.write(1024, sectors(3))
        self.assertEqual(self.cache.survivors(LAST), [(1024, sectors(3))])
        self.assertEqual(self.cache.survivors(LATE), [(512, sectors(2)), (1024, sectors(3))])

    def test_a_torn_write_has_some_of_its_sectors_and_each_of_them_whole(self):
        data = b"".join(sectors(value) for value in range(1, 9))
        self.cache.write(4096, data)
        fronts = backs = holes = 0
        for seed in range(100):
            there = {}
            for offset, piece in self.cache.survivors(TORN, seed):
                for at in range(0, len(piece), SECTOR):
                    there[(offset + at - 4096) // SECTOR] = piece[at:at + SECTOR]
            self.assertTrue(0 < len(there) < 8, seed)
            for index, piece in there.items():
                self.assertEqual(piece, sectors(index + 1))
            indices = sorted(there)
            fronts += indices == list(range(len(indices)))
            backs += indices == list(range(8 - len(indices), 8))
            holes += indices != list(range(indices[0], indices[-1] + 1))
        self.assertGreater(min(fronts, backs, holes), 5)

    def test_the_same_seed_tears_the_same_way(self):
        pending = [(4096 * index, sectors(index, 8)) for index in range(10)]
        self.assertEqual(survivors(pending, TORN, 4), survivors(pending, TORN, 4))
        self.assertNotEqual(survivors(pending, TORN, 4), survivors(pending, TORN, 5))

    def test_what_a_fua_write_replaced_does_not_come_back(self):
        self.cache.write(0, sectors(1, 8))
        self.cache.forget(1024, 1024)
        self.assertEqual(self.cache.survivors(ALL), [(0, sectors(1, 2)), (2048, sectors(1, 4))])

    def test_a_write_of_half_a_sector_is_refused(self):
        with self.assertRaises(ValueError):
            self.cache.write(100, sectors(1))


@unittest.skipUnless(HAVE_QEMU_IO, "qemu-io (package qemu-utils) is not there")
class RealLogs(Lab):
    RUN = ["write -P 0x11 0 4096", "write -P 0x22 512 512", "flush", "write -P 0x33 8192 1024", "write -P 0x44 65536 4096", "flush",
           "write -P 0x55 131072 512"]

    def disks(self, commands, **image):
        base, run, path = self.record(commands, **image)
        log = WriteLog(path)
        self.addCleanup(log.close)
        disks = CrashDisks(base, log, self.folder / "durable.img")
        self.addCleanup(disks.close)
        return disks, run

    def test_a_log_that_qemu_made_is_read_entry_by_entry(self):
        disks, _ = self.disks(self.RUN)
        found = [("F" if entry.is_flush else "w", entry.offset, entry.length) for entry in disks.log.entries]
        self.assertEqual(found[:6], [("w", 0, 4096), ("w", 512, 512), ("F", 0, 0), ("w", 8192, 1024), ("w", 65536, 4096), ("F", 0, 0)])
        self.assertEqual(found[6], ("w", 131072, 512))
        self.assertEqual(disks.log.data(disks.log.entries[3]), sectors(0x33, 2))

    def test_the_full_replay_is_the_image_that_the_run_left(self):
        disks, run = self.disks(self.RUN + ["write -z 8192 512", "discard 0 512"])
        disks.write(CrashPoint(len(disks.log), ALL), self.folder / "crash.img")
        left, made = run.read_bytes(), (self.folder / "crash.img").read_bytes()
        self.assertEqual(made[SECTOR:], left[SECTOR:])  # the discarded sector may read as anything
        self.assertEqual(made[8192:8704], bytes(512))

    def test_no_crash_disk_misses_what_was_flushed(self):
        disks, _ = self.disks(self.RUN)
        second_flush = 6
        for point in every_point(disks, seeds=8):
            view = disks.view(point)
            if point.prefix >= 3:
                self.assertEqual(view.read(0, 1536), sectors(0x11) + sectors(0x22) + sectors(0x11), str(point))
            if point.prefix >= second_flush:
                self.assertEqual(view.read(65536, 4096), sectors(0x44, 8), str(point))

    def test_what_was_not_flushed_is_lost_kept_and_torn(self):
        disks, _ = self.disks(self.RUN)
        found = {disks.view(point).read(65536, 4096) for point in every_point(disks, seeds=8) if point.prefix == 5}
        self.assertIn(bytes(4096), found)
        self.assertIn(sectors(0x44, 8), found)
        self.assertTrue(any(0 < data.count(0) < 4096 for data in found))
        reordered = disks.view(CrashPoint(5, LAST))
        self.assertEqual((reordered.read(8192, 512), reordered.read(65536, 512)), (bytes(512), sectors(0x44)))

    def test_a_sector_never_holds_something_that_nobody_wrote(self):
        disks, _ = self.disks(["write -P 1 0 4096", "write -P 2 0 2048", "flush", "write -P 3 0 4096", "write -P 4 2048 2048"])
        for point in every_point(disks, seeds=30):
            data = disks.view(point).read(0, 4096)
            for at in range(0, 4096, SECTOR):
                sector = data[at:at + SECTOR]
                self.assertEqual(sector, sectors(sector[0]), str(point))
                if point.prefix >= 3:
                    self.assertIn(sector[0], (2, 3) if at < 2048 else (1, 3, 4), str(point))

    def test_a_flush_that_was_removed_is_found(self):
        """Data first, flush, then the record that says they are there: the order every journal needs."""
        def breaches(commands):
            disks, _ = self.disks(commands)
            return [point for point in every_point(disks, seeds=4)
                    if disks.view(point).read(65536, 1) == b"\x22" and disks.view(point).read(0, 8192) != sectors(0x11, 16)]
        data, flush, record = "write -P 0x11 0 8192", "flush", "write -P 0x22 65536 512"
        self.assertEqual(breaches([data, flush, record, flush]), [])
        found = breaches([data, record, flush])
        self.assertIn(CrashPoint(2, LAST), found)
        self.assertTrue(any(point.mode == TORN for point in found))

    def test_the_image_to_boot_is_what_the_view_showed(self):
        disks, _ = self.disks(self.RUN, fill=0xEE)
        for point in sample(list(every_point(disks, seeds=2)), lambda point: point.prefix, 12, seed=3):
            whole = disks.view(point).read(0, 1 << 20)
            disks.write(point, self.folder / "crash.img")
            self.assertEqual((self.folder / "crash.img").read_bytes(), whole, str(point))

    def test_a_tracker_agrees_with_reading_it_all(self):
        disks, run = self.disks(self.RUN, fill=0xEE)
        final = run.read_bytes()
        for start, length in ((0, 16384), (65536, 4096 + 100), (131072, 512)):
            tracker = ReferenceTracker(final[start:start + length], start)
            disks.track(tracker)
            verdicts = set()
            for point in every_point(disks, seeds=4):
                view = disks.view(point)
                same = view.read(start, length) == final[start:start + length]
                self.assertEqual(tracker.equals(view), same, "%s %d" % (point, start))
                verdicts.add(same)
            self.assertEqual(verdicts, {True, False})

    def test_a_point_is_made_again_from_its_text(self):
        self.assertEqual(CrashPoint.parse("12:torn:3"), CrashPoint(12, TORN, 3))
        disks, _ = self.disks(self.RUN)
        first = disks.view(CrashPoint(5, TORN, 3)).read(0, 1 << 20)
        disks.view(CrashPoint(7, ALL))
        self.assertEqual(disks.view(CrashPoint.parse("5:torn:3")).read(0, 1 << 20), first)

    def test_a_sample_takes_from_every_kind_of_place(self):
        points = [CrashPoint(prefix, ALL) for prefix in range(1000)]
        drawn = sample(points, lambda point: "boot state" if point.prefix in (500, 501) else "slot", 10, seed=1)
        self.assertEqual(len(drawn), 10)
        self.assertEqual([point.prefix for point in drawn if point.prefix in (500, 501)], [500, 501])

    def test_a_log_without_its_last_count_is_read_on(self):
        """As a killed QEMU leaves it: entries behind the number in the superblock."""
        _, _, path = self.record(self.RUN)
        whole = path.read_bytes()
        path.write_bytes(whole[:16] + struct.pack("<Q", 3) + whole[24:])
        with WriteLog(path) as log:
            self.assertEqual((log.promised, len(log.entries) > 6), (3, True))
        path.write_bytes(whole[:16] + struct.pack("<Q", 3) + whole[24:] + os.urandom(100))
        with WriteLog(path) as log:
            self.assertGreater(len(log.entries), 6)

    def test_what_is_not_a_log_is_refused(self):
        _, _, path = self.record(self.RUN)
        whole = path.read_bytes()
        for wrong in (b"", bytes(512), b"X" + whole[1:], whole[:24] + struct.pack("<I", 500) + whole[28:], whole[:2000],
                      whole[:512 + 16] + struct.pack("<Q", 1 << 20) + whole[512 + 24:]):
            path.write_bytes(wrong)
            with self.assertRaises(LogError):
                WriteLog(path)

    def test_discards_take_no_room_in_the_log(self):
        disks, _ = self.disks(["discard 0 65536", "write -P 7 4096 512", "flush"])
        self.assertTrue(disks.log.entries[0].flags & DISCARD)
        self.assertFalse(disks.log.entries[0].is_write)
        self.assertEqual(disks.log.data(disks.log.entries[1]), sectors(7))
        self.assertTrue(disks.log.entries[2].flags & FLUSH)


if __name__ == "__main__":
    unittest.main(verbosity=2)
