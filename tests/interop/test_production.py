"""Production metadata of others, fetched when the test runs and never kept: Sigstore's roots since the first, which tuf-on-ci signs today.

DECADE_SIGSTORE_ROOTS may name a git folder of sigstore/root-signing that is here already.
"""
import calendar
import glob
import json
import os
import subprocess
import sys
import time
import unittest
import zipfile

from tuf_lab import BIN, Lab

HOUR = 3600
SOURCE = "https://github.com/sigstore/root-signing"


def seconds(text):
    return calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))


class Production(Lab):
    def run_or_skip(self, *words, what):
        try:
            done = subprocess.run(words, capture_output=True, timeout=90, env={**os.environ, "GIT_TERMINAL_PROMPT": "0"})
        except (OSError, subprocess.TimeoutExpired):
            self.skipTest(f"{what} can't be fetched here")
        if done.returncode != 0:
            self.skipTest(f"{what} can't be fetched here")
        return done.stdout

    def write(self, name, data):
        path = os.path.join(self.repo, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data)

    def client(self, state, root, now, *command, code=0, repo=None):
        env = {**os.environ, "LD_PRELOAD": os.environ["DECADE_FAKE_CLOCK"], "DECADE_TEST_CLOCK": str(now),
               "ASAN_OPTIONS": "verify_asan_link_order=0:detect_leaks=0"}
        tool = os.path.join(BIN, "decade-tuf")
        subprocess.run([tool, "--metadata-dir", self.path(state), "init", root], check=True, env=env)
        done = subprocess.run([tool, "--metadata-dir", self.path(state), "--metadata-url", os.path.join(self.repo, "metadata"), *command],
                              capture_output=True, text=True, env=env)
        self.assertEqual(code, done.returncode, done.stdout + done.stderr)
        return done.stderr

    def layout(self, git):
        """root-signing keeps its roots in a folder and the rest under plain names; a client asks for versions."""
        def show(path):
            return self.run_or_skip("git", "-C", git, "show", f"HEAD:{path}", what="Sigstore's metadata")
        names = self.run_or_skip("git", "-C", git, "ls-tree", "--name-only", "HEAD", "metadata/root_history/", what="Sigstore's metadata")
        roots = sorted(int(os.path.basename(name).split(".")[0]) for name in names.decode().split())
        for version in roots:
            self.write(f"metadata/{version}.root.json", show(f"metadata/root_history/{version}.root.json"))
        ends = []
        for role in ("timestamp", "snapshot", "targets"):
            data = show(f"metadata/{role}.json")
            signed = json.loads(data)["signed"]
            ends.append(seconds(signed["expires"]))
            self.write(f"metadata/{role}.json" if role == "timestamp" else f"metadata/{signed['version']}.{role}.json", data)
        return roots, min(ends) - HOUR

    def test_every_root_of_sigstore_reaches_the_newest_at_its_own_time(self):
        git = os.environ.get("DECADE_SIGSTORE_ROOTS")
        if git is None:
            git = self.path("root-signing")
            self.run_or_skip("git", "clone", "-q", "--depth", "1", SOURCE, git, what="sigstore/root-signing")
        roots, now = self.layout(git)
        self.assertEqual(list(range(1, len(roots) + 1)), roots)
        self.assertGreaterEqual(len(roots), 10)
        for version in roots:
            with self.subTest(root=version):
                state = f"device-{version}"
                self.client(state, os.path.join(self.repo, "metadata", f"{version}.root.json"), now, "refresh")
                with open(self.path(state, "root.json"), encoding="utf-8") as file:
                    self.assertEqual(roots[-1], json.load(file)["signed"]["version"])
        # And not for ever.
        newest = os.path.join(self.repo, "metadata", f"{roots[-1]}.root.json")
        self.assertIn("expired", self.client("late", newest, now + 10 * 365 * 24 * HOUR, "refresh", code=1))

    def test_the_roots_that_a_client_carries_verify(self):
        self.run_or_skip(sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", self.path("wheels"), "sigstore",
                         what="the sigstore package")
        wheel, = glob.glob(self.path("wheels", "*.whl"))
        archive = zipfile.ZipFile(wheel)
        self.addCleanup(archive.close)
        carried = [name for name in archive.namelist() if name.endswith("/root.json")]
        self.assertGreaterEqual(len(carried), 1)
        os.makedirs(os.path.join(self.repo, "metadata"))
        for number, name in enumerate(carried):
            with self.subTest(root=name):
                with open(self.path(f"root-{number}.json"), "wb") as file:
                    file.write(archive.read(name))
                now = seconds(json.loads(archive.read(name))["signed"]["expires"]) - HOUR
                # The root is good, and so the next thing is what isn't there.
                error = self.client(f"carried-{number}", self.path(f"root-{number}.json"), now, "refresh", code=1)
                self.assertIn("timestamp.json", error)


if __name__ == "__main__":
    unittest.main()
