"""A device under test: its disk, the repository that feeds it, its boots, and what is asserted of them."""
import contextlib
import json
import os
import pathlib
import time

from .disk_image import DiskImage
from .errors import GuestGone, ScenarioFailure
from .machine import BootState, Drive
from .qemu_process import QemuProcess, expect_code
from .web_server import WebServer

COMMAND_SECONDS = 180


def patience(seconds):
    """A time-out for an idle machine, stretched by the load that this one has: a slow boot isn't a hung one."""
    return seconds * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


class Lab:
    """What all scenarios on one machine share. machine: a Machine. images: ReleaseImages. base: of release_line.make_keys(). decade_repo: path.
    line: function(folder) that makes a ReleaseLine."""

    def __init__(self, machine, images, line):
        self.machine, self.images, self.line = machine, images, line


class Boot:
    """One boot of a Bench, from power on to power off; use it in a `with`. Ends by a power cut unless it ended before."""

    def __init__(self, bench, drive=None):
        self.bench, self.machine = bench, bench.machine
        bench.boots += 1
        bench.tell("boot %d" % bench.boots)
        self.process = QemuProcess(
            lambda serial, link: self.machine.command(drive or Drive.file(bench.disk.path), serial, link, True),
            bench.folder / "console.log", bench.watch, self.machine.link)
        self.slot = self.version = None

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.process.cut()

    @property
    def seconds(self):
        """How long one step of a boot may take now."""
        return patience(self.machine.boot_seconds)

    def event(self, name):
        """The next event of a name. GuestGone when it doesn't come."""
        return self.process.wait(name, timeout=self.seconds)

    def up(self, slot=None, version=None):
        """Waits for the guest to say which slot and release it is, and compares. GuestGone when it doesn't come up."""
        event = self.process.wait("up", timeout=self.seconds, cpu=self.machine.boot_cpu_seconds)
        self.slot, self.version = event["slot"], event["version"]
        self.bench.tell("up: slot %s, release %s, %.1f s" % (self.slot, self.version, self.process.seconds))
        for what, want, have in (("slot", slot, self.slot), ("release", version, self.version)):
            if want is not None and want != have:
                raise ScenarioFailure("boot %d came up with %s %s; %s was expected; %s" % (
                    self.bench.boots, what, have, want, self.bench.state_after_cut(self)))
        return self

    def ready(self, result="confirmed"):
        """Waits until the service has judged the boot and takes commands; compares its judgement."""
        event = self.process.wait("trial", timeout=self.seconds)
        if result is not None and event["result"] != result:
            raise ScenarioFailure("the service of release %s said %r, not %s" % (self.version, event, result))
        self.process.wait("ready", timeout=self.seconds)
        return self

    def run(self, command, code=0, timeout=COMMAND_SECONDS, quiet=False):
        """Runs a command line in the guest as root and compares its exit code (None: any). Returns the CommandResult."""
        result = self.process.run(command, patience(timeout), None if quiet else self.bench.said)
        return result if code is None else expect_code(result, code, command)

    def decade(self, words, code=0, timeout=COMMAND_SECONDS, quiet=False):
        """Runs `decade WORDS` as the update service's user."""
        return self.run(self.machine.decade + " " + words, code, timeout, quiet)

    def start_decade(self, words):
        """Starts `decade WORDS` and returns its number, for finish()."""
        return self.process.start_command(self.machine.decade + " " + words)

    def finish(self, number, code=0, timeout=COMMAND_SECONDS):
        """Waits for a started command."""
        result = self.process.finish_command(number, patience(timeout), self.bench.said)
        return result if code is None else expect_code(result, code, "the command")

    def install(self, code=0, words=""):
        """Installs what the bench's server offers; returns the last JSON line as a dict (empty when there is none)."""
        result = self.decade("install --json %s %s" % (words, self.bench.url), code)
        lines = [line for line in result.out.splitlines() if line.startswith("{")]
        return json.loads(lines[-1]) if lines else {}

    def status(self):
        """`decade status --json` as a dict."""
        return json.loads(self.decade("status --json", quiet=True).out)

    def reboot(self):
        """An orderly reboot: the process ends."""
        self.process.start_command("reboot")
        self.ends("an orderly reboot")

    def ends(self, why):
        """Waits for the machine to reset by itself."""
        if not self.process.wait_end(self.seconds + 30):
            raise GuestGone("timeout", "%s was expected, and the machine runs on; see %s" % (why, self.process.console_path))

    def cut(self):
        """Power off, now."""
        self.bench.tell("power cut at %.1f s" % self.process.seconds)
        self.process.cut()


class Bench:
    """One scenario's device. lab: Lab. folder: of its own, kept when it fails. out: function(text) for live words."""

    def __init__(self, lab, folder, out):
        self.lab, self.machine, self.folder, self.out = lab, lab.machine, pathlib.Path(folder), out
        self.boots, self.started, self.disk = 0, time.monotonic(), None
        self.folder.mkdir(parents=True, exist_ok=True)
        self.line = lab.line(self.folder / "line")
        self.server = WebServer([self.line.repo])

    @property
    def url(self):
        """Of the repository, as the guest reaches it."""
        return "http://%s:%d" % (self.machine.host, self.server.port)

    def close(self):
        """Stops the server."""
        self.server.close()

    # ---- words ----

    def tell(self, text):
        """A line of live output."""
        self.out("%7.1f s  %s" % (time.monotonic() - self.started, text))

    def watch(self, what):
        """Called with each event and each line of the console."""
        if not isinstance(what, str) and what.name not in ("up", "out", "done"):
            self.tell("guest: %r" % what)
        elif isinstance(what, str) and (what.startswith("decade: ") or "Kernel panic" in what):
            self.tell("console: %s" % what.strip())

    def said(self, line):
        """Called with each line that a command prints."""
        if not line.startswith('{"event": "progress"') and '"progress"' not in line:
            self.tell("  | %s" % line[:160])

    # ---- the device ----

    def factory(self, version="1", kind="good", room=()):
        """A fresh disk with a release in slot A, good, and nothing in slot B. room: [(version, kind)] of releases that must fit later."""
        if hasattr(self.machine, "read_disk"):  # a maker's board brings its disk
            self.disk = self.machine.read_disk(DiskImage(self.machine.disk_path, []).copy(self.folder / "disk.img").path)
            return
        images = self.lab.images.images(version, kind)
        sizes = self.lab.images.sizes([(version, kind), *room])
        self.disk = DiskImage(self.folder / "disk.img", self.machine.partitions(sizes)).create()
        self.machine.install_loader(self.disk)
        self.machine.write_release(self.disk, "A", images)
        self.format_state()

    def format_state(self):
        """An empty state partition."""
        from . import host_command
        part, scratch = self.disk.partition("state"), self.folder / "state.ext4"
        with open(scratch, "wb") as file:
            file.truncate(part.size)
        host_command.run(["mke2fs", "-q", "-F", "-t", "ext4", "-E", "lazy_itable_init=0,nodiscard", scratch])
        self.disk.write_file("state", scratch)
        scratch.unlink()

    def boot(self, drive=None):
        """Power on. A context manager."""
        return Boot(self, drive)

    def state(self):
        """The loader's BootState on the disk, machine off."""
        return self.machine.read_state(self.disk)

    def state_after_cut(self, boot):
        """For messages: the state at the end of a boot that went wrong."""
        boot.process.cut()
        return repr(self.state())

    # ---- flows that most scenarios share ----

    def release(self, version, kind="good", **options):
        """Publishes a release."""
        self.line.release(version, kind, **options)

    def update(self, slot, version, to):
        """From `slot`, which comes up with `version`: installs, and reboots. The new release is `to`. Returns install's last JSON line."""
        with self.boot() as boot:
            boot.up(slot, version).ready()
            result = boot.install()
            self.expect(result.get("version") == to, "release %s was installed, not %s" % (result.get("version"), to))
            boot.reboot()
        return result

    def goes_on(self, slot, version, new, last=None, refuses=False, **options):
        """The last promise of every scenario: the device comes up in `slot` with `version`, installs the next good release `new`, boots it,
        and confirms it. last: (result, version) that `decade status` must show before. refuses: what the server offers until then must be
        refused. options: of the new release. Returns (slot, version) of what runs then."""
        other = "B" if slot == "A" else "A"
        with self.boot() as boot:
            boot.up(slot, version).ready()
            if last is not None:
                self.last_is(boot.status(), *last)
            if refuses:
                result = boot.decade("install " + self.url, code=None)
                self.expect(result.code in (3, 4), "a release that must be refused ended with %d:\n%s" % (result.code, result.out))
            self.release(new, bases="all", **options)
            result = boot.install()
            self.expect(result.get("version") == new, "release %s was installed, not %s" % (result.get("version"), new))
            boot.reboot()
        self.last_is(self.comes_up(other, new), "confirmed", new)
        return other, new

    def resets(self, or_comes_up=None, hangs=False):
        """One boot that never reaches user space and resets by itself; with `hangs` one that must be cut. or_comes_up: a slot that may come up
        all the same."""
        with self.boot() as boot:
            try:
                boot.up()
            except GuestGone as gone:
                if gone.kind != ("timeout" if hangs else "exit"):
                    raise ScenarioFailure("this boot was expected to %s: %s" % ("hang" if hangs else "reset", gone)) from gone
                self.tell("as expected: %s" % gone)
                return
            self.expect(boot.slot == or_comes_up, "slot %s came up with release %s; this boot was expected to come to nothing" % (
                boot.slot, boot.version))

    def last_is(self, status, result, version):
        """The last outcome that `decade status` shows."""
        last = status["last"]
        self.expect(last["result"] == result and last["version"] == version, "the last outcome is %s, not %s of %s" % (last, result, version))
        self.expect(last["reason"], "the outcome has no reason: %s" % last)
        self.tell("last: %s" % last["reason"])

    def comes_up(self, slot, version):
        """One boot that comes up as told and is confirmed. Returns `decade status`."""
        with self.boot() as boot:
            boot.up(slot, version).ready()
            status = boot.status()
            boot.reboot()
        return status

    # ---- moments for a power cut, seen from outside ----

    def until(self, holds, boot, timeout=120):
        """Returns as soon as holds() is true. GuestGone when the machine ends before."""
        end = time.monotonic() + timeout
        while not holds():
            if boot.process.process.poll() is not None:
                raise boot.process.gone(("the moment of the cut",))
            if time.monotonic() > end:
                raise GuestGone("timeout", "the moment of the cut didn't come within %d s" % timeout)
            time.sleep(0.001)

    def until_changes(self, name, boot):
        """Until the first bytes of a partition change."""
        before = self.disk.read(name, 0, 1 << 16)
        self.until(lambda: self.disk.read(name, 0, 1 << 16) != before, boot)

    def until_state(self, holds, boot):
        """Until the stored boot state is readable and holds(state)."""
        def look():
            state = self.machine.read_state(self.disk)
            return state.readable and holds(state)
        self.until(look, boot)

    def until_state_changes(self, boot):
        """Until the stored boot state is another one."""
        before = repr(self.state())
        self.until(lambda: repr(self.machine.read_state(self.disk)) != before, boot)

    def set_state(self, order, left, good):
        """Stores a boot state from outside, machine off."""
        self.machine.write_state(self.disk, BootState(order, left, good))

    @contextlib.contextmanager
    def served(self, folder):
        """Another repository's URL, for a while."""
        server = WebServer([folder])
        try:
            yield "http://%s:%d" % (self.machine.host, server.port)
        finally:
            server.close()

    def expect(self, holds, text):
        """ScenarioFailure unless it holds."""
        if not holds:
            raise ScenarioFailure("%s; %s" % (text, self.state() if self.disk else "no disk"))
