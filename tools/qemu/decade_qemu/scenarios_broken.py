"""Releases that are broken: each is tried, left, and never tried again; the next good one is installed."""
import functools

from .scenario import scenario

TRIES = 3


def offer(bench, kind):
    """A device in slot A with release 1 installs the broken release 2."""
    bench.release("1")
    bench.factory(room=[("2", kind)])
    bench.release("2", kind)
    bench.update("A", "1", to="2")


def is_left(bench):
    """Slot A again, the reason recorded, the release known bad; the next good one works."""
    bench.goes_on("A", "1", "3", last=("rolled-back", "2"), refuses=True)


def tried_and_left(bench, kind):
    """The whole life of a release that never reaches user space."""
    offer(bench, kind)
    for left in range(TRIES - 1, -1, -1):
        bench.resets()
        state = bench.state()
        bench.expect(not bench.machine.reads_state or state.left["B"] == left and not state.good["B"], "%d tries were expected to be left" % left)
    is_left(bench)


# kind of release, which is the scenario's name too: (what a person reads, tier, what else the machine needs). In each of them the loader alone
# does it: nothing of the new release runs long enough to help.
NEVER_UP = {
    "panic": ("a new kernel that panics is tried three times and left", "default", []),
    "hang-user": ("a user space that hangs is reset by the watchdog and left", "full", ["watchdog"]),
    "no-init": ("a root without init is left", "full", []),
    "bad-root": ("a root that isn't what was signed doesn't run: dm-verity stops it", "full", []),
    "bad-boot": ("a boot image that the loader can't start uses up its tries and is left", "full", []),
}
for name, (title, tier, needs) in NEVER_UP.items():
    scenario(name, title, promise="rollback", tier=tier, needs=[*needs, "kind:" + name])(functools.partial(tried_and_left, kind=name))


@scenario("hang-kernel", "a new kernel that hangs before user space is left", promise="rollback", needs=["kind:hang-kernel"])
def hang_kernel(bench):
    """No watchdog runs yet: the host's hand on the power switch stands for the one that a board's loader arms."""
    offer(bench, "hang-kernel")
    for _ in range(TRIES):
        bench.resets(hangs=True)
    is_left(bench)


@scenario("unhealthy", "a release whose health check fails gives itself up", promise="rollback", needs=["kind:unhealthy"])
def unhealthy(bench):
    """mark-bad: one boot, not three."""
    offer(bench, "unhealthy")
    with bench.boot() as boot:
        boot.up("B", "2")
        event = boot.event("trial")
        bench.expect(event["result"] == "unhealthy" and event["code"] == "0", "the service said %r" % event)
        boot.ends("the reboot of an unhealthy release")
    is_left(bench)


@scenario("never-confirms", "a release that never confirms runs out of tries", promise="rollback", needs=["kind:never-confirms"])
def never_confirms(bench):
    """Its service reboots at its deadline, three times."""
    offer(bench, "never-confirms")
    for _ in range(TRIES):
        with bench.boot() as boot:
            boot.up("B", "2")
            event = boot.event("trial")
            bench.expect(event["result"] == "unconfirmed", "the service said %r" % event)
            boot.ends("the reboot at the deadline")
    is_left(bench)
