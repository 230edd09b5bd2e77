"""Commands that only look: they make nothing, need no rights to write, and work on a read-only state folder."""
import os
import shutil
import subprocess
import unittest

from device_lab import BIN, DONE, NOT_AUTHENTIC, SEGMENT, STATE, Device, LabCase, Repo, make_image, next_image, run


def tree(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


class Looking(LabCase):
    def setUp(self):
        super().setUp()
        self.old = make_image(2 * SEGMENT, 1)
        self.repo = Repo(self.folder)
        self.repo.release("1.0", self.old)
        self.repo.release("1.1", next_image(self.old, 2))
        self.device = Device(self.folder / "device", self.repo.root, self.repo.folder, image=self.old)

    def test_status_makes_nothing(self):
        self.expect(DONE, self.device.run("status"))
        self.assertEqual([], tree(self.device.state))
        self.device.state.rmdir()
        self.expect(DONE, self.device.run("status"))
        self.assertFalse(self.device.state.exists())
        self.expect(STATE, self.device.run("verify"))
        self.assertFalse(self.device.state.exists())

    def as_nobody(self, *words):
        """The device's folder is open to all, but belongs to root."""
        for path in [self.lab, self.folder, self.device.folder, *self.device.folder.rglob("*")]:
            path.chmod(path.stat().st_mode | 0o444 | (0o111 if path.is_dir() else 0))
        programs = self.folder / "bin"
        shutil.copytree(BIN, programs, ignore=lambda folder, names: [name for name in names if name != "decade"], dirs_exist_ok=True)
        programs.chmod(0o755)
        try:
            return subprocess.run([programs / "decade", "--config", self.device.config, *words], user=65534, group=65534, extra_groups=[],
                                  capture_output=True, text=True, timeout=60, cwd="/")
        except PermissionError:
            self.skipTest("only root can become somebody else")

    def test_somebody_without_rights_sees_the_status_and_can_verify(self):
        if os.geteuid() != 0:
            self.skipTest("only root can become somebody else")
        self.assertEqual(0, self.as_nobody("status").returncode)
        self.assertEqual([], tree(self.device.state))
        self.expect(DONE, self.device.run("install"))
        before = tree(self.device.state)
        self.assertEqual(0, self.as_nobody("status").returncode)
        done = self.as_nobody("verify")
        self.assertEqual((0, before), (done.returncode, tree(self.device.state)), done.stderr)

    def test_a_read_only_state_folder_blocks_neither_status_nor_verify(self):
        self.expect(DONE, self.device.run("install"))
        unshare = shutil.which("unshare")
        script = "mount --bind '%s' '%s' && mount -o remount,bind,ro '%s' && exec \"$@\"" % ((self.device.state,) * 3)
        def read_only(*words):
            return run(unshare, "-m", "sh", "-c", script, "sh", BIN / "decade", "--config", self.device.config, *words)
        if unshare is None or os.geteuid() != 0 or run(unshare, "-m", "sh", "-c", script, "sh", "true").code != 0:
            self.skipTest("no private mounts here")
        for remove in (None, "lock"):
            if remove:
                (self.device.state / remove).unlink()
            self.expect(DONE, read_only("status"), "1.1")
            self.expect(DONE, read_only("verify"))
        self.device.overwrite("b", 1000, b"damaged")
        self.expect(NOT_AUTHENTIC, read_only("verify"))
        self.assertNotEqual(DONE, read_only("activate").code)


if __name__ == "__main__":
    unittest.main()
