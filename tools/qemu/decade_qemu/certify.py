"""The whole suite against a maker's board (docs/porting.md), and a BOARD.ini of the reference guest to begin from."""
import hashlib
import pathlib
import shutil

from . import report, runner
from .bench import Lab
from .board import GOOD, Board, BoardImages
from .machine import Drive
from .release_images import KINDS
from .release_line import ReleaseLine


class Base:
    """The maker's repository and keys in the shape that a ReleaseLine takes."""

    def __init__(self, board, folder):
        self.folder = pathlib.Path(folder)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        shutil.copytree(board.path_of("board", "repository"), self.folder / "repo")
        shutil.copytree(board.path_of("board", "keys"), self.folder / "keys")


def board_lab(path, work, decade_repo):
    """The Lab of a BOARD.ini. UsageError for what it lacks."""
    board = Board(path)
    images = BoardImages(board)
    for version in GOOD:
        images.images(version)
    base = Base(board, pathlib.Path(work) / ("%s-base" % board.name)).folder
    return Lab(board, images, lambda folder: ReleaseLine(folder, base, images, decade_repo, board.name))


def certify(lab, scenarios, work, say):
    """Runs the scenarios; returns the report as a dict."""
    outcomes = []
    for one in scenarios:
        say("== %s: %s" % (one.name, one.title))
        outcome = runner.run_one(one, lab, work, say)
        say("== %s: %s, %d boots, %.1f s%s" % (one.name, outcome.result, outcome.boots, outcome.seconds,
                                             "\n   " + outcome.why if outcome.why else ""))
        outcomes.append(outcome.as_dict())
    board = lab.machine
    digest = hashlib.sha256(board.disk_path.read_bytes()).hexdigest()
    facts = {"name": board.name, "title": board.title, "disk": board.disk_path.name, "disk sha256": digest, "command": " ".join(board.words)}
    return report.as_document(facts, outcomes)


def write_reference(machine, images, base, folder, make_disk):
    """Writes a board of the reference guest: board.ini with all that it names. make_disk(): makes the factory disk and returns its path."""
    folder = pathlib.Path(folder)
    lines = ["; The reference guest as a maker's board: a BOARD.ini to begin from.", "[board]", "name = %s" % machine.name,
             "title = %s" % machine.title, "disk = %s" % make_disk().name, "repository = repository", "keys = keys",
             "boot-seconds = %d" % machine.boot_seconds, "watchdog = %s" % ("yes" if machine.watchdog else "no"),
             "heals-state = %s" % ("yes" if machine.heals_state else "no"), "", "[qemu]",
             "command = %s" % " ".join(_template(machine, folder)), "", "[guest]", "link = %s" % machine.link, "decade = %s" % machine.decade,
             "loading = %s" % machine.loading("{slot}")]
    lines += state_lines(machine)
    shutil.copytree(base / "repo", folder / "repository")
    shutil.copytree(base / "keys", folder / "keys")
    releases = [(version, "good") for version in GOOD] + [("2", kind) for kind in KINDS if kind != "good" and images.has(kind)]
    for version, kind in releases:
        name = "good %s" % version if kind == "good" else kind
        lines += ["", "[%s]" % name]
        for image_class, path in images.images(version, kind).items():
            target = folder / "images" / ("%s-%s.img" % (name.replace(" ", "-"), image_class))
            target.parent.mkdir(exist_ok=True)
            shutil.copyfile(path, target)
            lines.append("%s = images/%s" % (image_class, target.name))
    (folder / "board.ini").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / "board.ini"


def state_lines(machine):
    """The sections [state] and [files] of a machine's BOARD.ini."""
    lines = ["", "[state]", *machine.stored_state().lines()] if machine.reads_state else []
    files = ["%s = %s:%s" % (name, *place) for name, place in machine.slot_files().items()]
    return lines + (["", "[files]", *files] if files else [])


def _template(machine, folder):
    """The machine's command line with the places that a boot fills in."""
    words = machine.command(Drive(["{drive}"], "{node}"), "{serial}", 0, True)
    for i, word in enumerate(map(str, words)):
        if word.startswith("socket,id=link"):
            word = "{link}"
        for path in machine.firmware_files():
            if str(path) in word and str(path).startswith(str(machine.cache)):
                shutil.copyfile(path, folder / path.name)
                word = word.replace(str(path), "{folder}/" + path.name)
        words[i] = word
    return words
