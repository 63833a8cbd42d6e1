/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the dataplane wants of a kernel interface: packets to services, packets from servers that
 * are replies to balanced flows, what comes to full NAT's source addresses, in fragments or not,
 * and ICMP errors about any of them. Everything else (ARP, ping, ssh, probes, their answers and
 * errors about them) goes on to the kernel as if Shunt were not there.
 *
 * A packet that is ours while no dataplane is listening is dropped, not passed: the kernel would
 * answer it with a reset, where a drop lets the connection live through a restart.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "shunt/limits.h"
#include "xdp_filter.h"

/* Twice the limits: one update adds the new keys before it removes the old. */
#define MAX_KEYS (2 * SHUNT_MAX_SERVICES)

/* ICMP errors; the kernel's headers that name them bring in those of libc. RFC 792, RFC 4443. */
#define ICMP_HEADER_BYTES	8
#define ICMP4_UNREACHABLE	3
#define ICMP4_TIME_EXCEEDED	11
#define ICMP4_PARAMETER_PROBLEM 12
#define ICMP6_UNREACHABLE	1
#define ICMP6_PARAMETER_PROBLEM 4

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, XDP_FILTER_MAX_QUEUES);
	__type(key, __u32);
	__type(value, __u32);
} xsks_map SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2 * MAX_KEYS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct xdp_filter_key);
	__type(value, __u8);
} services SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 6 * SHUNT_MAX_SERVERS); /* TCP, UDP, fragments */
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct xdp_filter_key);
	__type(value, __u8);
} servers SEC(".maps");

/* The same where they have several ports: looked at if the others have nothing. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 30 * MAX_KEYS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct xdp_filter_prefix);
	__type(value, __u8);
} service_ranges SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 32 * SHUNT_MAX_SERVERS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct xdp_filter_prefix);
	__type(value, __u8);
} server_ranges SEC(".maps");

/* The balancer's own addresses: what a server sends there is an answer to the kernel (a probe). */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2 * SHUNT_MAX_LOCALS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct xdp_filter_key);
	__type(value, __u8);
} locals SEC(".maps");

/* Full NAT's addresses. They are Shunt's alone: TCP and UDP to them, and errors about it, is ours.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2 * SHUNT_MAX_SOURCES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct xdp_filter_key);
	__type(value, __u8);
} sources SEC(".maps");

/* A datagram in fragments; IPv6: protocol 0, as RFC 8200 section 4.5 has none in it. */
struct datagram {
	__u8 source[16];
	__u8 destination[16];
	__be32 id;
	__u8 protocol;
	__u8 pad[3];
};

/*
 * Datagrams between addresses of services or servers whose first fragment has shown that they are
 * the kernel's, and when: the others, which have no ports, go there too.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct datagram);
	__type(value, __u64);
} passed SEC(".maps");

#define PASSED_NS 30000000000ull /* as long as the kernel waits for fragments */

enum fragment {
	WHOLE,
	FIRST_FRAGMENT, /* with ports */
	OTHER_FRAGMENT, /* no ports to read: the keys stay at port and protocol 0 */
};

/*
 * Whom a packet is from and to. An ICMP error counts as a packet on the flow that it is about, in
 * the error's direction: it is to its own destination, at the source port of the packet that it
 * quotes, and from that packet's destination.
 */
struct endpoints {
	struct xdp_filter_key source;
	struct xdp_filter_key destination;
	enum fragment fragment;
	__be32 fragment_id;
	__u8 fragment_protocol;
	__u8 is_icmp_error;
};

static __always_inline void
set_v4(struct xdp_filter_key *key, __be32 address)
{
	key->address[10] = 0xff;
	key->address[11] = 0xff;
	__builtin_memcpy(&key->address[12], &address, 4);
}

/* Fills in ports. False: the headers do not reach that far, or it is neither TCP nor UDP. */
static __always_inline int
parse_l4(void *l4, void *end, __u8 protocol, struct endpoints *e)
{
	__be16 *ports = l4;

	if ((protocol != IPPROTO_TCP && protocol != IPPROTO_UDP) || (void *)(ports + 2) > end)
		return 0;
	e->source.port_be = ports[0];
	e->destination.port_be = ports[1];
	e->source.protocol = protocol;
	e->destination.protocol = protocol;
	return 1;
}

/* Fills in ports and the source from what an ICMP error quotes of TCP or UDP. */
static __always_inline int
parse_quoted_l4(void *l4, void *end, __u8 protocol, struct endpoints *e)
{
	__be16 *ports = l4;

	e->is_icmp_error = 1;
	e->destination.protocol = protocol;
	e->source.protocol = protocol;
	if (protocol == IPPROTO_IPIP || protocol == IPPROTO_IPV6 || protocol == IPPROTO_GRE)
		return 1; /* perhaps one of our tunnels */
	if ((protocol != IPPROTO_TCP && protocol != IPPROTO_UDP) || (void *)(ports + 2) > end)
		return 0;
	e->destination.port_be = ports[0];
	e->source.port_be = ports[1];
	return 1;
}

static __always_inline int
parse_quoted_v4(void *l4, void *end, struct endpoints *e)
{
	struct iphdr *ip = l4 + ICMP_HEADER_BYTES;
	__u8 *type = l4;

	if ((void *)(ip + 1) > end)
		return 0;
	if (*type != ICMP4_UNREACHABLE && *type != ICMP4_TIME_EXCEEDED &&
		*type != ICMP4_PARAMETER_PROBLEM)
		return 0;
	if (ip->version != 4 || ip->ihl < 5 || ip->frag_off & bpf_htons(0x1fff))
		return 0;
	set_v4(&e->source, ip->daddr);
	return parse_quoted_l4((void *)ip + ip->ihl * 4, end, ip->protocol, e);
}

static __always_inline int
parse_quoted_v6(void *l4, void *end, struct endpoints *e)
{
	struct ipv6hdr *ip = l4 + ICMP_HEADER_BYTES;
	void *next = ip + 1;
	__u8 *type = l4;
	__u8 protocol;

	if (next > end)
		return 0;
	if (*type < ICMP6_UNREACHABLE || *type > ICMP6_PARAMETER_PROBLEM || ip->version != 6)
		return 0;
	__builtin_memcpy(e->source.address, &ip->daddr, 16);
	protocol = ip->nexthdr;
#pragma unroll
	for (int i = 0; i < 4; i++) {
		struct ipv6_opt_hdr *extension = next;

		if (protocol != IPPROTO_HOPOPTS && protocol != IPPROTO_ROUTING &&
			protocol != IPPROTO_DSTOPTS && protocol != IPPROTO_FRAGMENT)
			break;
		if ((void *)(extension + 1) > end)
			return 0;
		/* A fragment header's length field is reserved, and it is 8 bytes long. */
		next += protocol == IPPROTO_FRAGMENT ? 8 : 8 + extension->hdrlen * 8;
		protocol = extension->nexthdr;
	}
	return parse_quoted_l4(next, end, protocol, e);
}

/* Of a first fragment, whose header may have been cut so that nobody sees the ports: of no use. */
static __always_inline int
parse_first(void *l4, void *end, __u8 protocol, struct endpoints *e)
{
	e->fragment = FIRST_FRAGMENT;
	if (parse_l4(l4, end, protocol, e))
		return 1;
	e->fragment = OTHER_FRAGMENT;
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP;
}

static __always_inline int
parse_v4(void *l3, void *end, struct endpoints *e)
{
	struct iphdr *ip = l3;

	if ((void *)(ip + 1) > end || ip->ihl < 5)
		return 0;
	set_v4(&e->source, ip->saddr);
	set_v4(&e->destination, ip->daddr);
	e->fragment_id = ip->id;
	e->fragment_protocol = ip->protocol;
	if (ip->frag_off & bpf_htons(0x1fff)) {
		e->fragment = OTHER_FRAGMENT;
		return ip->protocol == IPPROTO_TCP || ip->protocol == IPPROTO_UDP;
	}
	if (ip->frag_off & bpf_htons(0x2000))
		return parse_first(l3 + ip->ihl * 4, end, ip->protocol, e);
	if (ip->protocol == IPPROTO_ICMP)
		return parse_quoted_v4(l3 + ip->ihl * 4, end, e);
	return parse_l4(l3 + ip->ihl * 4, end, ip->protocol, e);
}

struct fragment_header {
	__u8 next;
	__u8 reserved;
	__be16 offset; /* bytes, and in bit 0 whether more follow */
	__be32 id;
};

static __always_inline int
parse_v6(void *l3, void *end, struct endpoints *e)
{
	struct ipv6hdr *ip = l3;
	void *next = ip + 1;
	__u8 protocol;

	if ((void *)(ip + 1) > end)
		return 0;
	__builtin_memcpy(e->source.address, &ip->saddr, 16);
	__builtin_memcpy(e->destination.address, &ip->daddr, 16);
	protocol = ip->nexthdr;
#pragma unroll
	for (int i = 0; i < 4; i++) {
		struct fragment_header *extension = next; /* length of others: in `reserved` */
		__u8 length = 0;

		if (protocol != IPPROTO_HOPOPTS && protocol != IPPROTO_ROUTING &&
			protocol != IPPROTO_DSTOPTS && protocol != IPPROTO_FRAGMENT)
			break;
		if ((void *)(extension + 1) > end)
			return 0;
		if (protocol != IPPROTO_FRAGMENT) {
			length = extension->reserved;
		} else if (extension->offset & bpf_htons(0xfff9)) {
			e->fragment_id = extension->id;
			e->fragment = FIRST_FRAGMENT;
			if (extension->offset & bpf_htons(0xfff8)) {
				e->fragment = OTHER_FRAGMENT;
				return extension->next != IPPROTO_ICMPV6;
			}
		}
		protocol = extension->next;
		next += 8 + length * 8;
	}
	if (e->fragment)
		return parse_first(next, end, protocol, e);
	if (protocol == IPPROTO_ICMPV6)
		return parse_quoted_v6(next, end, e);
	return parse_l4(next, end, protocol, e);
}

/* Is its address one of the map's? */
static __always_inline int
is_address_in(void *map, const struct xdp_filter_key *key)
{
	struct xdp_filter_key address = *key;

	address.port_be = 0;
	address.protocol = 0;
	return bpf_map_lookup_elem(map, &address) != NULL;
}

/* Neither end is in the maps of single endpoints. Not inlined: the stack holds two keys more. */
static __noinline int
is_in_range(struct endpoints *e)
{
	struct xdp_filter_prefix prefix = { .bits = XDP_FILTER_PREFIX_BITS };

	if (!e)
		return 0;
	prefix.key = e->destination;
	if (bpf_map_lookup_elem(&service_ranges, &prefix))
		return 1;
	prefix.key = e->source;
	return bpf_map_lookup_elem(&server_ranges, &prefix) &&
		!is_address_in(&locals, &e->destination);
}

/* Is it an error about a packet of a tunnel to a server? Not inlined either. */
static __noinline int
is_about_tunnel(struct endpoints *e)
{
	struct xdp_filter_key tunnel;

	if (!e || !e->is_icmp_error)
		return 0;
	tunnel = e->source;
	tunnel.tunnel = 1;
	return bpf_map_lookup_elem(&servers, &tunnel) != NULL;
}

/*
 * To a service, to a source address, from a server unless it is to the balancer itself, or an error
 * about a tunnel.
 */
static __always_inline int
is_ours(struct endpoints *e)
{
	if (bpf_map_lookup_elem(&services, &e->destination) ||
		is_address_in(&sources, &e->destination) || is_about_tunnel(e))
		return 1;
	if (bpf_map_lookup_elem(&servers, &e->source) && !is_address_in(&locals, &e->destination))
		return 1;
	return is_in_range(e);
}

static __always_inline int
fragment_is_ours(struct endpoints *e)
{
	struct datagram d = { .id = e->fragment_id, .protocol = e->fragment_protocol };
	__u64 now = bpf_ktime_get_ns(), *since;

	__builtin_memcpy(d.source, e->source.address, 16);
	__builtin_memcpy(d.destination, e->destination.address, 16);
	if (e->fragment == FIRST_FRAGMENT) {
		if (is_ours(e)) {
			bpf_map_delete_elem(&passed, &d);
			return 1;
		}
		e->source.port_be = e->destination.port_be = 0;
		e->source.protocol = e->destination.protocol = 0;
		if (is_ours(e))
			bpf_map_update_elem(&passed, &d, &now, BPF_ANY);
		return 0;
	}
	if (!is_ours(e))
		return 0;
	since = bpf_map_lookup_elem(&passed, &d);
	return !since || now - *since > PASSED_NS;
}

/* A VLAN tag, as it stands behind its EtherType. */
struct vlan_tag {
	__be16 control;
	__be16 type; /* of what follows */
};

/*
 * Moves *l3 behind up to two VLAN tags; the EtherType there, or 0. A service is one in all VLANs:
 * the workers answer in the one that a packet came in.
 */
static __always_inline __be16
skip_tags(void **l3, void *end, __be16 type)
{
#pragma unroll
	for (int i = 0; i < 2; i++) {
		struct vlan_tag *tag = *l3;

		if (type != bpf_htons(ETH_P_8021Q) && type != bpf_htons(ETH_P_8021AD))
			break;
		if ((void *)(tag + 1) > end)
			return 0;
		type = tag->type;
		*l3 = tag + 1;
	}
	return type;
}

SEC("xdp")
int
shunt_filter(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *l3;
	void *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	struct endpoints e = {};
	__be16 type;
	int ours;

	if ((void *)(eth + 1) > end)
		return XDP_PASS;
	l3 = eth + 1;
	type = skip_tags(&l3, end, eth->h_proto);
	if (type == bpf_htons(ETH_P_IP))
		ours = parse_v4(l3, end, &e);
	else if (type == bpf_htons(ETH_P_IPV6))
		ours = parse_v6(l3, end, &e);
	else
		return XDP_PASS;
	if (!ours || !(e.fragment ? fragment_is_ours(&e) : is_ours(&e)))
		return XDP_PASS;
	return bpf_redirect_map(&xsks_map, ctx->rx_queue_index, XDP_DROP);
}

char LICENSE[] SEC("license") = "BSD-3-Clause";
