"""What a person types."""
import argparse
import json
import os
import pathlib
import shutil
import sys
import time

from . import bench, board, certify, errors, host_command, machine, report, runner, scenario, soak
from .errors import HarnessError, UsageError
from .release_images import KINDS

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


def say(text):
    """Live words go to standard error; standard output is for results."""
    print(text, file=sys.stderr, flush=True)


def chosen_scenarios(words):
    """Scenarios by name; "all" for every one, "tier:NAME" for a tier."""
    chosen = []
    for word in words:
        if word == "all":
            chosen += scenario.every()
        elif word.startswith("tier:"):
            chosen += [one for one in scenario.every() if one.tier == word[5:]]
        else:
            chosen.append(scenario.by_name(word))
    if not chosen:
        raise UsageError("no scenario chosen; 'decade-qemu list' shows those there are")
    return list(dict.fromkeys(chosen))


def make_lab(options, name):
    """The Lab of a machine, built when it isn't in the cache."""
    absent = host_command.missing(machine.kind_of(name).programs)
    if absent:
        raise HarnessError("the machine %s needs these packages: %s" % (name, " ".join(absent)))
    source = find_source(options.source)
    return runner.make_lab(name, options.cache, source, find_repo_tool(source), say, options.loader_script)


def run_command(options):
    """decade-qemu run."""
    chosen, outcomes = chosen_scenarios(options.scenario), []
    for name in options.machine or ["arm64"]:
        lab = make_lab(options, name)
        for one in chosen:
            say("== %s on %s: %s" % (one.name, name, one.title))
            outcome = runner.run_one(one, lab, options.work, say, options.keep)
            say("== %s on %s: %s, %d boots, %.1f s (processor: %.1f s)%s" % (
                one.name, name, outcome.result, outcome.boots, outcome.seconds, outcome.cpu_seconds, "\n   " + outcome.why if outcome.why else ""))
            if outcome.console:
                say("   console: %s" % outcome.console)
            outcomes.append(outcome)
    if options.json:
        print(json.dumps([outcome.as_dict() for outcome in outcomes], indent=1))
    return errors.DONE if all(outcome.result in ("passed", "skipped") for outcome in outcomes) else errors.FAILED


def soak_command(options):
    """decade-qemu soak."""
    name = (options.machine or ["arm64"])[0]
    seed = options.seed if options.seed is not None else int.from_bytes(os.urandom(4), "little")
    if options.updates < 1 or not 0 <= options.cuts <= 100:
        raise UsageError("--updates is at least 1, --cuts 0 to 100")
    lab = make_lab(options, name)
    folder = options.work / ("soak-%s-%d" % (name, seed))
    shutil.rmtree(folder, ignore_errors=True)
    one, began, began_cpu = bench.Bench(lab, folder, say), time.monotonic(), runner.cpu_seconds()
    say("== soak on %s: %d updates, power cuts in %d %% of them, seed %d" % (name, options.updates, options.cuts, seed))
    try:
        log, why = soak.run(one, options.updates, options.cuts, seed)
    finally:
        one.close()
    result = {"machine": name, "updates": options.updates, "cuts_percent": options.cuts, "seed": seed, "done": len(log),
              "cuts": sum(entry["cut"] for entry in log), "boots": one.boots, "seconds": round(time.monotonic() - began),
              "cpu_seconds": round(runner.cpu_seconds() - began_cpu),
              "result": "failed" if why else "passed", "why": why, "log": log}
    if options.json:
        print(json.dumps(result, indent=1))
    else:
        print("soak on %(machine)s: %(result)s, %(done)d of %(updates)d updates, %(cuts)d power cuts, %(boots)d boots, %(seconds)d s "
              "(processor: %(cpu_seconds)d s), seed %(seed)d%(why)s" % {**result, "why": "\n" + why if why else ""})
    if not why and not options.keep:
        shutil.rmtree(folder, ignore_errors=True)
    return errors.FAILED if why else errors.DONE


def image_command(options):
    """decade-qemu image."""
    name = (options.machine or ["arm64"])[0]
    releases = [tuple((word.split(":", 1) + ["good"])[:2]) for word in options.release] or [("1", "good")]
    if releases[0][1] != "good":
        raise UsageError("the first release is what the disk holds: it must be a good one")
    if options.output.exists():
        raise UsageError("%s exists already" % options.output)
    lab = make_lab(options, name)
    one = bench.Bench(lab, options.output, say)
    one.close()
    result = {}

    def make_disk():
        every = [(version, "good") for version in board.GOOD] + [("2", kind) for kind in KINDS if lab.images.has(kind)]
        one.factory(releases[0][0], room=every if options.board else releases)
        result["disk"] = str(one.disk.path)
        return one.disk.path

    if options.board:
        result["board"] = str(certify.write_reference(lab.machine, lab.images, one.line.base, options.output, make_disk))
    else:
        for version, kind in releases:
            one.release(version, kind, bases="all")
        make_disk()
        result.update(repository=str(one.line.repo), keys=str(one.line.base / "keys"))
    print(json.dumps(result) if options.json else "\n".join("%-11s %s" % pair for pair in result.items()))
    return errors.DONE


def certify_command(options):
    """decade-qemu certify."""
    chosen = chosen_scenarios(options.only or ["all"])
    if not options.board_ini.exists():
        raise UsageError("%s isn't there" % options.board_ini)
    lab = certify.board_lab(options.board_ini, options.work, find_repo_tool(pathlib.Path.cwd()))
    document = certify.certify(lab, chosen, options.work, say)
    paths = report.write(options.output or options.work / ("report-" + lab.machine.name), document)
    if options.json:
        print(json.dumps(document, indent=1))
    else:
        for one in document["promises"]:
            print("%-9s %s" % (one["verdict"], one["text"]))
        print("report: %s" % paths[1])
    return errors.DONE if not any(one["verdict"] == "broken" for one in document["promises"]) else errors.FAILED


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


EPILOG = """examples:
  decade-qemu list
  decade-qemu run good-delta panic --machine arm64
  decade-qemu run all --machine arm64 --machine armhf --json >matrix.json
  decade-qemu soak --updates 120 --cuts 20 --seed 7
  decade-qemu image --output reference 1 2 3:panic
  decade-qemu image --output myboard --board
  decade-qemu certify myboard/board.ini

Exit codes: 0 everything passed, 1 a promise wasn't kept or the harness failed, 2 wrong usage, 6 packages could not be fetched
"""


def parser():
    """The command line's grammar."""
    top = argparse.ArgumentParser(prog="decade-qemu", formatter_class=argparse.RawDescriptionHelpFormatter, epilog=EPILOG,
                                  description="Boots real kernels through real boot loaders, breaks them, and looks at what comes up.")
    top.add_argument("--version", action="version", version="decade-qemu " + VERSION)
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--cache", type=pathlib.Path, default=default_cache(), metavar="DIR", help="keeps packages, guests and keys")
    shared.add_argument("--source", type=pathlib.Path, metavar="DIR", help="the source tree of Decade")
    shared.add_argument("--work", type=pathlib.Path, default=pathlib.Path("decade-qemu-work"), metavar="DIR", help="disks and console logs")
    shared.add_argument("--json", action="store_true", help="the result as JSON on standard output")
    shared.add_argument("--machine", action="append", metavar="NAME", help="a kind of machine (run: repeatable); arm64 unless given")
    shared.add_argument("--loader-script", type=pathlib.Path, metavar="FILE", help="another script for the boot loader than the one shipped")
    shared.add_argument("--keep", action="store_true", help="keep disks and logs of what passed, too")
    run = commands.add_parser("run", parents=[shared], help="run scenarios: names, 'all', or 'tier:default'")
    run.add_argument("scenario", nargs="+", metavar="SCENARIO")
    run.set_defaults(function=run_command)
    commands.add_parser("list", parents=[shared], help="scenarios and machines").set_defaults(function=list_command)
    soaked = commands.add_parser("soak", parents=[shared], help="updates in a row on one device, with power cuts")
    soaked.add_argument("--updates", type=int, required=True, metavar="N")
    soaked.add_argument("--cuts", type=int, default=20, metavar="P", help="per cent of the updates in which the power is cut; 20 unless given")
    soaked.add_argument("--seed", type=int, metavar="S", help="decides the cuts; random, and printed, unless given")
    soaked.set_defaults(function=soak_command)
    image = commands.add_parser("image", parents=[shared], help="build the reference guest: a disk, and a signed repository of its releases")
    image.add_argument("--output", type=pathlib.Path, required=True, metavar="DIR")
    image.add_argument("--board", action="store_true", help="write a board of the reference guest, board.ini, to begin a port from")
    image.add_argument("release", nargs="*", metavar="VERSION[:KIND]", help="kinds: " + ", ".join(KINDS))
    image.set_defaults(function=image_command)
    certified = commands.add_parser("certify", parents=[shared], help="the whole suite against a maker's own board")
    certified.add_argument("board_ini", type=pathlib.Path, metavar="BOARD.ini")
    certified.add_argument("--only", action="append", metavar="SCENARIO",
                           help="this scenario alone (repeatable); the report says that the rest is untested")
    certified.add_argument("--output", type=pathlib.Path, metavar="DIR", help="where report.html and report.json go")
    certified.set_defaults(function=certify_command)
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
