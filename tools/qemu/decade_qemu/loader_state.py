"""Loaders' states on a disk whose machine is off: read, written and damaged from outside. The machines of this harness use these, and so does a
maker's board by the section [state] of its BOARD.ini.

Each format is a class with the same methods: read(disk), write(disk, state), copies, damage(disk, copy), and lines(), the section of a BOARD.ini.
"""
import re

from . import grub_install, host_command, uboot_env
from .errors import UsageError
from .fat_reader import FatError, FatReader

SLOTS = ("A", "B")
DAMAGED = 64  # bytes
ENTRY = re.compile(r"decade-(\d+)-([AB])(?:\+(\d+)(?:-\d+)?)?\.conf$")


class BootState:
    """A loader's state as the host reads it from the disk. order: bootable slots, most wanted first. left: {slot: tries}. good: {slot: bool}.
    readable: False when nothing valid is stored."""

    def __init__(self, order=(), left=None, good=None, readable=True):
        self.order, self.left, self.good, self.readable = list(order), dict(left or {}), dict(good or {}), readable

    def __repr__(self):
        if not self.readable:
            return "boot state: unreadable"
        slots = ("%s %s" % (name, "good" if self.good.get(name) else "%s left" % self.left.get(name)) for name in sorted(self.left))
        return "boot state: order %s; %s" % (" ".join(self.order) or "(empty)", ", ".join(slots))


def fat_of(disk, partition):
    """A FatReader of a partition as it is on the disk."""
    return FatReader(lambda offset, length: disk.read(partition, offset, length))


def from_variables(variables):
    """The BootState in U-Boot's or GRUB's variables (docs/boot.md). What is no number is no try."""
    if variables is None or "BOOT_ORDER" not in variables:
        return BootState(readable=False)
    counts = {slot: variables.get("BOOT_%s_LEFT" % slot, "0") for slot in SLOTS}
    left = {slot: int(count) if re.fullmatch("[0-9]{1,9}", count) else 0 for slot, count in counts.items()}
    return BootState(variables["BOOT_ORDER"].split(), left, {slot: variables.get("BOOT_%s_GOOD" % slot) == "1" for slot in SLOTS})


def to_variables(state):
    """The variables of a BootState."""
    variables = {"BOOT_ORDER": " ".join(state.order)}
    for slot in SLOTS:
        variables.update({"BOOT_%s_LEFT" % slot: state.left[slot], "BOOT_%s_GOOD" % slot: int(state.good[slot])})
    return variables


class UbootState:
    """Redundant copies of U-Boot's environment on a partition. offsets: of the copies. size: of each, in bytes."""

    keys = ("partition", "offset-1", "offset-2", "size")
    names_slots = True

    def __init__(self, partition, offsets, size):
        self.partition, self.offsets, self.size = partition, tuple(offsets), size

    @classmethod
    def of_board(cls, get):
        """get: function(key) that gives a value of [state]."""
        return cls(get("partition"), [int(get("offset-%d" % copy), 0) for copy in (1, 2)], int(get("size"), 0))

    def lines(self):
        return ["format = uboot", "partition = %s" % self.partition,
                *("offset-%d = %#x" % (number, offset) for number, offset in enumerate(self.offsets, 1)), "size = %#x" % self.size]

    @property
    def copies(self):
        return len(self.offsets)

    def read(self, disk):
        found = uboot_env.newest([disk.read(self.partition, offset, self.size) for offset in self.offsets])
        return from_variables(found[1] if found else None)

    def write(self, disk, state, others=None):
        """others: further variables, over those that are there."""
        for copy, offset in enumerate(self.offsets):
            found = uboot_env.decode(disk.read(self.partition, offset, self.size))
            variables = {**(found[0] if found else {}), **(others or {}), **to_variables(state)}
            disk.write(self.partition, uboot_env.encode(variables, self.size, len(self.offsets) - 1 - copy), offset)

    def damage(self, disk, copy):
        at = self.offsets[copy] + 16
        disk.write(self.partition, _flipped(disk.read(self.partition, at, DAMAGED)), at)


class GrubState:
    """GRUB's environment block, a file on a FAT partition. It is overwritten where it is, as both its writers do: the file never moves."""

    keys = ("partition", "file")
    names_slots = True
    copies = 1

    def __init__(self, partition, file):
        self.partition, self.file = partition, file

    @classmethod
    def of_board(cls, get):
        return cls(get("partition"), get("file"))

    def lines(self):
        return ["format = grub", "partition = %s" % self.partition, "file = %s" % self.file]

    def read(self, disk):
        try:
            return grub_state(fat_of(disk, self.partition).file(self.file))
        except FatError:
            return BootState(readable=False)

    def write(self, disk, state):
        reader = fat_of(disk, self.partition)
        variables = grub_install.parse_environment(reader.file(self.file)) or {}
        disk.write(self.partition, grub_install.environment_block({**variables, **to_variables(state)}), reader.position(self.file))

    def damage(self, disk, copy):
        reader = fat_of(disk, self.partition)
        disk.write(self.partition, _flipped(reader.file(self.file)[:DAMAGED]), reader.position(self.file))


class EntriesState:
    """The names of systemd-boot's entries, in a folder of a FAT partition. decade-A.entry and decade-B.entry in it are what entries are made from."""

    keys = ("partition", "folder")
    names_slots = False
    copies = 1

    def __init__(self, partition, folder):
        self.partition, self.folder = partition, folder

    @classmethod
    def of_board(cls, get):
        return cls(get("partition"), get("folder"))

    def lines(self):
        return ["format = systemd-boot", "partition = %s" % self.partition, "folder = %s" % self.folder]

    def read(self, disk):
        try:
            # Nothing can be booted by an empty file, which is what a cut may leave of one that was moved.
            found = fat_of(disk, self.partition).entries(self.folder)
            return state_of_names([name for name, (_, _, size) in found.items() if size > 0])
        except FatError:
            return BootState(readable=False)

    def _tool(self, disk, program, *words):
        host_command.run([program, "-i", "%s@@%d" % (disk.path, disk.partition(self.partition).offset), *words])

    def write(self, disk, state):
        self.damage(disk, 0)
        scratch = disk.path.with_suffix(".entry")
        for place, slot in enumerate(state.order):
            counter = "" if state.good.get(slot) else "+%d" % state.left.get(slot, 0)
            scratch.write_bytes(fat_of(disk, self.partition).file("%s/decade-%s.entry" % (self.folder, slot)))
            self._tool(disk, "mcopy", scratch, "::%s/decade-%d-%s%s.conf" % (self.folder, len(state.order) - place, slot, counter))
        scratch.unlink(missing_ok=True)

    def damage(self, disk, copy):
        """The entries are lost, as a repair of the file system may lose them."""
        for name in fat_of(disk, self.partition).entries(self.folder):
            if ENTRY.match(name):
                self._tool(disk, "mdel", "::%s/%s" % (self.folder, name))


FORMATS = {"uboot": UbootState, "grub": GrubState, "systemd-boot": EntriesState}


def of_board(path, section):
    """The state that a section [state] ({key: value}) describes. path: for messages. UsageError for what is missing, unknown or no number."""
    kind = FORMATS.get(section.get("format"))
    if kind is None:
        raise UsageError("%s: [state] format: one of %s" % (path, ", ".join(FORMATS)))
    for key in kind.keys:
        if key not in section:
            raise UsageError("%s: [state] needs '%s'" % (path, key))
    for key in section:
        if key not in ("format", *kind.keys):
            raise UsageError("%s: [state] of the format %s has no key '%s'" % (path, section["format"], key))
    try:
        return kind.of_board(section.__getitem__)
    except ValueError as error:
        raise UsageError("%s: [state]: %s" % (path, error)) from error


def grub_state(block):
    """The BootState in an environment block."""
    return from_variables(grub_install.parse_environment(block))


def state_of_names(names):
    """The BootState in the names of the entries: of two for one slot the one that the loader would take."""
    best = {}
    for name in names:
        match = ENTRY.match(name)
        if match is None:
            continue
        rank, slot, left = int(match[1]), match[2], match[3] and int(match[3])
        key = (left != 0, rank, left is None, left or 0)
        if slot not in best or key > best[slot]:
            best[slot] = key
    order = sorted(best, key=lambda slot: best[slot][1], reverse=True)
    return BootState(order, {slot: best[slot][3] if slot in best else 0 for slot in SLOTS},
                     {slot: slot in best and best[slot][2] for slot in SLOTS}, readable=bool(best))


def _flipped(data):
    return bytes(byte ^ 0x5A for byte in data)
