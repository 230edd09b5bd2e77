"""A maker's own board as a kind of machine: disk, firmware and QEMU command line from a BOARD.ini (docs/porting.md)."""
import configparser
import json
import pathlib
import shlex

from . import host_command, loader_state
from .disk_image import DiskImage, Partition
from .errors import UsageError
from .machine import Machine
from .release_images import KINDS

GOOD = ("1", "2", "3", "4")  # the good releases that scenarios update between; 1 is what the factory installs
BOARD_KEYS = {"name", "title", "disk", "repository", "keys", "boot-seconds", "watchdog", "heals-state", "slot-partition", "state-partition"}
GUEST_KEYS = {"link", "decade", "host", "loading"}


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
        self.state = loader_state.of_board(self.path, dict(self.ini["state"])) if self.ini.has_section("state") else None
        self.classes = tuple(key for key in self.ini["good 1"]) if self.ini.has_section("good 1") else ()
        if not self.classes:
            raise UsageError("%s: no [good 1], the release that the disk holds in slot A" % path)
        self.files = self._files()

    def _files(self):
        """Section [files]: CLASS = PARTITION:PATH."""
        found = {}
        for name, text in self.ini["files"].items() if self.ini.has_section("files") else ():
            partition, colon, path = text.partition(":")
            if name not in self.classes or not colon or not partition or "{slot}" not in path:
                raise UsageError("%s: [files] %s: it must be a class of [good 1] = PARTITION:PATH, with {slot} in the path" % (self.path, name))
            found[name] = (partition, path)
        return found

    def _check_keys(self):
        known = {"board": BOARD_KEYS, "qemu": {"command"}, "guest": GUEST_KEYS}
        for section in self.ini.sections():
            if section in ("state", "files"):  # read elsewhere
                continue
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

    def slot_files(self):
        return self.files

    def slot_partition(self, image_class, slot):
        if image_class in self.files:
            return super().slot_partition(image_class, slot)
        return self._get("board", "slot-partition", "{class}-{slot}").replace("{class}", image_class).replace("{slot}", slot.lower())

    def loader_partition(self):
        return self.state.partition if self.state else "env"

    def state_partition(self):
        return self._get("board", "state-partition", "state")

    def stored_state(self):
        return self.state

    # ---- running ----

    def loading(self, slot):
        return self._get("guest", "loading", super().loading("{slot}")).replace("{slot}", slot)

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

