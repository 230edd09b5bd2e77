"""x86_64 with OVMF and systemd-boot: a release's kernel and RAM disk are one unified image, a file of fixed size on the EFI system partition."""
import pathlib
import re
import struct

from . import host_command
from .disk_image import Partition
from .errors import HarnessError
from .loader_state import EntriesState
from .machine import MIB, SLOTS, register
from .machine_x86 import ESP_FOLDER, MOUNT_ESP, OVMF, X86Machine

ENTRIES = "loader/entries"
RESCUE = {"A": "rescue-2-A", "B": "rescue-1-B"}  # the loader takes the higher one first
OS_RELEASE = 'ID=decade\nNAME="Decade reference guest"\nVERSION_ID=%s\n'

# What Decade leaves to the device's maker. Entries that were lost begin anew with the slot that runs, out of tries until it is confirmed; and
# the rescue entries get their tries back once one of them has booted.
RESTORE_ENTRIES = """
cd %(folder)s/%(entries)s || exit 0
if ! ls decade-*.conf >/dev/null 2>&1; then
	cp decade-$1.entry decade-1-$1+0-1.conf && sync
	echo "decade-guest: failed text=the boot state was lost and begins anew with slot $1" >/run/link
fi
for name in rescue-2-A rescue-1-B; do
	[ -e $name+3.conf ] || mv $name+*.conf $name+3.conf
done
""" % {"folder": ESP_FOLDER, "entries": ENTRIES}


@register
class SystemdBoot(X86Machine):
    """The state is in the names of the entries; the firmware starts the loader from the path for removable media."""

    name, title = "uefi-systemd-boot", "x86_64 q35, OVMF, systemd-boot"
    loader = "systemd-boot"
    firmware = OVMF
    memory = 256
    programs = X86Machine.programs + ("objcopy",)

    def default_script(self):
        return self.source / "packaging" / "loaders" / "systemd-boot"

    def efi_file(self, name):
        """A file of Debian's systemd-boot-efi: this machine's, or one of a private download."""
        path = pathlib.Path("/usr/lib/systemd/boot/efi") / name
        if path.exists():
            return path
        folder = self.cache / "amd64" / "systemd-boot"
        if not (folder / path.relative_to("/")).exists():
            apt = self.amd64_packages()
            apt.unpack([apt.fetch_alone("systemd-boot-efi")], folder)
        return folder / path.relative_to("/")

    # ---- releases ----

    def boot_image(self, parts, out):
        """The stub with kernel and RAM disk as sections. The command line comes from the entry, which knows the slot."""
        out = pathlib.Path(out)
        release = out.with_suffix(".release")
        release.write_text(OS_RELEASE % parts.version)
        stub = self.efi_file("linuxx64.efi.stub")
        base, at = _end_of_sections(stub)
        words = ["objcopy"]
        for name, path in ((".osrel", release), (".initrd", parts.initrd), (".linux", parts.kernel)):
            words += ["--add-section", "%s=%s" % (name, path), "--change-section-vma", "%s=%#x" % (name, base + at)]
            at += -(-pathlib.Path(path).stat().st_size // 4096) * 4096
        host_command.run(words + [stub, out], env={"SOURCE_DATE_EPOCH": "1700000000"})
        release.unlink()

    def loading(self, slot):
        return "EFI stub: Loaded initrd"  # the loader itself says nothing

    def hanging_kernel(self):
        # The stub starts kernels that are EFI programs; it refuses a bare bzImage, which then never hangs.
        return hanging_efi_program()

    def root_files(self):
        return {"etc/decade/loader-setup": ((MOUNT_ESP + RESTORE_ENTRIES).encode(), 0o755)}

    def boot_config(self):
        return ["entries = %s/%s" % (ESP_FOLDER, ENTRIES)]

    def slot_config(self, slot):
        return ["boot = %s/decade/%s.efi" % (ESP_FOLDER, slot.lower()), "rootfs = /dev/disk/by-partlabel/rootfs-%s" % slot.lower()]

    # ---- the disk ----

    def partitions(self, sizes):
        self.boot_size = -(-sizes["boot"] // MIB) * MIB + MIB
        self.esp_size = max(2 * self.boot_size + 8 * MIB, 64 * MIB)
        slots = [Partition("rootfs-" + slot.lower(), -(-sizes["rootfs"] // MIB) * MIB + MIB) for slot in SLOTS]
        return [Partition("esp", self.esp_size, "uefi"), *slots, Partition("state", 16 * MIB)]

    def install_loader(self, disk):
        tree = {"EFI/BOOT/BOOTX64.EFI": self.efi_file("systemd-bootx64.efi"), "loader/loader.conf": self.script / "loader.conf",
                "startup.nsh": self.script / "startup.nsh"}
        for slot in SLOTS:
            tree["decade/%s.efi" % slot.lower()] = bytes(self.boot_size)
            tree["%s/decade-%s.entry" % (ENTRIES, slot)] = self._entry("decade-%s.entry" % slot)
            tree["%s/%s+3.conf" % (ENTRIES, RESCUE[slot])] = self._entry("rescue-%s.conf" % slot)
        tree[ENTRIES + "/decade-1-A.conf"] = self._entry("decade-A.entry")
        self.write_esp(disk, tree)

    def _entry(self, name):
        """An entry as it is shipped, with the board's words for the kernel."""
        text = (self.script / name).read_text()
        return re.sub(r"(?m)^(options .*)$", r"\1 " + self.kernel_arguments(), text).encode()

    def write_release(self, disk, slot, images):
        disk.write_file("rootfs-" + slot.lower(), images["rootfs"])
        disk.write("esp", images["boot"].read_bytes(), self.slot_offset(disk, "boot", slot) - disk.partition("esp").offset)

    def slot_files(self):
        return {"boot": ("esp", "decade/{slot}.efi")}

    def stored_state(self):
        return EntriesState("esp", ENTRIES)


def hanging_efi_program():
    """A PE32+ image for EFI (PE format, Microsoft, rev. 11) of one section, whose code is a jump to itself."""
    headers, section = 0x200, 0x1000
    dos = b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 0x40)
    coff = struct.pack("<4sHHIIIHH", b"PE", 0x8664, 1, 0, 0, 0, 0xF0, 0x22)
    # Image version 1.0 says that the kernel takes its RAM disk from the stub.
    optional = struct.pack("<HBBIIIII", 0x20B, 0, 0, 0x200, 0, 0, section, section)
    optional += struct.pack("<QIIHHHHHHIIIIHH", 0, section, 0x200, 0, 0, 1, 0, 0, 0, 0, 2 * section, headers, 0, 10, 0)
    optional += struct.pack("<QQQQII", 0, 0, 0, 0, 0, 16) + bytes(16 * 8)
    text = struct.pack("<8sIIIIIIHHI", b".text", 0x200, section, 0x200, headers, 0, 0, 0, 0, 0x60000020)
    return (dos + coff + optional + text).ljust(headers, b"\0") + b"\xeb\xfe".ljust(0x200, b"\0")


def _end_of_sections(stub):
    """(image base, offset behind the last section) of a PE file, as objcopy counts addresses."""
    text = host_command.run(["objdump", "-p", "-h", stub])
    base = re.search(r"^ImageBase\s+([0-9a-f]+)", text, re.M)
    sections = re.findall(r"^\s*\d+ (\S+)\s+([0-9a-f]{8}) +([0-9a-f]{16}) ", text, re.M)
    if not base or not sections:
        raise HarnessError("%s is not a PE file that objdump can take apart" % stub)
    end = max(int(vma, 16) + int(size, 16) for _, size, vma in sections) - int(base[1], 16)
    return int(base[1], 16), -(-end // 4096) * 4096
