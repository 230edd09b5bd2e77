"""Reads a FAT file system (12, 16 or 32) out of anything that gives bytes: a partition, or a crash disk that is no file."""
import struct

from .errors import HarnessError

END = {12: 0xFF8, 16: 0xFFF8, 32: 0x0FFFFFF8}
FOLDER, VOLUME, LONG_NAME = 0x10, 0x08, 0x0F


class FatError(HarnessError):
    """The file system, or the file in it, makes no sense."""


class FatReader:
    """read: function(offset, length) that gives the file system's bytes."""

    def __init__(self, read):
        self.read = read
        boot = read(0, 512)
        if boot[510:512] != b"\x55\xaa":
            raise FatError("no boot sector")
        (self.sector, per_cluster, reserved, copies, root_entries, sectors16, _, fat16) = struct.unpack_from("<HBHBHHBH", boot, 11)
        (sectors32,) = struct.unpack_from("<I", boot, 32)
        (fat32,) = struct.unpack_from("<I", boot, 36)
        if self.sector not in (512, 1024, 2048, 4096) or not per_cluster or not copies:
            raise FatError("a boot sector that isn't FAT's")
        fat_sectors, sectors = fat16 or fat32, sectors16 or sectors32
        self.root_offset = (reserved + copies * fat_sectors) * self.sector
        self.root_size = root_entries * 32
        self.data = self.root_offset + -(-self.root_size // self.sector) * self.sector
        self.cluster = per_cluster * self.sector
        self.clusters = (sectors * self.sector - self.data) // self.cluster
        self.bits = 12 if self.clusters < 4085 else 16 if self.clusters < 65525 else 32
        self.root_cluster = struct.unpack_from("<I", boot, 44)[0] if not fat16 else None
        self.fat = read(reserved * self.sector, fat_sectors * self.sector)

    def _next(self, cluster):
        if self.bits == 16:
            return struct.unpack_from("<H", self.fat, 2 * cluster)[0]
        if self.bits == 32:
            return struct.unpack_from("<I", self.fat, 4 * cluster)[0] & 0x0FFFFFFF
        pair = struct.unpack_from("<H", self.fat, cluster + cluster // 2)[0]
        return pair >> 4 if cluster & 1 else pair & 0xFFF

    def chain(self, cluster):
        """The clusters of a file, in their order."""
        seen = []
        while cluster < END[self.bits]:
            if not 2 <= cluster < self.clusters + 2 or len(seen) > self.clusters:
                raise FatError("a chain that leads to cluster %d" % cluster)
            seen.append(cluster)
            cluster = self._next(cluster)
        return seen

    def _content(self, cluster, size=None):
        """The bytes of a chain; runs of neighbours are read at once."""
        data, chain, at = b"", self.chain(cluster), 0
        while at < len(chain) and (size is None or len(data) < size):
            run = 1
            while at + run < len(chain) and chain[at + run] == chain[at] + run:
                run += 1
            data += self.read(self.data + (chain[at] - 2) * self.cluster, run * self.cluster)
            at += run
        if size is not None and len(data) < size:
            raise FatError("a file of %d bytes whose chain ends at %d" % (size, len(data)))
        return data if size is None else data[:size]

    def _folder(self, cluster):
        if cluster is None:
            return self.read(self.root_offset, self.root_size)
        return self._content(cluster)

    def _entries(self, data):
        """(name, is a folder, first cluster, size) of a folder's entries, long names where there are."""
        parts = {}
        for at in range(0, len(data), 32):
            entry = data[at:at + 32]
            if entry[0] == 0:
                return
            if entry[0] == 0xE5:
                parts = {}
            elif entry[11] == LONG_NAME:
                if entry[0] & 0x40:
                    parts = {}
                parts[entry[0] & 0x1F] = entry[1:11] + entry[14:26] + entry[28:32]
            elif not entry[11] & VOLUME:
                high, low, size = struct.unpack_from("<H", entry, 20)[0], *struct.unpack_from("<HI", entry, 26)
                yield _long(parts) or _short(entry), bool(entry[11] & FOLDER), high << 16 | low, size
                parts = {}
            else:
                parts = {}

    def entries(self, path=""):
        """{name: (is a folder, first cluster, size)} of a folder. FatError when there is none."""
        cluster = self.root_cluster
        for name in filter(None, path.split("/")):
            found = self._find(cluster, name)
            if found is None or not found[0]:
                raise FatError("no folder %s" % path)
            cluster = found[1]
        return {name: rest for name, *rest in self._entries(self._folder(cluster)) if name not in (".", "..")}

    def _find(self, cluster, name):
        for found, *rest in self._entries(self._folder(cluster)):
            if found.lower() == name.lower():
                return rest
        return None

    def file(self, path):
        """The bytes of a file. FatError when there is none or its chain is broken."""
        folder, _, name = path.rpartition("/")
        found = {key.lower(): value for key, value in self.entries(folder).items()}.get(name.lower())
        if found is None or found[0]:
            raise FatError("no file %s" % path)
        return self._content(found[1], found[2]) if found[2] else b""

    def position(self, path):
        """The offset of a file's first byte in the file system; it must be in one piece."""
        folder, _, name = path.rpartition("/")
        found = self.entries(folder).get(name)
        chain = self.chain(found[1]) if found and found[2] else []
        if not chain or chain != list(range(chain[0], chain[0] + len(chain))):
            raise FatError("%s isn't there in one piece" % path)
        return self.data + (chain[0] - 2) * self.cluster


def _short(entry):
    """A name of 8 and 3 letters; bits 3 and 4 of byte 12 say that a half is in small letters."""
    base, kind = entry[:8].decode("latin-1").rstrip(), entry[8:11].decode("latin-1").rstrip()
    base = base.lower() if entry[12] & 0x08 else base
    kind = kind.lower() if entry[12] & 0x10 else kind
    return base + ("." + kind if kind else "")


def _long(parts):
    if not parts or sorted(parts) != list(range(1, len(parts) + 1)):
        return None
    text = b"".join(parts[number] for number in sorted(parts)).decode("utf-16-le", "replace")
    return text.split("\0")[0]
