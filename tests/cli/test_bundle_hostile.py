"""Bundles that somebody cut, changed or forged: refused with code 5 and a sentence, as a file, as a stream and from a server."""
import bz2
import gzip
import io
import lzma
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tarfile
import time
import unittest
import zipfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import bundle_forge  # noqa: E402
from device_lab import (BIN, DONE, LONG, NOT_AUTHENTIC, NOTHING_TO_DO, SANITIZED, Device, LabCase, Repo, make_image, next_image,  # noqa: E402
                        peak_memory, run)
from test_bundle import CLASSES, BundleCase, index_of, install_from  # noqa: E402

SMALL = 16 * 1024


class HostileCase(LabCase):
    """A repository so small that a hundred installs take seconds."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.repo = Repo(cls.lab)
        cls.v1 = {"boot": make_image(SMALL, "boot"), "rootfs": make_image(3 * SMALL, "rootfs")}
        cls.v2 = {"boot": next_image(cls.v1["boot"], 2), "rootfs": next_image(cls.v1["rootfs"], 2)}
        cls.repo.release("1.0", cls.v1, segment_size=4096)
        before = cls.repo.copy(cls.lab / "before")
        cls.repo.release("2.0", cls.v2, segment_size=4096)
        cls.path = cls.lab / "full.dcb"
        result = run("decade-repo", "bundle", cls.repo.folder, "--version", "2.0", "-o", cls.path)
        assert result.code == 0, str(result)
        cls.data = cls.path.read_bytes()
        cls.factory = Device(cls.lab / "factory", cls.repo.root, "/nowhere", image=cls.v1, slot_size=4 * SMALL, classes=("boot", "rootfs"))
        # It knows what it runs, so that a refused install has nothing to find out, and has seen no metadata of the second release.
        result = cls.factory.run("check", before.folder)
        assert result.code == NOTHING_TO_DO, str(result)

    def setUp(self):
        super().setUp()
        self.count = 0

    def attempt(self, data, how, server=None):
        """A fresh device meets the bytes; how it ended, and whether anything that boots changed."""
        self.count += 1
        path = self.folder / ("x%d.dcb" % self.count)
        path.write_bytes(data)
        device = self.factory.copy(self.folder / ("device%d" % self.count))
        running = device.slot("a", image="boot"), device.slot("a", image="rootfs")
        if how == "stdin":
            result = install_from(device, path)
        else:
            result = device.run("install", path if server is None else server.url + "/" + path.name)
        device.unbooted = running == (device.slot("a", image="boot"), device.slot("a", image="rootfs")) and device.boot() == "A"
        path.unlink()
        return device, result

    def refused(self, data, how, label, server=None):
        device, result = self.attempt(data, how, server)
        self.assertEqual(NOT_AUTHENTIC, result.code, "%s, %s: %s" % (label, how, result))
        self.assertRegex(result.err, r"\Adecade: [^\n]{20,}\n\Z", "%s, %s" % (label, how))
        self.assertTrue(device.unbooted, "%s, %s: something that boots has changed" % (label, how))
        shutil.rmtree(device.folder)
        return result


class Forged(HostileCase):
    def test_the_forger_can_also_be_honest(self):
        # What it makes by hand from the real entries is what libarchive made, byte for byte.
        entries = [bundle_forge.Entry(e["name"], self.data[e["offset"]:e["offset"] + e["size"]]) for e in index_of(self.data)["entries"]]
        self.assertTrue(bundle_forge.build(entries, version="2.0") == self.data)

    def test_every_trick_is_refused_as_a_file_as_a_stream_and_from_a_server(self):
        server = self.serve(self.folder)
        for n, (name, data) in enumerate(bundle_forge.hostile().items()):
            for how in ("file", "stdin") + (("server",) if LONG or n % 4 == 0 else ()):
                with self.subTest(name, how=how):
                    self.refused(data, how, name, server if how == "server" else None)

    def test_tricks_in_a_signed_bundle_are_refused_too(self):
        """The same with real, signed entries around the trick: the signatures don't excuse it."""
        def real(number=None, head=None):
            made = [bundle_forge.Entry(e["name"], self.data[e["offset"]:e["offset"] + e["size"]]) for e in index_of(self.data)["entries"]]
            if number is not None:
                made[number].head = head(made[number])
            return made
        H = bundle_forge.header
        last = len(real()) - 1
        tricks = {
            "link": real(last, lambda e: H(e.name, len(e.data), kind=b"2", link=b"/etc/passwd")),
            "sparse": real(last, lambda e: bundle_forge.pax([(b"GNU.sparse.map", b"0,4"), (b"GNU.sparse.size", b"%d" % len(e.data))]) +
                           H(e.name, len(e.data))),
            "gnu": real(last, lambda e: H(e.name, len(e.data), magic=b"ustar  \0")),
            "other-name": real(last, lambda e: H(e.name + "x", len(e.data))),
        }
        for name, entries in tricks.items():
            for how in ("file", "stdin"):
                with self.subTest(name, how=how):
                    self.refused(bundle_forge.build(entries, version="2.0"), how, name)

    def test_a_pax_header_where_the_format_wants_none_but_harmless(self):
        """A name in pax records is the writer's own way with long names, so it is taken."""
        entries = [bundle_forge.Entry(e["name"], self.data[e["offset"]:e["offset"] + e["size"]]) for e in index_of(self.data)["entries"]]
        entries[0].head = bundle_forge.pax([(b"path", entries[0].name.encode())]) + bundle_forge.header("short", len(entries[0].data))
        for how in ("file", "stdin"):
            device, result = self.attempt(bundle_forge.build(entries, version="2.0"), how)
            self.expect(DONE, result)


class OtherFormats(HostileCase):
    def test_compressed_archives_and_other_formats_are_refused(self):
        files = io.BytesIO()
        with zipfile.ZipFile(files, "w") as archive:
            archive.writestr("decade-bundle", b"{}")
        tar = io.BytesIO()
        with tarfile.open(fileobj=tar, mode="w", format=tarfile.GNU_FORMAT) as archive:
            info = tarfile.TarInfo("decade-bundle")
            info.size = 2
            archive.addfile(info, io.BytesIO(b"{}"))
        cpio = b"07070100000001000081A40000000000000000000000010000000000000002000000000000000000000000000000000000000E00000000decade-bundle\0\0\0{}\0\0"
        forms = {"gzip": gzip.compress(self.data), "bzip2": bz2.compress(self.data), "xz": lzma.compress(self.data),
                 "zip": files.getvalue(), "cpio": cpio, "ar": b"!<arch>\ndecade-bundle/  0           0     0     100644  2         `\n{}",
                 "gnu tar": tar.getvalue(), "iso": bytes(32768) + b"\x01CD001\x01" + bytes(4096), "mtree": b"#mtree\ndecade-bundle size=2\n",
                 "uu": b"begin 644 decade-bundle\n", "text": b"hello\n" * 200, "random": random.Random(1).randbytes(5000),
                 "a table": next(iter((self.repo.folder / "targets" / "payloads").iterdir())).read_bytes()}
        for name, data in forms.items():
            for how in ("file", "stdin"):
                with self.subTest(name, how=how):
                    self.refused(data, how, name)


class Damaged(HostileCase):
    """The real bundle, with one thing wrong."""

    def unused(self):
        """A device never asks for the first root: it has its own. Nothing there can matter."""
        first, = [e for e in index_of(self.data)["entries"] if e["name"] == "metadata/1.root.json"]
        return range(first["offset"], first["offset"] + first["size"])

    def positions(self):
        rng = random.Random(11)
        entries = index_of(self.data)["entries"]
        between, end = [], 512 + int(self.data[124:135], 8)
        for entry in entries:
            between += range(end, entry["offset"])
            end = entry["offset"] + entry["size"]
        between += range(end, len(self.data))
        inside = [p for p in range(512, len(self.data)) if p not in set(between)]
        if LONG:
            return between + rng.sample(inside, min(len(inside), 4000))
        return rng.sample(range(512 + 1500), 40) + rng.sample(between, 70) + rng.sample(inside, 60)

    def test_a_flipped_bit_anywhere_is_refused(self):
        rng = random.Random(12)
        ways = ("file", "stdin")
        for n, position in enumerate(self.positions()):
            bad = bytearray(self.data)
            bad[position] ^= 1 << rng.randrange(8)
            for how in ways if LONG else ways[n % 2:n % 2 + 1]:
                if position in self.unused():
                    _, result = self.attempt(bytes(bad), how)
                    self.expect(DONE, result)
                else:
                    self.refused(bytes(bad), how, "byte %d" % position)

    def test_cut_off_anywhere_is_refused(self):
        rng = random.Random(13)
        ends = [e["offset"] + e["size"] for e in index_of(self.data)["entries"]]
        lengths = [0, 1, 511, 512, 513, len(self.data) - 1, len(self.data) - 512, len(self.data) - 1024] + rng.sample(ends, 4)
        lengths += rng.sample(range(len(self.data)), 400 if LONG else 12)
        server = self.serve(self.folder)
        for n, length in enumerate(lengths):
            for how in ("file", "stdin") + (("server",) if n % 3 == 0 else ()):
                self.refused(self.data[:length], how, "cut to %d" % length, server if how == "server" else None)

    def test_something_appended_is_refused_before_activation(self):
        server = self.serve(self.folder)
        for tail in (b"\0", b"x", bytes(512), bytes(10240), self.data, gzip.compress(b"x")):
            for how in ("file", "stdin", "server") if len(tail) in (1, len(self.data)) else ("stdin",):
                self.refused(self.data + tail, how, "%d bytes more" % len(tail), server if how == "server" else None)

    def test_entries_exchanged_are_refused(self):
        entries = index_of(self.data)["entries"]
        for suffix in (".json", ".table", ".frames"):
            group = [e for e in entries if e["name"].endswith(suffix) and "root" not in e["name"]]
            for a in group:
                for b in group:
                    if a is not b:
                        made = [bundle_forge.Entry(e["name"], self.data[o["offset"]:o["offset"] + o["size"]])
                                for e, o in ((e, b if e is a else a if e is b else e) for e in entries)]
                        self.refused(bundle_forge.build(made, version="2.0"), "file", "%s for %s" % (a["name"], b["name"]))

    def test_an_entry_left_out_is_clear_and_harmless(self):
        entries = index_of(self.data)["entries"]
        for left_out in entries[1:]:
            made = [bundle_forge.Entry(e["name"], self.data[e["offset"]:e["offset"] + e["size"]]) for e in entries if e is not left_out]
            for how in ("file", "stdin"):
                device, result = self.attempt(bundle_forge.build(made, version="2.0"), how)
                self.assertIn(result.code, (5, 6), "%s: %s" % (left_out["name"], result))
                self.assertTrue(device.unbooted, left_out["name"])

    def test_out_of_order_a_stream_says_so_and_a_file_does_not_care(self):
        entries = index_of(self.data)["entries"]
        made = [bundle_forge.Entry(e["name"], self.data[e["offset"]:e["offset"] + e["size"]]) for e in entries]
        data = bundle_forge.build(made[:1] + made[:0:-1], version="2.0")
        device, result = self.attempt(data, "stdin")
        self.assertEqual(6, result.code, str(result))
        self.assertIn("gone by already", result.err)
        self.assertTrue(device.unbooted)
        device, result = self.attempt(data, "file")
        self.expect(DONE, result)


class Footprint(BundleCase):
    """A stream needs no storage and no seek."""

    def test_nothing_is_written_but_slots_and_state(self):
        if shutil.which("strace") is None:
            self.skipTest("strace is not installed")
        if SANITIZED:
            self.skipTest("sanitizers write files of their own, and can't be traced")
        device = self.device()
        trace = self.folder / "trace"
        with open(self.both, "rb") as stdin:
            done = subprocess.run(["strace", "-f", "-qq", "-o", str(trace), "-e", "trace=openat,open,creat,rename,renameat,renameat2,mkdir,link,symlink,"
                                   "memfd_create,lseek", str(BIN / "decade"), "--config", str(device.config), "install", "-"], stdin=stdin,
                                  capture_output=True, text=True)
        self.assertEqual(0, done.returncode, done.stderr)
        # libefivar's log, from Debian 13 on.
        allowed = ["/dev/null", str(device.state)] + [str(path) for (slot, _), path in device.paths.items() if slot == "b"]
        writes = [line for line in trace.read_text().splitlines() if any(word in line for word in ("O_WRONLY", "O_RDWR", "O_CREAT", "O_TMPFILE",
                                                                                                   "creat(", "mkdir(", "link(", "memfd"))]
        self.assertTrue(writes)
        strange = [line for line in writes if not any('"%s' % path in line for path in allowed) and not self.is_relative_state(line)]
        self.assertEqual([], strange)
        self.assertEqual([], [line for line in trace.read_text().splitlines() if "lseek(0," in line])

    @staticmethod
    def is_relative_state(line):
        """The state folder's files are opened by name, below its descriptor."""
        return re.search(r'openat\(\d+, "[^"/]+"', line) is not None

    def peak(self, device, source, stdin=subprocess.DEVNULL):
        process = subprocess.Popen([str(BIN / "decade"), "--config", str(device.config), "install", source], stdin=stdin,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        peak = 0
        while process.poll() is None:
            peak = max(peak, peak_memory(process.pid))
            time.sleep(0.001)
        self.assertEqual(0, process.returncode)
        return peak

    def test_peak_memory_is_that_of_a_network_install(self):
        server = self.serve(self.lab)
        network = self.peak(self.device("network"), server.url + "/repo")
        with subprocess.Popen(["cat", str(self.both)], stdout=subprocess.PIPE) as cat:
            stream = self.peak(self.device("stream"), "-", cat.stdout)
        served = self.peak(self.device("served"), server.url + "/both.dcb")
        self.assertLess(stream, network + 1024, "KiB, against %d of a network install" % network)
        self.assertLess(served, network + 1024, "KiB, against %d of a network install" % network)


if __name__ == "__main__":
    unittest.main()
