#!/usr/bin/env python3
"""Measures publishing a release with deltas from many bases: ten years of releases, all still in the field.

    tests/bench/bases/run.py [--bases N] [--size MIB] [--jobs N] [--keep FOLDER] [--prepare] [--sample K] [--json FILE]

1. Makes N root file systems from Debian packages, ten years of one device (history.py says how), and publishes each, without deltas.
2. Measures the one step that a maker waits for: `decade-repo release` of the newest image, with its full payload and a delta from every base. Time, CPU
   time, memory of all its processes, whether it had work for every core, sizes.
3. Checks: there is a payload from every base; a sample is applied by `decade-delta apply` to its base, and gives the image; a release that was
   killed goes on, and gives the same payloads. Each pair of the sample is also encoded by `decade-delta diff` alone: what the rest of the release costs
   is the difference.

Nothing is installed. Times depend on the machine, and on what else it does, which is told; sizes don't. Needs about 80 MiB of disk for each base of 256 MiB.

Examples:
    tests/bench/bases/run.py --bases 4 --size 192 --sample 4
    tests/bench/bases/run.py --keep build/bases --prepare      once, an hour
    tests/bench/bases/run.py --keep build/bases                as often as one likes
"""
import argparse
import concurrent.futures
import filecmp
import glob
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path.append(os.path.join(HERE, "..", "delta"))
import measuring  # noqa: E402
from history import History  # noqa: E402
from process_tree import Watched  # noqa: E402

NEWEST = "2.0"
BAR_MINUTES, BAR_BASES = 30, 120
KILL_BASES = 3


class Lab:
    """The folder of the material, and the programs."""

    def __init__(self, folder, options):
        self.folder, self.options = os.path.abspath(folder), options
        self.repo, self.keys, self.newest = (os.path.join(self.folder, name) for name in ("repo", "keys", "newest.img"))

    def program(self, name):
        return os.path.join(self.options.programs, name)

    def decade_repo(self, *words):
        return measuring.run([self.program("decade-repo"), *words])

    def releases(self, repo):
        """By version: the rootfs of each release, as `decade-repo list` tells it."""
        report = json.loads(self.decade_repo("list", repo, "--json"))
        return {release["version"]: release["images"][0] for release in report["releases"]}

    def payloads(self, repo, version):
        """By the base's version (None: full): path and length."""
        path, = glob.glob(os.path.join(repo, "targets", "releases", f"*.{version}.json"))
        with open(path, encoding="utf-8") as file:
            entries = json.load(file)["images"][0]["payloads"]
        return {entry.get("base", {}).get("version"): (os.path.join(repo, "targets", "payloads", entry["table_sha256"] + ".dcp"), entry["length"])
                for entry in entries}

    def copy_repo(self, name):
        """Payloads are never written again, so that both may have the same files."""
        path = os.path.join(self.folder, name)
        for old in (path, path + ".cache"):
            shutil.rmtree(old, ignore_errors=True)
        shutil.copytree(os.path.join(self.repo, "targets"), os.path.join(path, "targets"), copy_function=os.link)
        shutil.copytree(os.path.join(self.repo, "metadata"), os.path.join(path, "metadata"))
        return path

    def release_command(self, repo, *words):
        return [self.program("decade-repo"), "release", repo, "--keys", self.keys, "--version", NEWEST, "--image", f"rootfs={self.newest}",
                "--jobs", str(self.options.jobs), *words]


# ---- the material ----

def settings(options):
    return {"bases": options.bases, "size": options.size, "seed": options.seed}


def check_settings(lab):
    """A folder holds one history."""
    path = os.path.join(lab.folder, "material.json")
    wanted = settings(lab.options)
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
        if found != wanted:
            sys.exit(f"{lab.folder}: holds {found}, not {wanted}; name another folder, or remove it")
        return
    with open(path, "w", encoding="utf-8") as file:
        json.dump(wanted, file)


def prepare(lab):
    """The repository with all bases, and the newest image. Goes on where it was stopped."""
    os.makedirs(lab.folder, exist_ok=True)
    check_settings(lab)
    if os.path.exists(lab.newest):
        return
    work = os.path.join(lab.folder, "work")
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work)
    if not os.path.exists(lab.repo):
        lab.decade_repo("init", lab.repo, "--keys", lab.keys, "--product", "gateway")
    options = lab.options
    history = History(os.path.join(measuring.ROOT, "tests", "images", "make_release_images.sh"), options.downloads, work, options.bases, options.size,
                      options.seed)
    print(f"{len(history.new)} packages; of those with two versions a base has on average {history.differing():.0%} in the older one", file=sys.stderr)
    there = lab.releases(lab.repo)
    wanted = [release for release in range(options.bases + 1) if history.version(release) not in there]
    with concurrent.futures.ThreadPoolExecutor(1) as ahead:  # one image is made while the one before is published
        images = [ahead.submit(history.make, wanted[0])]
        for number, release in enumerate(wanted):
            image = images.pop().result()
            if release == options.bases:
                os.rename(image, lab.newest)
                break
            images.append(ahead.submit(history.make, wanted[number + 1]))
            lab.decade_repo("release", lab.repo, "--keys", lab.keys, "--version", history.version(release), "--image", f"rootfs={image}",
                            "--bases", "none", "--effort", "3")  # soon made; what is measured doesn't depend on it
            os.remove(image)
            print(f"\r{release + 1} of {options.bases} bases published", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    shutil.rmtree(work)


def check_material(lab):
    ids = [image["image_id"] for image in lab.releases(lab.repo).values()]
    if len(set(ids)) != lab.options.bases:
        sys.exit(f"{lab.repo}: has {len(set(ids))} different images, not {lab.options.bases}")


# ---- the measurement ----

def measure_release(lab):
    """Publishes the newest release; the repository and the figures."""
    repo = lab.copy_repo("measured")
    with tempfile.TemporaryFile("w+") as output:
        figures = Watched(lab.release_command(repo), output).wait()
        if figures["code"] != 0:
            output.seek(0)
            sys.exit(f"decade-repo release failed:\n{output.read()}")
    payloads = lab.payloads(repo, NEWEST)
    figures["full"] = payloads.pop(None)[1]
    figures["deltas"] = {version: length for version, (_, length) in payloads.items()}
    return repo, figures


def measure_pair(lab, repo, version):
    """One payload: applied by the tool that devices' makers have, and made once more by the encoder alone."""
    old, delta, rebuilt = (os.path.join(lab.folder, name) for name in ("sample.old", "sample.delta", "sample.new"))
    tool = lab.program("decade-delta")
    made = lab.payloads(repo, NEWEST)[version][0]
    measuring.run([tool, "apply", "/dev/null", lab.payloads(repo, version)[None][0], old])
    applied = measuring.measure([tool, "apply", old, made, rebuilt])
    right = applied is not None and filecmp.cmp(rebuilt, lab.newest, shallow=False)
    threads = max(1, len(os.sched_getaffinity(0)) // lab.options.jobs)
    alone = measuring.measure([tool, "diff", "--threads", str(threads), old, lab.newest, delta])
    for path in (old, delta, rebuilt):
        if os.path.exists(path):
            os.remove(path)
    return {"version": version, "right": right, "apply": applied, "diff": alone}


def sample_of(versions, count):
    """Spread evenly, the oldest and the newest base among them."""
    if count >= len(versions) or count < 2:
        return versions[:count]
    return [versions[round(i * (len(versions) - 1) / (count - 1))] for i in range(count)]


def finished_in(cache):
    """By name: the inodes of what the cache holds whole, the full payload left out."""
    names = [name for name in os.listdir(cache) if name.endswith(".dcp") and not name.startswith((".", "full"))] if os.path.isdir(cache) else []
    return {name: os.stat(os.path.join(cache, name)).st_ino for name in names}


def kill_in_the_middle(lab, measured):
    """A release from the newest bases is killed when one delta is done, and started again."""
    repo = lab.copy_repo("killed")
    cache, command = repo + ".cache", lab.release_command(repo, "--bases", str(KILL_BASES))
    first = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not finished_in(cache) and first.poll() is None:
        time.sleep(0.05)
    first.send_signal(signal.SIGKILL)
    first.wait()
    time.sleep(1)  # its child goes with it, soon
    kept = finished_in(cache)
    published = NEWEST in lab.releases(repo)
    second = measuring.measure(command)
    if second is None or not kept or published:
        return {"right": False, "kept": len(kept), "again": second}
    expected, found = lab.payloads(measured, NEWEST), lab.payloads(repo, NEWEST)
    same = all(filecmp.cmp(path, expected[version][0], shallow=False) for version, (path, _) in found.items())
    inodes = {os.stat(path).st_ino for path, _ in found.values()}
    right = same and set(kept.values()) <= inodes and not os.path.exists(cache) and len(found) == 1 + KILL_BASES
    shutil.rmtree(repo)
    return {"right": right, "kept": len(kept), "again": second}


# ---- what is told ----

def print_figures(options, figures):
    deltas, minutes = list(figures["deltas"].values()), figures["elapsed"] / 60
    print("| bases | image MiB | jobs | minutes | CPU s | CPU s a base | cores used | s with a core to spare | MiB, all processes | of these anonymous | "
          "largest process | CPU s of others |\n|---|---|---|---|---|---|---|---|---|---|---|---|")
    print(f"| {options.bases} | {options.size} | {options.jobs} | {minutes:.1f} | {figures['cpu']:.0f} | {figures['cpu'] / options.bases:.1f} | "
          f"{figures['cpu'] / figures['elapsed']:.2f} | {figures['idle_core_s']:.0f} | {figures['peak_mib']:.0f} | "
          f"{figures['anonymous_mib']:.0f} | {figures['largest_process_mib']:.0f} | {figures['others_cpu']:.0f} |")
    print("\n| payloads | least | median | most | sum | full payload |\n|---|---|---|---|---|---|")
    print(f"| {len(deltas)} | {min(deltas):,} | {statistics.median(deltas):,.0f} | {max(deltas):,} | {sum(deltas):,} | {figures['full']:,} |")
    if options.bases == BAR_BASES:
        print(f"\n{minutes:.1f} minutes of the {BAR_MINUTES} that {BAR_BASES} bases may take")
    else:
        print(f"\nAn extrapolation: {minutes * BAR_BASES / options.bases:.0f} minutes for {BAR_BASES} bases")


def print_checks(figures):
    print("\n| sample | delta bytes | applies to the image | apply CPU s | apply MiB | encoder alone, CPU s |\n|---|---|---|---|---|---|")
    for pair in figures["sample"]:
        apply = f"{pair['apply']['cpu']:.2f} | {pair['apply']['mib']:.0f}" if pair["apply"] else " | "
        alone = f"{pair['diff']['cpu']:.1f}" if pair["diff"] else "failed"
        print(f"| {pair['version']} | {figures['deltas'][pair['version']]:,} | {'yes' if pair['right'] else 'NO'} | {apply} | {alone} |")
    if "killed" in figures:
        killed = figures["killed"]
        again = f"{killed['again']['elapsed']:.0f} s" if killed["again"] else "failed"
        print(f"\nkilled after {killed['kept']} deltas, started again: {again}, {'nothing lost, same payloads' if killed['right'] else 'WRONG'}")


def measure(lab):
    check_material(lab)
    repo, figures = measure_release(lab)
    figures.update(settings(lab.options), jobs=lab.options.jobs)
    print_figures(lab.options, figures)
    figures["missing"] = sorted(set(lab.releases(lab.repo)) - set(figures["deltas"]))
    if figures["missing"]:
        print(f"no payload from: {', '.join(figures['missing'])}")
    versions = [f"1.{number}" for number in range(lab.options.bases) if f"1.{number}" in figures["deltas"]]
    figures["sample"] = [measure_pair(lab, repo, version) for version in sample_of(versions, lab.options.sample)]
    if not lab.options.no_kill and lab.options.bases >= KILL_BASES:
        figures["killed"] = kill_in_the_middle(lab, repo)
    print_checks(figures)
    if lab.options.json:
        with open(lab.options.json, "w", encoding="utf-8") as file:
            json.dump(figures, file, indent="\t")
    right = all(pair["right"] for pair in figures["sample"]) and figures.get("killed", {"right": True})["right"]
    return 0 if right and not figures["missing"] else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bases", type=int, default=BAR_BASES, metavar="N", help="releases before the newest; %(default)s unless given")
    parser.add_argument("--size", type=int, default=256, metavar="MIB",
                        help="of each image; %(default)s unless given; below 256 with fewer packages, which need 176 or so")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="deltas at a time; %(default)s unless given")
    parser.add_argument("--seed", type=int, default=1, help="another one draws another history")
    parser.add_argument("--keep", metavar="FOLDER", help="the material stays there, and is used again; removed at the end unless given")
    parser.add_argument("--prepare", action="store_true", help="makes the material and stops; needs --keep")
    parser.add_argument("--sample", type=int, default=5, metavar="K", help="payloads that are applied and encoded again; %(default)s unless given")
    parser.add_argument("--no-kill", action="store_true", help="without the release that is killed")
    parser.add_argument("--programs", default=os.path.join(measuring.ROOT, "build", "dev", "bin"), metavar="FOLDER", help="where decade-repo and decade-delta are")
    parser.add_argument("--downloads", default=os.path.join(measuring.ROOT, "build", "images"), metavar="FOLDER", help="where packages are kept, in debs/")
    parser.add_argument("--json", metavar="FILE", help="the figures, for machines")
    options = parser.parse_args()
    if options.bases < 1 or options.jobs < 1:
        parser.error("--bases and --jobs must be at least 1")
    if options.prepare and options.keep is None:
        parser.error("--prepare needs --keep FOLDER")
    os.makedirs(os.path.join(measuring.ROOT, "build"), exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-bases-", dir=os.path.join(measuring.ROOT, "build")) as temporary:
        lab = Lab(options.keep or temporary, options)
        try:
            prepare(lab)
            return 0 if options.prepare else measure(lab)
        except subprocess.CalledProcessError as error:
            said = error.stderr.decode() if isinstance(error.stderr, bytes) else error.stderr
            sys.exit(f"{' '.join(error.cmd)} failed:\n{said or ''}")


if __name__ == "__main__":
    sys.exit(main())
