"""A maker's own board as a kind of machine: disk, firmware and QEMU command line from a BOARD.ini (docs/porting.md)."""
import configparser
import json
import pathlib
import shlex

from . import host_command, uboot_env
from .disk_image import DiskImage, Partition
from .errors import UsageError
from .machine import BootState, Machine
from .release_images import KINDS

GOOD = ("1", "2", "3", "4")  # the good releases that scenarios update between; 1 is what the factory installs
BOARD_KEYS = {"name", "title", "disk", "repository", "keys", "boot-seconds", "watchdog", "heals-state", "slot-partition", "state-partition"}
GUEST_KEYS = {"link", "decade", "host"}
STATE_KEYS = {"format", "partition", "offset-1", "offset-2", "size"}


class Board(Machine):
    """path: of the BOARD.ini. UsageError, with file and key, for what can't be used."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.ini = configparser.ConfigParser(interpolation=None, inline_comment_prefixes=(";",))
        try:
            if not self.ini.read(self.path, encoding="utf-8"):
                raise UsageError("%s can't be read" % path)
        except (configparser.Error, UnicodeDecodeError) as error:
            raise UsageError("%s: %s" % (path, error)) from error
        super().__init__(self.path.parent, self.path.parent)
        self._check_keys()
        self.name, self.title = self._get("board", "name"), self._get("board", "title", self._get("board", "name"))
        self.boot_seconds = int(self._get("board", "boot-seconds", "60"))
        self.watchdog = self._get("board", "watchdog", "no") == "yes"
        self.disk_path = self.path_of("board", "disk")
        self.words = shlex.split(self._get("qemu", "command"))
        self.host = self._get("guest", "host", "10.0.2.2")
        self.link = self._get("guest", "link", "port")
        self.decade = self._get("guest", "decade", "decade")
        self.heals_state = self._get("board", "heals-state", "no") == "yes"
        self.reads_state = self.ini.has_section("state")
        self.classes = tuple(key for key in self.ini["good 1"]) if self.ini.has_section("good 1") else ()
        if not self.classes:
            raise UsageError("%s: no [good 1], the release that the disk holds in slot A" % path)

    def _check_keys(self):
        known = {"board": BOARD_KEYS, "qemu": {"command"}, "guest": GUEST_KEYS, "state": STATE_KEYS}
        for section in self.ini.sections():
            release = section in KINDS or section in ["good %s" % version for version in GOOD]
            if section not in known and not release:
                raise UsageError("%s: what is [%s]? Releases are [good 1] to [good 4] and %s" % (
                    self.path, section, ", ".join("[%s]" % kind for kind in KINDS if kind != "good")))
            for key in self.ini[section] if not release else ():
                if key not in known[section]:
                    raise UsageError("%s: [%s] has no key '%s'" % (self.path, section, key))

    def _get(self, section, key, default=None):
        value = self.ini.get(section, key, fallback=default)
        if value is None:
            raise UsageError("%s: [%s] needs '%s'" % (self.path, section, key))
        return value

    def path_of(self, section, key):
        path = self.path.parent / self._get(section, key)
        if not path.exists():
            raise UsageError("%s: [%s] %s: %s isn't there" % (self.path, section, key, path))
        return path

    # ---- the disk ----

    def read_disk(self, path):
        """The DiskImage of a copy of the maker's disk, its partitions as its own table has them."""
        table = json.loads(host_command.run(["sfdisk", "--json", path]))["partitiontable"]
        disk = DiskImage(path, [])
        for i, entry in enumerate(table["partitions"], 1):
            part = Partition.__new__(Partition)
            part.name, part.size, part.kind, part.bootable = entry.get("name", str(i)), entry["size"] * 512, "linux", False
            part.offset = entry["start"] * 512
            disk.partitions.append(part)
        disk.size = disk.path.stat().st_size
        return disk

    def slot_partition(self, image_class, slot):
        return self._get("board", "slot-partition", "{class}-{slot}").replace("{class}", image_class).replace("{slot}", slot.lower())

    def loader_partition(self):
        return self._get("state", "partition", "env")

    def state_partition(self):
        return self._get("board", "state-partition", "state")

    # ---- the boot state ----

    def _copies(self):
        if self._get("state", "format") != "uboot":
            raise UsageError("%s: [state] format: only 'uboot' can be read from outside" % self.path)
        offsets = [int(self._get("state", "offset-%d" % copy), 0) for copy in (1, 2)]
        return self._get("state", "partition"), offsets, int(self._get("state", "size"), 0)

    def read_state(self, disk):
        if not self.reads_state:
            return BootState(readable=False)
        partition, offsets, size = self._copies()
        found = uboot_env.newest([disk.read(partition, offset, size) for offset in offsets])
        return uboot_env.boot_state(found[1] if found else None)

    def write_state(self, disk, state):
        partition, offsets, size = self._copies()
        for copy, offset in enumerate(offsets):
            found = uboot_env.decode(disk.read(partition, offset, size))
            variables = {**(found[0] if found else {}), **uboot_env.boot_variables(state)}
            disk.write(partition, uboot_env.encode(variables, size, 1 - copy), offset)

    def state_copies(self):
        return 2 if self.reads_state else 0

    def damage_state(self, disk, copy):
        partition, offsets, _ = self._copies()
        damaged = bytes(byte ^ 0x5A for byte in disk.read(partition, offsets[copy] + 16, 64))
        disk.write(partition, damaged, offsets[copy] + 16)

    # ---- running ----

    def command(self, drive, serial, link_fd, network):
        words = []
        for word in self.words:
            if word == "{drive}":
                words += drive.args
            else:
                words.append(word.replace("{serial}", serial).replace("{link}", "socket,id=link,fd=%d" % link_fd)
                             .replace("{node}", drive.node).replace("{folder}", str(self.path.parent)))
        return words if "-no-reboot" in words else words + ["-no-reboot"]


class BoardImages:
    """The maker's releases: good ones by version, broken ones by kind."""

    def __init__(self, board):
        self.board = board

    def has(self, kind):
        """Whether the maker gave a release of that kind."""
        return kind == "good" or self.board.ini.has_section(kind)

    def images(self, version, kind="good"):
        """{class: path}. UsageError when the maker gave none."""
        section = "good %s" % version if kind == "good" else kind
        if not self.board.ini.has_section(section):
            raise UsageError("%s has no [%s]" % (self.board.path, section))
        paths = {name: self.board.path.parent / path for name, path in self.board.ini[section].items()}
        for path in paths.values():
            if not path.exists():
                raise UsageError("%s: [%s]: %s isn't there" % (self.board.path, section, path))
        return paths

