"""Runs a program and watches it with all that it starts: time, memory, and how many cores it had work for.

Threads that run or wait for a core are counted, not the cores that they got: so the figure is the program's own, whatever else the machine does.
"""
import os
import subprocess
import time

SAMPLE_SECONDS = 0.1
WINDOW_SECONDS = 1.0
CORES = len(os.sched_getaffinity(0))
TICKS = os.sysconf("SC_CLK_TCK")


def read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""  # it has just ended


def family(pid):
    """The process and its descendants."""
    found = [pid]
    for one in found:
        try:
            tasks = os.listdir(f"/proc/{one}/task")
        except OSError:
            continue
        for task in tasks:
            found += [int(child) for child in read(f"/proc/{one}/task/{task}/children").split()]
    return found


def memory(pid):
    """KiB: resident, of these anonymous, and the most that was ever resident."""
    lines = dict(line.split(":", 1) for line in read(f"/proc/{pid}/status").splitlines() if ":" in line)
    return [int(lines.get(name, "0 kB").split()[0]) for name in ("VmRSS", "RssAnon", "VmHWM")]


def runnable(pid):
    """Threads that run or wait for a core, not those that wait for a disk or for each other."""
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return 0
    return sum(1 for task in tasks if read(f"/proc/{pid}/task/{task}/stat").rpartition(")")[2].lstrip()[:1] == "R")


def machine_seconds():
    """CPU seconds of everything since the machine started."""
    user, nice, system, _, _, irq, softirq = [int(word) for word in read("/proc/stat").split("\n", 1)[0].split()[1:8]]
    return (user + nice + system + irq + softirq) / TICKS


class Watched:
    """A program under way."""

    def __init__(self, command, output):
        self.began, self.machine = time.monotonic(), machine_seconds()
        self.peak = self.anonymous = self.largest = 0  # KiB
        self.last, self.idle = self.began, 0.0  # seconds in which a core had nothing to do
        self.wanted = []  # cores, a mean for each window
        self.window = []
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)

    def sample(self):
        pids = family(self.process.pid)
        rows = [memory(pid) for pid in pids]
        self.peak = max(self.peak, sum(row[0] for row in rows))
        self.anonymous = max(self.anonymous, sum(row[1] for row in rows))
        self.largest = max(self.largest, *(row[2] for row in rows))
        now, wanted = time.monotonic(), min(CORES, sum(runnable(pid) for pid in pids))
        self.idle += now - self.last if wanted < CORES else 0
        self.last = now
        self.window.append(wanted)
        if len(self.window) * SAMPLE_SECONDS >= WINDOW_SECONDS:
            self.wanted.append(sum(self.window) / len(self.window))
            self.window = []

    def wait(self):
        """The figures, when it ended; `code` is its exit code."""
        while True:
            pid, status, usage = os.wait4(self.process.pid, os.WNOHANG)
            if pid != 0:
                break
            self.sample()
            time.sleep(SAMPLE_SECONDS)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        elapsed, cpu = time.monotonic() - self.began, usage.ru_utime + usage.ru_stime
        return {"code": self.process.returncode, "elapsed": elapsed, "cpu": cpu, "others_cpu": max(0.0, machine_seconds() - self.machine - cpu),
                "peak_mib": self.peak / 1024, "anonymous_mib": self.anonymous / 1024, "largest_process_mib": self.largest / 1024, "idle_core_s": self.idle,
                "cores_wanted": self.wanted}
