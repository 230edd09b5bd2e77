"""Runs scenarios one after another and keeps what a failure leaves."""
import pathlib
import resource
import shutil
import time
import traceback

from .bench import Bench, Lab
from .errors import HarnessError, ScenarioFailure
from .guest_system import GuestParts
from .machine import kind_of
from .release_images import ReleaseImages
from .release_line import ReleaseLine, make_keys


class Outcome:
    """scenario, machine (name), result ("passed", "failed", "error", "skipped"), why (text), seconds, cpu_seconds (of the processor: the harness,
    QEMU and what else it started), boots, console (path or None)."""

    def __init__(self, scenario, machine, result, why="", seconds=0.0, cpu_seconds=0.0, boots=0, console=None):
        self.scenario, self.machine, self.result, self.why = scenario, machine, result, why
        self.seconds, self.cpu_seconds, self.boots, self.console = seconds, cpu_seconds, boots, console

    def as_dict(self):
        """For --json and reports."""
        return {"scenario": self.scenario.name, "title": self.scenario.title, "promise": self.scenario.promise, "machine": self.machine,
                "result": self.result, "why": self.why, "seconds": round(self.seconds, 1), "cpu_seconds": round(self.cpu_seconds, 1),
                "boots": self.boots, "console": str(self.console) if self.console else None}


def cpu_seconds():
    """Processor time of this process and of those that it started and that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def make_lab(machine_name, cache, source, decade_repo, say, script=None):
    """The Lab of a machine kind: builds its guest when that isn't in the cache. script: another loader script, for mutants."""
    cache = pathlib.Path(cache)
    machine = kind_of(machine_name)(cache, source)
    if script is not None:
        machine.script = pathlib.Path(script)
    base = make_keys(cache / "keys", decade_repo)
    parts = GuestParts(machine, source, cache, say).prepare()
    images = ReleaseImages(parts, cache, (base / "repo/metadata/1.root.json").read_bytes(), say)
    return Lab(machine, images, lambda folder: ReleaseLine(folder, base, images, decade_repo, machine.name))


def run_one(scenario, lab, folder, out, keep=False):
    """Runs a scenario; never raises for what the device did. The folder is removed unless it failed or `keep`."""
    folder = pathlib.Path(folder) / ("%s-%s" % (lab.machine.name, scenario.name))
    shutil.rmtree(folder, ignore_errors=True)
    lacks = scenario.lacks(lab)
    if lacks:
        return Outcome(scenario, lab.machine.name, "skipped", "this machine has no %s" % lacks)
    began, began_cpu, bench, result, why = time.monotonic(), cpu_seconds(), None, "passed", ""
    try:
        bench = Bench(lab, folder, out)
        scenario.run(bench)
    except ScenarioFailure as failure:
        result, why = "failed", str(failure)
    except HarnessError as error:
        result, why = "error", str(error)
    except Exception:  # a defect of the harness is an outcome too: the other scenarios go on
        result, why = "error", traceback.format_exc()
    finally:
        if bench is not None:
            bench.close()
    console = folder / "console.log"
    outcome = Outcome(scenario, lab.machine.name, result, why, time.monotonic() - began, cpu_seconds() - began_cpu, bench.boots if bench else 0,
                      console if result != "passed" and console.exists() else None)
    if result == "passed" and not keep:
        shutil.rmtree(folder, ignore_errors=True)
    return outcome
