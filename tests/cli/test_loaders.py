#!/usr/bin/env python3
"""Whole updates with each boot loader's own state, which independent tools read, count down and damage."""
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
from device_lab import DONE, REFUSED, SEGMENT, STATE, LabCase, Repo, make_image, next_image  # noqa: E402
import loader_lab  # noqa: E402

SIZE = 8 * SEGMENT


class LoaderCase:
    """The tests, for one loader; subclasses name it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if not loader_lab.have(cls.loader):
            raise unittest.SkipTest("%s: %s not installed or not usable here" % (cls.loader.name, " or ".join(cls.loader.tools)))
        cls.image = [b"", make_image(SIZE, "loaders")]
        cls.repo = Repo(cls.lab)
        for n in range(1, 4):
            if n > 1:
                cls.image.append(next_image(cls.image[n - 1], n))
            cls.repo.release("%d.0" % n, cls.image[n])
            cls.repo.copy(cls.lab / str(n))

    def factory(self, n):
        return loader_lab.LoaderDevice(self.loader, self.folder / "device", self.repo.root, self.lab / str(n) / "repo",
                                       image=self.image[1], slot_size=SIZE + SEGMENT)

    def updated(self, n):
        """Runs 2.0 in B, confirmed, and sees release n."""
        device = self.factory(2)
        self.expect(DONE, device.run("install"))
        self.assertEqual("B", device.boot())
        self.expect(DONE, device.run("mark-good"))
        device.configure(url=self.lab / str(n) / "repo")
        return device

    def assert_foreign(self, device):
        found = device.loader.vars()
        for name, value in device.loader.foreign.items():
            self.assertEqual(value, found.get(name))

    def test_an_update_is_tried_and_confirmed(self):
        device = self.factory(2)
        self.assertEqual("A", device.boot())
        self.expect(DONE, device.run("install"))
        self.assertEqual("a", device.status()["booted"])
        self.assertEqual("b", device.status()["primary"])
        self.assert_foreign(device)
        self.assertEqual("B", device.boot())
        self.assertEqual("trial", device.status()["state"])
        self.expect(DONE, device.run("mark-good"))
        for _ in range(5):
            self.assertEqual("B", device.boot())
        self.assertEqual("2.0", device.status()["slots"]["b"]["version"])
        self.assert_foreign(device)

    def test_a_trial_that_never_confirms_falls_back(self):
        device = self.updated(3)
        self.expect(DONE, device.run("install"))
        for _ in range(self.loader.tries):
            self.assertEqual("A", device.boot())
        for _ in range(5):
            self.assertEqual("B", device.boot())
        self.expect(REFUSED, device.run("install"))
        status = device.status()
        self.assertEqual(("b", "rolled-back"), (status["booted"], status["state"]))
        self.assert_foreign(device)

    def test_a_user_goes_back_and_forth(self):
        device = self.updated(2)
        self.expect(DONE, device.run("rollback"))
        self.assertEqual("A", device.boot())
        self.expect(DONE, device.run("mark-good"))
        self.assertEqual("A", device.boot())
        self.expect(DONE, device.run("install", "--reinstall"))
        self.assertEqual("B", device.boot())
        self.expect(DONE, device.run("mark-bad"))
        self.assertEqual("A", device.boot())
        self.assert_foreign(device)

    def test_a_damaged_state_is_reported_and_left_alone(self):
        device = self.updated(3)
        device.loader.damage()
        before = device.loader.bytes()
        for command in ("status", "install", "activate", "mark-good", "mark-bad", "rollback"):
            self.expect(STATE, device.run(command))
        self.assertEqual(before, device.loader.bytes())

    def test_a_kernel_that_does_not_know_its_slot_is_not_updated(self):
        device = self.updated(3)
        if not hasattr(device.loader, "cmdline"):
            self.skipTest("the loader says it elsewhere")
        device.loader.cmdline.write_text("quiet\n")
        self.expect(STATE, device.run("install"), "decade.slot")
        device.loader.says("C")
        self.expect(STATE, device.run("install"))


class Uboot(LoaderCase, LabCase):
    loader = loader_lab.Uboot


class Grub(LoaderCase, LabCase):
    loader = loader_lab.Grub


class SystemdBoot(LoaderCase, LabCase):
    loader = loader_lab.SystemdBoot


class Exec(LoaderCase, LabCase):
    loader = loader_lab.Exec


if __name__ == "__main__":
    unittest.main()
