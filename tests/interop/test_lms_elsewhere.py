"""LMS against an implementation that shares no code with ours: pyhsslms verifies what we sign, and signs what we verify."""
import json
import os
import sys
import unittest

from securesystemslib.formats import encode_canonical
from tuf_lab import Lab

try:
    import pyhsslms
except ImportError:
    pyhsslms = None

SIGNER = """
import sys, pyhsslms
path = sys.argv[1]
with open(path, "rb") as file:
    key = pyhsslms.LmsPrivateKey.deserialize(file.read())
signature = key.sign(sys.stdin.buffer.read())
with open(path, "wb") as file:
    file.write(key.serialize())
sys.stdout.buffer.write(signature)
"""


@unittest.skipIf(pyhsslms is None, "pyhsslms is not installed")
class LmsTest(Lab):
    def newest_root(self):
        folder = os.path.join(self.repo, "metadata")
        name = max((name for name in os.listdir(folder) if name.endswith(".root.json")), key=lambda name: int(name.split(".")[0]))
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            return json.load(file)

    def lms_signatures(self, root):
        keys = {keyid: key for keyid, key in root["signed"]["keys"].items() if key["keytype"] == "lms"}
        return [(keys[one["keyid"]], bytes.fromhex(one["sig"])) for one in root["signatures"] if one["keyid"] in keys]

    def verifies(self, key, signature, message):
        self.assertEqual("lms-sha256-m32-h10-n32-w8", key["scheme"])
        return pyhsslms.LmsPublicKey.deserialize(bytes.fromhex(key["keyval"]["public"])).verify(message, signature)

    def test_pyhsslms_verifies_our_signatures(self):
        self.repo_tool("init", "--product", "lab")
        self.repo_tool("rotate", "--role", "root", "--add", "--algorithm", "lms", "--threshold", "2")
        for _ in range(3):
            root = self.newest_root()
            message = encode_canonical(root["signed"]).encode()
            (key, signature), = self.lms_signatures(root)
            self.assertTrue(self.verifies(key, signature, message))
            self.assertFalse(self.verifies(key, signature, message + b" "))
            self.repo_tool("rotate", "--role", "timestamp")

    def test_our_client_verifies_what_pyhsslms_signs_elsewhere(self):
        key = pyhsslms.LmsPrivateKey(pyhsslms.lms_sha256_m32_h10, pyhsslms.lmots_sha256_n32_w8)
        with open(self.path("private"), "wb") as file:
            file.write(key.serialize())
        with open(self.path("public.hex"), "w", encoding="ascii") as file:
            file.write(key.publicKey().serialize().hex() + "\n")
        with open(self.path("sign.py"), "w", encoding="ascii") as file:
            file.write(SIGNER)
        command = f"'{sys.executable}' '{self.path('sign.py')}' '{self.path('private')}'"
        self.repo_tool("init", "--product", "lab")
        self.repo_tool("rotate", "--role", "root", "--add-key", self.path("public.hex"), "--threshold", "2", "--sign-with", command)
        self.repo_tool("rotate", "--role", "snapshot", "--sign-with", command)
        self.our_client("device", os.path.join(self.repo, "metadata", "1.root.json"))
        (key, signature), = self.lms_signatures(self.newest_root())
        self.assertEqual(1, int.from_bytes(signature[:4], "big"))


if __name__ == "__main__":
    unittest.main()
