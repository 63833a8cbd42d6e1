/* SPDX-License-Identifier: BSD-3-Clause */
/* Have two worlds of fast_bed.h come to the same? */
#ifndef TESTS_FAST_COMPARE_H
#define TESTS_FAST_COMPARE_H

#include "fast_scene.h"

static inline void
compare_print(const char *what, const struct bed_packet *a, const struct bed_packet *b)
{
	static const char *const fates[] = { "lost", "sent", "dropped", "handed over", "rare" };

	printf("\n  %s, packet %u: %s %s, %s %s\n  ", what, a->index, fates[a->fate],
		shunt_drop_name(a->drop), fates[b->fate], shunt_drop_name(b->drop));
	for (uint32_t i = 0; i < a->bytes && i < 80; i++)
		printf("%02x", a->frame[i]);
	printf("\n");
}

/* What parse would drop for its source alone may be left to its owner to drop. */
static inline bool
compare_may_be_handed_over(const struct bed_packet *by_stages, const struct bed_packet *by_fast)
{
	return by_fast->fate == BED_HANDED_OVER && by_stages->fate == BED_DROPPED &&
		frame_get16(by_fast->frame + 12) == ETHERTYPE_IP4 &&
		(by_stages->drop == SHUNT_DROP_IP_SOURCE || by_stages->drop == SHUNT_DROP_LAND);
}

static inline bool
compare_packet(const struct bed_packet *a, const struct bed_packet *b)
{
	bool same = a->fate == b->fate && a->drop == b->drop && a->owner == b->owner;

	if (same && a->fate == BED_SENT)
		same = a->out_port == b->out_port && a->out_bytes == b->out_bytes &&
			a->out - a->block == b->out - b->block &&
			memcmp(a->out, b->out, a->out_bytes) == 0;
	else if (same)
		same = a->fit_bytes == b->fit_bytes &&
			(a->bytes == 0 || memcmp(a->frame, b->frame, a->bytes) == 0);
	return (same && a->fate != BED_LOST) || compare_may_be_handed_over(a, b);
}

/* Of all packets, and of the counters. */
static inline bool
compare_burst(const struct bed_world *a, const struct bed_world *b)
{
	bool same = true;

	for (unsigned int i = 0; i < a->in_count && same; i++) {
		same = compare_packet(&a->in[i], &b->in[i]);
		if (!same)
			compare_print("differs", &a->in[i], &b->in[i]);
	}
	if (memcmp(a->tracker->stats, b->tracker->stats, sizeof(*a->tracker->stats)) ||
		memcmp(a->tracker->services, b->tracker->services,
			(2 * SCENE_SERVICES + 1) * sizeof(*a->tracker->services)) ||
		memcmp(a->tracker->servers, b->tracker->servers,
			(2 * SCENE_SERVERS + 1) * sizeof(*a->tracker->servers))) {
		printf("\n  counters differ\n");
		same = false;
	}
	return same;
}

/* A visit of a world's flows, which are looked up in another. */
struct compare_flows {
	const struct bed_world *from;
	const struct bed_world *to;
	bool set_age; /* of the other's, to that of this one's */
	unsigned int flows;
	unsigned int lagging;
	unsigned int wrong;
};

/* All but the age; hops by what they say, for their places depend on who came first. */
static inline bool
compare_values(const struct compare_flows *c, uint64_t a, uint64_t b)
{
	const uint64_t most = 0x0000ff0000ffffffull;
	const struct link *hop_a = &c->from->tracker->hops->hops[flow_hop(a)];
	const struct link *hop_b = &c->to->tracker->hops->hops[flow_hop(b)];

	if ((a & most) != (b & most))
		return false;
	if (flow_source(a))
		return flow_source_port(a) == flow_source_port(b);
	return memcmp(hop_a, hop_b, sizeof(*hop_a)) == 0;
}

static inline void
compare_flow(void *context, const struct flow_key *key, uint64_t *flow, bool expired)
{
	struct compare_flows *c = context;
	const struct flow_timeouts *timeouts = c->from->tracker->generation->timeouts;
	uint16_t limit = timeouts[key->service].ticks[flow_state(*flow)], lag;
	uint64_t *other;

	(void)expired;
	if (flow_expired(timeouts, (uint32_t)key->service << 16, *flow, c->from->tick))
		return;
	c->flows++;
	other = flow_lookup(c->to->tracker->flows, key, c->to->tick);
	if (!other || !compare_values(c, *flow, *other)) {
		printf("\n  flow of service %u: %016lx, %016lx\n", key->service, *flow,
			other ? *other : 0);
		c->wrong++;
		return;
	}
	lag = flow_last_seen(*flow) - flow_last_seen(*other);
	/* Never ahead, and behind by no more than what leaves the timeout its due. */
	if (lag > limit >> FLOW_STALE_SHIFT)
		c->wrong++;
	c->lagging += lag != 0;
	if (c->set_age)
		flow_set(other,
			flow_value_update(*other, flow_state(*other), flow_flags(*other),
				flow_last_seen(*flow)));
}

static inline void
compare_visit(struct compare_flows *c)
{
	struct flow_cursor cursor = { 0 };

	while (flow_visit(c->from->tracker->flows, &cursor, 4096, compare_flow, c)) {
	}
}

static inline void
compare_count(void *context, const struct flow_key *key, uint64_t *flow, bool expired)
{
	struct compare_flows *c = context;

	(void)expired;
	c->flows += !flow_expired(c->from->tracker->generation->timeouts,
		(uint32_t)key->service << 16, *flow, c->from->tick);
}

/*
 * Are the flows of a, by the stages, and of b the same? Ages are made equal then, so that no flow
 * expires in one world before it does in the other. lagging: adds flows of which they were not.
 */
static inline bool
compare_all_flows(const struct bed_world *a, const struct bed_world *b, unsigned int *lagging)
{
	struct compare_flows there = { .from = a, .to = b, .set_age = true };
	struct compare_flows back = { .from = b };
	struct flow_cursor cursor = { 0 };

	compare_visit(&there);
	while (flow_visit(b->tracker->flows, &cursor, 4096, compare_count, &back)) {
	}
	*lagging += there.lagging;
	return !there.wrong && there.flows == back.flows &&
		flow_claims(a->tracker->flows) == flow_claims(b->tracker->flows);
}

static inline unsigned int
compare_index(const void *mbuf)
{
	return ((const struct bed_packet *)mbuf)->index;
}

/* Has take said the same? Both have looked at the same burst. */
static inline bool
compare_taken(const struct bed_world *a, const struct bed_world *b)
{
	const struct fast_burst *f = &a->fast, *g = &b->fast;
	bool same = f->count == g->count && f->strange_count == g->strange_count &&
		f->foreign_count == g->foreign_count &&
		a->view.strange_marks == b->view.strange_marks;

	for (unsigned int i = 0; same && i < f->strange_count; i++)
		same = compare_index(f->strange[i]) == compare_index(g->strange[i]);
	for (unsigned int i = 0; same && i < f->foreign_count; i++)
		same = compare_index(f->foreign[i].mbuf) == compare_index(g->foreign[i].mbuf) &&
			f->foreign[i].owner == g->foreign[i].owner;
	for (unsigned int i = 0; same && i < f->count; i++)
		same = compare_index(f->mbuf[i]) == compare_index(g->mbuf[i]) &&
			f->frame[i] == ((struct bed_packet *)f->mbuf[i])->frame &&
			g->frame[i] == ((struct bed_packet *)g->mbuf[i])->frame &&
			f->key[i] == g->key[i] && f->hash[i] == g->hash[i] &&
			f->bucket[i] - a->view.buckets == g->bucket[i] - b->view.buckets &&
			f->from[i] == g->from[i] &&
			(f->endpoint[i] == g->endpoint[i] || !(f->kind[i] & PKT_TO_CLIENT)) &&
			f->checksums[i] == g->checksums[i] && f->ip_bytes[i] == g->ip_bytes[i] &&
			f->kind[i] == g->kind[i];
	return same;
}

/* Has a judge pass? */
static inline bool
compare_judged(const struct bed_judged *a, const struct bed_judged *b)
{
	bool same = a->found == b->found && a->fit == b->fit;

	for (uint64_t fit = a->fit; same && fit; fit &= fit - 1) {
		unsigned int i = (unsigned int)__builtin_ctzll(fit);

		same = a->way[i] == b->way[i] &&
			(a->way[i] == FAST_DR || a->checksums[i] == b->checksums[i]);
	}
	return same;
}

/* Have all passes? After a walk. */
static inline bool
compare_passes(const struct bed_world *a, const struct bed_world *b)
{
	uint64_t found = a->judged[0].found | a->judged[1].found;
	bool same = compare_taken(a, b) && compare_judged(&a->judged[0], &b->judged[0]) &&
		compare_judged(&a->judged[1], &b->judged[1]) &&
		a->view.kept_back == b->view.kept_back;

	for (; same && found; found &= found - 1) {
		unsigned int i = (unsigned int)__builtin_ctzll(found);

		same = a->fast.value[i] == b->fast.value[i] &&
			(uint64_t *)a->view.buckets - a->fast.flow[i] ==
				(uint64_t *)b->view.buckets - b->fast.flow[i] &&
			*a->fast.flow[i] == *b->fast.flow[i];
	}
	return same;
}

#endif
