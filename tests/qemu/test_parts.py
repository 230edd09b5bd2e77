#!/usr/bin/env python3
"""The parts of decade-qemu that need no QEMU: formats it writes and reads, the guest's words, the web server, the command line."""
import json
import pathlib
import shutil
import stat
import struct
import subprocess
import sys
import tempfile
import unittest
import urllib.error
import urllib.request
import zlib

from qemu_lab import PROGRAM, SOURCE
from decade_qemu import elf_needed, guest_link, machine, release_images, scenario, uboot_env  # noqa: E402
from decade_qemu.cpio_archive import Cpio  # noqa: E402
from decade_qemu.disk_image import DiskImage, Partition  # noqa: E402
from decade_qemu.errors import HarnessError, UsageError  # noqa: E402
from decade_qemu.web_server import WebServer  # noqa: E402

machine.load_all()
scenario.load_all()


class Folder(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="decade-qemu-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)


class UbootEnvironment(Folder):
    def test_of_two_copies_the_newer_flag_counts_and_0_follows_255(self):
        for first, second, newest in ((1, 0, 0), (0, 1, 1), (255, 0, 1), (0, 255, 0), (254, 255, 1), (7, 7, 0)):
            with self.subTest(flags=(first, second)):
                copies = [uboot_env.encode({"N": str(i)}, 256, flag) for i, flag in enumerate((first, second))]
                self.assertEqual(newest, uboot_env.newest(copies)[0])

    def test_a_copy_with_a_flipped_bit_does_not_count(self):
        copies = [uboot_env.encode({"N": "0"}, 256, 9), uboot_env.encode({"N": "1"}, 256, 1)]
        damaged = bytearray(copies[0])
        damaged[6] ^= 1
        self.assertEqual((1, {"N": "1"}, 1), uboot_env.newest([bytes(damaged), copies[1]]))
        self.assertIsNone(uboot_env.newest([bytes(damaged), bytes(256)]))

    def test_u_boots_own_tool_writes_the_same_bytes(self):
        if not shutil.which("mkenvimage"):
            self.skipTest("no mkenvimage (u-boot-tools)")
        (self.folder / "text").write_text("BOOT_A_GOOD=1\nBOOT_ORDER=A B\n")
        subprocess.run(["mkenvimage", "-s", "0x2000", "-p", "0", "-o", self.folder / "single", self.folder / "text"], check=True)
        self.assertEqual((self.folder / "single").read_bytes(), uboot_env.encode_single({"BOOT_ORDER": "A B", "BOOT_A_GOOD": 1}, 0x2000))
        subprocess.run(["mkenvimage", "-r", "-s", "0x2000", "-p", "0", "-o", self.folder / "copy", self.folder / "text"], check=True)
        self.assertEqual((self.folder / "copy").read_bytes(), uboot_env.encode({"BOOT_ORDER": "A B", "BOOT_A_GOOD": 1}, 0x2000, 1))

    def test_variables_that_do_not_fit_are_refused(self):
        with self.assertRaises(HarnessError):
            uboot_env.encode({"N": "x" * 300}, 256, 0)


class Words(unittest.TestCase):
    def test_an_event_is_found_behind_what_a_console_puts_before_it(self):
        event = guest_link.parse("[    2.1] x decade-guest: up slot=A version=2 uptime=3.81\r\n")
        self.assertEqual(("up", "A", "2"), (event.name, event["slot"], event["version"]))

    def test_text_is_the_rest_of_the_line(self):
        event = guest_link.parse("decade-guest: out id=7 text=a b=c  d")
        self.assertEqual(("7", "a b=c  d"), (event["id"], event.text))
        self.assertEqual("", guest_link.parse("decade-guest: out id=7 text=").text)

    def test_other_lines_are_log(self):
        for line in ("decade: loading slot A", "decade-guest: ", "decade-guest: Up slot=A", "xdecade-guest:up"):
            self.assertIsNone(guest_link.parse(line))

    def test_a_line_without_end_does_not_fill_memory(self):
        splitter, lines = guest_link.LineSplitter(100), []
        for _ in range(50):
            lines += splitter.feed(b"x" * 33)
        self.assertLess(len(splitter.rest), 101)
        self.assertEqual(1650, sum(map(len, lines)) + len(splitter.rest))


class Files(Folder):
    def test_cpio_reads_what_was_written(self):
        if not shutil.which("cpio"):
            self.skipTest("no cpio")
        cpio = Cpio()
        cpio.file("bin/tool", b"#!/bin/sh\n", 0o755)
        cpio.link("bin/other", "tool")
        listing = subprocess.run(["cpio", "-tv", "--quiet"], input=cpio.bytes(), capture_output=True, check=True).stdout.decode()
        self.assertIn("-rwxr-xr-x", listing)
        self.assertIn("bin/other -> tool", listing)

    def test_the_same_cpio_has_the_same_bytes_and_knows_device_nodes(self):
        def make():
            cpio = Cpio()
            cpio.node("dev/console", 0o600, 5, 1)
            cpio.file("a", b"abc")
            return cpio.bytes()
        self.assertEqual(make(), make())
        self.assertIn(b"%08X" % (stat.S_IFCHR | 0o600), make())
        self.assertEqual(0, len(make()) % 512)

    def test_the_libraries_of_a_program_are_those_that_the_linker_names(self):
        interpreter, names = elf_needed.needed(pathlib.Path(sys.executable).resolve())
        self.assertTrue(interpreter is None or "ld" in interpreter)
        self.assertTrue(all(".so" in name for name in names))
        (self.folder / "text").write_bytes(b"#!/bin/sh\n" * 20)
        with self.assertRaises(HarnessError):
            elf_needed.needed(self.folder / "text")

    def test_a_disk_has_its_partitions_where_it_says(self):
        disk = DiskImage(self.folder / "disk", [Partition("env", 1 << 20), Partition("boot-a", 2 << 20)]).create()
        disk.write("boot-a", b"here", 512)
        self.assertEqual(b"here", disk.read("boot-a", 512, 4))
        table = disk.path.read_bytes()[1024:1024 + 256]
        first, last = struct.unpack_from("<QQ", table, 128 + 32)
        self.assertEqual((disk.partition("boot-a").offset // 512, 2 << 20), (first, (last - first + 1) * 512))
        self.assertEqual("boot-a", table[128 + 56:128 + 128].decode("utf-16-le").rstrip("\0"))

    def test_what_does_not_fit_into_a_partition_is_refused(self):
        disk = DiskImage(self.folder / "disk", [Partition("env", 1 << 20)]).create()
        with self.assertRaises(HarnessError):
            disk.write("env", b"xx", (1 << 20) - 1)
        with self.assertRaises(HarnessError):
            disk.write("nowhere", b"x")


class Web(Folder):
    def setUp(self):
        super().setUp()
        (self.folder / "a.dcp").write_bytes(bytes(range(256)) * 1024)
        self.server = WebServer([self.folder])
        self.addCleanup(self.server.close)

    def get(self, name, range_=None):
        request = urllib.request.Request("http://127.0.0.1:%d/%s" % (self.server.port, name), headers={"Range": range_} if range_ else {})
        return urllib.request.urlopen(request, timeout=10)

    def test_ranges_are_served_and_counted(self):
        reply = self.get("a.dcp", "bytes=1-3")
        self.assertEqual((206, b"\1\2\3"), (reply.status, reply.read()))
        self.assertEqual(3, self.server.payload_bytes())

    def test_what_is_outside_the_folder_is_not_served(self):
        with self.assertRaises(urllib.error.HTTPError):
            self.get("%2e%2e/etc/passwd")

    def test_a_server_that_died_comes_back(self):
        self.server.die_after(100 << 10)
        with self.assertRaises(Exception):
            self.get("a.dcp").read()
        with self.assertRaises(Exception):
            self.get("a.dcp")
        self.server.revive()
        self.assertEqual(256 << 10, len(self.get("a.dcp").read()))


class Registry(unittest.TestCase):
    def test_every_machine_says_what_it_is(self):
        self.assertLessEqual({"arm64", "armhf"}, set(machine.names()))
        for name in machine.names():
            kind = machine.kind_of(name)
            self.assertTrue(kind.title and kind.arch and kind.loader and kind.programs, name)

    def test_the_default_tier_updates_rolls_back_and_loses_power(self):
        promises = {one.promise for one in scenario.every() if one.tier == "default"}
        self.assertLessEqual({"updates", "rollback", "power and line"}, promises)

    def test_every_scenario_has_a_sentence(self):
        for one in scenario.every():
            self.assertGreater(len(one.title.split()), 4, one.name)
            self.assertIn(one.tier, scenario.TIERS)
            self.assertTrue(one.run.__doc__, one.name)

    def test_damage_leaves_the_superblock_alone(self):
        folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, folder)
        path = folder / "root"
        path.write_bytes(bytes(1 << 16))
        release_images.damage(path)
        data = path.read_bytes()
        self.assertEqual(bytes(8192), data[:8192])
        self.assertNotEqual(zlib.crc32(bytes(1 << 16)), zlib.crc32(data))


class CommandLine(unittest.TestCase):
    def call(self, *words):
        return subprocess.run([sys.executable, "-B", PROGRAM, *words], capture_output=True, text=True, timeout=60)

    def test_list_names_scenarios_and_machines_also_as_json(self):
        document = json.loads(self.call("list", "--json").stdout)
        self.assertIn("panic", [one["name"] for one in document["scenarios"]])
        self.assertIn("arm64", document["machines"])
        self.assertIn("panic", self.call("list").stdout)

    def test_wrong_usage_ends_with_2(self):
        for words in (["run", "no-such-scenario"], ["run", "panic", "--machine", "abacus"], ["run", "tier:nothing"], ["soak"], [],
                      ["certify", "/nonexistent.ini"]):
            with self.subTest(words=words):
                done = self.call(*words)
                self.assertEqual((2, ""), (done.returncode, done.stdout), done.stderr)

    def test_the_version_is_the_project_s(self):
        text = (SOURCE / "CMakeLists.txt").read_text()
        self.assertIn("VERSION %s " % self.call("--version").stdout.split()[1], text)

    def test_modules_stay_small(self):
        for path in sorted((PROGRAM.parent / "decade_qemu").glob("*.py")):
            self.assertLessEqual(path.read_text().count("\n"), 400, path.name)
            self.assertTrue(path.read_text().startswith('"""'), path.name)


assert UsageError.code == 2

if __name__ == "__main__":
    unittest.main(verbosity=2)
