"""A kernel as it runs, out of the file that a loader starts: behind a small program that unpacks it, or as it is."""
import lzma
import struct
import subprocess
import zlib

LEAST = 1 << 20  # anything shorter is no kernel, but something that the program in front carries


def unpack_gzip(data):
    return zlib.decompressobj(31).decompress(data)


def unpack_xz(data):
    return lzma.LZMADecompressor(lzma.FORMAT_AUTO).decompress(data)


def unpack_with(*command):
    """By a program, which may complain of what follows the payload."""
    def unpack(data):
        return subprocess.run(command, input=data, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    return unpack


PACKINGS = [(b"\xfd7zXZ\0", unpack_xz), (b"\x1f\x8b\x08", unpack_gzip), (b"\x28\xb5\x2f\xfd", unpack_with("zstd", "-dcq")),
            (b"\x5d\0\0", unpack_xz), (b"\x02\x21\x4c\x18", unpack_with("lz4", "-dcq"))]


def payload(data):
    """The kernel's own bytes; ValueError when none are found."""
    if data[56:60] == b"ARM\x64":
        return data
    for magic, unpack in PACKINGS:
        at = data.find(magic)
        while at >= 0:
            try:
                found = unpack(data[at:])
            except (zlib.error, lzma.LZMAError):
                found = b""
            # Every packing of the kernel's ends with the length of what was packed, so that chance hits fall out.
            if len(found) >= LEAST and struct.pack("<I", len(found)) in data[at:]:
                return found
            at = data.find(magic, at + 1)
    raise ValueError("no kernel found in it")
