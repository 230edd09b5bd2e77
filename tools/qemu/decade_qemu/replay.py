"""Finds missing flushes: records what a guest writes, makes the disks that a power cut could have left, and judges them.

A cut is judged twice. `Judge` looks at every crash disk of a recording without booting it: it reads the loader's state, applies the loader's
rule, and compares the slots with the releases byte by byte. That is milliseconds a disk, so thousands are looked at. A sample is then booted.
"""
import contextlib
import pathlib

from . import crash_disks
from .disk_image import DiskImage
from .errors import HarnessError
from .machine import SLOTS, Drive
from .write_log import WriteLog


def recording_drive(image, log):
    """A Drive whose writes and flushes go to `log` too."""
    pathlib.Path(log).write_bytes(b"")
    return Drive(["-blockdev", "driver=file,node-name=diskfile,filename=%s,cache.no-flush=on" % image,
                  "-blockdev", "driver=file,node-name=logfile,filename=%s,cache.no-flush=on" % log,
                  "-blockdev", "driver=blklogwrites,node-name=disk,file=diskfile,log=logfile,log-sector-size=512"])


class Recording:
    """One boot's log, and the disk as it was before. disk: DiskImage of the run."""

    def __init__(self, disk, folder, name):
        folder = pathlib.Path(folder)
        self.name, self.disk = name, disk
        self.base, self.log_path, self.workspace = folder / (name + ".base"), folder / (name + ".log"), folder / (name + ".durable")
        crash_disks.sparse_copy(disk.path, self.base)
        self.drive = recording_drive(disk.path, self.log_path)

    @contextlib.contextmanager
    def crashes(self):
        """The CrashDisks of what was recorded."""
        with WriteLog(self.log_path) as log:
            disks = crash_disks.CrashDisks(self.base, log, self.workspace)
            try:
                yield disks
            finally:
                disks.close()

    def remove(self):
        for path in (self.base, self.log_path):
            path.unlink(missing_ok=True)


class ViewedDisk(DiskImage):
    """A crash disk that is no file, as Machine.read_state() wants it: it can be read and nothing else."""

    def __init__(self, disk, view):
        self.path, self.partitions, self.size, self.view = None, disk.partitions, disk.size, view

    def read(self, name, offset, size):
        return self.view.read(self.partition(name).offset + offset, size)


def choose(state):
    """The slot that a loader boots (docs/boot.md); None when its state can't be read, and the loader must guess."""
    if not state.readable:
        return None
    for slot in state.order:
        if state.good.get(slot) or state.left.get(slot, 0) > 0:
            return slot
    for slot in [*state.order, *SLOTS]:
        if state.good.get(slot):
            return slot
    return state.order[0] if state.order else None


class Verdict:
    """What was seen of a crash disk without booting it. slot: that the loader would boot. version: of the release in it. breach: text, or None."""

    def __init__(self, point, state, slot, version, breach):
        self.point, self.state, self.slot, self.version, self.breach = point, state, slot, version, breach

    def __repr__(self):
        return "%s: %s; slot %s, release %s%s" % (self.point, self.state, self.slot, self.version, "; " + self.breach if self.breach else "")


class Judge:
    """Judges the crash disks of a recording. releases: {version: {class: path}} that a slot may hold."""

    def __init__(self, machine, disk, releases):
        self.machine, self.disk = machine, disk
        self.images = {version: {name: pathlib.Path(path).read_bytes() for name, path in images.items()} for version, images in releases.items()}
        self.trackers = {}

    def attach(self, disks):
        """Follows what the slots of these crash disks hold."""
        for slot in SLOTS:
            for version, images in self.images.items():
                for name, data in images.items():
                    offset = self.machine.slot_offset(self.disk, name, slot)
                    tracker = crash_disks.ReferenceTracker(data, offset)
                    disks.track(tracker)
                    self.trackers[slot, version, name] = tracker

    def holds(self, slot, view):
        """The release that is whole in a slot, or None."""
        for version, images in self.images.items():
            if all(self.trackers[slot, version, name].equals(view) for name in images):
                return version
        return None

    def judge(self, view):
        """A Verdict on the crash disk of a view."""
        state = self.machine.read_state(ViewedDisk(self.disk, view))
        slot = choose(state)
        if slot is None:
            return Verdict(view.point, state, None, None, "the loader's state is lost")
        version = self.holds(slot, view)
        breach = None if version else "slot %s would boot, and is not whole" % slot
        for other in state.order:
            if breach is None and (state.good.get(other) or state.left.get(other, 0) > 0) and not self.holds(other, view):
                breach = "slot %s may be booted, and is not whole" % other
        return Verdict(view.point, state, slot, version, breach)

    def everything(self, disks, seeds=1, stop_after=None):
        """Verdicts on every crash disk; with stop_after, until so many breaches were found."""
        breaches = 0
        for point in crash_disks.every_point(disks, seeds):
            verdict = self.judge(disks.view(point))
            yield verdict
            breaches += verdict.breach is not None
            if stop_after and breaches >= stop_after:
                return


def place_of(disk, log, point):
    """Where the cut falls: the partition of the last write before it, and the way of losing. Sampling takes from each of these."""
    for entry in reversed(log.entries[:point.prefix]):
        if entry.is_write:
            for part in disk.partitions:
                if part.offset <= entry.offset < part.offset + part.size:
                    return part.name, point.mode
            return "partition table", point.mode
    return "before the first write", point.mode


def materialize(disks, disk, point, path):
    """The crash disk as an image that can be booted: a DiskImage."""
    disks.write(point, path)
    twin = DiskImage(path, disk.partitions)
    if twin.size != disk.size:
        raise HarnessError("%s has another size than its disk" % path)
    return twin
