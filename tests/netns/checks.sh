# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# What checks come to, in the words of show servers. Sourced behind lib.sh; each backend has one server.

# result BACKEND: its server's state, and what its last probe came to.
result() {
	ctl -j show servers | json "[' '.join((s['state'], s['check_status'], str(s['check_code'])))
		for s in d if s['backend'] == '$1'][0]"
}

result_is() {
	[ "$(result "$1")" = "$2" ]
}

# comes TEXT BACKEND RESULT [WORDS]: the words are in its line of show servers.
comes() {
	wait_until 5 result_is "$2" "$3"
	check_equal "$1" "$3" "$(result "$2")"
	[ -z "${4:-}" ] || check "and says so" grep -q -- "$4" <(ctl show servers | grep "^$2 ")
}

# A name server (nsd) at 10.0.0.11 and 2001:db8:a::11: example.org, and a zone that it cannot load.
nsd_start() {
	start_in s1 nsd nsd -d -c "$NSD/conf"
	NSD_PID=$STARTED
}
nsd_begin() {
	NSD=$TOPOLOGY_DIR/nsd
	mkdir "$NSD"
	cat >"$NSD/zone" <<-'END'
		$ORIGIN example.org.
		$TTL 60
		@ SOA ns root 1 3600 600 86400 60
		@ NS ns
		ns A 10.0.0.11
		www AAAA 2001:db8:a::11
		long TXT "a text"
	END
	cat >"$NSD/conf" <<-END
		server:
			ip-address: 10.0.0.11
			ip-address: 2001:db8:a::11
			username: ""
			chroot: ""
			zonesdir: "$NSD"
			pidfile: "$NSD/pid"
			xfrdfile: "$NSD/xfrd"
			zonelistfile: "$NSD/zones"
			xfrdir: "$NSD"
			database: ""
		remote-control:
			control-enable: no
		zone:
			name: example.org
			zonefile: zone
		zone:
			name: broken.example
			zonefile: there-is-none
	END
	nsd_start
}
