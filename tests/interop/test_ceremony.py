"""Runs every command of docs/trust.md's key ceremonies, in order, as they stand there."""
import os
import re
import subprocess
import unittest

from tuf_lab import BIN, Lab

DOCUMENT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "trust.md")


class CeremonyTest(Lab):
    def test_the_documents_commands_run_and_both_clients_follow(self):
        with open(DOCUMENT, encoding="utf-8") as file:
            text = file.read()
        sections = re.findall(r"^### (.*?)\n(.*?)(?=^##|\Z)", text, re.M | re.S)
        blocks = [(title, block) for title, body in sections for block in re.findall(r"^```sh\n(.*?)^```", body, re.M | re.S)]
        self.assertGreaterEqual(len(blocks), 7)
        with open(self.path("rootfs.img"), "wb") as file:
            file.write(os.urandom(20000))
        env = {**os.environ, "PATH": BIN + os.pathsep + os.environ["PATH"]}
        for title, block in blocks:
            with self.subTest(ceremony=title):
                done = subprocess.run(["sh", "-eu", "-c", block], cwd=self.folder, env=env, capture_output=True, text=True)
                self.assertEqual(done.returncode, 0, f"{title}:\n{block}\n{done.stdout}{done.stderr}")
                factory = os.path.join(self.repo, "metadata", "1.root.json")
                self.our_client("device", factory)
                self.their_client("theirs", factory)


if __name__ == "__main__":
    unittest.main()
