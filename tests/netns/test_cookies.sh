#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Connections that all begin with a SYN cookie, through nat, full NAT and between the families, by two
# workers: whole streams both ways over wires that lose packets, with selective acknowledgments and
# windows that are scaled; hosts without these options; servers that refuse, and that never answer.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/modes.sh"

MODES_WEB=1
BYTES=$((1 << 25))
modes_up nat fullnat nat64 || exit 1
ip -n "$TOPOLOGY-s1" -6 route replace default via 2001:db8:a::1
edit "
d['frontends'].append({'name': 'six', 'bind': '[2001:db8:10::31]:80', 'default-backend': 'six'})
d['backends'].append({'name': 'six', 'servers': [{'name': 's1', 'address': '[2001:db8:a::11]:80'}]})
for f in d['frontends']:
    if f.get('protocol', 'tcp') == 'tcp':
        f['syn-cookies'] = 'always'
        f['timeout'] = {'syn': '3s'}
"
check "cookies for all" ctl reload
check "six/s1 comes up" wait_until 10 server_is six/s1 up
mkdir "$TOPOLOGY_DIR/files"
head -c $BYTES /dev/urandom >"$TOPOLOGY_DIR/files/part"
chmod 755 "$TOPOLOGY_DIR/files"
SUM=$(sha256sum <"$TOPOLOGY_DIR/files/part")

# download N K [CURL ARGUMENTS]: by the mode's Kth client.
download() {
	local n=$1 k=$2
	shift 2
	in_ns client curl -s -g --max-time 60 --interface "$(mode_source "$n" "$k")" "$@" \
		"http://$(mode_endpoint "$n" 80)/files/part" | sha256sum
}

# upload N K: what transfer.py says of it is in its log.
upload() {
	in_ns client /usr/bin/python3 "$SHUNT_TOP/tests/netns/transfer.py" send --bytes $BYTES \
		--from "$(mode_source "$1" "$2")" --to "$(mode_endpoint "$1" 5001)" \
		>"$TOPOLOGY_DIR/up-$1-$2.log" 2>&1
}

# lossy NAMESPACE ...: one in a hundred of the packets that come to it is lost.
lossy() {
	local ns
	for ns in "$@"; do
		in_ns "$ns" nft -f - <<'END'
table inet loss {
	chain in {
		type filter hook prerouting priority -300
		meta l4proto tcp numgen random mod 100 0 drop
	}
}
END
	done
}

# counted NAMESPACE NAME: since the namespace was made.
counted() {
	in_ns "$1" nstat -asz "$2" | awk -v name="$2" '$1 == name { print $2 }'
}

for n in 1 2 3; do
	check_equal "${MODES[n - 1]}: a download by a cookie is whole" "$SUM" "$(download $n 1)"
	check "${MODES[n - 1]}: and an upload" \
		upload $n 1
done
check "each began with a cookie" \
	test "$(of_workers "sum(w['syn_cookies_accepted'] for w in d) >= 6")" = True
check_equal "as many cookies as connections came back" True \
	"$(of_workers "sum(w['syn_cookies_accepted'] for w in d) == sum(w['syn_cookies_sent'] for w in d)")"

# What a client and a server agree on is seen in a connection that waits.
start_in client idle iperf3 --client "$(mode_address 1)" --time 3 --bitrate 1K
sleep 1
scales=$(in_ns client ss -tino state established dst "$(mode_address 1)" dport = 5201)
stop_started "$STARTED"
check "the client scales windows, and takes selective acknowledgments" \
	grep -q 'sack .*wscale:7,' <<<"$scales"
check "and has no timestamps" not grep -qw ts <<<"$scales"

lossy client s1 s2 s3
jobs=()
download6() {
	in_ns client curl -s -g --max-time 60 "http://[2001:db8:10::31]/files/part" | sha256sum
}
download6 >"$TOPOLOGY_DIR/sum-six" &
jobs+=($!)
for n in 1 2 3; do
	for k in 2 3; do
		download $n $k >"$TOPOLOGY_DIR/sum-$n-$k" &
		jobs+=($!)
		upload $n $k &
		jobs+=($!)
	done
done
failed=0
for job in "${jobs[@]}"; do wait "$job" || failed=$((failed + 1)); done
check_equal "with lost packets all uploads are whole" 0 $failed
for n in 1 2 3; do
	check_equal "${MODES[n - 1]}: with lost packets both downloads are whole" \
		2 "$(cat "$TOPOLOGY_DIR"/sum-$n-* | grep -cxF "$SUM")"
	check "${MODES[n - 1]}: the server has recovered by selective acknowledgments" \
		test "$(counted s$n TcpExtTCPSackRecovery)" -gt 0
done
check_equal "IPv6, nat: with lost packets a download is whole" "$SUM" "$(cat "$TOPOLOGY_DIR/sum-six")"
check "and so has the client" test "$(counted client TcpExtTCPSackRecovery)" -gt 0
check "both workers had such flows" \
	test "$(of_workers "all(w['syn_cookies_accepted'] for w in d)")" = True
for ns in client s1 s2 s3; do
	in_ns $ns nft delete table inet loss
	check_equal "$ns: no wrong checksum" 0 "$(wrong $ns)"
	check_equal "$ns: no selective acknowledgment was out of place" 0 \
		"$(counted $ns TcpExtTCPSACKDiscard)"
done

# Hosts that do without: what the one end has not is not used by the other.
for option in tcp_sack tcp_window_scaling; do
	for end in client s1; do
		in_ns $end sysctl -qw net.ipv4.$option=0
		check_equal "$end without $option: a download" "$SUM" "$(download 1 4)"
		check "$end without $option: an upload" upload 1 4
		in_ns $end sysctl -qw net.ipv4.$option=1
	done
done
for n in 1 2 3; do
	check_equal "${MODES[n - 1]}: small segments" "$SUM" "$(
		in_ns client ip route change 198.51.100.0/24 via 192.0.2.254 advmss 600
		in_ns client ip -6 route change 2001:db8:10::/64 via 2001:db8:1::fe advmss 1300
		download $n 5
	)"
done

# away RULE: what s1 does with segments to its web server.
away() {
	in_ns s1 nft -f - <<END
table inet away {
	chain in {
		type filter hook input priority 0
		tcp dport 80 $1
	}
}
END
}

# A server that refuses, and one that says nothing.
get() {
	in_ns client curl -sS -m 40 "http://$(mode_endpoint 1 80)/" 2>&1
}
away "reject with tcp reset"
refused=$(get)
# The reset may come before curl has looked at what connect() has done.
check "a server that refuses: the client is reset ($refused)" \
	grep -Eq "Connection reset|Couldn't connect" <<<"$refused"
in_ns s1 nft delete table inet away
away drop
silent=$(get)
check "one that does not answer: so it is when the flow's time is over ($silent)" \
	grep -q 'Connection reset' <<<"$silent"
in_ns s1 nft delete table inet away
check_equal "when it is back, so is the service" "$SUM" "$(download 1 6)"

# A session that Shunt resets, at both ends, which count in numbers of their own.
in_ns client curl -sS -m 30 --limit-rate 500K -o /dev/null "http://$(mode_endpoint 1 80)/files/part" \
	>"$TOPOLOGY_DIR/reset.log" 2>&1 &
job=$!
sleep 1
check "a server's sessions are shut down" ctl shutdown sessions server nat-web/s1
wait $job
check "then its client is reset: $(cat "$TOPOLOGY_DIR/reset.log")" \
	grep -q 'Connection reset' "$TOPOLOGY_DIR/reset.log"
check_equal "and so is the server" 0 \
	"$(in_ns s1 ss -Htn state established sport = 80 | grep -cv '10.0.0.1:')"

edit "
for f in d['frontends']:
    f.pop('syn-cookies', None)
"
check "no flood, no cookies" ctl reload
sent=$(of_workers "sum(w['syn_cookies_sent'] for w in d)")
check_equal "then a connection begins as ever" "$SUM" "$(download 1 7)"
check_equal "without a cookie" "$sent" "$(of_workers "sum(w['syn_cookies_sent'] for w in d)")"
