"""Updates that go well, and those that are refused for a reason."""
from .errors import ScenarioFailure
from .scenario import scenario


@scenario("good-delta", "an update by delta over HTTP boots, is confirmed, and stays", promise="updates", tier="default")
def good_delta(bench):
    """Two updates, so that both slots have been the target."""
    bench.release("1")
    bench.release("2")
    bench.factory()
    full = sum(path.stat().st_size for path in bench.lab.images.images("2").values())
    bench.update("A", "1", to="2")
    sent = bench.server.bytes_sent()
    bench.tell("sent %d bytes for images of %d" % (sent, full))
    bench.expect(sent < full // 4, "%d bytes were sent for images of %d: no delta" % (sent, full))
    bench.goes_on("B", "2", "3", last=("confirmed", "2"))


@scenario("bundle", "an update from a bundle, a file on a medium, boots and is confirmed", promise="updates")
def bundle(bench):
    """The bundle is streamed into the guest's standard input, as from a stick that is read once."""
    bench.release("1")
    bench.release("2")
    bench.factory()
    bench.line.bundle("2", "1", bench.line.repo / "update.dcb")
    with bench.boot() as boot:
        boot.up("A", "1").ready()
        boot.run("wget -q -O - %s/update.dcb | %s install -" % (bench.url, bench.machine.decade))
        boot.reboot()
    bench.goes_on("B", "2", "3", last=("confirmed", "2"))


@scenario("ten-with-skips", "ten updates in a row, some from two releases back", promise="updates")
def ten_with_skips(bench):
    """Every third release is skipped. Four contents take turns, so that each update changes something."""
    number, slot, content = 1, "A", "1"
    bench.release("1.0", content="1")
    bench.factory(room=[(str(each), "good") for each in range(1, 5)])
    for _ in range(10):
        with bench.boot() as boot:
            boot.up(slot, content).ready()
            for _ in range(2 if number % 3 == 0 else 1):
                number += 1
                content = str((number - 1) % 4 + 1)
                bench.release("%d.0" % number, bases="all", content=content)
            boot.install()
            boot.reboot()
        slot = "B" if slot == "A" else "A"
    with bench.boot() as boot:
        boot.up(slot, content).ready()
        boot.decade("verify")


@scenario("wrong-board", "a release for another board is refused, and the device goes on", promise="refusals")
def wrong_board(bench):
    """Then the next release for this board is installed."""
    bench.release("1")
    bench.factory()
    bench.release("2", compatible="another-board")
    bench.goes_on("A", "1", "3", refuses=True)


@scenario("downgrade", "a release below the security floor and an older repository are refused", promise="refusals")
def downgrade(bench):
    """The floor rose when release 2 was confirmed; then somebody serves the repository as it was before."""
    bench.release("1")
    bench.factory()
    old = bench.line.copy("old")
    bench.release("2", security_version="5")
    bench.update("A", "1", to="2")
    bench.release("3", security_version="4")
    with bench.boot() as boot:
        boot.up("B", "2").ready()
        boot.decade("install " + bench.url, code=4)
        with bench.served(old) as url:
            boot.decade("install " + url, code=5)
        boot.reboot()
    bench.goes_on("B", "2", "4", security_version="5")


@scenario("server-dies", "a server that dies in the middle costs nothing: the next attempt goes on", promise="power and line")
def server_dies(bench):
    """The second attempt fetches no more than what was missing and a few frames."""
    bench.release("1")
    bench.release("2", bases="none")
    bench.factory()
    with bench.boot() as boot:
        boot.up("A", "1").ready()
        bench.server.die_after(8 << 20)
        boot.install(code=6)
        first = bench.server.bytes_sent()
        bench.server.revive()
        boot.install()
        second = bench.server.bytes_sent() - first
        bench.tell("sent %d bytes, then %d" % (first, second))
        boot.reboot()
    bench.goes_on("B", "2", "3")
    full = sum(path.stat().st_size for path in bench.line.payloads("2"))
    if first + second > full + (8 << 20):
        raise ScenarioFailure("%d bytes were sent in all for payloads of %d" % (first + second, full))


@scenario("disk-full", "a full state partition stops neither boot nor, once there is room, the update", promise="state")
def disk_full(bench):
    """Also a confirmation on a full disk: the loader's word doesn't live there."""
    bench.release("1")
    bench.factory()
    bench.release("2")
    with bench.boot() as boot:
        boot.up("A", "1").ready()
        boot.run("dd if=/dev/zero of=/var/lib/decade/filler bs=4k 2>/dev/null; sync; df /var/lib/decade")
        result = boot.decade("install " + bench.url, code=None)
        bench.expect(result.code in (0, 7), "an install on a full disk ended with %d" % result.code)
        if result.code == 7:
            boot.run("rm /var/lib/decade/filler")
            boot.install()
            boot.run("dd if=/dev/zero of=/var/lib/decade/filler bs=4k 2>/dev/null; sync; df /var/lib/decade")
        boot.reboot()
    with bench.boot() as boot:
        boot.up("B", "2").ready(result=None)
        boot.run("rm /var/lib/decade/filler")
        boot.reboot()
    bench.comes_up("B", "2")
    bench.expect(not bench.machine.reads_state or bench.state().good["B"], "release 2 isn't confirmed")
    bench.goes_on("B", "2", "3")
