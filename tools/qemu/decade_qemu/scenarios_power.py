"""Power cuts. Each is SIGKILL of QEMU at a moment that the host can see: bytes that the server sent, or the loader's state changing on the disk.

What the guest had written is kept by the host, flushed or not: missing flushes are found by replay, not here.
"""
from .scenario import scenario


def cut_install(bench, moment, bases="1"):
    """Cuts an install at a moment, function of (bench, boot) that returns when the power goes; then the same device goes on to release 2."""
    bench.release("1")
    bench.factory()
    bench.release("2", bases=bases)
    with bench.boot() as boot:
        boot.up("A", "1").ready()
        boot.start_decade("install --json " + bench.url)
        moment(bench, boot)
        boot.cut()
    state = bench.state()
    bench.tell(repr(state))
    with bench.boot() as boot:
        boot.up()
        boot.ready()
        flipped = boot.slot == "B"
        bench.expect(not bench.machine.reads_state or flipped == (state.order[:1] == ["B"]), "slot %s came up against the stored order" % boot.slot)
        if not flipped:
            boot.install()
        boot.reboot()
    bench.goes_on("B", "2", "3", last=("confirmed", "2"))


def sent(payload_bytes):
    """The moment at which the server has sent so many bytes of payloads."""
    return lambda bench, boot: bench.until(lambda: bench.server.payload_bytes() >= payload_bytes, boot)


@scenario("cut-download", "a power cut in the download: the next install goes on", promise="power and line", tier="default")
def cut_download(bench):
    """A full payload, so that there is something to download."""
    cut_install(bench, sent(6 << 20), bases="none")


@scenario("cut-write", "a power cut while the slot is written: the next install goes on", promise="power and line")
def cut_write(bench):
    """When the first bytes of the other slot change on the disk."""
    part = bench.machine.slot_partition(bench.machine.classes[-1], "B")
    cut_install(bench, lambda b, boot: b.until_changes(part, boot), bases="none")


@scenario("cut-sync", "a power cut when the last byte has been sent: nothing is taken for whole that isn't", promise="power and line")
def cut_sync(bench):
    """Between the last write, its read-back, and the flip."""
    def moment(b, boot):
        total = sum(path.stat().st_size for path in b.line.payloads("2"))
        b.until(lambda: b.server.payload_bytes() >= total, boot)
    cut_install(bench, moment, bases="none")


@scenario("cut-flip", "a power cut in the flip: the old slot boots or the new one, never none", promise="power and line", needs=["state"])
def cut_flip(bench):
    """At the first and at the second change of the stored boot state."""
    def moment(b, boot):
        b.until_state(lambda state: state.order[:1] == ["B"], boot)
    cut_install(bench, moment)


@scenario("cut-unbootable", "a power cut when the other slot has just been made unbootable", promise="power and line", needs=["state"])
def cut_unbootable(bench):
    """The first change of the boot state in an install."""
    cut_install(bench, lambda b, boot: b.until_state_changes(boot))


def with_trial(bench):
    """Installs release 2 without booting it."""
    bench.release("1")
    bench.factory()
    bench.release("2")
    bench.update("A", "1", to="2")


@scenario("cut-loader-save", "a power cut in the loader's own save: a try may be lost, never the device", promise="power and line", needs=["state"])
def cut_loader_save(bench):
    """Cut at the change of the state by the loader, before any kernel runs; the release is confirmed with the tries that are left."""
    with_trial(bench)
    with bench.boot() as boot:
        bench.until_state(lambda state: state.left["B"] == 2, boot)
        boot.cut()
    bench.goes_on("B", "2", "3", last=("confirmed", "2"))


@scenario("cut-trial", "a power cut in the trial boot uses up one try", promise="power and line")
def cut_trial(bench):
    """The next boot is the trial again."""
    with_trial(bench)
    with bench.boot() as boot:
        boot.up("B", "2")
        boot.cut()
    state = bench.state()
    bench.expect(not bench.machine.reads_state or state.left["B"] == 2 or state.good["B"], "the cut trial has %s tries left" % state.left.get("B"))
    bench.goes_on("B", "2", "3", last=("confirmed", "2"))


@scenario("cut-confirm", "a power cut in the confirmation: confirmed or not, never lost", promise="power and line", needs=["state"])
def cut_confirm(bench):
    """When the stored state becomes good, before the journal can say so."""
    with_trial(bench)
    with bench.boot() as boot:
        boot.up("B", "2")
        bench.until_state(lambda state: state.good["B"], boot)
        boot.cut()
    bench.goes_on("B", "2", "3", last=("confirmed", "2"))


@scenario("cut-three-trials", "three power cuts in a row in the trial: the device falls back, and the release can be had again", promise="power and line")
def cut_three_trials(bench):
    """Nobody can tell such cuts from a bad release; what counts is that the device lives."""
    with_trial(bench)
    for _ in range(3):
        with bench.boot() as boot:
            bench.until(lambda: boot.process.saw(bench.machine.loading("B")), boot)
            boot.cut()
    bench.goes_on("A", "1", "3", last=("rolled-back", "2"))
