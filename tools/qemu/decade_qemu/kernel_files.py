"""A Debian kernel taken apart: the image that a loader starts, and modules in the order in which they can be loaded."""
import gzip
import lzma
import pathlib
import re
import struct

from .errors import HarnessError

# What every guest loads, where its kernel has it as a module: before the root is there, and after.
EARLY = ("virtio_mmio", "virtio_pci", "virtio_blk", "sha2-ce", "sha256-ssse3", "sha256-arm", "dm-mod", "dm-verity", "squashfs", "i6300esb")
LATE = ("virtio_console", "virtio_net", "crc32c_generic", "crc32c-intel", "crc32c-arm64", "ext4", "rtc-efi")


class Kernel:
    """folder: a linux-image package, unpacked. version: as in /lib/modules/VERSION."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        modules = next((path for path in (self.folder / "lib/modules", self.folder / "usr/lib/modules") if path.is_dir()), None)
        if modules is None:
            raise HarnessError("%s holds no kernel modules" % folder)
        self.version = sorted(path.name for path in modules.iterdir())[0]
        self._paths = {}
        for path in modules.rglob("*.ko*"):
            self._paths[path.name.split(".ko")[0].replace("-", "_")] = path

    @property
    def image(self):
        """Path of the kernel as packaged."""
        return self.folder / "boot" / ("vmlinuz-" + self.version)

    def raw_arm64(self):
        """The bytes of an arm64 Image, unpacked where it is packed."""
        data = self.image.read_bytes()
        if data[4:8] == b"zimg":  # the EFI stub's own packing
            offset, size = struct.unpack_from("<II", data, 8)
            kind = data[24:32].split(b"\0")[0]
            if kind != b"gzip":
                raise HarnessError("%s is packed with %s, which is not known here" % (self.image, kind.decode("ascii", "replace")))
            data = gzip.decompress(data[offset:offset + size])
        elif data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
        if data[56:60] != b"ARM\x64":
            raise HarnessError("%s is not an arm64 Image" % self.image)
        return data

    def module(self, name):
        """The bytes of a module, unpacked."""
        path = self._paths[name.replace("-", "_")]
        data = path.read_bytes()
        if path.suffix == ".xz":
            data = lzma.decompress(data)
        elif path.suffix == ".gz":
            data = gzip.decompress(data)
        return data

    def has(self, name):
        """Whether it is a module of this kernel."""
        return name.replace("-", "_") in self._paths

    def modules(self, names, loaded=()):
        """[(file name, bytes)] of those modules that this kernel has and that aren't `loaded` (file names), each after what it depends on."""
        order, done = [], set(loaded)

        def visit(name):
            file = name.replace("-", "_") + ".ko"
            if file in done or not self.has(name):
                return
            done.add(file)
            data = self.module(name)
            match = re.search(rb"\0depends=([^\0]*)\0", b"\0" + data)
            for other in match[1].decode().split(",") if match and match[1] else []:
                visit(other)
            order.append((file, data))

        for name in names:
            visit(name)
        return order
