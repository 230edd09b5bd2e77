"""Releases of the reference guest: good ones, and ones that are broken in each of the ways that a device must survive.

A release's two images are made once and kept in the cache under a key of everything that goes into them.
"""
import os
import pathlib
import shutil
import tempfile
import time

from . import guest_system, host_command
from .errors import HarnessError, UsageError
from .machine import BootParts

PANIC_INIT = b"""#!/bin/sh
mount -t proc proc /proc
echo "decade-guest: failed text=this kernel panics on purpose" >/dev/console
echo 1 >/proc/sys/kernel/sysrq
echo c >/proc/sysrq-trigger
"""
HANG_INIT = b"""#!/bin/sh
PATH=/usr/sbin:/usr/bin:/sbin:/bin
echo "decade-guest: failed text=user space hangs on purpose" >/dev/console
exec sleep 1000000
"""
NO_SYNC = """int fsync(int fd) { (void)fd; return 0; }
int fdatasync(int fd) { (void)fd; return 0; }
int syncfs(int fd) { (void)fd; return 0; }
int msync(void *at, unsigned long len, int flags) { (void)at; (void)len; (void)flags; return 0; }
"""
# On a slow host the kernel's own writing, and the commits of a journal on the same disk, would make durable what the mutant doesn't.
NOBODY_ELSE_SYNCS = """echo 0 >/proc/sys/vm/dirty_writeback_centisecs
mount -o remount,commit=3000 /var/lib/decade 2>/dev/null
"""
UNUSED_FOR = 2 * 24 * 3600  # seconds
BAD_HEALTH = "#!/bin/sh\nexit 1\n"
SLEEPY_HEALTH = "#!/bin/sh\nexec sleep 1000000\n"

# name: what a person is told. The order is that of `decade-qemu image --help`.
KINDS = {
    "good": "works",
    "panic": "its kernel panics before user space",
    "hang-kernel": "its kernel is started and never does anything",
    "hang-user": "its init does nothing and feeds no watchdog",
    "no-init": "its root has no /sbin/init",
    "bad-root": "its root is damaged behind the signature's back: dm-verity refuses it",
    "unhealthy": "a health check fails",
    "never-confirms": "a health check never ends",
    "bad-boot": "its boot image is no boot image",
    "no-sync": "its update service's fsync does nothing: a mutant, to see that replay finds it",
}


class ReleaseImages:
    """Builds and keeps images. parts: GuestParts, prepared. cache: folder. trust: bytes of the root.json that the guests trust."""

    def __init__(self, parts, cache, trust, say):
        self.parts, self.trust, self.say = parts, trust, say
        self.folder = pathlib.Path(cache) / "images" / parts.machine.name / parts.key()
        self.folder.mkdir(parents=True, exist_ok=True)
        os.utime(self.folder)
        self._forget_old()

    def _forget_old(self):
        """Removes what earlier versions of the guest left in the cache, once nobody has used it for a while."""
        for folder in self.folder.parent.iterdir():
            if folder != self.folder and folder.stat().st_mtime + UNUSED_FOR < time.time():
                shutil.rmtree(folder, ignore_errors=True)

    def has(self, kind):
        """Whether this machine can have such a release."""
        return kind in KINDS and (kind != "hang-kernel" or self.parts.machine.hanging_kernel() is not None)

    def images(self, version, kind="good"):
        """{class: path} of a release. UsageError for an unknown kind."""
        if kind not in KINDS:
            raise UsageError("no kind of release '%s'; there are: %s" % (kind, ", ".join(KINDS)))
        folder = self.folder / ("%s-%s" % (version, kind))
        with host_command.locked(self.folder / "lock"):
            self._ensure(folder, version, kind)
        return {name: folder / (name + ".img") for name in self.parts.machine.classes}

    def _ensure(self, folder, version, kind):
        if not folder.exists():
            self.say("building release %s (%s) for %s" % (version, kind, self.parts.machine.name))
            # Built aside and renamed: a build that is killed leaves nothing that looks whole.
            with tempfile.TemporaryDirectory(dir=self.folder) as scratch:
                made = pathlib.Path(scratch) / "made"
                made.mkdir()
                self._build(pathlib.Path(scratch), made, version, kind)
                os.rename(made, folder)

    def _build(self, scratch, made, version, kind):
        tree = guest_system.RootTree(self.parts, scratch / "root", version, self.trust)
        tree.put("usr/share/decade/notes", "Release %s\n" % version * 200)
        if kind == "hang-user":
            (tree.folder / "usr/sbin/init").unlink()
            tree.put("usr/sbin/init", HANG_INIT, 0o755)
        elif kind == "no-init":
            (tree.folder / "usr/sbin/init").unlink()
        elif kind == "unhealthy":
            tree.put("etc/decade/health.d/50-application", BAD_HEALTH, 0o755)
        elif kind == "never-confirms":
            tree.put("etc/decade/health.d/50-application", SLEEPY_HEALTH, 0o755)
        elif kind == "no-sync":
            self._never_sync(tree, scratch)
        verity = tree.image(made / "rootfs.img")
        if kind == "bad-root":
            damage(made / "rootfs.img")
        initrd = scratch / "initrd"
        changes = {"init": PANIC_INIT} if kind == "panic" else None
        guest_system.make_initrd(self.parts, verity, initrd, changes)
        kernel = self.parts.kernel.image
        if kind == "hang-kernel":
            kernel = scratch / "hang"
            kernel.write_bytes(self.parts.machine.hanging_kernel())
        boot = made / "boot.img"
        self.parts.machine.boot_image(BootParts(kernel, initrd, "panic=-1", version, kind, self.parts.kernel), boot)
        if kind == "bad-boot":
            boot.write_bytes(b"not a boot image " * 256)
        shutil.rmtree(scratch / "root")

    def _never_sync(self, tree, scratch):
        """Puts functions that do nothing before the C library's for the update service, and for nothing else."""
        source, library = scratch / "nosync.c", scratch / "nosync.so"
        source.write_text(NO_SYNC)
        host_command.run([self.parts.machine.arch.triplet + "-gcc", "-shared", "-fPIC", "-nostdlib", "-O1", "-o", library, source])
        tree.put("usr/lib/decade-nosync.so", library.read_bytes(), 0o755)
        runner = (guest_system.GUEST / "as-decade").read_text()
        changed = runner.replace('"exec$command"', '"export LD_PRELOAD=/usr/lib/decade-nosync.so; exec$command"')
        changed = changed.replace("\ncommand=\n", "\n" + NOBODY_ELSE_SYNCS + "command=\n")
        if "LD_PRELOAD" not in changed or NOBODY_ELSE_SYNCS not in changed:
            raise HarnessError("the guest's as-decade is not the one that this mutant is made from")
        tree.put("usr/sbin/as-decade", changed, 0o755)

    def sizes(self, releases):
        """{class: bytes} of the greatest images among [(version, kind)]."""
        found = [self.images(*release) for release in releases]
        return {name: max(paths[name].stat().st_size for paths in found) for name in self.parts.machine.classes}


def damage(path):
    """Flips one bit in each block of the first half of a squashfs, its superblock left alone, so that mounting begins and reading fails."""
    with open(path, "r+b") as file:
        for at in range(8192, path.stat().st_size // 2, 4096):
            file.seek(at)
            byte = file.read(1)[0]
            file.seek(at)
            file.write(bytes([byte ^ 1]))
