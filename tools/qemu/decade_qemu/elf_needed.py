"""Which shared libraries an ELF file names: enough of the format to gather a small root file system."""
import pathlib
import struct

from .errors import HarnessError

PT_LOAD, PT_DYNAMIC, PT_INTERP = 1, 2, 3
DT_NEEDED, DT_STRTAB = 1, 5


def is_elf(path):
    """Whether it begins as an ELF file."""
    with open(path, "rb") as file:
        return file.read(4) == b"\x7fELF"


def needed(path):
    """(interpreter or None, [names of needed libraries]) of a little-endian ELF file, 32 or 64 bits."""
    data = pathlib.Path(path).read_bytes()
    wide = data[4] == 2
    if data[:4] != b"\x7fELF" or data[5] != 1:
        raise HarnessError("%s is not a little-endian ELF file" % path)
    phoff, = struct.unpack_from("<Q" if wide else "<I", data, 32 if wide else 28)
    phsize, phcount = struct.unpack_from("<HH", data, 54 if wide else 42)
    segments = []  # (kind, file offset, virtual address, bytes in the file)
    for i in range(phcount):
        at = phoff + i * phsize
        if wide:
            kind, _, offset, address, _, size = struct.unpack_from("<IIQQQQ", data, at)
        else:
            kind, offset, address, _, size = struct.unpack_from("<IIIII", data, at)
        segments.append((kind, offset, address, size))
    interpreter = next((data[offset:offset + size].rstrip(b"\0").decode() for kind, offset, _, size in segments if kind == PT_INTERP), None)
    dynamic = next(((offset, size) for kind, offset, _, size in segments if kind == PT_DYNAMIC), None)
    if dynamic is None:
        return interpreter, []
    entry = struct.Struct("<qQ" if wide else "<iI")
    tags = [entry.unpack_from(data, at) for at in range(dynamic[0], dynamic[0] + dynamic[1], entry.size)]
    table = next(value for tag, value in tags if tag == DT_STRTAB)
    strings = next(offset + table - address for kind, offset, address, size in segments
                   if kind == PT_LOAD and address <= table < address + size)
    return interpreter, [data[strings + value:data.index(b"\0", strings + value)].decode() for tag, value in tags if tag == DT_NEEDED]


def closure(paths, folders):
    """{name in the guest: path on the host} of every library that the files need, looked for in `folders` (of a sysroot)."""
    found, waiting = {}, list(paths)
    while waiting:
        interpreter, names = needed(waiting.pop())
        for name in names + ([pathlib.PurePath(interpreter).name] if interpreter else []):
            if name not in found:
                path = next((folder / name for folder in map(pathlib.Path, folders) if (folder / name).exists()), None)
                if path is None:
                    raise HarnessError("the library %s is in none of %s" % (name, ", ".join(map(str, folders))))
                found[name] = path.resolve()
                waiting.append(found[name])
    return found
