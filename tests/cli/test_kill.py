#!/usr/bin/env python3
"""`decade` killed at random instants: there is always a slot to boot, and the next run goes on where the last was cut."""
import os
import pathlib
import random
import shutil
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
from device_lab import (DONE, LONG, NOTHING_TO_DO, SEGMENT, STATE, Device, LabCase, Repo, Running, make_image,  # noqa: E402
                        next_image, run)

SIZE = 48 * SEGMENT
KILLS = 200 if LONG else 40
SEED = os.environ.get("DECADE_SEED", "kill")


class Killed(LabCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.old = make_image(SIZE, "kill")
        cls.new = next_image(cls.old, "kill", changes=40)
        cls.repo = Repo(cls.lab)
        cls.repo.release("1.0", cls.old)
        cls.repo.release("2.0", cls.new)
        cls.third = next_image(cls.new, "third", changes=60)
        cls.repo3 = cls.repo.copy(cls.lab / "third")
        cls.repo3.release("3.0", cls.third)
        cls.delta, cls.full = cls.repo.payload("2.0", "1.0"), cls.repo.payload("2.0")

    def setUp(self):
        super().setUp()
        self.rng = random.Random(SEED)
        self.server = self.serve(self.repo.folder)
        self.origin = Device(self.folder / "origin", self.repo.root, self.server.url, image=self.old, slot_size=SIZE)
        self.expect(DONE, self.origin.run("check"))

    def killed_after(self, seconds, device, *words):
        """True when it was still at work."""
        program = device.start(*words)
        time.sleep(seconds)
        program.kill()
        return program.wait().code == -9

    def assert_bootable(self, device):
        """The loader's choice holds a whole image."""
        chosen = device.boot().lower()
        image = self.old if chosen == "a" else self.new
        self.assert_slot(device, chosen, image)
        return chosen

    def test_install_killed_at_random_instants_goes_on_and_fetches_nothing_twice(self):
        self.server.rate = 2_000_000  # so that there are instants between the first byte and the last
        for payload, words in ((self.delta, ()), (self.full, ("--full",))):
            timed = self.origin.copy(self.folder / ("timed-%d" % len(words)))
            whole = self.expect(DONE, timed.run("install", *words)).seconds
            cuts = resumed = 0
            for n in range(KILLS // 2):
                with self.subTest(payload="full" if words else "delta", kill=n, seed=SEED):
                    cut, part = self.kill_once(payload, words, self.rng.uniform(0, whole))
                    cuts += cut
                    resumed += part
            self.assertGreater(cuts, KILLS // 8, "too few kills met a program at work")
            self.assertGreater(resumed, 0, "no kill left a part of the segments written")

    def kill_once(self, payload, words, seconds):
        device = self.origin.copy(self.folder / "device")
        cut = self.killed_after(seconds, device, "install", *words)
        wrong = payload.wrong_segments(self.new, device.slot("b"))
        status = device.status()
        self.assertEqual("a", status["booted"])
        if status["state"] in ("writing", "idle"):
            self.assertEqual("A", device.boot(), "a slot that isn't whole must not boot")
        self.server.forget()
        result = device.run("install", "--json", *words)
        self.assertIn(result.code, (DONE, NOTHING_TO_DO), str(result))
        waiting = status["state"] in ("staged", "pending")
        expected = 0 if waiting else payload.table_length + payload.bytes_of(wrong)
        self.assertEqual(expected, self.server.bytes_sent("payloads/"), "%s, then %s" % (status["state"], result))
        if not waiting:
            self.assertEqual(len(payload.frames) - len(wrong), result.json["segments_already_right"])
        self.assert_slot(device, "b", self.new)
        self.assert_slot(device, "a", self.old)
        self.assertEqual("B", device.boot())
        self.expect(DONE, device.run("mark-good"))
        shutil.rmtree(device.folder)
        return cut, 0 < len(wrong) < len(payload.frames)

    def updated(self):
        """Runs 2.0 from slot b, confirmed, with 1.0 in slot a to fall back to."""
        device = self.origin.copy(self.folder / "updated")
        self.expect(DONE, device.run("install"))
        self.assertEqual("B", device.boot())
        self.expect(DONE, device.run("mark-good"))
        return device

    def test_a_good_slot_stops_being_bootable_before_its_first_byte_changes(self):
        updated = self.updated()
        server = self.serve(self.repo3.folder)
        updated.configure(url=server.url)
        server.rate = 2_000_000
        timed = updated.copy(self.folder / "timed")
        whole = self.expect(DONE, timed.run("install", "--no-activate")).seconds
        changed = 0
        for n in range(KILLS // 4):
            with self.subTest(kill=n, seed=SEED):
                device = updated.copy(self.folder / "device")
                self.killed_after(self.rng.uniform(whole / 4, whole), device, "install", "--no-activate")
                slot = device.status()["slots"]["a"]
                if device.slot("a") != self.old:
                    changed += 1
                    self.assertFalse(slot["bootable"])
                    self.expect(STATE, device.run("rollback"))
                    self.expect(STATE, device.run("mark-bad"))
                self.assertEqual("B", device.boot())
                self.expect(DONE, device.run("install"))
                self.assert_slot(device, "a", self.third)
                self.assertEqual("A", device.boot())
                shutil.rmtree(device.folder)
        self.assertGreater(changed, 0, "no kill came after the first byte")

    def test_check_killed_at_any_instant_leaves_metadata_that_the_next_check_can_use(self):
        device = Device(self.folder / "fresh", self.repo.root, self.repo.folder, image=self.old, slot_size=SIZE)
        whole = self.expect(DONE, device.run("check")).seconds
        for n in range(KILLS):
            with self.subTest(kill=n, seed=SEED):
                shutil.rmtree(device.state)
                device.state.mkdir()
                self.killed_after(self.rng.uniform(0, whole), device, "check")
                self.assertEqual("idle", device.status()["state"])
                self.expect(DONE, device.run("check"))

    def test_activate_and_mark_good_killed_at_any_instant_leave_a_slot_that_boots(self):
        staged = self.origin.copy(self.folder / "staged")
        self.expect(DONE, staged.run("install", "--no-activate"))
        whole = self.duration_of("activate", staged)
        ends = set()
        for n in range(KILLS):
            with self.subTest(kill=n, seed=SEED):
                device = staged.copy(self.folder / "device")
                self.killed_after(self.rng.uniform(0, whole), device, "activate")
                self.assertIn(device.status()["state"], ("staged", "pending"))
                if self.assert_bootable(device) == "a":
                    ends.add("not activated")
                    self.expect(DONE, device.run("activate"))
                    self.assertEqual("B", device.boot())
                self.killed_after(self.rng.uniform(0, whole), device, "mark-good")
                state = device.status()["state"]
                ends.add(state)
                self.assertIn(state, ("trial", "idle"))
                self.assertEqual("b", self.assert_bootable(device))
                self.expect(DONE, device.run("mark-good"))
                status = device.status()
                self.assertEqual(("idle", "b", True), (status["state"], status["booted"], status["slots"]["b"]["good"]))
                self.expect(NOTHING_TO_DO, device.run("install"))
                shutil.rmtree(device.folder)
        self.assertLessEqual({"trial", "idle"}, ends, "the kills must fall on both sides of the confirmation")

    def duration_of(self, command, device):
        twin = device.copy(self.folder / "timed")
        seconds = self.expect(DONE, twin.run(command)).seconds
        shutil.rmtree(twin.folder)
        return max(seconds * 1.3, 0.004)

    def test_rollback_and_mark_bad_killed_at_any_instant_leave_a_slot_that_boots(self):
        updated = self.updated()
        for command in ("rollback", "mark-bad"):
            whole = self.duration_of(command, updated)
            for n in range(KILLS // 4):
                with self.subTest(command, kill=n, seed=SEED):
                    device = updated.copy(self.folder / "device")
                    self.killed_after(self.rng.uniform(0, whole), device, command)
                    device.status()
                    self.assert_bootable(device)
                    device.status()
                    shutil.rmtree(device.folder)

    def test_the_boot_loader_killed_at_any_instant_boots_the_next_time(self):
        device = self.origin.copy(self.folder / "device")
        self.expect(DONE, device.run("install"))
        for _ in range(KILLS // 2):
            loader = Running("decade-bootsim", "--config", device.config)
            time.sleep(self.rng.uniform(0, 0.006))
            loader.kill()
            loader.wait()
            self.assertIn(run("decade", "--config", device.config, "status").code, (DONE,))
        self.assert_bootable(device)

    def loop_device(self, name, content):
        path = self.folder / name
        path.write_bytes(content)
        made = subprocess.run(["losetup", "--find", "--show", path], capture_output=True, text=True, check=False)
        if made.returncode != 0:
            self.skipTest("no loop devices here: " + made.stderr.strip())
        self.addCleanup(subprocess.run, ["losetup", "--detach", made.stdout.strip()], check=False, capture_output=True)
        return pathlib.Path(made.stdout.strip())

    def test_on_block_devices_a_killed_install_goes_on_and_the_medium_holds_what_was_read_back(self):
        slots = {("a", "rootfs"): self.loop_device("a.img", self.old), ("b", "rootfs"): self.loop_device("b.img", bytes(SIZE))}
        device = Device(self.folder / "loop", self.repo.root, self.server.url, slots=slots)
        self.server.rate = 2_000_000
        clean = self.folder / "clean"
        shutil.copytree(device.state, clean)
        whole = self.expect(DONE, device.run("install", "--full")).seconds
        cuts = 0
        for n in range(KILLS // 4):
            with self.subTest(kill=n, seed=SEED):
                shutil.rmtree(device.state)
                shutil.copytree(clean, device.state)
                device.overwrite("b", 0, bytes(SIZE))
                cuts += self.killed_after(self.rng.uniform(0, whole), device, "install", "--full")
                self.assertIn(device.status()["state"], ("idle", "writing", "staged", "pending"))
                self.assertIn(device.run("install").code, (DONE, NOTHING_TO_DO))
                # The file under the device: what the kernel has written back.
                os.sync()
                self.assertEqual(self.new, (self.folder / "b.img").read_bytes())
                self.assertEqual(self.old, (self.folder / "a.img").read_bytes())
                self.assertEqual("B", device.boot())
                self.expect(DONE, device.run("mark-good"))
        self.assertGreater(cuts, 0)

    def test_repair_killed_at_random_instants_ends_right_when_run_again(self):
        updated = self.updated()
        for i in range(0, SIZE // SEGMENT, 2):
            updated.overwrite("a", i * SEGMENT + 5, b"damaged")
        self.server.rate = 4_000_000
        whole = self.expect(DONE, updated.copy(self.folder / "timed").run("repair")).seconds
        for n in range(KILLS // 4):
            with self.subTest(kill=n, seed=SEED):
                device = updated.copy(self.folder / "device")
                self.killed_after(self.rng.uniform(0, whole), device, "repair")
                self.assertEqual("B", device.boot())
                self.assertIn(device.run("repair").code, (DONE, NOTHING_TO_DO))
                self.assert_slot(device, "a", self.old)
                self.assertEqual("idle", device.status()["state"])
                self.expect(DONE, device.run("rollback"))
                self.assertEqual("A", device.boot())
                shutil.rmtree(device.folder)


if __name__ == "__main__":
    unittest.main(verbosity=2)
