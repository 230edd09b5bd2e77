"""The loader's state and the state partition, damaged: the device boots, says so, and can be updated."""
from .errors import GuestGone, ScenarioFailure
from .scenario import scenario

MOST_BOOTS = 12  # until a device without boot state has found a slot that works


@scenario("both-spent", "no slot has a try left and none is good: all are tried again", promise="state", needs=["state"])
def both_spent(bench):
    """Never a dead end: a loader that stops here is a device that somebody must visit."""
    bench.release("1")
    bench.factory()
    bench.set_state(order=["A"], left={"A": 0, "B": 0}, good={"A": False, "B": False})
    bench.comes_up("A", "1")
    bench.expect(bench.state().good["A"], "the slot that came up isn't confirmed")
    bench.goes_on("A", "1", "2")


@scenario("state-copy-damaged", "one damaged copy of the loader's state changes nothing", promise="state", needs=["redundant-state"])
def state_copy_damaged(bench):
    """Either copy, one after the other, with a confirmed release in slot B."""
    bench.release("1")
    bench.factory()
    bench.release("2")
    bench.update("A", "1", to="2")
    bench.comes_up("B", "2")
    slot, version = "B", "2"
    for copy in (0, 1):
        bench.machine.damage_state(bench.disk, copy)
        bench.tell("copy %d damaged; %s" % (copy, bench.state()))
        with bench.boot() as boot:
            boot.up(slot, version).ready()
            boot.reboot()
        slot, version = bench.goes_on(slot, version, str(int(version) + 1))


def after_loss(bench, slot, version, new):
    """All of the stored state is damaged. The device comes up in `slot` all the same, within a few boots; a loader that can makes a new
    state, else Decade says that it doesn't know and a person sets it. Then it goes on to release `new`."""
    for copy in range(bench.machine.state_copies()):
        bench.machine.damage_state(bench.disk, copy)
    bench.expect(not bench.state().readable, "the state is still readable")
    for _ in range(MOST_BOOTS):
        with bench.boot() as boot:
            try:
                boot.up()
            except GuestGone as gone:
                bench.tell("this boot came to nothing: %s" % gone)
                continue
            bench.expect((boot.slot, boot.version) == (slot, version), "slot %s came up with release %s" % (boot.slot, boot.version))
            boot.ready("confirmed" if bench.machine.heals_state else "mark-good-failed")
            if not bench.machine.heals_state:
                boot.decade("status", code=9)
            boot.reboot()
        break
    else:
        raise ScenarioFailure("nothing came up in %d boots" % MOST_BOOTS)
    if not bench.machine.heals_state:
        bench.set_state([slot], {"A": 0, "B": 0}, {"A": slot == "A", "B": slot == "B"})
    bench.goes_on(slot, version, new)


@scenario("state-lost", "with all of the loader's state lost the device boots, says so, and can be updated", promise="state", needs=["state"])
def state_lost(bench):
    """A device from the factory: only slot A holds anything."""
    bench.release("1")
    bench.factory()
    after_loss(bench, "A", "1", "2")


@scenario("state-lost-broken-slot", "with all of the loader's state lost and the first slot broken, the other one is found", promise="state",
          needs=["state"])
def state_lost_broken_slot(bench):
    """Slot A is half written, as in an install from slot B; then the state is lost."""
    bench.release("1")
    bench.factory()
    bench.release("2")
    bench.update("A", "1", to="2")
    bench.comes_up("B", "2")
    for name in bench.machine.classes[1:]:
        label = bench.machine.slot_partition(name, "A")
        bench.disk.write(label, bytes(bench.disk.partition(label).size // 2))
    after_loss(bench, "B", "2", "3")


@scenario("state-hostile", "a stored boot order that names no slots but commands runs none of them", promise="state", needs=["named-state"])
def state_hostile(bench):
    """Whoever may write the loader's state must not thereby own the loader. Decade says that it doesn't know the state, and leaves it."""
    bench.release("1")
    bench.factory()
    good = {"A": True, "B": False}
    bench.set_state(["C", "A;reset", "$(reset)", "${bootcmd}", "A"], {"A": 0, "B": 0}, good)
    with bench.boot() as boot:
        boot.up("A", "1").ready("mark-good-failed")
        boot.decade("status", code=9)
        boot.reboot()
    bench.set_state(["A"], {"A": 0, "B": 0}, good)
    bench.goes_on("A", "1", "2")


@scenario("state-partition-lost", "a state partition that can't be mounted stops neither boot nor confirmation nor update", promise="state")
def state_partition_lost(bench):
    """Lost while a trial is pending, and lost for good: the partition refuses to be made anew."""
    bench.release("1")
    bench.factory()
    bench.release("2")
    bench.update("A", "1", to="2")
    bench.disk.write(bench.machine.state_partition(), bytes(4 << 20))
    with bench.boot() as boot:
        boot.up("B", "2")
        event = boot.event("state")
        bench.expect(event["how"] in ("repaired", "recreated", "lost"), "the state partition was said to be %s" % event["how"])
        boot.ready()
        boot.reboot()
    bench.expect(not bench.machine.reads_state or bench.state().good["B"], "the trial wasn't confirmed")
    bench.goes_on("B", "2", "3")


@scenario("state-partition-torn", "a torn superblock of the state partition is repaired", promise="state")
def state_partition_torn(bench):
    """Half of the first superblock is zeros, as after a cut in the middle of its write; the backup is used, or all of it made anew."""
    bench.release("1")
    bench.factory()
    bench.comes_up("A", "1")
    bench.disk.write(bench.machine.state_partition(), bytes(512), 1024 + 512)
    bench.disk.write(bench.machine.state_partition(), bytes(256), 1024)
    with bench.boot() as boot:
        boot.up("A", "1")
        event = boot.event("state")
        bench.expect(event["how"] != "mounted", "the damage was not noticed")
        boot.ready()
        boot.reboot()
    bench.goes_on("A", "1", "2")
