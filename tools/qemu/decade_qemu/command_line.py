"""What a person types."""
import argparse
import json
import os
import pathlib
import sys

from . import errors, machine, runner, scenario
from .errors import HarnessError, UsageError

VERSION = "0.1.0"


def default_cache():
    """~/.cache/decade-qemu, or below XDG_CACHE_HOME."""
    return pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "decade-qemu"


def find_source(given):
    """The source tree that guests are built from."""
    here = pathlib.Path(__file__).resolve()
    for path in [given] if given else [here.parents[3], pathlib.Path.cwd()]:
        if (pathlib.Path(path) / "updater" / "cli" / "main.c").exists():
            return pathlib.Path(path)
    raise UsageError("the source tree of Decade, from which guests are built, wasn't found; name it with --source DIR")


def find_repo_tool(source):
    """The program decade-repo: of DECADE_BIN, beside this program, of a build in the tree, or of PATH."""
    folders = [os.environ.get("DECADE_BIN"), pathlib.Path(sys.argv[0]).resolve().parent, source / "build/dev/bin", source / "build/release/bin"]
    for folder in filter(None, folders):
        if (pathlib.Path(folder) / "decade-repo").exists():
            return pathlib.Path(folder) / "decade-repo"
    return "decade-repo"


def run_command(options):
    """decade-qemu run."""
    names = options.scenario
    chosen = [scenario.by_name(name) for name in names] if names != ["all"] else scenario.every()
    source = find_source(options.source)

    def say(text):
        print(text, file=sys.stderr, flush=True)

    outcomes = []
    for name in options.machine or ["arm64"]:
        lab = runner.make_lab(name, options.cache, source, find_repo_tool(source), say, options.loader_script)
        for one in chosen:
            say("== %s on %s: %s" % (one.name, name, one.title))
            outcome = runner.run_one(one, lab, options.work, say, options.keep)
            say("== %s: %s, %d boots, %.1f s%s" % (one.name, outcome.result, outcome.boots, outcome.seconds,
                                                 "\n   " + outcome.why if outcome.why else ""))
            outcomes.append(outcome)
    if options.json:
        print(json.dumps([outcome.as_dict() for outcome in outcomes], indent=1))
    return errors.DONE if all(outcome.result in ("passed", "skipped") for outcome in outcomes) else errors.FAILED


def list_command(options):
    """decade-qemu list."""
    if options.json:
        print(json.dumps({"scenarios": [{"name": s.name, "title": s.title, "promise": s.promise, "tier": s.tier} for s in scenario.every()],
                          "machines": machine.names()}, indent=1))
        return errors.DONE
    for one in scenario.every():
        print("%-24s %s" % (one.name, one.title))
    print("\nmachines: %s" % ", ".join("%s (%s)" % (name, machine.kind_of(name).title) for name in machine.names()))
    return errors.DONE


def parser():
    """The command line's grammar."""
    top = argparse.ArgumentParser(prog="decade-qemu", description="Boots real kernels through real boot loaders, breaks them, and looks at "
                                  "what comes up.")
    top.add_argument("--version", action="version", version="decade-qemu " + VERSION)
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--cache", type=pathlib.Path, default=default_cache(), help="where packages, guests and keys are kept")
    shared.add_argument("--source", type=pathlib.Path, help="the source tree of Decade")
    shared.add_argument("--work", type=pathlib.Path, default=pathlib.Path("decade-qemu-work"), help="where disks and console logs go")
    shared.add_argument("--json", action="store_true", help="results as JSON on standard output")
    run = commands.add_parser("run", parents=[shared], help="run scenarios")
    run.add_argument("scenario", nargs="+")
    run.add_argument("--machine", action="append")
    run.add_argument("--keep", action="store_true")
    run.add_argument("--loader-script", type=pathlib.Path)
    run.set_defaults(function=run_command)
    lister = commands.add_parser("list", parents=[shared], help="list scenarios and machines")
    lister.set_defaults(function=list_command)
    return top


def main(argv=None):
    """Returns an exit code."""
    machine.load_all()
    scenario.load_all()
    try:
        options = parser().parse_args(argv)
        return options.function(options)
    except HarnessError as error:
        print("decade-qemu: %s" % error, file=sys.stderr)
        return error.code
    except KeyboardInterrupt:
        return errors.FAILED
