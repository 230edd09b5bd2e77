"""A static web server on 127.0.0.1 that counts what it sends and does, when told so, what a bad server does."""
import http.server
import os
import re
import select
import socket
import struct
import threading
import time
import urllib.parse

CHUNK = 16 * 1024
PATIENCE = 60.0  # seconds after which a fault gives up by itself, so that no test hangs


class Reply:
    """What a good server would answer: status, headers and `length` bytes of a file from `offset`."""

    def __init__(self, status, headers, data):
        self.status, self.headers, self.data = status, headers, data


class Request:
    """One line of the server's log. `first` and `sent` say which bytes of the file went out."""

    def __init__(self, path, ranged):
        self.path, self.ranged, self.first, self.sent, self.status = path, ranged, 0, 0, 0


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def setup(self):
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def do_GET(self):
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path).lstrip("/")
        self.entry = Request(path, self.headers.get("Range"))
        fault = self.server.owner.enter(self.entry)
        try:
            reply = self.good_reply(path)
            if fault is None:
                self.send(reply)
            else:
                fault(self, reply)
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    def good_reply(self, path):
        full = os.path.join(self.server.owner.folder, path)
        if ".." in path.split("/") or not os.path.isfile(full):
            return Reply(404, {}, b"not here\n")
        size = os.path.getsize(full)
        first, last, status = 0, size - 1, 200
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if match:
            first, status = int(match[1]), 206
            last = min(int(match[2]), size - 1) if match[2] else size - 1
            if first >= size:
                return Reply(416, {"Content-Range": "bytes */%d" % size}, b"")
        self.entry.first = first
        with open(full, "rb") as file:
            file.seek(first)
            data = file.read(last - first + 1)
        headers = {"Content-Range": "bytes %d-%d/%d" % (first, last, size)} if status == 206 else {}
        return Reply(status, headers, data)

    def send_head(self, reply, length="right"):
        self.entry.status = reply.status
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if length == "right":
            length = len(reply.data)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def send_body(self, data, rate=0):
        rate = rate or self.server.owner.rate
        step = CHUNK if not rate else max(1, min(CHUNK, rate // 50))
        for at in range(0, len(data), step):
            piece = data[at:at + step]
            self.wfile.write(piece)
            self.entry.sent += len(piece)
            if rate:
                time.sleep(len(piece) / rate)

    def send(self, reply):
        self.send_head(reply)
        self.send_body(reply.data)

    def wait_for_the_client_to_leave(self):
        """Until the client closes the connection, the test lets go, or patience ends."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and not self.server.owner.released.is_set():
            readable, _, _ = select.select([self.connection], [], [], 0.05)
            if readable and not self.connection.recv(4096):
                break
        self.close_connection = True


# ---- faults: each makes a function of (handler, good reply) ----

def status(code, headers=None, body=b"an error page\n"):
    return lambda handler, reply: handler.send(Reply(code, headers or {}, body))


def redirect_to(location):
    return status(302, {"Location": location}, b"")


def redirect_loop(handler, reply):
    handler.send(Reply(302, {"Location": handler.path}, b""))


def truncate(after):
    """Promises everything, sends a part, closes."""
    def fault(handler, reply):
        handler.send_head(reply)
        handler.send_body(reply.data[:after])
        handler.close_connection = True
    return fault


def reset(after):
    def fault(handler, reply):
        handler.send_head(reply)
        handler.send_body(reply.data[:after])
        handler.wfile.flush()
        time.sleep(0.02)  # what was sent should arrive before the reset overtakes it
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.close_connection = True
        handler.connection.close()
    return fault


def stall(after):
    def fault(handler, reply):
        handler.send_head(reply)
        handler.send_body(reply.data[:after])
        handler.wait_for_the_client_to_leave()
    return fault


def silence(handler, reply):
    """Takes the request and says nothing."""
    handler.wait_for_the_client_to_leave()


def trickle(rate):
    def fault(handler, reply):
        handler.send_head(reply)
        handler.send_body(reply.data, rate)
    return fault


def endless(handler, reply):
    """No length, no end."""
    handler.close_connection = True
    handler.send_response(reply.status)
    for name, value in reply.headers.items():
        handler.send_header(name, value)
    handler.send_header("Connection", "close")
    handler.end_headers()
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        handler.send_body(b"\0" * CHUNK)


def endless_chunks(handler, reply):
    handler.close_connection = True
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        handler.wfile.write(b"4000\r\n" + b"{" * 0x4000 + b"\r\n")


def endless_headers(handler, reply):
    handler.close_connection = True
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        handler.wfile.write(b"X-More: of the same, and it goes on and on\r\n" * 64)


def not_http(handler, reply):
    handler.close_connection = True
    handler.wfile.write(b"220 lab.example ESMTP ready\r\n")


def content_length(add):
    """A Content-Length that is `add` more than what comes (or less)."""
    def fault(handler, reply):
        handler.send_head(reply, length=len(reply.data) + add)
        handler.send_body(reply.data)
        handler.close_connection = True
    return fault


def content_range(shift, total=0):
    """Says that it sends other bytes, or another object, than was asked for."""
    def fault(handler, reply):
        match = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", reply.headers.get("Content-Range", ""))
        if match:
            first, last, size = (int(text) for text in match.groups())
            reply.headers["Content-Range"] = "bytes %d-%d/%d" % (first + shift, last + shift, size + total)
        handler.send(reply)
    return fault


def other_bytes(handler, reply):
    """The right headers, the right number of bytes, and one of them wrong."""
    data = bytearray(reply.data)
    data[len(data) // 2] ^= 1
    handler.send(Reply(reply.status, reply.headers, bytes(data)))


def ignore_range(handler, reply):
    with open(os.path.join(handler.server.owner.folder, handler.entry.path), "rb") as file:
        handler.entry.first = 0
        handler.send(Reply(200, {}, file.read()))


class Server:
    """Serves `folder`. `rate` limits a connection to so many bytes a second, 0: none."""

    def __init__(self, folder):
        self.folder, self.rate = str(folder), 0
        self.log, self.faults, self.closed = [], [], False
        self.guard, self.released = threading.Lock(), threading.Event()
        self.httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.httpd.daemon_threads = True
        self.httpd.block_on_close = False
        self.httpd.owner = self
        self.httpd.handle_error = lambda request, address: None
        self.url = "http://127.0.0.1:%d" % self.httpd.server_address[1]
        self.thread = threading.Thread(target=self.httpd.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    def enter(self, entry):
        with self.guard:
            self.log.append(entry)
            for fault in self.faults:
                part, function, times, skip = fault
                if part in entry.path and skip > 0:
                    fault[3] -= 1
                elif part in entry.path and times != 0:
                    fault[2] -= 1
                    return function
        return None

    def add_fault(self, part, function, times=-1, skip=0):
        """Requests for paths that contain `part` meet the fault: after the first `skip` of them, `times` in number (-1: all)."""
        with self.guard:
            self.faults.append([part, function, times, skip])

    def heal(self):
        with self.guard:
            self.faults.clear()
        self.released.set()
        time.sleep(0.06)
        self.released.clear()

    def forget(self):
        with self.guard:
            self.log.clear()

    def requests(self, part=""):
        with self.guard:
            return [entry for entry in self.log if part in entry.path]

    def bytes_sent(self, part=""):
        return sum(entry.sent for entry in self.requests(part))

    def close(self):
        if self.closed:
            return
        self.closed = True
        self.released.set()
        self.httpd.shutdown()
        self.httpd.server_close()
        self.thread.join()
