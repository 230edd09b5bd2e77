"""LMS keys from the outside: no leaf signs twice, whatever is killed, copied, restored or run at once."""
import concurrent.futures
import fcntl
import json
import os
import random
import re
import shutil
import time
import unittest

from device_lab import DONE, FAILED, NOT_AUTHENTIC, LabCase, Running, run

KILLS = int(os.environ.get("DECADE_KILLS", "25"))
LEAVES = 1024


class Lms(LabCase):
    @classmethod
    def setUpClass(cls):
        """One key for all tests: it takes seconds to make."""
        super().setUpClass()
        cls.repo, cls.keys = cls.lab / "repo", cls.lab / "keys"
        for words in (("init", "--product", "lab"), ("rotate", "--role", "root", "--add", "--algorithm", "lms", "--threshold", 2)):
            done = run("decade-repo", words[0], cls.repo, "--keys", cls.keys, *words[1:])
            assert done.code == 0, str(done)

    def setUp(self):
        super().setUp()
        # Copies to play with: the keys themselves stay where they are, or they would not sign.
        for folder in (self.repo, self.keys):
            shutil.copytree(folder, self.folder / folder.name)

    def tool(self, command, *words, code=DONE, repo=None, keys=None):
        return self.expect(code, run("decade-repo", command, repo or self.repo, "--keys", keys or self.keys, *words))

    def rotate(self, **more):
        """The next root, signed with every root key."""
        return self.tool("rotate", "--role", "root", "--threshold", 2, *more.pop("words", ()), **more)

    def state(self, keys=None):
        path, = (keys or self.keys).glob("*.lms.state")
        return path

    def next_leaf(self, keys=None):
        return int(re.search(r"^next (\d+)$", self.state(keys).read_text(), re.M)[1])

    def leaves(self, repo=None):
        """The leaf of each LMS signature that is published, by file."""
        found = {}
        for path in (repo or self.repo).glob("metadata/*.root.json"):
            envelope = json.loads(path.read_text())
            kinds = {keyid: key["keytype"] for keyid, key in envelope["signed"]["keys"].items()}
            found.update({path.name: int(one["sig"][:8], 16) for one in envelope["signatures"] if kinds.get(one["keyid"]) == "lms"})
        return found


class Signing(Lms):
    def test_key_and_state_are_private_and_named_after_the_key(self):
        key, = self.keys.glob("root-*.lms")
        self.assertRegex(key.name, r"^root-[0-9a-f]{12}\.lms$")
        for path in (key, self.state()):
            self.assertEqual(0o600, path.stat().st_mode & 0o777)

    def test_each_root_takes_the_next_leaf_and_the_client_follows(self):
        first = self.next_leaf()
        for number in range(3):
            self.rotate()
            self.assertEqual(first + number, max(self.leaves().values()))
        self.assertEqual(first + 3, self.next_leaf())
        client = ("--metadata-dir", self.folder / "client")
        self.expect(DONE, run("decade-tuf", *client, "init", self.repo / "metadata" / "1.root.json"))
        self.expect(DONE, run("decade-tuf", *client, "--metadata-url", self.repo / "metadata", "refresh"))

    def test_killed_at_any_instant_no_leaf_signs_twice(self):
        chooser, seen = random.Random(5), set(self.leaves().values())
        begin = time.monotonic()
        self.rotate()
        duration = time.monotonic() - begin
        seen.update(self.leaves().values())
        for _ in range(KILLS):
            child = Running("decade-repo", "rotate", self.repo, "--keys", self.keys, "--role", "root", "--threshold", 2)
            time.sleep(duration * chooser.uniform(0, 1.1))
            child.kill()
            child.wait()
            with open(str(self.repo) + ".lock", "w") as lock:  # its work process dies with it, but a moment later
                fcntl.flock(lock, fcntl.LOCK_EX)
            lowest = self.next_leaf()
            before = self.leaves()
            self.assertTrue(all(leaf < lowest for leaf in before.values()), (lowest, before))
            self.rotate()
            after = self.leaves()
            self.assertEqual(len(after), len(set(after.values())), after)
            fresh = {leaf for name, leaf in after.items() if name not in before}
            self.assertFalse(fresh & seen, "a leaf of a signature that may have been seen")
            seen |= set(after.values())

    def test_two_at_once_take_different_leaves(self):
        twin = self.folder / "repo"
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            for _ in range(4):
                list(pool.map(lambda repo: self.rotate(repo=repo, words=("--keys-moved",)), (self.repo, twin)))
        both = {**self.leaves(), **{"twin " + name: leaf for name, leaf in self.leaves(twin).items()}}
        shared = {name for name in self.leaves() if "twin " + name in both and both[name] == both["twin " + name]}
        fresh = [leaf for name, leaf in both.items() if name.replace("twin ", "") not in shared]
        self.assertEqual(8, len(fresh))
        self.assertEqual(len(fresh), len(set(fresh)), both)


class Copies(Lms):
    def test_a_copied_folder_does_not_sign_until_somebody_vouches_for_it(self):
        copy = self.folder / "keys"
        for _ in range(2):
            self.assertIn("a copy", self.rotate(keys=copy, code=FAILED).err)
        begin = self.next_leaf(copy)
        self.rotate(keys=copy, words=("--keys-moved",))
        self.assertGreater(max(self.leaves().values()), begin + 10)  # a margin for what the other one may have signed
        self.rotate(keys=copy)
        # And now the first one is behind what is published.
        self.assertIn("old", self.rotate(code=FAILED).err)
        self.rotate(words=("--keys-moved",))

    def test_a_state_from_a_backup_is_noticed_by_the_repository(self):
        backup = self.state().read_bytes()
        self.rotate()
        self.state().write_bytes(backup)  # same inode of the key, an older state
        self.assertIn("old", self.rotate(code=FAILED).err)
        self.assertEqual(backup, self.state().read_bytes())
        self.rotate(words=("--keys-moved",))

    def test_a_key_without_its_state_does_not_sign(self):
        text = self.state().read_bytes()
        path = self.state()
        try:
            path.unlink()
            self.assertIn("gone", self.rotate(code=FAILED).err)
            self.assertIn("gone", self.rotate(code=FAILED, words=("--keys-moved",)).err)
            path.write_bytes(text[:-3])
            self.assertIn("damaged", self.rotate(code=NOT_AUTHENTIC).err)
        finally:
            path.write_bytes(text)
        self.rotate()


class TheEnd(Lms):
    def test_a_key_says_when_it_runs_out_and_can_be_replaced_before(self):
        path = self.state()
        text = path.read_text()
        path.write_text(re.sub(r"^next \d+$", "next %d" % (LEAVES - 2), text, flags=re.M))
        self.assertIn("2 signatures left", self.rotate().err)
        self.assertIn("1 signatures left", self.rotate().err)
        self.assertIn("used up", self.rotate(code=FAILED).err)
        self.assertIn("used up", self.rotate(code=FAILED).err)
        path.write_text(text)  # for the tests after this one; the repository is put back too


if __name__ == "__main__":
    unittest.main()
