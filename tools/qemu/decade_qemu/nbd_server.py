"""A disk over NBD whose power can be cut at the N-th write: a volatile cache that forgets, and tears.

Fixed newstyle handshake, simple replies, one client at a time, on a Unix socket. Writes go to the cache; a flush puts them on the medium, a
FUA write goes there at once. The cut counts writes (all, or those to one region), keeps of the cache what mode and seed say, and from then on
answers nothing: for the guest the world has stopped, and the harness kills QEMU. What the medium then holds is the disk of the next boot.

A reboot of the guest is no power cut: the cache outlives the connection.
"""
import os
import socket
import struct
import threading

from .crash_disks import sparse_copy
from .volatile_cache import SECTOR, VolatileCache

NBDMAGIC, IHAVEOPT, REPLY_MAGIC = 0x4E42444D41474943, 0x49484156454F5054, 0x3E889045565A9
REQUEST_MAGIC, SIMPLE_REPLY_MAGIC = 0x25609513, 0x67446698
FIXED_NEWSTYLE, NO_ZEROES = 1, 2
OPT_EXPORT_NAME, OPT_ABORT, OPT_LIST, OPT_INFO, OPT_GO = 1, 2, 3, 6, 7
REP_ACK, REP_SERVER, REP_INFO, REP_ERR_UNSUP, REP_ERR_INVALID = 1, 2, 3, 0x80000001, 0x80000003
INFO_EXPORT, INFO_BLOCK_SIZE = 0, 3
HAS_FLAGS, SEND_FLUSH, SEND_FUA = 1, 4, 8
CMD_READ, CMD_WRITE, CMD_DISC, CMD_FLUSH = 0, 1, 2, 3
CMD_FLAG_FUA = 1
EIO, EINVAL = 5, 22
REQUEST = struct.Struct(">IHHQQI")
OPTION_MAX = 4096
TRANSFER_MAX = 32 << 20


class Cut:
    """When the power goes: at the `at`-th write from now that touches `region` (start, end), before any flush that follows it."""

    def __init__(self, at, mode, seed=0, region=None):
        self.at, self.mode, self.seed, self.region = at, mode, seed, region

    def counts(self, offset, length):
        return self.region is None or (offset < self.region[1] and offset + length > self.region[0])


class Medium:
    """The image file, and before it the cache. `path` always holds what a cut that loses the whole cache would leave."""

    def __init__(self, path):
        self.path = os.fspath(path)
        self.view_path = self.path + ".view"
        sparse_copy(path, self.view_path)
        self._medium = os.open(path, os.O_RDWR)
        self._view = os.open(self.view_path, os.O_RDWR)
        self.size = os.fstat(self._medium).st_size
        self.cache = VolatileCache()
        self.writes = self.flushes = 0

    def read(self, offset, length):
        return os.pread(self._view, length, offset)

    def write(self, offset, data, fua=False):
        self.writes += 1
        os.pwrite(self._view, data, offset)
        if fua:
            self.cache.forget(offset, len(data))
            os.pwrite(self._medium, data, offset)
        else:
            self.cache.write(offset, data)

    def flush(self):
        self.flushes += 1
        for offset, data in self.cache.flush():
            os.pwrite(self._medium, data, offset)

    def cut(self, mode, seed):
        """Loses of the cache what mode and seed say; returns how many writes were at stake. The view is the medium again."""
        at_stake = self.cache.pending
        for offset, data in self.cache.survivors(mode, seed):
            os.pwrite(self._medium, data, offset)
        for offset, data in at_stake:
            os.pwrite(self._view, os.pread(self._medium, len(data), offset), offset)
        self.cache = VolatileCache()
        return len(at_stake)

    def close(self):
        """An orderly end: the cache goes down."""
        if self._medium >= 0:
            self.flush()
            os.close(self._medium)
            os.close(self._view)
            self._medium = self._view = -1
            os.unlink(self.view_path)


class NbdServer:
    """Serves one Medium on a Unix socket. `cut` may be set at any time; `on_cut` is then called, in the server's thread, when it happened."""

    def __init__(self, image, socket_path, on_cut=None):
        self.medium = Medium(image)
        self.socket_path, self.on_cut = os.fspath(socket_path), on_cut
        self.cut = None
        self.cut_happened = threading.Event()
        self.at_stake = None  # writes that were in the cache when the power went
        self.error = None
        self._lock = threading.Lock()
        self._closing = False
        self._connection = None
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        if os.path.exists(self.socket_path):
            os.unlink(self.socket_path)
        self._listener.bind(self.socket_path)
        self._listener.listen(4)
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def arm(self, cut):
        with self._lock:
            self.cut = cut
            self.cut_happened.clear()

    def power_on(self):
        """After a cut, once QEMU is gone: the disk answers again, with what is left."""
        self.arm(None)

    def close(self):
        self._closing = True
        for end in (self._listener, self._connection):
            if end is not None:
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
                end.close()
        self._thread.join(10)
        self.medium.close()
        if os.path.exists(self.socket_path):
            os.unlink(self.socket_path)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # ---- connections ----

    def _accept(self):
        while not self._closing:
            try:
                self._connection, _ = self._listener.accept()
            except OSError:
                return
            try:
                with self._connection:
                    if self._handshake():
                        while self._request():
                            pass
            except (EOFError, OSError):
                pass
            except Exception as error:  # kept for the test that asks; the guest sees a disk that went away
                self.error = error

    def _read(self, length):
        data = bytearray()
        while len(data) < length:
            got = self._connection.recv(min(length - len(data), 1 << 20))
            if not got:
                raise EOFError
            data += got
        return bytes(data)

    def _unpack(self, layout):
        return struct.unpack(layout, self._read(struct.calcsize(layout)))

    def _send(self, data):
        self._connection.sendall(data)

    # ---- the handshake ----

    def _handshake(self):
        """True when transmission begins."""
        self._send(struct.pack(">QQH", NBDMAGIC, IHAVEOPT, FIXED_NEWSTYLE | NO_ZEROES))
        (client_flags,) = self._unpack(">I")
        while True:
            magic, option, length = self._unpack(">QII")
            if magic != IHAVEOPT or length > OPTION_MAX:
                return False
            data = self._read(length)
            if option == OPT_EXPORT_NAME:
                zeroes = b"" if client_flags & NO_ZEROES else bytes(124)
                self._send(struct.pack(">QH", self.medium.size, self._flags()) + zeroes)
                return True
            if option in (OPT_GO, OPT_INFO):
                if self._info(option, data) and option == OPT_GO:
                    return True
            elif option == OPT_LIST:
                self._reply(option, REP_SERVER, struct.pack(">I", 0))
                self._reply(option, REP_ACK)
            elif option == OPT_ABORT:
                self._reply(option, REP_ACK)
                return False
            else:
                self._reply(option, REP_ERR_UNSUP)

    def _flags(self):
        return HAS_FLAGS | SEND_FLUSH | SEND_FUA

    def _reply(self, option, kind, data=b""):
        self._send(struct.pack(">QIII", REPLY_MAGIC, option, kind, len(data)) + data)

    def _info(self, option, data):
        """Any export name is this disk's."""
        if len(data) < 6 or struct.unpack_from(">I", data)[0] > len(data) - 6:
            self._reply(option, REP_ERR_INVALID)
            return False
        self._reply(option, REP_INFO, struct.pack(">HQH", INFO_EXPORT, self.medium.size, self._flags()))
        self._reply(option, REP_INFO, struct.pack(">HIII", INFO_BLOCK_SIZE, SECTOR, 4096, TRANSFER_MAX))
        self._reply(option, REP_ACK)
        return True

    # ---- transmission ----

    def _request(self):
        """False at the end of the connection."""
        magic, flags, command, handle, offset, length = REQUEST.unpack(self._read(REQUEST.size))
        if magic != REQUEST_MAGIC or command == CMD_DISC:
            return False
        if command == CMD_WRITE and length > TRANSFER_MAX:
            return False
        data = self._read(length) if command == CMD_WRITE else b""
        with self._lock:
            dead = self.cut_happened.is_set()
            if not dead:
                error, answer = self._perform(command, flags, offset, length, data)
        if dead or self.cut_happened.is_set():
            return self._hold()
        self._send(struct.pack(">IIQ", SIMPLE_REPLY_MAGIC, error, handle) + answer)
        return True

    def _perform(self, command, flags, offset, length, data):
        if command == CMD_FLUSH:
            self.medium.flush()
            return 0, b""
        if command not in (CMD_READ, CMD_WRITE) or offset % SECTOR or length % SECTOR or length > TRANSFER_MAX:
            return EINVAL, b""
        if offset > self.medium.size or length > self.medium.size - offset:
            return EINVAL, b""
        if command == CMD_READ:
            return 0, self.medium.read(offset, length)
        self.medium.write(offset, data, fua=bool(flags & CMD_FLAG_FUA) and not self._falls_now(offset, length))
        self._count(offset, length)
        return 0, b""

    def _falls_now(self, offset, length):
        """The write that the cut falls on was never answered: a FUA promises nothing yet."""
        return self.cut is not None and self.cut.at <= 1 and self.cut.counts(offset, length)

    def _count(self, offset, length):
        cut = self.cut
        if cut is None or not cut.counts(offset, length):
            return
        cut.at -= 1
        if cut.at <= 0:
            self.at_stake = self.medium.cut(cut.mode, cut.seed)
            self.cut = None
            self.cut_happened.set()

    def _hold(self):
        """The power is gone. The client waits for an answer that never comes, until it is killed."""
        if self.on_cut is not None:
            self.on_cut()
        while self._connection.recv(1 << 16):
            pass
        return False
