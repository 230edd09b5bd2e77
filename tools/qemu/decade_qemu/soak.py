"""Many updates in a row on one device, with power cuts at random moments, all decided by a seed. A device that doesn't come back is dead."""
import random
import time

from .errors import GuestGone, ScenarioFailure

CONTENTS = 4      # different releases that take turns; their numbers go on
MOST_BOOTS = 12   # in one update, cuts included; more is a dead device
PHASES = ("download", "install", "reboot", "loader", "kernel", "trial")


class Soak:
    """bench: Bench. updates: how many. cuts: per cent of the updates that lose power. seed: decides every cut."""

    def __init__(self, bench, updates, cuts, seed):
        self.bench, self.updates, self.cuts, self.random = bench, updates, cuts, random.Random(seed)
        self.slot, self.content, self.log = "A", "1", []
        self.boot = None

    def _publish(self, number):
        """Release `number`, whose content is one of a few; returns what its guest calls itself."""
        content = str((number - 1) % CONTENTS + 1)
        self.bench.line.release("%d.0" % number, content=content)
        return content

    def run(self):
        """Returns a list of {update, cut, phase, boots, seconds}. ScenarioFailure when the device is dead or runs what it shouldn't."""
        bench = self.bench
        self._publish(1)
        bench.factory(room=[(str(content), "good") for content in range(1, CONTENTS + 1)])
        for number in range(2, self.updates + 2):
            began, boots = time.monotonic(), bench.boots
            cut = self.random.random() * 100 < self.cuts
            phase = self.random.choice(PHASES) if cut else None
            content = self._publish(number)
            self._update(content, phase)
            self.log.append({"update": number - 1, "cut": cut, "phase": phase, "boots": bench.boots - boots,
                             "seconds": round(time.monotonic() - began, 1)})
            bench.tell("update %d of %d done%s, %d boots" % (number - 1, self.updates, ", cut in: " + phase if phase else "",
                                                            bench.boots - boots))
        self._power_off()
        return self.log

    def _power_off(self):
        if self.boot is not None:
            self.boot.cut()
            self.boot = None

    def _power_on(self):
        """A boot that is up and takes commands; or None when it was the reset of a trial that runs out."""
        if self.boot is None:
            self.boot = self.bench.boot()
            self.boot.up()
            self.boot.ready(result=None)
        return self.boot

    def _update(self, content, phase):
        """Until `content` runs and is confirmed. phase: where the power is cut, once."""
        for _ in range(MOST_BOOTS):
            boot = self._power_on()
            if boot.version == content:
                if not boot.status()["slots"][boot.slot.lower()]["good"]:
                    raise ScenarioFailure("release content %s runs and isn't confirmed" % content)
                self.content = content
                return
            if boot.version != self.content:
                raise ScenarioFailure("content %s runs; %s or %s was expected" % (boot.version, self.content, content))
            self.boot = None
            phase = self._install_and_reboot(boot, phase)
        raise ScenarioFailure("the device is dead: %d boots, and release content %s doesn't run" % (MOST_BOOTS, content))

    def _install_and_reboot(self, boot, phase):
        """Installs and reboots, cut where `phase` says. Returns the phase that is still to come (None after the cut)."""
        bench = self.bench
        if phase in ("download", "install"):
            number = boot.start_decade("install --json " + bench.url)
            self._sleep(self.random.uniform(0.0, 1.0 if phase == "download" else 6.0), boot)
            boot.cut()
            return None
        result = boot.decade("install --json " + bench.url, code=None, quiet=True)
        if result.code not in (0, 3):
            raise ScenarioFailure("install ended with %d:\n%s" % (result.code, result.out))
        if phase == "reboot":
            boot.process.start_command("reboot")
            self._sleep(self.random.uniform(0.0, 1.5), boot)
            boot.cut()
            return None
        boot.reboot()
        if phase in ("loader", "kernel", "trial"):
            trial = bench.boot()
            self._sleep({"loader": self.random.uniform(0.1, 2.5), "kernel": self.random.uniform(2.0, 6.0),
                         "trial": self.random.uniform(4.0, 10.0)}[phase], trial)
            trial.cut()
            return None
        return phase

    def _sleep(self, seconds, boot):
        """Seconds of an idle machine: longer on a busy one, by the processor time that the guest got."""
        end, wanted = time.monotonic() + seconds * 20, boot.process.cpu_seconds() + seconds
        while time.monotonic() < end and boot.process.cpu_seconds() < wanted:
            if boot.process.process.poll() is not None:
                return
            time.sleep(0.01)


def run(bench, updates, cuts, seed):
    """(log, why): why is empty when every update came through."""
    soak = Soak(bench, updates, cuts, seed)
    try:
        return soak.run(), ""
    except (ScenarioFailure, GuestGone) as failure:
        return soak.log, str(failure)
    finally:
        if soak.boot is not None:
            soak.boot.process.cut()
