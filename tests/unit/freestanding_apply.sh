#!/bin/sh
# bsdiff/apply must run where there is no operating system: compiled freestanding, it may import nothing but four functions.
# usage: freestanding_apply.sh SOURCE-ROOT CC      on this machine
#        freestanding_apply.sh SOURCE-ROOT         on micro-controllers, where even a 64-bit division is an import; 77: skipped, no clang
set -eu
root=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

compile() { # COMPILER...
	for source in "$root"/bsdiff/apply/*.c; do
		"$@" -std=c11 -ffreestanding -Wall -Wextra -Werror -I "$root" -c "$source" -o "$work/$(basename "$source" .c).o"
	done
}

# What is imported, but for what may be: refuse_imports WHERE ALLOWED OBJECT...
refuse_imports() {
	where=$1
	allowed=$2
	shift 2
	imports=$(nm -u "$@" | awk '$1 == "U" { print $2 }' | grep -vE "$allowed" || true)
	if [ -n "$imports" ]; then
		echo "bsdiff/apply imports on $where:" $imports >&2
		exit 1
	fi
}

if [ $# -eq 2 ]; then
	compile "$2" -O2 -fno-stack-protector
	ld -r -o "$work/all.o" "$work"/*.o
	refuse_imports "this machine" '^(memcpy|memset|memcmp|memmove)$' "$work/all.o"
	if nm "$work/all.o" | grep -E ' [bBdDC] '; then
		echo "bsdiff/apply has mutable globals" >&2
		exit 1
	fi
	exit 0
fi

# clang needs no tool chain for another processor, only declarations.
if ! command -v clang >/dev/null; then
	echo "skipped: clang is not installed"
	exit 77
fi
mkdir "$work/include"
cat >"$work/include/string.h" <<'END'
#include <stddef.h>
void *memcpy(void *restrict, const void *restrict, size_t);
void *memmove(void *, const void *, size_t);
void *memset(void *, int, size_t);
int memcmp(const void *, const void *, size_t);
END
for target in thumbv7m-none-eabi armv7a-none-eabi; do
	compile clang --target="$target" -Os -isystem "$work/include"
	refuse_imports "$target" '^dcd_|^(memcpy|memset|memcmp|memmove)$|^__aeabi_mem(cpy|set|clr|move)[48]?$' "$work"/*.o
done
