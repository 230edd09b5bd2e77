"""Boot loaders as seen from outside: each keeps its state where the real one does, read and written here by an independent tool.

A loader has the lines of [boot], vars() (what an independent reader finds), and boot(): the loader's rule (docs/boot.md), its own
store, and the command line that the kernel would get.
"""
import shutil
import subprocess

from device_lab import SOURCE, Device


def tool(*words, **options):
    return subprocess.run([str(word) for word in words], check=True, capture_output=True, text=True, **options).stdout


def have(*names):
    return all(shutil.which(name) for name in names)


class Variables:
    """What U-Boot's script and GRUB's have in common."""

    def __init__(self, folder):
        self.folder = folder
        self.cmdline = folder / "cmdline"
        self.says("A")

    tries = 3

    def bytes(self):
        return self.image.read_bytes()

    def says(self, slot):
        self.cmdline.write_text("console=ttyS0 decade.slot=%s quiet\n" % slot)

    def boot(self):
        found = self.vars()
        for slot in found["BOOT_ORDER"].split(" "):
            left = int(found.get("BOOT_%s_LEFT" % slot, "0"))
            if found.get("BOOT_%s_GOOD" % slot) == "1":
                break
            if left > 0:
                self.set("BOOT_%s_LEFT" % slot, str(left - 1))
                break
        else:
            raise AssertionError("no slot qualifies: %s" % found)
        self.says(slot)
        return slot


class Uboot(Variables):
    """fw_printenv, fw_setenv and mkenvimage."""
    name = "uboot"
    tools = ("fw_printenv", "fw_setenv", "mkenvimage")

    def __init__(self, folder):
        super().__init__(folder)
        self.image, self.where = folder / "env.img", folder / "fw_env.config"
        (folder / "env.txt").write_text("BOOT_ORDER=A\nBOOT_A_LEFT=0\nBOOT_A_GOOD=1\nbootcmd=run it\nethaddr=00:11:22:33:44:55\n")
        tool("mkenvimage", "-r", "-s", "0x1000", "-o", folder / "one.img", folder / "env.txt")
        self.image.write_bytes(2 * (folder / "one.img").read_bytes())
        self.where.write_text("%s 0x0 0x1000\n%s 0x1000 0x1000\n" % (self.image, self.image))
        self.lines = ["loader = uboot", "uboot-config = fw_env.config", "cmdline = cmdline"]

    def vars(self):
        lines = tool("fw_printenv", "-c", self.where).splitlines()
        return dict(line.split("=", 1) for line in lines if not line.startswith("Environment"))

    def set(self, name, value):
        tool("fw_setenv", "-c", self.where, name, value)

    foreign = {"bootcmd": "run it", "ethaddr": "00:11:22:33:44:55"}

    def damage(self):
        data = bytearray(self.image.read_bytes())
        data[0x100] ^= 1
        data[0x1100] ^= 1
        self.image.write_bytes(data)


class Grub(Variables):
    """grub-editenv."""
    name = "grub"
    tools = ("grub-editenv",)

    def __init__(self, folder):
        super().__init__(folder)
        self.image = folder / "grubenv"
        tool("grub-editenv", self.image, "create")
        tool("grub-editenv", self.image, "set", "BOOT_ORDER=A", "BOOT_A_LEFT=0", "BOOT_A_GOOD=1", "saved_entry=a\\b", "timeout=5")
        self.lines = ["loader = grub", "grubenv = grubenv", "cmdline = cmdline"]

    def vars(self):
        return dict(line.split("=", 1) for line in tool("grub-editenv", self.image, "list").splitlines())

    def set(self, name, value):
        tool("grub-editenv", self.image, "set", "%s=%s" % (name, value))

    foreign = {"saved_entry": "a\\b", "timeout": "5"}

    def damage(self):
        self.image.write_bytes(self.image.read_bytes()[:-1])


class Exec:
    """The example of a maker's program, as it is shipped."""
    name = "exec"
    tools = ("sh",)
    tries = 3
    foreign = {}

    def __init__(self, folder):
        self.state, self.cmdline, self.program = folder / "state.txt", folder / "cmdline", folder / "program"
        self.state.write_text("decade-boot 1\norder A B\nslot A bootable=1 good=1 tries=0\nslot B bootable=0 good=0 tries=0\nend\n")
        self.program.write_text("#!/bin/sh\nDECADE_BOOT_STATE=%s DECADE_BOOT_CMDLINE=%s exec %s \"$@\"\n"
                                % (self.state, self.cmdline, SOURCE / "packaging/boot/decade-boot-example"))
        self.program.chmod(0o755)
        self.lines = ["loader = exec", "program = program", "program-timeout-s = 30"]
        self.says("A")

    def says(self, slot):
        self.cmdline.write_text("quiet decade.slot=%s\n" % slot)

    def vars(self):
        return {}

    def bytes(self):
        return self.state.read_bytes()

    def damage(self):
        self.state.write_bytes(self.bytes()[:-1])

    def boot(self):
        lines = self.state.read_text().splitlines()
        slots = {line.split()[1]: dict(word.split("=") for word in line.split()[2:]) for line in lines if line.startswith("slot")}
        for slot in lines[1].split()[1:]:
            found = slots[slot]
            if found["bootable"] == "1" and (found["good"] == "1" or found["tries"] != "0"):
                if found["good"] == "0":
                    old = "slot %s bootable=1 good=0 tries=%s" % (slot, found["tries"])
                    new = "slot %s bootable=1 good=0 tries=%d" % (slot, int(found["tries"]) - 1)
                    self.state.write_text(self.state.read_text().replace(old, new))
                self.says(slot)
                return slot
        raise AssertionError("no slot qualifies: %s" % lines)


class LoaderDevice(Device):
    """A device whose boot loader is one of these instead of `file`."""

    def __init__(self, loader, folder, *words, **settings):
        self.kind, self.loader = loader, None
        super().__init__(folder, *words, **settings)

    def configure(self, **settings):
        super().configure(**settings)
        if self.loader is None:
            self.loader = self.kind(self.folder)
        text = self.config.read_text()
        self.config.write_text(text.replace("loader = file", "\n".join(self.loader.lines)))

    def boot(self):
        return self.loader.boot()
