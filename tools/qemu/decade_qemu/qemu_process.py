"""One boot: a QEMU process, its console kept in a file, the guest's events in a queue. A power cut is SIGKILL."""
import ctypes
import os
import pathlib
import queue
import signal
import socket
import subprocess
import threading
import time

from . import guest_link
from .errors import GuestGone, ScenarioFailure

PR_SET_PDEATHSIG = 1
PANIC_WORDS = ("Kernel panic - not syncing",)


def _die_with_parent():
    """In the child, before QEMU starts: a harness that is killed must not leave a machine that spins for ever."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class CommandResult:
    """code: exit code. out: what the command printed, lines joined by newlines."""

    def __init__(self, code, out):
        self.code, self.out = code, out


class QemuProcess:
    """Starts `command(serial, link_fd)` and listens.

    console: file that gets the console, appended. watch: called with each Event and each console line (a str) as it comes, from threads.
    link: "port" (events on the socket, and on the console too) or "console" (the console alone, also for commands).
    """

    def __init__(self, command, console, watch=None, link="port"):
        self.console_path, self.watch, self.link = pathlib.Path(console), watch or (lambda what: None), link
        self.events, self.panic, self.seen, self.tail = queue.Queue(), None, [], []
        self.started = time.monotonic()
        self._ids, self._lock = 0, threading.Lock()
        self._ours, theirs = socket.socketpair()
        argv = command("stdio", theirs.fileno())
        self._console = open(self.console_path, "ab")
        self._console.write(("\n== " + " ".join(map(str, argv)) + "\n").encode())
        self._console.flush()
        self.process = subprocess.Popen(list(map(str, argv)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        pass_fds=[theirs.fileno()], start_new_session=True, preexec_fn=_die_with_parent)
        theirs.close()
        self._threads = [threading.Thread(target=self._read_console, daemon=True), threading.Thread(target=self._read_link, daemon=True)]
        for thread in self._threads:
            thread.start()

    # ---- listening ----

    def _line(self, line, from_console):
        event = guest_link.parse(line)
        if from_console and any(word in line for word in PANIC_WORDS):
            self.panic = line.strip()
        if from_console:
            self.tail = (self.tail + [line.strip()])[-400:]
        if event is None:
            self.watch(line.rstrip("\r"))
            return
        self.seen.append(event)
        self.watch(event)
        self.events.put(event)

    def _read_console(self):
        splitter = guest_link.LineSplitter()
        while data := self.process.stdout.read1(65536):
            self._console.write(data)
            self._console.flush()
            for line in splitter.feed(data):
                self._line(line, True)
        self.process.wait()
        self._threads[1].join(5)
        self._console.close()
        self.events.put(None)

    def _read_link(self):
        splitter = guest_link.LineSplitter()
        try:
            while data := self._ours.recv(65536):
                for line in splitter.feed(data):
                    self._line(line, False)
        except OSError:
            pass

    def cpu_seconds(self):
        """Processor time that QEMU has used: how far a guest came doesn't depend on how busy the host was. 0 once it has ended."""
        try:
            with open("/proc/%d/stat" % self.process.pid, encoding="ascii") as file:
                fields = file.read().rsplit(")", 1)[1].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def saw(self, words):
        """Whether one of the last 400 lines of the console holds these words."""
        return any(words in line for line in self.tail)

    # ---- what a scenario does ----

    @property
    def seconds(self):
        """Since the start."""
        return time.monotonic() - self.started

    def wait(self, *names, timeout, where=None, cpu=None):
        """The next event of one of these names (of any, without names) for which `where` holds. GuestGone when there is none within `timeout`
        seconds, or before QEMU has used up `cpu` seconds of the processor from now on: a kernel that spins is found out by that sooner, and
        whatever the machine's load."""
        end, most = time.monotonic() + timeout, None if cpu is None else self.cpu_seconds() + cpu
        while True:
            try:
                event = self.events.get(timeout=max(0.0, min(0.5, end - time.monotonic())))
            except queue.Empty:
                if time.monotonic() < end and (most is None or self.cpu_seconds() < most):
                    continue
                raise GuestGone("timeout", "no word '%s' after %.0f s, %.0f s of them at work; the machine is alive and silent" % (
                    "' or '".join(names) or "any", self.seconds, self.cpu_seconds())) from None
            if event is None:
                self.events.put(None)
                raise self.gone(names)
            if (not names or event.name in names) and (where is None or where(event)):
                return event

    def gone(self, names=()):
        """A GuestGone that says how the process ended."""
        code = self.process.wait()
        waited = " while '%s' was waited for" % "' or '".join(names) if names else ""
        if code != 0:
            return GuestGone("crash", "QEMU ended with %d%s; see %s" % (code, waited, self.console_path))
        return GuestGone("exit", "the machine %s%s" % ("panicked (%s) and reset" % self.panic if self.panic else "reset", waited))

    def start_command(self, text):
        """Sends a command line to the guest and returns its number."""
        with self._lock:
            self._ids += 1
            number = self._ids
        line = ("%d %s\n" % (number, text)).encode()
        try:
            if self.link == "console":
                self.process.stdin.write(line)
                self.process.stdin.flush()
            else:
                self._ours.sendall(line)
        except OSError:
            raise self.gone(("ready",)) from None
        return number

    def is_busy(self):
        """Whether a command was sent whose end has not been told."""
        done = sum(event.name == "done" for event in list(self.seen))
        return done < self._ids

    def finish_command(self, number, timeout, on_line=None):
        """Waits for the end of a command; on_line(text) is called with each line of its output."""
        out, end = [], time.monotonic() + timeout
        while True:
            event = self.wait("out", "done", timeout=max(0.1, end - time.monotonic()), where=lambda e: e["id"] == str(number))
            if event.name == "done":
                return CommandResult(int(event["code"]), "\n".join(out))
            out.append(event.text or "")
            if on_line:
                on_line(out[-1])

    def run(self, text, timeout=120, on_line=None):
        """Runs a command line in the guest. timeout: seconds."""
        return self.finish_command(self.start_command(text), timeout, on_line)

    def cut(self):
        """Power off, now."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._end()

    def wait_end(self, timeout):
        """Waits until the machine resets or powers off; returns False when it didn't in time (it then still runs)."""
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            return False
        self._end()
        return True

    def _end(self):
        self.process.wait()
        for thread in self._threads:
            thread.join(10)
        self._ours.close()

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.cut()


def expect_code(result, code, what):
    """ScenarioFailure unless a CommandResult has this exit code."""
    if result.code != code:
        raise ScenarioFailure("%s ended with %d, not %d:\n%s" % (what, result.code, code, result.out))
    return result
