"""Bundles made by hand, byte by byte, good ones and such as nobody honest would make (docs/format-bundle.md)."""
import json
import pathlib
import sys

BLOCK = 512
HASH = "0123456789abcdef" * 4
MANIFEST = "targets/releases/%s.1.0.json" % HASH


def pad(data):
    return data + bytes(-len(data) % BLOCK)


def mend(block):
    """The block with the checksum that it should have."""
    block = bytearray(block)
    block[148:156] = b"        "
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def header(name, size, kind=b"0", magic=b"ustar\x0000", link=b"", mode=0o644):
    name = name.encode() if isinstance(name, str) else name
    prefix = b""
    if len(name) > 100:
        cut = name.rfind(b"/", 0, 155)
        prefix, name = name[:cut], name[cut + 1:]
    digits = b"%011o" % size if size < 8 << 30 else b"77777777777"
    block = (name.ljust(100, b"\0")[:100] + b"%06o \0" % mode + b"000000 \0" * 2 + digits + b" " + b"00000000000 " + b"        " + kind +
             link.ljust(100, b"\0") + magic + bytes(64) + b"000000 \0" * 2 + prefix.ljust(155, b"\0")[:155])
    return mend(block.ljust(BLOCK, b"\0"))


def record(key, value):
    body = b" %s=%s\n" % (key, value)
    length = len(body) + 1
    while len(b"%d" % length) + len(body) != length:
        length += 1
    return b"%d%s" % (length, body)


def pax(records, name="PaxHeader/x"):
    body = b"".join(record(key, value) for key, value in records)
    return header(name, len(body), kind=b"x") + pad(body)


class Entry:
    """`name` and `size` are what the index says; `head` is the header's bytes, by default those that fit."""

    def __init__(self, name, data=b"", head=None, size=None):
        self.name, self.data, self.head = name, data, head if head is not None else header(name, len(data))
        self.size = len(data) if size is None else size


def build(entries, version="1.0", trailer=bytes(2 * BLOCK), index_head=None, change=None, fixed_index=None):
    """The bundle's bytes. `change` may alter the index before it is written, `fixed_index` takes its place."""
    index = b""
    for _ in range(16):
        place, listed = BLOCK + len(index), []
        for entry in entries:
            place += -place % BLOCK + len(entry.head)
            listed.append({"name": entry.name, "offset": place, "size": entry.size})
            place += len(entry.data)
        document = {"_type": "decade-bundle", "entries": listed, "format_version": 1, "version": version}
        if change is not None:
            change(document)
        text = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
        if len(text) == len(index):
            break
        index = text
    index = text if fixed_index is None else fixed_index
    data = pad((index_head or header("decade-bundle", len(index))) + index)
    for entry in entries:
        data = pad(data + entry.head + entry.data)
    return data + trailer


def entries():
    return [Entry("metadata/timestamp.json", b'{"signed":{}}'), Entry(MANIFEST, b"{}\n"),
            Entry("targets/payloads/%s.table" % HASH, bytes(range(100))), Entry("targets/payloads/%s.frames" % HASH, b"frames" * 100)]


def replaced(number, **members):
    made = entries()
    old = made[number]
    made[number] = Entry(members.get("name", old.name), members.get("data", old.data), members.get("head"), members.get("size"))
    return made


def hostile():
    """Names and bytes of what must be refused."""
    ts, data = "metadata/timestamp.json", b'{"signed":{}}'
    good = entries()
    forged = {}
    for word, name in (("absolute", "/etc/passwd"), ("parent", "metadata/../../etc/passwd"), ("dot", "metadata/./timestamp.json"),
                       ("backslash", "metadata\\timestamp.json"), ("control", "metadata/time\x1bstamp.json"), ("empty", ""),
                       ("double-slash", "metadata//timestamp.json"), ("high", "metadata/t\u00efmestamp.json"), ("space", "metadata/time stamp.json"),
                       ("index-again", "decade-bundle"), ("trailing-slash", "metadata/timestamp.json/")):
        forged["name-" + word] = build([Entry(name, data)] + good[1:])
    for word, kind, link in (("hard-link", b"1", b"metadata/1.root.json"), ("symbolic-link", b"2", b"/etc/passwd"), ("character-device", b"3", b""),
                             ("block-device", b"4", b""), ("folder", b"5", b""), ("fifo", b"6", b""), ("contiguous", b"7", b""), ("old-sparse", b"S", b""),
                             ("long-name", b"L", b""), ("long-link", b"K", b""), ("global-pax", b"g", b""), ("volume", b"V", b""), ("unknown", b"Z", b"")):
        forged["kind-" + word] = build(replaced(0, head=header(ts, len(data), kind=kind, link=link)))
    forged["gnu-magic"] = build(replaced(0, head=header(ts, len(data), magic=b"ustar  \0")))
    forged["no-magic"] = build(replaced(0, head=header(ts, len(data), magic=bytes(8))))
    forged["other-name"] = build(replaced(0, head=header("metadata/timestamp.jso", len(data))))
    forged["other-size"] = build(replaced(0, head=header(ts, len(data) + 1)))
    forged["index-other-size"] = build(replaced(0, size=len(data) + 1))
    for word, records in (("sparse-1.0", [(b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"), (b"GNU.sparse.name", ts.encode()),
                                          (b"GNU.sparse.realsize", b"%d" % len(data))]),
                          ("sparse-0.1", [(b"GNU.sparse.map", b"0,4"), (b"GNU.sparse.size", b"%d" % len(data))]),
                          ("link-path", [(b"linkpath", b"/etc/passwd")]), ("other-path", [(b"path", b"../../etc/passwd")]),
                          ("other-size", [(b"size", b"99999999999999999")]), ("negative-size", [(b"size", b"-1")]),
                          ("nul-path", [(b"path", b"metadata/timestamp.json\0x")])):
        forged["pax-" + word] = build(replaced(0, head=pax(records) + header(ts, len(data))))
    forged["pax-huge"] = build(replaced(0, head=pax([(b"comment", b"x" * 5000)]) + header(ts, len(data))))
    forged["pax-claims-gigabytes"] = build(replaced(0, head=header("PaxHeader/x", 7 << 30, kind=b"x") + bytes(BLOCK) + header(ts, len(data))))
    forged["pax-padding"] = build(replaced(0, head=bytes(bytearray(pax([(b"comment", b"x")])[:-1] + b"y")) + header(ts, len(data))))
    forged["twice"] = build(good + [Entry(good[0].name, data)])
    forged["other-order"] = build(good, change=lambda d: d["entries"].reverse())
    forged["hidden-entry"] = build(good, change=lambda d: d["entries"].pop(1))
    forged["index-of-one-more"] = build(good, change=lambda d: d["entries"].append({"name": "x", "offset": 1 << 20, "size": 1}))
    forged["no-release"] = build([good[0]] + good[2:])
    forged["two-releases"] = build(good + [Entry("targets/releases/%s.2.0.json" % HASH, b"{}")])
    forged["version-of-another"] = build(good, version="2.0")
    forged["newer-format"] = build(good, change=lambda d: d.update(format_version=2))
    forged["format-0"] = build(good, change=lambda d: d.update(format_version=0))
    forged["another-type"] = build(good, change=lambda d: d.update(_type="decade-bungle"))
    forged["unknown-member"] = build(good, change=lambda d: d.update(colour="red"))
    forged["unknown-entry-member"] = build(good, change=lambda d: d["entries"][0].update(mode=1))
    forged["no-entries"] = build([])
    forged["entries-no-array"] = build(good, change=lambda d: d.update(entries={}))
    forged["five-thousand-entries"] = build([Entry("targets/payloads/%d" % i) for i in range(5000)] + good)
    forged["index-over-a-mebibyte"] = build(good, fixed_index=b" " * ((1 << 20) + 1))
    forged["index-claims-exabytes"] = build(good, change=lambda d: d["entries"][3].update(size=(1 << 63) - 1))
    forged["index-no-json"] = build(good, fixed_index=b"decade" * 40)
    forged["index-empty"] = build(good, fixed_index=b"")
    forged["index-nul"] = build(good, fixed_index=bytes(100))
    forged["index-deep"] = build(good, fixed_index=b"[" * 100000)
    forged["index-is-a-link"] = build(good, index_head=header("decade-bundle", 0, kind=b"2", link=b"/etc/passwd"))
    forged["index-named-otherwise"] = build(good, index_head=header("./decade-bundle", 300))
    forged["trailer-short"] = build(good, trailer=bytes(BLOCK))
    forged["trailer-missing"] = build(good, trailer=b"")
    forged["trailer-long"] = build(good, trailer=bytes(3 * BLOCK))
    forged["trailer-dirty"] = build(good, trailer=bytes(1000) + b"x" + bytes(23))
    forged["behind-the-trailer"] = build(good) + b"x"
    forged["archive-behind-the-archive"] = build(good) * 2
    forged["padding-dirty"] = (lambda at: build(good)[:at] + b"x" + build(good)[at + 1:])(build(good).rfind(b"frames") + 6)
    forged["nothing"] = b""
    forged["zeros"] = bytes(10240)
    forged["checksum-spaces"] = (lambda b: b[:148] + b[148:149].replace(b"0", b" ") + b[149:])(build(good))
    return forged


def main(folder):
    """Seeds for the fuzzer: the choice byte, then a bundle."""
    folder = pathlib.Path(folder)
    long_name = "targets/payloads/%s.table" % ("n" * 200)
    seeds = {"good": build(entries()), "long-name": build(entries() + [Entry(long_name, b"x", pax([(b"path", long_name.encode())]) +
                                                                              header(long_name[:99], 1))]),
             "empty-entries": build([Entry(entry.name) for entry in entries()])}
    wanted = ("pax-sparse-1.0", "pax-link-path", "pax-other-size", "kind-symbolic-link", "kind-old-sparse", "gnu-magic", "twice", "other-order",
              "index-deep", "trailer-dirty", "behind-the-trailer", "padding-dirty", "pax-huge")
    seeds.update({name: data for name, data in hostile().items() if name in wanted and len(data) < 20000})
    for n, (name, data) in enumerate(sorted(seeds.items())):
        (folder / name).write_bytes(bytes([n % 4]) + data)


if __name__ == "__main__":
    main(sys.argv[1])
