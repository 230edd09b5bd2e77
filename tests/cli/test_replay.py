#!/usr/bin/env python3
"""The real programs on real files, their writes recorded (write_log.c) and replayed as a power cut would leave them.

At an operation: what was synced is there; of the rest a seeded part, the last of it torn at a sector. A file that was renamed may be there
under its new name without its data, as on a file system that keeps no order.
"""
import os
import pathlib
import random
import shutil
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
from device_lab import DONE, LONG, NOTHING_TO_DO, SANITIZED, SEGMENT, Device, LabCase, Repo, make_image, next_image  # noqa: E402

SIZE = 24 * SEGMENT
SECTOR = 512
CUTS = 400 if LONG else 40
SEED = os.environ.get("DECADE_SEED", "replay")


def read_log(path):
    """[(what, offset, data, path, other)]"""
    log, data, at = [], path.read_bytes(), 0
    while at < len(data):
        end = data.index(b"\n", at)
        what, offset, length, name, other = data[at:end].decode().split(" ")
        at = end + 1 + int(length)
        log.append((what, int(offset), data[end + 1:at], name, other))
    return log


class File:
    def __init__(self, content):
        self.durable, self.pending = bytearray(content), []

    def settle(self):
        for offset, data in self.pending:
            self.put(self.durable, offset, data)
        self.pending = []

    @staticmethod
    def put(content, offset, data):
        if offset is None:
            del content[:]
            return
        content.extend(bytes(max(0, offset + len(data) - len(content))))
        content[offset:offset + len(data)] = data

    def after_cut(self, rng):
        content = bytearray(self.durable)
        kept = [write for write in self.pending if rng.random() < 0.5]
        for i, (offset, data) in enumerate(kept):
            if offset is not None and i == len(kept) - 1 and rng.random() < 0.5:
                data = data[:rng.randrange(len(data) // SECTOR + 1) * SECTOR]
            self.put(content, offset, data)
        return bytes(content)


class Medium:
    """The files below a folder, as they were, and what a log did to them."""

    def __init__(self, folder):
        self.now = {str(path): File(path.read_bytes()) for path in pathlib.Path(folder).rglob("*") if path.is_file()}
        self.names, self.changes = dict(self.now), []  # durable names; those that aren't: (path or None, path or None, file)

    def name(self, gone, new, file):
        self.changes.append((gone, new, file))
        self.rename(self.now, gone, new, file)

    @staticmethod
    def rename(names, gone, new, file):
        if gone is not None:
            names.pop(gone, None)
        if new is not None:
            names[new] = file

    def do(self, what, offset, data, path, other):
        if what in ("create", "empty") and path not in self.now:
            self.name(None, path, File(b""))
        elif what == "empty":
            self.now[path].pending.append((None, b""))
        elif what == "write":
            self.now[path].pending.append((offset, data))
        elif what == "sync":
            self.now[path].settle()
        elif what == "rename":
            self.name(path, other, self.now[path])
        elif what == "remove":
            self.name(path, None, None)
        elif what == "syncdir":
            of_folder = [c for c in self.changes if os.path.dirname(c[0] or c[1]) == path]
            for change in of_folder:
                self.rename(self.names, *change)
            self.changes = [c for c in self.changes if c not in of_folder]

    def after_cut(self, rng):
        names = dict(self.names)
        for change in self.changes:
            if rng.random() < 0.5:
                self.rename(names, *change)
        return {path: file.after_cut(rng) for path, file in names.items()}


@unittest.skipIf(SANITIZED, "a sanitizer wants to be the first library that is loaded")
class Replayed(LabCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.old = make_image(SIZE, "replay")
        cls.new = next_image(cls.old, "replay", changes=20)
        cls.repo = Repo(cls.lab)
        cls.repo.release("1.0", cls.old)
        cls.repo.release("2.0", cls.new)

    def recorded(self, device, steps):
        """The log of steps on a device: words of `decade`, or None for a boot."""
        log = self.folder / "log"
        told = []
        os.environ.update(LD_PRELOAD=os.environ["DECADE_WRITE_LOG_LIBRARY"], DECADE_WRITE_LOG=str(log),
                          DECADE_WRITE_LOG_UNDER=str(device.folder))
        try:
            for step in steps:
                if step is None:
                    device.boot()
                else:
                    self.expect(DONE, device.run(*step))
                told.append(len(read_log(log)))
        finally:
            for name in ("LD_PRELOAD", "DECADE_WRITE_LOG", "DECADE_WRITE_LOG_UNDER"):
                del os.environ[name]
        return read_log(log), told

    def test_what_a_cut_leaves_of_an_update_boots_and_ends_right(self):
        server = self.serve(self.repo.folder)
        device = Device(self.folder / "device", self.repo.root, server.url, image=self.old, slot_size=SIZE)
        self.expect(DONE, device.run("check"))
        whole = self.folder / "whole"
        shutil.copytree(device.folder, whole)
        log, told = self.recorded(device, (("install",), None, ("mark-good",)))
        kinds = {entry[0] for entry in log}
        self.assertLessEqual({"write", "sync", "rename", "syncdir"}, kinds, "the log misses what it is for")
        rng = random.Random(SEED)
        chosen = range(len(log) + 1) if LONG else sorted(rng.sample(range(len(log) + 1), min(CUTS, len(log) + 1)))
        old_ran = new_ran = 0
        for cut in chosen:
            with self.subTest(cut=cut, of=len(log), seed=SEED):
                ran = self.recover(device, whole, log, cut, told, rng)
                old_ran, new_ran = old_ran + (ran == "a"), new_ran + (ran == "b")
        self.assertGreater(old_ran, 0)
        self.assertGreater(new_ran, 0)

    def recover(self, device, whole, log, cut, told, rng):
        """From what is left after `cut` operations to the new release; the slot that booted first."""
        for path in device.folder.rglob("*"):
            if path.is_file():
                path.unlink()
        shutil.copytree(whole, device.folder, dirs_exist_ok=True)
        medium = Medium(device.folder)
        for entry in log[:cut]:
            medium.do(*entry)
        for path, content in medium.after_cut(rng).items():
            pathlib.Path(path).write_bytes(content)
        chosen = device.boot().lower()
        self.assert_slot(device, chosen, self.old if chosen == "a" else self.new)
        if cut < told[0]:
            self.assert_slot(device, "a", self.old)
        else:
            self.assertEqual("b", chosen, "install had said that it is done")
        device.status()
        if chosen == "a":
            self.assertIn(device.run("install").code, (DONE, NOTHING_TO_DO))
            self.assertEqual("B", device.boot())
        self.assert_slot(device, "b", self.new)
        self.expect(DONE, device.run("mark-good"))
        status = device.status()
        self.assertEqual(("idle", "b", True), (status["state"], status["booted"], status["slots"]["b"]["good"]))
        return chosen


if __name__ == "__main__":
    unittest.main(verbosity=2)
