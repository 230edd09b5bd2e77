#!/bin/sh
# Runs delta_properties with small squashfs images of two releases among its pairs.
# usage: run_delta_properties.sh DELTA_PROPERTIES OPTION...
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
program=$1
shift

# The same 40 files in each release, but for a line here and there.
files() { # FOLDER RELEASE
	mkdir -p "$1"
	for i in $(seq 40); do
		awk -v file="$i" -v release="$2" 'BEGIN {
			for (line = 0; line < 40 + file * 5; line++)
				print "line", line, "of file", file, (line % 97 == file ? release : "as ever"), (line * line * file) % 9973
		}' >"$1/file-$i"
	done
}

if command -v mksquashfs >/dev/null; then
	files "$work/old" one
	files "$work/new" two
	for compressor in gzip zstd xz lz4; do
		for release in old new; do
			mksquashfs "$work/$release" "$work/$release.$compressor" -comp "$compressor" -b 16384 -all-root -mkfs-time 0 -all-time 0 \
				-noappend -quiet -no-progress >/dev/null
		done
		set -- "$@" "$work/old.$compressor" "$work/new.$compressor"
	done
fi
"$program" "$@"
