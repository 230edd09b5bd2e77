#!/usr/bin/env python3
"""Many bases at once: the cache, jobs side by side, jobs on other machines, and what a publisher believes of them (nothing)."""
import gzip
import json
import os
import pathlib
import random
import shutil
import struct
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.dont_write_bytecode = True
from device_lab import DONE, SEGMENT, USAGE, Device, LabCase, Repo, Running, make_image, next_image, run  # noqa: E402

BASES = 6


def payloads(repo):
    folder = pathlib.Path(repo.folder) / "targets" / "payloads"
    return {path.name: path.read_bytes() for path in folder.iterdir()}


class Bases(LabCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.start = Repo(cls.lab / "start")
        cls.images = [{"rootfs": make_image(24 * SEGMENT, "rootfs"), "boot": make_image(5 * SEGMENT, "boot")}]
        for n in range(BASES):
            cls.start.release("1.%d" % n, cls.images[-1], bases="none")
            cls.images.append({name: next_image(image, "%s %d" % (name, n)) for name, image in cls.images[-1].items()})
        cls.files = {}
        for name, image in cls.images[-1].items():
            cls.files[name] = cls.lab / name
            cls.files[name].write_bytes(image)
        cls.plain = cls.start.copy(cls.lab / "plain")
        cls.release(cls.plain)
        cls.expected = payloads(cls.plain)

    @classmethod
    def words(cls):
        return ["--segment-size", SEGMENT, "--effort", "4"] + [word for name, path in cls.files.items() for word in ("--image", "%s=%s" % (name, path))]

    @classmethod
    def release(cls, repo, *words):
        return repo.call("release", "--version", "2.0", *cls.words(), *words)

    def setUp(self):
        super().setUp()
        self.repo = self.start.copy(self.folder / "own")
        self.cache = self.folder / "cache"

    def plan(self, *words):
        result = self.expect(DONE, run("decade-repo", "plan", self.repo.folder, *self.words(), "--cache", self.cache, *words, timeout=240))
        return result.out.splitlines()

    def work(self, *jobs, repo=None, cache=None):
        return run("decade-repo", "work", repo or self.repo.folder, "--cache", cache or self.cache, *jobs, timeout=240)

    def assert_same_release(self, repo=None):
        """The very files of a release that one process made, one delta after the other."""
        made = payloads(repo or self.repo)
        self.assertEqual(sorted(self.expected), sorted(made))
        self.assertTrue(all(made[name] == data for name, data in self.expected.items()), "a payload has other bytes")

    def test_there_is_a_delta_from_every_base_and_every_one_installs(self):
        manifest = json.loads(self.plain.manifest_path("2.0").read_text())
        for image in manifest["images"]:
            self.assertEqual(BASES + 1, len(image["payloads"]))
        for n in (0, BASES - 1):
            device = Device(self.folder / ("device%d" % n), self.plain.root, self.plain.folder, image=self.images[n], slot_size=24 * SEGMENT,
                            classes=sorted(self.files))
            report = self.expect(DONE, device.run("install", "--json")).json
            self.assertEqual(("2.0", "delta"), (report["version"], report["payload"]))
            for name in self.files:
                self.assert_slot(device, "b", self.images[-1][name], name)

    def test_jobs_and_threads_change_no_byte(self):
        for jobs, threads in ((1, 1), (3, 1), (2, 4), (8, 3)):
            with self.subTest(jobs=jobs, threads=threads):
                repo = self.start.copy(self.folder / ("own-%d-%d" % (jobs, threads)))
                self.release(repo, "--jobs", jobs, "--threads", threads)
                self.assert_same_release(repo)
                self.assertEqual((self.plain.manifest_path("2.0").read_bytes()), repo.manifest_path("2.0").read_bytes())
                self.assertFalse(pathlib.Path(str(repo.folder) + ".cache").exists())

    def test_workers_in_any_order_make_the_same_release(self):
        jobs = self.plan()
        self.assertEqual(2 * BASES, len(set(jobs)))
        self.assertTrue(all(job.replace("-", "").replace(".", "").isalnum() for job in jobs), jobs)
        for job in reversed(jobs[::2]):
            self.expect(DONE, self.work(job), "done")
        self.assertEqual(jobs[1::2], self.plan())
        self.expect(DONE, self.work(*jobs), "was done")
        self.assertEqual([], self.plan())
        before = {path.name: path.stat().st_mtime_ns for path in self.cache.iterdir() if not path.name.startswith("full")}
        inodes = {path.stat().st_ino for path in self.cache.iterdir()}
        self.release(self.repo, "--cache", self.cache)
        self.assert_same_release()
        self.assertEqual(set(before), {path.name for path in self.cache.iterdir() if not path.name.startswith("full")})
        made = [path for path in (self.repo.folder / "targets" / "payloads").iterdir() if path.stat().st_ino in inodes]
        self.assertEqual(2 * BASES + 2, len(made), "the cache was not used")
        self.expect(DONE, run("decade-repo", "check", self.repo.folder, "--deep", timeout=240))

    def test_two_workers_on_one_job_at_a_time(self):
        job = self.plan()[0]
        running = [Running("decade-repo", "work", self.repo.folder, "--cache", self.cache, job) for _ in range(3)]
        for one in running:
            self.expect(DONE, one.wait(240))
        self.assertEqual([], [path.name for path in self.cache.iterdir() if path.name.startswith(".")])

    def test_a_machine_needs_no_more_than_the_files_that_the_plan_names(self):
        for n, line in enumerate(self.plan("--json")[:3]):
            job = json.loads(line)
            repo, cache = self.folder / ("other%d" % n) / "repo", self.folder / ("other%d" % n) / "cache"
            for folder, origin, name in ((repo, self.repo.folder, job["needs_from_repository"]), (cache, self.cache, job["needs_from_cache"])):
                (folder / name).parent.mkdir(parents=True)
                shutil.copy(pathlib.Path(origin) / name, folder / name)
            self.expect(DONE, self.work(job["job"], repo=repo, cache=cache))
            self.assertEqual({job["needs_from_cache"], job["makes_in_cache"]}, {path.name for path in cache.iterdir()})
            shutil.copy(cache / job["makes_in_cache"], self.cache)
        self.release(self.repo, "--cache", self.cache)
        self.assert_same_release()

    def test_what_a_worker_made_badly_is_made_again(self):
        jobs = [json.loads(line) for line in self.plan("--json")]
        self.expect(DONE, self.work(*[job["job"] for job in jobs]))
        made = [self.cache / job["makes_in_cache"] for job in jobs]
        good = [path.read_bytes() for path in made]
        rootfs = [n for n, job in enumerate(jobs) if job["class"] == "rootfs"]
        flipped = bytearray(good[rootfs[0]])
        flipped[-1] ^= 1
        lies = {rootfs[0]: bytes(flipped), rootfs[1]: good[rootfs[2]], rootfs[2]: b"", rootfs[3]: good[rootfs[3]][:-1], rootfs[4]: b"decade" * 1000,
                rootfs[5]: (self.cache / jobs[rootfs[5]]["needs_from_cache"]).read_bytes()}
        for n, data in lies.items():
            made[n].write_bytes(data)
        result = self.release(self.repo, "--cache", self.cache)
        self.assertEqual(len(lies), result.err.count("making it again"), result.err)
        self.assert_same_release()
        self.expect(DONE, run("decade-repo", "check", self.repo.folder, "--deep", timeout=240))

    def test_a_full_payload_of_another_image_is_not_believed(self):
        lines = [json.loads(line) for line in self.plan("--json")]
        full = {line["class"]: self.cache / line["needs_from_cache"] for line in lines}
        full["rootfs"].write_bytes(full["boot"].read_bytes())
        self.expect(5, self.work(next(line["job"] for line in lines if line["class"] == "rootfs")), "something else")
        self.assertEqual(1, self.release(self.repo, "--cache", self.cache).err.count("making it again"))
        self.assert_same_release()

    def test_what_was_made_before_a_kill_is_not_made_again(self):
        cache = pathlib.Path(str(self.repo.folder) + ".cache")
        running = Running("decade-repo", "release", self.repo.folder, "--keys", self.repo.keys, "--version", "2.0", *self.words())
        self.wait_for(lambda: cache.exists() and sum(1 for path in cache.iterdir() if path.name[0] not in "f.") >= 3, 120)
        running.kill()
        running.wait()
        for _ in range(50):  # its child goes with it, soon
            inodes = {path.stat().st_ino for path in cache.iterdir() if not path.name.startswith(".")}
            time.sleep(0.02)
        self.assertNotIn("2.0", run("decade-repo", "list", self.repo.folder).out)
        self.release(self.repo)
        self.assert_same_release()
        kept = [path for path in (self.repo.folder / "targets" / "payloads").iterdir() if path.stat().st_ino in inodes]
        self.assertGreaterEqual(len(kept), 4)
        self.assertFalse(cache.exists())

    def test_a_lasting_cache_keeps_to_its_bounds(self):
        self.release(self.repo, "--cache", self.cache, "--cache-size", 1 << 20)
        sizes = [path.stat().st_size for path in self.cache.iterdir()]
        self.assertTrue(sizes)
        self.assertLessEqual(sum(sizes), 1 << 20)
        (self.cache / "somebody's notes").write_text("not ours")
        for path in self.cache.glob("*.dcp"):
            os.utime(path, (1, 1))
        repo = self.start.copy(self.folder / "second")
        repo.call("release", "--version", "2.0", "--segment-size", SEGMENT, "--effort", "1", "--image", "boot=%s" % self.files["boot"], "--bases", "1",
                  "--cache", self.cache, "--cache-days", "1")
        self.assertEqual(2 + 1, len(list(self.cache.iterdir())))

    def test_what_is_no_job_is_refused(self):
        job = self.plan()[0]
        self.expect(USAGE, self.work("rootfs"), "no job")
        self.expect(USAGE, self.work(job[:64] + job[65:]), "no job")
        self.expect(USAGE, self.work(), "JOB")
        self.expect(USAGE, self.work(job + "9"), "the same decade-repo and zstd")
        self.assertNotEqual(DONE, self.work(("0" * 64) + job[64:]).code)
        self.expect(USAGE, run("decade-repo", "plan", self.repo.folder, *self.words()), "--cache")


class KeepPacked(LabCase):
    """A release whose deltas leave compressed blocks alone, for devices that can't or shouldn't compress any."""

    def setUp(self):
        super().setUp()
        rng = random.Random(9)
        words = [rng.randbytes(4).hex() for _ in range(500)]
        old = [" ".join(rng.choice(words) for _ in range(8)) for _ in range(4000)]
        new = old[:1500] + ["a line of the new release"] + old[1500:]
        self.repo, self.cache, self.file = Repo(self.folder / "own"), self.folder / "cache", self.folder / "new"
        noise = rng.randbytes(8 * SEGMENT)
        self.old, self.new = (noise + gzip.compress("\n".join(text).encode(), 9, mtime=0) for text in (old, new))
        self.repo.release("1.0", self.old)
        self.file.write_bytes(self.new)
        self.words = ["--image", "rootfs=%s" % self.file, "--segment-size", SEGMENT]

    def plan(self, *words):
        result = run("decade-repo", "plan", self.repo.folder, *self.words, "--cache", self.cache, *words)
        return self.expect(DONE, result).out.splitlines()

    def release(self, repo, *words):
        """The delta's bytes, and the bits of the compressors that it needs."""
        before = set(payloads(repo))
        repo.call("release", "--version", "2.0", *self.words, *words)
        delta = [data for name, data in payloads(repo).items() if name not in before and data[72:104] != bytes(32)]
        self.assertEqual(1, len(delta))
        return delta[0], struct.unpack_from("<I", delta[0], 12)[0]

    def test_the_setting_travels_from_plan_to_work_to_release(self):
        plain, kept = self.plan(), self.plan("--keep-packed")
        self.assertEqual(1, len(plain))
        self.assertEqual([plain[0].replace("-e6-", "-e6k-")], kept)
        self.expect(DONE, run("decade-repo", "work", self.repo.folder, "--cache", self.cache, kept[0], plain[0]), "done")
        self.assertEqual([], self.plan("--keep-packed"))
        inodes = {path.read_bytes(): path.stat().st_ino for path in self.cache.iterdir()}
        self.assertEqual(2 + 1, len(inodes), "two deltas and one full payload")
        for name, words in (("plain", ()), ("kept", ("--keep-packed",))):
            with self.subTest(name):
                alone, features = self.release(self.repo.copy(self.folder / name), *words)
                self.assertEqual(name == "kept", features == 0)
                self.assertIn(alone, inodes, "a worker makes other bytes")
                repo = self.repo.copy(self.folder / (name + "-cached"))
                self.assertEqual(alone, self.release(repo, *words, "--cache", self.cache)[0])
                made = {path.stat().st_ino for path in (repo.folder / "targets" / "payloads").iterdir()}
                self.assertIn(inodes[alone], made, "the cache was not used")
                device = Device(self.folder / (name + "-device"), repo.root, repo.folder, image=self.old, slot_size=len(self.new) + SEGMENT)
                report = self.expect(DONE, device.run("install", "--json")).json
                self.assertEqual("delta", report["payload"])
                self.assert_slot(device, "b", self.new)

    def test_only_a_k_may_stand_behind_the_effort(self):
        job = self.plan("--keep-packed")[0]
        for wrong in ("-e6kk-", "-e6x-", "-ek-", "-e6k"):
            self.expect(USAGE, run("decade-repo", "work", self.repo.folder, "--cache", self.cache, job.replace("-e6k-", wrong)), "no job")


if __name__ == "__main__":
    unittest.main(verbosity=2)
