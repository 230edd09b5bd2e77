"""What the interoperability tests share: our programs, a file fetcher for python-tuf's client, and repositories made by python-tuf."""
import os
import subprocess
import tempfile
import unittest
from datetime import datetime, timedelta, timezone
from urllib import parse

from securesystemslib.signer import CryptoSigner
from tuf.api.exceptions import DownloadHTTPError
from tuf.api.metadata import DelegatedRole, Delegations, Key, Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp
from tuf.api.serialization.json import JSONSerializer
from tuf.ngclient import Updater
from tuf.ngclient.fetcher import FetcherInterface

BIN = os.environ["DECADE_BIN"]
LATER = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(days=3650)
TOP = ("root", "targets", "snapshot", "timestamp")


class FolderFetcher(FetcherInterface):
    """Serves "file:" URLs, with names percent-decoded as a web server does; counts what is asked for."""

    def __init__(self):
        self.asked = []

    def _fetch(self, url):
        path = parse.unquote(parse.urlparse(url).path)
        self.asked.append(path)
        if not os.path.isfile(path):
            raise DownloadHTTPError(f"{path} is not there", 404)
        with open(path, "rb") as file:
            return iter([file.read()])


class Lab(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory(prefix="decade interop ")
        self.folder = self.temporary.name
        self.repo = os.path.join(self.folder, "repo")
        self.keys = os.path.join(self.folder, "keys")

    def tearDown(self):
        self.temporary.cleanup()

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def run_program(self, name, *arguments, code=0, env=None):
        done = subprocess.run([os.path.join(BIN, name), *arguments], capture_output=True, text=True, env={**os.environ, **(env or {})})
        self.assertEqual(done.returncode, code, f"{name} {arguments}: {done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def repo_tool(self, command, *arguments, code=0, env=None):
        keys = [] if command in ("check", "list") else ["--keys", self.keys]
        return self.run_program("decade-repo", command, self.repo, *keys, *arguments, code=code, env=env)

    def our_client(self, state, root, *targets, code=0, repo=None, more=()):
        """A new or an old device of ours (by its state folder) refreshes, and downloads what is named."""
        repo = repo or self.repo
        if not os.path.exists(self.path(state, "root.json")):
            self.run_program("decade-tuf", "--metadata-dir", self.path(state), "init", root)
        common = ["--metadata-dir", self.path(state), "--metadata-url", os.path.join(repo, "metadata"), *more]
        if not targets:
            return self.run_program("decade-tuf", *common, "refresh", code=code)
        names = [word for target in targets for word in ("--target-name", target)]
        return self.run_program("decade-tuf", *common, *names, "--target-base-url", os.path.join(repo, "targets"), "--target-dir",
                                self.path(state + "-targets"), "download", code=code)

    def their_client(self, state, root):
        """python-tuf's client, refreshed, from a trusted root."""
        metadata, targets = self.path(state), self.path(state + "-targets")
        os.makedirs(metadata, exist_ok=True)
        os.makedirs(targets, exist_ok=True)
        with open(root, "rb") as file:
            bootstrap = file.read()
        url = "file://" + parse.quote(self.repo)
        updater = Updater(metadata, url + "/metadata/", targets, url + "/targets/", fetcher=FolderFetcher(), bootstrap=bootstrap)
        updater.refresh()
        return updater


class TheirRepository:
    """A repository in memory and on disk, signed by python-tuf with whatever signers it is given."""

    def __init__(self, folder, consistent=True, make_signer=CryptoSigner.generate_ed25519):
        self.folder = folder
        self.signers = {role: [make_signer()] for role in TOP}
        self.mds = {"root": Metadata(Root(expires=LATER, consistent_snapshot=consistent)), "targets": Metadata(Targets(expires=LATER)),
                    "snapshot": Metadata(Snapshot(expires=LATER)), "timestamp": Metadata(Timestamp(expires=LATER))}
        for role in TOP:
            self.mds["root"].signed.add_key(self.signers[role][0].public_key, role)
        self.also = []  # who signs the next root besides its own signers
        self.write_root()
        self.publish()

    @property
    def root(self):
        return self.mds["root"].signed

    def write(self, name, data):
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data)

    def sign(self, role, also=()):
        metadata = self.mds[role]
        metadata.signatures.clear()
        for signer in [*self.signers[role], *also]:
            metadata.sign(signer, append=True)
        data = metadata.to_bytes(JSONSerializer())
        version = f"{metadata.signed.version}." if role == "root" or (self.root.consistent_snapshot and role != "timestamp") else ""
        self.write(f"metadata/{version}{role}.json", data)

    def write_root(self):
        self.sign("root", self.also)
        self.also = []

    def next_root(self):
        self.root.version += 1
        self.write_root()

    def replace_keys(self, role, signers, threshold):
        if role == "root":
            self.also = self.signers["root"]
        for keyid in list(self.root.roles[role].keyids):
            self.root.revoke_key(keyid, role)
        for signer in signers:
            self.root.add_key(signer.public_key, role)
        self.root.roles[role].threshold = threshold
        self.signers[role] = list(signers)

    def add_target(self, role, path, data, algorithms=("sha256",)):
        target = TargetFile.from_data(path, data, list(algorithms))
        self.mds[role].signed.targets[path] = target
        folder, name = os.path.split(path)
        for digest in target.hashes.values() if self.root.consistent_snapshot else [None]:
            self.write(os.path.join("targets", folder, f"{digest}.{name}" if digest else name), data)

    def delegate(self, parent, name, signer, paths=None, terminating=False, prefixes=None):
        delegations = self.mds[parent].signed.delegations
        if delegations is None:
            delegations = self.mds[parent].signed.delegations = Delegations({}, roles={})
        delegations.roles[name] = DelegatedRole(name, [], 1, terminating, paths, prefixes)
        self.mds[parent].signed.add_key(signer.public_key, name)
        self.signers.setdefault(name, []).append(signer)
        self.mds.setdefault(name, Metadata(Targets(expires=LATER)))

    def publish(self, hashes=False):
        snapshot, timestamp = self.mds["snapshot"].signed, self.mds["timestamp"].signed
        for role in self.mds:
            if role not in ("root", "snapshot", "timestamp"):
                self.sign(role)
                snapshot.meta[f"{role}.json"] = MetaFile(self.mds[role].signed.version)
        self.sign("snapshot")
        timestamp.snapshot_meta = MetaFile(snapshot.version)
        self.sign("timestamp")
        for role in self.mds:
            if role != "root":
                self.mds[role].signed.version += 1
