"""decade-repo from the outside: what it makes, what it refuses, and what a kill at any instant leaves. DECADE_BIN names the folder of the programs."""

import hashlib
import json
import os
import random
import shutil
import signal
import stat
import subprocess
import tempfile
import time
import unittest

BIN = os.environ.get("DECADE_BIN", os.path.join(os.path.dirname(__file__), "..", "..", "build", "dev", "bin"))
REPO_TOOL = os.path.join(os.path.abspath(BIN), "decade-repo")
KILLS = int(os.environ.get("DECADE_KILLS", "40"))


def noise(seed, size):
    return random.Random(seed).randbytes(size)


def tree(folder):
    """Every folder and file below, with its content."""
    found = {}
    for path, folders, files in os.walk(folder):
        for name in folders:
            found[os.path.relpath(os.path.join(path, name), folder)] = None
        for name in files:
            with open(os.path.join(path, name), "rb") as file:
                found[os.path.relpath(os.path.join(path, name), folder)] = file.read()
    return found


class RepoCase(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="decade repo ")
        self.addCleanup(shutil.rmtree, self.folder)
        self.repo = os.path.join(self.folder, "my repo")
        self.keys = os.path.join(self.folder, "my keys")

    def run_tool(self, *args, code=0, env=None):
        done = subprocess.run([REPO_TOOL, *args], capture_output=True, text=True, timeout=300, env={**os.environ, **(env or {})})
        self.assertEqual(done.returncode, code, f"{args}: {done.stdout}{done.stderr}")
        return done

    def image(self, name, data):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as file:
            file.write(data)
        return path

    def init(self):
        return self.run_tool("init", self.repo, "--keys", self.keys, "--product", "thermostat")

    def release(self, version, image, *more, code=0):
        return self.run_tool("release", self.repo, "--keys", self.keys, "--version", version, "--image", f"rootfs={image}", *more,
                             code=code)

    def listing(self):
        return json.loads(self.run_tool("list", self.repo, "--json").stdout)

    def check(self, *more, code=0, env=None):
        return self.run_tool("check", self.repo, *more, code=code, env=env)

    def two_releases(self):
        old = noise(1, 300_000)
        new = old[:100_000] + b"changed" + old[100_007:] + noise(2, 1000)
        self.init()
        self.release("1.0", self.image("old.img", old))
        self.release("1.1", self.image("new.img", new))


class Making(RepoCase):
    def test_init_makes_private_keys_and_a_whole_repository(self):
        self.init()
        self.assertEqual(stat.S_IMODE(os.stat(self.keys).st_mode), 0o700)
        for role in ("root", "targets", "snapshot", "timestamp"):
            self.assertEqual(stat.S_IMODE(os.stat(os.path.join(self.keys, role + ".pem")).st_mode), 0o600)
        self.assertEqual(sorted(os.listdir(os.path.join(self.repo, "metadata"))),
                         ["1.root.json", "1.snapshot.json", "1.targets.json", "timestamp.json"])
        for content in tree(self.repo).values():
            self.assertNotIn(b"PRIVATE", content or b"")
        self.check()

    def test_keys_inside_the_repository_are_refused(self):
        for keys in (self.repo, os.path.join(self.repo, "keys"), os.path.join(self.repo, "a", "..", "keys")):
            self.run_tool("init", self.repo, "--keys", keys, "--product", "p", code=2)
        self.assertFalse(os.path.exists(self.repo))
        self.init()
        link = os.path.join(self.folder, "link")
        os.symlink(os.path.join(self.repo, "targets"), link)
        self.run_tool("refresh", self.repo, "--keys", link, code=2)

    def test_init_never_replaces_a_repository_nor_fills_a_used_folder(self):
        self.init()
        before = tree(self.repo)
        self.run_tool("init", self.repo, "--keys", self.keys, "--product", "other", code=1)
        self.assertEqual(tree(self.repo), before)
        self.run_tool("init", self.keys, "--keys", os.path.join(self.folder, "k2"), "--product", "p", code=1)

    def test_metadata_is_canonical_and_key_ids_are_hashes_of_keys(self):
        self.init()
        with open(os.path.join(self.repo, "metadata", "1.root.json"), "rb") as file:
            raw = file.read()
        root = json.loads(raw)
        self.assertEqual(raw.decode(), json.dumps(root, sort_keys=True, separators=(",", ":"), ensure_ascii=False))
        self.assertIs(root["signed"]["x-decade-canonical"], True)
        self.assertIs(root["signed"]["consistent_snapshot"], True)
        for keyid, key in root["signed"]["keys"].items():
            canonical = ('{"keytype":"%s","keyval":{"public":"%s"},"scheme":"%s"}'
                         % (key["keytype"], key["keyval"]["public"], key["scheme"]))
            self.assertEqual(keyid, hashlib.sha256(canonical.encode()).hexdigest())

    def test_a_release_has_a_full_payload_and_a_delta_from_every_earlier_one(self):
        self.two_releases()
        self.release("1.2", self.image("third.img", noise(1, 300_000) + noise(3, 500)), "--compatible", "board-a", "--channel", "beta",
                     "--security-version", "4", "--requires-version", "1.1", "--notes", self.image("notes", "Zwölf\nlines\n".encode()))
        listing = self.listing()
        self.assertEqual([r["version"] for r in listing["releases"]], ["1.2", "1.1", "1.0"])
        newest = listing["releases"][0]
        self.assertEqual((newest["channel"], newest["sequence_number"], newest["security_version"], newest["requires_version"],
                          newest["compatible"]), ("beta", 3, 4, "1.1", ["board-a"]))
        payloads = newest["images"][0]["payloads"]
        self.assertEqual([p.get("base_version") for p in payloads], [None, "1.1", "1.0"])
        for payload in payloads:
            self.assertEqual(os.path.getsize(os.path.join(self.repo, payload["file"])), payload["length"])
        self.assertLess(payloads[1]["length"], payloads[0]["length"] // 20)
        self.check("--deep")

    def test_bases_limits_the_deltas_and_a_delta_that_saves_little_is_dropped(self):
        self.two_releases()
        base = self.image("x.img", noise(1, 300_000) + b"x")
        self.release("2", base, "--bases", "1")
        self.release("3", base, "--bases", "none")
        self.release("4", self.image("other.img", noise(9, 300_000)))
        bases = {r["version"]: [p.get("base_version") for p in r["images"][0]["payloads"]] for r in self.listing()["releases"]}
        self.assertEqual(bases["2"], [None, "1.1"])
        self.assertEqual(bases["3"], [None])
        self.assertEqual(bases["4"], [None])
        self.check("--deep")

    def test_the_same_image_in_several_releases_is_one_base_and_one_full_payload(self):
        self.init()
        image = self.image("same.img", noise(5, 100_000))
        for version in ("1", "2", "3"):
            self.release(version, image)
        payloads = self.listing()["releases"][0]["images"][0]["payloads"]
        self.assertEqual([p.get("base_version") for p in payloads], [None, "2"])
        self.assertEqual(len(os.listdir(os.path.join(self.repo, "targets", "payloads"))), 2)
        self.check("--deep")

    def test_images_of_every_awkward_size(self):
        self.init()
        segment = 4096
        sizes = [0, 1, segment - 1, segment, segment + 1, 10 * segment]
        for number, size in enumerate(sizes):
            self.release(str(number), self.image(f"{size}.img", noise(7, size)), "--segment-size", str(segment))
        self.assertEqual([r["images"][0]["size"] for r in reversed(self.listing()["releases"])], sizes)
        self.check("--deep")

    def test_a_large_sparse_image_is_a_small_payload(self):
        self.init()
        image = os.path.join(self.folder, "sparse.img")
        with open(image, "wb") as file:
            file.truncate(int(os.environ.get("DECADE_SPARSE_BYTES", 256 << 20)))
            file.seek(50 << 20)
            file.write(noise(8, 5000))
        self.release("1", image)
        self.release("2", image)
        self.assertLess(self.listing()["releases"][0]["images"][0]["payloads"][0]["length"], 2 << 20)

    def test_an_image_may_be_much_shorter_than_its_base(self):
        with open(REPO_TOOL, "rb") as file:
            program = file.read()
        old = self.image("old.img", program)
        os.truncate(old, 64 << 20)
        self.init()
        self.release("1", old)
        self.release("2", self.image("new.img", noise(9, 100) + program))
        self.assertEqual(len(self.listing()["releases"][0]["images"][0]["payloads"]), 2)
        self.check("--deep")

    def test_refresh_signs_timestamp_and_snapshot_anew(self):
        self.two_releases()
        before = self.listing()["metadata"]
        self.run_tool("refresh", self.repo, "--keys", self.keys, "--expires", "timestamp=7")
        after = self.listing()["metadata"]
        self.assertEqual(after["timestamp"]["version"], before["timestamp"]["version"] + 1)
        self.assertEqual(after["snapshot"]["version"], before["snapshot"]["version"] + 1)
        self.assertEqual(after["targets"], before["targets"])
        self.assertLess(after["timestamp"]["expires"], before["timestamp"]["expires"])
        self.check()

    def test_the_root_key_is_needed_only_once(self):
        self.init()
        os.unlink(os.path.join(self.keys, "root.pem"))
        self.release("1", self.image("a.img", b"a"))
        os.unlink(os.path.join(self.keys, "targets.pem"))
        self.run_tool("refresh", self.repo, "--keys", self.keys)
        self.check()

    def test_the_same_inputs_and_clock_give_the_same_bytes(self):
        self.two_releases()
        image = self.image("again.img", noise(1, 200_000))
        copy = os.path.join(self.folder, "copy")
        shutil.copytree(self.repo, copy)
        for repo in (self.repo, copy):
            self.run_tool("release", repo, "--keys", self.keys, "--version", "3", "--image", "rootfs=" + image,
                          env={"SOURCE_DATE_EPOCH": str(int(time.time()))[:-3] + "000"})
        self.assertEqual(tree(self.repo), tree(copy))


class Refusing(RepoCase):
    def test_wrong_usage_is_code_2(self):
        self.init()
        image = self.image("a.img", b"a")
        for args in ([], ["frobnicate"], ["rotate", self.repo], ["release"], ["release", self.repo], ["list"], ["list", "a", "b"],
                     ["list", self.repo, "--deep"], ["init", self.repo], ["check", os.path.join(self.folder, "nowhere")]):
            self.run_tool(*args, code=2)
        release = ["release", self.repo, "--keys", self.keys]
        for args in (["--version", "../1", "--image", "a=" + image], ["--version", "1"], ["--version", "1", "--image", "a"],
                     ["--version", "1", "--image", "a=" + image, "--image", "a=" + image],
                     ["--version", "1", "--image", "a=" + image, "--effort", "10"],
                     ["--version", "1", "--image", "a=" + image, "--bases", "some"],
                     ["--version", "1", "--image", "a=" + image, "--segment-size", "5000"],
                     ["--version", "1", "--image", "a=" + self.folder]):
            self.run_tool(*release, *args, code=2)
        # A class is a key in a device's configuration, so what can't be one there is refused here.
        for name in ("bootname", "a+b", "a~", "a:b", "x" * 49, ".a", "-a", ""):
            self.assertIn("a class is a key", self.run_tool(*release, "--version", "1", "--image", name + "=" + image, code=2).stderr)
        self.check()

    def test_every_help_has_an_example(self):
        for command in ([], ["init"], ["release"], ["plan"], ["work"], ["refresh"], ["check"], ["list"]):
            self.assertIn("Example", self.run_tool(*command, "--help").stdout)
        self.assertTrue(self.run_tool("--version").stdout.startswith("decade-repo "))

    def test_a_version_is_never_used_twice(self):
        self.two_releases()
        before = tree(self.repo)
        done = self.release("1.0", self.image("z.img", b"z"), code=1)
        self.assertIn("1.0", done.stderr)
        self.assertEqual(tree(self.repo), before)

    def test_keys_of_another_repository_are_refused(self):
        self.init()
        other = os.path.join(self.folder, "other keys")
        self.run_tool("init", os.path.join(self.folder, "other"), "--keys", other, "--product", "p")
        before = tree(self.repo)
        self.run_tool("refresh", self.repo, "--keys", other, code=5)
        self.assertEqual(tree(self.repo), before)

    def test_check_finds_every_damaged_file_and_names_it(self):
        self.two_releases()
        listing = self.listing()["metadata"]
        live = {"metadata/1.root.json", "metadata/timestamp.json", f"metadata/{listing['snapshot']['version']}.snapshot.json",
                f"metadata/{listing['targets']['version']}.targets.json"}
        chooser = random.Random(4)
        for name, content in sorted(tree(self.repo).items()):
            if content is None or (name.startswith("metadata/") and name not in live):
                continue
            path = os.path.join(self.repo, name)
            position = chooser.randrange(len(content))
            flipped = content[:position] + bytes([content[position] ^ 1]) + content[position + 1:]
            for damaged in (flipped, content[:-1], content + b" ", b"", None):
                if damaged is None:
                    os.unlink(path)
                else:
                    with open(path, "wb") as file:
                        file.write(damaged)
                done = self.check(code=5)
                plain = os.path.basename(name).split(".", 1)[1] if name.startswith("targets/releases") else os.path.basename(name)
                self.assertTrue(plain in done.stderr or plain.split(".", 1)[-1].split(".")[0] in done.stderr, f"{name}: {done.stderr}")
            with open(path, "wb") as file:
                file.write(content)
        self.check("--deep")

    def test_what_has_expired_is_code_5_and_named(self):
        self.two_releases()
        done = self.check(code=5, env={"SOURCE_DATE_EPOCH": str(int(time.time()) + 40 * 86400)})
        self.assertIn("timestamp expired", done.stderr)
        self.assertIn("EXPIRED", done.stdout)

    def test_an_unknown_file_is_a_warning(self):
        self.two_releases()
        with open(os.path.join(self.repo, "targets", "stray"), "w") as file:
            file.write("x")
        self.assertIn("targets/stray", self.check().stderr)

    def test_a_second_writer_is_told_that_the_first_is_busy(self):
        import fcntl
        self.init()
        with open(self.repo + ".lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.run_tool("refresh", self.repo, "--keys", self.keys, code=8)
            self.check()


class Interrupting(RepoCase):
    def start_release(self, version, image):
        return subprocess.Popen([REPO_TOOL, "release", self.repo, "--keys", self.keys, "--version", version, "--image", "rootfs=" + image],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def wait_for_lock(self):
        import fcntl
        with open(self.repo + ".lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)

    def test_killed_at_any_instant_it_leaves_the_old_repository_or_the_new_one(self):
        self.two_releases()
        image = self.image("third.img", noise(1, 300_000) + noise(4, 3000))
        backup = os.path.join(self.folder, "backup")
        shutil.copytree(self.repo, backup)
        old = tree(self.repo)
        begin = time.monotonic()
        self.start_release("9", image).wait()
        duration = time.monotonic() - begin
        outcomes = set()
        chooser = random.Random(11)
        for number in range(KILLS):
            shutil.rmtree(self.repo)
            shutil.copytree(backup, self.repo)
            child = self.start_release("9", image)
            # Most kills late, where the publish is.
            time.sleep(duration * (chooser.random() if number % 3 == 0 else chooser.uniform(0.7, 1.05)))
            child.send_signal(signal.SIGKILL)
            child.wait()
            self.wait_for_lock()
            self.check()  # what a client sees now, before anything was repaired
            committed = any(r["version"] == "9" for r in self.listing()["releases"])
            # Refused late enough to have recovered first, and early enough to change nothing itself.
            self.release("1.0", image, code=1)
            self.assertFalse(os.path.exists(self.repo + ".staging"))
            after = tree(self.repo)
            if not committed:
                self.assertEqual(after, old)
            else:
                self.check("--deep")
                self.assertNotIn("warning", self.check().stderr)
            outcomes.add(committed)
        self.assertIn(False, outcomes)

    def test_delegated_roles_expire_visibly_and_are_refreshed_by_who_has_their_keys(self):
        day = 86400
        begin = {"SOURCE_DATE_EPOCH": "1800000000"}
        late = {"SOURCE_DATE_EPOCH": str(1800000000 + 100 * day)}
        keys = ("--keys", self.keys)
        self.run_tool("init", self.repo, *keys, "--product", "thermostat", env=begin)
        for name in ("team:a", "team-b"):
            self.run_tool("delegate", self.repo, *keys, "--name", name, "--path", f"releases/{name[-1]}-*.json", "--expires", "targets=90",
                          "--expires", "timestamp=365", env=begin)
        self.run_tool("delegate", self.repo, *keys, "--name", "team:a", "--threshold", "1", "--expires", "timestamp=365", "--expires",
                      "targets=90", env=begin)
        shown = self.check(env=begin).stdout
        self.assertRegex(shown, r"team:a +version 2 +expires 2027-04-15T")
        self.assertRegex(shown, r"team-b +version 1 +expires 2027-04-15T")
        done = self.check(code=5, env=late)
        self.assertIn("delegated role team-b expired", done.stderr)
        self.assertRegex(done.stdout, r"team:a .*EXPIRED")
        # The one team's key is here, the other's isn't.
        away = os.path.join(self.folder, "away")
        os.mkdir(away)
        for name in os.listdir(self.keys):
            if name.startswith("team-b"):
                os.rename(os.path.join(self.keys, name), os.path.join(away, name))
        done = self.run_tool("refresh", self.repo, *keys, env=late)
        self.assertIn("warning: the delegated role team-b expires 2027-04-15T", done.stderr)
        self.assertNotIn("team:a", done.stderr)
        done = self.check(code=5, env=late)
        self.assertRegex(done.stdout, r"team:a +version 3 +expires 20[0-9-]+T[0-9:]+Z\n")
        self.assertIn("delegated role team-b expired", done.stderr)
        self.run_tool("refresh", self.repo, "--keys", self.keys, env=late)
        for name in os.listdir(away):
            os.rename(os.path.join(away, name), os.path.join(self.keys, name))
        self.assertEqual("", self.run_tool("refresh", self.repo, *keys, env=late).stderr)
        self.check(env=late)

    def test_a_client_with_the_old_timestamp_still_finds_all_of_it(self):
        self.two_releases()
        with open(os.path.join(self.repo, "metadata", "timestamp.json"), "rb") as file:
            old_timestamp = file.read()
        self.release("3", self.image("c.img", noise(3, 1000)))
        with open(os.path.join(self.repo, "metadata", "timestamp.json"), "wb") as file:
            file.write(old_timestamp)
        self.check("--deep")

    def test_a_signal_cleans_up_at_once(self):
        self.init()
        before = tree(self.repo)
        image = os.path.join(self.folder, "big.img")
        with open(image, "wb") as file:
            for number in range(64):
                file.write(noise(number, 1 << 20))
        for number in (signal.SIGTERM, signal.SIGINT):
            child = subprocess.Popen([REPO_TOOL, "release", self.repo, "--keys", self.keys, "--version", "1", "--image", "rootfs=" + image,
                                      "--effort", "9"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            while not os.path.exists(self.repo + ".staging"):
                time.sleep(0.002)
            child.send_signal(number)
            _, errors = child.communicate(timeout=30)
            self.assertEqual(child.returncode, 1, errors)
            self.assertIn("as it was", errors)
            self.assertFalse(os.path.exists(self.repo + ".staging"))
            self.assertEqual(tree(self.repo), before)


if __name__ == "__main__":
    unittest.main()
