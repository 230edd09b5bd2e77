#!/usr/bin/env python3
"""Loaders' states on a disk, read, written and damaged from outside; and the BOARD.ini that says where they are."""
import itertools
import pathlib
import shutil
import tempfile
import unittest

from qemu_lab import SOURCE
from decade_qemu import certify, grub_install, host_command, loader_state, machine  # noqa: E402
from decade_qemu.board import Board  # noqa: E402
from decade_qemu.disk_image import DiskImage, Partition  # noqa: E402
from decade_qemu.errors import UsageError  # noqa: E402
from decade_qemu.loader_state import BootState, EntriesState, GrubState, UbootState  # noqa: E402

MIB = 1 << 20
machine.load_all()


class Disk(unittest.TestCase):
    """A disk with a raw partition `env` and a FAT partition `esp` on which GRUB's block and systemd-boot's entries are."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="decade-qemu-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.disk = DiskImage(self.folder / "disk", [Partition("env", MIB), Partition("esp", 16 * MIB)]).create()
        tree = {"grub/grubenv": grub_install.environment_block({"BOOT_ORDER": "A", "serial": "kept"}), "slots/a.efi": bytes(8192), "slots/b.efi": bytes(8192)}
        for slot in "AB":
            tree["loader/entries/decade-%s.entry" % slot] = b"title %s\n" % slot.encode()
        tree["loader/entries/rescue-2-A+3.conf"] = b"title rescue\n"
        self.disk.write_file("esp", grub_install.make_fat(self.folder / "fat", 16 * MIB, tree))
        self.states = {"uboot": UbootState("env", (0, 0x10000), 0x2000), "grub": GrubState("esp", "grub/grubenv"),
                       "systemd-boot": EntriesState("esp", "loader/entries")}

    def board(self, text):
        path = self.folder / "board.ini"
        (self.folder / "image").write_bytes(b"")
        path.write_text("[board]\nname = b\ndisk = disk\n[qemu]\ncommand = true\n[good 1]\nboot = image\nrootfs = image\n" + text)
        return Board(path)


@unittest.skipUnless(shutil.which("mcopy"), "mtools aren't there")
class Formats(Disk):
    def test_what_is_written_is_read_again(self):
        for (name, state), order, trial in itertools.product(self.states.items(), (["A"], ["B", "A"], ["A", "B"]), (0, 3)):
            with self.subTest(name, order=order, trial=trial):
                good = {"A": True, "B": False}
                state.write(self.disk, BootState(order, {"A": 0, "B": trial}, good))
                found = state.read(self.disk)
                self.assertEqual((found.readable, found.order, found.good), (True, order, good))
                self.assertEqual(found.left["B"], trial if "B" in order else found.left["B"])

    def test_what_is_damaged_is_unreadable_and_can_be_written_again(self):
        state = BootState(["A"], {"A": 0, "B": 0}, {"A": True, "B": False})
        for name, stored in self.states.items():
            with self.subTest(name):
                stored.write(self.disk, state)
                for copy in range(stored.copies):
                    self.assertTrue(stored.read(self.disk).readable)
                    stored.damage(self.disk, copy)
                self.assertFalse(stored.read(self.disk).readable)
                stored.write(self.disk, state)
                self.assertEqual(stored.read(self.disk).order, ["A"])

    def test_what_is_not_the_boot_state_survives(self):
        state = BootState(["B", "A"], {"A": 0, "B": 2}, {"A": True, "B": False})
        self.states["uboot"].write(self.disk, state, {"serial": "kept"})
        for name in ("uboot", "grub", "systemd-boot"):
            self.states[name].write(self.disk, state)
        self.assertIn(b"serial=kept\0", self.disk.read("env", 0, 0x2000))
        reader = loader_state.fat_of(self.disk, "esp")
        self.assertIn(b"serial=kept\n", reader.file("grub/grubenv"))
        self.assertIn("rescue-2-A+3.conf", reader.entries("loader/entries"))
        self.assertEqual(reader.file("loader/entries/decade-2-B+2.conf"), b"title B\n")

    def test_tries_that_are_no_number_are_none(self):
        for text in ("x", "-1", "", "1;reset", "9" * 40):
            self.assertEqual(loader_state.from_variables({"BOOT_ORDER": "A", "BOOT_A_LEFT": text}).left["A"], 0)


class Boards(Disk):
    def test_each_format_of_a_board_reads_the_same_state(self):
        wanted = BootState(["B", "A"], {"A": 0, "B": 1}, {"A": True, "B": False})
        for name, state in self.states.items():
            with self.subTest(name):
                state.write(self.disk, wanted)
                board = self.board("[state]\n" + "\n".join(state.lines()) + "\n")
                self.assertTrue(board.reads_state)
                self.assertEqual(repr(board.read_state(self.disk)), repr(wanted))
                self.assertEqual(board.loader_partition(), state.partition)

    def test_a_board_without_a_state_has_none(self):
        board = self.board("")
        self.assertFalse(board.reads_state)
        self.assertFalse(board.read_state(self.disk).readable)

    def test_a_board_says_what_its_loader_says(self):
        self.assertEqual(self.board("").loading("B"), "decade: loading slot B")
        self.assertEqual(self.board("[guest]\nloading = Booting {slot} ...\n").loading("B"), "Booting B ...")

    def test_an_entry_that_is_empty_is_none(self):
        state = self.states["systemd-boot"]
        state.write(self.disk, BootState(["B", "A"], {"A": 0, "B": 3}, {"A": True, "B": False}))
        scratch = self.folder / "empty"
        scratch.write_bytes(b"")
        at = "%s@@%d" % (self.disk.path, self.disk.partition("esp").offset)
        host_command.run(["mcopy", "-o", "-i", at, scratch, "::loader/entries/decade-2-B+3.conf"])
        self.assertEqual(state.read(self.disk).order, ["A"])

    def test_a_class_may_be_a_file(self):
        board = self.board("[files]\nboot = esp:slots/{slot}.efi\n")
        self.assertEqual((board.slot_partition("boot", "B"), board.slot_partition("rootfs", "B")), ("esp", "rootfs-b"))
        at = board.slot_offset(self.disk, "boot", "B") - self.disk.partition("esp").offset
        self.assertEqual(at, loader_state.fat_of(self.disk, "esp").position("slots/b.efi"))

    def test_what_is_wrong_with_it_is_told(self):
        for text, word in (("[state]\nformat = lilo\n", "format"), ("[state]\nformat = grub\npartition = esp\n", "file"),
                           ("[state]\nformat = grub\npartition = esp\nfile = x\nsize = 3\n", "size"),
                           ("[state]\nformat = uboot\npartition = env\noffset-1 = x\noffset-2 = 0\nsize = 1\n", "state"),
                           ("[files]\nother = esp:{slot}\n", "other"), ("[files]\nboot = esp:a.efi\n", "{slot}"), ("[files]\nboot = {slot}\n", "PARTITION"),
                           ("[stat]\n", "stat")):
            with self.subTest(text), self.assertRaisesRegex(UsageError, word.replace("{", r"\{")):
                self.board(text)

    def test_every_machine_can_be_written_as_a_board_that_reads_its_state(self):
        for name in machine.names():
            one = machine.kind_of(name)(self.folder / "cache", SOURCE)
            with self.subTest(name):
                board = self.board("\n".join(certify.state_lines(one)) + "\n")
                self.assertEqual(board.stored_state().lines(), one.stored_state().lines())
                self.assertEqual(board.slot_files(), one.slot_files())


if __name__ == "__main__":
    unittest.main(verbosity=2)
