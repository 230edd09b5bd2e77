"""Runs programs, and tells what they took."""
import os
import resource
import signal
import subprocess
import tempfile

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", ".."))
OUT_OF_TIME = 128 + signal.SIGXCPU  # as a shell and time(1) tell it


class GaveUp(Exception):
    """The program had its CPU time, and wasn't done."""


def run(command, **keywords):
    """What it printed; subprocess.CalledProcessError when it fails."""
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **keywords).stdout


def measure(command, limit=None):
    """CPU seconds, seconds and peak MiB, or None when it fails. limit: CPU seconds of each of its processes, then GaveUp."""
    def bound():
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 10))

    # A small parent in between: a child of this process would begin with this process's peak.
    with tempfile.NamedTemporaryFile("r") as report:
        done = subprocess.run(["time", "-q", "-f", "%U %S %e %M", "-o", report.name, *command], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, preexec_fn=bound)
        if done.returncode == OUT_OF_TIME:
            raise GaveUp(f"{command[0]} had {limit} CPU seconds")
        if done.returncode != 0:
            return None
        user, system, elapsed, peak = report.read().split()
    return {"cpu": float(user) + float(system), "elapsed": float(elapsed), "mib": float(peak) / 1024}


def measure_often(command, times, cores=1):
    """The same of one run among so many, on so many cores."""
    loop = f'i=0; while [ $i -lt {times} ]; do "$@" >/dev/null || exit 1; i=$((i + 1)); done'
    chosen = ",".join(map(str, sorted(os.sched_getaffinity(0))[:cores]))
    whole = measure(["taskset", "-c", chosen, "sh", "-c", loop, "sh", *command])
    return whole and {"cpu": whole["cpu"] / times, "elapsed": whole["elapsed"] / times, "mib": whole["mib"]}
