"""A static web server for a repository: ranges, a log of what it sent, and the faults of a bad line, switched on by the scenario."""
import http.server
import pathlib
import re
import threading
import urllib.parse

CHUNK = 16 << 10


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves files below the server's folders; a fault may end a reply early."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_GET(self):
        """Answers one request with a file, a range of it, or an error."""
        owner = self.server.owner
        name = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path).lstrip("/")
        path = owner.find(name)
        if owner.down:
            self.close_connection = True
            return
        if path is None:
            self.send_error(404)
            return
        data = path.read_bytes()
        first, last, status = 0, len(data) - 1, 200
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if match:
            first, status = int(match[1]), 206
            last = min(int(match[2]), last) if match[2] else last
            if first >= len(data):
                self.send_error(416)
                return
        self.send_response(status)
        self.send_header("Content-Length", str(last - first + 1))
        if status == 206:
            self.send_header("Content-Range", "bytes %d-%d/%d" % (first, last, len(data)))
        self.end_headers()
        self.send_body(name, data[first:last + 1])

    def send_body(self, name, data):
        """Counts what leaves; a server that "dies" stops in the middle of a body."""
        owner = self.server.owner
        try:
            for at in range(0, len(data), CHUNK):
                if owner.down or owner.may_send(name) <= 0:
                    owner.down = True
                    self.close_connection = True
                    return
                piece = data[at:at + CHUNK]
                owner.count(name, len(piece))  # before it leaves: who has got it finds it counted
                self.wfile.write(piece)
        except OSError:
            self.close_connection = True


class WebServer:
    """Serves `folders`, the first that has a file wins, on 127.0.0.1. port: chosen by the system."""

    def __init__(self, folders):
        self.folders = [pathlib.Path(folder) for folder in folders]
        self.down, self.payload_budget = False, None
        self._lock, self.sent = threading.Lock(), {}
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.owner = self
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def find(self, name):
        """The file of a request, or None."""
        if ".." in name.split("/"):
            return None
        return next((folder / name for folder in self.folders if (folder / name).is_file()), None)

    def may_send(self, name):
        """Bytes of payloads that are left before the server dies."""
        if self.payload_budget is None or not name.endswith(".dcp"):
            return 1
        return self.payload_budget

    def count(self, name, size):
        """Adds to the log."""
        with self._lock:
            self.sent[name] = self.sent.get(name, 0) + size
            if self.payload_budget is not None and name.endswith(".dcp"):
                self.payload_budget -= size

    def die_after(self, payload_bytes):
        """Goes down once so many bytes of payloads have been sent."""
        self.payload_budget = payload_bytes

    def revive(self):
        """Answers again."""
        self.payload_budget, self.down = None, False

    def bytes_sent(self):
        """Of all files."""
        with self._lock:
            return sum(self.sent.values())

    def payload_bytes(self):
        """Of payloads alone."""
        with self._lock:
            return sum(size for name, size in self.sent.items() if name.endswith(".dcp"))

    def close(self):
        """Stops serving."""
        self._server.shutdown()
        self._server.server_close()
