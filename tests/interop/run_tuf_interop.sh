#!/bin/sh
# usage: run_tuf_interop.sh PROGRAM     PYTHON names an interpreter that has python-tuf; exit code 77 means skipped
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$(dirname "$0")/run_python_tuf.sh" "$(dirname "$0")/make_repository.py" "$folder/repository" || exit $?
"$1" "$folder/repository"
# The same repository with one byte of the last link changed must not verify.
sed -i 's/"version": 4/"version": 5/' "$folder/repository/metadata/timestamp.json"
if "$1" "$folder/repository" 2>"$folder/why"; then
	echo "a changed timestamp.json was accepted"
	exit 1
fi
grep -q "metadata/timestamp.json" "$folder/why"
