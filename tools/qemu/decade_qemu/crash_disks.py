"""Crash disks: what a power cut could have left of a disk, at every point of a recorded run.

A crash point is a prefix of the run's log and what happens to the writes in it that no flush covers (volatile_cache). Its text, like
"1207:torn:3", is all that is needed to make the same disk again from the same recording.
"""
import os
import random
import subprocess

from . import volatile_cache
from .volatile_cache import ALL, LAST, LATE, MODES, NONE, SECTOR, SEEDED


class CrashPoint:
    __slots__ = ("prefix", "mode", "seed")

    def __init__(self, prefix, mode, seed=0):
        if mode not in MODES:
            raise ValueError("no such mode: " + mode)
        self.prefix, self.mode, self.seed = prefix, mode, seed

    @classmethod
    def parse(cls, text):
        prefix, mode, seed = text.split(":")
        return cls(int(prefix), mode, int(seed))

    def __str__(self):
        return "%d:%s:%d" % (self.prefix, self.mode, self.seed)

    def __eq__(self, other):
        return str(self) == str(other)

    def __hash__(self):
        return hash(str(self))


class CrashView:
    """A crash disk to look at: nothing is copied. It is right until the next view is asked for."""

    def __init__(self, disks, point, kept):
        self.disks, self.point, self.kept = disks, point, kept

    def read(self, offset, length):
        found = bytearray(os.pread(self.disks.durable_fd, length, offset))
        for start, data in self.kept:
            low, high = max(start, offset), min(start + len(data), offset + length)
            if low < high:
                found[low - offset:high - offset] = data[low - start:high - start]
        return bytes(found)


class CrashDisks:
    """Makes the crash disks of one recording: the image as it was before the run, and the run's WriteLog.

    `workspace` is a path for one image that grows with the prefix: asked for in rising order, all the points of a log cost about as much as
    replaying it once.
    """

    def __init__(self, base, log, workspace):
        self.base, self.log, self.workspace = base, log, workspace
        self.trackers = []
        self.durable_fd = -1
        self._exposed = [0]
        for entry in log.entries:
            before = 0 if entry.is_flush else self._exposed[-1]
            self._exposed.append(before + (entry.is_write and not entry.is_fua))
        self._restart()

    def close(self):
        if self.durable_fd >= 0:
            os.close(self.durable_fd)
            self.durable_fd = -1
        if os.path.exists(self.workspace):
            os.unlink(self.workspace)

    def track(self, tracker):
        """A ReferenceTracker that is told of every write."""
        self.trackers.append(tracker)
        tracker.start(self.durable_fd)

    def view(self, point):
        """The crash disk at this point, to be read."""
        self._advance(point.prefix)
        return CrashView(self, point, volatile_cache.survivors(self.pending, point.mode, "%d %s" % (point.prefix, point.seed)))

    def write(self, point, path):
        """The crash disk at this point, as an image of its own that can be booted."""
        kept = self.view(point).kept
        sparse_copy(self.workspace, path)
        with open(path, "r+b") as image:
            for offset, data in kept:
                image.seek(offset)
                image.write(data)

    def exposed(self, prefix):
        """How many writes of this prefix no flush covers."""
        return self._exposed[prefix]

    # ---- the durable image: everything that a flush covers ----

    def _restart(self):
        if self.durable_fd >= 0:
            os.close(self.durable_fd)
        sparse_copy(self.base, self.workspace)
        self.durable_fd = os.open(self.workspace, os.O_RDWR)
        self._prefix, self.pending = 0, []
        for tracker in self.trackers:
            tracker.start(self.durable_fd)

    def _advance(self, prefix):
        if prefix > len(self.log) or prefix < 0:
            raise ValueError("the log has %d entries, not %d" % (len(self.log), prefix))
        if prefix < self._prefix:
            self._restart()
        cache = volatile_cache.VolatileCache()
        cache.pending = self.pending
        for entry in self.log.entries[self._prefix:prefix]:
            self._replay(cache, entry)
        self.pending, self._prefix = cache.pending, prefix

    def _replay(self, cache, entry):
        if entry.is_flush:  # of what came before it; data that it carries come after
            for offset, data in cache.flush():
                self._put(offset, data)
        if not entry.is_write:
            return
        data = self.log.data(entry)
        if entry.is_fua:
            cache.forget(entry.offset, entry.length)
            self._put(entry.offset, data)
        else:
            cache.write(entry.offset, data)

    def _put(self, offset, data):
        os.pwrite(self.durable_fd, data, offset)
        for tracker in self.trackers:
            tracker.put(offset, data)


class ReferenceTracker:
    """Says at once whether a region of a crash disk equals a reference (a slot: the old image, the new one), without reading it again."""

    def __init__(self, reference, offset):
        self.reference, self.offset = reference, offset
        self.length = len(reference)
        self.different = set()

    def start(self, fd):
        found = os.pread(fd, self.length, self.offset)
        self.different = set(_different(found, self.reference))

    def put(self, offset, data):
        for sector, same in self._sectors(offset, data):
            (self.different.discard if same else self.different.add)(sector)

    def equals(self, view):
        """Is the region of this crash disk the reference, byte for byte?"""
        changed = {}
        for offset, data in view.kept:
            changed.update(self._sectors(offset, data))
        if not all(changed.values()):
            return False
        return all(changed.get(sector, False) for sector in self.different)

    def _sectors(self, offset, data):
        low, high = max(offset, self.offset), min(offset + len(data), self.offset + self.length)
        for at in range(low - low % SECTOR, high, SECTOR):
            start, stop = max(at, self.offset), min(at + SECTOR, self.offset + self.length)
            same = data[start - offset:stop - offset] == self.reference[start - self.offset:stop - self.offset]
            yield (start - self.offset) // SECTOR, same


def _different(found, reference):
    if found == reference:
        return
    step = 1 << 20
    for block in range(0, len(reference), step):
        if found[block:block + step] == reference[block:block + step]:
            continue
        for at in range(block, min(block + step, len(reference)), SECTOR):
            if found[at:at + SECTOR] != reference[at:at + SECTOR]:
                yield at // SECTOR


# ---- which points ----

def every_point(disks, seeds=1):
    """Every prefix, every way to lose what no flush covers; ways that come to the same disk are left out."""
    for prefix in range(len(disks.log) + 1):
        if prefix and not disks.log.entries[prefix - 1].is_write and not disks.log.entries[prefix - 1].is_flush:
            continue  # a discard or a mark changes nothing
        yield from points_at(prefix, disks.exposed(prefix), seeds)


def points_at(prefix, exposed, seeds=1):
    yield CrashPoint(prefix, ALL)
    if exposed >= 1:
        yield CrashPoint(prefix, NONE)
    if exposed >= 2:
        yield CrashPoint(prefix, LAST)
    if exposed >= 3:
        yield CrashPoint(prefix, LATE)
    if exposed >= 1:
        for seed in range(1, seeds + 1):
            yield from (CrashPoint(prefix, mode, seed) for mode in SEEDED)


def sample(points, labels, count, seed):
    """`count` of the points, drawn evenly from the kinds of places where the cut falls (`labels(point)`), so that a few writes to the boot
    state are not lost among thousands to a slot. The same seed draws the same points."""
    rng = random.Random("sample %s" % seed)
    by_label = {}
    for point in points:
        by_label.setdefault(labels(point), []).append(point)
    for group in by_label.values():
        rng.shuffle(group)
    labels_in_turn = sorted(by_label)
    rng.shuffle(labels_in_turn)
    chosen, queues = [], [by_label[label] for label in labels_in_turn]
    while len(chosen) < count and any(queues):
        for queue in queues:
            if queue and len(chosen) < count:
                chosen.append(queue.pop())
    return sorted(chosen, key=lambda point: (point.prefix, point.mode, point.seed))


def sparse_copy(source, target):
    subprocess.run(["cp", "--reflink=auto", "--sparse=always", os.fspath(source), os.fspath(target)], check=True)
