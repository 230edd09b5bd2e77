"""The words between guest and harness: lines of text, over a virtio-serial port, a second serial port or the console.

The guest says      decade-guest: EVENT [KEY=VALUE]... [text=REST OF THE LINE]
  up slot=A version=3           user space of a slot runs; nothing counts as booted before this
  state how=mounted             or repaired, recreated, lost: what became of the state partition
  trial result=confirmed        or healthy, unhealthy, unconfirmed: how the service judged a boot
  ready                         commands are taken from here on
  out id=7 text=…               a line that command 7 printed
  done id=7 code=0              command 7 has ended
  bye                           an orderly reboot or power-off follows
The harness says    ID COMMAND LINE       run by the guest's shell
Other lines are log. Values have no blanks; `text` is the rest of the line.
"""
import re
import time

MARK = "decade-guest: "
LINE = re.compile(r"decade-guest: ([a-z-]+)((?: [a-z-]+=\S*)*?)(?: text=(.*))?$")


class Event:
    """name, fields ({key: value}), text, time (seconds, monotonic)."""

    def __init__(self, name, fields=None, text=None):
        self.name, self.fields, self.text, self.time = name, dict(fields or {}), text, time.monotonic()

    def __getitem__(self, key):
        return self.fields.get(key)

    def __repr__(self):
        return " ".join([self.name, *("%s=%s" % pair for pair in self.fields.items()), *([self.text] if self.text else [])])


def parse(line):
    """The Event in a line of the guest, or None. Whatever a console puts before it is passed over."""
    at = line.find(MARK)
    match = LINE.match(line[at:].rstrip("\r\n")) if at >= 0 else None
    if match is None:
        return None
    return Event(match[1], dict(word.split("=", 1) for word in match[2].split()), match[3])


class LineSplitter:
    """Cuts a stream of bytes into lines of text; a line longer than `limit` characters is cut there, so that a guest can't fill memory."""

    def __init__(self, limit=8192):
        self.limit, self.rest = limit, ""

    def feed(self, data):
        """The lines that these bytes complete."""
        self.rest += data.decode("utf-8", "replace")
        lines = self.rest.split("\n")
        self.rest = lines.pop()
        if len(self.rest) > self.limit:
            lines, self.rest = lines + [self.rest], ""
        return lines
