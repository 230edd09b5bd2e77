#!/usr/bin/env python3
"""A kernel, an initrd and a root file system that switch together, by network, folder, bundle and bundle on stdin: the same result, and the
same tampering refused by each. The long tier takes real ones of two Debian releases, the default one small images like them.
"""
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.dont_write_bytecode = True
from device_lab import BIN, DONE, LONG, NOT_AUTHENTIC, SEGMENT, SOURCE, Device, LabCase, Repo, Result, make_image, next_image, run  # noqa: E402

CLASSES = ("initrd", "kernel", "rootfs")
WAYS = ("network", "folder", "bundle", "stdin")


def real_images():
    folder = pathlib.Path(os.environ.get("DECADE_IMAGES", SOURCE / "build" / "images"))
    for program in ("make_release_images.sh", "make_boot_images.py"):
        subprocess.run([str(SOURCE / "tests" / "images" / program), str(folder)], check=True)
    names = {"initrd": "initrd-%d.img", "kernel": "kernel-%d.img", "rootfs": "release-%d.img"}
    return [{name: (folder / (pattern % n)).read_bytes() for name, pattern in names.items()} for n in (1, 2)]


def small_images():
    first = {name: make_image(count * SEGMENT, name) for name, count in zip(CLASSES, (6, 10, 24))}
    return [first, {name: next_image(image, name) for name, image in first.items()}]


def index_of(path):
    with open(path, "rb") as file:
        size = int(file.read(512)[124:135], 8)
        return {entry["name"]: entry for entry in json.loads(file.read(size))["entries"]}


class Groups(LabCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.old, cls.new = real_images() if LONG else small_images()
        cls.repo = Repo(cls.lab)
        cls.repo.patience = 3600 if LONG else 240
        options = {"segment_size": 1 << 20, "effort": 3} if LONG else {}
        cls.repo.release("1.0", cls.old, **options)
        cls.repo.release("2.0", cls.new, **options)
        cls.bundle = cls.lab / "group.dcb"
        result = run("decade-repo", "bundle", cls.repo.folder, "--version", "2.0", "--base", "1.0", "-o", cls.bundle, timeout=600)
        assert result.code == DONE, str(result)
        cls.index = index_of(cls.bundle)
        cls.size = max(len(image) for images in (cls.old, cls.new) for image in images.values())

    def setUp(self):
        super().setUp()
        self.server = self.serve(self.repo.folder)
        self.device = Device(self.folder / "device", self.repo.root, self.server.url, image=self.old, slot_size=self.size, classes=CLASSES)
        self.expect(DONE, self.device.run("check", timeout=300))  # identified once
        shutil.copytree(self.device.state, self.folder / "state")
        shutil.rmtree(self.folder / "state" / "metadata")  # what it has verified already, it doesn't ask for again

    def start_over(self):
        """The device as it was: slot b empty, and nothing known of an attempt before."""
        shutil.rmtree(self.device.state)
        shutil.copytree(self.folder / "state", self.device.state)
        for name in CLASSES:
            os.truncate(self.device.paths[("b", name)], 0)
            os.truncate(self.device.paths[("b", name)], self.size)

    def install(self, way):
        if way != "stdin":
            source = {"network": self.server.url, "folder": self.repo.folder, "bundle": self.bundle}[way]
            return self.device.run("install", "--json", source, timeout=600)
        argv = [str(BIN / "decade"), "--config", str(self.device.config), "install", "--json", "-"]
        with open(self.bundle, "rb") as file:
            done = subprocess.run(argv, stdin=file, capture_output=True, text=True, timeout=600)
        return Result(argv, done.returncode, done.stdout, done.stderr, 0, 0)

    def running(self):
        """The running slot's files and what boots."""
        return [os.stat(self.device.paths[("a", name)]).st_mtime_ns for name in CLASSES], self.device.boots(), self.device.boot()

    def test_every_way_ends_the_same(self):
        reports = {}
        for way in WAYS:
            with self.subTest(way):
                self.start_over()
                report = self.expect(DONE, self.install(way)).json
                for name in CLASSES:
                    self.assert_slot(self.device, "b", self.new[name], name)
                    self.assert_slot(self.device, "a", self.old[name], name)
                self.assertEqual("B", self.device.boot())
                self.expect(DONE, self.device.run("mark-good"))
                self.expect(DONE, self.device.run("verify", timeout=300))
                reports[way] = {key: report[key] for key in ("result", "version", "from_version", "payload", "segments_same", "segments_delta",
                                                             "segments_full", "segments_zero", "segments_refetched", "bytes_written", "bytes_best")}
        for way, report in reports.items():
            self.assertEqual(reports["network"], report, way)

    # ---- tampering ----

    def pieces(self):
        """What a device needs on the way from 1.0 to 2.0: (name, file in the repository, offset in it, entry of the bundle, bytes)."""
        found = []
        for role in ("timestamp", "snapshot", "targets"):
            path = self.repo.metadata(role)
            found.append((path.name, path, 0, "metadata/" + path.name, path.stat().st_size))
        path = self.repo.manifest_path("2.0")
        found.append((path.name, path, 0, "targets/releases/" + path.name, path.stat().st_size))
        for name in CLASSES:
            payload = self.repo.payload("2.0", "1.0", image=name) or self.repo.payload("2.0", image=name)
            entry = "targets/payloads/" + payload.path.stem
            found.append((name + " table", payload.path, 0, entry + ".table", payload.table_length))
            frames = [frame for frame in payload.frames if frame.length > 0]
            for word, frame in (("first", frames[0]), ("last", frames[-1])):
                found.append(("%s, %s frame" % (name, word), payload.path, frame.offset, (entry + ".frames", payload.table_length), frame.length))
        return found

    def where(self, way, piece, position):
        """File and offset of a byte of the piece, as this way reads it."""
        _, path, offset, entry, _ = piece
        if way in ("network", "folder"):
            return path, offset + position
        name, before = entry if isinstance(entry, tuple) else (entry, 0)
        return self.bundle, self.index[name]["offset"] + offset - before + position

    def attempt(self, way, piece, position, mask):
        path, offset = self.where(way, piece, position)
        self.start_over()
        before = self.running()
        with open(path, "r+b") as file:
            file.seek(offset)
            good = file.read(1)
            file.seek(offset)
            file.write(bytes([good[0] ^ mask]))
        try:
            result = self.install(way)
        finally:
            with open(path, "r+b") as file:
                file.seek(offset)
                file.write(good)
        self.assertEqual(NOT_AUTHENTIC, result.code, str(result))
        self.assertEqual(before, self.running())
        self.assertNotIn(self.device.status()["state"], ("staged", "pending"))

    def test_a_flip_in_what_is_needed_is_refused_by_every_way(self):
        rng = random.Random(os.environ.get("DECADE_SEED", "group"))
        for piece in self.pieces():
            for position, mask in [(rng.randrange(piece[4]), 1 << rng.randrange(8)) for _ in range(2 if LONG else 1)]:
                for way in WAYS:
                    with self.subTest(piece[0], way=way, position=position, mask=mask):
                        self.attempt(way, piece, position, mask)
        for name in CLASSES:
            self.assert_slot(self.device, "a", self.old[name], name)

    def test_what_is_cut_off_is_refused_or_unreachable_and_goes_on_later(self):
        payload = self.repo.payload("2.0", "1.0", image="rootfs")
        for way in WAYS:
            with self.subTest(way):
                path = payload.path if way in ("network", "folder") else self.bundle
                size = path.stat().st_size
                keep = path.with_suffix(".kept")
                shutil.copyfile(path, keep)
                self.start_over()
                before = self.running()
                try:
                    os.truncate(path, size - 1000)
                    result = self.install(way)
                finally:
                    os.replace(keep, path)
                self.assertEqual(NOT_AUTHENTIC, result.code, str(result))
                self.assertEqual(before, self.running())
                report = self.expect(DONE, self.install(way)).json
                for name in CLASSES:
                    self.assert_slot(self.device, "b", self.new[name], name)
                self.assertEqual("activated", report["result"])

    def test_the_old_and_the_new_payload_of_an_image_changed_round_are_refused(self):
        """A folder and a server whose files were mixed up; a bundle of them can't even be made."""
        one, two = self.repo.payload("1.0", image="kernel").path, self.repo.payload("2.0", "1.0", image="kernel").path
        keep = [path.read_bytes() for path in (one, two)]
        one.write_bytes(keep[1])
        two.write_bytes(keep[0])
        try:
            for way in ("network", "folder"):
                self.start_over()
                before = self.running()
                self.expect(NOT_AUTHENTIC, self.install(way))
                self.assertEqual(before, self.running())
            made = run("decade-repo", "bundle", self.repo.folder, "--version", "2.0", "--base", "1.0", "-o", self.folder / "x.dcb", timeout=300)
            self.expect(NOT_AUTHENTIC, made)
        finally:
            one.write_bytes(keep[0])
            two.write_bytes(keep[1])


if __name__ == "__main__":
    unittest.main(verbosity=2)
