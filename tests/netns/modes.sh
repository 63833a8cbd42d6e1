# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# A service for each of several forwarding modes, each with a server of its own, through two workers.
# Sourced after lib.sh.
#
#   modes_up nat dr tunnel fullnat nat64 ports || exit 1
#
# A mode's number N is its place in the list: its server is sN, its balanced address
# 198.51.100.3N, or 2001:db8:10::3N with nat64, whose clients speak IPv6 and its server IPv4. nat64 is
# fullnat between the families, ports is nat with ranges of ports. Each service has TCP port
# 5001 (transfer.py) and UDP port 53 (an echo); with ports these are 8000-8019 and 5300-5303. What
# modes_up is told by MODES_WEB=1 is nginx at port 80 and iperf3 at 5201 too.

MODES=()
MODES_WEB=${MODES_WEB:-0}
WEB_PORT=80 UDP_PORT=53

# mode_address N, mode_source N K: of the service, and the Kth address of its clients.
mode_address() {
	[ "${MODES[$1 - 1]}" = nat64 ] && echo "2001:db8:10::3$1" || echo "198.51.100.3$1"
}
mode_source() {
	[ "${MODES[$1 - 1]}" = nat64 ] && printf '2001:db8:1::%x\n' $(($1 * 30 + $2)) ||
		echo "192.0.2.$(($1 * 30 + $2))"
}

# mode_endpoint N PORT
mode_endpoint() {
	local address

	address=$(mode_address "$1")
	[ "${address/:/}" = "$address" ] || address="[$address]"
	echo "$address:$2"
}

modes_config() {
	cp "$SHUNT_TOP/config/demo.json" "$CONFIG"
	edit "
kinds = [('tcp', 'tcp', 5001), ('udp', 'udp', 53)]
if $MODES_WEB:
    kinds += [('web', 'tcp', 80), ('iperf', 'tcp', 5201)]
ranges = {'tcp': '8000-8019', 'udp': '5300-5303'}
d['frontends'], d['backends'] = [], []
for n, mode in enumerate('${MODES[*]}'.split(), 1):
    more = {
        'tunnel': {'encap': 'ipip', 'mss-clamp': 1440},
        'fullnat': {'source-addresses': ['10.0.0.24%d' % n]},
        'nat64': {'source-addresses': ['10.0.0.24%d' % n]}}.get(mode, {})
    forward = {'nat64': 'fullnat', 'ports': 'nat'}.get(mode, mode)
    address = '[2001:db8:10::3%d]' % n if mode == 'nat64' else '198.51.100.3%d' % n
    for kind, protocol, port in kinds:
        name, server = mode + '-' + kind, '10.0.0.1%d:%d' % (n, port)
        if mode == 'ports' and kind in ranges:
            port, server = ranges[kind], '10.0.0.1%d' % n
        d['frontends'].append({'name': name, 'bind': '%s:%s' % (address, port),
            'protocol': protocol, 'default-backend': name})
        d['backends'].append({'name': name, 'forward': forward, **more, 'servers': [
            {'name': 's1', 'address': server,
             'check': {'port': 8000 if mode == 'ports' else 5001}}]})
"
}

# mode_server N: its way back to the clients, and what it runs.
mode_server() {
	local n=$1 ports=5001

	case ${MODES[n - 1]} in
	tunnel)
		start_in s"$n" "decap$n" "$SHUNT_BUILD/tools/shunt-decap" -i eth0 --from 10.0.0.1
		wait_until 10 log_has "decap$n" "taking tunnels"
		;;
	fullnat | nat64) # its answers go to the balancer, without any route
		ip -n "$TOPOLOGY-s$n" route del default
		ip -n "$TOPOLOGY-s$n" -6 route del default
		;;
	nat | ports) ip -n "$TOPOLOGY-s$n" route replace default via 10.0.0.1 ;;
	esac
	case ${MODES[n - 1]} in
	tunnel | dr) ip -n "$TOPOLOGY-s$n" addr add "198.51.100.3$n/32" dev lo ;;
	ports) ports=8000-8019 ;;
	esac
	start_in s"$n" "receive$n" /usr/bin/python3 "$SHUNT_TOP/tests/netns/transfer.py" receive \
		--port $ports
	if [ "${MODES[n - 1]}" = ports ]; then
		for UDP_PORT in 5300 5301 5302 5303; do udp_start "$n"; done
		UDP_PORT=53
	else
		udp_start "$n"
	fi
	if [ "$MODES_WEB" = 1 ]; then
		start_in s"$n" "iperf$n" iperf3 --server
		web_start "$n"
	fi
	check "the servers of ${MODES[n - 1]} listen" wait_until 10 log_has "receive$n" listening
}

# modes_up MODE ...: the network, the servers, and both processes.
modes_up() {
	local n servers=()

	MODES=("$@")
	topology_up $#
	CONFIG=$TOPOLOGY_DIR/shunt.json
	modes_config
	topology_direct $#
	for ((n = 1; n <= $#; n++)); do
		mode_server $n
		servers+=("${MODES[n - 1]}-tcp/s1" "${MODES[n - 1]}-udp/s1")
	done
	balancer_start "${servers[@]}"
}

# wrong NAMESPACE: packets whose TCP, UDP, IP or ICMP checksum its kernel has found wrong.
wrong() {
	in_ns "$1" awk '
		FILENAME ~ /snmp6$/ { if ($1 ~ /InCsumErrors|InHdrErrors/) { sum += $2; seen++ }; next }
		!($1 in names) { names[$1] = $0; next }
		{
			split(names[$1], name)
			for (i = 2; i <= NF; i++)
				if (name[i] ~ /InCsumErrors|InHdrErrors/) { sum += $i; seen++ }
		}
		END { print (seen > 6 ? sum + 0 : "nothing is counted") }' \
		/proc/net/snmp /proc/net/snmp6
}

of_workers() { ctl -j show workers | json "$1"; }

# in_bytes N KIND, out_bytes N KIND: what passed Shunt to a mode's server, and from it.
in_bytes() {
	ctl -j show servers |
		json "[s['in_bytes'] for s in d if s['backend'] == '${MODES[$1 - 1]}-$2'][0]"
}
out_bytes() {
	ctl -j show servers |
		json "[s['out_bytes'] for s in d if s['backend'] == '${MODES[$1 - 1]}-$2'][0]"
}
