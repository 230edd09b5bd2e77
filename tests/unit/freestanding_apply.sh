#!/bin/sh
# bsdiff/apply must run where there is no operating system: compiled freestanding, it may import nothing but four functions.
# usage: freestanding_apply.sh CC SOURCE-ROOT
set -eu
cc=$1
root=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for source in "$root"/bsdiff/apply/*.c; do
	"$cc" -std=c11 -O2 -ffreestanding -fno-stack-protector -Wall -Wextra -Werror -I "$root" -c "$source" \
		-o "$work/$(basename "$source" .c).o"
done
ld -r -o "$work/all.o" "$work"/*.o
imports=$(nm -u "$work/all.o" | awk '{ print $2 }' | grep -vxE 'memcpy|memset|memcmp|memmove' || true)
if [ -n "$imports" ]; then
	echo "bsdiff/apply imports: $imports" >&2
	exit 1
fi
if nm "$work/all.o" | grep -E ' [bBdDC] '; then
	echo "bsdiff/apply has mutable globals" >&2
	exit 1
fi
