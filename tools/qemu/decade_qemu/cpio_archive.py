"""Initial RAM disks: the cpio format "newc", written without root, device nodes included. The same input gives the same bytes."""
import stat

MAGIC = "070701"


class Cpio:
    """Collects entries, folders on the way made as needed; bytes() is the archive, a multiple of 512 bytes."""

    def __init__(self):
        self._entries = {}

    def _parents(self, name):
        parts = name.split("/")[:-1]
        for i in range(1, len(parts) + 1):
            self._entries.setdefault("/".join(parts[:i]), (stat.S_IFDIR | 0o755, b"", 0))

    def _add(self, name, mode, data=b"", device=0):
        name = name.strip("/")
        self._parents(name)
        self._entries[name] = (mode, data, device)

    def folder(self, name, mode=0o755):
        self._add(name, stat.S_IFDIR | mode)

    def file(self, name, data, mode=0o644):
        self._add(name, stat.S_IFREG | mode, data)

    def link(self, name, target):
        self._add(name, stat.S_IFLNK | 0o777, target.encode())

    def node(self, name, mode, major, minor):
        """A character device."""
        self._add(name, stat.S_IFCHR | mode, b"", major << 8 | minor)

    def bytes(self):
        out = bytearray()
        for number, (name, (mode, data, device)) in enumerate(sorted(self._entries.items()), 1):
            self._write(out, number, name, mode, data, device)
        self._write(out, 0, "TRAILER!!!", 0, b"", 0)
        out += bytes(-len(out) % 512)
        return bytes(out)

    @staticmethod
    def _write(out, number, name, mode, data, device):
        fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, device >> 8, device & 255, len(name) + 1, 0)
        out += (MAGIC + "".join("%08X" % field for field in fields)).encode() + name.encode() + b"\0"
        out += bytes(-len(out) % 4) + data
        out += bytes(-len(out) % 4)
