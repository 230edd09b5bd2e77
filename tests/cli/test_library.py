#!/usr/bin/env python3
"""libdecade-delta as others find it: installed under some prefix, moved, found by pkg-config and by CMake, used by the example program."""
import os
import pathlib
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.dont_write_bytecode = True
from device_lab import BIN, DONE, SANITIZED, SOURCE, LabCase, make_image, next_image, run  # noqa: E402

EXAMPLE = SOURCE / "packaging" / "delta-library" / "example"
FREESTANDING = {"memcpy", "memmove", "memset", "memcmp"}
PKG_CONFIG = shutil.which("pkg-config") or shutil.which("pkgconf")


def output(*command, **options):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise AssertionError("%s\n%s%s" % (" ".join(str(word) for word in command), done.stdout, done.stderr))
    return done.stdout


@unittest.skipIf(SANITIZED, "a library for others has no sanitizers in it")
class Library(LabCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        output("cmake", "--install", BIN.parent, "--prefix", cls.lab / "first", "--component", "delta-library")
        cls.prefix = cls.lab / "moved"
        os.rename(cls.lab / "first", cls.prefix)
        cls.old, cls.new = cls.lab / "old.img", cls.lab / "new.img"
        image = make_image(5 << 20, "library")
        cls.old.write_bytes(image)
        cls.new.write_bytes(next_image(image, "library", changes=40))

    def flags(self, package):
        pc, = self.prefix.rglob("decade-delta.pc")
        return output(PKG_CONFIG, "--cflags", "--libs", package, env=dict(os.environ, PKG_CONFIG_PATH=str(pc.parent))).split()

    def use(self, program):
        """Both directions, beside our own tool: the same payload to the byte, and each applies the other's."""
        payload, made, ours = self.folder / "x.dcp", self.folder / "made", self.folder / "ours.dcp"
        self.assertIn("delta", output(program, "diff", self.old, self.new, payload))
        self.expect(DONE, run("decade-delta", "diff", self.old, self.new, ours))
        self.assertTrue(payload.read_bytes() == ours.read_bytes())
        output(program, "apply", self.old, ours, made)
        self.assertTrue(made.read_bytes() == self.new.read_bytes())
        self.expect(DONE, run("decade-delta", "apply", self.old, payload, self.folder / "made-by-tool"))
        data = bytearray(payload.read_bytes())
        data[-1] ^= 1
        payload.write_bytes(data)
        done = subprocess.run([program, "apply", self.old, payload, made], capture_output=True, text=True)
        self.assertEqual((1, "delta_example: hash-mismatch\n"), (done.returncode, done.stderr))

    @unittest.skipIf(PKG_CONFIG is None, "no pkg-config")
    def test_pkg_config_finds_it_and_the_example_runs(self):
        program = self.folder / "delta_example"
        output("cc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", EXAMPLE / "delta_example.c", "-o", program, *self.flags("decade-delta-host"))
        self.use(program)

    def test_cmake_finds_it_and_the_example_runs(self):
        output("cmake", "-G", "Ninja", "-S", EXAMPLE, "-B", self.folder / "build", "-DCMAKE_PREFIX_PATH=%s" % self.prefix, "-DCMAKE_BUILD_TYPE=Release")
        output("cmake", "--build", self.folder / "build")
        self.use(self.folder / "build" / "delta_example")

    @unittest.skipIf(PKG_CONFIG is None, "no pkg-config")
    def test_apply_alone_needs_four_functions_and_no_other_header(self):
        archive, = self.prefix.rglob("libdecade-delta.a")
        names = [line.split() for line in output("nm", archive).splitlines()]
        defined = {words[-1] for words in names if len(words) == 3}
        self.assertEqual(set(), {words[-1] for words in names if len(words) == 2 and words[0] == "U"} - defined - FREESTANDING - {
            "__stack_chk_fail", "__memcpy_chk", "__memset_chk", "__memmove_chk"})
        source = self.folder / "alone.c"
        source.write_text('#include <decade_delta.h>\nint main(void) { return (int)dcd_frame_memory_size(&(struct dcd_payload){ 0 }, '
                          '&(struct dcd_decoder){ 0 }) < 0; }\n')
        output("cc", "-std=c11", "-Wall", "-Werror", source, "-o", self.folder / "alone", *self.flags("decade-delta"))
        output(self.folder / "alone")

    def test_every_header_stands_alone_and_names_nothing_that_is_not_installed(self):
        include = self.prefix / "include" / "decade-delta"
        headers = sorted(include.rglob("*.h"))
        self.assertGreater(len(headers), 8)
        for header in headers:
            output("cc", "-std=gnu11", "-fsyntax-only", "-Wall", "-Werror", "-x", "c", "-I", include, header)


if __name__ == "__main__":
    unittest.main(verbosity=2)
