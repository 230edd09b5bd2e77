#!/usr/bin/env python3
"""Proves the proof: breaks the device code on purpose, once a mutant, and shows that the explorer or a unit test notices.

    mutate.py [--only PATTERN] [--list] [--quick | --units] [--jobs N] [--scratch FOLDER] [--report FILE]

The mutants are in mutants.py. Each is one changed source file: it is compiled alone and linked before the archives, so that it takes the
place of the original. A build with gcov tells which unit tests and which flows come by the changed lines; only these are asked: with cuts
alone, with faults too, and then as ./check does. Where a store is lost or comes too early, the explorer is asked first, elsewhere the
unit tests, which are quicker. A mutant that nothing can notice has its reason in mutants_equivalent.txt. Ends with 1 when a mutant
lives that isn't in that file.
"""
import argparse
import concurrent.futures
import difflib
import gzip
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time

from mutants import HERE, ROOT, equivalents, mutants

UNIT = ["life", "boot_control", "boot_file", "boot_grub", "boot_systemd", "boot_uboot", "journal_file", "segment_writer", "engine", "engine_content",
        "tuf_client", "tuf_attacks"]
PROGRAMS = ["explore"] + ["test_" + unit for unit in UNIT]
CUTS = ["--quick", "--stop-first", "--second", "0", "--jobs", "1", "--no-faults"]
FAULTS = ["--quick", "--stop-first", "--second", "0", "--jobs", "1", "--memory", "0"]
WHOLE = ["--stop-first", "--jobs", "1"]
WAYS = (CUTS, FAULTS, WHOLE)
EXPLORERS = ("seed: ", "swap: ", "flush: ")


def run(command, **options):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, errors="replace", check=False, **options)


def build(folder, flags):
    """A build of the unchanged tree, and how its compiler was called: by file, and by program."""
    configure = run(["cmake", "-S", ROOT, "-B", folder, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=None", "-DCMAKE_C_FLAGS=-O1 " + flags,
                     "-DDECADE_WERROR=OFF", "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON"])
    made = run(["ninja", "-C", folder] + PROGRAMS)
    if configure.returncode != 0 or made.returncode != 0:
        raise SystemExit("the unchanged tree doesn't build:\n" + configure.stderr + made.stdout[-4000:])
    with open(os.path.join(folder, "compile_commands.json"), encoding="utf-8") as file:
        compilers = {os.path.relpath(entry["file"], ROOT): entry["command"] for entry in json.load(file)}
    linkers = {}
    for program in PROGRAMS:
        line = run(["ninja", "-C", folder, "-t", "commands", program]).stdout.strip().split("\n")[-1]
        linkers[program] = re.search(r"(\S+/)?(cc|gcc|clang|c\+\+)(-\d+)? .*? -o \S+ [^&]*", line)[0]
    return compilers, linkers


class Reach:
    """Which tests come by which lines."""

    def __init__(self, folder, sources, jobs):
        self.folder = folder
        self.sources = sources
        build(folder, "--coverage")
        self.places = {name: os.path.join(at, name) for at, _, names in os.walk(folder) for name in names if name in PROGRAMS}
        shown = run([self.places["explore"], "--help"])
        self.flows = [line[2:] for line in shown.stdout.split("Flows:\n")[1].splitlines() if line.startswith("  ")]
        loaders = re.search(r"^Boot loaders: file (.*)$", shown.stdout, re.M)[1].split()
        tests = [("unit", unit) for unit in UNIT] + [("flow", flow) for flow in self.flows] + [("loader", loader) for loader in loaders]
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            answers = list(pool.map(self.ask, range(len(tests)), tests))
        self.lines = {test: lines for test, (lines, _) in zip(tests, answers)}
        self.seconds = {test: seconds for test, (_, seconds) in zip(tests, answers)}

    def command(self, test, options=()):
        kind, name = test
        if kind == "loader":
            return ["explore", "--loader", name, *options, "--memory", "0"]
        return ["test_" + name] if kind == "unit" else ["explore", "--flow", name, *options]

    def ask(self, number, test):
        records = os.path.join(self.folder, f"records-{number}")
        command = self.command(test, FAULTS)
        began = time.monotonic()
        done = run([self.places[command[0]]] + command[1:], cwd=os.path.join(ROOT, "tests"),
                   env={**os.environ, "GCOV_PREFIX": records, "GCOV_PREFIX_STRIP": "0"})
        if done.returncode != 0:
            raise SystemExit(f"the unchanged tree doesn't pass {test}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        seconds = time.monotonic() - began
        return self.lines_of(records), seconds

    def lines_of(self, records):
        """{source: {line}} from the records of one run."""
        reached = {}
        for at, _, names in os.walk(records):
            for name in names:
                source = next((s for s in self.sources if name == os.path.basename(s) + ".gcda"), None)
                if source is None:
                    continue
                notes = os.path.join("/" + os.path.relpath(at, records), name[:-5] + ".gcno")
                shutil.copy(notes, at)
                run(["gcov", "--json-format", name], cwd=at)
                with gzip.open(os.path.join(at, name[:-5] + ".gcov.json.gz"), "rt") as file:
                    for entry in json.load(file)["files"]:
                        if entry["file"].endswith(source):
                            reached.setdefault(source, set()).update(l["line_number"] for l in entry["lines"] if l["count"] > 0)
        shutil.rmtree(records)
        return reached

    def by(self, path, changed):
        """The flows that come by these lines, and the unit tests that come by the file; all, where the lines themselves are no code."""
        near = [test for test, lines in self.lines.items() if path in lines]
        # A compiler that jumps over a condition whose outcome it knows leaves no count there: unit tests are cheap enough to be asked anyway.
        if not any(self.lines[test][path] & changed for test in near):
            return near
        return [test for test in near if test[0] == "unit" or self.lines[test][path] & changed]


def changed_lines(old, new):
    changed = set()
    for tag, begin, end, _, _ in difflib.SequenceMatcher(None, old.split("\n"), new.split("\n"), autojunk=False).get_opcodes():
        if tag != "equal":
            changed.update(range(begin + 1, max(end, begin + 1) + 1))
    return changed


class UnitsAlone:
    """Every mutant is shown to every unit test, the slow ones only where they may have to do with it."""

    def __init__(self):
        self.seconds = {("unit", unit): 1 for unit in UNIT}

    def command(self, test, options=()):
        return ["test_" + test[1], *options[:0]]

    def by(self, path, changed):
        del changed
        return [("unit", unit) for unit in UNIT if path.startswith("manifest/") or not unit.startswith("tuf_")]


class Bench:
    def __init__(self, scratch, sources, jobs, ways):
        self.scratch = scratch
        self.ways = ways
        self.plain = os.path.join(scratch, "plain")
        self.compilers, self.linkers = build(self.plain, "")
        self.reach = Reach(os.path.join(scratch, "coverage"), sources, jobs) if ways else UnitsAlone()
        self.kills = {} # by source: test -> how often it noticed
        self.lock = threading.Lock()

    def compile(self, folder, path, text):
        source, made = os.path.join(folder, os.path.basename(path)), os.path.join(folder, "mutant.o")
        with open(source, "w", encoding="utf-8") as file:
            file.write(text)
        words = shlex.split(self.compilers[path])
        words[words.index("-o") + 1] = made
        words[words.index("-c") + 1] = source
        return run(words + ["-w"], cwd=self.plain).returncode == 0

    def link(self, folder, program):
        place = os.path.join(folder, program)
        if not os.path.exists(place):
            command = re.sub(r" -o \S+ ", f" {shlex.quote(folder + '/mutant.o')} -o {shlex.quote(place)} ", self.linkers[program], count=1)
            done = run(command, shell=True, cwd=self.plain)
            if "undefined reference" in done.stderr:
                return None # a test that doesn't have this file in it
            if done.returncode != 0:
                raise SystemExit(f"{folder} can't be linked:\n{done.stderr[-3000:]}")
        return place

    def notices(self, folder, test, options):
        command = self.reach.command(test, options)
        place = self.link(folder, command[0])
        if place is None:
            return None
        patience = 30 + (10 if test[0] == "unit" else 40) * self.reach.seconds[test]
        try:
            done = run([place] + command[1:], cwd=os.path.join(ROOT, "tests"), timeout=patience)
        except subprocess.TimeoutExpired:
            return "it doesn't end"
        if done.returncode == 0:
            return None
        told = re.search(r"FAILED [^:]*: (.*?) \(", done.stderr) or re.search(r"can't be prepared: (.*)", done.stderr) or re.search(
            r"\[  FAILED  \] (\w+)", done.stdout + done.stderr)
        return told[1] if told else ("it crashes" if done.returncode < 0 else "it fails")

    def ask(self, folder, name, path, tests):
        with self.lock:
            known = dict(self.kills.get(path, {}))
        # Bricks and swapped stores are what the explorer is for: it is asked first. A unit test is quicker with all else.
        last = "unit" if self.ways and name.startswith(EXPLORERS) else "flow"
        cheap_first = sorted(tests, key=lambda test: ((test[0] == "unit") == (last == "unit"), -known.get(test, 0), self.reach.seconds[test]))
        for options in self.ways or (CUTS,):
            for test in cheap_first:
                if options is not CUTS and test[0] == "unit":
                    continue
                what = self.notices(folder, test, options)
                if what is not None:
                    with self.lock:
                        counts = self.kills.setdefault(path, {})
                        counts[test] = counts.get(test, 0) + 1
                    return f"{test[0]} {test[1]}", what
        return None

    def try_one(self, name, path, text):
        """(who noticed, what it said), or None."""
        folder = tempfile.mkdtemp(prefix="mutant-", dir=self.scratch)
        try:
            with open(os.path.join(ROOT, path), encoding="utf-8") as file:
                original = file.read()
            if not self.compile(folder, path, text):
                print("doesn't compile, so proves nothing: " + name, flush=True)
                return None
            return self.ask(folder, name, path, self.reach.by(path, changed_lines(original, text)))
        finally:
            shutil.rmtree(folder)


def write_report(place, results, known, sentence):
    with open(place, "w", encoding="utf-8") as file:
        file.write("# Mutants\n\nWritten by `python3 tests/sim/mutate.py --report tests/sim/mutants.md`; what they are is in "
                   f"`tests/sim/mutants.py`.\n\n{sentence}\n\n| mutant | noticed by | what it saw |\n|---|---|---|\n")
        for name, answer in results:
            who, what = answer if answer else ("equivalent", known[name]) if name in known else ("**nobody**", "")
            file.write("| `{}` | {} | {} |\n".format(name.replace("|", "\\|"), who, what.replace("|", "\\|")))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--only", default="", help="mutants whose name has this regular expression in it")
    parser.add_argument("--list", action="store_true", help="name them, run nothing")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="don't ask a second time, as ./check does, when the quick way notices nothing")
    parser.add_argument("--units", action="store_true", help="ask the unit tests alone: in minutes, what the explorer needs half an hour for")
    parser.add_argument("--scratch", help="folder for the builds (default: a temporary one)")
    parser.add_argument("--report", help="write what came out to this file")
    arguments = parser.parse_args()
    chosen = [mutant for mutant in mutants() if re.search(arguments.only, mutant[0])]
    if arguments.list:
        print("\n".join(mutant[0] for mutant in chosen))
        return 0
    known = equivalents()
    scratch = arguments.scratch or tempfile.mkdtemp(prefix="decade-mutants-")
    began = time.monotonic()
    bench = Bench(scratch, sorted({path for _, path, _ in chosen}), arguments.jobs,
                  () if arguments.units else WAYS[:-1] if arguments.quick else WAYS)

    def attempt(mutant):
        name, path, text = mutant
        answer = None if name in known else bench.try_one(name, path, text)
        print(f"{answer[0] if answer else 'equivalent' if name in known else 'LIVES':34} {name}", flush=True)
        return name, answer

    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        results = list(pool.map(attempt, chosen))
    if not arguments.scratch:
        shutil.rmtree(scratch)
    living = [name for name, answer in results if answer is None and name not in known]
    equivalent = sum(1 for name, _ in results if name in known)
    units = sum(1 for _, answer in results if answer and answer[0].startswith("unit"))
    flows = sum(1 for _, answer in results if answer and answer[0].startswith(("flow", "loader")))
    sentence = (f"{len(results)} mutants: {len(results) - equivalent - len(living)} noticed ({flows} by the explorer, {units} by a unit test), "
                f"{equivalent} equivalent, {len(living)} live.")
    print(f"{sentence} {time.monotonic() - began:.0f} s")
    for name in living:
        print("lives: " + name)
    if arguments.report:
        write_report(arguments.report, results, known, sentence)
    return 1 if living else 0


if __name__ == "__main__":
    sys.exit(main())
