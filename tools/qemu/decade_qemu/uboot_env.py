"""U-Boot's environment in its standard redundant format, read and written on the host.

A copy is SIZE bytes: CRC-32 of the data (little-endian), a flag byte, then the data: NAME=VALUE strings, each ended by a zero, the list by
another one. Of two valid copies the one with the greater flag counts; 0 follows 255.
"""
import struct
import zlib

from .errors import HarnessError

HEADER = 5  # bytes of a redundant copy before its data


def encode(variables, size, flag):
    """One copy. HarnessError when the variables don't fit."""
    data = b"".join(b"%s=%s\0" % (name.encode(), str(value).encode()) for name, value in sorted(variables.items())) + b"\0"
    if len(data) > size - HEADER:
        raise HarnessError("an environment of %d bytes doesn't fit into %d" % (len(data), size))
    data += bytes(size - HEADER - len(data))
    return struct.pack("<IB", zlib.crc32(data), flag) + data


def encode_single(variables, size):
    """The format without redundancy: CRC-32, data."""
    data = b"".join(b"%s=%s\0" % (name.encode(), str(value).encode()) for name, value in sorted(variables.items())) + b"\0"
    if len(data) > size - 4:
        raise HarnessError("an environment of %d bytes doesn't fit into %d" % (len(data), size))
    data += bytes(size - 4 - len(data))
    return struct.pack("<I", zlib.crc32(data)) + data


def decode(copy):
    """(variables, flag) of one copy, or None when it isn't valid."""
    crc, flag = struct.unpack_from("<IB", copy)
    data = copy[HEADER:]
    if zlib.crc32(data) != crc:
        return None
    text = data.split(b"\0\0", 1)[0]
    return dict(line.decode("latin-1").split("=", 1) for line in text.split(b"\0") if b"=" in line), flag


def newest(copies):
    """(index, variables, flag) of the copy that counts, or None when neither is valid."""
    valid = [(i, *found) for i, found in enumerate(map(decode, copies)) if found is not None]
    if len(valid) < 2:
        return valid[0] if valid else None
    first, second = valid
    if first[2] == 255 and second[2] == 0:
        return second
    if second[2] == 255 and first[2] == 0:
        return first
    return second if second[2] > first[2] else first

