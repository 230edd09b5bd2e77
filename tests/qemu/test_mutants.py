#!/usr/bin/env python3
"""Loader scripts that are wrong in one place: a scenario must notice each. A mutant that passes means that the scenarios don't look."""
import sys

from qemu_lab import SOURCE, WORK, machine_or_skip, run_scenarios

SCRIPT = SOURCE / "packaging" / "loaders" / "uboot" / "boot.cmd"

# name: (text in the script, what stands there instead, the scenario that must fail)
MUTANTS = {
    "tries-not-stored": ("if run decade_save; then", "if true; then", "panic"),
    "stored-over-the-copy-that-counts": ("setenv decade_lba ${decade_lba_1}", "setenv decade_lba ${decade_lba_0}", "state-copy-damaged"),
    "flag-not-raised": ("setexpr decade_byte ${decade_byte} + 1", "setexpr decade_byte ${decade_byte} + 0", "panic"),
    "dead-end-when-spent": ("if test ${decade_spent} = 1; then", "if false; then", "state-lost-broken-slot"),
    "good-slots-not-told": ('if test "${decade_good}" = 1; then\n\t\trun decade_boot', 'if false; then\n\t\trun decade_boot', "good-delta"),
    "failed-load-not-counted": ("run decade_boot\n\t\t\t\t# A load", "setenv BOOT_${slot}_LEFT ${decade_left}; run decade_save; run decade_boot\n\t\t\t\t# A load",
                                "bad-boot"),
}


def main():
    """An exit code."""
    machine_or_skip("arm64")
    chosen, bad = sys.argv[1:] or list(MUTANTS), 0
    WORK.mkdir(parents=True, exist_ok=True)
    text = SCRIPT.read_text()
    for name in chosen:
        before, after, scenario = MUTANTS[name]
        if text.count(before) != 1:
            print("%s: the script has no single place '%s'" % (name, before))
            bad += 1
            continue
        mutant = WORK / ("mutant-%s.cmd" % name)
        mutant.write_text(text.replace(before, after))
        outcome, = run_scenarios([scenario], ["arm64"], "--loader-script", mutant)
        caught = outcome["result"] == "failed"
        print("%-34s %s: %s" % (name, "caught by " + scenario if caught else "NOT CAUGHT by " + scenario, outcome["why"].splitlines()[0]
                               if outcome["why"] else outcome["result"]))
        bad += not caught
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
