#!/usr/bin/env python3
"""Deltas of compressed file systems and files, by the programs that make these: mksquashfs, mkfs.erofs and gzip. What is missing is left out."""
import gzip
import json
import os
import random
import shutil
import subprocess
import tempfile
import unittest

DELTA = os.path.join(os.environ["DECADE_BIN"], "decade-delta")
COMPRESSORS = ("gzip", "zstd", "xz", "lz4")


def prose(rng, words, length):
    return b" ".join(rng.choice(words) for _ in range(length)) + b"\n"


def make_tree(folder, rng, words):
    """Files of a few blocks, and small ones that share a block."""
    for name, length in (("large", 60000), ("middle", 20000), *((f"small{i}", 300) for i in range(40))):
        with open(os.path.join(folder, name), "wb") as file:
            file.write(prose(rng, words, length))


def edit_tree(folder, rng):
    for name in ("large", "middle", "small3", "small30"):
        path = os.path.join(folder, name)
        with open(path, "rb") as file:
            data = bytearray(file.read())
        at = rng.randrange(len(data))
        data[at:at] = b"something new"
        with open(path, "wb") as file:
            file.write(data)


def padded(image):
    """Do an erofs's clusters end with their LZ4 block? Others, for old kernels, stay packed: mkfs.erofs 1.8 makes such with legacy-compress."""
    with open(image, "rb") as file:
        file.seek(1024 + 80)
        return file.read(1)[0] & 1 == 1


class Packed(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="decade-packed-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.rng = random.Random(4)
        self.words = [self.rng.randbytes(self.rng.randrange(2, 9)).hex().encode() for _ in range(2000)]

    def path(self, name):
        return os.path.join(self.folder, name)

    def run_delta(self, *words):
        return subprocess.run([DELTA, *words], check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True).stdout

    def measure(self, old, new, *options):
        """Makes and applies a delta; what `info` says of it."""
        payload, out = self.path("payload"), self.path("out")
        for path in (payload, out):
            if os.path.exists(path):
                os.remove(path)
        self.run_delta("diff", "--segment-size", "128K", *options, old, new, payload)
        self.run_delta("apply", old, payload, out)
        with open(new, "rb") as wanted, open(out, "rb") as made:
            self.assertEqual(wanted.read(), made.read())
        return json.loads(self.run_delta("info", "--json", payload))

    @unittest.skipUnless(shutil.which("mksquashfs"), "needs mksquashfs")
    def test_a_squashfs_of_each_compressor_takes_a_fraction_of_its_changed_blocks(self):
        tree = self.path("tree")
        os.mkdir(tree)
        make_tree(tree, self.rng, self.words)
        for step in (1, 2):
            for compressor in COMPRESSORS:
                subprocess.run(["mksquashfs", tree, self.path(f"{compressor}.{step}"), "-comp", compressor, "-noappend", "-quiet", "-no-progress",
                                "-all-time", "0", "-mkfs-time", "0"], check=True, stdout=subprocess.DEVNULL)
            edit_tree(tree, self.rng)
        for compressor in COMPRESSORS:
            with self.subTest(compressor=compressor):
                old, new = self.path(f"{compressor}.1"), self.path(f"{compressor}.2")
                info = self.measure(old, new, "--pack-memory", "4M")
                self.assertGreater(info["segments_repacked"], 0)
                self.assertIn({"gzip": "zlib"}.get(compressor, compressor), info["packers"])
                self.assertTrue(info["packs_alike"])
                plain = self.measure(old, new, "--keep-packed")
                self.assertEqual(plain["segments_repacked"], 0)
                # lz4 leaves literals as they are, so that its blocks have much in common also packed.
                self.assertLess(info["payload_size"], plain["payload_size"] / (4 if compressor == "lz4" else 10))

    @unittest.skipUnless(shutil.which("mkfs.erofs"), "needs mkfs.erofs")
    def test_an_erofs_of_lz4_takes_a_fraction_of_its_changed_clusters(self):
        tree = self.path("tree")
        os.mkdir(tree)
        make_tree(tree, self.rng, self.words)
        kinds = {"lz4": ["-zlz4"], "lz4hc": ["-zlz4hc"], "lz4hc-12": ["-zlz4hc,12"], "large": ["-zlz4hc", "-C65536"],
                 "long-index": ["-zlz4hc", "-Elegacy-compress"]}
        for step in (1, 2):
            for kind, words in kinds.items():
                subprocess.run(["mkfs.erofs", *words, "-T0", "-U5f2b1f9e-2d0c-4f0b-9b4e-1f6f0c7a9d11", self.path(f"{kind}.{step}"), tree],
                               check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            edit_tree(tree, self.rng)
        for kind in kinds:
            with self.subTest(kind=kind):
                old, new = self.path(f"{kind}.1"), self.path(f"{kind}.2")
                info = self.measure(old, new, "--pack-memory", "4M")
                if not padded(new):
                    self.assertEqual(list(info["packers"]), [])
                    continue
                self.assertEqual(list(info["packers"]), ["erofs-lz4"])
                self.assertGreater(info["segments_repacked"], 0)
                self.assertTrue(info["packs_alike"])
                self.assertLess(info["payload_size"], self.measure(old, new, "--keep-packed")["payload_size"])

    @unittest.skipUnless(shutil.which("mkfs.erofs") and shutil.which("gzip"), "needs mkfs.erofs and gzip")
    def test_members_that_an_erofs_keeps_in_two_places_are_laid_open(self):
        tree = self.path("tree")
        os.mkdir(tree)
        pages = [prose(self.rng, self.words, length) for length in (2500, 4000, 9000, 30000)]
        kinds = {"none": [], "extended": ["-Eforce-inode-extended"], "lz4hc": ["-zlz4hc"], "chunks": ["--chunksize=4096"]}
        for step in (1, 2):
            for i, page in enumerate(pages):
                at = page.index(b" ", len(page) // 3)
                page = page[:at] + b" something new" * (step - 1) + page[at:]
                with open(os.path.join(tree, f"page{i}.gz"), "wb") as file:
                    file.write(subprocess.run(["gzip", "-9n"], check=True, input=page, stdout=subprocess.PIPE).stdout)
            for kind, words in kinds.items():
                subprocess.run(["mkfs.erofs", *words, "-T0", "-U5f2b1f9e-2d0c-4f0b-9b4e-1f6f0c7a9d11", self.path(f"{kind}.{step}"), tree],
                               check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for kind in kinds:
            with self.subTest(kind=kind):
                old, new = self.path(f"{kind}.1"), self.path(f"{kind}.2")
                info = self.measure(old, new)
                kept = self.measure(old, new, "--keep-packed")
                if kind == "chunks":
                    continue  # in one place as a rule; exact is what counts
                self.assertEqual(list(info["packers"]), ["deflate"])
                self.assertTrue(info["split_blocks"])
                self.assertFalse(kept["split_blocks"])
                self.assertTrue(info["packs_alike"])
                self.assertLess(info["payload_size"], kept["payload_size"] / 10)

    def test_gzip_members_are_packed_as_gzip_and_zlib_do(self):
        contents = [prose(self.rng, self.words, length) for length in (100, 3000, 20000)]
        images = []
        for step in (1, 2):
            image = bytearray()
            for i, content in enumerate(contents):
                content = content + b"more" * (step - 1)
                packed = gzip.compress(content, mtime=0)
                if shutil.which("gzip") and i != 0:
                    packed = subprocess.run(["gzip", "-9n"], check=True, input=content, stdout=subprocess.PIPE).stdout
                image += packed + bytes(-len(packed) % 4096)
            images.append(self.path(f"members.{step}"))
            with open(images[-1], "wb") as file:
                file.write(image)
        info = self.measure(*images)
        self.assertEqual(list(info["packers"]), ["deflate"])
        self.assertFalse(info["split_blocks"])
        self.assertLess(info["payload_size"], 3000)
        self.assertGreater(self.measure(*images, "--keep-packed")["payload_size"], 20000)

    def test_a_bound_on_memory_leaves_blocks_as_they_are(self):
        content = prose(self.rng, self.words, 20000)
        for step in (1, 2):
            with open(self.path(f"bound.{step}"), "wb") as file:
                file.write(gzip.compress(content + b"more" * step, mtime=0))
        self.assertEqual(self.measure(self.path("bound.1"), self.path("bound.2"), "--pack-memory", "1000")["segments_repacked"], 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
