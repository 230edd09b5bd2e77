#!/usr/bin/env python3
"""The full matrix: every scenario on every machine that this host has the packages for; or on the machines that are named."""
import concurrent.futures
import os
import sys
import time

from qemu_lab import WORK, machine_or_skip, report, run_scenarios


def run_all(name):
    """Every scenario on one machine; what is said live goes to a file of its own."""
    began = time.monotonic()
    with open(WORK / ("matrix-%s.log" % name), "w", encoding="utf-8") as log:
        outcomes = run_scenarios(["all"], [name], log=log)
    print("%s: %d scenarios, %d boots, %.0f s, %.0f s of processor time" % (
        name, len(outcomes), sum(one["boots"] for one in outcomes), time.monotonic() - began, sum(one["cpu_seconds"] for one in outcomes)), flush=True)
    return outcomes


def main():
    """An exit code."""
    from decade_qemu import host_command, machine
    machine.load_all()
    machine_or_skip("arm64")
    WORK.mkdir(parents=True, exist_ok=True)
    names = [name for name in sys.argv[1:] or machine.names() if not host_command.missing(machine.kind_of(name).programs)]
    # A machine's emulation is one thread: as many machines at a time as there are processors, the slow ones first.
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        found = list(pool.map(run_all, sorted(names, reverse=True)))
    return report([one for outcomes in found for one in outcomes])


if __name__ == "__main__":
    sys.exit(main())
