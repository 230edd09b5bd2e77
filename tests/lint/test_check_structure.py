#!/usr/bin/env python3
"""Breaks each rule of check_structure.py in a small tree and sees it refused, for the reason meant; and sees lawful code pass."""
import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
from check_structure import check  # noqa: E402

# The headers that the cases include; lawful by themselves.
HEADERS = [
    "base/err.h", "bsdiff/format.h", "bsdiff/apply/payload.h", "bsdiff/codec/frame_codec.h", "bsdiff/diff/encode.h",
    "manifest/crypto/public_key.h", "manifest/crypto/private_key.h", "manifest/json/json.h", "manifest/tuf/tuf.h",
    "manifest/release/release.h", "manifest/sign/signer.h", "updater/engine/plan.h", "updater/slot/slot.h", "updater/boot/boot_file.h",
    "updater/journal/journal.h", "updater/source/source_http.h", "tools/repo/repo.h", "tools/delta/delta.h",
]


class Structure(unittest.TestCase):
    def breaches(self, files):
        with tempfile.TemporaryDirectory() as root:
            for path, text in {**{header: "" for header in HEADERS}, **files}.items():
                os.makedirs(os.path.dirname(os.path.join(root, path)) or root, exist_ok=True)
                with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                    file.write(text)
            return check(root)

    def assert_lawful(self, files):
        self.assertEqual(self.breaches(files), [])

    def assert_refused(self, files, path, line, words):
        found = self.breaches(files)
        self.assertEqual([b[:2] for b in found], [(path, line)], found)
        self.assertIn(words, found[0][2])

    def include(self, path, header):
        return {path: f'/* why */\n#include "{header}"\n'}

    def test_a_lawful_tree_passes(self):
        self.assert_lawful({})

    def test_arrows_that_point_down_pass(self):
        for path, header in [
            ("bsdiff/apply/a.c", "base/err.h"), ("bsdiff/codec/a.c", "bsdiff/apply/payload.h"), ("bsdiff/diff/a.c", "bsdiff/codec/frame_codec.h"),
            ("manifest/release/a.c", "bsdiff/format.h"), ("manifest/sign/a.c", "manifest/crypto/private_key.h"),
            ("updater/engine/a.c", "manifest/tuf/tuf.h"), ("updater/engine/a.c", "updater/engine/plan.h"),
            ("updater/slot/a.c", "updater/engine/plan.h"), ("updater/cli/a.c", "updater/slot/slot.h"),
            ("tools/repo/a.c", "manifest/sign/signer.h"), ("tools/repo/a.c", "tools/repo/repo.h"), ("tests/unit/a.c", "updater/slot/slot.h"),
        ]:
            with self.subTest(path=path, header=header):
                self.assert_lawful(self.include(path, header))

    def test_arrows_that_point_up_or_across_are_refused(self):
        for path, header in [
            ("base/a.c", "bsdiff/format.h"), ("base/a.c", "updater/engine/plan.h"), ("bsdiff/format.h", "base/err.h"),
            ("bsdiff/apply/a.c", "bsdiff/codec/frame_codec.h"), ("bsdiff/apply/a.c", "manifest/json/json.h"),
            ("bsdiff/codec/a.c", "bsdiff/diff/encode.h"), ("bsdiff/diff/a.c", "manifest/crypto/public_key.h"),
            ("manifest/crypto/a.c", "manifest/json/json.h"), ("manifest/json/a.c", "manifest/crypto/public_key.h"),
            ("manifest/tuf/a.c", "manifest/release/release.h"), ("manifest/tuf/a.c", "bsdiff/format.h"),
            ("manifest/release/a.c", "bsdiff/apply/payload.h"), ("manifest/release/a.c", "manifest/sign/signer.h"),
            ("manifest/sign/a.c", "manifest/release/release.h"), ("updater/engine/a.c", "updater/slot/slot.h"),
            ("updater/engine/a.c", "bsdiff/diff/encode.h"), ("updater/slot/a.c", "updater/boot/boot_file.h"),
            ("updater/boot/a.c", "updater/journal/journal.h"), ("updater/source/a.c", "updater/slot/slot.h"),
            ("updater/cli/a.c", "bsdiff/diff/encode.h"), ("updater/cli/a.c", "tools/repo/repo.h"),
            ("tools/repo/a.c", "updater/engine/plan.h"), ("tools/repo/a.c", "tools/delta/delta.h"),
        ]:
            with self.subTest(path=path, header=header):
                self.assert_refused(self.include(path, header), path, 2, f"may not see {header}")

    def test_private_keys_on_the_device_are_refused(self):
        for path in ["updater/engine/a.c", "updater/cli/a.c", "manifest/tuf/a.c", "manifest/release/a.c"]:
            with self.subTest(path=path):
                self.assert_refused(self.include(path, "manifest/crypto/private_key.h"), path, 2, "never holds private keys")
        self.assert_refused(self.include("updater/cli/a.c", "manifest/sign/signer.h"), "updater/cli/a.c", 2, "never holds private keys")

    def test_a_folder_without_a_row_is_refused(self):
        self.assert_refused(self.include("updater/attic/a.c", "base/err.h"), "updater/attic/a.c", 2, "no row")

    def test_includes_that_are_not_from_the_root_are_refused(self):
        for header in ["plan.h", "../engine/plan.h", "updater/engine/../engine/plan.h"]:
            with self.subTest(header=header):
                self.assert_refused(self.include("updater/engine/a.c", header), "updater/engine/a.c", 2, "from the tree's root")

    def test_third_party_headers_pass_in_their_place_only(self):
        for header, home in [
            ("zstd.h", "bsdiff/codec"), ("divsufsort.h", "bsdiff/diff"), ("mbedtls/pk.h", "manifest/crypto"), ("psa/crypto.h", "manifest/crypto"),
            ("nettle/sha2.h", "manifest/crypto"),
            ("jansson.h", "manifest/json"), ("curl/curl.h", "updater/source"), ("ini.h", "updater/config"),
        ]:
            with self.subTest(header=header):
                self.assert_lawful({f"{home}/a.c": f"#include <{header}>\n"})
                self.assert_lawful({"tests/unit/a.c": f"#include <{header}>\n"})
                self.assert_refused({"updater/cli/a.c": f"#include <{header}>\n"}, "updater/cli/a.c", 1, f"belongs to {home} alone")

    def test_the_archive_library_has_a_reader_and_a_writer(self):
        files = {home + "/%s.c" % home[0]: "#include <archive.h>\n" for home in ("updater/source", "tools/repo")}
        self.assert_lawful(files)
        self.assert_refused({"updater/cli/a.c": "#include <archive.h>\n"}, "updater/cli/a.c", 1, "updater/source and tools/repo alone")
        self.assert_refused(dict(files, **{"tools/repo/z.c": "#include <archive_entry.h>\n"}), "tools/repo/z.c", 1, "the second file")

    def test_a_second_file_around_a_one_file_library_is_refused(self):
        files = {"manifest/json/a.c": "#include <jansson.h>\n", "manifest/json/b.c": "#include <jansson.h>\n"}
        self.assert_refused(files, "manifest/json/b.c", 1, "one file wraps it")

    def test_a_third_party_header_that_nobody_listed_is_refused(self):
        self.assert_refused({"base/a.c": "#include <openssl/evp.h>\n"}, "base/a.c", 1, "neither a system header")
        self.assert_lawful({"base/a.c": "#include <sys/stat.h>\n#include <stdint.h>\n"})

    def test_writing_outside_the_seam_is_refused(self):
        for call in [
            "write(fd, b, n);", "pwrite(fd, b, n, 0);", "writev(fd, v, 1);", "fwrite(b, 1, n, file);", "fsync(fd);", "fdatasync(fd);",
            "rename(a, b);", "renameat(d, a, d, b);", "unlink(a);", "unlinkat(d, a, 0);", "remove(a);", "ftruncate(fd, 0);", "truncate(a, 0);",
            "open(a, O_WRONLY | O_CREAT, 0600);", "open(a, O_WRONLY | O_TRUNC);", 'fopen(a, "w");', 'fopen(a, "rb+");', 'fdopen(fd, "a");',
            "mkdir(a, 0700);", "mkstemp(a);", "fallocate(fd, 0, 0, n);", "ioctl(fd, BLKDISCARD, r);",
        ]:
            for path in ["updater/cli/a.c", "updater/engine/a.c", "manifest/tuf/a.c", "manifest/release/a.c", "manifest/crypto/public_a.c", "base/a.c"]:
                with self.subTest(call=call, path=path):
                    self.assert_refused({path: "int f(void)\n{\n\t" + call + "\n}\n"}, path, 3, "outside the persistence seam")
            for path in ["updater/slot/blockdev_posix.c", "updater/journal/dir_posix.c", "updater/journal/lock.c", "tools/repo/a.c", "tests/unit/a.c"]:
                with self.subTest(call=call, path=path):
                    self.assert_lawful({path: "int f(void)\n{\n\t" + call + "\n}\n"})

    def test_what_only_looks_like_writing_passes(self):
        for line in [
            "dev->ops->write(dev, 0, b, n);", "ops.rename(d, a, b);", "/* never write(2) here */", "// fsync(fd)", 'puts("rename(a, b)");',
            'fprintf(stderr, "no");', 'fputs("x", stdout);', "fwrite(b, 1, n, stdout);", 'fopen(a, "r");', "open(a, O_RDONLY);", "dcd_write(a);",
        ]:
            with self.subTest(line=line):
                self.assert_lawful({"updater/cli/a.c": line + "\n"})

    def test_the_unverified_parser_is_for_few(self):
        call = "x = dcd_release_parse_unverified(d, n, w, &r, g);\n"
        for path in ["updater/engine/a.c", "updater/cli/a.c", "manifest/tuf/a.c"]:
            with self.subTest(path=path):
                self.assert_refused({path: call}, path, 1, "dcd_release_parse_unverified is only for")
        for path in ["manifest/release/a.c", "manifest/sign/a.c", "tools/repo/a.c", "tests/fuzz/a.c"]:
            with self.subTest(path=path):
                self.assert_lawful({path: call})

    def test_a_file_name_taken_twice_is_refused(self):
        self.assert_refused({"base/plan.h": ""}, "updater/engine/plan.h", 1, "unique in the tree")

    def test_long_files_are_refused(self):
        self.assert_lawful({"base/a.c": "int x;\n" * 700})
        self.assert_refused({"base/a.c": "int x;\n" * 701}, "base/a.c", 701, "701 lines")
        self.assert_refused({"README.md": "x\n" * 201}, "README.md", 201, "more than 200")

    def test_white_space_at_the_end_of_a_line_is_refused(self):
        for path in ["base/a.c", "docs/a.md", "check", "tests/lint/a.py", "base/CMakeLists.txt"]:
            with self.subTest(path=path):
                self.assert_refused({path: "one\ntwo \nthree\n"}, path, 2, "white space")

    def test_build_folders_are_nobodys(self):
        self.assert_lawful({"build/dev/a.c": '#include "nowhere.h"  \n'})


if __name__ == "__main__":
    unittest.main()
