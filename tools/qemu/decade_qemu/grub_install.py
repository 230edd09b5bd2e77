"""GRUB put onto a disk image without root and without grub-install: the core image made here, its block list patched by hand.

The modules come from Debian's packages, of this machine when they are installed, else from a private download.
"""
import os
import pathlib
import struct

from . import host_command
from .errors import HarnessError

SECTOR = 512
PACKAGES = ("grub-common", "grub-pc-bin", "grub-efi-amd64-bin", "libdevmapper1.02.1")

# What packaging/loaders/grub/grub.cfg names as needed, with squash4 for the boot partitions, fat for $prefix, and a console on the serial port.
CONSOLE = ("serial", "terminal")
MODULES = ("part_gpt", "fat", "squash4", "gzio", "normal", "configfile", "datehook", "echo", "eval", "linux", "loadenv", "reboot", "regexp",
           "sleep", "test", "true", "boot", "ls") + CONSOLE
PLATFORM_MODULES = {"i386-pc": ("biosdisk",), "x86_64-efi": ()}

ENV_HEADER = b"# GRUB Environment Block\n"
ENV_SIZE = 1024

# Offsets in GRUB's boot sector and in the first sector of its core image (grub-core/boot/i386/pc: boot.S and diskboot.S).
BOOT_KERNEL_SECTOR = 0x5C
BOOT_CODE_END = 440
DISKBOOT_BLOCK_LIST = 0x1F4


class GrubTools:
    """Where grub-mkimage and the modules are. root: "/" or the folder that packages were unpacked into."""

    def __init__(self, root):
        self.root = pathlib.Path(root)

    @classmethod
    def find(cls, apt_root, folder):
        """This machine's, or those that `apt_root()` (an AptRoot for amd64) downloads, unpacked into `folder`."""
        installed = cls("/")
        if installed.complete():
            return installed
        private = cls(folder)
        if not private.complete():
            root = apt_root()
            root.unpack([root.fetch_alone(package) for package in PACKAGES], folder)
        return private

    def complete(self):
        return (self.root / "usr/bin/grub-mkimage").exists() and all(self.modules(platform).is_dir() for platform in PLATFORM_MODULES)

    def modules(self, platform):
        return self.root / "usr/lib/grub" / platform

    def core(self, platform, prefix, out, early=None, without=()):
        """Writes a core image. prefix: where grub.cfg and grubenv are. early: text of a script that runs before."""
        modules = [name for name in MODULES + PLATFORM_MODULES[platform] if name not in without]
        words = [self.root / "usr/bin/grub-mkimage", "-O", platform, "-d", self.modules(platform), "-p", prefix, "-o", out]
        if early is not None:
            path = pathlib.Path(str(out) + ".early.cfg")
            path.write_text(early)
            words += ["-c", path]
        libraries = {} if self.root == pathlib.Path("/") else {"LD_LIBRARY_PATH": str(self.root / "lib/x86_64-linux-gnu")}
        host_command.run(words + modules, env=libraries)


def install_bios(tools, disk, core, partition):
    """Puts the boot sector into the disk's first sector and the core image into a BIOS boot partition: what grub-bios-setup does."""
    data = bytearray(pathlib.Path(core).read_bytes())
    data += bytes(-len(data) % SECTOR)
    first = disk.partition(partition).offset // SECTOR
    start, length, _ = struct.unpack_from("<QHH", data, DISKBOOT_BLOCK_LIST)
    if length == 0 or length * SECTOR > len(data):
        raise HarnessError("%s has a block list of %d sectors from %d; another version of GRUB?" % (core, length, start))
    struct.pack_into("<Q", data, DISKBOOT_BLOCK_LIST, first + 1)
    disk.write(partition, bytes(data))
    boot = bytearray((tools.modules("i386-pc") / "boot.img").read_bytes()[:BOOT_CODE_END])
    struct.pack_into("<Q", boot, BOOT_KERNEL_SECTOR, first)
    with open(disk.path, "r+b") as file:
        file.write(boot)


def environment_block(variables):
    """A grubenv of exactly 1,024 bytes, as grub-editenv writes it."""
    text = ENV_HEADER + b"".join(b"%s=%s\n" % (name.encode(), str(value).encode()) for name, value in variables.items())
    if len(text) > ENV_SIZE:
        raise HarnessError("an environment of %d bytes doesn't fit into %d" % (len(text), ENV_SIZE))
    return text + b"#" * (ENV_SIZE - len(text))


def parse_environment(block):
    """The variables of a grubenv, or None when it isn't one."""
    if len(block) != ENV_SIZE or not block.startswith(ENV_HEADER):
        return None
    lines = block[len(ENV_HEADER):].decode("latin-1").split("\n")
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def make_fat(path, size, tree, label="ESP"):
    """A FAT file system image. tree: {path in it: path of a file, or bytes}. FAT32 from 64 MiB on."""
    path = pathlib.Path(path)
    with open(path, "wb") as file:
        file.truncate(size)
    kind = ["-F"] if size >= 64 << 20 else []
    host_command.run(["mformat", "-i", path, *kind, "-h", "255", "-s", "63", "-T", size // SECTOR, "-v", label, "-N", "DECADE01", "::"])
    made = set()
    for name, source in tree.items():
        folder = os.path.dirname(name)
        for at in range(1, folder.count("/") + 2 if folder else 0):
            parent = "/".join(folder.split("/")[:at])
            if parent and parent not in made:
                host_command.run(["mmd", "-i", path, "::" + parent])
                made.add(parent)
        if isinstance(source, bytes):
            scratch = path.with_suffix(".piece")
            scratch.write_bytes(source)
            host_command.run(["mcopy", "-i", path, scratch, "::" + name])
            scratch.unlink()
        else:
            host_command.run(["mcopy", "-i", path, source, "::" + name])
    return path
