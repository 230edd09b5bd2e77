"""A signed repository that grows release by release, and what it looked like after each: the vendor's side of a scenario."""
import json
import pathlib
import shutil

from . import host_command
from .disk_image import copy_tree

PRODUCT = "decade-reference"
PAYLOAD_CACHE = 2 << 30  # bytes


def make_keys(folder, decade_repo):
    """Keys and a repository without releases, made once a cache: guests carry its root.json. Returns the folder with `repo` and `keys`."""
    folder = pathlib.Path(folder)
    with host_command.locked(folder.with_name("keys.lock")):
        if (folder / "repo" / "metadata" / "1.root.json").exists():
            return folder
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        host_command.run([decade_repo, "init", folder / "repo", "--keys", folder / "keys", "--product", PRODUCT])
    return folder


class ReleaseLine:
    """One scenario's repository. base: the folder of make_keys(). images: ReleaseImages. Stages count from 0, the empty repository."""

    def __init__(self, folder, base, images, decade_repo, board):
        self.folder, self.base, self.images, self.decade_repo, self.board = pathlib.Path(folder), pathlib.Path(base), images, decade_repo, board
        self.stage, self.releases = 0, []
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        copy_tree(self.base / "repo", self.repo)

    @property
    def repo(self):
        """The folder that a web server serves."""
        return self.folder / "repo"

    @property
    def root(self):
        """The root metadata that devices trust from the factory."""
        return self.repo / "metadata" / "1.root.json"

    def release(self, version, kind="good", compatible=None, bases="1", effort=1, content=None, **options):
        """Publishes a release of the guest. compatible: another board's name. content: the release whose images it has, its own unless given.
        options: further options of `decade-repo release`."""
        words = ["--version", version, "--compatible", compatible or self.board, "--bases", bases, "--effort", effort]
        for name, path in self.images.images(content or version, kind).items():
            words += ["--image", "%s=%s" % (name, path)]
        for name, value in options.items():
            words += ["--" + name.replace("_", "-"), value]
        # What was made for one scenario serves the next one: the same few images take turns in all of them.
        words += ["--cache", self.base.with_name("payloads"), "--cache-size", PAYLOAD_CACHE]
        host_command.run([self.decade_repo, "release", self.repo, "--keys", self.base / "keys", *words])
        self.releases.append((version, kind))
        self.stage += 1

    def copy(self, name):
        """The repository as it is now, as another folder beside it."""
        copy_tree(self.repo, self.folder / name)
        return self.folder / name

    def payloads(self, version):
        """The full payloads' paths of a release, one a class."""
        release = json.loads(next((self.repo / "targets" / "releases").glob("*.%s.json" % version)).read_text())
        names = (payload["table_sha256"] for image in release["images"] for payload in image["payloads"] if "base" not in payload)
        return [self.repo / "targets" / "payloads" / (name + ".dcp") for name in names]

    def bundle(self, version, base, out):
        """Writes a bundle that updates `base` to `version`."""
        host_command.run([self.decade_repo, "bundle", self.repo, "--version", version, "--base", base, "-o", out])
