#!/usr/bin/env bash
# Makes real root file system images of two releases, and of a broken third one, from Debian packages:
#
#	make_release_images.sh [--size MIB] [--add PACKAGE]... OUT
#
#	OUT/release-1.img   every package in the oldest version that this machine's apt sources offer (the point release)
#	OUT/release-2.img   the same packages, each in the newest version (security updates)
#	OUT/broken.img      release 2 with a /sbin/init that can't run
#	OUT/packages-1.txt, OUT/packages-2.txt   what went in, name and version
#
# Or one step at a time, for who wants other releases (tests/bench/bases/run.py makes ten years of them):
#
#	make_release_images.sh --lists [--add PACKAGE]... OUT    downloads; OUT/list-1.txt and list-2.txt: NAME VERSION FILE, a line each
#	make_release_images.sh --image LIST [--size MIB] [--over FOLDER] OUT
#	                    OUT/LIST'S NAME.img from the packages of such a list, the folder's files laid over them
#
# Nothing is installed and the system's state is not touched: packages are downloaded into OUT/debs and unpacked into folders; any user
# may run it. The same packages give the same bytes: fixed UUID, hash seed and times, everything owned by root.
set -euo pipefail

# Alternatives of a name are separated by '/': Debian 13 renamed some libraries for 64-bit time.
packages=(
	base-files libc6 libc-bin bash coreutils util-linux libblkid1 libmount1 perl-base busybox zlib1g
	systemd libsystemd0 libsystemd-shared udev libudev1 dbus-daemon
	libssl3t64/libssl3 openssl libcurl4t64/libcurl4 curl libgnutls30t64/libgnutls30 openssh-client
	python3.13-minimal/python3.11-minimal libpython3.13-minimal/libpython3.11-minimal
	libpython3.13-stdlib/libpython3.11-stdlib
	libkrb5-3 libexpat1 libsqlite3-0 tzdata
)
fs_uuid=5f2b1f9e-2d0c-4f0b-9b4e-1f6f0c7a9d11
hash_seed=0c1f3a52-7d0e-4b6d-8a68-3f2f5f6f7a21
epoch=1700000000 # the one time of everything that the image builder itself makes, as reproducible builds do

die() {
	echo "make_release_images: $*" >&2
	exit 1
}

size=192
what=releases
list=''
over=''
while [ $# -gt 1 ]; do
	case $1 in
	--size) size=$2 && shift ;;
	--add) packages+=("$2") && shift ;;
	--over) over=$2 && shift ;;
	--lists) what=lists ;;
	--image) what=image list=$2 && shift ;;
	*) break ;;
	esac
	shift
done
[ $# -eq 1 ] || die "usage: make_release_images.sh [--size MIB] [--add PACKAGE]... [--lists | --image LIST [--over FOLDER]] OUT"
mkdir -p "$1/debs"
out=$(cd "$1" && pwd)
work=$(mktemp -d "$out/work.XXXXXX")
trap 'chmod -R u+rwX "$work" && rm -rf "$work"' EXIT
PATH=$PATH:/sbin:/usr/sbin
arch=$(dpkg --print-architecture)

# versions_of NAME: every version on offer, oldest first by Debian's own order.
versions_of() {
	local version i sorted=()
	while read -r version; do
		i=${#sorted[@]}
		while [ "$i" -gt 0 ] && dpkg --compare-versions "$version" lt "${sorted[i - 1]}"; do
			i=$((i - 1))
		done
		sorted=("${sorted[@]:0:i}" "$version" "${sorted[@]:i}")
	done < <(awk -v name="$1" '$1 == name { print $2 }' "$work/offers" | sort -u)
	if [ ${#sorted[@]} -gt 0 ]; then
		printf '%s\n' "${sorted[@]}"
	fi
}

# The first of the alternatives that apt knows.
name_of() {
	local name
	for name in ${1//\// }; do
		if [ -n "$(versions_of "$name")" ]; then
			echo "$name"
			return
		fi
	done
}

# deb_of NAME VERSION: its file in the cache, downloaded when it isn't there. Fails when the archive no longer has that version.
deb_of() {
	local escaped=${2//:/%3a} file
	for file in "$out/debs/$1_${escaped}_"{"$arch",all}.deb; do
		if [ -s "$file" ]; then
			echo "$file"
			return
		fi
	done
	mkdir -p "$work/download"
	(cd "$work/download" && apt-get -qq -o APT::Sandbox::User="$(id -un)" download "$1=$2") >/dev/null 2>&1 || return 1
	mv "$work/download/$1_"*.deb "$out/debs/"
	deb_of "$1" "$2"
}

# Chooses for a release: the first version of the list given on stdin that can still be downloaded. Prints "NAME VERSION FILE".
choose() {
	local version file
	while read -r version; do
		if file=$(deb_of "$1" "$version"); then
			echo "$1 $version $file"
			return
		fi
	done
	die "no version of $1 could be downloaded; is the network up, and is 'apt-get update' recent?"
}

# unpack LIST TREE: what dpkg would lay down, but owned by whoever runs this; merged-/usr links come first, as in every Debian since 12.
unpack() {
	local name version file dir
	mkdir -p "$2"
	for dir in bin sbin lib lib64; do
		mkdir -p "$2/usr/$dir"
		ln -s "usr/$dir" "$2/$dir"
	done
	while read -r name version file; do
		dpkg-deb --fsys-tarfile "$file" | tar -x -p --no-same-owner --keep-directory-symlink -C "$2"
	done <"$1"
	ln -sf ../lib/systemd/systemd "$2/usr/sbin/init"
	awk '{ print $1, $2 }' "$1" >"$2/etc/decade-packages"
	if [ -n "$over" ]; then
		cp -r "$over/." "$2"
		(cd "$over" && find . -type f -print0) | (cd "$2" && xargs -0 touch -d "@$epoch")
	fi
	fix_times "$2"
}

fix_times() {
	chmod -R u+rwX "$1"
	touch -h -d "@$epoch" "$1/usr/sbin/init" "$1/etc/decade-packages" "$1"/{bin,sbin,lib,lib64}
	find "$1" -type d -exec touch -d "@$epoch" {} +
}

# make_image TREE IMAGE. A plain user's files become root's through a user namespace.
make_image() {
	local as_root=() used inode
	if [ "$(id -u)" -ne 0 ]; then
		as_root=(unshare -r)
		"${as_root[@]}" true || die "needs root, or user namespaces (unshare -r), to make files that belong to root"
	fi
	local new=$work/new.img
	rm -f "$new"
	# E2FSPROGS_FAKE_TIME: e2fsprogs before 1.47.1; SOURCE_DATE_EPOCH: since.
	E2FSPROGS_FAKE_TIME=$epoch SOURCE_DATE_EPOCH=$epoch "${as_root[@]}" mke2fs -q -t ext4 -b 4096 -N 16384 -m 0 \
		-U $fs_uuid -E "hash_seed=$hash_seed,lazy_itable_init=0,lazy_journal_init=0,root_owner=0:0" -L rootfs -d "$1" "$new" "${size}M" >/dev/null
	# mke2fs copies the change and access times of the unpacked files, which are today's.
	dumpe2fs "$new" 2>/dev/null >"$work/groups" || die "dumpe2fs failed"
	used=$(awk -F': *' '/^Inode count/ { count = $2 } /^Free inodes/ { print count - $2; exit }' "$work/groups")
	printf 'sif <2> mtime @%d\nsif <2> mtime_extra 0\n' $epoch >"$work/times" # the root's: lost+found was made in it
	for ((inode = 1; inode <= used + 1; inode++)); do
		printf 'sif <%d> atime @%d\nsif <%d> ctime @%d\nsif <%d> atime_extra 0\nsif <%d> ctime_extra 0\n' \
			"$inode" $epoch "$inode" $epoch "$inode" "$inode"
	done >>"$work/times"
	E2FSPROGS_FAKE_TIME=$epoch SOURCE_DATE_EPOCH=$epoch debugfs -w -f "$work/times" "$new" &>/dev/null
	mv "$new" "$2"
}

if [ "$what" = image ]; then
	unpack "$list" "$work/tree"
	name=$(basename "$list")
	make_image "$work/tree" "$out/${name%.*}.img"
	exit 0
fi

# --- which packages ---------------------------------------------------------------------------------------------------------------
# "NAME VERSION" of all that is on offer for this architecture, asked once: apt takes a second for each answer.
all=${packages[*]}
# shellcheck disable=SC2086 # one word a name
apt-cache madison ${all//\// } 2>/dev/null |
	awk -F ' *[|] *' -v arch="$arch" '$3 ~ " " arch " Packages$" { gsub(/ /, "", $1); print $1, $2 }' >"$work/offers"
: >"$work/list-1"
: >"$work/list-2"
for alternatives in "${packages[@]}"; do
	name=$(name_of "$alternatives")
	if [ -z "$name" ]; then
		continue # not in this Debian
	fi
	versions=$(versions_of "$name")
	choose "$name" <<<"$versions" >>"$work/list-1"
	tac <<<"$versions" | choose "$name" >>"$work/list-2"
done
[ -s "$work/list-1" ] || die "apt knows none of the packages; run 'apt-get update' as root first"
if cmp -s "$work/list-1" "$work/list-2"; then
	echo "apt offers one version of every package (no security source?): release 1 is made without the last three packages instead" >&2
	head -n -3 "$work/list-2" >"$work/list-1"
fi
if [ "$what" = lists ]; then
	for release in 1 2; do
		mv "$work/list-$release" "$out/list-$release.txt"
	done
	exit 0
fi

# --- made already? ----------------------------------------------------------------------------------------------------------------
stamp=$( (echo "$size"; cat "$0"; awk '{ print $1, $2 }' "$work/list-1" "$work/list-2") | sha256sum)
if [ "$(cat "$out/stamp" 2>/dev/null)" = "$stamp" ] && [ -s "$out/broken.img" ]; then
	exit 0
fi
rm -f "$out/stamp"

# --- images -----------------------------------------------------------------------------------------------------------------------
for release in 1 2; do
	unpack "$work/list-$release" "$work/tree-$release"
	make_image "$work/tree-$release" "$out/release-$release.img"
	awk '{ print $1, $2 }' "$work/list-$release" >"$out/packages-$release.txt"
done
rm "$work/tree-2/usr/sbin/init"
printf '#!/bin/nothing-here\nThis release boots into nothing.\n' >"$work/tree-2/usr/sbin/init"
chmod 755 "$work/tree-2/usr/sbin/init"
fix_times "$work/tree-2"
make_image "$work/tree-2" "$out/broken.img"
echo "$stamp" >"$out/stamp"
echo "$(wc -l <"$work/list-2") packages, $(grep -cvxFf "$out/packages-1.txt" "$out/packages-2.txt") of them newer in release 2" >&2
