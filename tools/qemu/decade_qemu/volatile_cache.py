"""What a disk's volatile cache may leave of its writes when the power goes.

A write that was not followed by a flush may be on the medium, or not, or in part: sector by sector, in any order. A sector itself (512 bytes)
is atomic. A flush puts everything down. So after a cut each sector holds one of the contents that it was given since the last flush, or
the one it had then; nothing older and nothing else. Whoever relies on more than that has a missing flush.
"""
import random

SECTOR = 512

# How a cut treats the writes that no flush covers.
ALL = "all"        # every one is there: what a killed QEMU leaves
NONE = "none"      # no one is there: the cache was lost as a whole
LAST = "last"      # only the newest is: the cache wrote in the worst order
LATE = "late"      # all but the oldest are
SUBSET = "subset"  # each is or is not, by seed
TORN = "torn"      # each is, is not, or is in part, sector by sector, by seed; one at least is torn

MODES = (ALL, NONE, LAST, LATE, SUBSET, TORN)
SEEDED = (SUBSET, TORN)


class VolatileCache:
    """The writes that no flush covers, oldest first."""

    def __init__(self):
        self.pending = []  # (offset, data)

    def write(self, offset, data):
        _check(offset, len(data))
        self.pending.append((offset, bytes(data)))

    def forget(self, offset, length):
        """A FUA write went to the medium here: what was pending for these sectors can't come back over it."""
        _check(offset, length)
        end, kept = offset + length, []
        for start, data in self.pending:
            stop = start + len(data)
            if stop <= offset or start >= end:
                kept.append((start, data))
                continue
            if start < offset:
                kept.append((start, data[:offset - start]))
            if stop > end:
                kept.append((end, data[end - start:]))
        self.pending = kept

    def flush(self):
        """What goes down to the medium now, in order."""
        flushed, self.pending = self.pending, []
        return flushed

    def survivors(self, mode, seed=0):
        """What a cut in this moment leaves of the pending writes: (offset, data), to be put on the medium in this order."""
        return survivors(self.pending, mode, seed)


def survivors(pending, mode, seed=0):
    rng = random.Random("%s %s" % (mode, seed))
    if mode == ALL:
        return list(pending)
    if mode == NONE:
        return []
    if mode == LAST:
        return list(pending[-1:])
    if mode == LATE:
        return list(pending[1:])
    if mode == SUBSET:
        return [write for write in pending if rng.getrandbits(1)]
    if mode == TORN:
        return _torn(pending, rng)
    raise ValueError("no such mode: " + mode)


def _torn(pending, rng):
    divisible = [index for index, (_, data) in enumerate(pending) if len(data) > SECTOR]
    surely = rng.choice(divisible) if divisible else None
    kept = []
    for index, (offset, data) in enumerate(pending):
        fate = "torn" if index == surely else rng.choice(("there", "lost", "torn"))
        if fate == "torn" and len(data) > SECTOR:
            kept.extend(_some_sectors(offset, data, rng))
        elif fate != "lost":
            kept.append((offset, data))
    return kept


def _some_sectors(offset, data, rng):
    """Neither none of them nor all: the front, the back, or a random choice."""
    count = len(data) // SECTOR
    cut = rng.randrange(1, count)
    how = rng.choice(("front", "back", "mixed"))
    if how == "front":
        return [(offset, data[:cut * SECTOR])]
    if how == "back":
        return [(offset + cut * SECTOR, data[cut * SECTOR:])]
    chosen = sorted(rng.sample(range(count), cut))
    return [(offset + at * SECTOR, data[at * SECTOR:(at + 1) * SECTOR]) for at in chosen]


def _check(offset, length):
    if offset % SECTOR or length % SECTOR:
        raise ValueError("a write of %d bytes at %d is not one of whole sectors" % (length, offset))
