"""Our client on repositories that python-tuf makes: key kinds, thresholds, layouts, delegations, odd names, ten years of roots."""
import os
import unittest

from securesystemslib.signer import CryptoSigner
from tuf_lab import Lab, TheirRepository

KINDS = {
    "ed25519": CryptoSigner.generate_ed25519,
    "ecdsa": CryptoSigner.generate_ecdsa,
    "rsa-pss": lambda: CryptoSigner.generate_rsa(scheme="rsassa-pss-sha256"),
    "rsa-pkcs1v15": lambda: CryptoSigner.generate_rsa(scheme="rsa-pkcs1v15-sha256"),
}


class TheirRepositoryTest(Lab):
    def root(self, version=1):
        return os.path.join(self.repo, "metadata", f"{version}.root.json")

    def test_keys_of_every_kind_and_both_layouts(self):
        for kind, make in KINDS.items():
            for consistent in (True, False):
                with self.subTest(kind=kind, consistent=consistent):
                    self.repo = self.path(f"{kind}-{consistent}")
                    repository = TheirRepository(self.repo, consistent, make)
                    repository.add_target("targets", "folder/hello", b"hello")
                    repository.publish()
                    state = f"state-{kind}-{consistent}"
                    self.our_client(state, self.root(), "folder/hello")
                    with open(self.path(state + "-targets", "folder%2Fhello"), "rb") as file:
                        self.assertEqual(file.read(), b"hello")

    def test_odd_target_paths_and_hashes(self):
        repository = TheirRepository(self.repo)
        names = ["with space", "100%", "ünïcode/ключ", "a+b=c&d", "#hash?query", "[x]*", "q'\"uote"]
        for number, name in enumerate(names):
            repository.add_target("targets", name, name.encode(), (("sha256",), ("sha512",), ("sha256", "sha512"))[number % 3])
        repository.publish()
        self.our_client("state", self.root(), *names)
        self.our_client("state", self.root(), "not there", code=1)

    def test_odd_characters_in_metadata_keep_their_signature(self):
        repository = TheirRepository(self.repo)
        repository.mds["targets"].signed.unrecognized_fields["x-odd"] = {"ключ \" \\ \n \t \x01 \x7f": ["é", "😀", -1, True, None, {}, []]}
        repository.publish()
        self.our_client("state", self.root())

    def test_delegations(self):
        repository = TheirRepository(self.repo)
        make = CryptoSigner.generate_ed25519
        repository.delegate("targets", "docs", make(), ["docs/*", "*.md"])
        repository.delegate("targets", "bins", make(), prefixes=["0", "1", "2", "3", "4", "5", "6", "7"])
        repository.delegate("targets", "last", make(), ["docs/*", "bin/*"], terminating=True)
        repository.delegate("docs", "docs/deep", make(), ["docs/deep-?"])
        repository.add_target("docs", "README.md", b"readme")
        repository.add_target("docs/deep", "docs/deep-1", b"deep")
        repository.add_target("last", "docs/other", b"other")
        repository.add_target("docs", "elsewhere/x", b"not theirs")
        repository.publish()
        # As a web server has it: a slash in a role's name is part of a path there.
        self.our_client("state", self.root(), "README.md", "docs/other")
        self.our_client("state", self.root(), "elsewhere/x", code=1)

    def test_thresholds_are_held(self):
        repository = TheirRepository(self.repo)
        three = [CryptoSigner.generate_ed25519() for _ in range(3)]
        repository.replace_keys("timestamp", three, 2)
        repository.next_root()
        repository.publish()
        self.our_client("state", self.root(1))
        repository.signers["timestamp"] = three[:1]
        repository.publish()
        self.assertIn("1 valid signature(s) of the 2", self.our_client("state", self.root(1), code=1))

    def test_forty_roots_in_ten_years(self):
        """Keys, thresholds and algorithms change at every one; a device of any year reaches the newest, also with its clock at 1970."""
        repository = TheirRepository(self.repo)
        pool = {kind: [make() for _ in range(3)] for kind, make in KINDS.items()}
        kinds = ["rsa-pkcs1v15", "rsa-pss", "ecdsa", "ed25519"]
        for version in range(2, 41):
            kind = kinds[(version - 1) * len(kinds) // 40]
            own = pool[kind][: 1 + version % 3]
            mixed = own + ([pool["ed25519"][0]] if kind == "ecdsa" else [])
            repository.replace_keys("root", mixed, len(mixed) if version % 2 else 1)
            repository.replace_keys(("targets", "snapshot", "timestamp")[version % 3], own, 1 + version % len(own))
            repository.next_root()
        repository.add_target("targets", "hello", b"hello")
        repository.publish()
        self.assertEqual(repository.root.version, 40)
        for version in range(1, 41):
            self.our_client(f"device-{version}", self.root(version), "hello")
        for version in (1, 20, 40):
            state = f"old-{version}"
            self.our_client(state, self.root(version), more=("--expiry", "report"))


if __name__ == "__main__":
    unittest.main()
