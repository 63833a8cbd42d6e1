# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# Ports that DPDK has taken over, with kernel twins: wan0 and lan0 of the topology are driven by
# net_af_packet, and the balancer's kernel has the TAPs wan and lan instead. Sourced after lib.sh.

# twin_nics: the kernel must not answer on the interfaces that play the NICs.
twin_nics() {
	local nic

	for nic in wan0 lan0; do
		ip -n "$TOPOLOGY-balancer" addr flush dev "$nic"
		in_ns balancer sysctl -qw "net.ipv6.conf.$nic.disable_ipv6=1" \
			"net.ipv4.conf.$nic.rp_filter=1"
		ip -n "$TOPOLOGY-balancer" link set "$nic" arp off
	done
}

# twin_config: the ports of $CONFIG as devices with twins.
twin_config() {
	edit "d['dataplane']['ports'] = [
    {'name': 'wan', 'device': 'net_af_packet0,iface=wan0', 'kernel': 'tap',
     'addresses': ['192.0.2.254/24', '2001:db8:1::fe/64']},
    {'name': 'lan', 'device': 'net_af_packet1,iface=lan0', 'kernel': 'tap',
     'addresses': ['10.0.0.1/24', '2001:db8:a::1/64']}]"
}
