"""Kinds of machine: what a module must say about a board and its boot loader, so that every scenario can run on it.

A kind is one class that implements Machine, registered with @register. Everything else of the harness talks to this interface alone.
"""
import pathlib

from .disk_image import Partition
from .errors import UsageError
from .loader_state import SLOTS, BootState, fat_of

MIB = 1 << 20


class Arch:
    """What building for a processor needs. debian: its name for packages. triplet: of the compiler and the library folder. kernel: the
    metapackage of the kernel. cmake: the processor in CMake's words. root_compression: for mksquashfs."""

    def __init__(self, debian, triplet, kernel, cmake):
        self.debian, self.triplet, self.kernel, self.cmake = debian, triplet, kernel, cmake


ARM64 = Arch("arm64", "aarch64-linux-gnu", "linux-image-arm64", "aarch64")
ARMHF = Arch("armhf", "arm-linux-gnueabihf", "linux-image-armmp", "armv7")
AMD64 = Arch("amd64", "x86_64-linux-gnu", "linux-image-cloud-amd64", "x86_64")


class BootParts:
    """What a `boot` image is made of. kernel, initrd: paths. cmdline: words of the kernel command line, without the slot, which the loader
    adds. version: of the release. kind: the variant's name ("good", "hang-kernel", …). package: the kernel_files.Kernel that `kernel` is from."""

    def __init__(self, kernel, initrd, cmdline, version, kind="good", package=None):
        self.kernel, self.initrd, self.cmdline, self.version = pathlib.Path(kernel), pathlib.Path(initrd), cmdline, version
        self.kind, self.package = kind, package


class Drive:
    """How QEMU reaches the disk. args: -blockdev (and the like) that end in a node `node`, to which the machine attaches its device."""

    def __init__(self, args, node="disk"):
        self.args, self.node = list(args), node

    @classmethod
    def file(cls, path):
        """The disk as a plain raw file; the guest's flushes reach the host's cache and nothing waits for the host's medium."""
        return cls(["-blockdev", "driver=file,node-name=diskfile,filename=%s,cache.no-flush=on" % path,
                    "-blockdev", "driver=raw,node-name=disk,file=diskfile"])


class Machine:
    """One kind of machine. All paths are pathlib.Path; every method may raise HarnessError."""

    name = None             # as given to --machine
    title = None            # for people: processor, loader
    arch = None             # an Arch
    classes = ("boot", "rootfs")  # the image classes of a release
    memory = 128            # MiB given to the guest
    boot_seconds = 90       # a boot that takes longer, on an idle host, is called hung; more than a watchdog needs to notice
    boot_cpu_seconds = 30   # processor time after which a boot that still spins is called hung: several times a good one
    watchdog = False        # whether a watchdog device resets a guest whose user space hangs
    loader = None           # the name in decade.conf
    heals_state = False     # whether the loader makes a new state when all of it is lost; else Decade says that it is unknown
    link = "port"           # where the guest's words come: "port" or "console" (qemu_process.py)
    host = "10.0.2.2"       # the host, as a guest of QEMU's user network sees it
    decade = "as-decade decade"  # how the guest's shell calls decade
    programs = ()           # what must be installed on the host to run it (see host_command.PACKAGES)
    kernel_modules = ()     # further modules that the initramfs loads for its disk, beyond those of every guest

    def __init__(self, cache, source):
        self.cache, self.source = pathlib.Path(cache), pathlib.Path(source)
        self.script = self.default_script()

    def default_script(self):
        """The path of the loader's script as this project ships it, or None. Tests put a mutant's path into `script`."""
        return None

    # ---- releases ----

    def boot_image(self, parts, out):
        """Writes the image of class `boot` of a release from BootParts to `out`."""
        raise NotImplementedError

    def loading(self, slot):
        """What the console shows once the loader has chosen a slot ("A" or "B") and loads its kernel."""
        return "decade: loading slot %s" % slot

    def hanging_kernel(self):
        """The bytes of a kernel that is loaded and started and never does anything. None when this kind has none."""
        return None

    def root_files(self):
        """{path in the guest: (bytes, mode)} that the loader's adapter needs in the root file system, fw_env.config for one."""
        return {}

    def root_packages(self):
        """Debian packages whose files the root file system needs for this loader, beside those of every guest."""
        return ()

    def boot_config(self):
        """The lines of [boot] in decade.conf after `loader` and `tries`."""
        return []

    def slot_config(self, slot):
        """The lines of [slot …] for "A" or "B", after `bootname`: one path a class."""
        return ["%s = /dev/disk/by-partlabel/%s-%s" % (name, name, slot.lower()) for name in self.classes]

    def decade_nodes(self):
        """Labels of partitions, beside the slots, that the update service must be able to write."""
        return ()

    # ---- the disk ----

    def partitions(self, sizes):
        """Partitions in their order. sizes: {class: bytes} that the greatest release needs."""
        parts = list(self.loader_partitions())
        for slot in SLOTS:
            parts += [Partition("%s-%s" % (name, slot.lower()), -(-sizes[name] // MIB) * MIB + MIB) for name in self.classes]
        return parts + [Partition("state", 16 * MIB)]

    def loader_partitions(self):
        """What the loader itself needs, before the slots."""
        return ()

    def install_loader(self, disk):
        """Writes the loader and its factory state (slot A bootable and good, B not bootable) to a fresh disk."""
        raise NotImplementedError

    def write_release(self, disk, slot, images):
        """Writes a release's images ({class: path}) into a slot, as the factory does."""
        for name, path in images.items():
            disk.write_file(self.slot_partition(name, slot), path)

    def slot_files(self):
        """{class: (partition, path with {slot})} of the classes whose image is a file on a FAT partition, in one piece; the others are partitions."""
        return {}

    def slot_partition(self, image_class, slot):
        """The label of the partition of an image class in slot "A" or "B"."""
        files = self.slot_files()
        return files[image_class][0] if image_class in files else "%s-%s" % (image_class, slot.lower())

    def state_partition(self):
        """The label of the partition with the file system that the update service keeps its state on."""
        return "state"

    def slot_offset(self, disk, name, slot):
        """The offset on the disk (bytes) of a slot's image of class `name`, which is there in one piece."""
        offset, files = disk.partition(self.slot_partition(name, slot)).offset, self.slot_files()
        if name in files:
            offset += fat_of(disk, files[name][0]).position(files[name][1].replace("{slot}", slot.lower()))
        return offset

    def loader_partition(self):
        """The label of the partition in which the loader's state is."""
        return "env"

    # ---- the boot state, read and damaged from outside ----

    @property
    def reads_state(self):
        """Whether read_state() and its kin work."""
        return self.stored_state() is not None

    def stored_state(self):
        """The reader and writer of the loader's state (loader_state.py), or None when it can't be read from outside."""
        return None

    def read_state(self, disk):
        """The BootState that is stored on a disk whose machine is off."""
        stored = self.stored_state()
        return stored.read(disk) if stored else BootState(readable=False)

    def write_state(self, disk, state):
        """Stores a BootState, all copies alike, as a scenario's starting point."""
        self.stored_state().write(disk, state)

    def state_copies(self):
        """How many copies of its state the loader keeps: 2 when one may be damaged without loss."""
        return self.stored_state().copies

    def damage_state(self, disk, copy):
        """Flips bytes in one copy (from 0) of the stored state."""
        self.stored_state().damage(disk, copy)

    # ---- running ----

    def command(self, drive, serial, link_fd, network):
        """The QEMU command line for one boot. drive: Drive. serial: the argument of -serial. link_fd: an open socket for the guest's words.
        network: bool. It must contain -no-reboot, so that a boot is a process."""
        raise NotImplementedError

    def firmware_files(self):
        """Files of the cache that command() names, beside the disk: a board's BOARD.ini brings them along."""
        return ()

    def common_arguments(self, serial, link_fd):
        """What every machine of QEMU's gets: no screen, the console, the link to the guest."""
        return ["-nodefaults", "-no-user-config", "-display", "none", "-monitor", "none", "-no-reboot", "-accel", "tcg,thread=single",
                "-m", str(self.memory), "-serial", serial, "-chardev", "socket,id=link,fd=%d" % link_fd]


_KINDS = {}


def register(kind):
    """Class decorator: makes a kind known by its name."""
    _KINDS[kind.name] = kind
    return kind


def names():
    """Every machine's name."""
    return sorted(_KINDS)


def kind_of(name):
    """The class of a machine, by name. UsageError when there is none."""
    if name not in _KINDS:
        raise UsageError("no machine '%s'; there are: %s" % (name, ", ".join(names())))
    return _KINDS[name]


def load_all():
    """Imports every module machine_*.py of this package, so that each registers itself."""
    for path in sorted(pathlib.Path(__file__).parent.glob("machine_*.py")):
        __import__("%s.%s" % (__package__, path.stem))
