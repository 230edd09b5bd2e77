"""Runs what the documents tell people to type: a build machine, a web server and a device, all of them folders on loopback.

What is adapted, and nothing else (each row is a promise that the documents' words are what runs):

    decade                          gets --config DEVICE/etc/decade/decade.conf, unless --config is there already
    reboot                          is decade-bootsim of that device: the boot loader's part of a reboot
    /etc/decade/, /usr/share/decade/, /var/lib/decade, /dev/disk/by-partlabel/, /media/usb
                                    on the device: the same below DEVICE
    https://www.example.com         http://127.0.0.1:PORT, which serves WEB
    www.example.com:                rsync's far end: the folder WEB
    /srv/www                        WEB/srv/www, and the web server's root
"""
import os
import pathlib
import re
import shlex
import subprocess

from device_lab import BIN
from lab_images import make_image, next_image
from lab_server import Server

MIB = 1 << 20
DEVICE_FOLDERS = re.compile(r"(?<![\w./])/(etc/decade|usr/share/decade|var/lib/decade|dev/disk/by-partlabel|media/usb)\b")


class World:
    """HOST (where the build machine's commands run), DEVICE (the device's root folder) and WEB (the web server's)."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.host, self.device, self.web = (self.folder / name for name in ("host", "device", "web"))
        (self.web / "srv" / "www").mkdir(parents=True)
        self.host.mkdir()
        self.bin = self.folder / "bin"
        self.bin.mkdir()
        self.config = self.device / "etc" / "decade" / "decade.conf"
        self.server = Server(self.web / "srv" / "www")
        self.make_images()
        for name in ("decade-repo", "decade-delta", "decade-bootsim", "decade-qemu"):
            (self.bin / name).symlink_to(BIN.resolve() / name)
        real, config = shlex.quote(str(BIN.resolve() / "decade")), shlex.quote(str(self.config))
        self.program("decade", 'case " $* " in *" --config "*) exec %s "$@" ;; esac\nexec %s --config %s "$@"'
                     % (real, real, config))
        self.program("reboot", 'exec decade-bootsim --config %s' % config)

    def program(self, name, text):
        path = self.bin / name
        path.write_text("#!/bin/sh\n%s\n" % text)
        path.chmod(0o755)

    def make_images(self):
        old = make_image(2 * MIB + 4096, "documents")
        images = {"rootfs-1.0.img": old, "rootfs-1.1.img": next_image(old, "documents"),
                  "old.img": old, "new.img": next_image(old, "another")}
        for name, data in images.items():
            (self.host / name).write_bytes(data)

    def adapt(self, text):
        text = DEVICE_FOLDERS.sub(lambda match: "%s/%s" % (self.device, match[1]), text)
        text = text.replace("https://www.example.com", self.server.url).replace("www.example.com:", "%s" % self.web)
        return re.sub(r"(?<![\w./])/srv/www\b", "%s/srv/www" % self.web, text)

    def make_device(self, tree):
        """A device with the first release in slot a, whose root folder begins as `tree`: what the maker puts into the image."""
        if not self.device.exists():
            tree.rename(self.device)
            tree.symlink_to(self.device)
        slots = self.device / "dev" / "disk" / "by-partlabel"
        slots.mkdir(parents=True)
        for slot, data in (("a", (self.host / "rootfs-1.0.img").read_bytes()), ("b", b"")):
            with open(slots / ("rootfs-" + slot), "wb") as file:
                file.write(data)
                file.truncate(3 * MIB)
        self.config.write_text(self.adapt(self.config.read_text()))
        usb = self.device / "media" / "usb"
        usb.mkdir(parents=True)
        (usb / "updates").symlink_to(self.host / "updates")

    def run(self, text, where):
        """Runs lines of shell on the host or the device; the first command that fails ends them, as it would stop a reader."""
        folder = self.host if where == "host" else self.device
        environment = dict(os.environ, PATH="%s:%s" % (self.bin, os.environ.get("PATH", "/usr/bin:/bin")), HOME=str(self.host))
        return subprocess.run(["bash", "-eu", "-o", "pipefail", "-c", self.adapt(text)], cwd=folder, env=environment, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)

    def close(self):
        self.server.close()
