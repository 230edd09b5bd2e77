#!/usr/bin/env python3
"""Measures deltas of real pairs, ours beside every packaged peer that is installed, in one run.

    tests/bench/delta/run.py [--groups NAMES] [--only REGEX] [--peers REGEX] [--timeout SECONDS] [--plot FOLDER] [--json FILE] ...

Pairs, in this order: programs and libraries, kernels as they run, root file systems of two dates in ext4, squashfs and erofs, and
degenerate cases. They come from Debian packages, by name, in the versions that this machine's apt sources offer. Nothing is installed.
Sizes are exact; times are CPU seconds and seconds, and depend on the machine, so only ratios inside one run mean something.

Peers: bsdiff, xdelta3, zstd --patch-from, rdiff, zchunk and casync, where they are installed; hdiffz/hpatchz (in PATH, or
$HDIFFZ names hdiffz, with hpatchz beside it); and what --add names. Every result is applied and compared with the new file. zchunk and
casync send chunks, not a delta: theirs are the bytes that a device with the old file downloads, index included, and applying has nothing
else at hand. A tool that isn't done within --timeout is told as "gave up".

Applying is also held against the least that any updater does: in the same run, the same bytes are written to the same folder, synced,
and hashed with SHA-256; once by dd and openssl, which has the processor's instructions, and once by dd and `decade-delta id`, whose
SHA-256 is the one that apply checks frames and segments with. All three run on one core, small files as often as it takes to
have something to measure. Applying is measured once more with a thread for each core.

Examples:
    tests/bench/delta/run.py                                    everything; hours
    tests/bench/delta/run.py --only libcrypto                   some pairs
    tests/bench/delta/run.py --groups kernels --peers '^$'      ours alone
    tests/bench/delta/run.py --groups programs,images --peers 'zchunk|casync' --json figures.json --plot plots
    tests/bench/delta/run.py --figures figures.json --plot plots            measures nothing: tells again, draws again
    tests/bench/delta/run.py --add 'zucchini: zucchini -gen {old} {new} {delta} => zucchini -apply {old} {delta} {new}'
"""
import argparse
import filecmp
import json
import os
import re
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
from measuring import ROOT, GaveUp, measure, measure_often, run  # noqa: E402
from pairs import GROUPS, pairs_of  # noqa: E402
from peers import scratch, tools  # noqa: E402
from plot import draw_all  # noqa: E402
from report import HEAD, print_row, print_summaries  # noqa: E402


CORES = len(os.sched_getaffinity(0))


def often(new):
    """How many times a file is to be made, to be measured."""
    return max(3, min(50, (64 << 20) // max(1, os.path.getsize(new))))


def measure_writing(decade_delta, new, written):
    """Writing the same bytes with SHA-256 over them; what each way took."""
    write = f"dd if='{new}' of='{written}' bs=1M conv=fsync status=none"
    return {name: measure_often(["sh", "-ec", f"{write}; {sums}"], often(new)) for name, sums in (
        ("dd and openssl", f"openssl dgst -sha256 '{written}'"), ("dd and decade-delta id", f"'{decade_delta}' id --threads 1 '{written}'"))}


def device_memory(decade_delta, payload):
    """Bytes that a device needs, as `info` says."""
    return json.loads(run([decade_delta, "info", "--json", payload]))["memory"]


class Bench:
    """Where one run works, and with what."""

    def __init__(self, options):
        self.decade_delta, self.timeout = options.decade_delta, options.timeout
        self.tools = {name: tool for name, tool in tools(options.decade_delta, options.segment_sizes, options.add).items()
                      if name.startswith("decade") or re.search(options.peers, name)}
        self.delta, self.rebuilt, self.written = (os.path.join(options.work, name) for name in ("delta", "rebuilt", "written"))

    def clean(self):
        shutil.rmtree(scratch(self.delta), ignore_errors=True)
        for path in (self.delta, self.delta + ".sig", self.rebuilt, self.written):
            if os.path.exists(path):
                os.remove(path)

    def create_and_apply(self, tool, old, new):
        """The row's figures, or what went wrong."""
        row, doing = {"right": False, "outcome": None, "bytes": None, "create": None, "apply": None}, "creating"
        try:
            tool.prepare(old, self.delta)
            row["create"] = measure(tool.create(old, new, self.delta), self.timeout)
            if row["create"]:
                sent, doing = tool.sent(old, new, self.delta), "applying"
                row["apply"] = measure(tool.apply(old, self.rebuilt, self.delta), self.timeout)
        except GaveUp:
            return {**row, "outcome": f"gave up {doing} after {self.timeout} s"}
        except (subprocess.CalledProcessError, OSError, ValueError) as error:
            return {**row, "outcome": f"failed {doing}: {error}"}
        if not row["apply"]:
            return {**row, "outcome": f"failed {doing}"}
        if not os.path.exists(self.rebuilt) or not filecmp.cmp(new, self.rebuilt, shallow=False):
            return {**row, "outcome": "made another file"}
        return {**row, "right": True, "outcome": "right", "bytes": sent}

    def measure_tool(self, name, old, new):
        self.clean()
        tool = self.tools[name]
        row = self.create_and_apply(tool, old, new)
        if row["right"] and name.startswith("decade"):
            row["device"] = device_memory(self.decade_delta, self.delta)
        if row["right"] and name in ("decade", "hdiffz"):
            row["apply_often"] = measure_often(tool.apply(old, self.rebuilt, self.delta), often(new))
        if row["right"] and name == "decade":
            row["writing"] = measure_writing(self.decade_delta, new, self.written)
            command = [self.decade_delta, "apply", "--threads", str(CORES), old, self.delta, self.rebuilt]
            row["apply_threads"] = measure_often(command, often(new), CORES)
        self.clean()
        return row


def leave_out(name, why):
    print(f"{name}: left out: {why}", file=sys.stderr, flush=True)


def measure_all(options):
    """The rows of every pair and tool, told and kept as they come: a run takes hours."""
    bench, rows = Bench(options), []
    print(HEAD)
    for group in options.groups:
        for pair, old, new in pairs_of(group, options.work, options.only, leave_out):
            for tool in bench.tools:
                row = {"group": group, "pair": pair, "size": os.path.getsize(new), "tool": tool, **bench.measure_tool(tool, old, new)}
                rows.append(row)
                print_row(row)
                if options.json:
                    with open(options.json, "w", encoding="utf-8") as file:
                        json.dump(rows, file, indent="\t")
    return rows


def read_figures(options):
    with open(options.figures, encoding="utf-8") as file:
        rows = [row for row in json.load(file) if row["group"] in options.groups and re.search(options.only, row["pair"])
                and (row["tool"].startswith("decade") or re.search(options.peers, row["tool"]))]
    print(HEAD)
    for row in rows:
        print_row(row)
    return rows


def group_list(text):
    names = text.split(",")
    if not set(names) <= set(GROUPS):
        raise argparse.ArgumentTypeError(f"{text}: the groups are {', '.join(GROUPS)}")
    return [name for name in GROUPS if name in names]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", default=os.path.join(ROOT, "build", "bench-delta"), metavar="FOLDER", help="where packages, images and results are kept")
    parser.add_argument("--decade-delta", default=os.path.join(ROOT, "build", "dev", "bin", "decade-delta"), metavar="PROGRAM")
    parser.add_argument("--groups", type=group_list, default=list(GROUPS), metavar="NAMES", help=f"of {','.join(GROUPS)}; all unless given")
    parser.add_argument("--only", default="", metavar="REGEX", help="pairs whose name matches")
    parser.add_argument("--peers", default="", metavar="REGEX", help="peers whose name matches; '^$' for none")
    parser.add_argument("--add", action="append", default=[], metavar="'NAME: CREATE => APPLY'",
                        help="one more peer: its commands, with {old}, {new} and {delta}; can be given again")
    parser.add_argument("--timeout", type=int, default=600, metavar="SECONDS",
                        help="CPU time that creating, or applying, may take; %(default)s unless given")
    parser.add_argument("--segment-sizes", action="store_true", help="ours alone, at 256 KiB, 1, 4 and 16 MiB")
    parser.add_argument("--json", metavar="FILE", help="the figures, for machines; written after every line")
    parser.add_argument("--figures", metavar="FILE", help="those that --json wrote, instead of measuring")
    parser.add_argument("--plot", metavar="FOLDER", help="draws size, time and memory there, as five SVG files")
    options = parser.parse_args()
    os.makedirs(options.work, exist_ok=True)
    if options.figures is None and not shutil.which(options.decade_delta):
        parser.error(f"{options.decade_delta}: is not there; build it, or name another with --decade-delta")
    rows = read_figures(options) if options.figures else measure_all(options)
    print_summaries(rows, options.segment_sizes)
    if options.plot and rows:
        for path in draw_all(rows, options.plot):
            print(f"drawn: {path}", file=sys.stderr)
    return 0 if rows and all(row["right"] for row in rows if row["tool"].startswith("decade")) else 1


if __name__ == "__main__":
    sys.exit(main())
