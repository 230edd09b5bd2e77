#!/usr/bin/env python3
"""Measures deltas of real pairs, ours beside every packaged peer that is installed, in one run.

    tests/bench/delta/run.py [--work FOLDER] [--decade-delta PROGRAM] [--only REGEX] [--peers REGEX] [--segment-sizes] [--json FILE]

Pairs come from Debian packages, by name, in every version that this machine's apt sources offer: each version against the next. Nothing
is installed. Sizes are exact; times are CPU seconds and seconds, and depend on the machine, so only ratios inside one run mean something.
Peers: bsdiff, xdelta3, zstd --patch-from, rdiff, hdiffz/hpatchz (in PATH, or $HDIFFZ names hdiffz, with hpatchz beside it). Every result
is applied and compared with the new file.

Applying is also held against the least that any updater does: in the same run, the same bytes are written to the same folder, synced,
and hashed with SHA-256; once by dd and openssl, which has the processor's instructions, and once by dd and `decade-delta id`, whose
SHA-256 is the one that apply checks frames and segments with. All three run on one core, small files as often as it takes to
have something to measure.
"""
import argparse
import filecmp
import glob
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", ".."))

# name, package, file in it (a pattern), architecture (None: this machine's)
FILES = [
    ("libc6", "libc6", "**/libc.so.6", None),
    ("libcrypto", "libssl3", "**/libcrypto.so.3", None),
    ("libcrypto-arm64", "libssl3", "**/libcrypto.so.3", "arm64"),
    ("libcrypto-armhf", "libssl3", "**/libcrypto.so.3", "armhf"),
    ("libc6-arm64", "libc6", "**/libc.so.6", "arm64"),
    ("python3.11", "python3.11-minimal", "usr/bin/python3.11", None),
    ("libnode", "libnode108", "**/libnode.so.108", None),
]
DEGENERATE = ("identical", "shuffled", "zeros", "random")


def run(command, **keywords):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **keywords).stdout


def measure(command):
    """CPU seconds, seconds and peak MiB, or None when it fails."""
    # A small parent in between: a child of this process would begin with this process's peak.
    with tempfile.NamedTemporaryFile("r") as report:
        done = subprocess.run(["time", "-q", "-f", "%U %S %e %M", "-o", report.name, *command], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)
        if done.returncode != 0:
            return None
        user, system, elapsed, peak = report.read().split()
    return {"cpu": float(user) + float(system), "elapsed": float(elapsed), "mib": float(peak) / 1024}


def measure_often(command, times):
    """The same of one run among so many, on one core."""
    loop = f'i=0; while [ $i -lt {times} ]; do "$@" >/dev/null || exit 1; i=$((i + 1)); done'
    whole = measure(["taskset", "-c", str(min(os.sched_getaffinity(0))), "sh", "-c", loop, "sh", *command])
    return whole and {"cpu": whole["cpu"] / times, "elapsed": whole["elapsed"] / times, "mib": whole["mib"]}


class Packages:
    """Downloads packages of one architecture into a folder, through apt, with apt's state for foreign ones kept there as well."""

    def __init__(self, work, arch):
        self.arch = arch or run(["dpkg", "--print-architecture"]).strip()
        self.folder = os.path.join(work, "packages", self.arch)
        os.makedirs(self.folder, exist_ok=True)
        self.options = [] if arch is None else self.foreign_options()

    def foreign_options(self):
        state = os.path.join(self.folder, "apt")
        fresh = not os.path.isdir(state)
        for name in ("lists/partial", "cache/archives/partial"):
            os.makedirs(os.path.join(state, name), exist_ok=True)
        open(os.path.join(state, "status"), "a").close()
        options = ["-o", f"APT::Architecture={self.arch}", "-o", f"APT::Architectures={self.arch}", "-o", f"Dir::State={state}",
                   "-o", f"Dir::State::status={state}/status", "-o", f"Dir::State::lists={state}/lists", "-o", f"Dir::Cache={state}/cache"]
        if fresh:
            run(["apt-get", *options, "update"])
        return options

    def versions(self, package):
        """Oldest first."""
        lines = run(["apt-cache", *self.options, "madison", package]).splitlines()
        names = list(dict.fromkeys(line.split("|")[1].strip() for line in lines if "|" in line and "Packages" in line))
        for i in range(len(names)):
            for j in range(len(names) - 1 - i):
                if subprocess.run(["dpkg", "--compare-versions", names[j], "gt", names[j + 1]]).returncode == 0:
                    names[j], names[j + 1] = names[j + 1], names[j]
        return names

    def unpack(self, package, version):
        folder = os.path.join(self.folder, f"{package}_{version}")
        if not os.path.isdir(folder):
            run(["apt-get", *self.options, "download", f"{package}={version}"], cwd=self.folder)
            deb = glob.glob(os.path.join(self.folder, f"{package}_{version.replace(':', '%3a')}_*.deb"))[0]
            run(["dpkg-deb", "-x", deb, folder + ".part"])
            os.rename(folder + ".part", folder)
        return folder


def file_pairs(work):
    for name, package, pattern, arch in FILES:
        try:
            packages = Packages(work, arch)
            versions = packages.versions(package)
            found = []
            for version in versions:
                hits = glob.glob(pattern, root_dir=packages.unpack(package, version), recursive=True)
                if hits:
                    found.append((version, os.path.realpath(os.path.join(packages.unpack(package, version), hits[0]))))
        except (subprocess.CalledProcessError, OSError, IndexError) as error:
            print(f"{name}: left out: {error}", file=sys.stderr)
            continue
        for (old_version, old), (new_version, new) in zip(found, found[1:]):
            if not filecmp.cmp(old, new, shallow=False):
                yield f"{name} {old_version} to {new_version}", old, new


def image_pairs(work):
    folder = os.path.join(work, "images")
    if not os.path.exists(os.path.join(folder, "release-2.img")):
        run([os.path.join(ROOT, "tests", "images", "make_release_images.sh"), folder])
    yield "ext4 root", os.path.join(folder, "release-1.img"), os.path.join(folder, "release-2.img")


def packed_pairs(work):
    """The same roots in compressed file systems."""
    folder = os.path.join(work, "images")
    if not shutil.which("mksquashfs"):
        print("squashfs: left out: no mksquashfs", file=sys.stderr)
        return
    for release in ("1", "2"):
        tree = os.path.join(folder, f"tree-{release}")
        if not os.path.isdir(tree):
            os.makedirs(tree + ".part", exist_ok=True)
            run(["debugfs", "-R", f"rdump / {tree}.part", os.path.join(folder, f"release-{release}.img")])
            os.rename(tree + ".part", tree)
    for compressor in ("gzip", "zstd", "xz"):
        paths = [os.path.join(folder, f"release-{release}.{compressor}") for release in ("1", "2")]
        for release, path in zip(("1", "2"), paths):
            if not os.path.exists(path):
                run(["mksquashfs", os.path.join(folder, f"tree-{release}"), path + ".part", "-comp", compressor, "-noappend", "-quiet", "-no-progress",
                     "-all-time", "1700000000", "-mkfs-time", "1700000000"])
                os.rename(path + ".part", path)
        yield f"squashfs-{compressor} root", *paths


def degenerate_pairs(work):
    """Cases that break matchers rather than models."""
    folder = os.path.join(work, "degenerate")
    os.makedirs(folder, exist_ok=True)
    source = random.Random(1)
    noise = source.randbytes(5 << 20)
    blocks = [noise[i:i + 65536] for i in range(0, len(noise), 65536)]
    source.shuffle(blocks)
    cases = {"identical": (noise, noise), "shuffled": (noise, b"".join(blocks)), "zeros": (bytes(16 << 20), bytes(16 << 20) + b"x"),
             "random": (noise, source.randbytes(1 << 20))}
    for name, contents in cases.items():
        paths = [os.path.join(folder, f"{name}.{i}") for i in (1, 2)]
        for path, content in zip(paths, contents):
            with open(path, "wb") as file:
                file.write(content)
        yield name, *paths


def hdiff_tool(name):
    """hdiffz or hpatchz: beside what $HDIFFZ names, or in PATH. None: nobody has built it."""
    given = os.environ.get("HDIFFZ")
    return shutil.which(os.path.join(os.path.dirname(given), name) if given else name)


def tools(decade_delta, segment_sizes):
    """name: (create, apply) with old, new, delta."""
    def ours(*options):
        return (lambda o, n, d: [decade_delta, "diff", *options, o, n, d], lambda o, n, d: [decade_delta, "apply", o, d, n])

    def window(path):
        return str(max(1 << 29, 1 << (os.path.getsize(path) - 1).bit_length()))  # the largest that helps

    result = {"decade": ours()}
    if segment_sizes:
        return {f"decade {size >> 10} KiB": ours("--segment-size", str(size)) for size in (1 << 18, 1 << 20, 1 << 22, 1 << 24)}
    peers = {
        "bsdiff": (lambda o, n, d: ["bsdiff", o, n, d], lambda o, n, d: ["bspatch", o, n, d]),
        "xdelta3": (lambda o, n, d: ["xdelta3", "-e", "-f", "-9", "-S", "lzma", "-B", window(o), "-s", o, n, d],
                    lambda o, n, d: ["xdelta3", "-d", "-f", "-B", window(o), "-s", o, d, n]),
        "zstd": (lambda o, n, d: ["zstd", "-q", "-f", "-19", "--long=31", "--single-thread", f"--patch-from={o}", n, "-o", d],
                 lambda o, n, d: ["zstd", "-q", "-f", "-d", "--long=31", f"--patch-from={o}", d, "-o", n]),
        "rdiff": (lambda o, n, d: ["sh", "-c", 'rdiff -f signature "$0" "$2.sig" && rdiff -f delta "$2.sig" "$1" "$2"', o, n, d],
                  lambda o, n, d: ["rdiff", "-f", "patch", o, d, n]),
    }
    result.update({name: tool for name, tool in peers.items() if shutil.which(name)})
    hdiffz, hpatchz = hdiff_tool("hdiffz"), hdiff_tool("hpatchz")
    if hdiffz and hpatchz:
        # -d: without the trial patch that it makes by itself otherwise. Ours makes none either, but for repacked frames.
        result["hdiffz"] = (lambda o, n, d: [hdiffz, "-f", "-d", "-c-zstd-21-24", o, n, d], lambda o, n, d: [hpatchz, "-f", o, d, n])
    elif os.environ.get("HDIFFZ"):
        sys.exit(f"HDIFFZ={os.environ['HDIFFZ']}: hdiffz and hpatchz are not there")
    return result


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


def measure_pair(work, name, old, new, the_tools, decade_delta):
    rows = []
    delta, rebuilt = os.path.join(work, "delta"), os.path.join(work, "rebuilt")
    for tool, (create, apply) in the_tools.items():
        for path in (delta, rebuilt):
            if os.path.exists(path):
                os.remove(path)
        created = measure(create(old, new, delta))
        applied = measure(apply(old, rebuilt, delta)) if created else None
        right = applied is not None and filecmp.cmp(new, rebuilt, shallow=False)
        rows.append({"pair": name, "size": os.path.getsize(new), "tool": tool, "right": right,
                     "bytes": os.path.getsize(delta) if right else None, "create": created, "apply": applied})
        if right and tool.startswith("decade"):
            rows[-1]["device"] = device_memory(decade_delta, delta)
        if right and tool in ("decade", "hdiffz"):
            rows[-1]["apply_often"] = measure_often(apply(old, rebuilt, delta), often(new))
        if right and tool == "decade":
            rows[-1]["writing"] = measure_writing(decade_delta, new, os.path.join(work, "written"))
        print_row(rows[-1])
    return rows


def print_row(row):
    if not row["right"]:
        print(f"| {row['pair']} | {row['size']:,} | {row['tool']} | failed | | | | | | | |", flush=True)
        return
    figures = " | ".join(f"{row[what]['cpu']:.2f} | {row[what]['elapsed']:.2f} | {row[what]['mib']:.0f}" for what in ("create", "apply"))
    device = f"{row['device']:,}" if "device" in row else ""
    print(f"| {row['pair']} | {row['size']:,} | {row['tool']} | {row['bytes']:,} | {figures} | {device} |", flush=True)


def print_ratios(rows):
    product, count = 1.0, 0
    for pair in dict.fromkeys(row["pair"] for row in rows):
        sizes = {row["tool"]: row["bytes"] for row in rows if row["pair"] == pair and row["right"]}
        peers = {tool: size for tool, size in sizes.items() if not tool.startswith("decade")}
        if "decade" in sizes and peers:
            best = min(peers, key=peers.get)
            ratio = sizes["decade"] / peers[best]
            print(f"{pair}: {ratio:.2f} of the best peer ({best})")
            if pair not in DEGENERATE:
                product, count = product * ratio, count + 1
    if count:
        print(f"geometric mean of the {count} real ones: {product ** (1 / count):.2f}")


def print_segment_sizes(rows):
    """Bytes against memory on the device: a line for each size, two columns for each pair."""
    pairs = list(dict.fromkeys(row["pair"] for row in rows))
    print("\n| segments | " + " | ".join(f"{pair} | device" for pair in pairs) + " |\n|---|" + "---|---|" * len(pairs))
    for tool in dict.fromkeys(row["tool"] for row in rows):
        found = {row["pair"]: row for row in rows if row["tool"] == tool and row["right"]}
        cells = [f"{found[pair]['bytes']:,} | {found[pair]['device'] / 1e6:.1f} MB" if pair in found else "failed | " for pair in pairs]
        print(f"| {tool.removeprefix('decade ')} | " + " | ".join(cells) + " |")


def ratio(ours, theirs):
    return f"{ours / theirs:.2f}" if theirs > 0 else "-"


def print_against_hdiffz(rows):
    """Creating and applying, ours to its."""
    pairs = [({row["tool"]: row for row in rows if row["pair"] == pair and row["right"]}, pair) for pair in dict.fromkeys(row["pair"] for row in rows)]
    pairs = [(found["decade"], found["hdiffz"], pair) for found, pair in pairs
             if all(tool in found and found[tool]["apply_often"] for tool in ("decade", "hdiffz"))]
    if pairs:
        print("\n| decade / hdiffz | create CPU | create time | create MiB | of 3 x image or 256 MiB | apply CPU | apply MiB |\n|---|---|---|---|---|---|---|")
    for ours, theirs, pair in pairs:
        bound = max(256, 3 * ours["size"] / (1 << 20))
        (made, its), (applied, patched) = ((ours[what], theirs[what]) for what in ("create", "apply_often"))
        print(f"| {pair} | {ratio(made['cpu'], its['cpu'])} | {ratio(made['elapsed'], its['elapsed'])} | {ratio(made['mib'], its['mib'])} | "
              f"{ratio(made['mib'], bound)} | {ratio(applied['cpu'], patched['cpu'])} | {ratio(applied['mib'], patched['mib'])} |")


def print_against_writing(rows):
    """Throughput of applying, as a part of that of writing and hashing alone."""
    rows = [row for row in rows if "writing" in row and row["apply_often"] and None not in row["writing"].values()]
    if rows:
        print("\n| throughput of apply / of | dd and openssl: CPU | time | dd and decade-delta id: CPU | time | apply MiB/s |\n|---|---|---|---|---|---|")
    for row in rows:
        apply = row["apply_often"]
        parts = [ratio(row["writing"][name][what], apply[what]) for name in ("dd and openssl", "dd and decade-delta id") for what in ("cpu", "elapsed")]
        print(f"| {row['pair']} | {' | '.join(parts)} | {ratio(row['size'] / (1 << 20), apply['elapsed'])} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", default=os.path.join(ROOT, "build", "bench-delta"), help="where packages, images and results are kept")
    parser.add_argument("--decade-delta", default=os.path.join(ROOT, "build", "dev", "bin", "decade-delta"))
    parser.add_argument("--only", default="", help="pairs whose name matches")
    parser.add_argument("--peers", default="", help="peers whose name matches; '^$' for none")
    parser.add_argument("--segment-sizes", action="store_true", help="ours alone, at 256 KiB, 1, 4 and 16 MiB")
    parser.add_argument("--json", help="the figures, for machines")
    arguments = parser.parse_args()
    os.makedirs(arguments.work, exist_ok=True)
    the_tools = {name: tool for name, tool in tools(arguments.decade_delta, arguments.segment_sizes).items()
                 if name.startswith("decade") or re.search(arguments.peers, name)}
    rows = []
    print("| pair | new bytes | tool | delta bytes | create CPU s | create s | create MiB | apply CPU s | apply s | apply MiB | device bytes |\n"
          "|---|---|---|---|---|---|---|---|---|---|---|")
    for source in (file_pairs, image_pairs, packed_pairs, degenerate_pairs):
        for name, old, new in source(arguments.work):
            if re.search(arguments.only, name):
                rows += measure_pair(arguments.work, name, old, new, the_tools, arguments.decade_delta)
    print()
    if arguments.segment_sizes:
        print_segment_sizes(rows)
    print_ratios(rows)
    print_against_hdiffz(rows)
    print_against_writing(rows)
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump(rows, file, indent="\t")
    return 0 if rows and all(row["right"] for row in rows if row["tool"].startswith("decade")) else 1


if __name__ == "__main__":
    sys.exit(main())
