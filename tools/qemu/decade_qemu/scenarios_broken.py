"""Releases that are broken: each is tried, left, and never tried again; the next good one is installed."""
from .errors import GuestGone, ScenarioFailure
from .scenario import scenario

TRIES = 3


def offer(bench, kind):
    """A device in slot A with release 1 installs the broken release 2."""
    bench.release("1")
    bench.factory(room=[("2", kind)])
    bench.release("2", kind)
    bench.update("A", "1", to="2")


def fails_to_come_up(bench, hangs=False):
    """One boot that never reaches user space. hangs: it must be cut; else it must reset by itself."""
    with bench.boot() as boot:
        try:
            boot.up()
        except GuestGone as gone:
            if gone.kind != ("timeout" if hangs else "exit"):
                raise ScenarioFailure("the broken release was expected to %s: %s" % ("hang" if hangs else "reset", gone)) from gone
            bench.tell("as expected: %s" % gone)
            return
        raise ScenarioFailure("the broken release came up in slot %s" % boot.slot)


def is_left(bench):
    """Slot A again, the reason recorded, the release known bad; the next good one works."""
    bench.goes_on("A", "1", "3", last=("rolled-back", "2"), refuses=True)


def tried_and_left(bench, kind, hangs=False):
    """The whole life of a release that never reaches user space."""
    offer(bench, kind)
    for left in range(TRIES - 1, -1, -1):
        fails_to_come_up(bench, hangs)
        state = bench.state()
        bench.expect(not bench.machine.reads_state or state.left["B"] == left and not state.good["B"], "%d tries were expected to be left" % left)
    is_left(bench)


@scenario("panic", "a new kernel that panics is tried three times and left", promise="rollback", tier="default", needs=["kind:panic"])
def panic(bench):
    """The loader alone does it: nothing of the new release runs long enough to help."""
    tried_and_left(bench, "panic")


@scenario("hang-kernel", "a new kernel that hangs before user space is left", promise="rollback", needs=["kind:hang-kernel"])
def hang_kernel(bench):
    """No watchdog runs yet: the host's hand on the power switch stands for the one that a board's loader arms."""
    offer(bench, "hang-kernel")
    for _ in range(TRIES):
        fails_to_come_up(bench, hangs=True)
    is_left(bench)


@scenario("hang-user", "a user space that hangs is reset by the watchdog and left", promise="rollback", needs=["watchdog", "kind:hang-user"])
def hang_user(bench):
    """The watchdog was started before the root was opened."""
    tried_and_left(bench, "hang-user")


@scenario("no-init", "a root without init is left", promise="rollback", needs=["kind:no-init"])
def no_init(bench):
    """The kernel panics when its first process ends."""
    tried_and_left(bench, "no-init")


@scenario("bad-root", "a root that isn't what was signed doesn't run: dm-verity stops it", promise="rollback", needs=["kind:bad-root"])
def bad_root(bench):
    """The release was signed with the damage in it, so that nothing before the kernel can notice."""
    tried_and_left(bench, "bad-root")


@scenario("bad-boot", "a boot image that the loader can't start uses up its tries and is left", promise="rollback", needs=["kind:bad-boot"])
def bad_boot(bench):
    """The loader must neither stop at a prompt nor fall back for ever without counting."""
    tried_and_left(bench, "bad-boot")


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
