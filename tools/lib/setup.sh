# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# For tools/demo and tools/test: what a fresh Debian machine needs before they can run. Sourced.

SHUNT_TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
SHUNT_BUILD=${SHUNT_BUILD:-$SHUNT_TOP/build}
HUGEPAGES=512
HUGEPAGE_COUNT_FILE=/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages

# The distribution's programs before others: its python3 is the one that has scapy.
PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH

say() { printf '%s\n' "$*"; }
fail() {
	printf 'error: %s\n' "$*" >&2
	exit 1
}

setup_root() {
	[ "$(id -u)" = 0 ] ||
		fail "this makes network namespaces and needs root: run it with sudo"
}

# Installs what is missing of tools/packages. Asks no registry if nothing is.
setup_packages() {
	local package missing=()

	while read -r package; do
		[ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
			missing+=("$package")
	done < <(grep -v '^#' "$SHUNT_TOP/tools/packages" | grep .)
	[ ${#missing[@]} -gt 0 ] || return 0
	command -v apt-get >/dev/null ||
		fail "not a Debian machine; it lacks what these packages hold: ${missing[*]}"
	say "installing ${missing[*]}"
	# No service of a package is to be started by its installation.
	local policy=/usr/sbin/policy-rc.d made=
	if [ ! -e $policy ]; then
		printf '#!/bin/sh\nexit 101\n' >$policy && chmod 755 $policy && made=yes
	fi
	if ! { apt-get -qq update &&
		DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install \
			"${missing[@]}"; } >/tmp/shunt-apt.log 2>&1; then
		[ -z "$made" ] || rm -f $policy
		tail -20 /tmp/shunt-apt.log >&2
		fail "the packages could not be installed (log: /tmp/shunt-apt.log)"
	fi
	[ -z "$made" ] || rm -f $policy
	# nor later, when the machine boots
	for package in "${missing[@]}"; do
		case $package in
		bird2) systemctl disable bird.service ;;
		haproxy) systemctl disable haproxy.service ;;
		keepalived) systemctl disable keepalived.service ;;
		mariadb-server) systemctl disable mariadb.service ;;
		nginx-light) systemctl disable nginx.service ;;
		nsd) systemctl disable nsd.service ;;
		postgresql) systemctl disable postgresql.service ;;
		redis-server) systemctl disable redis-server.service ;;
		esac >/dev/null 2>&1
	done
	return 0
}

# Reserves hugepages if the machine has memory to spare; goes on without them if it has not.
setup_hugepages() {
	local have want spare_kb

	[ -w $HUGEPAGE_COUNT_FILE ] || return 0
	have=$(cat $HUGEPAGE_COUNT_FILE)
	[ "$have" -lt $HUGEPAGES ] || return 0
	# Half of what is free at most, of 2 MB pages.
	spare_kb=$(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo)
	want=$((have + spare_kb / 2 / 2048))
	[ $want -le $HUGEPAGES ] || want=$HUGEPAGES
	echo $want >$HUGEPAGE_COUNT_FILE 2>/dev/null || true
	have=$(cat $HUGEPAGE_COUNT_FILE)
	[ "$have" -ge $HUGEPAGES ] ||
		say "only $have of $HUGEPAGES hugepages could be had: going on with what there is"
	grep -q ' hugetlbfs ' /proc/mounts && return 0
	mkdir -p /dev/hugepages && mount -t hugetlbfs none /dev/hugepages 2>/dev/null
	return 0
}

# Builds into $SHUNT_BUILD; prints the compiler's words only if it fails. Arguments: for meson setup.
setup_build() {
	local log=$SHUNT_BUILD.log

	if [ ! -f "$SHUNT_BUILD/build.ninja" ]; then
		meson setup "$SHUNT_BUILD" "$SHUNT_TOP" "$@" >"$log" 2>&1 || {
			tail -30 "$log" >&2
			fail "meson setup failed"
		}
	fi
	ninja -C "$SHUNT_BUILD" >"$log" 2>&1 || {
		grep -E 'error|warning|FAILED' "$log" | head -40 >&2
		fail "the build failed (log: $log)"
	}
	rm -f "$log"
}
