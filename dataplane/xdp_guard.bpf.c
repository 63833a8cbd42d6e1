/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Stands in for the XDP filter while a restarted process replaces it: drops, before the kernel can
 * answer or forward them, TCP and UDP packets to addresses that have services, to source addresses
 * of full NAT, and those from servers. It looks into the maps of the filter that is taken off. All
 * else is left to whatever comes after it: ARP, ping, neighbour discovery (ICMP is never dropped),
 * probes and their answers.
 *
 * Its parse is not the filter's. That one must be exact, because what it takes goes to the workers
 * and what it leaves must reach the kernel for good. This one lives for milliseconds and only ever
 * drops what is sent again, so it can be coarse: the whole address of a service, and no walk along
 * IPv6 extension headers. It reads relative to the network header, which is there however much of
 * the packet a driver has put into pages.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "xdp_filter.h"

/* Only their shape counts: the maps of the stale filter take their place before the load. */
#define GUARD_MAP(map_name)                           \
	struct {                                      \
		__uint(type, BPF_MAP_TYPE_HASH);      \
		__uint(max_entries, 1);               \
		__uint(map_flags, BPF_F_NO_PREALLOC); \
		__type(key, struct xdp_filter_key);   \
		__type(value, __u8);                  \
	} map_name SEC(".maps")

#define GUARD_PREFIX_MAP(map_name)                     \
	struct {                                       \
		__uint(type, BPF_MAP_TYPE_LPM_TRIE);   \
		__uint(max_entries, 1);                \
		__uint(map_flags, BPF_F_NO_PREALLOC);  \
		__type(key, struct xdp_filter_prefix); \
		__type(value, __u8);                   \
	} map_name SEC(".maps")

GUARD_MAP(services);
GUARD_MAP(servers);
GUARD_MAP(locals);
GUARD_MAP(sources);
GUARD_PREFIX_MAP(service_ranges); /* not looked at: the whole address is in services */
GUARD_PREFIX_MAP(server_ranges);

struct ends {
	struct xdp_filter_key source; /* with port, except of a fragment */
	struct xdp_filter_key destination;
};

static __always_inline int
load(struct __sk_buff *skb, __u32 offset, void *to, __u32 size)
{
	return bpf_skb_load_bytes_relative(skb, offset, to, size, BPF_HDR_START_NET) == 0;
}

static __always_inline void
set_v4(struct xdp_filter_key *key, __be32 address)
{
	key->address[10] = 0xff;
	key->address[11] = 0xff;
	__builtin_memcpy(&key->address[12], &address, 4);
}

static __always_inline void
set_source_port(struct __sk_buff *skb, __u32 offset, __u8 protocol, struct ends *e)
{
	__be16 port;

	if (load(skb, offset, &port, sizeof(port))) {
		e->source.port_be = port;
		e->source.protocol = protocol;
	}
}

/* False: neither TCP nor UDP. */
static __always_inline int
parse_v4(struct __sk_buff *skb, __u32 l3, struct ends *e)
{
	struct iphdr ip;

	if (!load(skb, l3, &ip, sizeof(ip)))
		return 0;
	if (ip.protocol != IPPROTO_TCP && ip.protocol != IPPROTO_UDP)
		return 0;
	set_v4(&e->source, ip.saddr);
	set_v4(&e->destination, ip.daddr);
	if (!(ip.frag_off & bpf_htons(0x3fff)))
		set_source_port(skb, l3 + ip.ihl * 4, ip.protocol, e);
	return 1;
}

/* Takes fragments, of which the first may hide its protocol behind other headers, as the filter. */
static __always_inline int
parse_v6(struct __sk_buff *skb, __u32 l3, struct ends *e)
{
	struct ipv6hdr ip;

	if (!load(skb, l3, &ip, sizeof(ip)))
		return 0;
	if (ip.nexthdr != IPPROTO_TCP && ip.nexthdr != IPPROTO_UDP &&
		ip.nexthdr != IPPROTO_FRAGMENT)
		return 0;
	__builtin_memcpy(e->source.address, &ip.saddr, 16);
	__builtin_memcpy(e->destination.address, &ip.daddr, 16);
	if (ip.nexthdr != IPPROTO_FRAGMENT)
		set_source_port(skb, l3 + sizeof(ip), ip.nexthdr, e);
	return 1;
}

SEC("tc")
int
shunt_guard(struct __sk_buff *skb)
{
	__be16 type = (__be16)skb->protocol;
	struct xdp_filter_prefix prefix = { .bits = XDP_FILTER_PREFIX_BITS };
	struct ends e = {};
	__u32 l3 = 0;
	int ours = 0;

	/* The kernel has taken one VLAN tag off before; a second one still stands there. */
	if (type == bpf_htons(ETH_P_8021Q) || type == bpf_htons(ETH_P_8021AD)) {
		if (!load(skb, 2, &type, sizeof(type)))
			return TC_ACT_UNSPEC;
		l3 = 4;
	}
	if (type == bpf_htons(ETH_P_IP))
		ours = parse_v4(skb, l3, &e);
	else if (type == bpf_htons(ETH_P_IPV6))
		ours = parse_v6(skb, l3, &e);
	if (!ours)
		return TC_ACT_UNSPEC;
	if (bpf_map_lookup_elem(&services, &e.destination) ||
		bpf_map_lookup_elem(&sources, &e.destination))
		return TC_ACT_SHOT;
	/*
	 * A reply that the kernel forwards reaches the client under the server's own address, and
	 * the client resets it.
	 */
	prefix.key = e.source;
	if ((bpf_map_lookup_elem(&servers, &e.source) ||
		    bpf_map_lookup_elem(&server_ranges, &prefix)) &&
		!bpf_map_lookup_elem(&locals, &e.destination))
		return TC_ACT_SHOT;
	return TC_ACT_UNSPEC;
}

char LICENSE[] SEC("license") = "BSD-3-Clause";
