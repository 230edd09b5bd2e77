"""Debian packages of any architecture, by name, in every version that this machine's apt sources offer. Nothing is installed."""
import functools
import glob
import os
import shutil
import subprocess

from measuring import run


def sort_versions(versions, key=lambda item: item):
    """Oldest first, by Debian's order."""
    def compare(one, other):
        if key(one) == key(other):
            return 0
        return -1 if subprocess.run(["dpkg", "--compare-versions", key(one), "lt", key(other)]).returncode == 0 else 1
    return sorted(versions, key=functools.cmp_to_key(compare))


class Packages:
    """Downloads packages of one architecture into a folder, through apt, with apt's state for foreign ones kept there as well."""

    def __init__(self, work, arch):
        native = run(["dpkg", "--print-architecture"]).strip()
        self.arch = arch or native
        self.folder = os.path.join(work, "packages", self.arch)
        os.makedirs(self.folder, exist_ok=True)
        self.options = [] if self.arch == native else self.foreign_options()

    def foreign_options(self):
        state = os.path.join(self.folder, "apt")
        for name in ("lists/partial", "cache/archives/partial"):
            os.makedirs(os.path.join(state, name), exist_ok=True)
        open(os.path.join(state, "status"), "a").close()
        options = ["-o", f"APT::Architecture={self.arch}", "-o", f"APT::Architectures={self.arch}", "-o", f"Dir::State={state}",
                   "-o", f"Dir::State::status={state}/status", "-o", f"Dir::State::lists={state}/lists", "-o", f"Dir::Cache={state}/cache"]
        if not glob.glob(os.path.join(state, "lists", "*_Packages*")):
            # It also complains of sources that don't have the architecture; what is missing is told where it is wanted.
            subprocess.run(["apt-get", *options, "update"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return options

    def names(self, prefix):
        """Every package whose name begins so, also such as others only mention."""
        return run(["apt-cache", *self.options, "pkgnames", prefix]).split()

    def versions(self, package):
        """Those that can be downloaded, oldest first."""
        lines = run(["apt-cache", *self.options, "madison", package]).splitlines()
        return sort_versions(dict.fromkeys(line.split("|")[1].strip() for line in lines if "|" in line and "Packages" in line))

    def offered(self, alternatives):
        """The first of these names, separated by '/', of which there are versions; and the versions."""
        for package in alternatives.split("/"):
            versions = self.versions(package)
            if versions:
                break
        return package, versions

    def depends(self, package, version):
        """What this version says that it depends on, as it says it."""
        for line in run(["apt-cache", *self.options, "show", f"{package}={version}"]).splitlines():
            if line.startswith("Depends: "):
                return line.removeprefix("Depends: ")
        return ""

    def unpack(self, package, version, only=None):
        """The folder in which it is unpacked. only: of large packages one folder of it; their archive isn't kept."""
        folder = os.path.join(self.folder, f"{package}_{version}")
        if os.path.isdir(folder):
            return folder
        run(["apt-get", *self.options, "download", f"{package}={version}"], cwd=self.folder)
        deb = glob.glob(os.path.join(self.folder, f"{package}_{version.replace(':', '%3a')}_*.deb"))[0]
        shutil.rmtree(folder + ".part", ignore_errors=True)
        os.mkdir(folder + ".part")
        if only:
            run(["sh", "-ec", 'dpkg-deb --fsys-tarfile "$0" | tar -x -C "$1" --wildcards "./$2/*"', deb, folder + ".part", only])
            os.remove(deb)
        else:
            run(["dpkg-deb", "-x", deb, folder + ".part"])
        os.rename(folder + ".part", folder)
        return folder
