"""Debian packages of any architecture, without root and without touching this machine's package database.

A private apt root per architecture: its own state, lists, cache and (empty) status file, this machine's sources and keys.
"""
import os
import pathlib
import re
import time

from . import host_command
from .errors import DownloadError, HarnessError

LISTS_GOOD_FOR = 7 * 24 * 3600  # seconds; an older list names files that the archive may have dropped


class AptRoot:
    """folder: kept between runs. debian: "amd64", "arm64", "armhf"."""

    def __init__(self, folder, debian):
        self.folder, self.debian = pathlib.Path(folder), debian
        self.debs = self.folder / "cache" / "archives"
        self._fresh = False

    def _apt(self, *words, cwd=None):
        for path in (self.folder / "state" / "lists" / "partial", self.debs / "partial"):
            path.mkdir(parents=True, exist_ok=True)
        (self.folder / "status").touch()
        config = self.folder / "apt.conf"
        config.write_text("".join('%s "%s";\n' % pair for pair in (
            ("Dir::State", self.folder / "state"), ("Dir::State::status", self.folder / "status"),
            ("Dir::Cache", self.folder / "cache"), ("Dir::Log", self.folder), ("APT::Architecture", self.debian),
            ("APT::Install-Recommends", "0"), ("APT::Sandbox::User", ""), ("Debug::NoLocking", "1"), ("Acquire::Languages", "none"),
            ("Acquire::Retries", "3"))) + 'APT::Architectures { "%s"; };\n#clear DPkg::Post-Invoke;\n' % self.debian)
        try:
            return host_command.run(["apt-get", "-qq", "-y", *words], cwd=cwd, env={"APT_CONFIG": str(config)})
        except HarnessError as error:
            raise DownloadError("packages of %s could not be had: %s" % (self.debian, error)) from error

    def refresh(self, force=False):
        """Fetches the package lists when there are none, or when they are old."""
        stamp = self.folder / "lists-fetched"
        if not self._fresh and (force or not stamp.exists() or os.stat(stamp).st_mtime + LISTS_GOOD_FOR < time.time()):
            for attempt in range(3):
                try:
                    self._apt("update")
                    stamp.touch()
                    break
                except DownloadError:
                    # A mirror in the middle of its sync has lists that don't fit together for minutes; what fits is enough to begin with.
                    if attempt == 2 and not list((self.folder / "state" / "lists").glob("*_Packages*")):
                        raise
                    time.sleep(5 * (attempt + 1))
        self._fresh = True

    def _closure(self, packages):
        """[(file name, size)] of the packages and all that they depend on."""
        text = self._apt(*self._uris(), "install", *packages)
        return [(match[1], int(match[2])) for match in re.finditer(r"^'[^']+' (\S+\.deb) (\d+)", text, re.M)]

    def _uris(self):
        """Options that print names and sizes: of all packages, because the cache that they look into is an empty one."""
        (self.folder / "none" / "partial").mkdir(parents=True, exist_ok=True)
        return ["--print-uris", "-o", "Dir::Cache::archives=%s" % (self.folder / "none")]

    def fetch_closure(self, packages):
        """Paths of the .deb files of the packages and of all that they depend on; downloads what isn't there."""
        self.refresh()
        wanted = self._closure(packages)
        if any(not _whole(self.debs / name, size) for name, size in wanted):
            self._apt("--download-only", "install", *packages)
        absent = [name for name, size in wanted if not _whole(self.debs / name, size)]
        if absent:
            raise DownloadError("these packages were not downloaded: %s" % " ".join(absent))
        return [self.debs / name for name, _ in wanted]

    def fetch_alone(self, package):
        """The path of one package's .deb, without what it depends on."""
        self.refresh()
        name, size = re.search(r"^'[^']+' (\S+\.deb) (\d+)", self._apt(*self._uris(), "download", package), re.M).groups()
        if not _whole(self.debs / name, int(size)):
            self._apt("download", package, cwd=self.debs)
        return self.debs / name

    def kernel_package(self, metapackage):
        """The versioned package behind linux-image-FLAVOUR."""
        self.refresh()
        for path, _ in self._closure([metapackage]):
            match = re.match(r"(linux-image-\d[^_]*)_", path)
            if match:
                return match[1]
        raise HarnessError("%s leads to no kernel" % metapackage)

    @staticmethod
    def unpack(debs, folder):
        """Unpacks .deb files; files that exist are replaced."""
        pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
        for deb in debs:
            host_command.run(["dpkg", "-x", deb, folder])


def _whole(path, size):
    return path.exists() and path.stat().st_size == size
