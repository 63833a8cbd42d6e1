/* SPDX-License-Identifier: BSD-3-Clause */
#include "fast_judge.h"

#include <arpa/inet.h>

#include "fields.h"

/*
 * In which slot a flow lies is beyond prediction, as is whether it is in this bucket: no branch
 * here.
 */
uint64_t
fast_find(struct fast_burst *f, uint64_t among)
{
	uint64_t found = 0;

	for (; among; among &= among - 1) {
		unsigned int i = (unsigned int)__builtin_ctzll(among);
		union flow_bucket *bucket = f->bucket[i];
		const struct flow_words words = { .word[0] = f->key[i] };
		unsigned int mask = flow_match(bucket, FLOW_SLOTS_V4, &words);

		f->flow[i] = &bucket->v4.value[__builtin_ctz(mask | 1u << (FLOW_SLOTS_V4 - 1))];
		f->value[i] = *f->flow[i];
		found |= (uint64_t)(mask != 0) << i;
	}
	return found;
}

/* As track_hit_to_server(): the server may go on, and the client's way back is the flow's. */
static inline bool
fits_to_server(const struct fast_view *v, const struct fast_burst *f, unsigned int i,
	const struct gen_server *s)
{
	uint64_t value = f->value[i];
	const struct link *hop = &v->hops[flow_hop(value)];

	if (fast_load64(hop) != (f->from[i] | v->back) || link_vlans(hop->vlan) ||
		!fast_leads(v, f->key[i] >> 48, s))
		return false;
	switch (s->plain) {
	case GEN_PLAIN_NAT:
		return true;
	case GEN_PLAIN_NAT_SHARED:
		return flow_flags(value) & FLOW_CLAIMED;
	case GEN_PLAIN_DR:
		return f->ip_bytes[i] <= v->least_mtu;
	default:
		return false;
	}
}

/* As track_hit_to_client(): it comes from the flow's server, and the way to the client is known. */
static inline bool
fits_to_client(const struct fast_view *v, const struct fast_burst *f, unsigned int i,
	const struct gen_server *s)
{
	const struct link *hop = &v->hops[flow_hop(f->value[i])];
	uint32_t address = fast_load32(s->address);

	return (s->plain == GEN_PLAIN_NAT || s->plain == GEN_PLAIN_NAT_SHARED) &&
		f->endpoint[i] == (address | (uint64_t)s->port_be << 32) &&
		address != (uint32_t)f->key[i] && hop->known && !link_vlans(hop->vlan);
}

/*
 * What the checksums become when sums before[] are replaced by after[], of the address and of
 * address and port, and the TTL goes down by one, which is the upper byte of its word. RFC 1624,
 * equation 3: see checksum.h.
 */
static inline uint32_t
checksums_after(uint32_t checksums, const uint16_t *before, const uint16_t *after, bool udp)
{
	uint16_t ip = (uint16_t)checksums, l4 = checksums >> 16, l4_after;

	l4_after = (uint16_t)~checksum_fold32(
		(uint16_t)~l4 + (uint16_t)~before[1] + (uint32_t)after[1]);
	ip = (uint16_t)~checksum_fold32((uint16_t)~ip + (uint16_t)~before[0] + (uint32_t)after[0] +
		(uint16_t)~htons(0x0100));
	/* As checksum_update_udp(). */
	if (udp)
		l4_after = l4 == 0 ? 0 : l4_after ? l4_after : 0xffff;
	return ip | (uint32_t)l4_after << 16;
}

static inline bool
judge(const struct fast_view *v, struct fast_burst *f, unsigned int i)
{
	uint64_t value = f->value[i], key = f->key[i];
	uint32_t id = flow_server(value);
	const struct gen_service *service = &v->services[key >> 48];
	const struct gen_server *s;
	bool to_server = f->kind[i] == PKT_TO_SERVER;

	if (id >= v->server_count || !fast_is_steady(value) || (f->kind[i] & FAST_SPECIAL))
		return false;
	s = &v->servers[id];
	if (!(to_server ? fits_to_server(v, f, i, s) : fits_to_client(v, f, i, s)) ||
		!fast_keep(v, key >> 48, f->flow[i], value))
		return false;
	f->way[i] = !to_server		   ? FAST_NAT_TO_CLIENT
		: s->plain == GEN_PLAIN_DR ? FAST_DR
					   : FAST_NAT_TO_SERVER;
	if (f->way[i] != FAST_DR)
		f->new_checksums[i] = checksums_after(f->checksums[i],
			to_server ? &service->l3_sum : &s->l3_sum,
			to_server ? &s->l3_sum : &service->l3_sum, flow_state(value) == FLOW_UDP);
	return true;
}

uint64_t
fast_judge(struct fast_view *v, struct fast_burst *f, uint64_t found)
{
	uint64_t fit = 0;

	for (; found; found &= found - 1) {
		unsigned int i = (unsigned int)__builtin_ctzll(found);
		uint64_t mark = 1ull << (f->hash[i] & 63);

		if (!(v->kept_back & mark) && judge(v, f, i))
			fit |= FAST_BIT(i);
		else
			v->kept_back |= mark;
	}
	return fit;
}
