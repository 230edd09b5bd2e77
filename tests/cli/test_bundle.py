"""Bundles: made, read in every way, tampered with, turned back into a repository."""
import gzip
import hashlib
import io
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tarfile
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from device_lab import (BIN, DONE, FAILED, LONG, NOT_AUTHENTIC, NOTHING_TO_DO, REFUSED, SEGMENT, STORAGE, UNREACHABLE, USAGE,  # noqa: E402
                        Device, LabCase, Repo, Result, make_image, next_image, run)

CLASSES = ("boot", "dtb", "rootfs")
BLOCK = 512


def install_from(device, path, *words, how="stdin", command="install", env=None):
    """Runs `decade COMMAND -` with the file on its standard input, as a file or through a pipe."""
    argv = [str(BIN / "decade"), "--config", str(device.config), command, *words, "-"]
    if how == "pipe":
        with subprocess.Popen(["cat", str(path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as cat:
            done = subprocess.run(argv, stdin=cat.stdout, capture_output=True, text=True, timeout=120, env=env)
            cat.stdout.close()
    else:
        with open(path, "rb") as file:
            done = subprocess.run(argv, stdin=file, capture_output=True, text=True, timeout=120, env=env)
    return Result(argv, done.returncode, done.stdout, done.stderr, 0, 0)


def index_of(data):
    size = int(data[124:135], 8)
    return json.loads(data[BLOCK:BLOCK + size])


def how_streams(way):
    return way.endswith(("stdin", "pipe"))


class BundleCase(LabCase):
    """Two releases of three images; the dtb doesn't change."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.repo = Repo(cls.lab)
        cls.v1 = {"boot": make_image(10 * SEGMENT, "boot"), "dtb": make_image(SEGMENT + 4000, "dtb"), "rootfs": make_image(40 * SEGMENT, "rootfs")}
        cls.v2 = {"boot": next_image(cls.v1["boot"], 2), "dtb": cls.v1["dtb"], "rootfs": next_image(cls.v1["rootfs"], 2)}
        cls.repo.release("1.0", cls.v1)
        cls.repo.release("2.0", cls.v2)
        cls.full = cls.bundle("full")
        cls.both = cls.bundle("both", "--base", "1.0")
        cls.delta = cls.bundle("delta", "--base", "1.0", "--no-full")

    @classmethod
    def bundle(cls, name, *words, version="2.0", repo=None):
        path = cls.lab / (name + ".dcb")
        result = run("decade-repo", "bundle", (repo or cls.repo).folder, "--version", version, *words, "-o", path)
        if result.code != 0:
            raise AssertionError(str(result))
        return path

    def device(self, name="device", image=None, **settings):
        return Device(self.folder / name, self.repo.root, "http://127.0.0.1:9/", image=image or self.v1, slot_size=48 * SEGMENT,
                      classes=CLASSES, **settings)

    def assert_installed(self, device, slot="b", images=None):
        for name, image in (images or self.v2).items():
            self.assertTrue(device.slot(slot, len(image), name) == image, "%s of slot %s is not the image" % (name, slot))

    def assert_untouched(self, device, before):
        """Nothing that boots has changed, and nothing was staged."""
        before["running"]["version"] = device.boots()["running"]["version"]  # it may have been found out
        self.assertEqual(before, device.boots())
        self.assertNotIn(device.status()["state"], ("staged", "pending"))

    def put(self, data, name="x.dcb"):
        path = self.folder / name
        path.write_bytes(data)
        return path


class RoundTrip(BundleCase):
    def live(self, device):
        self.assert_installed(device)
        self.assertEqual("pending", device.status()["state"])
        self.assertEqual("B", device.boot())
        self.expect(DONE, device.run("mark-good"))
        status = device.status()
        self.assertEqual(("b", "2.0"), (status["booted"], status["version"]))
        self.expect(DONE, device.run("verify"))

    def test_network_folder_file_stdin_pipe_and_served_bundle_end_the_same(self):
        server = self.serve(self.lab)
        ways = {
            "network": lambda d: d.run("install", "--json", server.url + "/repo/"),
            "folder": lambda d: d.run("install", "--json", self.repo.folder),
            "file": lambda d: d.run("install", "--json", self.both),
            "stdin": lambda d: install_from(d, self.both, "--json"),
            "pipe": lambda d: install_from(d, self.both, "--json", how="pipe"),
            "served": lambda d: d.run("install", "--json", server.url + "/both.dcb"),
            "file URL": lambda d: d.run("install", "--json", "file://%s" % self.both),
        }
        reports = {}
        for way, install in ways.items():
            with self.subTest(way):
                device = self.device(way.replace(" ", "-"))
                report = self.expect(DONE, install(device)).json
                reports[way] = {key: report[key] for key in ("result", "version", "from_version", "payload", "segments_same", "segments_delta",
                                                             "segments_full", "segments_zero", "bytes_written", "bytes_best")}
                self.live(device)
        for way, report in reports.items():
            self.assertEqual(reports["network"], report, way)

    def test_a_delta_bundle_and_a_full_bundle_install_too(self):
        for path, payload in ((self.delta, "delta"), (self.full, "full")):
            for how in ("file", "stdin"):
                with self.subTest(path.name, how=how):
                    device = self.device("%s-%s" % (path.stem, how))
                    result = device.run("install", "--json", path) if how == "file" else install_from(device, path, "--json")
                    self.expect(DONE, result)
                    self.assertEqual(payload == "delta", result.json["segments_delta"] > 0)
                    self.live(device)

    def test_a_seekable_bundle_is_read_only_where_it_is_needed(self):
        server = self.serve(self.lab)
        for source, seen in ((str(self.both), None), (server.url + "/both.dcb", server)):
            device = self.device("seek-%s" % (seen is not None))
            report = self.expect(DONE, device.run("install", "--json", source)).json
            self.assertLess(report["bytes_fetched"], self.delta.stat().st_size + 128 * 1024)
            self.assertLess(report["bytes_fetched"], self.both.stat().st_size // 4)
            if seen is not None:
                # What a server writes may still be under way when the client leaves the head's request.
                self.assertLess(sum(min(entry.sent, 512 * 1024) for entry in seen.requests("both.dcb")[1:]), self.delta.stat().st_size + 64 * 1024)

    def test_a_stream_that_was_cut_is_resumed_by_content(self):
        device = self.device()
        data = self.full.read_bytes()
        result = install_from(device, self.put(data[:len(data) // 2]))
        self.expect(NOT_AUTHENTIC, result, "cut off")
        self.assertEqual("a", device.status()["booted"])
        report = self.expect(DONE, install_from(device, self.full, "--json")).json
        self.assertGreater(report["segments_already_right"], 8)
        self.live(device)

    def test_a_fifo_and_a_folder_named_like_a_bundle_are_what_they_are(self):
        fifo = self.folder / "fifo"
        os.mkfifo(fifo)
        feeder = subprocess.Popen(["sh", "-c", 'cat "$1" > "$2"', "sh", str(self.full), str(fifo)])
        self.expect(DONE, self.device("fifo-device").run("install", fifo))
        feeder.wait(10)
        folder = self.folder / "repo.dcb"
        shutil.copytree(self.repo.folder, folder)
        self.expect(DONE, self.device("folder-device").run("install", folder))

    def test_what_is_not_there_is_unreachable(self):
        for source in (self.folder / "none.dcb", "http://127.0.0.1:9/none.dcb"):
            self.expect(UNREACHABLE, self.device("d%d" % len(str(source)), retries=0).run("install", source), "none.dcb")
        server = self.serve(self.lab)
        self.expect(UNREACHABLE, self.device("d404").run("install", server.url + "/none.dcb"), "none.dcb")

    def test_the_newest_release_outside_does_not_matter_to_an_older_bundle(self):
        repo = self.repo.copy(self.folder)
        repo.release("3.0", {name: next_image(image, 3) for name, image in self.v2.items()})
        path = self.folder / "old.dcb"
        self.expect(DONE, run("decade-repo", "bundle", repo.folder, "--version", "2.0", "-o", path))
        for how in ("file", "stdin"):
            device = self.device(how)
            self.expect(DONE, device.run("install", path) if how == "file" else install_from(device, path), "2.0")
            self.live(device)

    def test_installing_again_is_nothing_to_do(self):
        device = self.device()
        self.expect(DONE, device.run("install", self.full))
        device.boot()
        self.expect(DONE, device.run("mark-good"))
        self.expect(NOTHING_TO_DO, device.run("install", self.full))
        self.expect(NOTHING_TO_DO, install_from(device, self.full))
        self.expect(DONE, device.run("install", "--reinstall", self.full))
        self.assert_installed(device, "a")

    def test_repair_from_a_bundle(self):
        device = self.device()
        self.expect(DONE, device.run("install", self.full))
        device.boot()
        self.expect(DONE, device.run("mark-good"))
        v1 = self.folder / "v1.dcb"
        self.expect(DONE, run("decade-repo", "bundle", self.repo.folder, "--version", "1.0", "-o", v1))
        device.overwrite("a", 5 * SEGMENT + 7, b"damage")
        self.expect(DONE, install_from(device, v1, command="repair"))
        self.assert_installed(device, "a", self.v1)


class Damage(BundleCase):
    """A running slot that is not what it should be."""

    def damaged(self, name):
        device = self.device(name)
        self.expect(DONE, device.run("install", self.full))
        device.boot()
        self.expect(DONE, device.run("mark-good"))
        self.expect(DONE, device.run("rollback"))
        device.boot()
        self.expect(DONE, device.run("mark-good"))
        for name in ("rootfs", "boot"):
            with open(device.paths[("b", name)], "r+b") as file:
                file.write(bytes(48 * SEGMENT))
        rng = random.Random(7)
        for segment in rng.sample(range(40), 6):
            device.overwrite("a", segment * SEGMENT + rng.randrange(SEGMENT - 8), b"damage!!")
        return device

    def test_full_frames_come_after_the_delta_frames_also_in_a_stream(self):
        for how in ("file", "stdin"):
            device = self.damaged(how)
            result = device.run("install", "--json", "--reinstall", self.both) if how == "file" else \
                install_from(device, self.both, "--json", "--reinstall")
            self.expect(DONE, result)
            self.assertGreater(result.json["segments_refetched"], 0)
            self.assert_installed(device)

    def test_without_full_frames_it_says_what_is_missing_and_the_network_goes_on(self):
        server = self.serve(self.lab)
        for how in ("file", "stdin"):
            device = self.damaged(how)
            before = device.boots()
            words = ("--json", "--reinstall")
            result = device.run("install", *words, self.delta) if how == "file" else install_from(device, self.delta, *words)
            self.expect(UNREACHABLE, result, "full frames", "rootfs")
            self.assert_untouched(device, before)
            report = self.expect(DONE, device.run("install", *words, server.url + "/repo")).json
            self.assertGreater(report["segments_already_right"], 20)
            self.assert_installed(device)


class Selection(BundleCase):
    def test_a_device_without_the_base_is_told_before_a_byte_is_written(self):
        for how in ("file", "stdin"):
            device = self.device(how, image={name: make_image(len(image), "other") for name, image in self.v1.items()})
            before = device.boots(), [device.slot("b", image=name) for name in CLASSES]
            result = device.run("install", self.delta) if how == "file" else install_from(device, self.delta)
            self.expect(UNREACHABLE, result, "holds no payload", "--base")
            self.assertEqual(before, (device.boots(), [device.slot("b", image=name) for name in CLASSES]))

    def test_full_asked_for_where_there_is_none(self):
        self.expect(UNREACHABLE, self.device().run("install", "--full", self.delta), "holds no payload")

    def test_another_channel_board_and_product(self):
        self.expect(REFUSED, self.device("channel", channel="beta").run("install", self.full), "channel 'retail'", "'beta'")
        self.expect(REFUSED, self.device("product", product="toaster").run("install", self.full), "product")
        repo = Repo(self.folder)
        repo.release("1.0", self.v1, compatible=["board-x"])
        path = self.folder / "board.dcb"
        self.expect(DONE, run("decade-repo", "bundle", repo.folder, "--version", "1.0", "--board", "board-x", "-o", path))
        self.expect(REFUSED, run("decade-repo", "bundle", repo.folder, "--version", "1.0", "--board", "board-y", "-o", path), "board-y")
        device = Device(self.folder / "other-board", repo.root, "/nowhere", image=self.v2, slot_size=48 * SEGMENT, classes=CLASSES)
        self.expect(REFUSED, device.run("install", path), "board")

    def test_somebody_elses_repository_is_not_authentic(self):
        repo = Repo(self.folder)
        repo.release("9.0", self.v2)
        path = self.folder / "foreign.dcb"
        self.expect(DONE, run("decade-repo", "bundle", repo.folder, "--version", "9.0", "-o", path))
        for how in ("file", "stdin"):
            device = self.device(how)
            before = device.boots()
            self.expect(NOT_AUTHENTIC, device.run("install", path) if how == "file" else install_from(device, path))
            self.assert_untouched(device, before)

    def test_what_has_expired_is_reported_unless_the_configuration_enforces(self):
        repo = self.repo.copy(self.folder)
        old = dict(os.environ, SOURCE_DATE_EPOCH="1769000000")
        subprocess.run([str(BIN / "decade-repo"), "refresh", str(repo.folder), "--keys", str(repo.keys), "--expires", "timestamp=1", "--expires",
                        "snapshot=1"], check=True, env=old, capture_output=True)
        path = self.folder / "stale.dcb"
        self.expect(DONE, run("decade-repo", "bundle", repo.folder, "--version", "2.0", "-o", path))
        self.expect(NOT_AUTHENTIC, self.device("folder").run("install", repo.folder), "expired")
        self.expect(DONE, self.device("file").run("install", path), "timestamp expired", "only reported")
        self.expect(DONE, install_from(self.device("stdin"), path), "timestamp expired")
        device = self.device("enforced")
        device.config.write_text(device.config.read_text().replace("expiry = enforce\n", "expiry = report\nbundle-expiry = enforce\n"))
        self.expect(NOT_AUTHENTIC, device.run("install", path), "expired")
        self.expect(DONE, device.run("install", repo.folder))
        configured = self.device("configured", url=path)
        self.expect(NOT_AUTHENTIC, configured.run("install"), "expired")


class Info(BundleCase):
    def files(self, device):
        return {path: path.read_bytes() for path in device.folder.rglob("*") if path.is_file()}

    def test_it_says_what_is_inside_and_changes_nothing(self):
        server = self.serve(self.lab)
        for n, source in enumerate((self.both, server.url + "/both.dcb")):
            device = self.device("device%d" % n)
            before = self.files(device)
            info = self.expect(DONE, device.run("info", "--json", source)).json
            self.assertEqual(before, self.files(device))
            self.assertEqual(("lab-device", "2.0", "retail", [], True, True), (info["product"], info["version"], info["channel"],
                                                                               info["compatible"], info["authentic"], info["would_install"]))
            self.assertEqual(self.both.stat().st_size, info["size"])
            self.assertEqual(list(CLASSES), [image["class"] for image in info["images"]])
            for image in info["images"]:
                self.assertEqual([None, "1.0"], [payload.get("base_version") for payload in image["payloads"]])
            self.assertEqual("delta", info["payload"])
        text = self.expect(DONE, self.device("text").run("info", self.delta), "would install it", "delta from 1.0").out
        self.assertNotIn("full:", text)

    def test_it_says_why_not(self):
        device = self.device(channel="beta")
        info = self.expect(DONE, device.run("info", "--json", self.full)).json
        self.assertEqual((True, False, 4, "wrong-channel"), (info["authentic"], info["would_install"], info["would_exit"], info["why_not"]))
        small = Device(self.folder / "small", self.repo.root, "/nowhere", image=self.v1, slot_size=41 * SEGMENT, classes=CLASSES)
        for name in CLASSES:
            os.truncate(small.paths[("b", name)], SEGMENT)
        self.expect(DONE, small.run("info", self.full), "would not install it (slot-too-small)")

    def test_a_bundle_that_does_not_verify_is_not_shown_as_if_it_did(self):
        foreign = Repo(self.folder)
        foreign.release("9.0", self.v2)
        path = self.folder / "foreign.dcb"
        self.expect(DONE, run("decade-repo", "bundle", foreign.folder, "--version", "9.0", "-o", path))
        result = self.expect(NOT_AUTHENTIC, self.device().run("info", path), "authentic: no", "says that it holds release 9.0")
        self.assertNotIn("channel", result.out)
        info = self.expect(NOT_AUTHENTIC, self.device("json").run("info", "--json", path)).json
        self.assertEqual((False, "9.0"), (info["authentic"], info["unverified_version"]))
        self.assertNotIn("version", info)

    def test_a_stream_is_for_installing(self):
        self.expect(USAGE, install_from(self.device(), self.full, command="info"))


class Making(BundleCase):
    def build(self, folder, umask, **env):
        repo = self.repo.copy(folder)
        argv = [str(BIN / "decade-repo"), "bundle", str(repo.folder), "--version", "2.0", "--base", "1.0", "-o", "out.dcb"]
        subprocess.run(argv, check=True, cwd=folder, umask=umask, env=dict(os.environ, **env), capture_output=True)
        return (folder / "out.dcb").read_bytes()

    def test_two_builds_are_equal_byte_for_byte(self):
        one, two = self.folder / "one", self.folder / "a longer folder name"
        for folder in (one, two):
            folder.mkdir()
        first = self.build(one, 0o022, TZ="UTC", LC_ALL="C")
        for path in (self.repo.folder).rglob("*"):
            os.utime(path, (1000000000, 1000000000))
        second = self.build(two, 0o077, TZ="Pacific/Kiritimati", LC_ALL="C.UTF-8", USER="somebody", SOURCE_DATE_EPOCH="1800000000")
        self.assertTrue(first == second)
        self.assertTrue(first == self.both.read_bytes())

    def test_any_tar_lists_it_and_the_order_is_that_of_need(self):
        with tarfile.open(self.both) as tar:
            members = tar.getmembers()
        names = [member.name for member in members]
        self.assertEqual("decade-bundle", names[0])
        self.assertEqual(["metadata/1.root.json", "metadata/timestamp.json"], names[1:3])
        kinds = [name.rpartition(".")[2] for name in names]
        self.assertEqual(["table"] * 6 + ["frames"] * 6, kinds[-12:])
        for member in members:
            self.assertEqual((0o644, 0, 0, 0, "", ""), (member.mode, member.uid, member.gid, member.mtime, member.uname, member.gname))
        data = self.both.read_bytes()
        for entry, member in zip(index_of(data)["entries"], members[1:]):
            self.assertEqual((member.name, member.size, member.offset_data), (entry["name"], entry["size"], entry["offset"]))

    def test_a_failure_leaves_the_old_file_and_nothing_else(self):
        repo = self.repo.copy(self.folder)
        path = self.folder / "out" / "x.dcb"
        path.parent.mkdir()
        path.write_text("old")
        call = ["decade-repo", "bundle", repo.folder, "-o", path, "--version"]
        self.expect(USAGE, run(*call, "7.7"), "7.7")
        self.expect(USAGE, run(*call, "2.0", "--base", "0.1"), "0.1")
        payload = repo.payload("2.0", image="rootfs")
        data = bytearray(payload.path.read_bytes())
        data[-1] ^= 1
        payload.path.write_bytes(data)
        self.expect(NOT_AUTHENTIC, run(*call, "2.0"), payload.name)
        payload.path.unlink()
        self.expect(NOT_AUTHENTIC, run(*call, "2.0"), payload.name)
        self.assertEqual("old", path.read_text())
        self.assertEqual(["x.dcb"], os.listdir(path.parent))

    def test_no_full_keeps_the_full_payload_where_there_is_no_delta(self):
        repo = Repo(self.folder)
        rng = random.Random(5)
        first = {"rootfs": make_image(8 * SEGMENT, 1), "boot": rng.randbytes(4 * SEGMENT)}
        second = {"rootfs": next_image(first["rootfs"], 1), "boot": rng.randbytes(4 * SEGMENT)}
        repo.release("1", first)
        repo.release("2", second)
        path = self.folder / "x.dcb"
        self.expect(DONE, run("decade-repo", "bundle", repo.folder, "--version", "2", "--base", "1", "--no-full", "-o", path),
                    "no delta of 'boot' from 1")
        device = Device(self.folder / "d", repo.root, "/nowhere", image=first, slot_size=8 * SEGMENT, classes=("boot", "rootfs"))
        self.expect(DONE, install_from(device, path))
        self.assert_installed(device, images=second)


class Delegated(BundleCase):
    """A release that a delegated role publishes, and another role beside it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.team = cls.repo.copy(cls.lab / "team")
        cls.team.call("delegate", "--name", "docs", "--path", "manuals/*", "--algorithm", "ed25519")
        cls.team.call("delegate", "--name", "team:a", "--path", "releases/a-*.json", "--algorithm", "ed25519")
        cls.v3 = {name: next_image(image, 3) for name, image in cls.v2.items()}
        cls.team.release("a-3.0", cls.v3, name="team:a")
        cls.a3 = cls.bundle("a3", "--base", "2.0", version="a-3.0", repo=cls.team)

    def test_its_metadata_is_in_the_bundle_as_in_the_repository(self):
        data = self.a3.read_bytes()
        for name in ("metadata/1.docs.json", "metadata/2.team:a.json"):
            entry, = [entry for entry in index_of(data)["entries"] if entry["name"] == name]
            self.assertEqual((self.team.folder / name).read_bytes(), data[entry["offset"]:entry["offset"] + entry["size"]])

    def test_it_installs_from_file_stdin_and_server(self):
        server = self.serve(self.lab)
        for how, install in (("file", lambda d: d.run("install", self.a3)), ("stdin", lambda d: install_from(d, self.a3)),
                             ("pipe", lambda d: install_from(d, self.a3, how="pipe")),
                             ("served", lambda d: d.run("install", server.url + "/a3.dcb"))):
            with self.subTest(how):
                device = self.device(how, image=self.v2)
                self.expect(DONE, install(device), "a-3.0")
                self.assert_installed(device, images=self.v3)
                self.assertEqual("would install it" in device.run("info", self.a3).out, False)

    def test_a_release_of_the_owner_installs_although_there_are_other_roles(self):
        path = self.bundle("owner", version="2.0", repo=self.team)
        for how in ("file", "stdin"):
            device = self.device(how)
            self.expect(DONE, device.run("install", path) if how == "file" else install_from(device, path), "2.0")
            self.assert_installed(device)

    def test_the_mirror_has_the_roles_too_and_is_whole(self):
        mirror = self.folder / "mirror"
        self.expect(DONE, run("decade-repo", "extract", self.a3, mirror, "--root", self.team.root))
        for name in ("metadata/1.docs.json", "metadata/2.team:a.json"):
            self.assertEqual((self.team.folder / name).read_bytes(), (mirror / name).read_bytes())
        device = self.device("from-folder", image=self.v2)
        self.expect(DONE, device.run("install", mirror))
        self.assert_installed(device, images=self.v3)

    def test_a_flip_in_a_roles_metadata_is_refused(self):
        data = self.a3.read_bytes()
        entry, = [entry for entry in index_of(data)["entries"] if entry["name"] == "metadata/2.team:a.json"]
        for n in range(0, entry["size"], entry["size"] // 12):
            bad = bytearray(data)
            bad[entry["offset"] + n] ^= 4
            device = self.device("device%d" % n, image=self.v2)
            before = device.boots()
            self.expect(NOT_AUTHENTIC, install_from(device, self.put(bad)), "team:a")
            self.assert_untouched(device, before)


class Twins(BundleCase):
    """Two classes with one and the same image: a stream has its frames once."""

    def test_both_are_made_from_one_payload_whatever_the_source(self):
        kernel, root = (make_image(count * SEGMENT, count) for count in (12, 20))
        first = {"boot": kernel, "recovery": make_image(8 * SEGMENT, "recovery"), "rootfs": root}
        second = {"boot": next_image(kernel, 2), "recovery": next_image(kernel, 2), "rootfs": next_image(root, 2)}
        repo = Repo(self.folder)
        repo.release("1", first)
        repo.release("2", second)
        bundles = {}
        for name, words in (("full", []), ("both", ["--base", "1"]), ("delta", ["--base", "1", "--no-full"])):
            bundles[name] = self.folder / (name + ".dcb")
            self.expect(DONE, run("decade-repo", "bundle", repo.folder, "--version", "2", *words, "-o", bundles[name]))
        server = self.serve(self.folder)
        cases = [("network", lambda d: d.run("install", "--json", server.url + "/repo")), ("folder", lambda d: d.run("install", "--json", repo.folder))]
        for name, path in bundles.items():
            cases += [(name + "-file", lambda d, path=path: d.run("install", "--json", path)),
                      (name + "-stdin", lambda d, path=path: install_from(d, path, "--json")),
                      (name + "-pipe", lambda d, path=path: install_from(d, path, "--json", how="pipe")),
                      (name + "-served", lambda d, path=path: d.run("install", "--json", server.url + "/" + path.name))]
        for way, install in cases:
            with self.subTest(way):
                device = Device(self.folder / way, repo.root, "/nowhere", image=first, slot_size=24 * SEGMENT, classes=sorted(first))
                server.forget()
                report = self.expect(DONE, install(device)).json
                self.assert_installed(device, images=second)
                # A stream's full tables are taken along beside those of the deltas; nothing else comes twice.
                self.assertLess(report["bytes_payload"] - report["bytes_best"], 3000 if how_streams(way) else 1)
                self.assertEqual("B", device.boot())
                self.expect(DONE, device.run("mark-good"))
                self.expect(DONE, device.run("verify"))

    def test_a_cut_in_the_second_copy_is_resumed(self):
        image = make_image(30 * SEGMENT, "twin")
        repo = Repo(self.folder)
        repo.release("1", {"a": image, "b": image})
        path = self.folder / "x.dcb"
        self.expect(DONE, run("decade-repo", "bundle", repo.folder, "--version", "1", "-o", path))
        device = Device(self.folder / "d", repo.root, "/nowhere", image=b"", slot_size=30 * SEGMENT, classes=("a", "b"))
        self.expect(DONE, install_from(device, path, "--no-activate"))
        device.overwrite("b", 3 * SEGMENT, b"x" * 100, image="b")
        device.overwrite("b", 17 * SEGMENT, b"x" * 100, image="b")
        report = self.expect(DONE, install_from(device, path, "--json", "--reinstall")).json
        self.assertEqual(58, report["segments_already_right"])
        self.assert_installed(device, images={"a": image, "b": image})


class SeveralSources(BundleCase):
    """A bundle among the configured sources."""

    def several(self, name, *urls):
        device = self.device(name)
        device.config.write_text(device.config.read_text().replace("url = http://127.0.0.1:9/\n", "".join("url = %s\n" % url for url in urls)))
        return device

    def test_it_serves_where_the_server_does_not(self):
        for n, bundle in enumerate((self.full, self.both)):
            device = self.several("device%d" % n, "http://127.0.0.1:9/", bundle)
            self.expect(DONE, device.run("install"), "2.0")
            self.assert_installed(device)

    def test_an_older_bundle_in_the_first_place_gives_its_own_release(self):
        repo = self.repo.copy(self.folder)
        repo.release("3.0", {name: next_image(image, 3) for name, image in self.v2.items()})
        path = self.folder / "two.dcb"
        self.expect(DONE, run("decade-repo", "bundle", repo.folder, "--version", "2.0", "-o", path))
        device = self.several("older", path, self.serve(repo.folder).url)
        self.expect(DONE, device.run("install"), "2.0")
        self.assert_installed(device)

    def test_a_bundle_without_the_payload_says_so(self):
        device = self.several("base", self.delta, "http://127.0.0.1:9/")
        for name in CLASSES:
            with open(device.paths[("a", name)], "r+b") as file:
                file.write(b"another base")
        self.expect(UNREACHABLE, device.run("install"), "holds no payload")

    def test_a_stream_among_them_is_refused(self):
        fifo = self.folder / "fifo"
        os.mkfifo(fifo)
        feeder = subprocess.Popen(["sh", "-c", 'cat "$1" > "$2"', "sh", str(self.full), str(fifo)], stderr=subprocess.DEVNULL)
        self.addCleanup(feeder.wait, 10)
        self.expect(USAGE, self.several("stream", fifo, "http://127.0.0.1:9/").run("install"), "name it alone")


class Extract(BundleCase):
    def test_the_mirror_has_the_repositorys_own_files(self):
        mirror = self.folder / "mirror"
        self.expect(DONE, run("decade-repo", "extract", self.both, mirror, "--root", self.repo.root))
        files = {str(path.relative_to(mirror)) for path in mirror.rglob("*") if path.is_file()}
        self.assertEqual(6, sum(name.endswith(".dcp") for name in files))
        for name in files:
            self.assertTrue((mirror / name).read_bytes() == (self.repo.folder / name).read_bytes(), name)
        self.assertEqual({"mirror", "mirror.lock"}, set(os.listdir(self.folder)))
        device = self.device("from-folder")
        self.expect(DONE, device.run("install", mirror))
        self.assert_installed(device)
        server = self.serve(mirror)
        device = self.device("from-server")
        self.expect(DONE, device.run("install", server.url))
        self.assert_installed(device)

    def test_what_is_there_is_not_replaced(self):
        mirror = self.folder / "mirror"
        mirror.mkdir()
        self.expect(FAILED, run("decade-repo", "extract", self.both, mirror), "is there already")
        self.assertEqual([], os.listdir(mirror))

    def test_another_root_refuses(self):
        foreign = Repo(self.folder)
        self.expect(NOT_AUTHENTIC, run("decade-repo", "extract", self.both, self.folder / "mirror", "--root", foreign.root), "roots")
        self.assertFalse((self.folder / "mirror").exists())

    def test_a_flip_anywhere_in_it_is_refused_and_leaves_nothing(self):
        data = self.both.read_bytes()
        rng = random.Random(3)
        positions = rng.sample(range(len(data)), 400 if LONG else 60) + [e["offset"] for e in index_of(data)["entries"] if e["size"]]
        for position in positions:
            bad = bytearray(data)
            bad[position] ^= 1 << rng.randrange(8)
            result = run("decade-repo", "extract", self.put(bad), self.folder / "mirror")
            self.assertEqual(NOT_AUTHENTIC, result.code, "byte %d: %s" % (position, result))
            self.assertEqual([], [name for name in os.listdir(self.folder) if name.startswith("mirror") and name != "mirror.lock"])


class Groups(BundleCase):
    """Several images of one release switch together."""

    def test_an_image_that_the_other_slot_has_costs_its_table_alone(self):
        device = self.device()
        for name in ("dtb", "boot"):
            with open(device.paths[("b", name)], "r+b") as file:
                file.write(self.v2[name])
        server = self.serve(self.lab)
        report = self.expect(DONE, device.run("install", "--json", "--full", server.url + "/repo")).json
        for name in ("dtb", "boot"):
            payload = self.repo.payload("2.0", image=name)
            self.assertEqual(payload.table_length, server.bytes_sent(payload.name))
        zeros = sum(1 for i in range(40) if not any(self.v2["rootfs"][i * SEGMENT:(i + 1) * SEGMENT]))
        self.assertEqual(len(self.v2["rootfs"]) - zeros * SEGMENT, report["bytes_written"])
        self.assertEqual(12 + zeros, report["segments_already_right"])

    def test_one_bad_image_of_three_and_nothing_is_activated(self):
        server = self.serve(self.lab)
        for n, name in enumerate(CLASSES):
            repo = self.repo.copy(self.folder / str(n))
            payload = repo.payload("2.0", "1.0", image=name)
            full = repo.payload("2.0", image=name)
            for one in (payload, full):
                data = bytearray(one.path.read_bytes())
                data[-1] ^= 0x10
                one.path.write_bytes(data)
            device = self.device("device%d" % n)
            before = device.boots()
            self.expect(NOT_AUTHENTIC, device.run("install", "--full", repo.folder), full.name)
            self.assert_untouched(device, before)
            self.expect(DONE, device.run("install", server.url + "/repo"))
            self.assert_installed(device)

    def test_classes_that_differ_are_refused_before_a_byte_is_written(self):
        for classes, text in ((("boot", "rootfs"), "an image 'dtb'"), (CLASSES + ("modem",), "no image for 'modem'")):
            device = Device(self.folder / text.split("'")[1], self.repo.root, "/nowhere", image=self.v1, slot_size=48 * SEGMENT,
                            classes=classes)
            before = device.boots(), {name: device.slot("b", image=name) for name in classes}, device.boot_state()
            for source in (self.repo.folder, self.full):
                self.expect(REFUSED, device.run("install", source), text)
            self.expect(REFUSED, install_from(device, self.full), text)
            self.assertEqual(before, (device.boots(), {name: device.slot("b", image=name) for name in classes}, device.boot_state()))

    def test_a_slot_too_small_for_the_last_image_is_found_before_the_first_is_written(self):
        device = self.device()
        os.truncate(device.paths[("b", "rootfs")], 39 * SEGMENT)
        before = {name: device.slot("b", image=name) for name in CLASSES}
        self.expect(STORAGE, device.run("install", self.full), "rootfs")
        self.assertEqual(before, {name: device.slot("b", image=name) for name in CLASSES})

    def test_a_kill_between_the_images_leaves_the_old_release_booting(self):
        server = self.serve(self.lab)
        server.rate = 4 << 20
        for n in range(6):
            device = self.device("device%d" % n)
            running = device.start("install", "--full", server.url + "/repo")
            self.wait_for(lambda: server.bytes_sent(".dcp") > n * 300000 + 1000)
            running.kill()
            running.wait()
            self.assertEqual("A", device.boot())
            server.forget()
        server.rate = 0
        self.expect(DONE, device.run("install", "--full", server.url + "/repo"))
        self.assert_installed(device)


if __name__ == "__main__":
    unittest.main()
