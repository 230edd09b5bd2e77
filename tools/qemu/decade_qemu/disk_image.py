"""A device's disk: a sparse raw image with a GPT, written partition by partition without root."""
import os
import pathlib
import shutil

from . import host_command
from .errors import HarnessError

SECTOR = 512
ALIGNMENT = 1 << 20


class Partition:
    """name: the GPT's label. size: bytes, a multiple of 1 MiB. kind: a GPT type in sfdisk's words ("linux", "uefi", "raw": anything)."""

    TYPES = {"linux": "0FC63DAF-8483-4772-8E79-3D69D8477DE4", "raw": "0FC63DAF-8483-4772-8E79-3D69D8477DE4",
             "uefi": "C12A7328-F81F-11D2-BA4B-00A0C93EC93B", "bios": "21686148-6449-6E6F-744E-656564454649"}

    def __init__(self, name, size, kind="linux", bootable=False):
        if size % ALIGNMENT or size <= 0:
            raise HarnessError("the partition %s is not a multiple of 1 MiB: %d" % (name, size))
        self.name, self.size, self.kind, self.bootable = name, size, kind, bootable
        self.offset = None


class DiskImage:
    """path: the file. partitions: in the order on the disk, offsets set (bytes)."""

    def __init__(self, path, partitions):
        self.path, self.partitions = pathlib.Path(path), list(partitions)
        offset = ALIGNMENT
        for partition in self.partitions:
            partition.offset = offset
            offset += partition.size
        self.size = offset + ALIGNMENT

    def create(self):
        """Makes an empty disk with its table."""
        with open(self.path, "wb") as file:
            file.truncate(self.size)
        lines = ["label: gpt", "label-id: 8B3C1F0A-51C7-4D7A-9A0E-6C0DEC0DE001", "first-lba: 2048"]
        for i, part in enumerate(self.partitions, 1):
            lines.append("start=%d, size=%d, type=%s, name=%s, uuid=8B3C1F0A-51C7-4D7A-9A0E-6C0DEC0DE1%02d%s" % (
                part.offset // SECTOR, part.size // SECTOR, Partition.TYPES[part.kind], part.name, i,
                ", attrs=LegacyBIOSBootable" if part.bootable else ""))
        host_command.run(["sfdisk", "--quiet", self.path], stdin="\n".join(lines) + "\n")
        return self

    def partition(self, name):
        """The partition of that label. HarnessError when there is none."""
        for part in self.partitions:
            if part.name == name:
                return part
        raise HarnessError("%s has no partition %s" % (self.path, name))

    def number(self, name):
        """Its number in the table, from 1."""
        return self.partitions.index(self.partition(name)) + 1

    def write(self, name, data, offset=0):
        """Writes bytes into a partition. HarnessError when they don't fit."""
        part = self.partition(name)
        if offset > part.size or len(data) > part.size - offset:
            raise HarnessError("%d bytes at %d don't fit into the partition %s" % (len(data), offset, name))
        with open(self.path, "r+b") as file:
            file.seek(part.offset + offset)
            file.write(data)

    def write_file(self, name, path):
        """Writes a file to the beginning of a partition, its holes left as holes."""
        part, size = self.partition(name), os.path.getsize(path)
        if size > part.size:
            raise HarnessError("%s (%d bytes) doesn't fit into the partition %s (%d)" % (path, size, name, part.size))
        host_command.run(["dd", "if=%s" % path, "of=%s" % self.path, "bs=1M", "oflag=seek_bytes", "seek=%d" % part.offset,
                          "conv=notrunc,sparse"])

    def read(self, name, offset, size):
        """Bytes of a partition."""
        with open(self.path, "rb") as file:
            file.seek(self.partition(name).offset + offset)
            return file.read(size)

    def copy(self, path):
        """The same disk as another file, sparse, sharing blocks where the file system can."""
        host_command.run(["cp", "--sparse=always", "--reflink=auto", self.path, path])
        twin = DiskImage(path, self.partitions)
        return twin

    def remove(self):
        self.path.unlink(missing_ok=True)


def copy_tree(source, target):
    """A folder again, with hard links to the same files: for repositories, whose files never change once written."""
    shutil.copytree(source, target, copy_function=os.link)
