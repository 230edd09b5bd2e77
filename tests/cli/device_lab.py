"""A laboratory for whole updates: a repository, a web server and devices made of files, with the real programs at work.

Programs are looked for in DECADE_BIN. DECADE_LONG=1 asks for the long tier: more positions, more kills, larger images.
DECADE_SEED chooses other random instants for the kills.
"""
import hashlib
import json
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import tempfile
import threading
import time
import unittest

from lab_images import make_image, next_image  # noqa: F401 (for the tests)
from lab_server import Server

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("DECADE_BIN", SOURCE / "build" / "dev" / "bin"))
LONG = os.environ.get("DECADE_LONG", "") not in ("", "0")
SANITIZED = os.environ.get("DECADE_SANITIZED", "") not in ("", "0")  # memory and time are not what they would be
PATIENCE = 5 if SANITIZED else 1  # how much longer a program may take before it is thought to hang
SEGMENT = 64 * 1024  # small, so that small images have many
KINDS = ("zero", "same", "delta", "full")

DONE, FAILED, USAGE, NOTHING_TO_DO, REFUSED, NOT_AUTHENTIC, UNREACHABLE, STORAGE, BUSY, STATE = range(10)


# ---- programs ----

class Result:
    """How a program ended: exit code (negative: the signal), stdout, stderr, seconds, peak memory in KiB (0: not asked for)."""

    def __init__(self, argv, code, out, err, seconds, peak):
        self.argv, self.code, self.out, self.err, self.seconds, self.peak = argv, code, out, err, seconds, peak

    @property
    def json(self):
        """The one object on stdout, or the last event of a stream of them."""
        try:
            return json.loads(self.out)
        except ValueError:
            return json.loads(self.out.strip().splitlines()[-1])

    def __str__(self):
        return "%s -> %d\n%s%s" % (" ".join(str(word) for word in self.argv), self.code, self.out, self.err)


def peak_memory(pid):
    """KiB; VmHWM is the program's own, where ru_maxrss would still know the size of the Python that started it."""
    try:
        with open("/proc/%d/status" % pid) as file:
            for line in file:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1])
    except (OSError, ProcessLookupError):
        pass
    return 0


class Running:
    """A program under way."""

    def __init__(self, name, *words):
        self.argv = [str(BIN / name) if "/" not in name else name] + [str(word) for word in words]
        self.out, self.err = tempfile.TemporaryFile(), tempfile.TemporaryFile()
        self.began = time.monotonic()
        self.process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=self.out, stderr=self.err)

    def kill(self, number=signal.SIGKILL):
        self.process.send_signal(number)  # nothing, once the program was waited for

    def wait(self, timeout=60, watch_memory=False):
        peak = 0
        timeout *= PATIENCE
        end = time.monotonic() + timeout
        if watch_memory:
            while self.process.poll() is None and time.monotonic() < end:
                peak = max(peak, peak_memory(self.process.pid))
                time.sleep(0.002)
        try:
            code = self.process.wait(max(0.01, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.kill()
            self.process.wait()
            raise AssertionError("%s still ran after %d s" % (" ".join(self.argv), timeout)) from None
        seconds = time.monotonic() - self.began
        texts = []
        for file in (self.out, self.err):
            file.seek(0)
            texts.append(file.read().decode("utf-8", "replace"))
            file.close()
        return Result(self.argv, code, texts[0], texts[1], seconds, peak)


def run(name, *words, timeout=60, watch_memory=False):
    return Running(name, *words).wait(timeout, watch_memory)


# ---- payload files, read by docs/format-payload.md ----

class Frame:
    def __init__(self, kind, offset, length):
        self.kind, self.offset, self.length = kind, offset, length


class Payload:
    """Header and table of a payload file; nothing is decoded."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        data = self.path.read_bytes()
        self.size = len(data)
        self.segment_size, count, self.image_size, self.base_size = struct.unpack_from("<IIQQ", data, 16)
        entry_size, = struct.unpack_from("<H", data, 10)
        self.table_length = 128 + count * entry_size
        self.frames = []
        offset = self.table_length
        for i in range(count):
            kind, length = struct.unpack_from("<BxxxI", data, 128 + i * entry_size)
            self.frames.append(Frame(KINDS[kind], offset, length))
            offset += length

    @property
    def name(self):
        return self.path.name

    def wrong_segments(self, image, slot):
        """Indexes of the segments in which the bytes of a slot differ from the image."""
        step, slot = self.segment_size, slot[:len(image)]
        return [i for i in range(len(self.frames)) if image[i * step:(i + 1) * step] != slot[i * step:(i + 1) * step]]

    def bytes_of(self, indexes):
        return sum(self.frames[i].length for i in indexes)


# ---- the repository ----

class Repo:
    def __init__(self, folder, product="lab-device"):
        self.folder = pathlib.Path(folder) / "repo"
        self.keys = pathlib.Path(folder) / "keys"
        self.product = product
        self.call("init", "--product", product)

    patience = 240  # seconds for one call; real images take longer

    def call(self, command, *words):
        result = run("decade-repo", command, self.folder, "--keys", self.keys, *words, timeout=self.patience)
        if result.code != 0:
            raise AssertionError(str(result))
        return result

    def release(self, version, images, segment_size=SEGMENT, effort=1, **options):
        """`images`: bytes or a path for the class rootfs, or a dict of them by class. Options as on the command line."""
        words = ["--version", version, "--segment-size", segment_size, "--effort", effort]
        if not isinstance(images, dict):
            images = {"rootfs": images}
        with tempfile.TemporaryDirectory() as scratch:
            for name, image in images.items():
                if isinstance(image, bytes):
                    path = pathlib.Path(scratch) / name
                    path.write_bytes(image)
                    image = path
                words += ["--image", "%s=%s" % (name, image)]
            for name, value in options.items():
                for one in value if isinstance(value, (list, tuple)) else [value]:
                    words += ["--" + name.replace("_", "-"), one]
            self.call("release", *words)

    def copy(self, folder):
        """Another repository in the same state, with the same keys."""
        twin = object.__new__(Repo)
        twin.folder, twin.keys, twin.product = pathlib.Path(folder) / "repo", pathlib.Path(folder) / "keys", self.product
        shutil.copytree(self.folder, twin.folder)
        shutil.copytree(self.keys, twin.keys)
        return twin

    @property
    def root(self):
        return self.folder / "metadata" / "1.root.json"

    def metadata(self, role):
        """The newest file of a role; the timestamp has no number."""
        if role == "timestamp":
            return self.folder / "metadata" / "timestamp.json"
        files = (self.folder / "metadata").glob("*.%s.json" % role)
        return max(files, key=lambda path: int(path.name.split(".")[0]))

    def manifest_path(self, version):
        targets = json.loads(self.metadata("targets").read_text())["signed"]["targets"]
        digest = targets["releases/%s.json" % version]["hashes"]["sha256"]
        return self.folder / "targets" / "releases" / ("%s.%s.json" % (digest, version))

    def payload(self, version, base=None, image="rootfs"):
        """The payload of a release against another one, or its full payload; None when the release has no such delta."""
        manifest = json.loads(self.manifest_path(version).read_text())
        found, = [one for one in manifest["images"] if one["class"] == image]
        for entry in found["payloads"]:
            if entry.get("base", {}).get("version") == base:
                return Payload(self.folder / "targets" / "payloads" / (entry["table_sha256"] + ".dcp"))
        return None


# ---- a device ----

class Device:
    """Two slots that are files (or block devices), a configuration and a state folder."""

    def __init__(self, folder, root, source, image=None, slot_size=None, slots=None, classes=("rootfs",), **settings):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True)
        self.state = self.folder / "state"
        self.state.mkdir()
        self.config = self.folder / "device.conf"
        shutil.copy(root, self.folder / "root.json")
        self.paths = slots or {(slot, name): self.folder / ("%s-%s.img" % (name, slot)) for slot in "ab" for name in classes}
        for key, path in self.paths.items():
            if slots is None:
                first = image if key[0] == "a" and image is not None else b""
                first = first.get(key[1], b"") if isinstance(first, dict) else first
                with open(path, "wb") as file:
                    file.write(first)
                    file.truncate(slot_size if slot_size is not None else len(first) or len(image or b""))
        self.settings = {"product": "lab-device", "compatible": "lab-board", "url": source, "channel": "retail",
                         "expiry": "enforce", "retries": 2, "timeout-s": 5, "stall-timeout-s": 5, "tries": 3}
        self.configure(**settings)

    def configure(self, **settings):
        self.settings.update({name.replace("_", "-"): value for name, value in settings.items()})
        s = self.settings
        lines = ["[device]"] + ["%s = %s" % (name, s[name]) for name in ("product", "compatible")]
        lines += ["state-dir = state", "[source]"]
        names = ("url", "channel", "expiry", "retries", "timeout-s", "stall-timeout-s")
        lines += ["%s = %s" % (name, s[name]) for name in names] + ["root = root.json", "[boot]", "loader = file"]
        lines += ["tries = %s" % s["tries"]]
        for slot, bootname in (("a", "A"), ("b", "B")):
            lines += ["[slot %s]" % slot, "bootname = %s" % bootname]
            lines += ["%s = %s" % (name, path) for (where, name), path in self.paths.items() if where == slot]
        self.config.write_text("\n".join(lines) + "\n")

    def start(self, *words):
        return Running("decade", "--config", self.config, *words)

    def run(self, *words, timeout=60, watch_memory=False):
        return self.start(*words).wait(timeout, watch_memory)

    def boot(self, *words):
        """The bootname that the simulated loader takes."""
        result = run("decade-bootsim", "--config", self.config, *words)
        if result.code != 0:
            raise AssertionError(str(result))
        return result.out.strip()

    def status(self):
        result = self.run("status", "--json")
        if result.code != 0:
            raise AssertionError(str(result))
        return result.json

    def slot(self, name, length=None, image="rootfs"):
        with open(self.paths[(name, image)], "rb") as file:
            return file.read() if length is None else file.read(length)

    def slot_hash(self, name, image="rootfs"):
        digest = hashlib.sha256()
        with open(self.paths[(name, image)], "rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
        return digest.hexdigest()

    def overwrite(self, name, offset, data, image="rootfs"):
        with open(self.paths[(name, image)], "r+b") as file:
            file.seek(offset)
            file.write(data)

    def boot_state(self):
        """The files that the loader reads, byte for byte; missing ones are None."""
        paths = (self.state / name for name in ("boot-state", "booted"))
        return {path.name: path.read_bytes() if path.exists() else None for path in paths}

    def boots(self):
        """What would boot and what is known of it: what must not change when an update is refused."""
        status = self.status()
        running = status["slots"][status["booted"]]
        return {"booted": status["booted"], "primary": status["primary"],
                "running": {name: running[name] for name in ("bootable", "good", "tries_left", "version")}}

    def copy(self, folder):
        """Another device in the same state. Only for devices whose slots are files in their folder."""
        twin = object.__new__(Device)
        twin.folder = pathlib.Path(folder)
        shutil.copytree(self.folder, twin.folder)
        twin.state, twin.config = twin.folder / "state", twin.folder / "device.conf"
        twin.paths = {key: twin.folder / path.name for key, path in self.paths.items()}
        twin.settings = dict(self.settings)
        twin.configure()
        return twin


# ---- tests ----

class LabCase(unittest.TestCase):
    """A temporary folder for a class and one for a test; servers are closed and folders removed whatever happens."""

    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.lab = pathlib.Path(tempfile.mkdtemp(prefix="decade-lab-"))
        cls.addClassCleanup(shutil.rmtree, cls.lab, ignore_errors=True)

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(dir=self.lab))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def serve(self, folder):
        server = Server(folder)
        self.addCleanup(server.close)
        return server

    def wait_for(self, condition, seconds=20):
        end = time.monotonic() + seconds
        while not condition():
            self.assertLess(time.monotonic(), end, "waited in vain")
            time.sleep(0.01)

    def expect(self, code, result, *texts):
        """The exit code, and words that stdout or stderr must have."""
        self.assertEqual(code, result.code, str(result))
        for text in texts:
            self.assertIn(text, result.out + result.err)
        return result

    def assert_slot(self, device, name, content, image="rootfs"):
        """Not assertEqual, which would look for the differences of megabytes until the time is up."""
        self.assertTrue(device.slot(name, len(content), image) == content, "slot %s does not hold the image" % name)


def run_later(seconds, function):
    timer = threading.Timer(seconds, function)
    timer.daemon = True
    timer.start()
    return timer
