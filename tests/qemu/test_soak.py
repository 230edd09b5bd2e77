#!/usr/bin/env python3
"""The soak's own judgement, over a device that is a few lines of Python: its plan, and what it calls a dead device."""
import types
import unittest

from qemu_lab import SOURCE  # noqa: F401  (finds the package)
from decade_qemu import soak  # noqa: E402
from decade_qemu.errors import GuestGone  # noqa: E402
from decade_qemu.guest_link import Event  # noqa: E402


class Process:
    """As much of a QemuProcess as the soak looks at. Its clock goes on by itself; a command ends after `work` seconds."""

    def __init__(self, work=2.0):
        self.seen, self.clock, self.work, self.sent = [Event("up"), Event("ready")], 0.0, work, 0
        self.process = types.SimpleNamespace(poll=lambda: None)

    def cpu_seconds(self):
        self.clock += 0.5
        if self.sent and self.clock >= self.work and not any(event.name == "done" for event in self.seen):
            self.seen.append(Event("done", {"id": "1"}))
        return self.clock

    def start_command(self, text):
        self.sent += 1
        return self.sent

    def is_busy(self):
        return sum(event.name == "done" for event in self.seen) < self.sent

    def saw(self, words):
        return True

    def cut(self):
        pass


class Device:
    """A Bench whose device has one slot that runs and a release that it was given. broken: what is wrong with it."""

    def __init__(self, broken=None):
        self.broken, self.boots, self.url, self.runs, self.given, self.offered = broken, 0, "", "1", None, None
        self.line = types.SimpleNamespace(release=self.publish)
        self.moments = []
        self.machine = types.SimpleNamespace(loading=lambda slot: "loading slot " + slot)

    def publish(self, version, content):
        self.offered = content

    def factory(self, room):
        self.room = room

    def tell(self, text):
        pass

    def boot(self):
        self.boots += 1
        if self.given is not None and self.broken != "never flips":
            self.runs, self.given = self.given, None
        return Boot(self)


class Boot:
    def __init__(self, device):
        self.device, self.process, self.slot, self.version = device, Process(), "A", device.runs

    def up(self):
        if self.device.broken == "dies" and self.device.boots > 3:
            raise GuestGone("timeout", "nothing came up")

    def ready(self, result):
        pass

    def status(self):
        return {"slots": {"a": {"good": self.device.broken != "never confirms" or self.version == "1"}}}

    def start_decade(self, words):
        return self.process.start_command(words)

    def decade(self, words, code, quiet):
        self.device.given = "foreign" if self.device.broken == "installs what isn't wanted" else self.device.offered
        return types.SimpleNamespace(code=0, out="")

    def reboot(self):
        pass

    def cut(self):
        pass


class Plan(unittest.TestCase):
    def test_a_seed_is_a_plan_whatever_the_device_does(self):
        one = soak.Soak(Device(), 40, 50, 7)
        plan = [one._plan() for _ in range(40)]
        log, _ = soak.run(Device(), 40, 50, 7)
        self.assertEqual([(entry["cut"], entry["phase"]) for entry in log], [(cut, phase if cut else None) for cut, phase, _ in plan])
        self.assertTrue(any(cut for cut, _, _ in plan) and not all(cut for cut, _, _ in plan))
        fewer = soak.Soak(Device(), 40, 0, 7)
        self.assertEqual([one[1:] for one in plan], [fewer._plan()[1:] for _ in range(40)])

    def test_every_phase_gets_its_cuts_and_the_share_is_as_asked_for(self):
        log, why = soak.run(Device(), 300, 20, 1)
        self.assertEqual(why, "")
        cuts = [entry for entry in log if entry["cut"]]
        self.assertTrue(40 <= len(cuts) <= 80, len(cuts))
        self.assertEqual({entry["phase"] for entry in cuts}, set(soak.PHASES))
        self.assertTrue(all(entry["moment"] for entry in cuts))

    def test_a_cut_does_not_wait_for_a_command_that_has_ended(self):
        one = soak.Soak(Device(), 1, 100, 1)
        boot = Boot(one.bench)
        number = boot.start_decade("install")
        one._cut(boot, 6.0, lambda event: event.name == "done" and event["id"] == str(number))
        self.assertEqual(one.moment, "idle")
        self.assertLess(boot.process.clock, 4.0)
        boot = Boot(one.bench)
        boot.start_decade("install")
        one._cut(boot, 1.0)
        self.assertEqual(one.moment, "command")


class Verdict(unittest.TestCase):
    def test_a_device_that_does_what_it_must_passes(self):
        log, why = soak.run(Device(), 20, 0, 1)
        self.assertEqual((len(log), why), (20, ""))

    def test_each_way_of_failing_is_told(self):
        for broken, words in (("dies", "nothing came up"), ("never flips", "the device is dead"), ("never confirms", "isn't confirmed"),
                              ("installs what isn't wanted", "was expected")):
            with self.subTest(broken):
                log, why = soak.run(Device(broken), 20, 0, 1)
                self.assertIn(words, why)
                self.assertLess(len(log), 20)


if __name__ == "__main__":
    unittest.main(verbosity=2)
