#!/usr/bin/env python3
"""Runs the vectors of make_vectors through bsdiff/apply on another processor.

    run_vectors.py ROOT MAKE_VECTORS cortex-a7|cortex-a7-thumb|cortex-m3

cortex-a7: a Linux program (A32 or T32 code), under qemu-arm. cortex-m3: a bare machine, QEMU's mps2-an385, where bsdiff/apply, the
format's deflate, and a few lines of start-up code are all there is. Both are built by arm-linux-gnueabihf-gcc. Fails when a vector
comes out otherwise than here, or when the stack gets deeper than stated. Skipped (77) without the compiler or the emulator.
"""
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

from stack_depth import STRING_H

# With what the test's own hash and codecs take, which is less than a KiB.
STACK_MAX = 5120 + 1024

COMPILER = "arm-linux-gnueabihf-gcc"
FLAGS = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE"]
BARE = ["-Os", "-mcpu=cortex-m3", "-mthumb", "-mfloat-abi=soft", "-ffreestanding", "-fno-stack-protector", "-fno-pic",
        # Else the loops of our memcpy() would be made calls of it.
        "-fno-tree-loop-distribute-patterns", "-nostdlib", "-nostartfiles", "-static", "-no-pie", "-Wl,--build-id=none"]
LINUX = ["-O2", "-mcpu=cortex-a7", "-static"]
MACHINES = {"cortex-a7": LINUX + ["-marm"], "cortex-a7-thumb": LINUX + ["-mthumb"], "cortex-m3": BARE}


def build(root, work, machine):
    here = os.path.join(root, "tests", "freestanding")
    sources = sorted(glob.glob(os.path.join(root, "bsdiff", "apply", "*.c")))
    sources += [os.path.join(root, "bsdiff", "codec", name) for name in ("deflate_pack.c", "deflate_trees.c")]
    sources += [os.path.join(here, name) for name in ("vector_run.c", "small_sha256.c")]
    bare = machine == "cortex-m3"
    sources.append(os.path.join(here, "vectors_cortex_m.c" if bare else "vectors_hosted.c"))
    extra = []
    if bare:
        os.mkdir(os.path.join(work, "include"))
        with open(os.path.join(work, "include", "string.h"), "w", encoding="utf-8") as file:
            file.write(STRING_H)
        extra = ["-isystem", os.path.join(work, "include"), "-Wl,-T," + os.path.join(here, "cortex_m.ld")]
    program = os.path.join(work, "vectors.elf")
    subprocess.run([COMPILER] + FLAGS + MACHINES[machine] + ["-I", root] + extra + sources + ["-o", program], check=True)
    return program


def command(machine, program, vectors):
    if machine != "cortex-m3":
        return ["qemu-arm", "-cpu", "cortex-a7", program, vectors]
    return ["qemu-system-arm", "-M", "mps2-an385", "-display", "none", "-monitor", "none", "-serial", "none", "-semihosting-config",
            "enable=on,target=native", "-kernel", program, "-device", f"loader,file={vectors},addr=0x21000000,force-raw=on"]


def main(arguments):
    root, make_vectors, machine = os.path.abspath(arguments[1]), arguments[2], arguments[3]
    for tool, package in ((COMPILER, "gcc-arm-linux-gnueabihf"), (command(machine, "", "")[0], "qemu-user or qemu-system-arm")):
        if not shutil.which(tool):
            print(f"skipped: {tool} (package {package}) is not installed")
            return 77
    with tempfile.TemporaryDirectory() as work:
        vectors = os.path.join(work, "vectors.bin")
        subprocess.run([make_vectors, os.path.join(root, "tests", "fuzz", "corpus", "frame"), vectors], check=True)
        program = build(root, work, machine)
        result = subprocess.run(command(machine, program, vectors), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True, timeout=600, check=False)
    print(result.stdout, end="")
    tally = {name: int(value) for name, value in re.findall(r"^(\w+) (\d+)$", result.stdout, re.M)}
    if result.returncode != 0 or tally.get("failed") != 0 or tally["payloads"] < 20 or tally["frames"] < 100:
        print(f"ended with {result.returncode}; not every vector came out as it should")
        return 1
    if tally["stack"] > STACK_MAX:
        print(f"{tally['stack']} bytes of stack, more than {STACK_MAX}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
