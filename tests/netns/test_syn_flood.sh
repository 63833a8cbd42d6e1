#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A flood of 100,000 SYNs a second from random sources, beside real downloads: those go on, new
# connections come about, by cookies with nat and fullnat and without anything with dr, tables and
# memory stay as they are, and when it is over all is as before. Two workers.
# Alone: the flood leaves a test beside it little CPU, nor that test the downloads here.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/modes.sh"

MODES_WEB=1
HALF_OPEN=512

eval "$(declare -f modes_config | sed '1s/modes_config/plain_config/')"
modes_config() {
	plain_config
	edit "
d['dataplane']['half-open-max'] = $HALF_OPEN
for f in d['frontends']:
    f['timeout'] = {'syn': '2s'}
d['frontends'].append({'name': 'six', 'bind': '[2001:db8:10::31]:80', 'default-backend': 'six',
    'timeout': {'syn': '2s'}})
d['backends'].append({'name': 'six', 'servers': [{'name': 's1', 'address': '[2001:db8:a::11]:80'}]})
"
}
modes_up nat fullnat dr || exit 1
ip -n "$TOPOLOGY-s1" -6 route replace default via 2001:db8:a::1
check "six/s1 comes up" wait_until 10 server_is six/s1 up
mkdir "$TOPOLOGY_DIR/files"
head -c $((1 << 26)) /dev/urandom >"$TOPOLOGY_DIR/files/long"
head -c $((1 << 20)) /dev/urandom >"$TOPOLOGY_DIR/files/short"
chmod 755 "$TOPOLOGY_DIR/files"
SHORT=$(sha256sum <"$TOPOLOGY_DIR/files/short")
MAC=$(ip -n "$TOPOLOGY-balancer" -j link show wan0 | json "d[0]['address']")

# What is sent as fast as can be takes both CPUs with the kernel's part of it, whatever its priority,
# and then it is nginx or curl that stand still now and then. tools/bench has a flood at full rate.
FLOOD_RATE=100000
flood_start() { # ADDRESS RATE
	start_in client flood "$SHUNT_BUILD/tests/netns/syn_flood" c0 "$MAC" "$1" 80 "$2"
	FLOOD=$STARTED
}
total() { of_workers "sum(w['$1'] for w in d)"; }
resident_kb() { awk '$1 == "VmRSS:" { print $2 }' "/proc/$DATAPLANE_PID/status"; }
# moved N SECONDS: bytes a second that the downloads of a mode get.
received() { awk '{ sum += $1 } END { print sum }' "$TOPOLOGY_DIR"/got-"$1"-*; }
moved() {
	local before
	before=$(received "$1")
	sleep "$2"
	echo $((($(received "$1") - before) / $2))
}
calm() { [ "$(total half_open)" = 0 ]; }

# under_flood N ADDRESS SOURCE NAME [RATE]: of a mode, whose clients come from SOURCE. Flood, workers,
# servers and clients share this machine's CPUs, so what downloads lose is not Shunt's doing alone:
# tools/bench has what is.
under_flood() {
	local n=$1 name=$4 steady=() k alone beside sent whole=0 flows rss get
	get="curl -s -g --interface $3"

	for k in 1 2 3 4; do
		start_in client "long-$n-$k" /usr/bin/python3 "$(dirname "$0")/steady.py" "$3" \
			"http://$2/files/long" 2000000 "$TOPOLOGY_DIR/got-$n-$k"
		steady+=("$STARTED")
	done
	sleep 2
	flows=$(total flows)
	alone=$(moved $n 3)
	rss=$(resident_kb)
	flood_start "$(sed 's/[][]//g' <<<"$2")" "${5:-$FLOOD_RATE}"
	sleep 1
	# Not for less: a download that has lost a segment may stand still for a second.
	beside=$(moved $n 6)
	for k in 1 2 3 4 5 6 7 8; do
		[ "$(in_ns client $get -m 10 "http://$2/files/short" | sha256sum)" != "$SHORT" ] ||
			whole=$((whole + 1))
	done
	check "$name: half-open flows stay below their bound: $(total half_open) of $((2 * HALF_OPEN))" \
		test "$(of_workers "all(w['half_open'] <= w['half_open_max'] + 16 for w in d)")" = True
	check "$name: there are hardly more flows than before: $flows, now $(total flows)" \
		test "$(total flows)" -le $((flows + 2 * HALF_OPEN + 100))
	check "$name: memory is as it was: $rss kB, now $(resident_kb)" \
		test $(($(resident_kb) - rss)) -lt 8192
	stop_started $FLOOD
	for k in "${steady[@]}"; do stop_started "$k"; done
	sent=$(tail -n 1 "$TOPOLOGY_DIR/flood.log")
	check "$name: there was a flood, of $sent SYNs" test "$sent" -gt 50000
	check "$name: downloads go on: $((beside * 100 / alone)) % of $alone bytes a second" \
		test $beside -gt $((alone * 6 / 10))
	check_equal "$name: new connections in the flood are whole" 8 $whole
	check "$name: half-open flows go" wait_until 30 calm
}

under_flood 1 "$(mode_address 1)" "$(mode_source 1 1)" nat
check "nat: SYNs were answered with cookies: $(total syn_cookies_sent)" \
	test "$(total syn_cookies_sent)" -gt 20000
check "nat: which have come back: $(total syn_cookies_accepted)" \
	test "$(total syn_cookies_accepted)" -gt 0
sent=$(total syn_cookies_sent)
check_equal "nat: afterwards a connection begins without" "$SHORT" \
	"$(in_ns client curl -s "http://$(mode_address 1)/files/short" | sha256sum)"
check_equal "nat: a cookie" "$sent" "$(total syn_cookies_sent)"

under_flood 2 "$(mode_address 2)" "$(mode_source 2 1)" fullnat
check "fullnat: SYNs were answered with cookies" test "$(total syn_cookies_sent)" -gt $((sent + 20000))
sent=$(total syn_cookies_sent)

under_flood 4 "[2001:db8:10::31]" 2001:db8:1::1f "IPv6, nat"
check "IPv6, nat: SYNs were answered with cookies" \
	test "$(total syn_cookies_sent)" -gt $((sent + 20000))
sent=$(total syn_cookies_sent)

# Here the server has the flood too, and answers it: not more than its kernel takes.
under_flood 3 "$(mode_address 3)" "$(mode_source 3 1)" dr 30000
check "dr: SYNs have made no flows: $(total half_open_over)" test "$(total half_open_over)" -gt 20000
check_equal "dr: and no cookies" "$sent" "$(total syn_cookies_sent)"
for ns in client s1 s2 s3; do
	check_equal "$ns: no wrong checksum" 0 "$(wrong $ns)"
done
