#!/usr/bin/env python3
"""The full matrix: every scenario on every machine that this host has the packages for."""
import sys

from qemu_lab import machine_or_skip, report, run_scenarios


def main():
    """An exit code."""
    from decade_qemu import host_command, machine
    machine.load_all()
    machine_or_skip("arm64")
    names = [name for name in machine.names() if not host_command.missing(machine.kind_of(name).programs)]
    return report(run_scenarios(["all"], names))


if __name__ == "__main__":
    sys.exit(main())
