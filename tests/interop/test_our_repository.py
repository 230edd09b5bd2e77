"""python-tuf's client on repositories that decade-repo makes: rotations, thresholds, algorithms, delegations; and keys that live elsewhere."""
import glob
import json
import os
import shutil
import subprocess
import unittest

from tuf.api.exceptions import RepositoryError, UnsignedMetadataError
from tuf_lab import Lab

ALGORITHMS = ["ecdsa-p256", "ecdsa-p384", "ed25519", "rsa-pss", "rsa-pkcs1v15"]


class OurRepositoryTest(Lab):
    def setUp(self):
        super().setUp()
        self.repo_tool("init", "--product", "thermostat")
        self.image = self.path("image")
        with open(self.image, "wb") as file:
            file.write(os.urandom(50000))
        self.factory = os.path.join(self.repo, "metadata", "1.root.json")

    def release(self, version, *more):
        self.repo_tool("release", "--version", version, "--image", "rootfs=" + self.image, *more)

    def both_find(self, state, target):
        self.our_client("our-" + state, self.factory, target)
        updater = self.their_client("their-" + state, self.factory)
        info = updater.get_targetinfo(target)
        self.assertIsNotNone(info)
        self.assertTrue(updater.download_target(info, self.path("manifest")))
        with open(self.path("manifest"), "rb") as file:
            self.assertEqual(json.load(file)["product"], "thermostat")

    def signed(self, name):
        with open(os.path.join(self.repo, "metadata", name), encoding="utf-8") as file:
            return json.load(file)["signed"]

    def versions(self):
        return max(int(os.path.basename(p).split(".")[0]) for p in glob.glob(os.path.join(self.repo, "metadata", "*.root.json")))

    def test_rotations_of_every_role_to_every_algorithm(self):
        self.release("1.0")
        self.both_find("moving", "releases/1.0.json")
        for role in ("timestamp", "snapshot", "targets", "root"):
            for algorithm in ALGORITHMS:
                self.repo_tool("rotate", "--role", role, "--algorithm", algorithm)
            self.both_find("moving", "releases/1.0.json")
        self.assertEqual(self.versions(), 21)
        self.both_find("fresh", "releases/1.0.json")
        self.repo_tool("check")

    def test_thresholds_need_their_keys(self):
        self.repo_tool("rotate", "--role", "root", "--add", "--add", "--threshold", "2", "--algorithm", "ed25519")
        self.repo_tool("rotate", "--role", "targets", "--add", "--threshold", "2")
        self.release("1.0")
        self.both_find("a", "releases/1.0.json")
        root = self.signed("3.root.json")
        self.assertEqual(root["roles"]["root"]["threshold"], 2)
        self.assertEqual(len(root["roles"]["root"]["keyids"]), 3)
        # One of three root keys is lost: two are enough, and a new one takes its place.
        os.unlink(os.path.join(self.keys, "root.pem"))
        lost = self.signed("1.root.json")["roles"]["root"]["keyids"][0]
        self.repo_tool("rotate", "--role", "root", "--remove", lost[:16], "--add")
        self.both_find("a", "releases/1.0.json")
        # One of two targets keys is lost: nothing can be released until the root replaces both.
        os.unlink(os.path.join(self.keys, "targets.pem"))
        out = self.repo_tool("release", "--version", "1.1", "--image", "rootfs=" + self.image, code=5)
        self.assertIn("1 of the 2 keys", out)
        self.repo_tool("rotate", "--role", "targets", "--replace", "--add", "--threshold", "1")
        self.release("1.1")
        self.both_find("a", "releases/1.1.json")
        self.repo_tool("rotate", "--role", "targets", "--threshold", "2", code=2)
        self.repo_tool("rotate", "--role", "targets", "--remove", "0123456789", code=2)

    def test_delegated_releases(self):
        self.release("1.0")
        self.repo_tool("delegate", "--name", "team-a", "--path", "releases/a-*.json", "--algorithm", "ed25519")
        self.release("a-1.0", "--name", "team-a")
        self.both_find("a", "releases/a-1.0.json")
        self.both_find("a", "releases/1.0.json")
        self.assertIn("a-1.0", self.repo_tool("list"))
        # The team's key is compromised: the repository's owner takes it away.
        self.repo_tool("delegate", "--name", "team-a", "--replace", "--algorithm", "ecdsa-p384")
        self.both_find("a", "releases/a-1.0.json")
        self.repo_tool("release", "--version", "b-1.0", "--image", "rootfs=" + self.image, "--name", "team-a", code=2)
        self.repo_tool("check")

    def test_a_changed_byte_is_refused_by_both(self):
        self.release("1.0")
        path = os.path.join(self.repo, "metadata", "timestamp.json")
        with open(path, "r+b") as file:
            data = bytearray(file.read())
            data[data.index(b'"sig":"') + 12] ^= 1
            file.seek(0)
            file.write(data)
        self.our_client("ours", self.factory, code=1)
        with self.assertRaises((RepositoryError, UnsignedMetadataError, ValueError)):
            self.their_client("theirs", self.factory)

    # ---- keys that live elsewhere ----

    def public_of(self, private):
        path = private + ".pub"
        subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", path], check=True)
        return path

    def test_a_command_signs_for_keys_that_are_elsewhere(self):
        os.mkdir(self.path("hsm"))
        key = self.path("hsm", "root key.pem")
        subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key], check=True)
        command = f"openssl dgst -sha256 -sign '{key}'"
        self.repo_tool("rotate", "--role", "targets", "--replace", "--add-key", self.public_of(key), "--sign-with", command)
        self.release("1.0", "--sign-with", command)
        self.both_find("a", "releases/1.0.json")
        before = sorted(os.listdir(os.path.join(self.repo, "metadata")))
        for bad in ("false", "echo nonsense", "openssl dgst -sha256 -sign '%s' | head -c 20" % key, "exec sleep 0; true"):
            self.repo_tool("release", "--version", "2.0", "--image", "rootfs=" + self.image, "--sign-with", bad, code=5 if bad != "false" else 1)
        self.assertEqual(sorted(os.listdir(os.path.join(self.repo, "metadata"))), before)

    @unittest.skipUnless(shutil.which("softhsm2-util") and shutil.which("pkcs11-tool"), "SoftHSM and OpenSC are not installed")
    def test_a_pkcs11_token_signs(self):
        module = (glob.glob("/usr/lib/softhsm/libsofthsm2.so") + glob.glob("/usr/lib/*/softhsm/libsofthsm2.so"))[0]
        tokens = self.path("tokens")
        os.mkdir(tokens)
        with open(self.path("softhsm.conf"), "w", encoding="utf-8") as file:
            file.write(f"directories.tokendir = {tokens}\n")
        env = {**os.environ, "SOFTHSM2_CONF": self.path("softhsm.conf")}
        subprocess.run(["softhsm2-util", "--init-token", "--free", "--label", "decade", "--pin", "1234", "--so-pin", "1234"], env=env,
                       check=True, capture_output=True)
        tool = ["pkcs11-tool", "--module", module, "--token-label", "decade", "--login", "--pin", "1234"]
        subprocess.run([*tool, "--keypairgen", "--key-type", "EC:prime256v1", "--id", "01", "--label", "targets"], env=env, check=True,
                       capture_output=True)
        der, pem = self.path("key.der"), self.path("key.pem")
        subprocess.run([*tool, "--read-object", "--type", "pubkey", "--id", "01", "--output-file", der], env=env, check=True,
                       capture_output=True)
        subprocess.run(["openssl", "pkey", "-pubin", "-inform", "DER", "-in", der, "-pubout", "-out", pem], check=True)
        # The token signs a hash and answers with r and s; the script hashes and asks for DER.
        script = self.path("sign")
        with open(script, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\nset -e\nwork=$(mktemp -d)\ntrap 'rm -r \"$work\"' EXIT\nopenssl dgst -sha256 -binary >\"$work/hash\"\n"
                       f"pkcs11-tool --module {module} --token-label decade --login --pin 1234 --id 01 --sign --mechanism ECDSA "
                       "--signature-format openssl --input-file \"$work/hash\" --output-file \"$work/sig\" >&2\ncat \"$work/sig\"\n")
        os.chmod(script, 0o755)
        self.repo_tool("rotate", "--role", "targets", "--replace", "--add-key", pem, "--sign-with", f"'{script}'", env=env)
        self.repo_tool("release", "--version", "1.0", "--image", "rootfs=" + self.image, "--sign-with", f"'{script}'", env=env)
        self.both_find("a", "releases/1.0.json")

    def test_a_poll_with_nothing_new_is_small(self):
        """Two requests: the next root (not found) and the timestamp. Section 5.3 comes first in the specification, so it can't be one."""
        self.release("1.0")
        self.our_client("device", self.factory)
        self.assertLess(os.path.getsize(os.path.join(self.repo, "metadata", "timestamp.json")), 1024)


if __name__ == "__main__":
    unittest.main()
