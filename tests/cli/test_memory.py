#!/usr/bin/env python3
"""What `decade install` takes of a device's memory. Prints the figures and holds them to the target."""
import os
import re
import shutil
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
from device_lab import BIN, DONE, SANITIZED, Device, LabCase, Repo, make_image, next_image, run  # noqa: E402

MIB = 1 << 20
IMAGE = 64 * MIB
RESIDENT_KIB = 16 * 1024  # curl and TLS libraries counted
HEAP_BYTES = 4 * MIB


def large_image():
    """64 MiB of many kinds, made of an 8 MiB piece that changes from copy to copy; quicker than making each byte."""
    piece = make_image(8 * MIB, "memory")
    parts = [piece]
    while len(parts) * len(piece) < IMAGE:
        parts.append(next_image(parts[-1], len(parts)))
    return b"".join(parts)


@unittest.skipIf(SANITIZED, "a sanitizer takes memory of its own")
class Memory(LabCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.old = large_image()
        cls.new = next_image(cls.old, "memory", changes=150)
        cls.repo = Repo(cls.lab)
        cls.repo.release("1.0", cls.old, segment_size=MIB)
        cls.repo.release("2.0", cls.new, segment_size=MIB)

    def device(self):
        device = Device(self.folder / "device", self.repo.root, self.serve(self.repo.folder).url, image=self.old, slot_size=IMAGE,
                        timeout_s=60, stall_timeout_s=60)
        self.expect(DONE, device.run("check"))
        return device

    def test_resident_memory_of_a_delta_and_of_a_full_install_over_http(self):
        for words in ((), ("--full",)):
            with self.subTest(words=words):
                device = self.device()
                result = self.expect(DONE, device.run("install", "--json", *words, watch_memory=True))
                self.assert_slot(device, "b", self.new)
                figures = result.json
                text = "%s install of 64 MiB: peak resident %.1f MiB, %.1f s, %d delta, %d same, %d full; %.1f MiB fetched"
                print(text % (
                    "full" if words else "delta", result.peak / 1024, result.seconds, figures["segments_delta"],
                    figures["segments_same"], figures["segments_full"], figures["bytes_fetched"] / MIB), file=sys.stderr)
                self.assertGreater(result.peak, 1000, "the peak was not seen")
                self.assertLessEqual(result.peak, RESIDENT_KIB)
                shutil.rmtree(device.folder)

    @unittest.skipUnless(shutil.which("valgrind"), "no valgrind, which counts the heap")
    def test_heap_of_a_delta_install_over_http(self):
        # The budget is one of segments, not of images, so a small image shows it, and valgrind takes its time.
        old = self.old[:6 * MIB]
        new = self.new[:6 * MIB]
        repo = Repo(self.folder)
        repo.release("1.0", old, segment_size=MIB)
        repo.release("2.0", new, segment_size=MIB)
        device = Device(self.folder / "small", repo.root, self.serve(repo.folder).url, image=old, slot_size=len(old),
                        timeout_s=60, stall_timeout_s=60)
        self.expect(DONE, device.run("check"))
        report = self.folder / "massif"
        massif = (shutil.which("valgrind"), "--tool=massif", "--massif-out-file=%s" % report, "--peak-inaccuracy=0.0")
        self.expect(DONE, run(*massif, BIN / "decade", "--config", device.config, "install", timeout=240))
        self.assert_slot(device, "b", new)
        peak = max(int(size) for size in re.findall(r"^mem_heap_B=(\d+)$", report.read_text(), re.MULTILINE))
        print("delta install: peak heap %.2f MiB" % (peak / MIB), file=sys.stderr)
        self.assertLessEqual(peak, HEAP_BYTES)


if __name__ == "__main__":
    unittest.main(verbosity=2)
