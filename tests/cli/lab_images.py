"""Small images that look like file systems: text that compresses, random data that doesn't, zero runs, code with addresses."""
import random
import struct

WORDS = [b"update ", b"slot ", b"boot ", b"segment ", b"manifest\n", b"payload: ", b"/usr/lib/", b"#include <", b"= 0x",
         b"return ", b"licence\n", b"Copyright ", b"the ", b"of ", b"device ", b"kernel.", b"\t", b"};\n", b"error ", b"version "]
BLOCK = 4096


def text_block(rng, length):
    return b"".join(rng.choices(WORDS, k=length // 4 + 8))[:length]


def code_block(rng, length, shift=0):
    """Instructions of 4 bytes, every fifth with an address that moves with what lies before it."""
    words = []
    for i in range(length // 4):
        words.append((0x94000000 + i * 16 + shift) if i % 5 == 0 else rng.randrange(64) * 0x01010000 + rng.randrange(16))
    return struct.pack("<%dI" % len(words), *words).ljust(length, b"\0")


def make_image(size, seed):
    """An image of exactly `size` bytes; the same seed gives the same image."""
    rng = random.Random("image %s" % seed)
    parts, length = [], 0
    while length < size:
        n = rng.choice([1, 2, 3, 8, 24]) * BLOCK
        kind = rng.randrange(8)
        if kind < 3:
            part = text_block(rng, n)
        elif kind < 5:
            part = code_block(rng, n)
        elif kind < 7:
            part = rng.randbytes(n)
        else:
            part = bytes(n)
        parts.append(part)
        length += n
    return b"".join(parts)[:size]


def next_image(image, seed, size=None, changes=None):
    """What a release after `image` looks like: files replaced, code moved by some bytes, addresses counted up, blocks freed."""
    rng = random.Random("next %s" % seed)
    size = len(image) if size is None else size
    data = bytearray(image[:size].ljust(size, b"\0"))
    if size < 4 * BLOCK:
        return bytes(byte ^ 0x55 if i % 97 == 0 else byte for i, byte in enumerate(data))
    for _ in range(changes if changes is not None else max(6, size // (256 * 1024))):
        n = min(rng.choice([1, 2, 8, 16]) * BLOCK, size // 4)
        at = rng.randrange(0, size - n + 1, BLOCK if rng.random() < 0.7 else 1)
        kind = rng.randrange(5)
        if kind == 0:
            data[at:at + n] = text_block(rng, n)
        elif kind == 1:
            data[at:at + n] = rng.randbytes(n)
        elif kind == 2:
            data[at:at + n] = bytes(n)
        elif kind == 3:  # moved by a few bytes: what lies behind keeps its place
            by = rng.randrange(1, 64)
            data[at:at + n] = rng.randbytes(by) + bytes(data[at:at + n - by])
        else:  # addresses counted up
            for i in range(at, at + n - 4, 20):
                data[i] = (data[i] + 8) & 0xff
    return bytes(data)
