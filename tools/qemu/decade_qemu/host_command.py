"""Programs of the host: found with a sentence when they are missing, run with their output kept for the message."""
import contextlib
import fcntl
import os
import pathlib
import shutil
import subprocess

from .errors import HarnessError

SYSTEM_FOLDERS = ("/usr/sbin", "/sbin", "/usr/local/sbin")

# What to install for a program that isn't there (Debian's names).
PACKAGES = {
    "qemu-system-aarch64": "qemu-system-arm", "qemu-system-arm": "qemu-system-arm", "qemu-system-x86_64": "qemu-system-x86",
    "mkimage": "u-boot-tools", "dtc": "device-tree-compiler", "mksquashfs": "squashfs-tools", "veritysetup": "cryptsetup-bin", "sfdisk": "fdisk",
    "mke2fs": "e2fsprogs", "aarch64-linux-gnu-gcc": "gcc-aarch64-linux-gnu", "arm-linux-gnueabihf-gcc": "gcc-arm-linux-gnueabihf",
    "mformat": "mtools", "mcopy": "mtools", "objcopy": "binutils", "x86_64-linux-gnu-gcc": "gcc", "apt-get": "apt", "dpkg": "dpkg", "cmake": "cmake", "ninja": "ninja-build",
}


def find(name):
    """The path of a program, also in the folders of the superuser, which a plain user's PATH leaves out. HarnessError when it isn't there."""
    path = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", os.defpath), *SYSTEM_FOLDERS]))
    if path is None:
        raise HarnessError("%s is missing: install the package %s" % (name, PACKAGES.get(name, name)))
    return path


def missing(names):
    """Those packages, sorted, whose programs aren't on this machine."""
    absent = set()
    for name in names:
        try:
            find(name)
        except HarnessError:
            absent.add(PACKAGES.get(name, name))
    return sorted(absent)


def run(argv, cwd=None, env=None, stdin=None, timeout=1800):
    """Runs a program to its end and returns what it printed (text). HarnessError with its last lines when it fails.

    timeout: seconds. env: added to the environment.
    """
    argv = [find(str(argv[0])), *map(str, argv[1:])]
    try:
        done = subprocess.run(argv, cwd=cwd, env={**os.environ, "LC_ALL": "C", **(env or {})}, input=stdin, timeout=timeout, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace",
                              **({} if stdin is not None else {"stdin": subprocess.DEVNULL}))
    except subprocess.TimeoutExpired as error:
        raise HarnessError("%s didn't end within %d s" % (argv[0], timeout)) from error
    if done.returncode != 0:
        tail = "\n".join(done.stdout.splitlines()[-25:])
        raise HarnessError("%s ended with %d:\n%s" % (" ".join(argv[:6]), done.returncode, tail))
    return done.stdout


@contextlib.contextmanager
def locked(path):
    """Holds a lock file while something that several runs share is built; waits for another run that does."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
