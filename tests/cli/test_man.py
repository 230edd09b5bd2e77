#!/usr/bin/env python3
"""The man pages against the programs: options and commands both ways, keys of decade.conf, exit codes; the examples run.

A comment before each .EX says what its lines are, as README's comments do: run: host, run: device[, ends with N], file: NAME.
"""
import os
import re
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
from device_lab import SOURCE, LabCase, run  # noqa: E402
from doc_lab import World  # noqa: E402

MAN = SOURCE / "docs" / "man"
PROGRAMS = ("decade", "decade-repo", "decade-delta", "decade-bootsim", "decade-tuf", "decade-qemu")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
EXAMPLE = re.compile(r'^\.\\" (run: (?:host|device)(?:, ends with \d+)?|file: \S+)\n\.EX\n(.*?)^\.EE$', re.M | re.S)


def plain(text):
    """What a reader sees of roff's spelling of single characters."""
    for escape, character in ((r"\(aq", "'"), (r"\(lq", '"'), (r"\(rq", '"'), (r"\e", "\\"), (r"\-", "-")):
        text = text.replace(escape, character)
    return text


def page_of(name, section=1):
    return plain((MAN / ("%s.%d" % (name, section))).read_text())


def part(page, title):
    return re.search(r"^\.SH %s\n(.*?)(?=^\.SH |\Z)" % re.escape(title), page, re.M | re.S)[1]


def headings(text):
    """The line after each .TP."""
    return re.findall(r"^\.TP\n(.*)$", text, re.M)


def help_of(name):
    text = run(name, "--help").out
    if name == "decade-repo":
        commands = sorted(set(re.findall(r"^    decade-repo ([a-z]+)", text, re.M)))
        text += "".join(run(name, command, "--help").out for command in commands)
    if name == "decade-qemu":
        text += "".join(run(name, command, "--help").out for command in re.findall(r"^    ([a-z]+) ", text, re.M))
    return text


class Pages(unittest.TestCase):
    def test_every_option_of_the_help_is_in_the_page_and_the_other_way_round(self):
        for name in PROGRAMS:
            with self.subTest(program=name):
                helped, page = set(OPTION.findall(help_of(name))), page_of(name)
                self.assertEqual(helped, {option for line in headings(part(page, "OPTIONS")) for option in OPTION.findall(line)})
                named = set(OPTION.findall(re.sub(r"systemctl.*|python3.*", "", page)))
                self.assertEqual(set(), named - helped, "options that the program doesn't have")

    def test_options_in_the_page_are_taken_by_the_program(self):
        """Help could lie together with the page; the parser can't."""
        for name in ("decade", "decade-delta", "decade-bootsim"):
            for option in sorted(set(OPTION.findall(part(page_of(name), "OPTIONS"))) - {"--help", "--version"}):
                with self.subTest(program=name, option=option):
                    self.assertNotIn("unrecognized option", run(name, option).err)

    def test_every_command_is_in_help_and_page(self):
        for name, pattern in (("decade", r"^  ([a-z-]+) .*"), ("decade-repo", r"^    decade-repo ([a-z]+) "),
                              ("decade-delta", r"(?:usage:|      ) decade-delta (\w+) "), ("decade-qemu", r"^    ([a-z]+)  ")):
            with self.subTest(program=name):
                text = run(name, "--help").out
                text = text.split("Options:")[0] if name == "decade" else text.split("xample")[0]
                commands = set(re.findall(pattern, text, re.M))
                self.assertGreater(len(commands), 3)
                page = part(page_of(name), "COMMANDS")
                self.assertEqual(commands, {re.match(r"\.BR? ([\w-]+)", line)[1] for line in headings(page)})

    def test_exit_codes_are_those_of_the_contract(self):
        known = set(re.findall(r"^\| (\d) \| [^|`]+ \| [^|]+ \|$", (SOURCE / "docs" / "exit-codes.md").read_text(), re.M))
        self.assertEqual(set("0123456789"), known)
        for name in PROGRAMS:
            with self.subTest(program=name):
                listed = set(re.findall(r"^\.B (\d)$", part(page_of(name), "EXIT STATUS"), re.M))
                self.assertLessEqual({"0", "2"}, listed)
                said = re.findall(r"\b(\d) [a-z]", re.sub(r"\s+", " ", run(name, "--help").out).split("Exit codes: ")[1])
                self.assertLessEqual(set(said), listed, "the help names codes that the page doesn't")
                self.assertLessEqual(listed, known)
        self.assertEqual(known, set(re.findall(r"^\.B (\d)$", part(page_of("decade"), "EXIT STATUS"), re.M)))

    def test_every_key_of_the_configuration_is_in_its_page(self):
        code = (SOURCE / "updater" / "config" / "config_keys.c").read_text()
        table = re.findall(r'^\t\{ "(\w+)", "([\w-]+)", KIND_', code, re.M)
        self.assertGreater(len(table), 10)
        page = page_of("decade.conf", 5)
        for section in sorted({section for section, _ in table}):
            keys = {re.match(r"\.BR? ([\w-]+)", line)[1] for line in headings(part(page, "[%s]" % section))}
            self.assertEqual({key for where, key in table if where == section}, keys, section)

    def test_the_version_is_the_programs(self):
        for path in sorted(MAN.iterdir()):
            with self.subTest(page=path.name):
                self.assertIn('"%s"' % run("decade", "--version").out.strip().replace("decade", "Decade"), path.read_text())

    def test_formatters_have_nothing_to_object(self):
        ways = (["mandoc", "-T", "lint", "-W", "warning"], ["groff", "-man", "-Tutf8", "-ww", "-z"])
        words = next((words for words in ways if shutil.which(words[0])), None)
        if words is None:
            self.skipTest("neither mandoc nor groff")
        for path in sorted(MAN.iterdir()):
            with self.subTest(page=path.name, formatter=words[0]):
                done = subprocess.run(words + [str(path)], capture_output=True, text=True, timeout=60)
                self.assertEqual((0, "", ""), (done.returncode, done.stdout, done.stderr))


class Examples(LabCase):
    def run_page(self, world, name, section=1):
        page = (MAN / ("%s.%d" % (name, section))).read_text()
        found = EXAMPLE.findall(page)
        self.assertEqual(page.count("\n.EX\n"), len(found), "%s: an example without a mark" % name)
        for mark, text in found:
            text = plain(text)
            if mark.startswith("file: "):
                (world.host / mark[6:]).write_text(text)
                continue
            where, code = re.fullmatch(r"run: (\w+)(?:, ends with (\d+))?", mark).groups()
            done = world.run(text, where)
            self.assertEqual(int(code or 0), done.returncode, "%s(%d):\n%s\n%s" % (name, section, text, done.stdout))

    def test_examples_work_when_pasted(self):
        world = World(self.folder)
        self.addCleanup(world.close)
        for name in ("decade-repo", "decade-delta", "decade-qemu"):
            self.run_page(world, name)
        self.run_page(world, "decade.conf", 5)
        shutil.copytree(world.host / "updates", world.web / "srv" / "www" / "thermostat")
        image = world.host / "image"
        for path, source in (("etc/decade/decade.conf", "decade.conf"),
                             ("usr/share/decade/root.json", "updates/metadata/1.root.json")):
            (image / path).parent.mkdir(parents=True)
            shutil.copy(world.host / source, image / path)
        (image / "var" / "lib").mkdir(parents=True)  # state-dir itself is made
        world.make_device(image)
        for name in ("decade", "decade-bootsim"):
            self.run_page(world, name)


if __name__ == "__main__":
    unittest.main(verbosity=2)
