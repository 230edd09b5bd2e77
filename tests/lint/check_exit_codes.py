#!/usr/bin/env python3
"""docs/exit-codes.md says of every error what base/err.h and base/err.c say: exit code, name and number, no row more or less."""
import os
import re
import sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


numbers = dict(re.findall(r"^\s*(DCD_\w+) = (-?\d+),", read("base/err.h"), re.M))
rows = re.findall(r'\{ (DCD_\w+), (\d), "([\w-]+)" \}', read("base/err.c"))
code = {(exit_code, name, numbers[err]) for err, exit_code, name in rows if err != "DCD_OK"}
document = set(re.findall(r"^\| (\d) \| `([\w-]+)` \| (-\d+) \| \S", read("docs/exit-codes.md"), re.M))
unnamed = set(numbers) - {err for err, _, _ in rows}

for row in sorted(code - document):
    print("docs/exit-codes.md: no row for exit code %s, reason %s, number %s" % row)
for row in sorted(document - code):
    print("docs/exit-codes.md: the row of exit code %s, reason %s, number %s is not in base/err.c" % row)
for err in sorted(unnamed):
    print(f"base/err.c: {err} has no name")
sys.exit(1 if code != document or unnamed or not code else 0)
