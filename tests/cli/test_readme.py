#!/usr/bin/env python3
"""README's quick start, typed by a machine: every ```sh block that is marked for it runs, in the order of the page.

A comment before a block says what to do with it; a block without one fails the test:

    <!-- run: host -->            on the build machine
    <!-- run: device -->          on the device
    <!-- run: device, ends with 3 -->
    <!-- file: NAME -->           the block is a file on the build machine
    <!-- not run: WHY -->

tests/cli/doc_lab.py lists what is adapted before anything runs.
"""
import os
import re
import shutil
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
from device_lab import SOURCE, LabCase  # noqa: E402
from doc_lab import World  # noqa: E402

BLOCK = re.compile(r"^(?:<!-- *(?P<mark>.*?) *-->\n)?```(?P<language>\w*)\n(?P<text>.*?)^```$", re.M | re.S)
RUN = re.compile(r"run: (?P<where>host|device)(?:, ends with (?P<code>\d+))?")


def blocks():
    text = (SOURCE / "README.md").read_text()
    for match in BLOCK.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, match["mark"] or "", match["language"], match["text"]


@unittest.skipUnless(shutil.which("rsync"), "no rsync, with which README publishes")
class QuickStart(LabCase):
    def run_block(self, world, line, mark, text):
        how = RUN.fullmatch(mark)
        if how["where"] == "device" and not world.device.exists():
            world.make_device(world.host / "image")
        done = world.run(text, how["where"])
        self.assertEqual(int(how["code"] or 0), done.returncode, "README.md:%d:\n%s\n%s" % (line, text, done.stdout))
        return done.stdout

    def test_every_marked_block_of_the_readme_works_in_its_order(self):
        world = World(self.folder)
        self.addCleanup(world.close)
        said, ran = "", 0
        for line, mark, language, text in blocks():
            if mark.startswith("file: "):
                (world.host / mark[6:]).write_text(text)
            elif RUN.fullmatch(mark):
                said += self.run_block(world, line, mark, text)
                ran += 1
        self.assertGreaterEqual(ran, 6, "marks were lost")
        # What the page promises to have happened by then.
        self.assertIn("release 1.1 is available, from 1.0", said)
        self.assertIn("release 1.1 is activated", said)
        self.assertTrue(world.server.requests("timestamp.json"), "the update did not come from the web server")
        slot = (world.device / "dev/disk/by-partlabel/rootfs-b").read_bytes()
        image = (world.host / "rootfs-1.1.img").read_bytes()
        self.assertEqual(image, slot[:len(image)])
        self.assertEqual((world.host / "new.img").read_bytes(), (world.host / "new-again.img").read_bytes())


class Marks(unittest.TestCase):
    def test_every_block_of_shell_is_run_or_says_why_not(self):
        for line, mark, language, text in blocks():
            with self.subTest(line=line):
                if language == "sh":
                    self.assertTrue(RUN.fullmatch(mark) or re.fullmatch(r"not run: \S.*", mark), "README.md:%d: no mark" % line)
                elif language == "ini":
                    self.assertRegex(mark, r"^file: [\w.-]+$")

    def test_every_document_is_linked_and_every_link_leads_somewhere(self):
        readme = (SOURCE / "README.md").read_text()
        for path in sorted((SOURCE / "docs").glob("*.md")):
            self.assertIn("(docs/%s)" % path.name, readme)
        for page in [SOURCE / "README.md", SOURCE / "CHANGELOG.md", *(SOURCE / "docs").glob("*.md")]:
            for target in re.findall(r"\]\((?!https?://)([^)#]+)(?:#[^)]*)?\)", page.read_text()):
                with self.subTest(page=page.name, target=target):
                    self.assertTrue((page.parent / target).exists(), "%s links %s, which isn't there" % (page.name, target))


if __name__ == "__main__":
    unittest.main(verbosity=2)
