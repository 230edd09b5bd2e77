#!/usr/bin/env python3
"""How deep the stack of bsdiff/apply gets: the deepest path through the call graph that gcc writes, each function's frame included.

    stack_depth.py ROOT BOUND COMPILER OPTION...

Compiles bsdiff/apply freestanding with -fstack-usage and -fcallgraph-info=su, and fails when a frame's size is not known, when a
function may come to call itself, when an indirect call's targets are not in the table below, or when a path is deeper than BOUND
bytes. What the caller's own functions (hash, codecs, reader) and memcpy() take comes on top. Skipped (77) without the compiler.
"""
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

# Indirect calls, by the member that is called; "caller": a function that is given to bsdiff/apply.
INDIRECT = {
    "init": ["caller"], "update": ["caller"], "finish": ["caller"],
    "decode": ["caller"], "unpack": ["caller"], "pack": ["caller"],
    "watch": ["caller"],  # null on a device
    "settle": ["refs_settle"],
    "read": ["seen_read", "caller"],
    "mask": ["a64_mask", "arm_mask", "riscv_mask"],
    "bits": ["a64_bits", "arm_bits", "riscv_bits"],
    "target": ["a64_target", "arm_target", "riscv_target"],
}

# The reader that shows the base with its blocks unpacked reads the caller's own base, never itself: what it calls is looked at anew.
READS_THE_CALLERS_BASE = "seen_read"

IMPORTS = {"memcpy", "memmove", "memset", "memcmp"}
STRING_H = """#include <stddef.h>
void *memcpy(void *restrict, const void *restrict, size_t);
void *memmove(void *, const void *, size_t);
void *memset(void *, int, size_t);
int memcmp(const void *, const void *, size_t);
"""
NODE = re.compile(r'^node: \{ title: "([^"]+)" label: "([^"\\]+)\\n([^"\\]*)(?:\\n(\d+) bytes \(([^)]*)\))?')
EDGE = re.compile(r'^edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"(?: label: "([^"]+)")?')


class Graph:
    def __init__(self):
        self.frames = {}  # title: bytes
        self.by_name = {}  # name in the source: titles
        self.calls = {}  # title: {title or "caller"}
        self.called = set()
        self.wrong = []

    def read(self, path):
        edges = []
        with open(path, encoding="utf-8") as file:
            for line in file:
                node, edge = NODE.match(line), EDGE.match(line)
                if node and node[4]:
                    self.frames[node[1]] = int(node[4])
                    self.by_name.setdefault(node[2].split(".")[0], set()).add(node[1])
                    if node[5] not in ("static", "dynamic,bounded"):
                        self.wrong.append(f"{node[1]}: its frame is {node[5]}, not of one size")
                elif edge:
                    edges.append((edge[1], edge[2], edge[3]))
        return edges

    def link(self, edges):
        for source, target, place in edges:
            targets = self.indirect(source, place) if target == "__indirect_call" else [target]
            for one in targets:
                if one in self.frames or one == "caller":
                    self.calls.setdefault(source, set()).add(one)
                    self.called.add(one)
                elif one not in IMPORTS:
                    self.wrong.append(f"{source} calls {one}, which is not in bsdiff/apply")

    def indirect(self, source, place):
        """The functions that the call at this place of the source may reach."""
        name, line, column = place.rsplit(":", 2)
        with open(name, encoding="utf-8") as file:
            text = file.readlines()[int(line) - 1]
        members = [m for m in re.findall(r"(?:->|\.)(\w+)\(", text) if m in INDIRECT]
        if not members:
            self.wrong.append(f"{source}: the indirect call at {name}:{line} is not in the table of {os.path.basename(__file__)}")
        found = []
        for member in members:
            for function in INDIRECT[member]:
                found += ["caller"] if function == "caller" else sorted(self.by_name.get(function, []))
        return found

    def deepest(self, title, path=()):
        """(bytes, path) from this function on. Behind that reader the functions count as others than before it."""
        inside = any(READS_THE_CALLERS_BASE in one for one, _ in path)
        here = (title, inside)
        if here in path:
            self.wrong.append("it calls itself: " + " > ".join(short(one) for one, _ in path[path.index(here):] + (here,)))
            return 0, ()
        best, way = 0, ()
        for target in sorted(self.calls.get(title, ())):
            if target == "caller" or (inside and READS_THE_CALLERS_BASE in target):
                continue
            depth, below = self.deepest(target, path + (here,))
            if depth > best:
                best, way = depth, below
        return self.frames[title] + best, (title,) + way


def short(title):
    return title.rsplit(":", 1)[-1]


def compile_all(root, work, compiler):
    os.mkdir(os.path.join(work, "include"))
    with open(os.path.join(work, "include", "string.h"), "w", encoding="utf-8") as file:
        file.write(STRING_H)
    sources = sorted(glob.glob(os.path.join(root, "bsdiff", "apply", "*.c")))
    for source in sources:
        subprocess.run(compiler + ["-std=c11", "-ffreestanding", "-fno-stack-protector", "-fstack-usage", "-fcallgraph-info=su",
                                   "-isystem", os.path.join(work, "include"), "-I", root, "-c", source], cwd=work, check=True)


def main(arguments):
    root, bound, compiler = os.path.abspath(arguments[1]), int(arguments[2]), arguments[3:]
    if not shutil.which(compiler[0]):
        print(f"skipped: {compiler[0]} is not installed")
        return 77
    graph = Graph()
    with tempfile.TemporaryDirectory() as work:
        compile_all(root, work, compiler)
        files = sorted(glob.glob(os.path.join(work, "*.ci")))
        edges = [edge for path in files for edge in graph.read(path)]
    graph.link(edges)
    depths = sorted((graph.deepest(title) for title in graph.frames if title not in graph.called), reverse=True)
    for depth, path in depths[:3]:
        print(f"{depth:6} bytes: " + " > ".join(f"{short(one)} {graph.frames[one]}" for one in path))
    # A function that nobody calls must be one that others may: else the table above has lost its target.
    for title in sorted(set(graph.frames) - graph.called):
        if ":" in title:
            graph.wrong.append(f"{title}: nothing calls it, says the graph")
    if not depths or "dcd_frame_make_segment" not in {short(one) for one in graph.frames}:
        graph.wrong.append("the graph has no dcd_frame_make_segment()")
    elif depths[0][0] > bound:
        graph.wrong.append(f"{depths[0][0]} bytes of stack, more than {bound}")
    for sentence in sorted(set(graph.wrong)):
        print(sentence)
    return 1 if graph.wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
