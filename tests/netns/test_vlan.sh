#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Tagged frames through AF_XDP: the filter looks through up to two tags, answers go back in them, and
# a server in a VLAN is reached in it. Raw frames, so that it needs no VLAN support of the kernel.
. "$(dirname "$0")/lib.sh"

begin 2
udp_start 1
udp_start 2
edit "d['frontends'].append({'name': 'vlan', 'bind': '198.51.100.10:54', 'protocol': 'udp', 'default-backend': 'vlan'})
d['backends'].append({'name': 'vlan', 'servers': [{'name': 's9', 'address': '10.0.0.99:5353', 'check': False}]})
d['neighbors'] = [{'address': '10.0.0.99', 'mac': '$(ip -n "$TOPOLOGY-s1" -j link show dev eth0 |
	json "d[0]['address']")', 'port': 'lan', 'vlan': 100}]
for b in d['backends']:
    b['servers'] = [s for s in b['servers'] if s['name'] != 's3']"
balancer_start echo/s1 echo/s2 || exit 1
mac=$(ip -n "$TOPOLOGY-balancer" -j link show dev wan0 | json "d[0]['address']")

# asks TEXT EXPRESSION PORT TAG ...: the expression over the result d.
asks() {
	local text=$1 expression=$2 port=$3 seen
	shift 3
	seen=$(in_ns client /usr/bin/python3 "$(dirname "$0")/vlan.py" ask --interface c0 \
		--mac "$mac" --address 198.51.100.10 --port "$port" --tags "$@")
	check_equal "$text" True "$(json "$expression" <<<"$seen")" || echo "    $seen"
}
all="d['answered'] == d['sent'] == 10 and not d['others']"
none="d['answered'] == 0 and not d['others']"

asks "untagged frames are answered untagged" "$all" 53
asks "one tag, and the answer in it" "$all" 53 10
asks "two tags, and the answer in both" "$all" 53 10 20
asks "three are left to the kernel" "$none" 53 10 20 30 --count 1

start_in s1 answer /usr/bin/python3 "$(dirname "$0")/vlan.py" answer --interface eth0 \
	--address 10.0.0.99 --tags 100
check "a server in a VLAN starts" wait_until 5 log_has answer listening
asks "it answers clients without tags" "$all" 54
asks "it answers clients in another VLAN" "$all" 54 10
asks "it answers clients in two" "$all" 54 10 20
check "the kernel has its own packets all the while" in_ns client ping -c 2 -i 0.2 -W 2 192.0.2.254
check_equal "nothing was dropped" "{}" "$(ctl -j show drops | json "{k: n for k, n in d.items() if n}")"
