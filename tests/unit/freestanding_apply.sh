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

# And on micro-controllers, where even a 64-bit division is an import. clang needs no tool chain for that, only declarations.
command -v clang >/dev/null && command -v llvm-nm >/dev/null || exit 0
mkdir "$work/include"
cat >"$work/include/string.h" <<'END'
#include <stddef.h>
void *memcpy(void *restrict, const void *restrict, size_t);
void *memmove(void *, const void *, size_t);
void *memset(void *, int, size_t);
int memcmp(const void *, const void *, size_t);
END
for target in thumbv7m-none-eabi armv7a-none-eabi; do
	for source in "$root"/bsdiff/apply/*.c; do
		clang --target="$target" -std=c11 -Os -ffreestanding -Wall -Wextra -Werror -I "$root" -isystem "$work/include" -c "$source" \
			-o "$work/$(basename "$source" .c).o"
	done
	imports=$(llvm-nm -u "$work"/[!a]*.o | awk '$1 == "U" { print $2 }' |
		grep -vE '^dcd_|^(memcpy|memset|memcmp|memmove)$|^__aeabi_mem(cpy|set|clr|move)[48]?$' || true)
	if [ -n "$imports" ]; then
		echo "bsdiff/apply imports on $target:" $imports >&2
		exit 1
	fi
done
