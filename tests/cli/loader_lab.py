"""Boot loaders as seen from outside: each keeps its state where the real one does, read and written here by an independent tool.

A loader has the lines of [boot], vars() (what an independent reader finds), and boot(): the loader's rule (docs/boot.md), its own
store, and the command line that the kernel would get.
"""
import re
import shutil
import subprocess

from device_lab import SOURCE, Device


def tool(*words, **options):
    return subprocess.run([str(word) for word in words], check=True, capture_output=True, text=True, **options).stdout


def have(loader):
    """The tools are there, and work here."""
    return all(shutil.which(name) for name in loader.tools) and getattr(loader, "usable", lambda: True)()


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


class SystemdBoot:
    """bootctl, which sorts entries as systemd-boot does. It wants the root of a file system, so it sees the folder as a mount."""
    name = "systemd-boot"
    tools = ("bootctl", "unshare")
    tries = 3
    foreign = {"other.conf": "title somebody else\nlinux /other\n", "decade-notes.txt": "ours?\n"}

    def __init__(self, folder):
        self.esp, self.cmdline = folder / "esp", folder / "cmdline"
        self.entries = self.esp / "loader" / "entries"
        for name in ("loader/entries", "EFI/systemd", "A", "B"):
            (self.esp / name).mkdir(parents=True)
        (self.esp / "loader" / "loader.conf").write_text("default decade-*\ntimeout 0\n")
        for slot in "AB":
            (self.esp / slot / "linux").write_bytes(b"kernel")
            text = "title %s\nlinux /%s/linux\noptions decade.slot=%s quiet\n" % (slot, slot, slot)
            (self.entries / ("decade-%s.entry" % slot)).write_text(text)
        (self.entries / "decade-1-A.conf").write_text((self.entries / "decade-A.entry").read_text())
        for name, text in self.foreign.items():
            (self.entries / name).write_text(text)
        self.lines = ["loader = systemd-boot", "entries = esp/loader/entries", "cmdline = cmdline"]
        self.says("A")

    @staticmethod
    def usable():
        return subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode == 0

    def says(self, slot):
        self.cmdline.write_text("quiet decade.slot=%s\n" % slot)

    def vars(self):
        return {name: (self.entries / name).read_text() for name in self.foreign}

    def bytes(self):
        return {path.name: path.read_bytes() for path in self.entries.iterdir()}

    def damage(self):
        (self.entries / "decade-A.entry").unlink()

    def boot(self):
        """Takes what bootctl says is the default, and renames it as the loader does before it loads."""
        script = 'mount --bind "$0" "$0" && SYSTEMD_RELAX_ESP_CHECKS=1 bootctl --esp-path="$0" --no-pager list'
        default = None
        for line in tool("unshare", "-rm", "sh", "-c", script, self.esp).splitlines():
            word, _, rest = line.strip().partition(": ")
            if word == "title":
                default = "(default)" in rest
            if word == "source" and default:
                break
        else:
            raise AssertionError("no default entry: %s" % sorted(self.bytes()))
        entry = self.entries / rest.rpartition("/")[2]
        counter = re.fullmatch(r"(decade-\d+-.+?)\+(\d+)(?:-(\d+))?\.conf", entry.name)
        slot = re.search(r"decade\.slot=(\S+)", entry.read_text())[1]
        if counter:
            left, done = int(counter[2]), int(counter[3] or 0)
            entry.rename(self.entries / ("%s+%d-%d.conf" % (counter[1], max(left - 1, 0), done + 1)))
        self.says(slot)
        return slot


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
