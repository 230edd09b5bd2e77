"""The roots of two dates, as ext4 and packed in every other way that devices have them."""
import os
import re
import tempfile

from measuring import ROOT, run

EPOCH = "1700000000"  # the one time of everything that is made here: the same packages give the same bytes, whoever runs it
SQUASHFS = ["-noappend", "-quiet", "-no-progress", "-all-root", "-all-time", EPOCH, "-mkfs-time", EPOCH]
EROFS = ["--all-root", "-T", EPOCH, "-U", "5f2b1f9e-2d0c-4f0b-9b4e-1f6f0c7a9d12"]


def squashfs(*words):
    return lambda tree, out: ["mksquashfs", tree, out, *words, *SQUASHFS]


def erofs(*words):
    return lambda tree, out: ["mkfs.erofs", *words, *EROFS, out, tree]


# How each is made of `tree` into `out`.
FILE_SYSTEMS = {
    "squashfs-none": squashfs("-noI", "-noD", "-noF", "-noX"),
    "squashfs-gzip": squashfs("-comp", "gzip"),
    "squashfs-zstd": squashfs("-comp", "zstd"),
    "squashfs-xz": squashfs("-comp", "xz"),
    "squashfs-lz4": squashfs("-comp", "lz4"),
    "erofs-none": erofs(),
    "erofs-lz4": erofs("-zlz4"),
    "erofs-lz4hc": erofs("-zlz4hc"),
}


def ext4_images(work):
    """Paths of both."""
    folder = os.path.join(work, "images")
    if not os.path.exists(os.path.join(folder, "release-2.img")):
        run([os.path.join(ROOT, "tests", "images", "make_release_images.sh"), folder])
    return [os.path.join(folder, f"release-{release}.img") for release in (1, 2)]


def link_again(image, tree):
    """Makes one of the files that are one in the image: debugfs dumps it once for each of its names."""
    folders = [os.path.relpath(folder, tree) for folder, _, _ in os.walk(tree)]
    with tempfile.NamedTemporaryFile("w") as commands:
        commands.write("".join(f'ls -p "/{folder}"\n' for folder in folders))
        commands.flush()
        said = run(["debugfs", "-f", commands.name, image])
    folder, first = None, {}
    for line in said.splitlines():
        asked = re.match(r'debugfs: *ls -p "/(.*)"', line)
        entry = re.match(r"/(\d+)/10\d{4}/\d+/\d+/([^/]+)/", line)  # a file's
        if asked:
            folder = asked[1]
        elif entry:
            path = os.path.join(tree, folder, entry[2])
            if first.setdefault(entry[1], path) != path:
                os.remove(path)
                os.link(first[entry[1]], path)


def tree_of(image):
    """The folder of its files."""
    tree = image.replace("release-", "tree-").removesuffix(".img")
    if not os.path.isdir(tree):
        os.makedirs(tree + ".part", exist_ok=True)
        run(["debugfs", "-R", f"rdump / {tree}.part", image])
        link_again(image, tree + ".part")
        os.rename(tree + ".part", tree)
    return tree


def file_systems(work, name):
    """Paths of both, packed so."""
    paths = []
    for image in ext4_images(work):
        path = image.removesuffix("img") + name
        paths.append(path)
        if not os.path.exists(path):
            if os.path.exists(path + ".part"):
                os.remove(path + ".part")
            run(FILE_SYSTEMS[name](tree_of(image), path + ".part"))
            os.rename(path + ".part", path)
    return paths
