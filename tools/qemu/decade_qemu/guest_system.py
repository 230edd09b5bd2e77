"""The reference guest: a small, hardened system from Debian's packages, as an initial RAM disk and a read-only root file system.

A release is the pair of a `rootfs` image (squashfs, then its dm-verity hash tree) and a `boot` image whose RAM disk holds the root hash: both
come from one signed manifest, and a root that isn't the boot image's own doesn't open.
"""
import gzip
import hashlib
import os
import pathlib
import re
import shutil

from . import elf_needed, host_command, kernel_files, sysroot
from .apt_root import AptRoot
from .cpio_archive import Cpio
from .errors import HarnessError

GUEST = pathlib.Path(__file__).resolve().parent.parent / "guest"
BLOCK = 4096  # of dm-verity, data and hashes
EPOCH = 1700000000  # the one time of every file, so that the same input gives the same image
SALT = hashlib.sha256(b"decade-qemu").hexdigest()
UID = 990  # of the user decade
PROGRAMS = ("dmsetup", "e2fsprogs")  # packages whose programs the guest runs
ETC = {
    "passwd": "root:x:0:0:root:/:/bin/sh\ndecade:x:%d:%d:update service:/:/bin/false\n" % (UID, UID),
    "group": "root:x:0:\ndecade:x:%d:\n" % UID,
    "shadow": "root:*:19000:0:99999:7:::\ndecade:!:19000:0:99999:7:::\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
    "hosts": "127.0.0.1 localhost\n10.0.2.2 updates\n",
}


class GuestParts:
    """What every release of one machine kind is made from. machine: a Machine. source: this project's source tree."""

    def __init__(self, machine, source, cache, say):
        self.machine, self.source, self.say = machine, pathlib.Path(source), say
        self.folder = pathlib.Path(cache) / machine.arch.debian
        self.apt = AptRoot(self.folder / "apt", machine.arch.debian)

    def prepare(self):
        """Downloads, unpacks and builds what isn't there. Takes minutes and some 150 MB of packages once, then seconds."""
        with host_command.locked(self.folder / "lock"):
            self._prepare(self.machine.arch)
        return self

    def _prepare(self, arch):
        self.sysroot = sysroot.make_sysroot(self.apt, arch, self.source, self.folder / "sysroot", self.say)
        self.programs = self._unpacked("programs", self.apt.fetch_closure([*PROGRAMS, *self.machine.root_packages()])
                                       + [self.apt.fetch_alone("busybox-static")])
        package = self.apt.fetch_alone(self.apt.kernel_package(arch.kernel))
        self.kernel = kernel_files.Kernel(self._unpacked(arch.kernel, [package]))
        tree = hashlib.sha256(str(self.source.resolve()).encode()).hexdigest()[:8]  # a build folder belongs to one source tree
        self.decade = sysroot.build_decade(arch, self.source, self.sysroot, self.folder / ("decade-" + tree), self.say)

    def _unpacked(self, name, debs):
        folder, names = self.folder / name, "\n".join(path.name for path in debs)
        stamp = folder / ".packages"
        if not stamp.exists() or stamp.read_text() != names:
            self.say("unpacking %s" % name)
            shutil.rmtree(folder, ignore_errors=True)
            for part in ("lib", "bin", "sbin"):
                (folder / "usr" / part).mkdir(parents=True)
                (folder / part).symlink_to("usr/" + part)
            for deb in debs:
                sysroot.unpack_merged(deb, folder)
            stamp.write_text(names)
        return folder

    def key(self):
        """Changes whenever an image of these parts could come out differently."""
        digest = hashlib.sha256()
        for path in [self.decade, *sorted(GUEST.iterdir())]:
            digest.update(path.name.encode() + path.read_bytes())
        for path in sorted(pathlib.Path(__file__).parent.glob("*.py")):
            if path.name.startswith(("guest_", "kernel_", "machine", "release_images", "cpio")):
                digest.update(path.read_bytes())
        for name in (".packages",):
            for folder in (self.programs, self.kernel.folder, self.sysroot):
                digest.update((folder / name).read_bytes())
        return digest.hexdigest()[:16]

    def folders(self):
        """Where libraries are looked for."""
        arch = self.machine.arch
        return sysroot.library_folders(self.programs, arch) + sysroot.library_folders(self.sysroot, arch)

    def program(self, name):
        """A program of the guest's packages."""
        path = next((folder / name for folder in (self.programs / "usr/sbin", self.programs / "usr/bin") if (folder / name).exists()), None)
        if path is None:
            raise HarnessError("no package of the guest has %s" % name)
        return path.resolve()


def early_modules(parts):
    """[(file name, bytes)] that the initial RAM disk loads."""
    return parts.kernel.modules([*kernel_files.EARLY, *parts.machine.kernel_modules])


def make_initrd(parts, verity, out, changes=None):
    """Writes the initial RAM disk of a release. verity: the text of /release. changes: {path: bytes} of a broken variant."""
    cpio = Cpio()
    for folder in ("proc", "sys", "dev", "root", "bin", "lib", "modules"):
        cpio.folder(folder)
    cpio.node("dev/console", 0o600, 5, 1)
    cpio.file("bin/busybox", parts.program("busybox").read_bytes(), 0o755)
    for name in ("sh", "mount", "insmod", "grep", "sed", "tr", "sleep", "mkdir", "switch_root", "echo", "printf", "cat"):
        cpio.link("bin/" + name, "busybox")
    dmsetup = parts.program("dmsetup")
    cpio.file("bin/dmsetup", dmsetup.read_bytes(), 0o755)
    interpreter, _ = elf_needed.needed(dmsetup)
    for name, path in elf_needed.closure([dmsetup], parts.folders()).items():
        cpio.file("lib/" + name if name != pathlib.PurePath(interpreter).name else interpreter, path.read_bytes(), 0o755)
    modules = early_modules(parts)
    for name, data in modules:
        cpio.file("modules/" + name, data)
    cpio.file("modules/order", "".join(name + "\n" for name, _ in modules).encode())
    cpio.file("init", (GUEST / "initramfs-init").read_bytes(), 0o755)
    cpio.file("release", verity.encode())
    for name, data in (changes or {}).items():
        cpio.file(name, data, 0o755)
    pathlib.Path(out).write_bytes(gzip.compress(cpio.bytes(), 6, mtime=0))


def _config(machine):
    lines = ["[device]", "product = decade-reference", "compatible = %s" % machine.name, "state-dir = /var/lib/decade/state", "",
             "[source]", "url = http://10.0.2.2:8080", "channel = retail", "root = /usr/share/decade/root.json",
             "retries = 1", "timeout-s = 5", "stall-timeout-s = 5", "", "[boot]", "loader = %s" % machine.loader, "tries = 3",
             *machine.boot_config()]
    for slot in ("A", "B"):
        lines += ["", "[slot %s]" % slot.lower(), "bootname = %s" % slot, *machine.slot_config(slot)]
    return "\n".join(lines) + "\n"


class RootTree:
    """The root file system of a release as a folder, on its way into an image. version: text. trust: bytes of the root.json."""

    def __init__(self, parts, folder, version, trust):
        self.parts, self.folder, self.version = parts, pathlib.Path(folder), version
        self._fill(trust)

    def put(self, name, data, mode=0o644):
        """Writes a file; text or bytes."""
        path = self.folder / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        path.chmod(mode)

    def _fill(self, trust):
        for name in ("bin", "lib", "sbin"):
            (self.folder / "usr" / name).mkdir(parents=True)
            (self.folder / name).symlink_to("usr/" + name)
        for name in ("proc", "sys", "dev", "run", "tmp", "var/lib/decade", "etc/decade/health.d", "usr/share/decade"):
            (self.folder / name).mkdir(parents=True)
        self._programs()
        self._etc(trust)
        for name, (data, mode) in self.parts.machine.root_files().items():
            self.put(name, data, mode)

    def _programs(self):
        parts, binaries = self.parts, {"usr/bin/decade": self.parts.decade}
        for name in ("dmsetup", "e2fsck", "mke2fs"):
            binaries["usr/sbin/" + name] = parts.program(name)
        for name, path in binaries.items():
            self.put(name, path.read_bytes(), 0o755)
        interpreter, _ = elf_needed.needed(parts.decade)
        for name, path in elf_needed.closure(binaries.values(), parts.folders()).items():
            self.put(interpreter if name == pathlib.PurePath(interpreter).name else "usr/lib/" + name, path.read_bytes(), 0o755)
        busybox = parts.program("busybox")
        self.put("usr/bin/busybox", busybox.read_bytes(), 0o755)
        for name in applets(busybox):
            if not (self.folder / "usr/sbin" / name).exists() and not (self.folder / "usr/bin" / name).exists():
                (self.folder / "usr/bin" / name).symlink_to("busybox")
        (self.folder / "usr/sbin/init").symlink_to("../bin/busybox")
        early = early_modules(parts)
        modules = parts.kernel.modules(kernel_files.LATE, [name for name, _ in early])
        for name, data in modules:
            self.put("usr/lib/modules/" + name, data)
        self.put("usr/lib/modules/order", "".join(name + "\n" for name, _ in modules))

    def _etc(self, trust):
        for name, text in ETC.items():
            self.put("etc/" + name, text, 0o600 if name == "shadow" else 0o644)
        for name, mode in (("inittab", 0o644), ("rc", 0o755), ("shutdown", 0o755)):
            self.put("etc/" + name, (GUEST / name).read_bytes(), mode)
        for name in ("feed-watchdog", "trial-service", "as-decade", "lab-agent"):
            self.put("usr/sbin/" + name, (GUEST / name).read_bytes(), 0o755)
        self.put("etc/decade/version", self.version + "\n")
        self.put("etc/decade/confirm-seconds", "40\n")
        self.put("etc/decade/nodes", "".join(name + "\n" for name in self.parts.machine.decade_nodes()))
        self.put("etc/decade/decade.conf", _config(self.parts.machine))
        self.put("usr/share/decade/root.json", trust)

    def image(self, out):
        """Writes the squashfs with its hash tree to `out`; returns the verity record for the initial RAM disk."""
        out = pathlib.Path(out)
        out.unlink(missing_ok=True)
        host_command.run(["mksquashfs", self.folder, out, "-noappend", "-all-root", "-no-progress", "-comp", "zstd", "-Xcompression-level", "6",
                          "-b", "65536", "-mkfs-time", EPOCH, "-all-time", EPOCH, "-no-xattrs"])
        size = -(-out.stat().st_size // BLOCK) * BLOCK
        os.truncate(out, size)
        text = host_command.run(["veritysetup", "format", "--hash-offset=%d" % size, "--no-superblock", "--data-blocks=%d" % (size // BLOCK),
                                 "--salt=" + SALT, out, out])
        root_hash = re.search(r"Root hash:\s*([0-9a-f]{64})", text)[1]
        return "%d %d %s %s squashfs\n" % (size // BLOCK, size // BLOCK, root_hash, SALT)


def applets(busybox):
    """The names that a static busybox answers to, found in its bytes: they stand in one sorted list."""
    found = re.search(rb"\[\0\[\[\0(?:[a-z0-9_.-]+\0){50,}", busybox.read_bytes())
    if found is None:
        raise HarnessError(f"{busybox}: has no list of applets; is it a static busybox?")
    return found[0].decode("ascii").rstrip("\0").split("\0")
