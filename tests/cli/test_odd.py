#!/usr/bin/env python3
"""Devices in odd states: slots that are one, cuts between two stores, closed outputs, releases that share images."""
import contextlib
import os
import subprocess
import sys
import unittest
import zlib

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
from device_lab import (BIN, DONE, FAILED, NOTHING_TO_DO, REFUSED, SEGMENT, STATE, STORAGE, UNREACHABLE, USAGE, Device,  # noqa: E402
                        LabCase, Repo, make_image, next_image, run)
import lab_server  # noqa: E402

SIZE = 6 * SEGMENT


class OddCase(LabCase):
    """Releases 1 and 2 with two image classes; the class boot is the same in both."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.boot = make_image(2 * SEGMENT, "boot")
        cls.image = [b"", make_image(SIZE, "odd")]
        cls.image.append(next_image(cls.image[1], 2))
        cls.repo = Repo(cls.lab)
        for n in (1, 2):
            cls.repo.release(str(n), {"rootfs": cls.image[n], "boot": cls.boot})

    def factory(self, name="device"):
        return Device(self.folder / name, self.repo.root, self.repo.folder, image={"rootfs": self.image[1], "boot": self.boot},
                      slot_size=SIZE, classes=("boot", "rootfs"))


class OneDeviceTwice(OddCase):
    def link(self, device, slot, name, to):
        device.paths[(slot, name)].unlink()
        device.paths[(slot, name)].symlink_to(device.paths[to].name)

    def test_another_class_of_the_running_slot_is_never_written(self):
        device = self.factory()
        self.link(device, "b", "rootfs", ("a", "boot"))
        before = device.boot_state()
        self.expect(USAGE, device.run("install"), "same device")
        self.assert_slot(device, "a", self.image[1])
        self.assertEqual(self.boot, device.slot("a", len(self.boot), "boot"))
        self.assertEqual(before, device.boot_state())

    def test_two_classes_of_the_other_slot_are_not_written_over_each_other(self):
        device = self.factory()
        self.link(device, "b", "rootfs", ("b", "boot"))
        self.expect(USAGE, device.run("install"), "same device")


class SharedImages(OddCase):
    def test_a_factory_device_is_known_although_one_of_its_images_is_in_several_releases(self):
        found = self.expect(DONE, self.factory().run("check", "--json")).json
        self.assertEqual(("1", "delta"), (found["from_version"], found["payload"]))


class Cuts(OddCase):
    """A store that fails, and the reboot after it, are a cut between two stores."""

    @contextlib.contextmanager
    def failing(self, device, name):
        (device.state / (name + ".new")).mkdir()
        yield
        (device.state / (name + ".new")).rmdir()

    def trial(self, device):
        self.expect(DONE, device.run("install"))
        self.assertEqual("B", device.boot())

    def updated(self):
        device = self.factory()
        self.trial(device)
        self.expect(DONE, device.run("mark-good"))
        return device

    def test_a_release_marked_bad_is_left_and_not_installed_again_wherever_the_cut_came(self):
        for name in ("journal.0", "journal.1", "boot-state"):
            with self.subTest(name):
                device = self.factory(name)
                self.trial(device)
                sequence = (device.state / "journal.0").read_bytes()
                with self.failing(device, name):
                    self.expect(STORAGE, device.run("mark-bad"))
                bootnames = [device.boot() for _ in range(5)]
                self.assertEqual("A", bootnames[-1])
                self.assertEqual(name == "boot-state", "B" in bootnames)
                if name == "boot-state" or sequence != (device.state / "journal.0").read_bytes():
                    self.expect(REFUSED, device.run("install"), "rolled back")

    def test_what_the_journal_calls_withdrawn_the_loader_does_not_boot(self):
        device = self.factory()
        self.expect(DONE, device.run("install"))
        with self.failing(device, "boot-state"):
            self.expect(STORAGE, device.run("rollback"))
        self.assertEqual("pending", device.status()["state"])
        for name in ("journal.0", "journal.1"):
            with self.failing(device, name):
                self.expect(STORAGE, device.run("rollback"))
                self.assertEqual(("staged", "a"), tuple(device.status()[key] for key in ("state", "primary")))
            self.expect(DONE, device.run("activate"))

    def test_an_install_that_can_not_take_the_slot_from_the_loader_has_not_begun(self):
        device = self.updated()
        with self.failing(device, "boot-state"):
            self.expect(STORAGE, device.run("install", "--reinstall"))
        status = device.status()
        self.assertEqual(("idle", "verified", "1"), (status["state"], status["slots"]["a"]["content"], status["slots"]["a"]["version"]))
        self.assertEqual("failed", status["last"]["result"])

    def test_a_repair_cut_before_its_last_store_is_finished_by_the_next(self):
        device = self.updated()
        text = "decade-boot-state 1\norder B A\nslot A bootable=0 good=0 tries=0\nslot B bootable=1 good=1 tries=3\n"
        (device.state / "boot-state").write_text(text + "crc32 %08x\n" % zlib.crc32(text.encode()))
        self.expect(DONE, device.run("repair"))
        self.assertEqual((True, False), tuple(device.status()["slots"]["a"][key] for key in ("bootable", "good")))
        self.expect(NOTHING_TO_DO, device.run("repair"))
        self.expect(DONE, device.run("rollback"))
        self.assertEqual("A", device.boot())

    def test_a_healthy_release_is_confirmed_although_the_journal_is_unreadable(self):
        device = self.factory()
        self.trial(device)
        for copy in ("journal.0", "journal.1"):
            (device.state / copy).write_bytes(b"rot")
        self.expect(STATE, device.run("status"), "journal")
        self.expect(DONE, device.run("mark-good"))
        for _ in range(5):
            self.assertEqual("B", device.boot())

    def test_a_lost_boot_state_does_not_make_a_half_written_slot_good(self):
        device = self.updated()
        (device.state / "boot-state").unlink()
        for command in ("status", "install", "mark-good"):
            self.expect(STATE, device.run(command), "boot-state is missing")


class Reports(OddCase):
    def test_a_report_that_could_not_be_printed_is_a_failure(self):
        device = self.factory()
        with open("/dev/full", "wb") as full:
            done = subprocess.run([str(BIN / "decade"), "--config", str(device.config), "status"], stdout=full, stderr=subprocess.PIPE,
                                  timeout=60, check=False)
        self.assertEqual(1, done.returncode)
        self.assertIn(b"could not be printed", done.stderr)

    def test_a_full_install_says_that_it_is_one_and_a_repair_what_full_would_take(self):
        device = self.factory()
        self.expect(DONE, device.run("check"))
        done = self.expect(DONE, device.run("install", "--full", "--json")).json
        self.assertEqual(("full", done["bytes_full"]), (done["payload"], done["bytes_best"]))
        device.overwrite("b", 0, b"damaged")
        self.assertEqual(done["bytes_full"], self.expect(DONE, device.run("repair", "--json")).json["bytes_full"])


class OddNames(OddCase):
    def test_a_report_is_json_whatever_bytes_a_name_has(self):
        device = self.factory()
        name = os.fsencode(str(self.folder)) + b"/od\xff\"\n"
        for command in (["check"], ["install"], ["verify"], ["mark-good"]):
            result = run("decade", "--config", os.fsdecode(name), "--json", *command)
            self.expect(USAGE, result)
            self.assertEqual("configuration", result.json["error"])
        os.mkdir(name)
        self.assertEqual("not-found", self.expect(UNREACHABLE, device.run("install", "--json", os.fsdecode(name))).json["error"])
        self.expect(DONE, device.run("status"), "od?")

    def test_a_product_that_is_no_utf8_is_refused(self):
        device = self.factory()
        device.config.write_bytes(device.config.read_bytes().replace(b"lab-device", b"lab-\xe9"))
        self.expect(USAGE, device.run("status", "--json"), "UTF-8")


class Signals(OddCase):
    def test_a_signal_ends_the_wait_for_a_server_at_every_stage(self):
        for where, skip in (("timestamp.json", 0), ("targets.json", 0), ("releases/", 0), ("payloads/", 0), ("payloads/", 2)):
            with self.subTest(where):
                server = self.serve(self.repo.folder)
                device = self.factory("%s-%d" % (where.split("/")[0], skip))
                device.configure(url=server.url, timeout_s=60, stall_timeout_s=60, retries=9)
                server.add_fault(where, lab_server.stall(100), skip=skip)
                under_way = device.start("install")
                self.addCleanup(under_way.kill)
                self.wait_for(lambda: len(server.requests(where)) > skip)
                under_way.kill(15)
                self.expect(FAILED, under_way.wait(timeout=10), "cancelled")
                server.heal()
                self.expect(DONE, device.run("install"))


if __name__ == "__main__":
    unittest.main()
