#!/usr/bin/env python3
"""Images of every awkward size, as update and as base; a very large one; and slots that are block devices."""
import os
import pathlib
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
from device_lab import DONE, LONG, NOTHING_TO_DO, STORAGE, Device, LabCase, Repo, make_image, next_image  # noqa: E402

MIB = 1 << 20
SEGMENT = MIB  # what a repository has unless it says otherwise


class AwkwardSizes(LabCase):
    def update(self, device, bootname, image):
        done = self.expect(DONE, device.run("install", "--json")).json
        self.assert_slot(device, bootname.lower(), image)
        self.assertEqual(bootname, device.boot())
        self.expect(DONE, device.run("mark-good"))
        self.expect(DONE, device.run("verify", "--slot", bootname.lower()))
        return done

    def test_each_size_is_updated_to_and_from(self):
        """One device goes up and down through all sizes, so each is a full image, a target of a delta, and a base."""
        sizes = (2 * SEGMENT + 7, 0, 1, SEGMENT, SEGMENT - 1, SEGMENT + 1, 1, 2 * SEGMENT, 0, SEGMENT + 1)
        images = [make_image(sizes[0], "sizes")]
        for n, size in enumerate(sizes[1:]):
            longest = max(images, key=len)
            images.append(next_image(longest, n, size=size, changes=5) if size > 0 else b"")
        repo = Repo(self.folder)
        repo.release("0", images[0], segment_size=SEGMENT)
        server = self.serve(repo.folder)
        device = Device(self.folder / "device", repo.root, server.url, image=images[0], slot_size=3 * SEGMENT)
        self.expect(NOTHING_TO_DO, device.run("check"))
        for n, image in enumerate(images[1:], 1):
            with self.subTest(size=len(image), after=len(images[n - 1])):
                repo.release(str(n), image, segment_size=SEGMENT, bases="2")
                done = self.update(device, "BA"[(n - 1) % 2], image)
                self.assertEqual(-(-len(image) // SEGMENT), done["segments"])
                self.assertEqual(str(n), device.status()["version"])
        self.expect(DONE, device.run("install", "--full", "--reinstall"))
        self.assert_slot(device, "b", images[-1]) if len(images) % 2 else self.assert_slot(device, "a", images[-1])

    def test_each_size_fits_a_slot_of_exactly_that_size_and_no_smaller_one(self):
        for size in (1, SEGMENT - 1, SEGMENT, SEGMENT + 1):
            with self.subTest(size=size):
                folder = self.folder / str(size)
                old, new = make_image(size, "old"), make_image(size, "new")
                repo = Repo(folder)
                repo.release("1", old, segment_size=SEGMENT)
                repo.release("2", new, segment_size=SEGMENT)
                device = Device(folder / "device", repo.root, repo.folder, image=old, slot_size=size)
                os.truncate(device.paths[("b", "rootfs")], size - 1)
                before = device.boot_state()
                self.expect(STORAGE, device.run("install"))
                self.assertEqual(before, device.boot_state())
                self.assert_slot(device, "b", bytes(size - 1))
                os.truncate(device.paths[("b", "rootfs")], size)
                self.update(device, "B", new)

    def test_many_segments_of_the_smallest_size(self):
        size = 300 * 4096 + 1
        old = make_image(size, "many")
        new = next_image(old, "many")
        repo = Repo(self.folder)
        repo.release("1", old, segment_size=4096)
        repo.release("2", new, segment_size=4096)
        device = Device(self.folder / "device", repo.root, self.serve(repo.folder).url, image=old, slot_size=size)
        self.assertEqual(301, self.update(device, "B", new)["segments"])

    @unittest.skipUnless(LONG, "long tier: DECADE_LONG=1")
    def test_a_sparse_image_of_five_gibibytes_with_64_bit_offsets(self):
        size = 5 << 30
        spots = {0: b"first", (4 << 30) - 3: b"across the 4 GiB line", size - 4: b"last"}
        repo = Repo(self.folder)
        paths = []
        for n in (1, 2):
            paths.append(self.folder / ("image-%d" % n))
            with open(paths[-1], "wb") as file:
                file.truncate(size)
                for offset, text in spots.items():
                    file.seek(offset)
                    file.write(text[:4] if offset == size - 4 else text)
                file.seek(4_400_000_000)
                file.write(make_image(3 * SEGMENT, n))
            repo.release(str(n), paths[-1], segment_size=SEGMENT)
        device = Device(self.folder / "device", repo.root, repo.folder, slot_size=size)
        subprocess.run(["cp", "--sparse=always", paths[0], device.paths[("a", "rootfs")]], check=True)
        result = self.expect(DONE, device.run("install", "--json", timeout=600))
        print("5 GiB sparse: install took %.1f s" % result.seconds, file=sys.stderr)
        self.assertEqual("2", result.json["version"])
        compared = subprocess.run(["cmp", paths[1], device.paths[("b", "rootfs")]], check=False)
        self.assertEqual(0, compared.returncode)
        used = os.stat(device.paths[("b", "rootfs")]).st_blocks * 512
        self.assertLess(used, 64 * MIB, "zeros that were there were written again")


class BlockDevices(LabCase):
    def loop_device(self, path):
        made = subprocess.run(["losetup", "--find", "--show", path], capture_output=True, text=True, check=False)
        if made.returncode != 0:
            self.skipTest("no loop device: " + made.stderr.strip())
        name = made.stdout.strip()
        self.addCleanup(subprocess.run, ["losetup", "--detach", name], check=False, capture_output=True)
        return pathlib.Path(name)

    @unittest.skipUnless(os.geteuid() == 0 and os.path.exists("/dev/loop-control"), "needs root and loop devices")
    def test_slots_on_block_devices_are_updated_and_verified(self):
        size = 4 * SEGMENT + 4096
        old = make_image(size, "loop")
        new = next_image(old, "loop")
        repo = Repo(self.folder)
        repo.release("1", old, segment_size=SEGMENT)
        repo.release("2", new, segment_size=SEGMENT)
        slots = {}
        for slot, content in (("a", old), ("b", b"")):
            path = self.folder / ("medium-" + slot)
            path.write_bytes(content)
            os.truncate(path, 6 * SEGMENT)
            slots[(slot, "rootfs")] = self.loop_device(path)
        device = Device(self.folder / "device", repo.root, self.serve(repo.folder).url, slots=slots)
        done = self.expect(DONE, device.run("install", "--json")).json
        self.assertEqual(("1", "delta", 0), (done["from_version"], done["payload"], done["segments_refetched"]))
        self.assert_slot(device, "b", new)
        self.assertEqual("B", device.boot())
        self.expect(DONE, device.run("mark-good"))
        self.expect(DONE, device.run("verify"))

    @unittest.skipUnless(os.geteuid() == 0 and os.path.exists("/dev/loop-control"), "needs root and loop devices")
    def test_a_block_device_that_is_too_small_is_refused(self):
        image = make_image(2 * SEGMENT, "loop")
        repo = Repo(self.folder)
        repo.release("1", image, segment_size=SEGMENT)
        slots = {}
        for slot in "ab":
            path = self.folder / ("medium-" + slot)
            path.write_bytes(b"\xaa" * SEGMENT)
            slots[(slot, "rootfs")] = self.loop_device(path)
        device = Device(self.folder / "device", repo.root, repo.folder, slots=slots)
        self.expect(STORAGE, device.run("install"))
        self.assert_slot(device, "b", b"\xaa" * SEGMENT)


if __name__ == "__main__":
    unittest.main(verbosity=2)
