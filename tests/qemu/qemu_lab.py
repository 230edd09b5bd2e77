"""What the tests of decade-qemu share: where it is, and whether this machine can run it."""
import json
import os
import pathlib
import subprocess
import sys

SOURCE = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = SOURCE / "tools" / "qemu" / "decade-qemu"
WORK = pathlib.Path(os.environ.get("DECADE_QEMU_WORK", SOURCE / "build" / "qemu"))
SKIPPED = 77

sys.path.insert(0, str(PROGRAM.parent))
sys.dont_write_bytecode = True


def machine_or_skip(name):
    """Ends the test as skipped, with a sentence, when the packages for a machine aren't installed."""
    from decade_qemu import host_command, machine
    machine.load_all()
    absent = host_command.missing(machine.kind_of(name).programs)
    if absent:
        print("skipped: the machine %s needs these packages: %s" % (name, " ".join(absent)))
        sys.exit(SKIPPED)


def run_scenarios(names, machines, *words, log=None):
    """Runs scenarios; returns [outcome] of the JSON report. What it says goes to `log` (a file), or to this test's standard error, live."""
    argv = [sys.executable, "-B", PROGRAM, "run", *names, "--json", "--work", WORK, *words]
    for name in machines:
        argv += ["--machine", name]
    done = subprocess.run(list(map(str, argv)), stdout=subprocess.PIPE, stderr=log, text=True)
    if not done.stdout.strip():
        raise AssertionError("decade-qemu ended with %d and said nothing" % done.returncode)
    return json.loads(done.stdout)


def report(outcomes):
    """Prints a table; returns an exit code: 0 when every one passed or has a reason to be skipped."""
    bad = 0
    for one in outcomes:
        print("%-17s %-24s %-8s %3d boots %6.1f s (processor: %6.1f s)  %s" % (
            one["machine"], one["scenario"], one["result"], one["boots"], one["seconds"], one["cpu_seconds"], one["why"].replace("\n", "\n    ")))
        bad += one["result"] not in ("passed", "skipped")
    return 1 if bad else 0
