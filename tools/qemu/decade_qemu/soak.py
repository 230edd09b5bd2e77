"""Many updates in a row on one device, with power cuts at random moments, all decided by a seed. A device that doesn't come back is dead."""
import random
import time

from .errors import GuestGone, ScenarioFailure
from .machine import SLOTS

CONTENTS = 4      # different releases that take turns; their numbers go on
MOST_BOOTS = 12   # in one update, cuts included; more is a dead device
# phase: between how many seconds of processor time after its start the power is cut
PHASES = {"download": (0.0, 1.0), "install": (0.0, 6.0), "reboot": (0.0, 1.5), "loader": (0.1, 2.0), "kernel": (1.0, 5.0), "trial": (4.0, 9.0)}


class Soak:
    """bench: Bench. updates: how many. cuts: per cent of the updates that lose power. seed: decides every cut."""

    def __init__(self, bench, updates, cuts, seed):
        self.bench, self.updates, self.cuts, self.random = bench, updates, cuts, random.Random(seed)
        self.content, self.log = "1", []
        self.boot = self.moment = None

    def _publish(self, number):
        """Release `number`, whose content is one of a few; returns what its guest calls itself."""
        content = str((number - 1) % CONTENTS + 1)
        self.bench.line.release("%d.0" % number, content=content)
        return content

    def run(self):
        """Returns a list of {update, cut, phase, moment, boots, seconds}. ScenarioFailure when the device is dead or runs what it shouldn't."""
        bench = self.bench
        self._publish(1)
        bench.factory(room=[(str(content), "good") for content in range(1, CONTENTS + 1)])
        for number in range(2, self.updates + 2):
            began, boots = time.monotonic(), bench.boots
            cut, phase, seconds = self._plan()
            content, self.moment = self._publish(number), None
            self._update(content, (phase, seconds) if cut else None)
            self.log.append({"update": number - 1, "cut": cut, "phase": phase if cut else None, "moment": self.moment,
                             "boots": bench.boots - boots, "seconds": round(time.monotonic() - began, 1)})
            bench.tell("update %d of %d done%s, %d boots" % (number - 1, self.updates, ", cut in: " + self.moment if cut else "",
                                                            bench.boots - boots))
        self._power_off()
        return self.log

    def _plan(self):
        """(whether there is a cut, phase, seconds into it). The same numbers are drawn whatever the device does, so that a seed is a plan."""
        cut, phase = self.random.random() * 100 < self.cuts, self.random.choice(sorted(PHASES))
        return cut, phase, self.random.uniform(*PHASES[phase])

    def _power_off(self):
        if self.boot is not None:
            self.boot.cut()
            self.boot = None

    def _power_on(self):
        """A boot that is up and takes commands. GuestGone when it doesn't come up."""
        if self.boot is None:
            self.boot = self.bench.boot()
            self.boot.up()
            self.boot.ready(result=None)
        return self.boot

    def _update(self, content, cut):
        """Until `content` runs and is confirmed. cut: (phase, seconds) at which the power goes, once; None for none."""
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
            self._install_and_reboot(boot, *(cut or (None, 0)))
            cut = None
        raise ScenarioFailure("the device is dead: %d boots, and release content %s doesn't run" % (MOST_BOOTS, content))

    def _install_and_reboot(self, boot, phase, seconds):
        """Installs and reboots; the power is cut so many seconds into `phase`."""
        if phase in ("download", "install"):
            number = boot.start_decade("install --json " + self.bench.url)
            self._cut(boot, seconds, lambda event: event.name == "done" and event["id"] == str(number))
            return
        result = boot.decade("install --json " + self.bench.url, code=None, quiet=True)
        if result.code not in (0, 3):
            raise ScenarioFailure("install ended with %d:\n%s" % (result.code, result.out))
        if phase == "reboot":
            boot.process.start_command("reboot")
            self._cut(boot, seconds)
            return
        boot.reboot()
        if phase is not None:
            self._cut(self.bench.boot(), seconds, lambda event: event.name == "ready")

    def _cut(self, boot, seconds, is_over=lambda event: False):
        """Cuts the power so many seconds from now, as an idle host counts them: by the processor time that the guest got. An event for which
        is_over holds ends the wait: what was to be cut has come to its end, and an idle guest uses no processor time."""
        process = boot.process
        end, wanted = time.monotonic() + seconds * 20, process.cpu_seconds() + seconds
        while time.monotonic() < end and process.cpu_seconds() < wanted:
            if process.process.poll() is not None or any(map(is_over, list(process.seen))):
                break
            time.sleep(0.01)
        self.moment = moment_of(process, self.bench.machine)
        boot.cut()


def moment_of(process, machine):
    """How far a boot has come, in words. process: QemuProcess."""
    names = {event.name for event in list(process.seen)}
    if process.process.poll() is not None:
        return "power off"
    if "bye" in names:
        return "shutdown"
    if "ready" in names:
        return "command" if process.is_busy() else "idle"
    if "up" in names:
        return "user space"
    return "kernel" if any(process.saw(machine.loading(slot)) for slot in SLOTS) else "loader"


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
