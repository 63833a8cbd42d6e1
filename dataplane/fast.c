/* SPDX-License-Identifier: BSD-3-Clause */
#include "fast.h"

#include "classify.h"
#include "fast_hash.h"
#include "fast_judge.h"
#include "fast_rewrite.h"
#include "fast_take.h"
#include "known.h"

void
fast_view_bind(struct fast_view *v, const struct tracker *tracker,
	const struct shunt_mac *port_macs, uint16_t least_mtu)
{
	const struct generation *g = tracker->generation;
	const struct flow_family *family = &tracker->flows->family[FLOW_V4];

	v->plain = *classify_plain(g->classifier);
	for (int i = 0; i < 4; i++)
		v->no_reply[i] = v->plain.no_reply[i] | known_local_filter(g->known)[i];
	v->last_endpoint = 0;
	v->last_service = 0;
	memcpy(v->secret, tracker->flows->secret, sizeof(v->secret));
	v->buckets = family->buckets;
	v->bucket_count = family->bucket_count;
	v->classifier = g->classifier;
	v->wide = &tracker->flows->family[FLOW_V6];
	v->stateless = g->has_answers ? g : NULL;
	v->flows = tracker->flows;
	v->timeouts = g->timeouts;
	v->servers = g->servers;
	v->server_count = g->server_count;
	v->services = g->services;
	v->acl = g->acl;
	v->hops = tracker->hops->hops;
	v->port_macs = port_macs;
	v->service_stats = tracker->services;
	v->server_stats = tracker->servers;
	v->least_mtu = least_mtu;
	v->worker = tracker->select.worker;
	v->worker_count = tracker->select.worker_count;
	v->owner_seed = tracker->owner_seed;
}

void
fast_view_begin(struct fast_view *v, uint8_t in_port, uint16_t tick)
{
	v->back = (uint64_t)in_port << 48 | FAST_LINK_KNOWN;
	v->kept_back = 0;
	v->strange_marks = 0;
	v->tick = tick;
}

void
fast_aim_again(const struct fast_view *v, struct fast_burst *f, uint64_t of)
{
	for (; of; of &= of - 1) {
		unsigned int i = (unsigned int)__builtin_ctzll(of);
		uint64_t second = (uint64_t)(f->bucket[i] - v->buckets) + 1 +
			((f->hash[i] & UINT32_MAX) * (v->bucket_count - 1) >> 32);

		if (second >= v->bucket_count)
			second -= v->bucket_count;
		f->bucket[i] = &v->buckets[second];
		__builtin_prefetch(f->bucket[i]);
	}
}

static inline void
put_checksums(uint8_t *frame, uint32_t checksums)
{
	uint8_t *ip = frame + FAST_L3;
	uint16_t l3 = (uint16_t)checksums, l4 = checksums >> 16;

	ip[IP4_TTL]--;
	memcpy(ip + IP4_CHECKSUM, &l3, sizeof(l3));
	memcpy(frame + FAST_L4 + field_l4_checksum(ip[9]), &l4, sizeof(l4));
}

static inline void
nat_to_client(const struct fast_view *v, struct fast_burst *f, unsigned int i, struct fast_tally *t)
{
	uint64_t value = f->value[i], service = f->key[i] >> 48;
	struct shunt_server_stats *stats = &v->server_stats[flow_server(value)];
	uint8_t *frame = f->frame[i];

	memcpy(frame + FAST_L3 + IP4_SOURCE, v->services[service].address, 4);
	memcpy(frame + FAST_L4 + L4_SPORT, &v->services[service].port_be, 2);
	put_checksums(frame, f->new_checksums[i]);
	fast_leave_by(v, f, i, &v->hops[flow_hop(value)]);
	fast_tally_add(t, &v->service_stats[service].out_packets, f->ip_bytes[i]);
	stats->out_packets++;
	stats->out_bytes += f->ip_bytes[i];
}

static inline void
to_server(const struct fast_view *v, struct fast_burst *f, unsigned int i, struct fast_tally *t)
{
	uint32_t id = flow_server(f->value[i]);

	if (f->way[i] == FAST_NAT_TO_SERVER) {
		const struct gen_server *s = &v->servers[id];
		uint8_t *frame = f->frame[i];

		memcpy(frame + FAST_L3 + IP4_DESTINATION, s->address, 4);
		memcpy(frame + FAST_L4 + L4_DPORT, &s->port_be, 2);
		put_checksums(frame, f->new_checksums[i]);
	}
	fast_to_server(v, f, i, id, t);
}

void
fast_rewrite(const struct fast_view *v, struct fast_burst *f, uint64_t these)
{
	struct fast_tally t = { .counters = &v->service_stats[0].in_packets };

	for (; these; these &= these - 1) {
		unsigned int i = (unsigned int)__builtin_ctzll(these);

		if (f->way[i] == FAST_NAT_TO_CLIENT)
			nat_to_client(v, f, i, &t);
		else
			to_server(v, f, i, &t);
	}
	fast_tally_end(&t);
}

/* As in parse.c: sources that packets may have; class E is left to that. */
static bool
source_is_fine(const uint8_t *source)
{
	return source[0] != 0 && source[0] != 127 && source[0] < 224;
}

bool
fast_leave(const struct fast_view *v, const struct fast_burst *f, unsigned int i, bool found,
	uint8_t in_port, struct pkt *p)
{
	const uint8_t *ip = f->frame[i] + FAST_L3, *l4 = f->frame[i] + FAST_L4;
	uint64_t key = f->key[i], *flow = found ? f->flow[i] : NULL;
	const uint8_t *source = ip + IP4_SOURCE, *destination = ip + IP4_DESTINATION;
	enum pkt_direction direction = f->kind[i] & ~FAST_SPECIAL;

	if (!source_is_fine(source) || memcmp(source, destination, 4) == 0)
		return false;
	pkt_poison(p);
	p->data = f->frame[i];
	p->bytes = FAST_L3 + field_load_be16(ip + 2);
	p->drop = SHUNT_DROP_NONE;
	p->version = 4;
	p->kind = PKT_PLAIN;
	p->protocol = ip[9];
	p->tcp_flags = p->protocol == SHUNT_TCP ? l4[13] : 0;
	p->l3_offset = FAST_L3;
	p->vlan[0] = 0;
	p->vlan[1] = 0;
	p->l4_offset = FAST_L4;
	memcpy(&p->sport_be, l4 + L4_SPORT, sizeof(p->sport_be));
	memcpy(&p->dport_be, l4 + L4_DPORT, sizeof(p->dport_be));
	p->fragment_offset = 0;
	p->in_port = in_port;
	p->direction = direction;
	p->service = (uint16_t)(key >> 48);
	p->other_services = 0;
	p->other_service_count = 0;
	p->client_port_be = (uint16_t)(key >> 32);
	p->client_version = 4;
	p->range_port_be = 0;
	p->client = direction == PKT_TO_SERVER ? source : destination;
	p->owner_hash = fast_owner_hash(v, key);
	p->flow = flow;
	if (flow && flow_expired(v->timeouts, (uint32_t)(key >> 32), *flow, v->tick))
		p->flow = NULL;
	p->other_port_be = 0;
	p->seq_delta = 0;
	p->source = 0;
	return true;
}

const struct fast_passes *
fast_passes(bool simple)
{
	static const struct fast_passes one = { fast_take, fast_hash, fast_find, fast_judge };
#if defined(__x86_64__)
	static const struct fast_passes eight = {
		fast_take_avx512,
		fast_hash_avx512,
		fast_find_avx512,
		fast_judge_avx512,
	};

	__builtin_cpu_init();
	if (!simple && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
		__builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
		return &eight;
#endif
	(void)simple;
	return &one;
}
