#!/usr/bin/env python3
"""Loader scripts, and a device, that are wrong in one place: a scenario must notice each. A mutant that passes means that nobody looks."""
import shutil
import sys

from qemu_lab import SOURCE, WORK, machine_or_skip, run_scenarios

SCRIPT = SOURCE / "packaging" / "loaders" / "uboot" / "boot.cmd"

# name: (text in the script, what stands there instead, the scenario that must fail)
MUTANTS = {
    "tries-not-stored": ("if run decade_save; then", "if true; then", "panic"),
    "older-copy-counts": ("itest.b *${decade_flag_1} -gt *${decade_flag_0}", "itest.b *${decade_flag_1} -lt *${decade_flag_0}", "good-delta"),
    "flag-not-raised": ("setexpr decade_byte ${decade_byte} + 1", "setexpr decade_byte ${decade_byte} + 0", "panic"),
    "dead-end-when-spent": ("if test ${decade_spent} = 1; then", "if false; then", "state-lost-broken-slot"),
    "good-slots-not-told": ('if test "${decade_good}" = 1; then\n\t\trun decade_boot', 'if false; then\n\t\trun decade_boot', "panic"),
    "failed-load-not-counted": ("run decade_boot\n\t\t\t\t# A load",
                                "setenv BOOT_${slot}_LEFT ${decade_left}; run decade_save; run decade_boot\n\t\t\t\t# A load",
                                "bad-boot"),
}


# The same for the device's code: (file, text, what stands there instead, the scenario that must fail).
SOURCE_MUTANTS = {
    "backend-flips-in-two-stores": ("updater/boot/boot_uboot.c", """	if (err == 0) {
		err = write_env(uboot, &values, diag);
	}
""", """	if (err == 0) {
		struct dcd_boot_state half = *state;
		struct dcd_boot_var_values half_values;
		half.slot[half.order[0]].tries_left = 0;
		err = dcd_boot_vars_encode(&uboot->vars, &half, &half_values, diag);
		err = err != 0 ? err : write_env(uboot, &half_values, diag);
	}
	if (err == 0) {
		err = write_env(uboot, &values, diag);
	}
""", "cut-flip"),
}


def mutated(path, before, after, target):
    """Writes the changed text to `target`; False when the place isn't there exactly once."""
    text = path.read_text()
    if text.count(before) != 1:
        print("%s: no single place for the mutant" % path)
        return False
    target.write_text(text.replace(before, after))
    return True


def caught(name, scenario, *words):
    """Runs the scenario against a mutant; whether it failed, as it must."""
    outcome, = run_scenarios([scenario], ["arm64"], *words)
    found = outcome["result"] == "failed"
    why = outcome["why"].splitlines()[0] if outcome["why"] else outcome["result"]
    print("%-34s %s by %s: %s" % (name, "caught" if found else "NOT CAUGHT", scenario, why), flush=True)
    return found


def loader_mutant(name):
    """One mutant of the loader's script."""
    before, after, scenario = MUTANTS[name]
    target = WORK / ("mutant-%s.cmd" % name)
    return mutated(SCRIPT, before, after, target) and caught(name, scenario, "--loader-script", target)


def source_mutant(name):
    """One mutant of the device's code, in a copy of the source tree."""
    file, before, after, scenario = SOURCE_MUTANTS[name]
    tree = WORK / "mutant-source"
    shutil.rmtree(tree, ignore_errors=True)
    shutil.copytree(SOURCE, tree, ignore=shutil.ignore_patterns("build", ".git", "decade-qemu-work"))
    return mutated(SOURCE / file, before, after, tree / file) and caught(name, scenario, "--source", tree)


def main():
    """An exit code."""
    machine_or_skip("arm64")
    WORK.mkdir(parents=True, exist_ok=True)
    chosen = sys.argv[1:] or [*MUTANTS, *SOURCE_MUTANTS]
    missed = [name for name in chosen if not (loader_mutant(name) if name in MUTANTS else source_mutant(name))]
    print("%d of %d mutants caught" % (len(chosen) - len(missed), len(chosen)))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
