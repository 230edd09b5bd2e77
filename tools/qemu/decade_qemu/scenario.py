"""The registry of scenarios. A scenario is a function of a Bench; it returns when every promise was kept and raises ScenarioFailure else.

    @scenario("panic", "a new kernel that panics is tried and left", promise="rollback", tier="default")
    def panic(bench): ...
"""
import pathlib

from .errors import UsageError

TIERS = ("default", "full")  # default: in ./check, on one machine; full: everywhere


class Scenario:
    """name, title (a sentence), promise (the heading under which a report counts it), tier, run (function of a Bench), needs (of the
    machine: "watchdog", "state" (readable from outside), "redundant-state", "named-state" (text); of its releases: "kind:NAME")."""

    def __init__(self, name, title, promise, tier, needs, run):
        self.name, self.title, self.promise, self.tier, self.needs, self.run = name, title, promise, tier, tuple(needs), run

    def lacks(self, lab):
        """The first thing that a lab doesn't have for this scenario, or None."""
        machine = lab.machine
        has = {"watchdog": machine.watchdog, "state": machine.reads_state,
               "named-state": machine.reads_state and machine.stored_state().names_slots,
               "redundant-state": machine.reads_state and machine.state_copies() > 1}
        for need in self.needs:
            if need.startswith("kind:"):
                if not lab.images.has(need[5:]):
                    return "release of the kind " + need[5:]
            elif not has[need]:
                return {"state": "boot state that can be read from outside", "redundant-state": "second copy of its boot state",
                        "named-state": "state that names slots"}.get(need, need)
        return None


_SCENARIOS = {}


def scenario(name, title, promise, tier="full", needs=()):
    """Function decorator: registers a scenario."""
    def register(function):
        _SCENARIOS[name] = Scenario(name, title, promise, tier, needs, function)
        return function
    return register


def load_all():
    """Imports every module scenarios_*.py, so that each registers its scenarios."""
    for path in sorted(pathlib.Path(__file__).parent.glob("scenarios_*.py")):
        __import__("%s.%s" % (__package__, path.stem))


def every():
    """All scenarios, in the order of registration."""
    return list(_SCENARIOS.values())


def by_name(name):
    """UsageError when there is none of that name."""
    if name not in _SCENARIOS:
        raise UsageError("no scenario '%s'; 'decade-qemu list' shows those there are" % name)
    return _SCENARIOS[name]
