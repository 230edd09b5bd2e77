#!/usr/bin/env python3
"""The life of a device, from the factory on: updates, trials, fallbacks, refusals, repairs; over the real programs."""
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
from device_lab import (BIN, BUSY, DONE, NOT_AUTHENTIC, NOTHING_TO_DO, REFUSED, SEGMENT, STATE, STORAGE, USAGE,  # noqa: E402
                        Device, LabCase, Repo, make_image, next_image, run)
import lab_server  # noqa: E402

SIZE = 32 * SEGMENT
SLOT = SIZE + 5 * SEGMENT


class LifeCase(LabCase):
    """repo[n] is one repository after its release n.0; image[n] is what that release holds."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.image = [b"", make_image(SIZE, "life")]
        for n in range(2, 5):
            cls.image.append(next_image(cls.image[n - 1], n))
        cls.repo = [Repo(cls.lab / "0")]
        for n in range(1, 5):
            cls.repo.append(cls.repo[n - 1].copy(cls.lab / str(n)))
            cls.repo[n].release("%d.0" % n, cls.image[n])

    def factory(self, n=2, name="device", **settings):
        """A new device with release 1.0 in slot a that updates from repo[n]."""
        return Device(self.folder / name, self.repo[1].root, self.repo[n].folder, image=self.image[1], slot_size=SLOT, **settings)

    def update(self, device, bootname, *words):
        self.expect(DONE, device.run("install", *words))
        self.assertEqual(bootname, device.boot())
        self.expect(DONE, device.run("mark-good"))

    def updated(self, **settings):
        """A device that runs release 2.0 in slot b, confirmed, with 1.0 to fall back to."""
        device = self.factory(2, **settings)
        self.update(device, "B")
        return device


class WholeLife(LifeCase):
    def live_one_update(self, device):
        delta = self.repo[2].payload("2.0", "1.0")
        full = self.repo[2].payload("2.0")

        found = self.expect(DONE, device.run("check", "--json")).json
        self.assertEqual(("available", "2.0", "1.0", "delta"),
                         tuple(found[name] for name in ("result", "version", "from_version", "payload")))
        self.assertEqual((delta.size, full.size), (found["bytes_best"], found["bytes_full"]))
        self.assertLess(found["bytes_best"], found["bytes_full"])

        done = self.expect(DONE, device.run("install", "--json")).json
        self.assertEqual("activated", done["result"])
        self.assertEqual(len(delta.frames), done["segments"])
        self.assertEqual(0, done["segments_refetched"])
        self.assert_slot(device, "b", self.image[2])
        status = device.status()
        self.assertEqual(("pending", "a", "b", "1.0"), tuple(status[name] for name in ("state", "booted", "primary", "version")))

        self.assertEqual("B", device.boot())
        status = device.status()
        self.assertEqual(("trial", "b", "2.0"), tuple(status[name] for name in ("state", "booted", "version")))
        self.expect(DONE, device.run("mark-good"))
        status = device.status()
        self.assertEqual(("idle", "confirmed"), (status["state"], status["last"]["result"]))
        self.assertTrue(status["slots"]["b"]["good"])
        self.expect(NOTHING_TO_DO, device.run("install"), "up to date")
        self.expect(NOTHING_TO_DO, device.run("check"))
        self.assertEqual("B", device.boot(), "a confirmed slot stays the one that boots")

    def test_an_update_from_a_folder_goes_from_the_factory_to_confirmed(self):
        self.live_one_update(self.factory())

    def test_an_update_from_a_web_server_goes_the_same_way(self):
        server = self.serve(self.repo[2].folder)
        self.live_one_update(self.factory(url=server.url))
        self.assertEqual([], [one.path for one in server.requests() if one.status == 404 and "root.json" not in one.path])

    def test_a_source_on_the_command_line_goes_before_the_configured_one(self):
        device = self.factory(1)
        self.expect(NOTHING_TO_DO, device.run("install"))
        self.expect(DONE, device.run("install", self.repo[2].folder))
        self.assert_slot(device, "b", self.image[2])

    def test_a_release_that_never_confirms_falls_back_and_is_not_tried_again_unless_asked_for(self):
        device = self.updated()
        device.configure(url=self.repo[3].folder)
        self.expect(DONE, device.run("install"))
        for _ in range(3):
            self.assertEqual("A", device.boot("--fail"))
        self.assertEqual("B", device.boot())
        status = device.status()
        last = status["last"]
        self.assertEqual(("rolled-back", "b", "2.0", "rolled-back", "3.0"),
                         (status["state"], status["booted"], status["version"], last["result"], last["version"]))
        self.assertIn("never confirmed", status["last"]["reason"])

        self.expect(REFUSED, device.run("install"), "3.0", "--reinstall")
        refused = device.run("check", "--json").json
        self.assertEqual(("refused", "known-bad"), (refused["result"], refused["error"]))
        self.assertEqual("rolled-back", device.status()["state"], "a refusal must not hide why the release was given up")
        self.update(device, "A", "--reinstall")
        self.assertEqual("3.0", device.status()["version"])

    def test_the_release_after_a_bad_one_installs(self):
        device = self.updated()
        device.configure(url=self.repo[3].folder)
        self.expect(DONE, device.run("install"))
        for _ in range(4):
            device.boot("--fail")
        device.configure(url=self.repo[4].folder)
        self.update(device, "A")
        self.assertEqual("4.0", device.status()["version"])
        self.assert_slot(device, "a", self.image[4])

    def test_an_unknown_factory_image_gets_a_full_payload(self):
        device = self.factory()
        device.overwrite("a", 12345, b"something that no release has")
        found = self.expect(DONE, device.run("check", "--json")).json
        self.assertEqual(("full", ""), (found["payload"], found["from_version"]))
        self.update(device, "B")
        self.assert_slot(device, "b", self.image[2])

    def test_an_unknown_factory_image_is_not_led_backwards_when_the_newest_release_was_bad(self):
        device = self.factory()
        device.overwrite("a", 12345, b"something that no release has")
        self.expect(DONE, device.run("install"))
        for _ in range(3):
            device.boot("--fail")
        self.assertEqual("A", device.boot())
        self.expect(REFUSED, device.run("install"), "2.0", "--reinstall")

    def test_two_image_classes_travel_together(self):
        small = [make_image(3 * SEGMENT + 100, "boot")]
        small.append(next_image(small[0], "boot", changes=3))
        repo = Repo(self.folder)
        for version, n in (("1.0", 0), ("2.0", 1)):
            repo.release(version, {"rootfs": self.image[n + 1], "boot": small[n]})
        device = Device(self.folder / "two", repo.root, repo.folder, image={"rootfs": self.image[1], "boot": small[0]},
                        slot_size=SLOT, classes=("rootfs", "boot"))
        self.assertEqual("1.0", self.expect(DONE, device.run("check", "--json")).json["from_version"])
        self.update(device, "B")
        self.assert_slot(device, "b", self.image[2])
        self.assert_slot(device, "b", small[1], "boot")
        self.expect(DONE, device.run("verify"))


class BackAndForth(LifeCase):
    def test_rollback_goes_to_the_release_before_and_install_does_not_undo_it(self):
        device = self.updated()
        self.expect(DONE, device.run("rollback"))
        self.assertEqual("pending", device.status()["state"])
        self.assertEqual("A", device.boot())
        self.expect(DONE, device.run("mark-good"))
        self.assertEqual("1.0", device.status()["version"])
        self.expect(REFUSED, device.run("install"), "2.0")
        self.update(device, "B", "--reinstall")
        self.assertEqual("2.0", device.status()["version"])

    def test_rollback_before_the_reboot_takes_the_activation_back(self):
        device = self.factory()
        self.expect(DONE, device.run("install"))
        self.expect(DONE, device.run("rollback"))
        self.assertEqual("staged", device.status()["state"])
        self.assertEqual("A", device.boot())
        self.expect(DONE, device.run("activate"))
        self.assertEqual("B", device.boot())

    def test_mark_bad_during_a_trial_sends_the_next_boot_back_with_the_reason(self):
        device = self.factory()
        self.expect(DONE, device.run("install"))
        self.assertEqual("B", device.boot())
        self.expect(DONE, device.run("mark-bad", "--reason", "the heater does not answer"))
        self.assertEqual("A", device.boot())
        status = device.status()
        self.assertEqual("rolled-back", status["state"])
        self.assertIn("the heater does not answer", status["last"]["reason"])
        self.expect(REFUSED, device.run("install"), "2.0")

    def test_mark_bad_is_refused_where_nothing_else_can_boot(self):
        device = self.factory()
        self.expect(STATE, device.run("mark-bad"))
        self.expect(STATE, device.run("rollback"))
        self.assertEqual("A", device.boot())

    def test_no_activate_stages_and_activate_goes_on(self):
        device = self.factory()
        self.expect(STATE, device.run("activate"), "staged")
        self.assertEqual("staged", self.expect(DONE, device.run("install", "--no-activate", "--json")).json["result"])
        self.assertEqual("staged", device.status()["state"])
        self.assertEqual("A", device.boot())
        self.expect(DONE, device.run("activate"))
        self.expect(DONE, device.run("activate"))
        self.assertEqual("pending", device.status()["state"])
        self.assertEqual("B", device.boot())

    def test_a_newer_release_replaces_one_that_is_pending(self):
        device = self.factory(2)
        self.expect(DONE, device.run("install"))
        self.expect(NOTHING_TO_DO, device.run("install"), "reboot")
        device.configure(url=self.repo[3].folder)
        self.update(device, "B")
        self.assertEqual("3.0", device.status()["version"])
        self.assert_slot(device, "b", self.image[3])

    def test_nothing_is_written_while_the_running_slot_is_unconfirmed(self):
        device = self.factory(2)
        self.expect(DONE, device.run("install"))
        self.assertEqual("B", device.boot())
        device.configure(url=self.repo[3].folder)
        before = device.slot_hash("a"), device.boot_state()
        self.expect(STATE, device.run("install"), "mark-good")
        self.expect(STATE, device.run("repair"), "mark-good")
        self.assertEqual(before, (device.slot_hash("a"), device.boot_state()))


class VerifyAndRepair(LifeCase):
    def test_verify_without_a_record_says_so(self):
        self.expect(STATE, self.factory().run("verify"))

    def test_verify_finds_the_slot_that_changed(self):
        device = self.updated()
        self.expect(DONE, device.run("verify"))
        device.overwrite("a", 3 * SEGMENT + 17, b"!")
        self.expect(NOT_AUTHENTIC, device.run("verify", "--slot", "a"), "repair")
        self.expect(NOT_AUTHENTIC, device.run("verify"))
        self.expect(DONE, device.run("verify", "--slot", "b"))
        self.expect(USAGE, device.run("verify", "--slot", "c"), "'c'")

    def test_bytes_behind_the_image_are_nobodys_business(self):
        device = self.updated()
        device.overwrite("b", SIZE, b"a file system may use its slack")
        self.expect(DONE, device.run("verify"))

    def test_repair_fetches_the_damaged_segments_alone_and_leaves_the_boot_order(self):
        server = self.serve(self.repo[2].folder)
        device = self.updated(url=server.url)
        full = self.repo[2].payload("1.0")
        damaged = [i for i, frame in enumerate(full.frames) if frame.kind == "full"][2:12:4]
        for i in damaged:
            device.overwrite("a", i * SEGMENT + 1000, os.urandom(64))
        before = device.boot_state()
        server.forget()
        done = self.expect(DONE, device.run("repair", "--json")).json
        self.assertEqual(("repaired", len(full.frames) - len(damaged)), (done["result"], done["segments_already_right"]))
        self.assertEqual(full.table_length + full.bytes_of(damaged), server.bytes_sent(full.name))
        self.assertEqual(full.table_length + full.bytes_of(damaged), server.bytes_sent("payloads/"))
        self.assert_slot(device, "a", self.image[1])
        self.assertEqual(before, device.boot_state())
        self.assertEqual("idle", device.status()["state"])
        self.expect(NOTHING_TO_DO, device.run("repair"))
        self.expect(DONE, device.run("rollback"))
        self.assertEqual("A", device.boot())

    def test_repair_of_a_slot_that_never_had_a_release_says_what_to_do(self):
        self.expect(STATE, self.factory().run("repair"), "install")


class Media(LifeCase):
    def test_a_medium_that_refuses_a_write_is_code_7_with_the_reason_kept_and_the_next_run_goes_on(self):
        device = self.factory()
        self.expect(DONE, device.run("check"))
        # A limit of the process on file sizes, 256 KiB, is a medium that takes no byte behind it.
        failed = run("/bin/sh", "-c", 'trap "" XFSZ; ulimit -f 512; exec "$@"', "sh", BIN / "decade", "--config", device.config,
                     "install", "--full", timeout=20)
        self.expect(STORAGE, failed, "rootfs-b.img")
        status = device.status()
        self.assertEqual(("writing", "failed", "io"), (status["state"], status["last"]["result"], status["last"]["code"]))
        self.assertFalse(status["slots"]["b"]["bootable"])
        self.assertEqual("A", device.boot())
        again = self.expect(DONE, device.run("install", "--full", "--json")).json
        self.assertGreaterEqual(again["segments_already_right"], 4)
        self.assert_slot(device, "b", self.image[2])

    def test_a_slot_that_is_missing_is_code_7_and_named(self):
        device = self.factory()
        os.unlink(device.paths[("b", "rootfs")])
        self.expect(STORAGE, device.run("install"), "rootfs-b.img")
        self.assertEqual("A", device.boot())


class Refusals(LifeCase):
    """Each is decided before a byte is written."""

    def refuse(self, code, reason, device, *texts):
        slot, boot = device.slot_hash("b"), device.boot_state()
        found = self.expect(code, device.run("install", "--json"), *texts).json
        self.assertEqual((reason, code), (found["error"], found["exit_code"]))
        self.assertEqual((slot, boot), (device.slot_hash("b"), device.boot_state()))
        self.assertEqual(0, found["bytes_written"])
        if code == REFUSED:
            self.assertEqual(reason, device.run("check", "--json").json["error"])

    def with_release(self, image=None, **options):
        repo = self.repo[1].copy(self.folder / "own")
        repo.release("2.0", image if image is not None else self.image[2], **options)
        return repo

    def device_for(self, repo, **settings):
        return Device(self.folder / "device", repo.root, repo.folder, image=self.image[1], slot_size=SLOT, **settings)

    def test_another_products_release(self):
        self.refuse(REFUSED, "wrong-product", self.factory(2, product="toaster"), "lab-device", "toaster")

    def test_another_boards_release(self):
        repo = self.with_release(compatible=["board-x", "board-y"])
        self.refuse(REFUSED, "wrong-board", self.device_for(repo), "lab-board")

    def test_one_board_of_several_is_enough(self):
        repo = self.with_release(compatible=["board-x", "lab-board"])
        self.update(self.device_for(repo), "B")

    def test_another_channels_release_does_not_exist_for_the_device(self):
        repo = self.with_release(channel="beta")
        device = self.device_for(repo)
        self.expect(NOTHING_TO_DO, device.run("install"))
        device.configure(channel="beta")
        self.update(device, "B")
        self.assertEqual("2.0", device.status()["version"])

    def test_a_stepping_stone_is_taken_first(self):
        repo = self.with_release()
        repo.release("3.0", self.image[3], requires_version="2.0")
        device = self.device_for(repo)
        self.update(device, "B")
        self.assertEqual("2.0", device.status()["version"])
        self.update(device, "A")
        self.assertEqual("3.0", device.status()["version"])

    def test_a_stepping_stone_that_can_not_be_reached(self):
        repo = self.with_release(channel="beta")
        repo.release("3.0", self.image[3], requires_version="2.0")
        self.refuse(REFUSED, "stepping-stone", self.device_for(repo), "3.0", "2.0")

    def test_a_security_version_below_the_floor(self):
        repo = self.with_release(security_version=5)
        device = self.device_for(repo)
        self.expect(DONE, device.run("install"))
        self.assertEqual("B", device.boot())
        self.assertEqual(0, device.status()["security_floor"], "the floor rises with the confirmation, not before")
        self.expect(DONE, device.run("mark-good"))
        self.assertEqual(5, device.status()["security_floor"])
        repo.release("3.0", self.image[3], security_version=4)
        before = device.slot_hash("a"), device.boot_state()
        self.expect(REFUSED, device.run("install"), "3.0", "floor")
        self.expect(REFUSED, device.run("rollback"), "1.0", "floor")
        self.assertEqual(before, (device.slot_hash("a"), device.boot_state()))

    def test_a_slot_that_is_too_small(self):
        device = self.factory(2)
        with open(device.paths[("b", "rootfs")], "wb") as file:
            file.write(b"\xaa" * (SIZE - 1))
        self.refuse(STORAGE, "slot-too-small", device, str(SIZE))

    def test_a_slot_of_exactly_the_images_size_is_enough(self):
        device = self.factory(2)
        os.truncate(device.paths[("b", "rootfs")], SIZE)
        self.update(device, "B")

    def test_a_release_with_more_classes_than_the_slots_have(self):
        repo = self.with_release({"rootfs": self.image[2], "boot": b"a kernel"})
        self.refuse(REFUSED, "wrong-classes", self.device_for(repo), "boot")

    def test_a_release_that_lacks_a_class_of_the_slots(self):
        repo = self.repo[2]
        device = Device(self.folder / "device", repo.root, repo.folder, image={"rootfs": self.image[1], "boot": b"kernel"},
                        slot_size=SLOT, classes=("rootfs", "boot"))
        self.refuse(REFUSED, "wrong-classes", device, "boot")


class Looks(LifeCase):
    def test_status_tells_a_program_everything(self):
        device = self.updated()
        status = device.status()
        self.assertEqual({"product", "state", "booted", "primary", "version", "slots", "security_floor", "known_bad", "last"},
                         set(status))
        self.assertEqual({"a", "b"}, set(status["slots"]))
        for name, version in (("a", "1.0"), ("b", "2.0")):
            slot = status["slots"][name]
            self.assertEqual((name.upper(), True, True, "verified", version),
                             tuple(slot[field] for field in ("bootname", "bootable", "good", "content", "version")))
            image = slot["images"]["rootfs"]
            self.assertEqual((SIZE, SEGMENT), (image["size"], image["segment_size"]))
            self.assertEqual(self.image_id(int(version[0])), image["image_id"])
        self.assertEqual({"result", "code", "version", "reason", "time"}, set(status["last"]))

    def image_id(self, n):
        path = self.folder / "image"
        path.write_bytes(self.image[n])
        return run("decade-delta", "id", "--segment-size", SEGMENT, path).out.split()[0]

    def test_status_tells_a_person_the_same_in_words(self):
        device = self.updated()
        self.expect(DONE, device.run("status"), "lab-device: idle", "1.0", "2.0", "confirmed", "(primary)")

    def test_every_program_explains_itself(self):
        for name in ("decade", "decade-bootsim", "decade-repo", "decade-delta"):
            with self.subTest(name):
                self.expect(DONE, run(name, "--help"), name, "xample")
                self.expect(DONE, run(name, "--version"), name)
                self.expect(USAGE, run(name, "--no-such-option"))

    def test_a_configuration_that_is_missing_or_wrong_is_code_2_and_named(self):
        device = self.factory()
        with open(device.config, "a") as file:
            file.write("colour = blue\n[radio]\nvolume = 11\n")
        self.expect(USAGE, device.run("status"), "device.conf", "radio")
        self.expect(USAGE, run("decade", "--config", self.folder / "none.conf", "status"), "none.conf")

    def test_a_second_run_is_told_that_the_first_holds_the_lock_and_status_still_answers(self):
        server = self.serve(self.repo[2].folder)
        device = self.factory(url=server.url, stall_timeout_s=30)
        server.add_fault("payloads/", lab_server.stall(100), times=1)
        first = device.start("install")
        self.addCleanup(first.kill)
        self.wait_for(lambda: server.requests("payloads/"))
        for command in ("install", "check", "mark-good", "activate", "rollback", "repair", "verify"):
            self.expect(BUSY, device.run(command))
        self.assertEqual("a", device.status()["booted"])
        server.heal()
        self.expect(DONE, first.wait())
        self.assert_slot(device, "b", self.image[2])

    def test_a_signal_stops_it_in_order_and_the_next_run_goes_on(self):
        server = self.serve(self.repo[2].folder)
        device = self.factory(url=server.url)
        server.rate = 400_000
        first = device.start("install", "--full")
        self.addCleanup(first.kill)
        self.wait_for(lambda: server.bytes_sent("payloads/") > 60_000)
        first.kill(15)
        self.expect(1, first.wait(timeout=10), "cancelled")
        server.rate = 0
        self.expect(DONE, device.run("install"))
        self.assert_slot(device, "b", self.image[2])


if __name__ == "__main__":
    unittest.main(verbosity=2)
