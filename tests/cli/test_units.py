#!/usr/bin/env python3
"""The unit files of packaging/systemd, and what docs/integration.md shows: systemd takes them, they do what they say."""
import os
import pathlib
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
import unittest
import urllib.error
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
from device_lab import BIN, DONE, SEGMENT, SOURCE, Device, LabCase, Repo, make_image, next_image  # noqa: E402

UNITS = SOURCE / "packaging" / "systemd"
SHOWN = re.compile(r"^<!-- unit: (\S+) -->\n```ini\n(.*?)^```$", re.M | re.S)


def values(path, key):
    return re.findall(r"^%s=(.*)$" % key, path.read_text(), re.M)


def shown_units():
    return dict(SHOWN.findall((SOURCE / "docs" / "integration.md").read_text()))


class Files(LabCase):
    @unittest.skipUnless(shutil.which("systemd-analyze"), "no systemd-analyze")
    def test_systemd_takes_every_unit(self):
        """With the programs where they were built; a check of the product's own is any program."""
        for name, text in [(path.name, path.read_text()) for path in UNITS.iterdir()] + list(shown_units().items()):
            path = self.folder / name
            path.parent.mkdir(exist_ok=True)
            text = text.replace("/usr/bin/decade", str(BIN.resolve() / "decade"))
            path.write_text(text.replace("/usr/bin/acme-health", "/bin/true"))
        # With systemd-boot, what confirms the entry waits for the same checks.
        name = "boot-complete.target"
        (self.folder / (name + ".d")).mkdir()
        shutil.copy(SOURCE / "packaging" / "systemd-boot" / (name + ".d") / "decade.conf", self.folder / (name + ".d"))
        shutil.copy("/usr/lib/systemd/system/" + name, self.folder)
        units = [str(path) for path in sorted(self.folder.iterdir()) if path.is_file()]
        self.assertGreater(len(units), 8)
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *units], capture_output=True,
                              text=True, timeout=120, env=dict(os.environ, SYSTEMD_UNIT_PATH=str(self.folder) + ":"))
        # The machine's own units may have faults of their own.
        ours = [line for line in (done.stdout + done.stderr).splitlines() if "decade" in line or "acme" in line]
        self.assertEqual((0, []), (done.returncode, ours))

    def test_the_confirmation_waits_for_the_health_checks_and_the_deadline_for_nothing(self):
        good = UNITS / "decade-mark-good.service"
        self.assertEqual(["decade-health.target"], values(good, "Requires"))
        self.assertEqual(["decade-health.target"], values(good, "After"))
        self.assertEqual([], values(UNITS / "decade-trial-deadline.service", "After"))

    def test_each_timer_has_its_service_and_each_exit_code_that_is_no_failure_is_one_of_the_contract(self):
        for path in UNITS.iterdir():
            if path.suffix == ".timer":
                self.assertTrue(path.with_suffix(".service").exists(), path.name)
            for codes in values(path, "SuccessExitStatus"):
                self.assertLessEqual(set(codes.split()), set("3469"), "usage, forgery, storage and a busy device are failures")


class Commands(LabCase):
    def device(self):
        old = make_image(4 * SEGMENT, "units")
        repo = Repo(self.folder)
        repo.release("1.0", old)
        repo.release("2.0", next_image(old, "units"))
        return Device(self.folder / "device", repo.root, repo.folder, image=old)

    def run_unit(self, device, name, key="ExecStart"):
        """A command of a unit, as systemd would split it, against this device."""
        line, = values(UNITS / name, key)
        line = line.replace("/usr/bin/decade", "%s --config %s" % (BIN.resolve() / "decade", device.config))
        return subprocess.run(shlex.split(line), capture_output=True, text=True, timeout=60).returncode

    def test_the_units_lead_a_device_through_an_update(self):
        device = self.device()
        expired = ("decade-trial-deadline.service", "ExecCondition")
        self.assertEqual(DONE, self.run_unit(device, "decade-check.service"))
        self.assertEqual(DONE, self.run_unit(device, "decade-mark-good.service"), "a factory device has nothing to confirm")
        self.assertEqual(1, self.run_unit(device, *expired), "1: systemd skips the reboot")
        self.assertEqual(DONE, self.run_unit(device, "decade-install.service"))
        self.assertEqual(1, self.run_unit(device, *expired), "the trial hasn't begun")
        self.assertEqual("B", device.boot())
        self.assertEqual(DONE, self.run_unit(device, *expired), "on trial at the deadline: reboot")
        self.assertEqual(9, self.run_unit(device, "decade-install.service"))
        self.assertEqual(DONE, self.run_unit(device, "decade-mark-good.service"))
        self.assertEqual(1, self.run_unit(device, *expired), "confirmed")
        self.assertEqual(3, self.run_unit(device, "decade-install.service"))

    def test_the_reboot_of_the_drop_in_waits_for_an_activated_release(self):
        text = shown_units()["decade-install.service.d/reboot.conf"]
        line = re.search(r"^ExecStartPost=-?(.*)$", text, re.M)[1]
        device = self.device()
        mark = pathlib.Path(self.folder / "rebooted")
        line = line.replace("/usr/bin/decade", "%s --config %s" % (BIN.resolve() / "decade", device.config))
        self.assertIn("systemctl --no-block reboot", line)
        line = line.replace("systemctl --no-block reboot", "touch %s" % mark)
        subprocess.run(shlex.split(line), timeout=60, check=True)
        self.assertFalse(mark.exists())
        self.assertEqual(DONE, self.run_unit(device, "decade-install.service"))
        subprocess.run(shlex.split(line), timeout=60, check=True)
        self.assertTrue(mark.exists())


@unittest.skipUnless(shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin"), "no nginx")
class Serving(LabCase):
    """docs/integration.md's server block, on a free port."""

    def serve_with_nginx(self, www):
        page = (SOURCE / "docs" / "integration.md").read_text()
        block = re.search(r"^<!-- nginx -->\n```nginx\n(.*?)^```$", page, re.M | re.S)[1]
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        block = block.replace("listen 80;", "listen 127.0.0.1:%d;" % port).replace("/srv/www", str(www))
        temp = "".join("%s_temp_path tmp; " % name for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        user = "user root;\n" if os.getuid() == 0 else ""
        frame = "%spid nginx.pid;\nerror_log error.log;\ndaemon off;\nevents {}\nhttp {\naccess_log off;\n%s\n%s}\n"
        (self.folder / "nginx.conf").write_text(frame % (user, temp, block))
        nginx = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
        words = [nginx, "-p", str(self.folder), "-c", "nginx.conf", "-e", "error.log"]
        server = subprocess.Popen(words, stdin=subprocess.DEVNULL)
        self.addCleanup(server.wait)
        self.addCleanup(server.terminate)
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.05)
        return "http://127.0.0.1:%d/thermostat" % port

    def headers(self, url, **headers):
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as answer:
                return answer.status, answer.headers
        except urllib.error.HTTPError as answer:
            return answer.code, answer.headers

    def test_a_device_updates_from_nginx_and_caches_are_told_what_they_may_keep(self):
        old = make_image(4 * SEGMENT, "nginx")
        repo = Repo(self.folder)
        repo.release("1.0", old)
        repo.release("2.0", next_image(old, "nginx"))
        www = self.folder / "www"
        shutil.copytree(repo.folder, www / "thermostat")
        url = self.serve_with_nginx(www)
        device = Device(self.folder / "device", repo.root, url, image=old)
        result = device.run("install")
        self.assertEqual(DONE, result.code, str(result))
        for path, age in (("metadata/timestamp.json", "max-age=60"), ("metadata/1.root.json", "max-age=315360000")):
            code, headers = self.headers("%s/%s" % (url, path))
            self.assertEqual((200, age), (code, headers["Cache-Control"]))
        code, headers = self.headers("%s/metadata/2.root.json" % url)
        self.assertEqual((404, None), (code, headers["Cache-Control"]), "a root that is missing today may be there tomorrow")
        self.assertEqual(206, self.headers("%s/metadata/1.root.json" % url, Range="bytes=5-9")[0])


if __name__ == "__main__":
    unittest.main(verbosity=2)
