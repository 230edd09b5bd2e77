"""Power cuts that can find a missing flush: crash disks of a recorded update, and a disk whose power is cut while the machine runs.

DECADE_QEMU_BOOTS: how many crash disks are booted (default 3; "all" boots every one, hours). DECADE_QEMU_SEED: another sample, other cuts.
"""
import os
import random
import time

from . import crash_disks, nbd_server, replay
from .errors import GuestGone, ScenarioFailure
from .machine import Drive
from .scenario import scenario
from .volatile_cache import ALL, SUBSET, TORN

SEEDS = 2  # seeded ways of losing, at each prefix


def boots_wanted():
    """How many crash disks to boot; None for all of them."""
    text = os.environ.get("DECADE_QEMU_BOOTS", "3")
    return None if text == "all" else int(text)


def seed():
    return int(os.environ.get("DECADE_QEMU_SEED", "1"))


def record_boot(bench, name, slot, version, act=None):
    """One boot from power on to an orderly reboot, recorded. act(boot): what happens once it takes commands."""
    recording = replay.Recording(bench.disk, bench.folder, name)
    with bench.boot(recording.drive) as boot:
        boot.up(slot, version).ready()
        if act is not None:
            act(boot)
        boot.reboot()
    return recording


def record_update(bench):
    """Release 2 installed over slot B, and its trial with the confirmation: two recordings."""
    update = record_boot(bench, "update", "A", "1", lambda boot: boot.install())
    trial = record_boot(bench, "trial", "B", "2")
    return [update, trial]


def look_at_all(bench, recordings, releases, stop_after=None):
    """Judges every crash disk of the recordings without booting. Returns {recording: ([points that hold], [verdicts that don't])}."""
    found = {}
    for recording in recordings:
        began, holding, breaking = time.monotonic(), [], []
        with recording.crashes() as disks:
            judge = replay.Judge(bench.machine, bench.disk, releases)
            judge.attach(disks)
            for verdict in judge.everything(disks, SEEDS, stop_after):
                if verdict.breach:
                    breaking.append(verdict)
                else:
                    holding.append(verdict)
            bench.tell("%s: %d writes and %d flushes logged; %d crash disks looked at in %.1f s, %d would boot what isn't whole" % (
                recording.name, sum(entry.is_write for entry in disks.log.entries), len(disks.log.flushes()),
                len(holding) + len(breaking), time.monotonic() - began, len(breaking)))
        found[recording.name] = (holding, breaking)
    return found


def drawn(bench, recording, holding, count):
    """A sample of the verdicts, from each partition and way of losing; not of disks that lost nothing, which SIGKILL makes too."""
    if count is None:
        return holding
    by_point = {verdict.point: verdict for verdict in holding if verdict.point.mode != ALL}
    with recording.crashes() as disks:
        points = crash_disks.sample(list(by_point), lambda point: replay.place_of(bench.disk, disks.log, point), count, seed())
    return [by_point[point] for point in points]


class OtherDisk:
    """In a `with`: the bench's device has this crash disk in it. Kept when something is wrong with it."""

    def __init__(self, bench, recording, point):
        self.bench, self.recording, self.point = bench, recording, point

    def __enter__(self):
        path = self.bench.folder / ("crash-%s-%s.img" % (self.recording.name, str(self.point).replace(":", "-")))
        with self.recording.crashes() as disks:
            crash = replay.materialize(disks, self.bench.disk, self.point, path)
        self.before, self.bench.disk = self.bench.disk, crash
        return crash

    def __exit__(self, kind, *_):
        crash, self.bench.disk = self.bench.disk, self.before
        if kind is None:
            crash.remove()


def live_on(bench, slot, version):
    """The device boots what was foreseen, confirms it, and gets release 3, which came out after the cut."""
    with bench.boot() as boot:
        boot.up(slot, version).ready()
        result = boot.install()
        bench.expect(result.get("version") == "3", "release %s was installed, not 3" % result.get("version"))
        boot.reboot()
    bench.last_is(bench.comes_up("B" if slot == "A" else "A", "3"), "confirmed", "3")


@scenario("power-cut-replay", "whatever a power cut leaves of an update boots a whole release, old or new, and is updated again",
          promise="power and line", tier="default", needs=["state"])
def power_cut_replay(bench):
    """All crash disks are looked at; a sample of them is booted."""
    recordings, releases = recorded(bench)
    found = look_at_all(bench, recordings, releases)
    breaches = [(name, verdict) for name, (_, breaking) in found.items() for verdict in breaking]
    if breaches:
        raise ScenarioFailure("%d crash disks break the promise; the first: %s %r" % (len(breaches), *breaches[0]))
    count = boots_wanted()
    shares = {"update": None, "trial": None} if count is None else {"update": count - count // 3, "trial": count // 3}
    bench.release("3", bases="all")
    for recording in recordings:
        for verdict in drawn(bench, recording, found[recording.name][0], shares[recording.name]):
            bench.tell("crash disk %s %r" % (recording.name, verdict))
            with OtherDisk(bench, recording, verdict.point):
                live_on(bench, verdict.slot, verdict.version)
    for recording in recordings:
        recording.remove()


def recorded(bench, kind="good"):
    """A device with release 1 of this kind, its update to release 2 recorded. Returns the recordings and {version: images}."""
    bench.release("1")
    bench.factory("1", kind)
    bench.release("2", kind)
    releases = {version: bench.lab.images.images(version, kind) for version in ("1", "2")}
    return record_update(bench), releases


@scenario("power-cut-replay-mutant", "an update service whose fsync does nothing is caught by the crash disks", promise="the harness itself",
          needs=["state", "kind:no-sync"])
def power_cut_replay_mutant(bench):
    """The proof that replay can find a missing flush. Such a disk is booted as well: it doesn't come up as the loader's state says."""
    recordings, releases = recorded(bench, "no-sync")
    found = look_at_all(bench, recordings, releases)
    breaking = [(recording, verdict) for recording in recordings for verdict in found[recording.name][1]]
    if not breaking:
        raise ScenarioFailure("nothing was found of an update service that never syncs")
    bench.tell("the first of them: %s %r" % (breaking[0][0].name, breaking[0][1]))
    bootable = [pair for pair in breaking if pair[1].slot == "B"]
    if not bootable:
        raise ScenarioFailure("no crash disk of the mutant boots a slot that isn't whole")
    recording, verdict = bootable[0]
    with OtherDisk(bench, recording, verdict.point):
        bench.resets(or_comes_up="A")  # the kernel dies of it, or the loader finds nothing to load and goes on
    for recording in recordings:
        recording.remove()


# ---- live ----

def cut_live(bench, server, cut, act):
    """Power on from the NBD disk; act(boot) runs until the cut. Returns True when the cut came, False when act ended before."""
    server.arm(cut)
    with bench.boot(Drive(["-blockdev", "driver=nbd,node-name=disk,server.type=unix,server.path=%s" % server.socket_path])) as boot:
        server.on_cut = boot.process.cut
        try:
            act(boot)
        except GuestGone:
            if not server.cut_happened.is_set():
                raise
    server.on_cut = None
    came = server.cut_happened.is_set()
    if came:
        bench.tell("the power went with %d writes in the disk's cache (%s, seed %s)" % (server.at_stake, cut.mode, cut.seed))
    server.power_on()
    if server.error:
        raise server.error
    return came


def update_from_a(boot):
    """What the guest does while the power may go: release 1 in slot A installs 2, or 2 in slot B is confirmed."""
    boot.up().ready()
    if boot.slot == "A":
        boot.install()
    boot.reboot()


# Where the power goes, and at the how-manieth write there at most: what an install and a trial surely do.
LIVE_CUTS = (("boot-b", 4), ("rootfs-b", 8), ("loader", 3), ("state", 6))


@scenario("power-cut-live", "power cuts at chosen writes, with a disk cache that forgets and tears: the device always comes back",
          promise="power and line", needs=["state"])
def power_cut_live(bench):
    """One device's update, cut at a random write to each kind of place; then it ends well, and the next one too."""
    bench.release("1")
    bench.factory()
    bench.release("2", bases="none")
    rng = random.Random("live %d" % seed())
    places = {"loader": bench.machine.loader_partition(), "state": bench.machine.state_partition(),
              "boot-b": bench.machine.slot_partition("boot", "B"), "rootfs-b": bench.machine.slot_partition("rootfs", "B")}
    came = 0
    with nbd_server.NbdServer(bench.disk.path, bench.folder / "nbd") as server:
        for place, most in LIVE_CUTS:
            part = bench.disk.partition(places[place])
            cut = nbd_server.Cut(rng.randint(1, most), rng.choice((SUBSET, TORN)), rng.randrange(1000), (part.offset, part.offset + part.size))
            bench.tell("the power will go at write %d to %s" % (cut.at, part.name))
            came += cut_live(bench, server, cut, update_from_a)
    bench.expect(came >= 3, "only %d of %d cuts came" % (came, len(LIVE_CUTS)))
    with bench.boot() as boot:
        boot.up().ready()
        slot, version = boot.slot, boot.version
        boot.reboot()
    if version == "1":
        bench.update("A", "1", to="2")
        bench.comes_up("B", "2")
        slot, version = "B", "2"
    bench.goes_on(slot, version, "3")
