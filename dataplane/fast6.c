/* SPDX-License-Identifier: BSD-3-Clause */
#include "fast6.h"

#include "classify_impl.h"
#include "fast_judge.h"
#include "fields.h"
#include "owner.h"

void
fast6_begin(struct fast6_burst *b)
{
	b->marks = 0;
	b->kept_back = 0;
	b->count = 0;
}

/* Is TCP's or UDP's header as it should be? Sets *special. As parse_tcp() and parse_udp(). */
static inline bool
l4_is_fine(const uint8_t *l4, uint8_t protocol, unsigned int l4_bytes, bool *special)
{
	unsigned int header_bytes = (l4[12] & 0xf0u) >> 2, udp_bytes;
	unsigned int flags = l4[13] & FAST_TCP_DECIDING;

	if (protocol == SHUNT_TCP) {
		*special |= flags != PKT_ACK;
		return header_bytes >= 20 && header_bytes <= l4_bytes &&
			(FAST_TCP_FLAGS >> flags & 1);
	}
	udp_bytes = field_load_be16(l4 + UDP_LENGTH);
	return protocol == SHUNT_UDP && udp_bytes >= UDP_BYTES && udp_bytes <= l4_bytes;
}

/*
 * As parse_ip6(), without extension headers. Addresses that no packet may have are not looked for:
 * no such packet has ever begun a flow. Sets bytes and kind.
 */
static inline bool
parse(struct fast6_pkt *p, unsigned int frame_bytes)
{
	const uint8_t *ip = p->frame + FAST_L3;
	unsigned int payload = field_load_be16(ip + 4);
	bool special = ip[IP6_HOP_LIMIT] <= 1;

	if (field_load_be16(ip - 2) != ETHERTYPE_IP6 || ip[0] >> 4 != 6 ||
		payload + FAST6_L4 > frame_bytes ||
		!l4_is_fine(ip + IP6_BYTES, ip[6], payload, &special))
		return false;
	p->bytes = (uint16_t)(FAST6_L4 + payload);
	p->kind = special ? FAST_SPECIAL : 0;
	return true;
}

/* The service of an endpoint that belongs to one alone; 0: none, or more. */
static inline uint16_t
service_of(const struct classifier *c, const uint8_t *address, uint16_t port_be, uint8_t protocol,
	enum role role)
{
	struct key key = classify_key(address, 6, port_be, protocol, role);
	const struct entry *e = classify_find(c, &key, classify_key_hash(&key));

	return e->tail && !e->others ? e->service : 0;
}

/* Adds the direction to kind, sets words. False: what it is is for classify_burst() to say. */
static inline bool
classify(const struct fast_view *v, struct fast6_pkt *p)
{
	const struct classifier *c = v->classifier;
	const uint8_t *ip = p->frame + FAST_L3, *l4 = p->frame + FAST6_L4;
	const uint8_t *source = ip + IP6_SOURCE, *destination = ip + IP6_DESTINATION;
	uint16_t sport_be = fast_load16(l4 + L4_SPORT), dport_be = fast_load16(l4 + L4_DPORT);
	uint16_t service = service_of(c, destination, dport_be, ip[6], ROLE_SERVICE);
	unsigned int last = destination[15];

	if (service) {
		p->words = flow_words_v6(source, sport_be, service, 0);
		return true;
	}
	service = service_of(c, source, sport_be, ip[6], ROLE_SERVER);
	if (!service || (v->no_reply[last / 64] >> (last % 64) & 1))
		return false;
	p->kind |= PKT_TO_CLIENT;
	p->words = flow_words_v6(destination, dport_be, service, 0);
	return true;
}

/* An address as one of 64 bits. */
static inline uint64_t
mark_of(const void *address)
{
	uint64_t sum = fast_load64(address) + fast_load64((const uint8_t *)address + 8) * 3;

	return 1ull << (sum * 0x9e3779b97f4a7c15ull >> 58);
}

/* Those of both ends of a frame of whatever kind; 0: it is none of IPv6. */
static uint64_t
mark_strange(const uint8_t *frame, unsigned int bytes)
{
	const uint8_t *ip = fast_ip_behind_tags(frame, bytes, ETHERTYPE_IP6, IP6_BYTES);

	return ip ? mark_of(ip + IP6_SOURCE) | mark_of(ip + IP6_DESTINATION) : 0;
}

static inline bool
is_ours(const struct fast_view *v, const struct fast6_pkt *p)
{
	uint16_t port_be = (uint16_t)p->words.endpoint;

	return v->worker_count == 1 ||
		worker_owner(owner_hash(p->words.word, port_be, v->owner_seed), v->worker_count) ==
		v->worker;
}

bool
fast6_take(const struct fast_view *v, struct fast6_burst *b, uint8_t *frame, uint16_t bytes,
	void *mbuf)
{
	struct fast6_pkt *p = &b->pkts[b->count];
	uint64_t hash;

	p->frame = frame;
	p->mbuf = mbuf;
	if (bytes < FAST6_MIN_BYTES || !parse(p, bytes) || !classify(v, p) ||
		(b->marks & mark_of(p->words.word))) {
		b->marks |= mark_strange(frame, bytes);
		return false;
	}
	if (!is_ours(v, p))
		return false; /* nor is what comes behind it in its flow */
	hash = flow_hash(v->secret, FLOW_SLOTS_V6, &p->words);
	p->hash = (uint32_t)hash;
	p->bucket = &v->wide->buckets[flow_first(v->wide, hash)];
	__builtin_prefetch(p->bucket);
	b->count++;
	return true;
}

/* No branch on whether it is there, which is beyond prediction; nor on where. */
static inline unsigned int
look(struct fast6_pkt *p)
{
	unsigned int mask = flow_match(p->bucket, FLOW_SLOTS_V6, &p->words);

	p->flow = &p->bucket->v6.value[__builtin_ctz(mask | 1u << (FLOW_SLOTS_V6 - 1))];
	return mask;
}

void
fast6_find(const struct fast_view *v, struct fast6_burst *b)
{
	uint8_t missed[PKT_BURST + 1];
	unsigned int misses = 0;

	for (unsigned int i = 0; i < b->count; i++) {
		missed[misses] = (uint8_t)i;
		misses += look(&b->pkts[i]) == 0;
	}
	for (unsigned int i = 0; i < misses; i++) {
		struct fast6_pkt *p = &b->pkts[missed[i]];

		p->bucket = &v->wide->buckets[flow_next(
			v->wide, (uint32_t)(p->bucket - v->wide->buckets), p->hash)];
		__builtin_prefetch(p->bucket);
	}
	for (unsigned int i = 0; i < misses; i++) {
		struct fast6_pkt *p = &b->pkts[missed[i]];

		if (!look(p))
			p->flow = NULL;
	}
}

/* As track_hit_to_server(), for the servers that this path knows. */
static inline bool
fits_to_server(const struct fast_view *v, const struct fast6_pkt *p, uint64_t value,
	const struct gen_server *s)
{
	const struct link *hop = &v->hops[flow_hop(value)];
	uint64_t from = fast_load64(p->frame + 6) & FAST_LINK_MAC;

	if (fast_load64(hop) != (from | v->back) || link_vlans(hop->vlan) ||
		!fast_leads(v, p->words.endpoint >> 16, s))
		return false;
	if (s->plain == GEN_PLAIN_NAT_SHARED)
		return flow_flags(value) & FLOW_CLAIMED;
	return s->plain == GEN_PLAIN_NAT ||
		(s->plain == GEN_PLAIN_DR && p->bytes - FAST_L3 <= v->least_mtu);
}

/* As track_hit_to_client(): it comes from the flow's server, and the way to the client is known. */
static inline bool
fits_to_client(const struct fast_view *v, const struct fast6_pkt *p, uint64_t value,
	const struct gen_server *s)
{
	const struct link *hop = &v->hops[flow_hop(value)];
	const uint8_t *ip = p->frame + FAST_L3;

	return (s->plain == GEN_PLAIN_NAT || s->plain == GEN_PLAIN_NAT_SHARED) &&
		memcmp(s->address, ip + IP6_SOURCE, 16) == 0 &&
		memcmp(s->address, ip + IP6_DESTINATION, 16) != 0 &&
		s->port_be == fast_load16(p->frame + FAST6_L4 + L4_SPORT) && hop->known &&
		!link_vlans(hop->vlan);
}

/* The server of a flow that goes on, or NULL. Moves the flow's age on. */
static inline const struct gen_server *
judge(const struct fast_view *v, const struct fast6_pkt *p)
{
	uint64_t value = *p->flow;
	uint32_t id = flow_server(value);
	const struct gen_server *s = &v->servers[id];

	if (id >= v->server_count || s->version != 6 || !fast_is_steady(value) ||
		(p->kind & FAST_SPECIAL))
		return NULL;
	if (p->kind == PKT_TO_SERVER ? !fits_to_server(v, p, value, s)
				     : !fits_to_client(v, p, value, s))
		return NULL;
	return fast_keep(v, p->words.endpoint >> 16, p->flow, value) ? s : NULL;
}

static inline void
update_l4(struct fast6_pkt *p, uint16_t before, uint16_t after)
{
	uint8_t protocol = p->frame[FAST_L3 + 6];

	field_update_l4_checksum(p->frame + FAST6_L4 + field_l4_checksum(protocol), protocol,
		checksum_delta(before, after));
}

static inline void
leave_by(const struct fast_view *v, struct fast6_pkt *p, const struct link *link)
{
	memcpy(p->frame, link->mac.bytes, sizeof(link->mac.bytes));
	memcpy(p->frame + 6, v->port_macs[link->port].bytes, sizeof(link->mac.bytes));
	p->out_port = link->port;
}

static inline void
to_server(const struct fast_view *v, struct fast6_pkt *p, const struct gen_server *s)
{
	uint32_t service = p->words.endpoint >> 16, id = flow_server(*p->flow);
	uint32_t bytes = p->bytes - FAST_L3;
	uint8_t *ip = p->frame + FAST_L3;

	if (s->plain != GEN_PLAIN_DR) {
		ip[IP6_HOP_LIMIT]--;
		memcpy(ip + IP6_DESTINATION, s->address, 16);
		memcpy(p->frame + FAST6_L4 + L4_DPORT, &s->port_be, 2);
		update_l4(p, v->services[service].l4_sum, s->l4_sum);
	}
	leave_by(v, p, &s->link);
	v->service_stats[service].in_packets++;
	v->service_stats[service].in_bytes += bytes;
	v->server_stats[id].in_packets++;
	v->server_stats[id].in_bytes += bytes;
}

static inline void
to_client(const struct fast_view *v, struct fast6_pkt *p, const struct gen_server *s)
{
	uint32_t service = p->words.endpoint >> 16, id = flow_server(*p->flow);
	uint32_t bytes = p->bytes - FAST_L3;
	uint8_t *ip = p->frame + FAST_L3;

	ip[IP6_HOP_LIMIT]--;
	memcpy(ip + IP6_SOURCE, v->services[service].address, 16);
	memcpy(p->frame + FAST6_L4 + L4_SPORT, &v->services[service].port_be, 2);
	update_l4(p, s->l4_sum, v->services[service].l4_sum);
	leave_by(v, p, &v->hops[flow_hop(*p->flow)]);
	v->service_stats[service].out_packets++;
	v->service_stats[service].out_bytes += bytes;
	v->server_stats[id].out_packets++;
	v->server_stats[id].out_bytes += bytes;
}

bool
fast6_forward(const struct fast_view *v, struct fast6_burst *b, struct fast6_pkt *p)
{
	uint64_t mark = 1ull << (p->hash & 63);
	const struct gen_server *s = NULL;

	if (p->flow && !(b->kept_back & mark))
		s = judge(v, p);
	if (!s) {
		b->kept_back |= mark;
		return false;
	}
	if (p->kind == PKT_TO_SERVER)
		to_server(v, p, s);
	else
		to_client(v, p, s);
	return true;
}
