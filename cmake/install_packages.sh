#!/usr/bin/env bash
# install_packages.sh GROUP...: installs those packages of cmake/packages.txt that are missing. Does nothing, and needs no root, when none is.
set -eu
here=$(cd "$(dirname "$0")" && pwd)

missing_of() {
	local package
	for package in "$@"; do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || echo "$package"
	done
}

as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

install() {
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" </dev/null >&2
}

# The first install may fail because the package lists are absent or old; they are fetched only then.
install_fresh() {
	if apt-get install -s -qq --no-install-recommends "$@" >/dev/null 2>&1 && install "$@"; then
		return
	fi
	as_root apt-get update -qq </dev/null >&2
	install "$@"
}

# A web server that is installed for the demo must not start serving this machine's port 80: Debian asks policy-rc.d first.
keep_services_off() {
	if [ ! -e /usr/sbin/policy-rc.d ]; then
		trap 'as_root rm -f /usr/sbin/policy-rc.d' EXIT
		printf '#!/bin/sh\nexit 101\n' | as_root tee /usr/sbin/policy-rc.d >/dev/null
		as_root chmod 755 /usr/sbin/policy-rc.d
	fi
}

wanted=()
for group in "$@"; do
	while read -r name; do
		wanted+=("$name")
	done < <(awk -v group="$group" '$1 == group { print $2 }' "$here/packages.txt")
done
mapfile -t missing < <(missing_of "${wanted[@]}")
if [ ${#missing[@]} -gt 0 ]; then
	if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; then
		echo "these packages are missing and need root or sudo to install: ${missing[*]}" >&2
		exit 1
	fi
	echo "installing: ${missing[*]}" >&2
	keep_services_off
	install_fresh "${missing[@]}"
fi

# The sanitizers' run time is a package that carries clang's version in its name.
if [[ " $* " == *" clang "* ]]; then
	version=$(clang -dumpversion)
	mapfile -t missing < <(missing_of "libclang-rt-${version%%.*}-dev")
	[ ${#missing[@]} -eq 0 ] || install_fresh "${missing[@]}"
fi
