"""U-Boot as Debian ships it, on QEMU's virt machine: arm64 and armhf. The loader's script is packaging/loaders/uboot/boot.cmd as shipped."""
import gzip
import pathlib
import struct

from . import host_command, uboot_env
from .disk_image import Partition
from .loader_state import UbootState
from .machine import ARM64, ARMHF, MIB, BootState, Machine, register

ENV_SIZE = 0x2000   # bytes of a copy of the environment
ENV_STEP = 0x10000  # bytes from one copy to the other
FLASH_ENV = 0x40000  # bytes of U-Boot's own environment in flash, which it only reads here
FLASH_SIZE = 64 * MIB

ITS = """/dts-v1/;
/ {{
	description = "Decade reference guest {version}";
	#address-cells = <1>;
	images {{
		kernel {{ data = /incbin/("{kernel}"); type = "kernel"; arch = "{arch}"; os = "linux"; compression = "gzip";
			load = <{load:#x}>; entry = <{load:#x}>; hash {{ algo = "{hash}"; }}; }};
		ramdisk {{ data = /incbin/("{initrd}"); type = "ramdisk"; arch = "{arch}"; os = "linux"; compression = "none";
			hash {{ algo = "{hash}"; }}; }};
	}};
	configurations {{
		default = "conf";
		conf {{ kernel = "kernel"; ramdisk = "ramdisk"; }};
	}};
}};
"""


class UbootMachine(Machine):
    """What both have in common."""

    loader, heals_state = "uboot", True
    its_arch = firmware = qemu = cpu = None
    board = "virt"
    addresses = {}  # kernel, fit, script, scratch
    hash = "sha256"

    def default_script(self):
        return self.source / "packaging" / "loaders" / "uboot" / "boot.cmd"

    # ---- releases ----

    def kernel_image(self, parts):
        """Bytes of the kernel for the FIT."""
        raise NotImplementedError

    def boot_image(self, parts, out):
        """A FIT of kernel and RAM disk, each with its hash."""
        out = pathlib.Path(out)
        kernel, its = out.with_suffix(".kernel"), out.with_suffix(".its")
        image = parts.kernel.read_bytes() if parts.kind == "hang-kernel" else self.kernel_image(parts)
        # Packed: U-Boot unpacks faster, in emulation, than it hashes, and a small slot is soon checked.
        kernel.write_bytes(gzip.compress(image, 6, mtime=0))
        its.write_text(ITS.format(version=parts.version, kernel=kernel, initrd=parts.initrd, arch=self.its_arch,
                                  load=self.addresses["kernel"], hash=self.hash))
        # The time goes into the image: the same input gives the same image.
        host_command.run(["mkimage", "-f", its, out], env={"SOURCE_DATE_EPOCH": "1700000000"})
        kernel.unlink()
        its.unlink()

    def root_files(self):
        lines = "".join("/dev/disk/by-partlabel/env %#x %#x\n" % (copy * ENV_STEP, ENV_SIZE) for copy in (0, 1))
        return {"etc/fw_env.config": (lines.encode(), 0o644)}

    def decade_nodes(self):
        return ("env",)

    # ---- the disk ----

    def loader_partitions(self):
        return [Partition("loader", MIB), Partition("env", MIB)]

    def install_loader(self, disk):
        script = disk.path.with_suffix(".scr")
        host_command.run(["mkimage", "-A", "arm64" if self.arch is ARM64 else "arm", "-T", "script", "-d", self.script, script])
        disk.write_file("loader", script)
        script.unlink()
        self.stored_state().write(disk, BootState(["A"], {"A": 0, "B": 0}, {"A": True, "B": False}), {"serial_note": "kept"})

    def flash(self):
        """The board's settings, in the flash that U-Boot reads its environment from: made once, never written by a guest."""
        path = self.cache / ("flash-%s.img" % self.name)
        a = self.addresses
        # The loader's partition is the first one, at 1 MiB.
        variables = {
            "bootdelay": "-2", "loadaddr": "%#x" % a["fit"], "fdt_high": "ffffffffffffffff" if self.arch is ARM64 else "ffffffff",
            "decade_iface": "virtio", "decade_disk": "0", "decade_store": "raw", "decade_env_addr": "%x" % a["scratch"],
            "decade_env_size": "%x" % ENV_SIZE, "decade_env_blocks": "%x" % (ENV_SIZE // 512), "decade_env_step": "%x" % (ENV_STEP // 512),
            "decade_env_keep": "serial_note", "decade_args": self.kernel_arguments(),
            "bootcmd": "virtio scan; virtio dev 0; virtio read %x 800 40; source %x; reset" % (a["script"], a["script"])}
        data = uboot_env.encode_single(variables, FLASH_ENV)
        if not path.exists() or path.stat().st_size != FLASH_SIZE or path.read_bytes()[:FLASH_ENV] != data:
            with open(path, "wb") as file:
                file.write(data)
                file.truncate(FLASH_SIZE)
        return path

    def kernel_arguments(self):
        """What the kernel is told beside the slot."""
        return "console=ttyAMA0 panic=-1 loglevel=5 slab_nomerge init_on_alloc=1 page_alloc.shuffle=1 vsyscall=none"

    def stored_state(self):
        return UbootState("env", [copy * ENV_STEP for copy in (0, 1)], ENV_SIZE)

    # ---- running ----

    def firmware_files(self):
        return (self.flash(),)

    def command(self, drive, serial, link_fd, network):
        words = [self.qemu, "-machine", self.board, "-cpu", self.cpu, *self.common_arguments(serial, link_fd),
                 "-bios", self.firmware, "-drive", "if=pflash,index=1,format=raw,readonly=on,file=%s" % self.flash(),
                 *drive.args, "-device", "virtio-blk-device,drive=%s,discard=off,write-zeroes=off" % drive.node,
                 "-device", "virtio-serial-device", "-device", "virtserialport,chardev=link,name=decade.harness"]
        if self.watchdog:
            words += ["-device", "i6300esb", "-action", "watchdog=reset"]
        if network:
            words += ["-netdev", "user,id=net", "-device", "virtio-net-device,netdev=net"]
        return words


@register
class Arm64(UbootMachine):
    """The default machine: 2.6 s of processor time a boot."""

    name, title, arch = "arm64", "arm64 virt, Cortex-A53, U-Boot", ARM64
    its_arch, qemu, cpu, firmware = "arm64", "qemu-system-aarch64", "cortex-a53", "/usr/lib/u-boot/qemu_arm64/u-boot.bin"
    programs = ("qemu-system-aarch64", "mkimage", "dtc", "mksquashfs", "veritysetup", "sfdisk", "aarch64-linux-gnu-gcc", "apt-get", "dpkg", "cmake",
                "ninja")
    watchdog = True
    memory, boot_cpu_seconds = 160, 15
    addresses = {"kernel": 0x40400000, "fit": 0x43000000, "script": 0x40200000, "scratch": 0x40300000}

    def kernel_image(self, parts):
        return parts.package.raw_arm64()

    def hanging_kernel(self):
        # An arm64 Image whose code is one branch to itself: code0, code1, text offset, size, flags, three reserved, magic, PE offset.
        return struct.pack("<IIQQQQQQ4sI", 0x14000000, 0, 0, 0x10000, 0xA, 0, 0, 0, b"ARM\x64", 0).ljust(4096, b"\0")


@register
class Armhf(UbootMachine):
    """The class of core in small certified devices."""

    name, title, arch = "armhf", "armhf virt, Cortex-A7, U-Boot", ARMHF
    its_arch, qemu, cpu, firmware = "arm", "qemu-system-arm", "cortex-a7", "/usr/lib/u-boot/qemu_arm/u-boot.bin"
    programs = ("qemu-system-arm", "mkimage", "dtc", "mksquashfs", "veritysetup", "sfdisk", "arm-linux-gnueabihf-gcc", "apt-get", "dpkg", "cmake",
                "ninja")
    board = "virt,highmem=off"
    memory = 160
    addresses = {"kernel": 0x40400000, "fit": 0x44000000, "script": 0x40200000, "scratch": 0x40300000}

    def kernel_image(self, parts):
        return parts.package.image.read_bytes()

    def hanging_kernel(self):
        # A zImage: eight words of no operation, a branch to itself, then magic, start and end.
        return struct.pack("<8II", *[0xE1A00000] * 8, 0xEAFFFFFE) + struct.pack("<III", 0x016F2818, 0, 0x1000) + bytes(0x1000 - 48)
