#!/usr/bin/env python3
"""Holds the house's rules: who may include whom, where third-party headers and the persistence seam live, and a few on form.

    check_structure.py [ROOT]

Prints one line a breach, "path:line: sentence", and ends with 1 when there is any. The rules are the tables below.
"""
import os
import re
import sys
from collections import defaultdict

# Who sees whom. A folder always sees itself; a name ending in .h is that one header. A folder without a row is a breach.
ARROWS = {
    "base": [],
    "bsdiff/format.h": [],
    "bsdiff/apply": ["base", "bsdiff/format.h"],
    "bsdiff/codec": ["base", "bsdiff/format.h", "bsdiff/apply"],
    "bsdiff/diff": ["base", "bsdiff/format.h", "bsdiff/apply", "bsdiff/codec"],
    "manifest/crypto": ["base"],
    "manifest/json": ["base"],
    "manifest/tuf": ["base", "manifest/crypto", "manifest/json"],
    "manifest/release": ["base", "bsdiff/format.h", "manifest/crypto", "manifest/json", "manifest/tuf"],
    "manifest/sign": ["base", "manifest/crypto", "manifest/json", "manifest/tuf"],
    "updater/engine": ["base", "bsdiff/format.h", "bsdiff/apply", "manifest"],
    # Adapters never see each other.
    "updater/slot": ["base", "updater/engine"],
    "updater/journal": ["base", "updater/engine", "manifest/crypto", "manifest/json"],
    "updater/boot": ["base", "updater/engine", "manifest/crypto", "manifest/json"],
    "updater/source": ["base", "updater/engine", "manifest/json"],
    "updater/config": ["base", "updater/engine", "manifest/tuf/tuf.h", "manifest/release/release.h"],
    "updater/pipeline": ["base", "updater/engine"],
    # Programs wire things together.
    "updater/service": ["base", "bsdiff/format.h", "bsdiff/apply", "bsdiff/codec", "manifest", "updater"],
    "updater/cli": ["base", "bsdiff/format.h", "bsdiff/apply", "bsdiff/codec", "manifest", "updater"],
    "updater/bootsim": ["base", "bsdiff/format.h", "bsdiff/apply", "bsdiff/codec", "manifest", "updater"],
    "tools/*": ["base", "bsdiff", "manifest"],
    # A client needs HTTP and durable files: these two adapters, which know nothing of devices, and never the engine.
    "tools/tuf": ["base", "manifest", "updater/source", "updater/journal/dir_posix.h"],
    # A bundle is read by the device's own code on the host too, and the count of an LMS key is as durable as a device's journal.
    "tools/repo": ["base", "bsdiff", "manifest", "updater/source", "updater/journal/dir_posix.h"],
    # What others include.
    "packaging/delta-library": ["base", "bsdiff", "manifest/crypto/sha256.h"],
    "packaging/delta-library/example": ["packaging/delta-library"],
    "tests": ["base", "bsdiff", "manifest", "updater", "tools"],
}

# What makes or holds private keys: never on the device, whatever the arrows above say.
HOST_ONLY = ["manifest/sign", "manifest/crypto/private_key.h", "manifest/crypto/private_file.h", "manifest/crypto/private_half.h"]
HOST_ONLY_SEEN_BY = ["manifest/sign", "manifest/crypto", "tools", "tests"]

# Third-party headers: the one place of each, or the writer's and the reader's. "one file" under it, where the second column says so. Tests may
# include any.
THIRD_PARTY = [
    (r"zstd(_errors)?\.h", "bsdiff/codec", "folder"),
    (r"(zlib|lzma|lz4|lz4hc)\.h", "bsdiff/codec", "folder"),
    (r"divsufsort(64)?\.h", "bsdiff/diff", "one file"),
    (r"(mbedtls|psa)/.*", "manifest/crypto", "folder"),
    # SHA-256 alone, by the processor's instructions.
    (r"nettle/.*", "manifest/crypto", "one file"),
    # Ed25519, which mbedTLS lacks: one file verifies, one signs, so that the device never links the signing half.
    (r"sodium\.h", "manifest/crypto", "folder"),
    (r"jansson\.h", "manifest/json", "one file"),
    (r"curl/.*", "updater/source", "folder"),
    (r"archive(_entry)?\.h", ("updater/source", "tools/repo"), "one file"),
    (r"ini\.h", "updater/config", "one file"),
    (r"libuboot\.h", "updater/boot", "one file"),
    (r"decade_delta(_host)?\.h", "packaging/delta-library", "folder"),
    (r"efivar/.*", "updater/boot", "one file"),
]
SYSTEM_HEADERS = re.compile(
    r"(assert|ctype|errno|float|inttypes|limits|locale|math|setjmp|signal|stdalign|stdarg|stdatomic|stdbool|stddef|stdint|stdio"
    r"|stdlib|stdnoreturn|string|strings|threads|time|wchar|dirent|endian|err|fcntl|fts|ftw|getopt|grp|libgen|malloc|netdb|paths|poll"
    r"|pthread|pwd|sched|spawn|syslog|termios|unistd|sys/.*|linux/.*|net/.*|netinet/.*|arpa/.*)\.h"
)

# The persistence seam: in these folders only these files may change anything on a medium.
SEAM_FOLDERS = ["base", "bsdiff/apply", "bsdiff/codec", "manifest/crypto", "manifest/json", "manifest/tuf", "manifest/release", "updater"]
SEAM_FILES = ["updater/slot/blockdev_posix.c", "updater/journal/dir_posix.c", "updater/journal/lock.c", "manifest/crypto/private_file"]
SEAM_CALLS = re.compile(
    r"(?<![\w>.])(p?writev?2?|pwrite64|fwrite|fsync|fdatasync|sync|syncfs|sync_file_range|msync|rename|renameat2?|unlink|unlinkat|remove"
    r"|rmdir|f?truncate|fallocate|posix_fallocate|creat|mkdir|mkdirat|mkd?o?s?temps?|link|linkat|symlink|symlinkat|copy_file_range|sendfile"
    r"|splice)\s*\("
)
SEAM_WORDS = re.compile(r"\b(O_CREAT|O_TRUNC|O_TMPFILE|BLKDISCARD|BLKSECDISCARD|BLKZEROOUT)\b")
SEAM_FOPEN = re.compile(r"""\bf(?:re|d)?open\s*\([^;]*?,\s*"[^"]*[wa+]""")
STREAM_FWRITE = re.compile(r"fwrite\s*\([^;]*,\s*(stdout|stderr)\s*\)")

# Functions that only some folders may name.
RESERVED = {"dcd_release_parse_unverified": ["manifest/release", "manifest/sign", "tools", "tests"]}

LINES_MAX = 700
README_LINES_MAX = 200
SKIPPED_FOLDERS = {"build", "__pycache__", "corpus", "vectors", "node_modules"}
TEXT = re.compile(r"(\.(c|h|py|sh|cmake|md|ini|yml)|(^|/)(CMakeLists\.txt|check|demo|run))$")

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)
COMMENT_OR_STRING = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def blank_comments(text):
    """The text with comments as spaces, line numbers kept, strings untouched."""
    return COMMENT_OR_STRING.sub(lambda m: re.sub(r"[^\n]", " ", m[0]) if m[0].startswith("/") else m[0], text)


def blank_strings(text):
    return COMMENT_OR_STRING.sub(lambda m: '"' + " " * (len(m[0]) - 2) + '"', text)


def under(path, place):
    """True when `path` is `place`, or in that folder, or is a file whose path begins with it (private_key for private_key.c)."""
    if place.endswith("/*"):
        return path.startswith(place[:-1])
    return path == place or path.startswith(place + "/") or path.startswith(place + ".")


class Checker:
    def __init__(self, root):
        self.root = root
        self.breaches = []
        self.adapter_files = defaultdict(set)

    def breach(self, path, text, position, sentence):
        self.breaches.append((path, text.count("\n", 0, position) + 1, sentence))

    def paths(self):
        for folder, folders, names in os.walk(self.root):
            folders[:] = sorted(f for f in folders if f not in SKIPPED_FOLDERS and (not f.startswith(".") or f == ".ci"))
            for name in sorted(names):
                yield os.path.relpath(os.path.join(folder, name), self.root).replace(os.sep, "/")

    def run(self):
        by_name = defaultdict(list)
        for path in self.paths():
            if not TEXT.search(path):
                continue
            with open(os.path.join(self.root, path), encoding="utf-8", errors="replace") as file:
                text = file.read()
            self.check_form(path, text)
            if path.endswith((".c", ".h")):
                by_name[os.path.basename(path)].append(path)
                self.check_code(path, text)
        for name, paths in by_name.items():
            for path in paths[1:]:
                self.breaches.append((path, 1, f"the file name {name} is taken by {paths[0]}; names are unique in the tree"))
        for (pattern, place), paths in self.adapter_files.items():
            for path in sorted(paths)[1:]:
                self.breaches.append((path, 1, f"the second file in {place} that includes {pattern}; one file wraps it"))
        return sorted(self.breaches)

    def check_form(self, path, text):
        lines = text.splitlines()
        limit = README_LINES_MAX if path == "README.md" else LINES_MAX
        if len(lines) > limit:
            self.breaches.append((path, limit + 1, f"{len(lines)} lines, more than {limit}; give the second subject its own file"))
        for match in re.finditer(r"[ \t\r]+$", text, re.M):
            self.breach(path, text, match.start(), "white space at the end of the line")

    def check_code(self, path, text):
        code = blank_comments(text)
        for match in INCLUDE.finditer(code):
            if match[1] == '"':
                self.check_arrow(path, code, match)
            else:
                self.check_third_party(path, code, match)
        self.check_seam(path, code)
        bare = blank_strings(code)
        for name, places in RESERVED.items():
            if not any(under(path, place) for place in places):
                for match in re.finditer(rf"\b{name}\b", bare):
                    self.breach(path, bare, match.start(), f"{name} is only for {', '.join(places)}")

    def check_arrow(self, path, code, match):
        header = match[2]
        if ".." in header.split("/") or not os.path.isfile(os.path.join(self.root, header)):
            self.breach(path, code, match.start(), f'"{header}" is not a path from the tree\'s root')
            return
        row = max((key for key in ARROWS if under(path, key)), key=len, default=None)
        if row is None:
            self.breach(path, code, match.start(), f"{os.path.dirname(path)} has no row in the table of arrows")
            return
        # The folder of a row sees itself; for tools/* that is the tool's own folder.
        own = "/".join(path.split("/")[:2]) if row.endswith("/*") else row
        if not any(under(header, place) for place in ARROWS[row] + [own]):
            self.breach(path, code, match.start(), f"{row} may not see {header}")
        elif any(under(header, place) for place in HOST_ONLY) and not any(under(path, place) for place in HOST_ONLY_SEEN_BY):
            self.breach(path, code, match.start(), f"{header} is for the host; the device never holds private keys")

    def check_third_party(self, path, code, match):
        header = match[2]
        if SYSTEM_HEADERS.fullmatch(header) or under(path, "tests"):
            return
        for pattern, place, kind in THIRD_PARTY:
            if re.fullmatch(pattern, header):
                places = [place] if isinstance(place, str) else place
                found = [one for one in places if under(path, one)]
                if not found:
                    self.breach(path, code, match.start(), f"<{header}> belongs to {' and '.join(places)} alone")
                elif kind == "one file":
                    self.adapter_files[(pattern, found[0])].add(path)
                return
        self.breach(path, code, match.start(), f"<{header}> is neither a system header nor in the table of third-party headers")

    def check_seam(self, path, code):
        if not any(under(path, place) for place in SEAM_FOLDERS) or any(under(path, place) for place in SEAM_FILES):
            return
        bare = blank_strings(code)
        hits = [(m.start(), m[1] + "()") for m in SEAM_CALLS.finditer(bare) if not STREAM_FWRITE.match(bare, m.start())]
        hits += [(m.start(), m[1]) for m in SEAM_WORDS.finditer(bare)]
        hits += [(m.start(), "fopen() for writing") for m in SEAM_FOPEN.finditer(code)]
        for position, what in hits:
            self.breach(path, code, position, f"{what} outside the persistence seam; go through base/blockdev.h or base/dir.h")


def check(root):
    return Checker(root).run()


def main(arguments):
    root = arguments[1] if len(arguments) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
    breaches = check(os.path.abspath(root))
    for path, line, sentence in breaches:
        print(f"{path}:{line}: {sentence}")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
