"""Real pairs of old and new files, by group. A pair is made when it is asked for its files, not before."""
import filecmp
import functools
import glob
import os
import random
import re
import subprocess

from debian_packages import Packages, sort_versions
from kernel_payload import payload
from root_file_systems import FILE_SYSTEMS, ext4_images, file_systems

# name, package (by its names, newest first), file in it (a pattern), architecture (None: this machine's)
PROGRAMS = [
    ("libc6", "libc6", "**/libc.so.6", None),
    ("libcrypto", "libssl3t64/libssl3", "**/libcrypto.so.3", None),
    ("libcrypto-arm64", "libssl3t64/libssl3", "**/libcrypto.so.3", "arm64"),
    ("libcrypto-armhf", "libssl3t64/libssl3", "**/libcrypto.so.3", "armhf"),
    ("libc6-arm64", "libc6", "**/libc.so.6", "arm64"),
    ("libc6-armhf", "libc6", "**/libc.so.6", "armhf"),
    ("python", "python3.13-minimal/python3.11-minimal", "usr/bin/python3.1?", None),
    ("python-arm64", "python3.13-minimal/python3.11-minimal", "usr/bin/python3.1?", "arm64"),
    ("libnode", "libnode115/libnode108", "**/libnode.so.1*", None),
]
# name, flavour of the package, architecture
KERNELS = [("vmlinux-amd64", "amd64", "amd64"), ("Image-arm64", "arm64", "arm64"), ("Image-armhf", "armmp", "armhf")]
KERNEL_STEPS = (1, 3)  # releases back from the newest: near, far
FAILURES = (subprocess.CalledProcessError, OSError, ValueError, IndexError)


class Pair:
    """files(): the paths of old and new; None when they are the same, which says nothing."""

    def __init__(self, name, make):
        self.name, self.make = name, make

    def files(self):
        old, new = self.make()
        return None if self.name not in DEGENERATE and filecmp.cmp(old, new, shallow=False) else (old, new)


def absent(name, why):
    """A pair that can't be made."""
    def make():
        raise ValueError(why)
    return Pair(name, make)


def reason(error):
    """Why something can't be made, in one line."""
    said = (getattr(error, "stderr", None) or str(error)).strip()
    return said.splitlines()[-1] if said else repr(error)


@functools.cache
def packages_of(work, arch):
    return Packages(work, arch)


# ---- programs and libraries ----

def file_of(packages, package, version, pattern):
    hits = glob.glob(pattern, root_dir=packages.unpack(package, version), recursive=True)
    if not hits:
        raise ValueError(f"{package} {version} has no {pattern}")
    return os.path.realpath(os.path.join(packages.unpack(package, version), hits[0]))


def program_pairs(work):
    """Each version against the next."""
    for name, alternatives, pattern, arch in PROGRAMS:
        try:
            packages = packages_of(work, arch)
            package, versions = packages.offered(alternatives)
        except FAILURES as error:
            yield absent(name, reason(error))
            continue
        if len(versions) < 2:
            yield absent(name, f"{len(versions)} versions on offer")
        for old, new in zip(versions, versions[1:]):
            def make(old=old, new=new, packages=packages, package=package, pattern=pattern):
                return [file_of(packages, package, version, pattern) for version in (old, new)]
            yield Pair(f"{name} {old} to {new}", make)


# ---- kernels ----

def kernel_releases(packages, flavour):
    """(package, version) of each on offer of the series that is Debian's present one, oldest first."""
    meta = f"linux-image-{flavour}"
    offered = packages.versions(meta)
    present = re.search(r"linux-image-(\d+\.\d+\.)", packages.depends(meta, offered[-1])) if offered else None
    if present is None:
        return []
    own = re.compile(rf"linux-image-{re.escape(present[1])}[^-]+(-\d+)?-{re.escape(flavour)}")
    found = [(name, packages.versions(name)) for name in packages.names(f"linux-image-{present[1]}") if own.fullmatch(name)]
    return sort_versions([(name, versions[-1]) for name, versions in found if versions], key=lambda release: release[1])


def kernel_file(work, packages, package, version):
    """The unpacked kernel of this package, which is made once."""
    path = os.path.join(work, "kernels", f"{package}_{version}")
    if not os.path.exists(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        packed, = glob.glob(os.path.join(packages.unpack(package, version, only="boot"), "boot", "vmlinuz-*"))
        with open(packed, "rb") as file, open(path + ".part", "wb") as out:
            out.write(payload(file.read()))
        os.rename(path + ".part", path)
    return path


def kernel_pairs(work):
    """The newest kernel, from the one before and from one some releases back."""
    for name, flavour, arch in KERNELS:
        try:
            packages = packages_of(work, arch)
            releases = kernel_releases(packages, flavour)
        except FAILURES as error:
            yield absent(name, reason(error))
            continue
        if len(releases) < 2:
            yield absent(name, f"{len(releases)} releases on offer")
        for step in KERNEL_STEPS:
            if step < len(releases):
                chosen = (releases[-1 - step], releases[-1])
                old, new = (package.removeprefix("linux-image-").removesuffix("-" + flavour) for package, _ in chosen)
                yield Pair(f"{name} {old} to {new}",
                           lambda chosen=chosen, packages=packages: [kernel_file(work, packages, *release) for release in chosen])


# ---- root file systems ----

def image_pairs(work):
    """Roots of two dates, in the file systems that devices have."""
    yield Pair("ext4 root", lambda: ext4_images(work))
    for name in FILE_SYSTEMS:
        yield Pair(name + " root", lambda name=name: file_systems(work, name))


# ---- what breaks matchers rather than models ----

def noise():
    return random.Random(1).randbytes(5 << 20)


def shuffled():
    """Noise in blocks, which come in another order."""
    source, whole = random.Random(2), noise()
    blocks = [whole[at:at + 65536] for at in range(0, len(whole), 65536)]
    source.shuffle(blocks)
    return whole, b"".join(blocks)


def periodic():
    """Short and long periods, out of step with each other."""
    text = bytes(range(251)) * 40000
    return text, text[100:] + bytes(range(13)) * 10000 + text[:5 << 20]


DEGENERATE = {
    "identical": lambda: (noise(), noise()),
    "shuffled": shuffled,
    "zeros": lambda: (bytes(16 << 20), bytes(16 << 20) + b"x"),
    "periodic": periodic,
    "random": lambda: (noise(), random.Random(3).randbytes(1 << 20)),
    "from nothing": lambda: (b"", noise()),
    "to nothing": lambda: (noise(), b"x"),
}


def degenerate_files(work, name):
    folder = os.path.join(work, "degenerate")
    os.makedirs(folder, exist_ok=True)
    paths = [os.path.join(folder, f"{name.replace(' ', '-')}.{i}") for i in (1, 2)]
    for path, content in zip(paths, DEGENERATE[name]()):
        with open(path, "wb") as file:
            file.write(content)
    return paths


def degenerate_pairs(work):
    for name in DEGENERATE:
        yield Pair(name, lambda name=name: degenerate_files(work, name))


# In the order in which they are measured.
GROUPS = {"programs": program_pairs, "kernels": kernel_pairs, "images": image_pairs, "degenerate": degenerate_pairs}


def pairs_of(group, work, only, leave_out):
    """Name, old, new of each pair whose name `only` finds and that can be made; leave_out(name, why) hears of the others."""
    for pair in GROUPS[group](work):
        if not re.search(only, pair.name):
            continue
        try:
            files = pair.files()
        except FAILURES as error:
            leave_out(pair.name, reason(error))
            continue
        if files is None:
            leave_out(pair.name, "the same file in both")
        else:
            yield pair.name, *files
