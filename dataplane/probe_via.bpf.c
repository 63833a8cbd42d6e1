/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Carries probes through services. To the kernel's socket a probe is a connection to the server's
 * own address, with a mark that names the server (SHUNT_PROBE_MARK); to the server it comes as a
 * client's packet would, to the balanced address, by MAC or in the tunnel's encapsulation:
 *
 *   out	a marked packet gets the service's address and port as its destination, and the
 *		outer headers that dataplane/tunnel.c would give it. The frame leads to the server
 *		or to the gateway on the way there, since the kernel has routed it to the server's
 *		own address
 *   in		what comes from the balanced address, for a probe that went out, comes from the
 *		server's own address again
 *
 * A marked packet that cannot be carried is dropped: a probe that goes another way than it should
 * would tell something else than it is asked.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "shunt/limits.h"
#include "probe_via_map.h"

/* enum shunt_encap: types.h brings in libc's headers, which are not for this target. */
#define ENCAP_NONE 0
#define ENCAP_IPIP 1
#define ENCAP_GUE  2
#define ENCAP_GRE  3

#define OUTER_TTL 64
#define GRE_BYTES 4
#define IP4_DF	  0x4000

#define OPEN_PROBES 32768 /* four times what shunt-control has open at most */

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SHUNT_MAX_SERVERS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct probe_via_target);
} targets SEC(".maps");

/* A probe's answers, as they come; what they are to come from. */
struct answer {
	__u8 local[16];
	__u8 service[16];
	__be16 local_port;
	__be16 service_port;
};

struct origin {
	__u8 server[16];
	__be16 port;
	__u8 pad[2];
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, OPEN_PROBES);
	__type(key, struct answer);
	__type(value, struct origin);
} answers SEC(".maps");

/* A TCP packet and where its parts are. */
struct packet {
	__u32 l3;
	__u32 l4;
	__u8 version;
	__u8 source[16];
	__u8 destination[16];
	__be16 ports[2];
	__u8 start[8]; /* of the IP header */
};

static __always_inline void
set_v4(__u8 to[16], __be32 address)
{
	to[10] = 0xff;
	to[11] = 0xff;
	__builtin_memcpy(to + 12, &address, 4);
}

static __always_inline int
same(const __u8 a[16], const __u8 b[16])
{
	__u64 x[2], y[2];

	__builtin_memcpy(x, a, 16);
	__builtin_memcpy(y, b, 16);
	return x[0] == y[0] && x[1] == y[1];
}

static __always_inline int
parse_v4(struct __sk_buff *skb, struct packet *p)
{
	struct iphdr ip;

	if (bpf_skb_load_bytes(skb, p->l3, &ip, sizeof(ip)) < 0 || ip.protocol != IPPROTO_TCP ||
		ip.ihl < 5 || ip.frag_off & bpf_htons(0x3fff))
		return 0;
	set_v4(p->source, ip.saddr);
	set_v4(p->destination, ip.daddr);
	p->version = 4;
	p->l4 = p->l3 + ip.ihl * 4;
	return 1;
}

/* Without extension headers: a kernel puts none into a connection that did not ask for them. */
static __always_inline int
parse_v6(struct __sk_buff *skb, struct packet *p)
{
	struct ipv6hdr ip;

	if (bpf_skb_load_bytes(skb, p->l3, &ip, sizeof(ip)) < 0 || ip.nexthdr != IPPROTO_TCP)
		return 0;
	__builtin_memcpy(p->source, &ip.saddr, 16);
	__builtin_memcpy(p->destination, &ip.daddr, 16);
	p->version = 6;
	p->l4 = p->l3 + sizeof(ip);
	return 1;
}

/* p is zeroed. False: no TCP packet. */
static __always_inline int
parse(struct __sk_buff *skb, struct packet *p)
{
	__be16 type;

	p->l3 = ETH_HLEN;
	if (bpf_skb_load_bytes(skb, ETH_HLEN - 2, &type, sizeof(type)) < 0)
		return 0;
	if (type == bpf_htons(ETH_P_8021Q)) {
		p->l3 += 4;
		if (bpf_skb_load_bytes(skb, p->l3 - 2, &type, sizeof(type)) < 0)
			return 0;
	}
	if (type == bpf_htons(ETH_P_IP) ? !parse_v4(skb, p)
					: type != bpf_htons(ETH_P_IPV6) || !parse_v6(skb, p))
		return 0;
	return bpf_skb_load_bytes(skb, p->l3, p->start, sizeof(p->start)) == 0 &&
		bpf_skb_load_bytes(skb, p->l4, p->ports, sizeof(p->ports)) == 0;
}

/* Replaces an address and its port, source or destination, with the checksums. False: no memory. */
static __always_inline int
replace(struct __sk_buff *skb, const struct packet *p, int destination, const __u8 before[16],
	const __u8 after[16], __be16 port)
{
	__u32 checksum = p->l4 + __builtin_offsetof(struct tcphdr, check);
	__u32 port_at = p->l4 + (destination ? 2 : 0);
	__u8 from[16], to[16];
	__u32 address_at;
	__s64 difference;

	__builtin_memcpy(from, before, 16);
	__builtin_memcpy(to, after, 16);
	/* The first 12 bytes of two IPv4 addresses are the same, and make no difference. */
	difference = bpf_csum_diff((__be32 *)from, 16, (__be32 *)to, 16, 0);
	if (difference < 0 ||
		bpf_l4_csum_replace(skb, checksum, 0, difference, BPF_F_PSEUDO_HDR) < 0 ||
		bpf_l4_csum_replace(skb, checksum, p->ports[destination], port, sizeof(port)) < 0 ||
		bpf_skb_store_bytes(skb, port_at, &port, sizeof(port), 0) < 0)
		return 0;
	if (p->version == 6) {
		address_at = p->l3 +
			(destination ? __builtin_offsetof(struct ipv6hdr, daddr)
				     : __builtin_offsetof(struct ipv6hdr, saddr));
		return bpf_skb_store_bytes(skb, address_at, to, 16, 0) == 0;
	}
	address_at = p->l3 +
		(destination ? __builtin_offsetof(struct iphdr, daddr)
			     : __builtin_offsetof(struct iphdr, saddr));
	return bpf_l3_csum_replace(skb, p->l3 + __builtin_offsetof(struct iphdr, check), 0,
		       difference, 0) == 0 &&
		bpf_skb_store_bytes(skb, address_at, to + 12, 4, 0) == 0;
}

static __always_inline __u16
fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)sum;
}

/* What a UDP checksum over IPv6 is the sum of. */
struct gue6_sum {
	__u8 source[16];
	__u8 destination[16];
	__be32 length;
	__be32 protocol;
	struct udphdr udp;
	__u8 inner[8];
	__be16 minus[2];
};

/*
 * The checksum inside may not be there yet, as the card puts it in. It need not: with it, the TCP
 * segment and its pseudo header add up to nothing, so that the sum of the inner packet is that of
 * the IP header without the pseudo header's part (the kernel calls this local checksum offload).
 */
static __always_inline __u16
gue6_checksum(const struct probe_via_target *t, const struct udphdr *udp, const __u8 inner[8])
{
	struct gue6_sum s = {};
	__be16 inner_bytes;
	__u16 checksum;

	__builtin_memcpy(s.source, t->source, 16);
	__builtin_memcpy(s.destination, t->server, 16);
	s.length = bpf_htonl(bpf_ntohs(udp->len));
	s.protocol = bpf_htonl(IPPROTO_UDP);
	s.udp = *udp;
	__builtin_memcpy(s.inner, inner, 8);
	__builtin_memcpy(&inner_bytes, inner + 4, 2);
	s.minus[0] = ~inner_bytes;
	s.minus[1] = ~bpf_htons(IPPROTO_TCP);
	checksum = ~fold(bpf_csum_diff(0, 0, (__be32 *)&s, sizeof(s), 0));
	return checksum ? checksum : 0xffff;
}

/* GUE's UDP header, or GRE's, to be written at `at`; `bytes` from there on. */
static __always_inline int
put_shim(struct __sk_buff *skb, const struct packet *p, const struct probe_via_target *t, __u32 at,
	__u32 bytes)
{
	struct udphdr udp = {};
	__be16 gre[2] = {};

	if (t->encap == ENCAP_GRE) {
		gre[1] = p->version == 4 ? bpf_htons(ETH_P_IP) : bpf_htons(ETH_P_IPV6);
		return bpf_skb_store_bytes(skb, at, gre, sizeof(gre), 0) == 0;
	}
	if (t->encap != ENCAP_GUE)
		return 1;
	udp.source = bpf_htons(0xc000 | (bpf_ntohs(p->ports[0]) & 0x3fff));
	udp.dest = t->encap_port_be;
	udp.len = bpf_htons(bytes);
	if (p->version == 6)
		udp.check = gue6_checksum(t, &udp, p->start);
	return bpf_skb_store_bytes(skb, at, &udp, sizeof(udp), 0) == 0;
}

static __always_inline __u8
outer_protocol(const struct packet *p, const struct probe_via_target *t)
{
	if (t->encap == ENCAP_GUE)
		return IPPROTO_UDP;
	if (t->encap == ENCAP_GRE)
		return IPPROTO_GRE;
	return p->version == 4 ? IPPROTO_IPIP : IPPROTO_IPV6;
}

static __always_inline __u64
room_flags(const struct probe_via_target *t)
{
	__u64 flags = t->version == 4 ? BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 : BPF_F_ADJ_ROOM_ENCAP_L3_IPV6;

	if (t->encap == ENCAP_GUE)
		flags |= BPF_F_ADJ_ROOM_ENCAP_L4_UDP;
	if (t->encap == ENCAP_GRE)
		flags |= BPF_F_ADJ_ROOM_ENCAP_L4_GRE;
	return flags;
}

static __always_inline int
put_outer_v4(struct __sk_buff *skb, const struct packet *p, const struct probe_via_target *t)
{
	struct iphdr ip = { .version = 4, .ihl = 5, .ttl = OUTER_TTL };

	ip.tot_len = bpf_htons(skb->len - p->l3);
	ip.frag_off = bpf_htons(IP4_DF);
	ip.protocol = outer_protocol(p, t);
	__builtin_memcpy(&ip.saddr, t->source + 12, 4);
	__builtin_memcpy(&ip.daddr, t->server + 12, 4);
	ip.check = ~fold(bpf_csum_diff(0, 0, (__be32 *)&ip, sizeof(ip), 0));
	return bpf_skb_store_bytes(skb, p->l3, &ip, sizeof(ip), 0) == 0;
}

static __always_inline int
put_outer_v6(struct __sk_buff *skb, const struct packet *p, const struct probe_via_target *t)
{
	struct ipv6hdr ip = { .version = 6, .hop_limit = OUTER_TTL };

	ip.payload_len = bpf_htons(skb->len - p->l3 - sizeof(ip));
	ip.nexthdr = outer_protocol(p, t);
	__builtin_memcpy(&ip.saddr, t->source, 16);
	__builtin_memcpy(&ip.daddr, t->server, 16);
	return bpf_skb_store_bytes(skb, p->l3, &ip, sizeof(ip), 0) == 0;
}

static __always_inline int
encapsulate(struct __sk_buff *skb, const struct packet *p, const struct probe_via_target *t)
{
	__u32 outer = p->version == 4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	__u32 shim = t->encap == ENCAP_GUE ? sizeof(struct udphdr)
		: t->encap == ENCAP_GRE	   ? GRE_BYTES
					   : 0;

	if (bpf_skb_adjust_room(skb, outer + shim, BPF_ADJ_ROOM_MAC, room_flags(t)) < 0)
		return 0;
	if (!put_shim(skb, p, t, p->l3 + outer, skb->len - p->l3 - outer))
		return 0;
	return p->version == 4 ? put_outer_v4(skb, p, t) : put_outer_v6(skb, p, t);
}

static __always_inline void
remember(const struct packet *p, const struct probe_via_target *t)
{
	struct answer answer = {};
	struct origin origin = {};

	__builtin_memcpy(answer.local, p->source, 16);
	__builtin_memcpy(answer.service, t->service, 16);
	answer.local_port = p->ports[0];
	answer.service_port = t->service_port_be;
	__builtin_memcpy(origin.server, p->destination, 16);
	origin.port = p->ports[1];
	bpf_map_update_elem(&answers, &answer, &origin, BPF_ANY);
}

SEC("tc")
int
shunt_via_out(struct __sk_buff *skb)
{
	__u32 id = skb->mark & ~SHUNT_PROBE_MARK_MASK;
	struct probe_via_target *t;
	struct packet p = {};

	if ((skb->mark & SHUNT_PROBE_MARK_MASK) != SHUNT_PROBE_MARK)
		return TC_ACT_UNSPEC;
	if (!parse(skb, &p))
		return TC_ACT_UNSPEC;
	t = bpf_map_lookup_elem(&targets, &id);
	if (!t || t->version != p.version || !same(t->server, p.destination) ||
		t->server_port_be != p.ports[1])
		return TC_ACT_SHOT;
	remember(&p, t);
	if (!replace(skb, &p, 1, p.destination, t->service, t->service_port_be))
		return TC_ACT_SHOT;
	if (t->encap != ENCAP_NONE && !encapsulate(skb, &p, t))
		return TC_ACT_SHOT;
	return TC_ACT_UNSPEC;
}

SEC("tc")
int
shunt_via_in(struct __sk_buff *skb)
{
	struct answer answer = {};
	struct origin *origin;
	struct packet p = {};

	if (!parse(skb, &p))
		return TC_ACT_UNSPEC;
	__builtin_memcpy(answer.local, p.destination, 16);
	__builtin_memcpy(answer.service, p.source, 16);
	answer.local_port = p.ports[1];
	answer.service_port = p.ports[0];
	origin = bpf_map_lookup_elem(&answers, &answer);
	if (!origin)
		return TC_ACT_UNSPEC;
	return replace(skb, &p, 0, p.source, origin->server, origin->port) ? TC_ACT_UNSPEC
									   : TC_ACT_SHOT;
}

char LICENSE[] SEC("license") = "BSD-3-Clause";
