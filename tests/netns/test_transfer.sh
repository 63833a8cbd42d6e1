#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A gigabyte by TCP through each forwarding mode, all at a time through two workers: every byte is the
# right one, and no kernel sees a wrong checksum. And each connection is one worker's alone.
. "$(dirname "$0")/lib.sh"

# A mode's number is that of its server and of its balanced addresses.
MODES=(nat dr tunnel)
BYTES=$((1 << 30))
UDP_PORT=53
here=$(dirname "$0")

topology_up ${#MODES[@]}
CONFIG=$TOPOLOGY_DIR/shunt.json
cp "$SHUNT_TOP/config/demo.json" "$CONFIG"
edit "
d['frontends'], d['backends'] = [], []
for n, mode in enumerate('${MODES[*]}'.split(), 1):
    for protocol, port in (('tcp', 5001), ('udp', 53)):
        name = mode + '-' + protocol
        more = {'encap': 'ipip', 'mss-clamp': 1440} if mode == 'tunnel' else {}
        d['frontends'].append({'name': name, 'bind': '198.51.100.3%d:%d' % (n, port),
            'protocol': protocol, 'default-backend': name})
        d['backends'].append({'name': name, 'forward': mode, **more, 'servers': [
            {'name': 's1', 'address': '10.0.0.1%d:%d' % (n, port), 'check': {'port': 5001}}]})
"
topology_direct ${#MODES[@]} 198.51.100.3{2,3}/32
servers=()
for ((n = 1; n <= ${#MODES[@]}; n++)); do
	case ${MODES[n - 1]} in
	tunnel)
		start_in s$n decap "$SHUNT_BUILD/tools/shunt-decap" -i eth0 --from 10.0.0.1
		wait_until 5 log_has decap "taking tunnels"
		;;
	nat | fullnat) # its answers come back by the balancer
		ip -n "$TOPOLOGY-s$n" addr del 198.51.100.3$n/32 dev lo 2>/dev/null
		ip -n "$TOPOLOGY-s$n" route replace default via 10.0.0.1
		;;
	esac
	start_in s$n receive$n /usr/bin/python3 "$here/transfer.py" receive
	udp_start $n
	check "the receiver of ${MODES[n - 1]} listens" wait_until 5 log_has receive$n listening
	servers+=("${MODES[n - 1]}-tcp/s1" "${MODES[n - 1]}-udp/s1")
done
balancer_start "${servers[@]}" || exit 1

# wrong NAMESPACE: packets whose TCP, UDP, IP or ICMP checksum its kernel has found wrong.
wrong() {
	in_ns "$1" awk '
		!($1 in names) { names[$1] = $0; next }
		{
			split(names[$1], name)
			for (i = 2; i <= NF; i++)
				if (name[i] ~ /InCsumErrors|InHdrErrors/) { sum += $i; seen++ }
		}
		END { print (seen > 3 ? sum + 0 : "nothing is counted") }' /proc/net/snmp
}
of_workers() { ctl -j show workers | json "$1"; }

pids=()
for ((n = 1; n <= ${#MODES[@]}; n++)); do
	start_in client "send$n" /usr/bin/python3 "$here/transfer.py" send --bytes $BYTES \
		--from 192.0.2.$n --to 198.51.100.3$n:5001
	pids+=("$STARTED")
done
for ((n = 1; n <= ${#MODES[@]}; n++)); do
	wait "${pids[n - 1]}"
	check_equal "${MODES[n - 1]}: $(tail -n 1 "$TOPOLOGY_DIR/send$n.log")" 0 $?
done
for ((n = 1; n <= ${#MODES[@]}; n++)); do
	check "${MODES[n - 1]}: it went through Shunt" test "$(ctl -j show servers | json "[s['in_bytes']
		for s in d if s['backend'] == '${MODES[n - 1]}-tcp'][0]")" -gt $BYTES
	check_equal "${MODES[n - 1]}: the server's kernel saw no wrong checksum" 0 "$(wrong s$n)"
done
check_equal "nor did the client's" 0 "$(wrong client)"

# Were a flow known to two workers, both would have made an entry for it.
for ((n = 1; n <= ${#MODES[@]}; n++)); do
	before=$(of_workers "sum(w['flows_created'] for w in d)")
	check "${MODES[n - 1]}: 60 short connections" in_ns client /usr/bin/python3 "$here/transfer.py" \
		send --bytes 5000 --connections 60 --from 192.0.2.$((10 + n)) --to 198.51.100.3$n:5001
	seen=$(in_ns client /usr/bin/python3 "$here/fragments.py" --rounds 4 \
		--service 198.51.100.3$n --source 192.0.2.$((20 + n)))
	check_equal "${MODES[n - 1]}: 20 datagrams in fragments" 20 "$(json "d['answered']" <<<"$seen")"
	check_equal "${MODES[n - 1]}: each of the 80 flows has one owner" 80 \
		$(($(of_workers "sum(w['flows_created'] for w in d)") - before))
done
check "both workers own some" test "$(of_workers "all(w['flows_created'] > 20 for w in d)")" = True
check "and packets had to be handed over" \
	test "$(of_workers "sum(w['handed_over'] for w in d) > 0")" = True
