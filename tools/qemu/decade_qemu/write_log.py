"""The log of a disk's writes and flushes, as QEMU's blklogwrites makes it: the format of Linux's dm-log-writes.

The superblock takes one log sector: magic, version, number of entries, sector size. Each entry takes one log sector too (sector, number of
sectors, flags, length of the data; little-endian), followed by what was written; a discard has no data.

What one must know of QEMU's side:

- An entry is written when its request is done. So whatever a guest had been told of before it asked for a flush comes before that flush in
  the log, and a crash disk made from a prefix is one that a power cut could have left.
- The number of entries is brought up to date by flushes alone. A QEMU that was killed has logged more; `read_log` goes on behind the
  number for as long as entries make sense.
- A FUA write is not marked, and its emulated flush may be missing. virtio-blk has no FUA: a guest sends flushes instead.
- Concurrent zero-writes can garble the log: devices under it get discard=off,write-zeroes=off.
"""
import os
import struct

SECTOR = 512
MAGIC = 0x6A736677736872
FLUSH, FUA, DISCARD, MARK = 1, 2, 4, 8
SUPER = struct.Struct("<QQQI")
ENTRY = struct.Struct("<QQQQ")


class LogError(Exception):
    """The file is not a log, or breaks off before what its superblock promises."""


class Entry:
    """One request: where it went in bytes (offset, length), its flags, and where in the log its data are."""

    __slots__ = ("index", "offset", "length", "flags", "position")

    def __init__(self, index, offset, length, flags, position):
        self.index, self.offset, self.length, self.flags, self.position = index, offset, length, flags, position

    @property
    def is_write(self):
        return self.length > 0 and not self.flags & (DISCARD | MARK)

    @property
    def is_flush(self):
        return bool(self.flags & FLUSH)

    @property
    def is_fua(self):
        return bool(self.flags & FUA)

    @property
    def end(self):
        return self.offset + self.length

    def __repr__(self):
        names = [name for bit, name in ((FLUSH, "flush"), (FUA, "fua"), (DISCARD, "discard"), (MARK, "mark")) if self.flags & bit]
        return "#%d %s %d+%d" % (self.index, ",".join(names) or "write", self.offset, self.length)


class WriteLog:
    """The entries in order, and their data on demand."""

    def __init__(self, path):
        self.path = path
        self._file = open(path, "rb")
        try:
            self.sector_size, self.promised = _read_super(self._file)
            self.entries = list(_read_entries(self._file, self.sector_size, self.promised))
        except LogError:
            self._file.close()
            raise

    def data(self, entry):
        self._file.seek(entry.position)
        data = self._file.read(entry.length)
        if len(data) != entry.length:
            raise LogError("%s: entry %d breaks off" % (self.path, entry.index))
        return data

    def flushes(self):
        """The indices of the flushes."""
        return [entry.index for entry in self.entries if entry.is_flush]

    def close(self):
        self._file.close()

    def __len__(self):
        return len(self.entries)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def _read_super(file):
    head = file.read(SUPER.size)
    if len(head) < SUPER.size:
        raise LogError("%s: too short for a log; nothing was flushed yet?" % file.name)
    magic, version, count, sector_size = SUPER.unpack(head)
    if magic != MAGIC or version != 1:
        raise LogError("%s: not a dm-log-writes log of version 1" % file.name)
    if sector_size < SECTOR or sector_size & (sector_size - 1) or sector_size >= 1 << 24:
        raise LogError("%s: a sector size of %d" % (file.name, sector_size))
    return sector_size, count


def _read_entries(file, sector_size, promised):
    size = os.fstat(file.fileno()).st_size
    position, index = sector_size, 0
    while True:
        file.seek(position)
        head = file.read(ENTRY.size)
        fields = ENTRY.unpack(head) if len(head) == ENTRY.size else None
        if not _plausible(fields, position, sector_size, size):
            break
        sector, count, flags, data_length = fields
        length = data_length if flags & MARK else count * sector_size
        yield Entry(index, sector * sector_size, length, flags, position + sector_size)
        in_log = 0 if flags & DISCARD else -(-length // sector_size) * sector_size
        position += sector_size + in_log
        index += 1
    if index < promised:
        raise LogError("%s: entry %d of %d is not one" % (file.name, index, promised))


def _plausible(fields, position, sector_size, size):
    """Behind the promised entries there may be a hole, half an entry or nothing; none of them is an entry."""
    if fields is None or fields == (0, 0, 0, 0):
        return False
    sector, count, flags, data_length = fields
    if flags & ~(FLUSH | FUA | DISCARD | MARK) or sector >= 1 << 50 or count >= 1 << 40:
        return False
    if not flags and not count:
        return False
    in_log = data_length if flags & MARK else 0 if flags & DISCARD else count * sector_size
    return in_log <= size - min(size, position + sector_size)
