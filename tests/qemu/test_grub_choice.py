#!/usr/bin/env python3
"""packaging/loaders/grub/grub.cfg as it is shipped, run by GRUB in one virtual machine over a table of environments.

Each environment is a grubenv of its own on a disk. The script loads it, decides and saves; only `linux` and `initrd` are replaced, by not
being there and by functions that say what would be booted. The choice and what is left in the file are compared with dcd_boot_choose().
"""
import itertools
import os
import pathlib
import re
import shutil
import subprocess
import unittest

from crash_lab import LONG, SOURCE, Lab

from decade_qemu import command_line, fat_reader, grub_install
from decade_qemu.apt_root import AptRoot
from decade_qemu.disk_image import DiskImage, Partition

GRUB_CFG = SOURCE / "packaging" / "loaders" / "grub" / "grub.cfg"
CHOOSE = pathlib.Path(os.environ.get("DECADE_CHOOSE_TABLE", SOURCE / "build" / "dev" / "tests" / "qemu" / "choose_table"))
CACHE = command_line.default_cache()
BATCH = 128  # environments a boot
MASTER = """
terminal_output serial
function linux {
	echo "LINUX $1 $2 $3 $4"
	for broken in $unloadable; do
		if [ "$4" = "decade.slot=$broken" ]; then return 1; fi
	done
	return 0
}
# What this slot was started with is known; a real boot wouldn't come back.
function initrd { set decade_tried="A B"; return 0; }
function sleep { return 0; }
function reboot { echo "REBOOT"; }
"""


class Environment:
    """One state of the loader's variables. broken: slots whose kernel can't be loaded."""

    def __init__(self, order, good, left, broken=(), raw=None, spare=None):
        self.order, self.good, self.left, self.broken, self.raw, self.spare = order, good, left, broken, raw, spare

    def variables(self):
        found = {"BOOT_ORDER": " ".join(self.order)}
        for slot in "AB":
            if self.left[slot] is not None:
                found["BOOT_%s_LEFT" % slot] = self.left[slot]
            if self.good[slot] is not None:
                found["BOOT_%s_GOOD" % slot] = self.good[slot]
        found["somebody_elses"] = "kept"
        return found

    def block(self):
        return self.raw if self.raw is not None else grub_install.environment_block(self.variables())

    def all_spent(self):
        """No slot is good or has tries left: the script gives all that may be booted new ones, where the engine's rule only says which is first."""
        return not any(self.good.values()) and not any(self.left[slot] for slot in self.order)

    def as_the_engine_sees_it(self):
        """A line for choose_table: a slot that isn't listed comes behind those that are."""
        primary = "AB".index(self.order[0]) if self.order else 0
        fields = [primary]
        for slot in "AB":
            fields += [int(slot in self.order), int(self.good[slot] or 0), int(self.left[slot] or 0)]
        return " ".join(map(str, fields))

    def __repr__(self):
        return "order %s, good %s, left %s, broken %s" % (" ".join(self.order), self.good, self.left, "".join(self.broken))


def every_state(numbers):
    for order in ((), ("A",), ("B",), ("A", "B"), ("B", "A")):
        for good_a, good_b, left_a, left_b in itertools.product((0, 1), (0, 1), numbers, numbers):
            yield Environment(order, {"A": good_a, "B": good_b}, {"A": left_a, "B": left_b})


def place(number):
    """The folder of an environment; few to a folder, because GRUB walks through folders entry by entry."""
    return "s/%d/%d" % (number // 16, number % 16)


class Verdict:
    """booted: the slots that were given to `linux`, in their order. after: the bytes of the file then. spare: of the spare file."""

    def __init__(self, booted, text, after, spare):
        self.booted, self.text, self.after, self.spare = booted, text, after, spare


@unittest.skipUnless(shutil.which("qemu-system-x86_64") and shutil.which("mksquashfs") and shutil.which("mcopy"),
                     "qemu-system-x86, squashfs-tools or mtools is not there")
class GrubChoice(Lab):
    @classmethod
    def setUpClass(cls):
        try:
            cls.tools = grub_install.GrubTools.find(lambda: AptRoot(CACHE / "amd64" / "apt", "amd64"), CACHE / "amd64" / "grub")
        except Exception as error:
            raise unittest.SkipTest("GRUB's modules are neither installed nor to be had: %s" % error)

    script = GRUB_CFG.read_text()

    def run_all(self, environments):
        """A Verdict for each environment: one boot of GRUB."""
        for path in self.folder.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        disk = DiskImage(self.folder / "disk.img", [Partition("grub", 1 << 20, "bios"), Partition("esp", 64 << 20, "uefi"),
                                                    Partition("boot-a", 1 << 20), Partition("rootfs-a", 1 << 20), Partition("boot-b", 1 << 20)])
        disk.create()
        tree = self.folder / "esp"
        (tree / "grub").mkdir(parents=True)
        (tree / "grub" / "decade.cfg").write_text(self.script)
        (tree / "grub" / "grub.cfg").write_text(MASTER + "".join(self._visit(tree, *pair) for pair in enumerate(environments)) + "echo ALL DONE\n")
        esp = grub_install.make_fat(self.folder / "esp.img", 64 << 20, {})
        subprocess.run(["mcopy", "-s", "-i", esp, *sorted(tree.iterdir()), "::"], check=True)
        disk.write_file("esp", esp)
        for slot in "ab":
            disk.write_file("boot-" + slot, self._boot_partition(slot))
        core = self.folder / "core.img"
        self.tools.core("i386-pc", "(,gpt2)/grub", core, early="serial --unit=0 --speed=115200\n", without=("linux", "sleep", "reboot"))
        grub_install.install_bios(self.tools, disk, core, "grub")
        text = self._boot(disk)
        return [self._verdict(disk, tree, text, number) for number, _ in enumerate(environments)]

    def _visit(self, tree, number, environment):
        folder = tree / place(number)
        folder.mkdir(parents=True)
        block = environment.block()
        if block:
            (folder / "grubenv").write_bytes(block)
        if environment.spare:
            (folder / "grubenv.spare").write_bytes(grub_install.environment_block(environment.spare))
        return ('echo "STATE %04d"\nset prefix=(hd0,gpt2)/%s\nset unloadable="%s"\nunset BOOT_ORDER\nunset BOOT_A_GOOD\nunset BOOT_A_LEFT\n'
                "unset BOOT_B_GOOD\nunset BOOT_B_LEFT\nsource (hd0,gpt2)/grub/decade.cfg\n" % (number, place(number), " ".join(environment.broken)))

    def _boot_partition(self, slot):
        folder = self.folder / ("boot-" + slot)
        folder.mkdir()
        (folder / "cmdline.cfg").write_text('set decade_cmdline="of=%s quiet"\n' % slot)
        out = self.folder / ("boot-%s.squashfs" % slot)
        subprocess.run(["mksquashfs", folder, out, "-quiet", "-no-progress", "-all-root"], check=True, stdout=subprocess.DEVNULL)
        return out

    def _boot(self, disk):
        process = subprocess.Popen(["qemu-system-x86_64", "-M", "pc", "-accel", "tcg", "-m", "64", "-nodefaults", "-display", "none", "-serial", "stdio",
                                    "-no-reboot", "-drive", "file=%s,format=raw,if=virtio,cache=unsafe" % disk.path],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        text = b""
        try:
            while b"ALL DONE" not in text:
                more = process.stdout.read1(65536)
                self.assertTrue(more, "GRUB ended early: " + text[-2000:].decode("latin-1"))
                text += more
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
        return re.sub(r"\x1b\[[0-9;?=]*[A-Za-z]", "", text.decode("latin-1")).replace("\r", "")

    def _verdict(self, disk, tree, text, number):
        part = text.split("STATE %04d\n" % number, 1)[1].split("STATE ", 1)[0]
        spare = self._get(disk, number, "grubenv.spare")
        booted = re.findall(r"LINUX \S+ \S+ \S+ decade\.slot=(\S+)", part)
        return Verdict(booted, part, self._get(disk, number, "grubenv"), spare)

    def _get(self, disk, number, name):
        """A file of an environment's folder as the run left it; empty when there is none."""
        try:
            return fat_reader.FatReader(lambda offset, length: disk.read("esp", offset, length)).file("%s/%s" % (place(number), name))
        except fat_reader.FatError:
            return b""

    def engine(self, environments):
        """[(slot, tries of A, tries of B)] by dcd_boot_choose()."""
        lines = "\n".join(environment.as_the_engine_sees_it() for environment in environments)
        done = subprocess.run([CHOOSE], input=lines, text=True, stdout=subprocess.PIPE, check=True)
        return [("AB"[int(line.split()[0])], *map(int, line.split()[1:])) for line in done.stdout.splitlines()]

    def test_the_script_chooses_and_counts_as_the_engine_does_in_every_state(self):
        environments = list(every_state(range(10) if LONG else (0, 3)))
        environments += [Environment(("B", "A"), {"A": 1, "B": None}, {"A": None, "B": left}) for left in range(10)]
        self.assertEqual({slot for slot, _, _ in self.engine(environments)}, {"A", "B"})
        for at in range(0, len(environments), BATCH):
            self.compare(environments[at:at + BATCH])

    def test_a_script_that_is_wrong_in_one_place_is_noticed(self):
        mutants = {"the try isn't stored": ('if save_env --file "$decade_env" BOOT_${1}_LEFT; then', "if true; then"),
                   "the order is ignored": ("for decade_slot in $BOOT_ORDER; do\n\tif decade_untried $decade_slot; then decade_by_rule",
                                            "for decade_slot in $decade_slots; do\n\tif decade_untried $decade_slot; then decade_by_rule"),
                   "five counts as four": ('if [ "$1" = 5 ]; then set decade_left=4', 'if [ "$1" = 5 ]; then set decade_left=5'),
                   "the last confirmed slot is forgotten": ("then decade_if_good $decade_slot; fi", "then true; fi")}
        environments = [Environment(("B", "A"), {"A": 1, "B": 0}, {"A": 0, "B": left}) for left in (0, 3, 5)]
        environments += [Environment(("B",), {"A": 1, "B": 0}, {"A": 0, "B": 0})]
        self.compare(environments)
        for name, (before, after) in mutants.items() if LONG else list(mutants.items())[:1]:
            self.assertIn(before, self.script, name)
            self.script = GRUB_CFG.read_text().replace(before, after, 1)
            with self.assertRaises(AssertionError, msg=name):
                self.compare(environments)
            self.script = GRUB_CFG.read_text()


    def compare(self, environments):
        """Runs them and compares each with the engine."""
        wanted = self.engine(environments)
        for environment, (slot, left_a, left_b), verdict in zip(environments, wanted, self.run_all(environments)):
            self.check_one(environment, verdict, slot, {"A": left_a, "B": left_b})

    def check_one(self, environment, verdict, slot, left):
        if not environment.order and not any(environment.good.values()):
            self.assertIn(verdict.booted, (["A"], ["B"]), environment)  # by the clock
        else:
            self.assertEqual(verdict.booted, [slot], "%s\n%s" % (environment, verdict.text))
        wanted = environment.variables()
        for name in "AB":
            if environment.left[name] is not None:
                wanted["BOOT_%s_LEFT" % name] = str(left[name])
            if environment.all_spent() and name in environment.order:  # the one that boots has used one of its new tries
                wanted["BOOT_%s_LEFT" % name] = "2" if name == slot else "3"
        wanted = {name: str(value) for name, value in wanted.items()}
        self.assertEqual(grub_install.parse_environment(verdict.after), wanted, environment)

    def test_damage_and_failures_never_end_at_a_prompt(self):
        trial = ({"A": 1, "B": 0}, {"A": 0, "B": 3})
        damaged = {
            "no file": Environment((), {"A": 0, "B": 0}, {"A": 0, "B": 0}, raw=b""),
            "zeroes": Environment((), {"A": 0, "B": 0}, {"A": 0, "B": 0}, raw=bytes(1024)),
            "half a header": Environment((), {"A": 0, "B": 0}, {"A": 0, "B": 0}, raw=b"# GRUB Env" + b"#" * 1014),
            "a foreign order": Environment((), *trial, raw=grub_install.environment_block({"BOOT_ORDER": "C; reboot; $x A B", "BOOT_A_GOOD": 1})),
            "a name twice": Environment((), *trial, raw=grub_install.environment_block({"BOOT_ORDER": "B B A", "BOOT_A_GOOD": 1, "BOOT_B_LEFT": "x"})),
            "prefix in the block": Environment((), *trial, raw=grub_install.environment_block(
                {"BOOT_ORDER": "A B", "BOOT_A_GOOD": 1, "prefix": "(hd9)", "root": "hd9", "decade_slots": "C", "decade_boot_A": "gpt9"})),
            "the trial can't be loaded": Environment(("B", "A"), *trial, broken="B"),
            "the good slot can't be loaded": Environment(("A", "B"), *trial, broken="A"),
            "neither can be loaded": Environment(("B", "A"), *trial, broken="AB"),
        }
        found = dict(zip(damaged, self.run_all(list(damaged.values()))))
        for name in ("no file", "zeroes", "half a header"):
            self.assertIn(found[name].booted, (["A"], ["B"]), name)
            self.assertEqual(found[name].after, damaged[name].block(), name)
        for name in ("a foreign order", "a name twice", "prefix in the block"):
            self.assertEqual(found[name].booted, ["A"], found[name].text)
            self.assertEqual(found[name].after, damaged[name].block(), name)
        self.assertEqual(found["the trial can't be loaded"].booted, ["B", "A"])
        self.assertEqual(found["the good slot can't be loaded"].booted, ["A", "B"])
        for name, left in (("the trial can't be loaded", "2"), ("the good slot can't be loaded", "2")):
            self.assertEqual(grub_install.parse_environment(found[name].after)["BOOT_B_LEFT"], left, name)
        self.assertEqual(found["neither can be loaded"].booted, ["B", "A"])
        self.assertIn("REBOOT", found["neither can be loaded"].text)

    def test_with_the_state_lost_each_slot_gets_its_tries_in_turn(self):
        turns = [({"A": 3, "B": 3}, "A", {"A": 2, "B": 3}), ({"A": 1, "B": 3}, "A", {"A": 0, "B": 3}), ({"A": 0, "B": 3}, "B", {"A": 0, "B": 2}),
                 ({"A": 0, "B": 0}, "A", {"A": 2, "B": 3})]
        environments = [Environment((), {}, {}, raw=raw, spare={"BOOT_ORDER": "A B", "BOOT_A_LEFT": left["A"], "BOOT_B_LEFT": left["B"]})
                        for left, _, _ in turns for raw in (b"", bytes(1024))]
        verdicts = self.run_all(environments)
        for number, (environment, verdict) in enumerate(zip(environments, verdicts)):
            _, slot, left = turns[number // 2]
            self.assertEqual(verdict.booted, [slot], verdict.text)
            self.assertEqual(verdict.after, environment.raw)
            self.assertEqual(grub_install.parse_environment(verdict.spare),
                             {"BOOT_ORDER": "A B", "BOOT_A_LEFT": str(left["A"]), "BOOT_B_LEFT": str(left["B"])})

    def test_the_slots_own_command_line_is_passed_on(self):
        verdict = self.run_all([Environment(("B",), {"A": 0, "B": 1}, {"A": 0, "B": 0})])[0]
        self.assertIn("LINUX (hd0,gpt5)/vmlinuz of=b quiet decade.slot=B", verdict.text)


if __name__ == "__main__":
    unittest.main(verbosity=2)
