#!/usr/bin/env python3
"""The default tier: a real loader and kernel through an update by delta, a rollback by panic, and a power cut."""
import sys
import time

from qemu_lab import machine_or_skip, report, run_scenarios


def main():
    """An exit code."""
    machine_or_skip("arm64")
    began = time.monotonic()
    outcomes = run_scenarios(["tier:default"], ["arm64"])
    code = report(outcomes)
    print("in all %.0f s" % (time.monotonic() - began))
    return code or (0 if len(outcomes) >= 3 else 1)


if __name__ == "__main__":
    sys.exit(main())
