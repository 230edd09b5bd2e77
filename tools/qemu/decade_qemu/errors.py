"""What can go wrong, with the exit codes that every program of Decade shares (docs/exit-codes.md)."""

DONE, FAILED, USAGE, UNREACHABLE = 0, 1, 2, 6


class HarnessError(Exception):
    """The harness itself can't go on: a tool is missing, a download failed, a file isn't what it should be."""

    code = FAILED


class UsageError(HarnessError):
    """The command line or a BOARD.ini can't be used."""

    code = USAGE


class DownloadError(HarnessError):
    """A package could not be fetched; trying again later may help."""

    code = UNREACHABLE


class ScenarioFailure(Exception):
    """A promise was not kept: what was expected, and what was seen."""


class GuestGone(ScenarioFailure):
    """QEMU ended, or stayed silent for too long, while the scenario waited for a word of the guest.

    kind: "exit" (the machine reset or powered off), "timeout" (alive, and silent: a hang), "crash" (QEMU ended by a signal or an error)
    """

    def __init__(self, kind, text):
        super().__init__(text)
        self.kind = kind
