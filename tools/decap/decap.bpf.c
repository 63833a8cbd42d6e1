/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Takes the outer headers off what shunt-dataplane sends through tunnels, and lets the kernel go on
 * with the client's packet as if it had come by itself. XDP rather than tc, because the packet has
 * not met the kernel yet: either family may be inside either, and no tunnel device is needed.
 *
 *	Ethernet | IPv4 or IPv6, no options | nothing, GRE, or UDP and GUE | IPv4 or IPv6 ...
 *
 * What is no such packet is passed on untouched; fragments are, too, since Shunt sends none.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "decap.h"

const volatile struct decap_settings settings = { .any_source = 1 };

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, DECAP_MAX_SOURCES);
	__type(key, struct decap_address);
	__type(value, __u8);
} sources SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, DECAP_COUNTERS);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

enum verdict {
	NOT_OURS,
	WRONG,
	GOOD,
};

/* What the outer headers have said. */
struct tunnel {
	struct decap_address source;
	__u32 inner_offset;
	__u32 bytes;	/* of the outer IP packet */
	__u8 protocol;	/* behind the outer IP header */
	__u8 inner_is6; /* else IPv4 */
};

/*
 * The same value, with a bound that the verifier sees: it loses sight of small numbers when they go
 * over the stack. The barrier keeps the compiler from proving the mask needless.
 */
static __always_inline __u32
bounded(__u32 value, __u32 mask)
{
	asm volatile("" : "+r"(value));
	return value & mask;
}

static __always_inline void
count(__u32 counter)
{
	__u64 *value = bpf_map_lookup_elem(&counters, &counter);

	if (value)
		(*value)++;
}

static __always_inline enum verdict
parse_ip4(struct iphdr *ip, void *end, struct tunnel *t)
{
	__u16 *words = (__u16 *)ip;
	__u32 sum = 0;

	if ((void *)(ip + 1) > end || ip->version != 4 || ip->ihl != 5)
		return NOT_OURS;
	if (ip->frag_off & bpf_htons(0x3fff))
		return NOT_OURS;
	t->protocol = ip->protocol;
	t->inner_offset = ETH_HLEN + sizeof(*ip);
	t->bytes = bpf_ntohs(ip->tot_len);
	t->source.bytes[10] = 0xff;
	t->source.bytes[11] = 0xff;
	__builtin_memcpy(&t->source.bytes[12], &ip->saddr, 4);
#pragma unroll
	for (int i = 0; i < 10; i++)
		sum += words[i];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum == 0xffff ? GOOD : WRONG;
}

static __always_inline enum verdict
parse_ip6(struct ipv6hdr *ip, void *end, struct tunnel *t)
{
	if ((void *)(ip + 1) > end || ip->version != 6)
		return NOT_OURS;
	t->protocol = ip->nexthdr;
	t->inner_offset = ETH_HLEN + sizeof(*ip);
	t->bytes = sizeof(*ip) + bpf_ntohs(ip->payload_len);
	__builtin_memcpy(t->source.bytes, &ip->saddr, 16);
	return GOOD;
}

/* Without options, as RFC 2784 has it; the kernel may have tunnels of its own that use some. */
static __always_inline enum verdict
parse_gre(__be16 *gre, void *end, struct tunnel *t)
{
	if ((void *)(gre + 2) > end || gre[0] != 0)
		return NOT_OURS;
	if (gre[1] != bpf_htons(ETH_P_IP) && gre[1] != bpf_htons(ETH_P_IPV6))
		return NOT_OURS;
	t->inner_is6 = gre[1] == bpf_htons(ETH_P_IPV6);
	t->inner_offset += 4;
	return GOOD;
}

/*
 * Variant 1 is the packet itself, told by its version; variant 0 has a header of 4 bytes (and here
 * no more) in front of it. Shunt sends the first, others the second.
 */
static __always_inline enum verdict
parse_gue(struct udphdr *udp, void *end, struct tunnel *t)
{
	__u8 *gue = (__u8 *)(udp + 1);

	if ((void *)(gue + 4) > end || udp->dest != settings.gue_port_be)
		return NOT_OURS;
	if (bpf_ntohs(udp->len) + t->inner_offset - ETH_HLEN != t->bytes)
		return WRONG;
	t->inner_offset += sizeof(*udp);
	if (gue[0] >> 6 == 1) {
		t->inner_is6 = gue[0] >> 4 == 6;
		return GOOD;
	}
	if (gue[0] != 0 || gue[2] != 0 || gue[3] != 0 ||
		(gue[1] != IPPROTO_IPIP && gue[1] != IPPROTO_IPV6))
		return WRONG;
	t->inner_is6 = gue[1] == IPPROTO_IPV6;
	t->inner_offset += 4;
	return GOOD;
}

static __always_inline enum verdict
parse_shim(void *data, void *end, struct tunnel *t)
{
	switch (t->protocol) {
	case IPPROTO_IPIP:
	case IPPROTO_IPV6:
		t->inner_is6 = t->protocol == IPPROTO_IPV6;
		return GOOD;
	case IPPROTO_GRE:
		return parse_gre(data + bounded(t->inner_offset, 0x7f), end, t);
	case IPPROTO_UDP:
		return parse_gue(data + bounded(t->inner_offset, 0x7f), end, t);
	default:
		return NOT_OURS;
	}
}

/* A whole header of the family that was announced, and no longer than the packet around it. */
static __always_inline enum verdict
check_inner(void *data, void *end, const struct tunnel *t)
{
	void *inner = data + bounded(t->inner_offset, 0x7f);
	struct ipv6hdr *ip6 = inner;
	struct iphdr *ip4 = inner;
	__u32 bytes;

	if (data + ETH_HLEN + bounded(t->bytes, 0x1ffff) > end)
		return WRONG;
	if (t->inner_is6) {
		if ((void *)(ip6 + 1) > end || ip6->version != 6)
			return WRONG;
		bytes = sizeof(*ip6) + bpf_ntohs(ip6->payload_len);
	} else {
		if ((void *)(ip4 + 1) > end || ip4->version != 4 || ip4->ihl < 5)
			return WRONG;
		bytes = bpf_ntohs(ip4->tot_len);
	}
	return t->inner_offset - ETH_HLEN + bytes <= t->bytes ? GOOD : WRONG;
}

static __always_inline enum verdict
parse(void *data, void *end, struct tunnel *t)
{
	struct ethhdr *eth = data;
	enum verdict ip, shim;

	if ((void *)(eth + 1) > end)
		return NOT_OURS;
	if (eth->h_proto == bpf_htons(ETH_P_IP))
		ip = parse_ip4((void *)(eth + 1), end, t);
	else if (eth->h_proto == bpf_htons(ETH_P_IPV6))
		ip = parse_ip6((void *)(eth + 1), end, t);
	else
		return NOT_OURS;
	if (ip == NOT_OURS)
		return NOT_OURS;
	shim = parse_shim(data, end, t);
	if (shim != GOOD)
		return shim;
	if (ip != GOOD || (!settings.any_source && !bpf_map_lookup_elem(&sources, &t->source)))
		return WRONG;
	return check_inner(data, end, t);
}

SEC("xdp")
int
shunt_decap(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	struct tunnel t = {};
	struct ethhdr eth, *out;
	enum verdict verdict = parse(data, (void *)(long)ctx->data_end, &t);

	if (verdict == NOT_OURS)
		return XDP_PASS;
	if (verdict == WRONG) {
		count(DECAP_REFUSED);
		return XDP_DROP;
	}
	__builtin_memcpy(&eth, data, sizeof(eth));
	if (bpf_xdp_adjust_head(ctx, (int)t.inner_offset - ETH_HLEN) < 0)
		return XDP_DROP;
	out = (void *)(long)ctx->data;
	if ((void *)(out + 1) > (void *)(long)ctx->data_end)
		return XDP_DROP;
	eth.h_proto = t.inner_is6 ? bpf_htons(ETH_P_IPV6) : bpf_htons(ETH_P_IP);
	__builtin_memcpy(out, &eth, sizeof(eth));
	count(DECAP_TAKEN);
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "BSD-3-Clause";
