"""Ten years of releases of one device, as root file system images.

Every release is made of the same Debian packages, each in one of the two versions that apt offers, and of files of the device's own. A device that is
some years behind has nearly every package in another version than the newest release; one that is a month behind, few. So the last update of each
package is drawn from an exponential distribution (packages of one source move together), and all before it have the older version. The application of
the device changes every month: some lines in some of its modules, a compressed bundle, now and then a block of data that looks like noise. The same
seed and packages give the same images.
"""
import gzip
import math
import os
import random
import shutil
import subprocess

MONTHS = 120
LAST_UPDATE_MONTHS = 24  # the mean age of a package's last update

# What a gateway could carry, beside what make_release_images.sh takes anyway: fills 256 MiB. Alternatives as there.
PACKAGES = ["libnode108/libnode115", "libglib2.0-0t64/libglib2.0-0", "bluez", "wpasupplicant", "mosquitto", "nginx", "bind9-libs", "rsync",
            "libstrongswan", "libnss3", "libxml2", "unbound", "openvpn", "gdb"]
PACKAGES_FROM_MIB = 256  # smaller images go without them


class Application:
    """The device's own files, month by month."""

    MODULES, LINES, WORDS = 160, 400, 3000
    WEB_LINES, DATA_BYTES = 24000, 768 << 10

    def __init__(self, seed):
        self.random = random.Random(f"application {seed}")
        self.month = 0
        self.words = ["".join(self.random.choices("abcdefghijklmnopqrstuvwxyz", k=self.random.randint(3, 11))) for _ in range(self.WORDS)]
        self.modules = {self.words[i]: self.text(self.LINES) for i in range(self.MODULES)}
        self.web = self.text(self.WEB_LINES)
        self.data = self.random.randbytes(self.DATA_BYTES)

    def line(self):
        words = self.random.choices(self.words, k=5)
        return f"\tself.{words[0]} = {words[1]}({words[2]}, {words[3]}[{self.random.randrange(1000)}])  # {words[4]}\n"

    def text(self, lines):
        return [self.line() for _ in range(lines)]

    def edit(self, lines, count):
        for _ in range(count):
            at = self.random.randrange(len(lines))
            lines[at:at + self.random.randrange(3)] = self.text(self.random.randrange(4))

    def advance(self, month):
        while self.month < month:
            self.month += 1
            for name in self.random.sample(sorted(self.modules), 8):
                self.edit(self.modules[name], 6)
            self.edit(self.web, 20)
            if self.month % 3 == 0:
                self.modules[f"{self.random.choice(self.words)}_{self.month}"] = self.text(self.LINES)
            if self.month % 6 == 0:
                self.data = self.random.randbytes(self.DATA_BYTES)

    def write(self, folder, version):
        files = {f"opt/gateway/lib/{name}.py": "".join(lines).encode() for name, lines in self.modules.items()}
        files["opt/gateway/www/app.js.gz"] = gzip.compress("".join(self.web).encode(), 9, mtime=0)
        files["opt/gateway/model.bin"] = self.data
        files["etc/gateway.conf"] = f"[gateway]\nversion = {version}\nmonth = {self.month}\n".encode()
        files["usr/lib/os-release"] = f'NAME="Gateway"\nID=gateway\nVERSION_ID="{version}"\nPRETTY_NAME="Gateway {version}"\n'.encode()
        for name, data in files.items():
            path = os.path.join(folder, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(data)


def read_list(path):
    with open(path, encoding="utf-8") as file:
        return [tuple(line.split()) for line in file]


class History:
    """Releases 0 to `count` - 1, the bases, and `count`, the newest."""

    def __init__(self, script, downloads, folder, count, size, seed):
        self.script, self.folder, self.count, self.size = script, folder, count, size
        wanted = [word for name in PACKAGES for word in ("--add", name)] if size >= PACKAGES_FROM_MIB else []
        subprocess.run([script, "--lists", *wanted, downloads], check=True)
        self.old, self.new = (read_list(os.path.join(downloads, f"list-{which}.txt")) for which in (1, 2))
        self.first_new = self.draw_updates(random.Random(f"updates {seed}"))
        self.application = Application(seed)

    def draw_updates(self, source):
        """For each package the first release that has its newer version. One source package's are known by their versions."""
        first, drawn = [], {}
        for (_, old, _), (_, new, _) in zip(self.old, self.new):
            if (old, new) not in drawn:
                age = source.expovariate(1 / LAST_UPDATE_MONTHS) * self.count / MONTHS
                drawn[old, new] = max(1, math.ceil(self.count - age))
            first.append(drawn[old, new])
        return first

    def version(self, release):
        return "2.0" if release == self.count else f"1.{release}"

    def make(self, release):
        """The image of a release; releases must come in order. Its path."""
        self.application.advance(release * MONTHS // self.count)
        own, rows = os.path.join(self.folder, "own"), os.path.join(self.folder, f"release-{release}.txt")
        shutil.rmtree(own, ignore_errors=True)
        self.application.write(own, self.version(release))
        with open(rows, "w", encoding="utf-8") as file:
            for old, new, first in zip(self.old, self.new, self.first_new):
                file.write(" ".join(new if release >= first else old) + "\n")
        subprocess.run([self.script, "--image", rows, "--size", str(self.size), "--over", own, self.folder], check=True, stderr=subprocess.PIPE)
        shutil.rmtree(own)
        os.remove(rows)
        return os.path.join(self.folder, f"release-{release}.img")

    def differing(self):
        """The mean share of the packages with two versions that a base has in another one than the newest release."""
        ages = [first / self.count for old, new, first in zip(self.old, self.new, self.first_new) if old[1] != new[1]]
        return sum(ages) / len(ages) if ages else 0
