"""Forty root versions, RSA to ECDSA to ECDSA with LMS, keys and thresholds changing: a device made with any one of them reaches the
newest, from a folder and from a bundle, by a right clock and by clocks that stand at 1970, 2038, 2106 or jump."""
import calendar
import concurrent.futures
import itertools
import json
import os
import pathlib
import shutil
import subprocess
import unittest

from device_lab import BIN, DONE, NOT_AUTHENTIC, NOTHING_TO_DO, SEGMENT, Device, LabCase, Repo, make_image, run

ROOTS = 40
CLOCK = pathlib.Path(os.environ["DECADE_FAKE_CLOCK"])
SANITIZER = {"ASAN_OPTIONS": "verify_asan_link_order=0:detect_leaks=0"}
YEAR = 365 * 86400


def instant(*date):
    return calendar.timegm((*date, 0, 0, 0)[:6])


BEGIN = instant(2026, 12, 1)
AT_2038 = 2**31 + 5 * 86400  # days after 32-bit clocks overflow, signed
AT_2106 = 2**32 + 5 * 86400  # and unsigned
BUILD_TIME = 1767225600  # the program's own floor, unless it was built with another one


def at(clock, *words):
    """`decade` with its wall clock at that second."""
    env = ["LD_PRELOAD=%s" % CLOCK, "DECADE_TEST_CLOCK=%d" % clock, *("%s=%s" % pair for pair in SANITIZER.items())]
    return run("/usr/bin/env", *env, BIN / "decade", *words)


class TenYears(LabCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.image = make_image(3 * SEGMENT, 7)
        cls.numbers = itertools.count()
        cls.keys = cls.lab / "keys"
        cls.keys.mkdir(mode=0o700)
        for name in ("root", "more-0", "more-1", "more-2"):
            cls.openssl("genrsa", "-out", cls.keys / (name + ".pem"), "2048")
            (cls.keys / (name + ".pem")).chmod(0o600)
        cls.now = BEGIN
        cls.with_clock(lambda: cls.make_history())

    @classmethod
    def openssl(cls, *words):
        subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)

    @classmethod
    def with_clock(cls, work):
        before = os.environ.get("SOURCE_DATE_EPOCH")
        try:
            work()
        finally:
            os.environ.pop("SOURCE_DATE_EPOCH", None)
            if before is not None:
                os.environ["SOURCE_DATE_EPOCH"] = before

    @classmethod
    def call(cls, command, *words):
        os.environ["SOURCE_DATE_EPOCH"] = str(cls.now)
        cls.repo.call(command, *words)

    @classmethod
    def root(cls, version):
        return json.loads((cls.repo.folder / "metadata" / ("%d.root.json" % version)).read_text())["signed"]

    @classmethod
    def rotate(cls, *words, role="root"):
        cls.call("rotate", "--role", role, *words)
        cls.version += 1
        cls.now += YEAR // 4

    @classmethod
    def keep(cls, name):
        """The repository as it is now, its bundle, and how many roots it has."""
        cls.call("refresh")
        cls.call("release", "--version", name, "--image", "rootfs=%s" % (cls.lab / "image"), "--segment-size", SEGMENT)
        shutil.copytree(cls.repo.folder, cls.lab / name)
        bundle = cls.lab / (name + ".dcb")
        done = run("decade-repo", "bundle", cls.lab / name, "--version", name, "-o", bundle)
        assert done.code == 0, str(done)
        cls.kept[name] = (cls.lab / name, bundle, cls.version)

    @classmethod
    def make_history(cls):
        (cls.lab / "image").write_bytes(cls.image)
        cls.kept = {}
        os.environ["SOURCE_DATE_EPOCH"] = str(cls.now)
        cls.repo = Repo(cls.lab)
        cls.version = 1
        # RSA: more keys, a higher threshold, one that goes, other roles' keys.
        cls.rotate("--add-key", cls.keys / "more-0.pem", "--add-key", cls.keys / "more-1.pem", "--threshold", 2)
        cls.rotate("--add-key", cls.keys / "more-2.pem", "--algorithm", "rsa-pkcs1v15")
        cls.rotate("--remove", cls.root(1)["roles"]["root"]["keyids"][0])
        cls.rotate(role="timestamp")
        cls.rotate("--algorithm", "ecdsa-p384", role="targets")
        cls.rotate("--threshold", 3)
        cls.rotate("--threshold", 1)
        while cls.version < 12:
            cls.rotate(role=("snapshot", "timestamp", "targets")[cls.version % 3])
        # ECDSA takes over, first beside RSA.
        cls.rotate("--add", "--add", "--threshold", 3)
        cls.rotate("--replace", "--add", "--add", "--threshold", 2)
        cls.rotate("--add", "--algorithm", "ecdsa-p384", "--threshold", 3)
        cls.rotate("--add", "--algorithm", "ed25519", role="timestamp")
        while cls.version < 20:
            cls.rotate("--replace", "--add", "--add", "--algorithm", ("ecdsa-p256", "ecdsa-p384")[cls.version % 2], "--threshold", 2)
        cls.now = AT_2038
        cls.call("rotate", "--role", "root", "--threshold", 1)
        cls.version += 1
        cls.keep("2038.1")
        # ECDSA and LMS, both needed.
        cls.rotate("--replace", "--add", "--threshold", 1)
        cls.rotate("--add", "--algorithm", "lms", "--threshold", 2)
        for role in ("timestamp", "targets", "snapshot", "timestamp"):
            cls.rotate(role=role)
        old = [keyid for keyid, key in cls.root(cls.version)["keys"].items() if key["keytype"] == "lms"]
        cls.rotate("--remove", old[0], "--add", "--algorithm", "lms")
        while cls.version < ROOTS - 1:
            cls.rotate("--add", "--algorithm", ("ed25519", "ecdsa-p256")[cls.version % 2], role=("timestamp", "snapshot")[cls.version % 2])
        cls.now = AT_2106
        cls.call("rotate", "--role", "timestamp")
        cls.version += 1
        assert cls.version == ROOTS
        cls.keep("2106.1")

    def device(self, kept, factory, source=None):
        """A device of the factory root `factory`."""
        folder, _, _ = self.kept[kept]
        return Device(self.folder / ("device-%d" % next(self.numbers)), folder / "metadata" / ("%d.root.json" % factory),
                      source or folder, image=make_image(2 * SEGMENT, 1), slot_size=4 * SEGMENT)

    def newest_root(self, device):
        return max(int(path.name.split(".")[0]) for path in (device.state / "metadata").glob("*.root.json"))

    def reach(self, kept, factory, clock, bundle):
        folder, file, version = self.kept[kept]
        device = self.device(kept, factory)
        words = ("install", file) if bundle else ("install",)
        done = at(clock, "--config", device.config, *words)
        reached = self.newest_root(device) if version > factory else factory
        whole = device.slot("b", len(self.image)) == self.image
        shutil.rmtree(device.folder)
        return "%s from root %d: exit code %d, root %d, %s\n%s" % (kept, factory, done.code, reached, whole, done.err) \
            if (done.code, reached, whole) != (DONE, version, True) else None

    def reach_all(self, jobs):
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            failures = [one for one in pool.map(lambda job: self.reach(*job), jobs) if one]
        self.assertEqual([], failures)

    def test_the_history_is_what_it_says(self):
        signed = [self.root(version) for version in range(1, ROOTS + 1)]
        kinds = [sorted({root["keys"][keyid]["keytype"] for keyid in root["roles"]["root"]["keyids"]}) for root in signed]
        self.assertEqual([["rsa"], ["ecdsa", "rsa"], ["ecdsa"], ["ecdsa", "lms"]],
                         [kind for i, kind in enumerate(kinds) if i == 0 or kind != kinds[i - 1]])
        self.assertEqual({1, 2, 3}, {root["roles"]["root"]["threshold"] for root in signed})
        self.assertEqual(2, signed[-1]["roles"]["root"]["threshold"])

    def test_any_factory_root_reaches_the_newest_by_a_right_clock(self):
        self.reach_all([("2106.1", factory, AT_2106, False) for factory in range(1, ROOTS + 1)])

    def test_any_factory_root_reaches_the_newest_from_a_bundle_with_the_clock_at_1970(self):
        self.reach_all([("2106.1", factory, 0, True) for factory in range(1, ROOTS + 1)])

    def test_around_2038_too(self):
        jobs = [(factory, clock, bundle) for factory in (1, 12, 13, 20, 21) for clock in (0, 2**31 - 1, 2**31, AT_2038) for bundle in (False, True)]
        self.reach_all([("2038.1", *job) for job in jobs])

    def test_a_bundle_that_is_decades_old_installs_and_is_called_stale(self):
        device = self.device("2038.1", 1)
        done = at(AT_2106, "--config", device.config, "install", self.kept["2038.1"][1])
        self.expect(DONE, done, "expired")
        self.expect(NOT_AUTHENTIC, at(AT_2106, "--config", device.config, "check"), "expired")

    def test_a_clock_that_jumps_leaves_no_mark(self):
        device = self.device("2106.1", 5)
        check = ("--config", device.config, "install")
        self.expect(DONE, at(AT_2106, *check))
        for wrong in (0, 1, 2**31 - 1, 2**31, 2**32 - 1, 2**32):  # behind: the timestamp's signing time is the floor
            self.expect(NOTHING_TO_DO, at(wrong, "--config", device.config, "check"))
        for wrong in (AT_2106 + 40 * YEAR, 2**40, 2**55):  # ahead: refused, but nothing remembers it
            self.expect(NOT_AUTHENTIC, at(wrong, "--config", device.config, "check"), "expired")
        self.expect(NOTHING_TO_DO, at(AT_2106, "--config", device.config, "check"))
        device.configure(expiry="report")
        self.expect(NOTHING_TO_DO, at(AT_2106 + 40 * YEAR, "--config", device.config, "check"))

    def test_lms_alone_or_ecdsa_alone_is_not_enough(self):
        """The last root with one of its two signatures taken away."""
        folder = self.folder / "cut"
        shutil.copytree(self.kept["2106.1"][0], folder)
        device = Device(self.folder / "device", folder / "metadata" / "30.root.json", folder, image=make_image(3 * SEGMENT, 1))
        last = folder / "metadata" / ("%d.root.json" % ROOTS)
        whole = json.loads(last.read_text())
        for keep in (0, 1):
            cut = {"signatures": [whole["signatures"][keep]], "signed": whole["signed"]}
            last.write_text(json.dumps(cut, sort_keys=True, separators=(",", ":"), ensure_ascii=False))
            self.expect(NOT_AUTHENTIC, at(AT_2106, "--config", device.config, "check"), "1 valid signature(s) of the 2")
        last.write_text(json.dumps(whole, sort_keys=True, separators=(",", ":"), ensure_ascii=False))
        self.expect(DONE, at(AT_2106, "--config", device.config, "check"))


if __name__ == "__main__":
    unittest.main()
