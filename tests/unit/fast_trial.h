/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The fast path against the stages that can do everything: the same frames, the same objects, and
 * the same must come of it. Both kinds of passes.
 */
#ifndef TESTS_FAST_TRIAL_H
#define TESTS_FAST_TRIAL_H

#include "fast_compare.h"
#include "fast_frames.h"

#define WORLDS	       3 /* by the stages alone, by simple passes, by the CPU's best */
#define BURSTS	       1200
#define CAPACITY_FLOWS 2048

struct trial {
	struct scene *scene;
	struct bed_world *worlds[WORLDS];
	unsigned int lagging;
};

static inline void
trial_open(struct trial *t, uint64_t seed, uint32_t workers, enum scene_extra extra,
	enum scene_family family)
{
	*t = (struct trial){ 0 };
	t->worlds[0] = bed_world_create(NULL, workers, CAPACITY_FLOWS);
	t->worlds[1] = bed_world_create(fast_passes(true), workers, CAPACITY_FLOWS);
	t->worlds[2] = bed_world_create(fast_passes(false), workers, CAPACITY_FLOWS);
	t->scene = scene_open(seed, extra, family, t->worlds, WORLDS);
	scene_connect(t->scene, t->worlds, WORLDS);
}

static inline void
trial_close(struct trial *t)
{
	scene_close(t->scene);
	for (unsigned int i = 0; i < WORLDS; i++)
		bed_world_destroy(t->worlds[i]);
}

/* Packets of one flow leave in the order in which they came. */
static inline bool
is_in_order(const struct bed_world *w, const struct scene_frame *frames)
{
	for (unsigned int i = 0; i < w->in_count; i++) {
		for (unsigned int k = 0; k < i; k++) {
			if (frames[i].flow >= 0 && frames[i].flow == frames[k].flow &&
				w->in[i].fate == BED_SENT && w->in[k].fate == BED_SENT &&
				w->in[i].turn < w->in[k].turn)
				return false;
		}
	}
	return true;
}

/* False: something was not as it should be, and has been printed. */
static inline bool
trial_burst(struct trial *t, unsigned int n, enum scene_dirt dirt)
{
	static struct scene_frame frames[PKT_BURST];
	uint8_t port = scene_draw_burst(t->scene, t->worlds, WORLDS, n, dirt, frames);
	bool good = true;

	for (unsigned int i = 0; i < WORLDS; i++) {
		bed_walk(t->worlds[i], port);
		good &= is_in_order(t->worlds[i], frames);
	}
	if (good && !compare_passes(t->worlds[1], t->worlds[2])) {
		printf("\n  the passes differ\n");
		good = false;
	}
	for (unsigned int i = 1; i < WORLDS && good; i++)
		good = compare_burst(t->worlds[0], t->worlds[i]);
	for (unsigned int i = 0; i < WORLDS; i++)
		bed_clear(t->worlds[i]);
	return good;
}

static inline bool
trial_flows_are_same(struct trial *t)
{
	return compare_all_flows(t->worlds[0], t->worlds[1], &t->lagging) &&
		compare_all_flows(t->worlds[0], t->worlds[2], &t->lagging);
}

/* The clock goes on, by little or by much. */
static inline void
trial_tick(struct trial *t)
{
	static const uint8_t steps[] = { 1, 1, 1, 2, 5, 20, 200 };
	uint16_t step = steps[scene_random(t->scene, sizeof(steps))];

	for (unsigned int i = 0; i < WORLDS; i++) {
		t->worlds[i]->tick += step;
		track_sweep(t->worlds[i]->tracker, 200, t->worlds[i]->tick);
	}
}

static inline void
trial_was_about_something(const struct trial *t, enum scene_family family)
{
	const struct bed_world *w = t->worlds[1];
	unsigned int least = family == SCENE_BOTH ? BURSTS / 4 : BURSTS;
	uint64_t unanswered = 0;

	if (family != SCENE_IP6) {
		CU_ASSERT_TRUE(w->by_fast > least);
		CU_ASSERT_TRUE(w->by_fast_to_client > least / 4);
		CU_ASSERT_TRUE(w->fast_left > least / 4 || family == SCENE_BOTH);
	}
	if (family != SCENE_IP4) {
		CU_ASSERT_TRUE(w->by_fast6 > least);
		CU_ASSERT_TRUE(w->by_fast6_to_client > least / 4);
	}
	/* The counters of this are compared as all are, so there must be something to compare. */
	for (uint32_t id = 1; id <= 2 * SCENE_SERVERS; id++)
		unanswered += w->tracker->servers[id].syn_unanswered;
	CU_ASSERT_TRUE(unanswered > 0);
	CU_ASSERT_EQUAL(w->by_fast, t->worlds[2]->by_fast);
	CU_ASSERT_EQUAL(w->by_fast6, t->worlds[2]->by_fast6);
	CU_ASSERT_TRUE(t->lagging > 0);
}

static inline void
check_trial(uint64_t seed, uint32_t workers, enum scene_extra extra, enum scene_family family)
{
	struct trial t;
	unsigned int burst = 0;
	bool good = true;

	trial_open(&t, seed, workers, extra, family);
	for (; burst < BURSTS && good; burst++) {
		enum scene_dirt dirt = scene_random(t.scene, SCENE_DIRTS);

		if (burst % 20 == 19) {
			scene_change(t.scene);
			scene_publish(t.scene, t.worlds, WORLDS);
		}
		if (burst % 300 == 299)
			scene_connect(t.scene, t.worlds, WORLDS);
		good = trial_burst(&t, 1 + scene_random(t.scene, PKT_BURST), dirt);
		/* Before ages tell in which world a flow has expired. */
		if (burst % 4 == 3)
			good = good && trial_flows_are_same(&t);
		if (burst % 8 == 7)
			trial_tick(&t);
	}
	if (!good)
		printf("\n  seed %lu, burst %u, %u workers\n", seed, burst, workers);
	CU_ASSERT_TRUE(good);
	trial_was_about_something(&t, family);
	trial_close(&t);
}

/* Established flows, with the values that their entries have in each world. */
#define KEPT 8

struct kept {
	unsigned int connection[KEPT];
	uint64_t value[WORLDS][KEPT];
	struct scene_frame frames[KEPT];
};

/* Expired or not. */
static inline uint64_t *
kept_flow(const struct trial *t, unsigned int world, unsigned int connection)
{
	const struct scene_connection *c = &t->scene->connections[connection];
	const struct bed_world *w = t->worlds[world];
	struct flow_key key = scene_key(c);
	uint64_t *flow;

	w->tracker->flows->timeouts = NULL;
	flow = flow_lookup(w->tracker->flows, &key, w->tick);
	w->tracker->flows->timeouts = w->tracker->generation->timeouts;
	return flow;
}

/* A client that is nothing else. */
static inline bool
is_usual(const struct scene_connection *c)
{
	bool ip4 = c->version == 4;

	return c->client[ip4 ? 0 : 6] == 192 && c->client[ip4 ? 3 : 15] <= SCENE_CLIENTS;
}

static inline bool
is_kept(const struct trial *t, unsigned int connection, uint8_t service)
{
	const struct scene_connection *c = &t->scene->connections[connection];
	const uint64_t *flow = kept_flow(t, 0, connection);

	return flow && c->service == service && is_usual(c) &&
		(FAST_STEADY >> flow_state(*flow) & 1) &&
		t->scene->generation->servers[flow_server(*flow)].plain &&
		/* Another one with the same ends may come by another router. */
		t->worlds[0]->tracker->hops->hops[flow_hop(*flow)].mac.bytes[5] == c->mac;
}

/* Flows of a service which the fast path forwards, and a frame of each that it does. */
static inline bool
keep_flows(struct trial *t, struct kept *k, uint8_t service, bool to_server)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < SCENE_CONNECTIONS && n < KEPT; i++) {
		if (!is_kept(t, i, service))
			continue;
		k->connection[n] = i;
		/* Not too big for a port, nor shorter than on a wire, or than all that is read. */
		do {
			scene_draw_frame(
				t->scene, t->worlds[0], i, to_server, SCENE_CLEAN, &k->frames[n]);
		} while (k->frames[n].length > 200 || k->frames[n].length < FAST6_MIN_BYTES);
		for (unsigned int w = 0; w < WORLDS; w++)
			k->value[w][n] = *kept_flow(t, w, i);
		n++;
	}
	return n == KEPT;
}

/* A burst of the flows' frames, one of which is another; all is then as before. */
static inline bool
walk_kept_at(struct trial *t, const struct kept *k, unsigned int at,
	const struct scene_frame *other, uint8_t port)
{
	bool good = true;

	for (unsigned int w = 0; w < WORLDS; w++) {
		for (unsigned int i = 0; i < KEPT; i++) {
			const struct scene_frame *f = i == at ? other : &k->frames[i];

			bed_put(t->worlds[w], f->bytes, f->length);
		}
		bed_walk(t->worlds[w], port);
		good &= w == 0 || compare_burst(t->worlds[0], t->worlds[w]);
	}
	good &= compare_passes(t->worlds[1], t->worlds[2]);
	for (unsigned int w = 0; w < WORLDS; w++) {
		bed_clear(t->worlds[w]);
		for (unsigned int i = 0; i < KEPT; i++) {
			uint64_t *flow = kept_flow(t, w, k->connection[i]);

			if (flow)
				flow_set(flow, k->value[w][i]);
		}
	}
	return good;
}

static inline bool
walk_kept(struct trial *t, const struct kept *k, const struct scene_frame *other, uint8_t port)
{
	return walk_kept_at(t, k, scene_random(t->scene, KEPT), other, port);
}

#endif
