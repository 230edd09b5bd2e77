#!/usr/bin/env python3
"""What judges crash disks without booting them: the loader's rule, the loaders' states on a disk, and the comparison with the releases."""
import itertools
import os
import pathlib
import subprocess
import unittest

from crash_lab import HAVE_QEMU_IO, SOURCE, Lab

from decade_qemu import grub_install, loader_state, replay
from decade_qemu.crash_disks import CrashDisks, CrashPoint
from decade_qemu.disk_image import DiskImage, Partition
from decade_qemu.machine import BootState, Machine
from decade_qemu.write_log import WriteLog

CHOOSE = pathlib.Path(os.environ.get("DECADE_CHOOSE_TABLE", SOURCE / "build" / "dev" / "tests" / "qemu" / "choose_table"))
MIB = 1 << 20


class Rule(unittest.TestCase):
    @unittest.skipUnless(CHOOSE.exists(), "choose_table isn't built")
    def test_the_harness_chooses_as_the_engine_does(self):
        states, lines = [], []
        for order, good, left in itertools.product((("A",), ("B",), ("A", "B"), ("B", "A")), itertools.product((0, 1), repeat=2),
                                                   itertools.product((0, 1, 3), repeat=2)):
            states.append(BootState(order, dict(zip("AB", left)), {"A": bool(good[0]), "B": bool(good[1])}))
            fields = [str("AB".index(order[0]))]
            for i, slot in enumerate("AB"):
                fields += [str(int(slot in order)), str(good[i]), str(left[i])]
            lines.append(" ".join(fields))
        done = subprocess.run([CHOOSE], input="\n".join(lines), text=True, stdout=subprocess.PIPE, check=True)
        engine = ["AB"[int(line.split()[0])] for line in done.stdout.splitlines()]
        self.assertEqual([replay.choose(state) for state in states], engine)
        self.assertEqual(set(engine), {"A", "B"})

    def test_a_state_that_is_lost_chooses_nothing(self):
        self.assertIsNone(replay.choose(BootState(readable=False)))
        self.assertIsNone(replay.choose(BootState([], {"A": 0, "B": 0}, {"A": False, "B": False})))


class States(unittest.TestCase):
    def test_an_environment_block_is_read_as_it_was_written(self):
        block = grub_install.environment_block({"BOOT_ORDER": "B A", "BOOT_B_LEFT": 2, "BOOT_A_GOOD": 1, "other": "kept"})
        self.assertEqual(len(block), 1024)
        state = loader_state.grub_state(block)
        self.assertEqual((state.order, state.left, state.good), (["B", "A"], {"A": 0, "B": 2}, {"A": True, "B": False}))

    def test_what_is_no_environment_block_is_unreadable(self):
        block = grub_install.environment_block({"BOOT_ORDER": "A"})
        for wrong in (b"", bytes(1024), block[:512], b"X" + block[1:], block + b"#", grub_install.environment_block({})):
            self.assertFalse(loader_state.grub_state(wrong).readable)

    def test_the_names_of_entries_are_the_state_of_systemd_boot(self):
        def state(*names):
            found = loader_state.state_of_names(["decade-A.entry", "rescue-2-A+3.conf", *names])
            return found.order, found.left, found.good
        self.assertEqual(state("decade-1-A.conf"), (["A"], {"A": 0, "B": 0}, {"A": True, "B": False}))
        self.assertEqual(state("decade-9-A.conf", "decade-10-B+2-1.conf"), (["B", "A"], {"A": 0, "B": 2}, {"A": True, "B": False}))
        self.assertEqual(state("decade-2-B+0-3.conf", "decade-1-A.conf"), (["B", "A"], {"A": 0, "B": 0}, {"A": True, "B": False}))
        self.assertEqual(state("decade-2-B+3.conf", "decade-3-B.conf"), (["B"], {"A": 0, "B": 0}, {"A": False, "B": True}))
        self.assertFalse(loader_state.state_of_names(["decade-A.entry"]).readable)


class TinyMachine(Machine):
    """A boot state of two letters in a sector: the order, and whether the second slot is good."""

    classes = ("boot",)

    def __init__(self):
        pass

    def read_state(self, disk):
        letters = disk.read("loader", 0, 2).decode("latin-1")
        if not set(letters) <= {"A", "B"}:
            return BootState(readable=False)
        return BootState(letters, {"A": 0, "B": 3}, {"A": True, "B": False})


@unittest.skipUnless(HAVE_QEMU_IO, "qemu-io (package qemu-utils) is not there")
class Judgement(Lab):
    """An update in miniature, by qemu-io: the slot's new image, then the flip."""

    def verdicts(self, commands):
        layout = DiskImage(self.folder / "unused", [Partition("loader", MIB), Partition("boot-a", MIB), Partition("boot-b", MIB)])
        at = {name: layout.partition(name).offset for name in ("loader", "boot-a", "boot-b")}
        first = ["write -P 0x41 %d 1024" % at["loader"], "write -P 0x11 %d 8192" % at["boot-a"], "flush"]
        _, run, _ = self.record(first, size=layout.size)
        base = self.folder / "factory.img"
        base.write_bytes(run.read_bytes())
        _, _, path = self.record([*first, *(line.format(**{"flip": at["loader"], "slot": at["boot-b"]}) for line in commands)], size=layout.size)
        releases = {"1": self.image("1", 8192, 0x11), "2": self.image("2", 8192, 0x22)}
        with WriteLog(path) as log:
            disks = CrashDisks(base, log, self.folder / "durable")
            judge = replay.Judge(TinyMachine(), layout, {version: {"boot": image} for version, image in releases.items()})
            judge.attach(disks)
            found = list(judge.everything(disks, seeds=4))
            disks.close()
        return found

    def test_an_update_that_flushes_before_it_flips_holds_at_every_point(self):
        found = self.verdicts(["write -P 0x22 {slot} 8192", "flush", "write -P 0x42 {flip} 512", "flush"])
        self.assertEqual([verdict for verdict in found if verdict.breach], [])
        self.assertEqual({(verdict.slot, verdict.version) for verdict in found}, {("A", "1"), ("B", "2")})

    def test_a_flip_without_the_flush_before_it_is_a_breach(self):
        found = [verdict for verdict in self.verdicts(["write -P 0x22 {slot} 8192", "write -P 0x42 {flip} 512", "flush"]) if verdict.breach]
        self.assertIn(CrashPoint(5, "last"), [verdict.point for verdict in found])
        self.assertEqual({verdict.slot for verdict in found}, {"B"})

    def test_a_lost_boot_state_is_a_breach(self):
        found = self.verdicts(["write -P 0x99 {flip} 512", "flush"])
        self.assertTrue(any(verdict.breach == "the loader's state is lost" for verdict in found))


if __name__ == "__main__":
    unittest.main(verbosity=2)
