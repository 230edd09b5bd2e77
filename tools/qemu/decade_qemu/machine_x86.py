"""x86_64: SeaBIOS with GRUB, OVMF with GRUB. The loader's script is packaging/loaders/grub/grub.cfg as shipped."""
import pathlib
import shutil
import struct

from . import grub_install, host_command
from .apt_root import AptRoot
from .disk_image import Partition
from .errors import HarnessError
from .loader_state import GrubState
from .machine import AMD64, MIB, Machine, register

OVMF = "/usr/share/ovmf/OVMF.fd"
# no_timer_check: a busy host delays the emulated timer, and the kernel's check of it would panic.
KERNEL_ARGUMENTS = "console=ttyS0 panic=-1 no_timer_check loglevel=5 slab_nomerge init_on_alloc=1 page_alloc.shuffle=1 vsyscall=none"
FACTORY_STATE = {"BOOT_ORDER": "A", "BOOT_A_LEFT": 0, "BOOT_A_GOOD": 1, "BOOT_B_LEFT": 0, "BOOT_B_GOOD": 0, "serial_note": "kept"}
SPARE_STATE = {"BOOT_ORDER": "A B", "BOOT_A_LEFT": 3, "BOOT_B_LEFT": 3}  # what the script counts in when the block itself is lost
ESP_FOLDER = "/run/esp"  # where the guest has the EFI system partition

# The update service may write this file system and nothing else of the loader's.
MOUNT_ESP = """#!/bin/sh
mkdir -p %(folder)s
mount -t vfat -o nosuid,nodev,noexec,uid=990,gid=990,umask=077,errors=remount-ro /dev/disk/by-partlabel/esp %(folder)s ||
	echo "decade-guest: failed text=the loader's partition can't be mounted" >/run/link
""" % {"folder": ESP_FOLDER}

# What Decade leaves to the device's maker: a block that was lost is written anew, in place. The slot that runs is the only one that is known to
# boot, so it is the only one that is listed; it isn't good until the health checks have said so.
RESTORE_GRUBENV = """
block=%(folder)s/grub/grubenv
if ! head -n 1 $block 2>/dev/null | grep -qx '# GRUB Environment Block' || [ "$(stat -c %%s $block)" != 1024 ]; then
	{
		printf '# GRUB Environment Block\\nBOOT_ORDER=%%s\\nBOOT_A_LEFT=0\\nBOOT_A_GOOD=0\\nBOOT_B_LEFT=0\\nBOOT_B_GOOD=0\\n' "$1"
		dd if=/dev/zero bs=1024 count=1 2>/dev/null | tr '\\0' '#'
	} | dd of=$block bs=1024 count=1 iflag=fullblock conv=notrunc,fsync 2>/dev/null
	echo "decade-guest: failed text=the boot state was lost and begins anew with slot $1" >/run/link
fi
""" % {"folder": ESP_FOLDER}


class X86Machine(Machine):
    """What all of them have in common: the disk's layout, which grub.cfg knows by the partitions' numbers, and the QEMU command line."""

    arch = AMD64
    board = "q35"
    firmware = None  # for -bios; QEMU's own (SeaBIOS) when None
    memory = 128
    boot_seconds = 90
    heals_state = True  # not the loader: the guest's loader-setup
    watchdog = True  # softdog, which resets when user space hangs; cloud kernels drive none of QEMU's devices
    kernel_modules = ("softdog", "vfat", "nls_cp437", "nls_ascii", "nls_utf8")
    esp_size = 16 * MIB
    programs = ("qemu-system-x86_64", "mksquashfs", "veritysetup", "sfdisk", "mformat", "mcopy", "mke2fs", "x86_64-linux-gnu-gcc", "apt-get", "dpkg",
                "cmake", "ninja")

    def kernel_arguments(self):
        """What the kernel is told beside the slot."""
        return KERNEL_ARGUMENTS

    def hanging_kernel(self):
        return hanging_bzimage()

    def root_files(self):
        return {"etc/decade/loader-setup": (MOUNT_ESP.encode(), 0o755)}

    # ---- the disk ----

    def loader_partitions(self):
        return [Partition("grub", MIB, "bios"), Partition("esp", self.esp_size, "uefi")]

    def write_esp(self, disk, tree):
        """Formats the EFI system partition and fills it: {path: path of a file, or bytes}."""
        scratch = disk.path.with_suffix(".esp")
        disk.write_file("esp", grub_install.make_fat(scratch, self.esp_size, tree))
        scratch.unlink()

    def loader_partition(self):
        return "esp"

    def amd64_packages(self):
        """The private apt root that guests are made from too."""
        return AptRoot(self.cache / "amd64" / "apt", "amd64")

    # ---- running ----

    def command(self, drive, serial, link_fd, network):
        # The default processor lacks what the kernel's fast SHA-256 and CRC modules need; "max" has much that is slow to emulate.
        words = ["qemu-system-x86_64", "-machine", self.board, "-cpu", "qemu64,+ssse3,+sse4.1,+sse4.2,+popcnt", *self.common_arguments(serial, link_fd)]
        if self.firmware:
            if not pathlib.Path(self.firmware).exists():
                raise HarnessError("%s is missing: install the package ovmf" % self.firmware)
            words += ["-bios", self.firmware]
        # Concurrent zero-writes garble the log that crash disks are made from.
        words += [*drive.args, "-device", "virtio-blk-pci,drive=%s,bootindex=0,discard=off,write-zeroes=off" % drive.node,
                  "-device", "virtio-serial-pci", "-device", "virtserialport,chardev=link,name=decade.harness"]
        if network:
            words += ["-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile="]
        return words


class GrubMachine(X86Machine):
    """GRUB, its script and its environment block on the EFI system partition."""

    loader = "grub"
    platform = prefix = None

    def default_script(self):
        return self.source / "packaging" / "loaders" / "grub" / "grub.cfg"

    def tools(self):
        """grub-mkimage and the modules."""
        return grub_install.GrubTools.find(self.amd64_packages, self.cache / "amd64" / "grub")

    def root_files(self):
        return {"etc/decade/loader-setup": ((MOUNT_ESP + RESTORE_GRUBENV).encode(), 0o755)}

    def boot_config(self):
        return ["grubenv = %s/grub/grubenv" % ESP_FOLDER]

    def boot_image(self, parts, out):
        """A squashfs of kernel, RAM disk and command line; not compressed, since kernel and RAM disk are, and deltas stay small."""
        out = pathlib.Path(out)
        folder = out.with_suffix(".tree")
        folder.mkdir()
        shutil.copyfile(parts.kernel, folder / "vmlinuz")
        shutil.copyfile(parts.initrd, folder / "initrd.img")
        (folder / "cmdline.cfg").write_text('set decade_cmdline="%s"\n' % self.kernel_arguments())
        out.unlink(missing_ok=True)
        host_command.run(["mksquashfs", folder, out, "-noappend", "-all-root", "-no-progress", "-noI", "-noD", "-noF", "-noX", "-no-xattrs",
                          "-mkfs-time", "1700000000", "-all-time", "1700000000"])
        shutil.rmtree(folder)

    def core(self):
        """Path of the core image, made once."""
        early = "serial --unit=0 --speed=115200\nterminal_output serial\n"
        path = self.cache / ("grub-%s.img" % self.platform)
        self.tools().core(self.platform, self.prefix, path, early)
        return path

    def install_loader(self, disk):
        self.write_esp(disk, {"grub/grub.cfg": self.script, "grub/grubenv": grub_install.environment_block(FACTORY_STATE),
                              "grub/grubenv.spare": grub_install.environment_block(SPARE_STATE), **self.esp_files()})

    def esp_files(self):
        """What else belongs on the EFI system partition."""
        return {}

    def stored_state(self):
        return GrubState("esp", "grub/grubenv")


@register
class BiosGrub(GrubMachine):
    """The PC as it was for thirty years."""

    name, title = "pc-grub", "x86_64 pc, SeaBIOS, GRUB"
    board = "pc"
    platform, prefix = "i386-pc", "(,gpt2)/grub"

    def install_loader(self, disk):
        super().install_loader(disk)
        grub_install.install_bios(self.tools(), disk, self.core(), "grub")


@register
class UefiGrub(GrubMachine):
    """UEFI, which starts GRUB from the path for removable media: no variable of the firmware is needed."""

    name, title = "uefi-grub", "x86_64 q35, OVMF, GRUB"
    firmware = OVMF
    memory = 256
    platform, prefix = "x86_64-efi", "/grub"

    def esp_files(self):
        return {"EFI/BOOT/BOOTX64.EFI": self.core()}


def hanging_bzimage():
    """A bzImage that is accepted, and whose every entry point is a jump to itself."""
    data = bytearray(b"\xeb\xfe" * (32 << 9))
    header = {0x1F1: ("<B", 1), 0x1F4: ("<I", 0x1E00 >> 4), 0x1FE: ("<H", 0xAA55), 0x200: ("<H", 0x66EB), 0x202: ("<4s", b"HdrS"),
              0x206: ("<H", 0x020F), 0x210: ("<B", 0), 0x211: ("<B", 1), 0x214: ("<I", 0x100000), 0x218: ("<II", 0, 0), 0x224: ("<H", 0),
              0x228: ("<I", 0), 0x22C: ("<I", 0x7FFFFFFF), 0x230: ("<I", 0x200000), 0x234: ("<BBH", 1, 21, 0x0B), 0x238: ("<I", 2047),
              0x240: ("<Q", 0), 0x248: ("<II", 0, 0), 0x250: ("<Q", 0), 0x258: ("<Q", 0x1000000), 0x260: ("<I", 0x100000),
              0x264: ("<I", 0x10)}
    for at, (layout, *values) in header.items():
        struct.pack_into(layout, data, at, *values)
    return bytes(data)
