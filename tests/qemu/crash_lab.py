"""What the tests of crash disks share: real recordings by qemu-io through blklogwrites, and a raw NBD client."""
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "tools" / "qemu"))

LONG = os.environ.get("DECADE_LONG", "") not in ("", "0")
HAVE_QEMU_IO = shutil.which("qemu-io") is not None
SECTOR = 512


class Lab(unittest.TestCase):
    def setUp(self):
        self._folder = tempfile.TemporaryDirectory(prefix="decade crash ")
        self.addCleanup(self._folder.cleanup)
        self.folder = pathlib.Path(self._folder.name)

    def image(self, name, size, fill=0):
        path = self.folder / name
        path.write_bytes(bytes([fill]) * size)
        return path

    def qemu_io(self, target, commands, *options):
        # writethrough, which is qemu-io's default, would add a flush to each write
        done = subprocess.run(["qemu-io", "-t", "writeback", *options, target], input="\n".join(commands) + "\n", text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertNotIn("failed", done.stdout)
        return done.stdout

    def record(self, commands, size=1 << 20, fill=0):
        """A base image and the log of a run of qemu-io over a copy of it; also the image as the run left it."""
        base, run, log = self.image("base.img", size, fill), self.folder / "run.img", self.folder / "write.log"
        shutil.copy(base, run)
        log.write_bytes(b"")
        self.qemu_io("driver=blklogwrites,file.driver=file,file.filename=%s,log.driver=file,log.filename=%s,log-sector-size=512" % (run, log),
                     commands, "--image-opts")
        return base, run, log


class NbdClient:
    """Speaks the protocol byte by byte, so that the server is not tested by its own ideas of it."""

    def __init__(self, path, option=7):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(10)
        self.socket.connect(str(path))
        self.greeting = struct.unpack(">8s8sH", self._read(18))
        self.socket.sendall(struct.pack(">I", 3))
        self.infos = {}
        if option == 7:
            self._go()
        elif option == 1:
            self.socket.sendall(b"IHAVEOPT" + struct.pack(">II", 1, 4) + b"disk")
            self.size, self.flags = struct.unpack(">QH", self._read(10))

    def ask(self, option, data=b""):
        self.socket.sendall(b"IHAVEOPT" + struct.pack(">II", option, len(data)) + data)
        magic, echoed, kind, length = struct.unpack(">QIII", self._read(20))
        assert (magic, echoed) == (0x3E889045565A9, option)
        return kind, self._read(length)

    def _go(self):
        kind, data = self.ask(7, struct.pack(">I", 0) + struct.pack(">H", 0))
        while kind == 3:
            self.infos[struct.unpack_from(">H", data)[0]] = data[2:]
            _, _, kind, length = struct.unpack(">QIII", self._read(20))
            data = self._read(length)
        assert kind == 1, kind
        self.size, self.flags = struct.unpack(">QH", self.infos[0])

    def _read(self, length):
        data = b""
        while len(data) < length:
            got = self.socket.recv(length - len(data))
            if not got:
                raise EOFError
            data += got
        return data

    def request(self, command, offset=0, length=0, data=b"", flags=0):
        """The error number, and what was read."""
        self.socket.sendall(struct.pack(">IHHQQI", 0x25609513, flags, command, 77, offset, length or len(data)) + data)
        magic, error, handle = struct.unpack(">IIQ", self._read(16))
        assert (magic, handle) == (0x67446698, 77)
        return error, self._read(length) if command == 0 and error == 0 else b""

    def read(self, offset, length):
        return self.request(0, offset, length)[1]

    def write(self, offset, data, fua=False):
        return self.request(1, offset, data=data, flags=1 if fua else 0)[0]

    def flush(self):
        return self.request(3)[0]

    def close(self):
        self.socket.close()
