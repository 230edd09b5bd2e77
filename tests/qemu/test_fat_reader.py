#!/usr/bin/env python3
"""The FAT reader, against file systems that mtools made."""
import shutil
import subprocess
import unittest

from crash_lab import Lab

from decade_qemu.fat_reader import FatError, FatReader


@unittest.skipUnless(shutil.which("mformat"), "mtools is not there")
class Fat(Lab):
    def fat(self, mib, *options):
        path = self.folder / "fat.img"
        with open(path, "wb") as file:
            file.truncate(mib << 20)
        subprocess.run(["mformat", "-i", path, "-T", str(mib << 11), "-h", "255", "-s", "63", *options, "::"], check=True)
        return path

    def copy(self, image, name, data):
        piece = self.folder / "piece"
        piece.write_bytes(data)
        subprocess.run(["mcopy", "-o", "-i", image, piece, "::" + name], check=True)

    def reader(self, image):
        data = image.read_bytes()
        return FatReader(lambda offset, length: data[offset:offset + length])

    def test_files_are_read_from_fat_12_16_and_32(self):
        for mib, options, bits in ((2, (), 12), (16, (), 16), (64, ("-F",), 32)):
            image = self.fat(mib, *options)
            subprocess.run(["mmd", "-i", image, "::loader", "::loader/entries"], check=True)
            files = {"loader/entries/decade-b+2-1.conf": b"title B\n", "GRUB.CFG": bytes(range(256)) * 600, "empty": b""}
            for name, content in files.items():
                self.copy(image, name, content)
            found = self.reader(image)
            self.assertEqual(found.bits, bits)
            for name, content in files.items():
                self.assertEqual(found.file(name), content, (bits, name))
            self.assertEqual(list(found.entries("loader/entries")), ["decade-b+2-1.conf"])

    def test_a_file_in_pieces_is_read_whole_and_has_no_position(self):
        image = self.fat(2)
        for number in range(8):
            self.copy(image, "f%d" % number, bytes([number]) * 4096)
        for number in range(0, 8, 2):
            subprocess.run(["mdel", "-i", image, "::f%d" % number], check=True)
        fill = bytes(range(255)) * 5000
        self.copy(image, "big", fill)
        found = self.reader(image)
        self.assertEqual(found.file("big"), fill)
        with self.assertRaises(FatError):
            found.position("big")
        self.assertEqual(image.read_bytes()[found.position("f1"):][:4096], b"\1" * 4096)

    def test_what_was_renamed_and_deleted_is_seen_so(self):
        image = self.fat(16)
        self.copy(image, "decade-b+3.conf", b"x")
        subprocess.run(["mren", "-i", image, "::decade-b+3.conf", "::decade-b+2-1.conf"], check=True)
        self.copy(image, "gone", b"y")
        subprocess.run(["mdel", "-i", image, "::gone"], check=True)
        self.assertEqual(list(self.reader(image).entries()), ["decade-b+2-1.conf"])

    def test_nonsense_is_an_error_and_no_loop(self):
        with self.assertRaises(FatError):
            FatReader(lambda offset, length: bytes(length))
        image = self.fat(16)
        self.copy(image, "looped", bytes(100000))
        data = bytearray(image.read_bytes())
        found = self.reader(image)
        first = found.entries()["looped"][1]
        fat_at = data.index(bytes(found.fat[:16]))
        data[fat_at + 2 * (first + 1):fat_at + 2 * (first + 1) + 2] = first.to_bytes(2, "little")
        with self.assertRaises(FatError):
            FatReader(lambda offset, length: bytes(data[offset:offset + length])).file("looped")


if __name__ == "__main__":
    unittest.main(verbosity=2)
