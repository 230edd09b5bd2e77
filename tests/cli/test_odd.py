#!/usr/bin/env python3
"""Devices in odd states: slots that are one, cuts between two stores, closed outputs, releases that share images."""
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
from device_lab import DONE, SEGMENT, USAGE, Device, LabCase, Repo, make_image, next_image  # noqa: E402

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

    def factory(self):
        return Device(self.folder / "device", self.repo.root, self.repo.folder, image={"rootfs": self.image[1], "boot": self.boot},
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


if __name__ == "__main__":
    unittest.main()
