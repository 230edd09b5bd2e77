#!/usr/bin/env python3
"""Makes kernel and initrd of two releases from Debian's kernel packages: make_boot_images.py OUT

    OUT/kernel-1.img, OUT/kernel-2.img   the oldest and the newest kernel that this machine's apt sources offer
    OUT/initrd-1.img, OUT/initrd-2.img   an initrd for each: its drivers for disks and file systems, busybox, an init

Nothing is installed. The same packages give the same bytes. tests/images/make_release_images.sh makes the root file systems beside them.
"""
import gzip
import os
import pathlib
import re
import subprocess
import sys
import tempfile

META = {"amd64": "linux-image-cloud-amd64", "arm64": "linux-image-cloud-arm64", "armhf": "linux-image-armmp"}
DRIVERS = re.compile(r"/kernel/(fs/(ext4|jbd2|squashfs|erofs|overlayfs|nls)|drivers/(block|virtio|nvme|scsi|md)|crypto|lib)/.*\.ko")
INIT = "#!/bin/busybox sh\n/bin/busybox mount -t proc proc /proc\n/bin/busybox mount /dev/vda2 /root\nexec /bin/busybox switch_root /root /sbin/init\n"


def output(*command, **options):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, **options).stdout


def versions(package):
    """On offer, newest first, as apt's own order has them."""
    return [line.split("|")[1].strip() for line in output("apt-cache", "madison", package).splitlines() if "Packages" in line]


def download(package, version, folder):
    """The package's file, from the cache where it is there already."""
    name = "%s_%s_*.deb" % (package, version.replace(":", "%3a"))
    if not list(folder.glob(name)):
        user = output("id", "-un").strip()
        subprocess.run(["apt-get", "-qq", "-o", "APT::Sandbox::User=" + user, "download", "%s=%s" % (package, version)], check=True, cwd=folder)
    return next(folder.glob(name))


def kernel_package(meta, version):
    found = re.search(r"Depends: (linux-image-\S+)", output("apt-cache", "depends", "%s=%s" % (meta, version)))
    return found.group(1)


def newc(entries):
    """A cpio archive of (name, mode, data), all root's and of one time."""
    archive = bytearray()
    for number, (name, mode, data) in enumerate([*entries, ("TRAILER!!!", 0, b"")]):
        fields = (number + 1, mode, 0, 0, 1, 1700000000, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        archive += b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
        archive += bytes(-len(archive) % 4) + data
        archive += bytes(-len(archive) % 4)
    return bytes(archive) + bytes(-len(archive) % 512)


def initrd(tree, busybox):
    folders = [(name, 0o040755, b"") for name in ("bin", "dev", "lib", "lib/modules", "proc", "root")]
    files = [("bin/busybox", 0o100755, busybox.read_bytes()), ("init", 0o100755, INIT.encode())]
    for path in sorted(tree.rglob("*.ko*")):
        if DRIVERS.search(str(path)):
            files.append(("lib/modules/" + path.name, 0o100644, path.read_bytes()))
    return gzip.compress(newc(folders + files), 9, mtime=0)


def unpack(deb, folder):
    subprocess.run(["dpkg-deb", "-x", str(deb), str(folder)], check=True)
    return pathlib.Path(folder)


def make(out):
    out.mkdir(parents=True, exist_ok=True)
    meta = META[output("dpkg", "--print-architecture").strip()]
    offered = versions(meta)
    cache = out / "debs"
    cache.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out) as work:
        busybox = unpack(download("busybox", versions("busybox")[0], cache), os.path.join(work, "busybox"))
        busybox = next(path for path in busybox.rglob("busybox") if path.is_file() and path.parent.name == "bin")
        for number, version in ((1, offered[-1]), (2, offered[0])):
            package = kernel_package(meta, version)
            package_versions = versions(package)
            tree = unpack(download(package, version if version in package_versions else package_versions[0], cache), os.path.join(work, str(number)))
            (out / ("kernel-%d.img" % number)).write_bytes(next((tree / "boot").glob("vmlinuz-*")).read_bytes())
            (out / ("initrd-%d.img" % number)).write_bytes(initrd(tree, busybox))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: make_boot_images.py OUT")
    make(pathlib.Path(sys.argv[1]).resolve())
