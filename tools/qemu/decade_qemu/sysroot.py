"""A sysroot of another architecture from Debian's packages, and the `decade` built against it with the cross compiler."""
import hashlib
import os
import pathlib
import re
import shutil

from . import host_command
from .errors import HarnessError

TOOLCHAIN = """set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR {cmake})
set(CMAKE_C_COMPILER {triplet}-gcc)
set(CMAKE_SYSROOT "{sysroot}")
set(CMAKE_LIBRARY_ARCHITECTURE {triplet})
set(CMAKE_FIND_ROOT_PATH "{sysroot}")
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(ENV{{PKG_CONFIG_SYSROOT_DIR}} "{sysroot}")
set(ENV{{PKG_CONFIG_LIBDIR}} "{sysroot}/usr/lib/{triplet}/pkgconfig:{sysroot}/usr/share/pkgconfig")
"""


def build_packages(source):
    """The -dev packages of the group `build` in cmake/packages.txt: what decade links against."""
    lines = (pathlib.Path(source) / "cmake" / "packages.txt").read_text().splitlines()
    return [match[1] for match in (re.match(r"build\s+(\S+-dev)$", line) for line in lines) if match]


def library_folders(sysroot, arch):
    """Where shared libraries are in a sysroot, and the dynamic linker."""
    root = pathlib.Path(sysroot)
    return [root / "usr/lib" / arch.triplet, root / "lib" / arch.triplet, root / "lib", root / "usr/lib", root / "usr/lib" / arch.triplet / "systemd"]


def _relative_links(root):
    """Absolute symbolic links of packages point into this machine; they are made to stay inside the sysroot."""
    for folder, names, files in os.walk(root):
        for name in names + files:
            path = os.path.join(folder, name)
            if os.path.islink(path) and os.readlink(path).startswith("/"):
                target = os.path.relpath(str(root) + os.readlink(path), folder)
                os.unlink(path)
                os.symlink(target, path)


def make_sysroot(apt, arch, source, folder, say):
    """Unpacks the development packages of `arch` into `folder`, unless that was done for the same packages."""
    folder = pathlib.Path(folder)
    debs = apt.fetch_closure(build_packages(source) + ["libc6-dev"])
    key = hashlib.sha256("\n".join(sorted(path.name for path in debs)).encode()).hexdigest()
    stamp = folder / ".packages"
    if stamp.exists() and stamp.read_text() == key:
        return folder
    say("unpacking %d packages of %s" % (len(debs), arch.debian))
    shutil.rmtree(folder, ignore_errors=True)
    # Merged /usr, as every Debian since 12 has it.
    for name in ("lib", "bin", "sbin"):
        (folder / "usr" / name).mkdir(parents=True)
        (folder / name).symlink_to("usr/" + name)
    for deb in debs:
        unpack_merged(deb, folder)
    _relative_links(folder)
    stamp.write_text(key)
    return folder


def unpack_merged(deb, folder):
    """Unpacks a .deb into a folder whose /lib, /bin and /sbin are links into /usr, which plain unpacking would replace by folders."""
    host_command.run(["sh", "-c", 'dpkg-deb --fsys-tarfile "$1" | tar -x -C "$2" --keep-directory-symlink --no-same-owner', "sh", deb, folder])


def build_decade(arch, source, sysroot, folder, say):
    """Builds `decade` for `arch`, and returns the stripped program's path. Ninja rebuilds what changed."""
    folder, source = pathlib.Path(folder), pathlib.Path(source)
    folder.mkdir(parents=True, exist_ok=True)
    toolchain = folder / "toolchain.cmake"
    text = TOOLCHAIN.format(cmake=arch.cmake, triplet=arch.triplet, sysroot=sysroot)
    if not toolchain.exists() or toolchain.read_text() != text:
        toolchain.write_text(text)
        shutil.rmtree(folder / "build", ignore_errors=True)
    build = folder / "build"
    environment = {"PKG_CONFIG_SYSROOT_DIR": str(sysroot),
                   "PKG_CONFIG_LIBDIR": "%s/usr/lib/%s/pkgconfig:%s/usr/share/pkgconfig" % (sysroot, arch.triplet, sysroot)}
    host_command.find("%s-gcc" % arch.triplet)
    if not (build / "build.ninja").exists():
        say("configuring decade for %s" % arch.debian)
        host_command.run(["cmake", "-G", "Ninja", "-S", source, "-B", build, "-DCMAKE_TOOLCHAIN_FILE=%s" % toolchain,
                          "-DCMAKE_BUILD_TYPE=Release", "-DDECADE_HOST_TOOLS=OFF", "-DDECADE_TESTS=OFF", "-DDECADE_WERROR=OFF"], env=environment)
    say("building decade for %s" % arch.debian)
    host_command.run(["cmake", "--build", build, "--target", "decade"], env=environment)
    program = build / "bin" / "decade"
    if not program.exists():
        raise HarnessError("%s was not built" % program)
    stripped = folder / "decade"
    host_command.run(["%s-strip" % arch.triplet, "-o", stripped, program])
    return stripped
