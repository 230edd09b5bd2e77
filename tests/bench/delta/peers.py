"""Delta tools: how each makes and applies one, and how many bytes it sends to a device that has the old file."""
import os
import re
import shlex
import shutil
import sys

from measuring import run

PROGRAM = {"zchunk": "zck"}  # of the others, the tool's name


class Tool:
    """One whose delta is one file. create, apply: functions of old, new, delta that give a command; the rest isn't measured."""

    def __init__(self, create, apply):
        self.create, self.apply = create, apply

    def prepare(self, old, delta):
        """Makes what exists before the new file does."""

    def sent(self, old, new, delta):
        """What a device downloads, in bytes; leaves there nothing that it doesn't have."""
        return os.path.getsize(delta)


def scratch(delta, *names):
    return os.path.join(delta + ".chunks", *names)


def fresh_scratch(delta):
    shutil.rmtree(scratch(delta), ignore_errors=True)
    os.makedirs(scratch(delta))


class Casync(Tool):
    """Chunks in a store, by their hash. Sent: the new file's index, and every chunk that the old one's store lacks.

    Measured: making the new file's index and store; extracting with the old file as seed, out of a store that has only what was sent.
    """

    def __init__(self):
        super().__init__(lambda old, new, delta: ["casync", "make", f"--store={scratch(delta, 'new')}", scratch(delta, "new.caibx"), new],
                         lambda old, new, delta: ["casync", "extract", f"--store={scratch(delta, 'new')}", f"--seed={old}",
                                                  scratch(delta, "new.caibx"), new])

    def prepare(self, old, delta):
        fresh_scratch(delta)
        run(["casync", "make", f"--store={scratch(delta, 'old')}", scratch(delta, "old.caibx"), old])

    def sent(self, old, new, delta):
        count = os.path.getsize(scratch(delta, "new.caibx"))
        for folder, _, names in os.walk(scratch(delta, "new")):
            for name in names:
                path = os.path.join(folder, name)
                if os.path.exists(scratch(delta, "old", os.path.relpath(path, scratch(delta, "new")))):
                    os.remove(path)
                else:
                    count += os.path.getsize(path)
        return count


class Zchunk(Tool):
    """One file of compressed chunks behind a table. Sent: header and table, and every chunk that the old one's file lacks.

    Measured: zck of the new file; unzck of the file that a device puts together of both, which is done here in between.
    """
    HEADER = re.compile(r"^Header size: (\d+)$", re.M)
    CHUNK = re.compile(r"^ *\d+ ([0-9a-f]{32,}) +(?:[0-9a-f]{32,} +)?(\d+) +(\d+) +\d+", re.M)

    def __init__(self):
        super().__init__(lambda old, new, delta: ["zck", "-o", scratch(delta, "new.zck"), new],
                         lambda old, new, delta: ["sh", "-c", 'unzck -c "$0" > "$1"', scratch(delta, "built.zck"), new])

    def prepare(self, old, delta):
        fresh_scratch(delta)
        run(["zck", "-o", scratch(delta, "old.zck"), old])

    def table(self, path):
        """Length of the header; of each chunk: hash, offset, length."""
        said = run(["zck_read_header", "-c", path])
        header = self.HEADER.search(said)
        if header is None:
            raise ValueError("zck_read_header speaks in another way than is known here")
        return int(header[1]), [(digest, int(at), int(size)) for digest, at, size in self.CHUNK.findall(said)]

    def sent(self, old, new, delta):
        header, chunks = self.table(scratch(delta, "new.zck"))
        there = {digest: (at, size) for digest, at, size in self.table(scratch(delta, "old.zck"))[1]}
        count, came = header, set()
        with (open(scratch(delta, "old.zck"), "rb") as have, open(scratch(delta, "new.zck"), "rb") as send,
              open(scratch(delta, "built.zck"), "wb") as out):
            out.write(send.read(header))
            for digest, at, size in chunks:
                source = (have, *there[digest]) if digest in there else (send, at, size)
                if digest not in there and digest not in came:
                    came.add(digest)
                    count += size
                source[0].seek(source[1])
                out.write(source[0].read(source[2]))
        os.remove(scratch(delta, "new.zck"))
        return count


def hdiff_tool(name):
    """hdiffz or hpatchz: beside what $HDIFFZ names, or in PATH. None: nobody has built it."""
    given = os.environ.get("HDIFFZ")
    return shutil.which(os.path.join(os.path.dirname(given), name) if given else name)


def window(path):
    """xdelta3's, the largest that helps."""
    return str(max(1 << 29, 1 << (max(1, os.path.getsize(path)) - 1).bit_length()))


def packaged():
    """By name; each at its strongest usual setting, and those that publish chunks once for every base at their defaults."""
    return {
        "bsdiff": Tool(lambda o, n, d: ["bsdiff", o, n, d], lambda o, n, d: ["bspatch", o, n, d]),
        "xdelta3": Tool(lambda o, n, d: ["xdelta3", "-e", "-f", "-9", "-S", "lzma", "-B", window(o), "-s", o, n, d],
                        lambda o, n, d: ["xdelta3", "-d", "-f", "-B", window(o), "-s", o, d, n]),
        "zstd": Tool(lambda o, n, d: ["zstd", "-q", "-f", "-19", "--long=31", "--single-thread", f"--patch-from={o}", n, "-o", d],
                     lambda o, n, d: ["zstd", "-q", "-f", "-d", "--long=31", f"--patch-from={o}", d, "-o", n]),
        "rdiff": Tool(lambda o, n, d: ["sh", "-c", 'rdiff -f signature "$0" "$2.sig" && rdiff -f delta "$2.sig" "$1" "$2"', o, n, d],
                      lambda o, n, d: ["rdiff", "-f", "patch", o, d, n]),
        "zchunk": Zchunk(),
        "casync": Casync(),
    }


def decade(program, *options):
    return Tool(lambda o, n, d: [program, "diff", *options, o, n, d], lambda o, n, d: [program, "apply", o, d, n])


def given_tool(text):
    """Name and tool of "NAME: CREATE => APPLY", with {old}, {new} and {delta} in the commands."""
    match = re.fullmatch(r"([^:]+): *(.+?) *=> *(.+)", text)
    if match is None:
        sys.exit(f"--add '{text}': is not of the form 'NAME: CREATE => APPLY'")

    def command(words):
        return lambda old, new, delta: [word.replace("{old}", old).replace("{new}", new).replace("{delta}", delta) for word in words]
    return match[1], Tool(*(command(shlex.split(part)) for part in match.groups()[1:]))


def tools(decade_delta, segment_sizes, given):
    """By name: ours, and every peer that is here."""
    if segment_sizes:
        return {f"decade {size >> 10} KiB": decade(decade_delta, "--segment-size", str(size))
                for size in (1 << 18, 1 << 20, 1 << 22, 1 << 24)}
    result = {"decade": decade(decade_delta)}
    result.update({name: tool for name, tool in packaged().items() if shutil.which(PROGRAM.get(name, name))})
    hdiffz, hpatchz = hdiff_tool("hdiffz"), hdiff_tool("hpatchz")
    if hdiffz and hpatchz:
        # -d: without the trial patch that it makes by itself otherwise. Ours makes none either, but for repacked frames.
        result["hdiffz"] = Tool(lambda o, n, d: [hdiffz, "-f", "-d", "-c-zstd-21-24", o, n, d], lambda o, n, d: [hpatchz, "-f", o, d, n])
    elif os.environ.get("HDIFFZ"):
        sys.exit(f"HDIFFZ={os.environ['HDIFFZ']}: hdiffz and hpatchz are not there")
    result.update(given_tool(text) for text in given)
    return result
