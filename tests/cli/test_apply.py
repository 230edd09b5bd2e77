#!/usr/bin/env python3
"""decade-delta apply: any number of threads makes the same file, within a bound of memory, and nothing when it fails."""
import json
import os
import random
import shutil
import subprocess
import tempfile
import unittest

DELTA = os.path.join(os.environ["DECADE_BIN"], "decade-delta")
SEGMENT = 64 << 10
SEGMENTS = 37


class Apply(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="decade-apply-")
        self.addCleanup(shutil.rmtree, self.folder)
        rng = random.Random(7)
        old = bytearray(rng.randbytes(SEGMENTS * SEGMENT))
        new = bytearray(old)
        for index in range(0, SEGMENTS, 2):
            at = index * SEGMENT + rng.randrange(SEGMENT - 100)
            new[at:at + 100] = rng.randbytes(100)
        new[8 * SEGMENT:20 * SEGMENT] = bytes(12 * SEGMENT)
        del new[-1000:]
        self.old, self.new, self.payload, self.out = (os.path.join(self.folder, name) for name in ("old", "new", "payload", "out"))
        for path, data in ((self.old, old), (self.new, new)):
            self.write(path, data)
        self.assertEqual(0, self.run_delta("diff", "--segment-size", "64K", self.old, self.new, self.payload).returncode)

    def write(self, path, data):
        with open(path, "wb") as file:
            file.write(data)

    def read(self, path):
        with open(path, "rb") as file:
            return file.read()

    def run_delta(self, *words):
        return subprocess.run([DELTA, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def apply(self, *options, old=None):
        if os.path.exists(self.out):
            os.remove(self.out)
        return self.run_delta("apply", *options, old or self.old, self.payload, self.out)

    def assert_right(self, done):
        self.assertEqual((0, ""), (done.returncode, done.stderr))
        self.assertEqual(self.read(self.new), self.read(self.out))

    def assert_refused(self, done, code, words):
        self.assertEqual(code, done.returncode, done.stderr)
        self.assertRegex(done.stderr, words)
        self.assertEqual({"old", "new", "payload"}, set(os.listdir(self.folder)))

    def memory(self):
        return json.loads(self.run_delta("info", "--json", self.payload).stdout)["memory"]

    def test_any_number_of_threads_makes_the_same_sparse_file(self):
        for threads in (1, 2, 3, 16, 256):
            self.assert_right(self.apply("--threads", str(threads)))
            self.assertLess(os.stat(self.out).st_blocks * 512, (SEGMENTS - 11) * SEGMENT)

    def test_a_damaged_frame_is_named_whichever_thread_meets_it(self):
        data = bytearray(self.read(self.payload))
        data[-1] ^= 1
        self.write(self.payload, data)
        for threads in ("1", "2", "8"):
            self.assert_refused(self.apply("--threads", threads), 5, f"damaged: the frame of segment {SEGMENTS - 1} differs")

    def test_another_base_is_told_by_its_identity_whichever_thread_meets_it(self):
        other = bytearray(self.read(self.old))
        other[-2000] ^= 1  # in the last segment, and copied from by that one alone
        self.write(self.old, other)
        identity = self.run_delta("id", "--segment-size", "64K", self.old).stdout.split()[0]
        for threads in ("1", "2", "8"):
            self.assert_refused(self.apply("--threads", threads), 7, f"not the base of .*segment {SEGMENTS - 1} comes out wrong.*{identity}")

    def test_a_bound_of_memory_is_kept_by_fewer_threads_or_refused(self):
        memory = self.memory()
        self.assert_right(self.apply("--max-memory", str(memory), "--threads", "8"))
        self.assert_right(self.apply("--max-memory", str(3 * memory), "--threads", "8"))
        self.assert_refused(self.apply("--max-memory", str(memory - 1)), 1, f"needs {memory} bytes of memory, more than the {memory - 1} allowed")

    @unittest.skipUnless(shutil.which("prlimit"), "needs prlimit")
    def test_threads_are_as_many_as_the_bound_has_room_for(self):
        def apply(*options):  # where no thread's stack fits into the machine, and so none can be started beside the first
            return subprocess.run(["prlimit", f"--stack={1 << 40}:", DELTA, "apply", "--threads", "8", *options, self.old, self.payload, self.out],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        words, memory = "no thread could be started", self.memory()
        done = apply()
        if words not in done.stderr:
            self.skipTest("a stack of 1 TiB is given here, or may not be asked for")
        self.assert_refused(done, 1, words)
        self.assert_refused(apply("--max-memory", str(2 * memory)), 1, words)
        self.assert_right(apply("--max-memory", str(memory)))

    @unittest.skipUnless(shutil.which("prlimit"), "needs prlimit")
    def test_a_full_disk_is_told_with_any_number_of_threads(self):
        for threads in ("1", "4"):
            done = subprocess.run(["prlimit", f"--fsize={30 * SEGMENT}", "sh", "-c", 'trap "" XFSZ; exec "$@"', "sh", DELTA, "apply", "--threads", threads,
                                   self.old, self.payload, self.out], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            self.assert_refused(done, 7, "cannot be")


if __name__ == "__main__":
    unittest.main()
