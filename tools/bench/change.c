/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>

#include <rte_cycles.h>
#include <rte_launch.h>
#include <rte_lcore.h>

#include "change.h"
#include "image.h"
#include "maglev.h"

#define SERVERS		1000
#define CHANGES		50	   /* in a round */
#define CHANGE_EVERY_US 10000	   /* 100 a second */
#define TIMES		(1u << 20) /* turns whose time is kept: the last ones */

/* The worker's side of the measurement, on a core of its own. */
struct runner {
	struct worker *worker;
	uint32_t *cycles; /* [TIMES] of each turn, in a ring */
	uint64_t turns;
	bool stop;
};

static int
run(void *context)
{
	struct runner *r = context;

	worker_start_clock(r->worker);
	while (!__atomic_load_n(&r->stop, __ATOMIC_RELAXED)) {
		uint64_t start = rte_rdtsc();

		worker_turn(r->worker);
		r->cycles[r->turns++ % TIMES] = (uint32_t)(rte_rdtsc() - start);
	}
	return 0;
}

static int
compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static double
us_of(uint64_t cycles)
{
	return (double)cycles * 1e6 / (double)rte_get_tsc_hz();
}

static double
p99_us(struct runner *r)
{
	size_t count = r->turns < TIMES ? r->turns : TIMES;

	qsort(r->cycles, count, sizeof(*r->cycles), compare);
	return us_of(r->cycles[count * 99 / 100]);
}

struct step_times {
	double table_ms;
	double agent_ms;
	double ack_ms;
};

/* The backend as shunt-control keeps it: the table of all servers, from which the others follow. */
struct table {
	struct maglev *maglev;
	bool up[SERVERS];
	struct shunt_backend *backend; /* with its arrays */
};

static const struct shunt_server *
server_at(const struct world *w, uint32_t index)
{
	return (const void *)object_store_get(w->objects, SHUNT_KIND_SERVER, index + 1)->bytes;
}

static int
table_create(struct table *t, const struct world *w)
{
	uint32_t id = server_at(w, 0)->backend;
	const struct object *object = object_store_get(w->objects, SHUNT_KIND_BACKEND, id);
	struct maglev_member members[SERVERS];

	for (uint32_t i = 0; i < SERVERS; i++) {
		t->up[i] = true;
		members[i] = (struct maglev_member){
			.identity = maglev_identity(
				&server_at(w, i)->address, server_at(w, i)->port_be),
			.weight = 1,
		};
	}
	t->backend = malloc(object->length);
	if (!t->backend)
		return -ENOMEM;
	memcpy(t->backend, object->bytes, object->length);
	t->maglev = maglev_create(members, SERVERS, t->backend->slot_count);
	return t->maglev ? 0 : -ENOMEM;
}

static void
table_destroy(struct table *t)
{
	maglev_destroy(t->maglev);
	free(t->backend);
}

static void
table_set(struct table *t, uint32_t server, bool up)
{
	struct shunt_backend *b = t->backend;
	struct shunt_member *members = (struct shunt_member *)(b + 1);

	t->up[server] = up;
	b->member_count = 0;
	for (uint32_t i = 0; i < SERVERS; i++) {
		if (t->up[i])
			members[b->member_count++] =
				(struct shunt_member){ .server = i + 1, .weight = 1 };
	}
	maglev_select(t->maglev, t->up, (uint16_t *)(members + b->member_count));
}

/* One server goes down, or comes up again: what each part of the way takes. */
static int
change_server(
	struct world *w, struct table *t, uint32_t server, bool down, struct step_times *times)
{
	struct shunt_server image =
		world_server(w, server, down ? SHUNT_SERVER_DOWN : SHUNT_SERVER_UP);
	uint64_t start = rte_rdtsc(), made, built;
	struct generation *before = w->generation, *next;
	const char *why;
	struct worker_msg msg;

	table_set(t, server, !down);
	made = rte_rdtsc();
	if (object_store_put(w->objects, SHUNT_KIND_BACKEND, image.backend, t->backend,
		    shunt_backend_bytes(t->backend), &why) < 0 ||
		object_store_put(
			w->objects, SHUNT_KIND_SERVER, server + 1, &image, sizeof(image), &why) < 0)
		return -EINVAL;
	next = image_generation(w->objects, before->number + 1, before);
	if (!next)
		return -ENOMEM;
	built = rte_rdtsc();
	msg = (struct worker_msg){ WORKER_OP_GENERATION, next->number, next };
	worker_tell(w->worker, &msg);
	while (__atomic_load_n(&world_stats(w)->generation, __ATOMIC_ACQUIRE) != next->number)
		rte_pause();
	*times = (struct step_times){
		.table_ms = us_of(made - start) / 1000,
		.agent_ms = us_of(built - made) / 1000,
		.ack_ms = us_of(rte_rdtsc() - built) / 1000,
	};
	w->generation = next;
	generation_destroy(before);
	return 0;
}

static int
round_of_changes(struct world *w, struct table *t, struct step_times *median)
{
	double table[CHANGES], agent[CHANGES], ack[CHANGES];

	for (uint32_t i = 0; i < CHANGES; i++) {
		struct step_times times;
		int result = change_server(w, t, i / 2 * 7 % SERVERS, i % 2 == 0, &times);

		if (result < 0)
			return result;
		table[i] = times.table_ms;
		agent[i] = times.agent_ms;
		ack[i] = times.ack_ms;
		rte_delay_us_sleep(CHANGE_EVERY_US);
	}
	*median = (struct step_times){
		spread_of(table, CHANGES).median,
		spread_of(agent, CHANGES).median,
		spread_of(ack, CHANGES).median,
	};
	return 0;
}

/* One stretch with the worker on the other core, with changes or without (NULL); and its p99. */
static int
stretch(struct world *w, struct runner *r, struct table *changes, double *p99,
	struct step_times *median)
{
	unsigned int lcore = rte_get_next_lcore(-1, 1, 0);
	int result = 0;

	r->turns = 0;
	r->stop = false;
	if (rte_eal_remote_launch(run, r, lcore) < 0)
		return -EBUSY;
	if (changes)
		result = round_of_changes(w, changes, median);
	else
		rte_delay_us_sleep(CHANGES * CHANGE_EVERY_US);
	__atomic_store_n(&r->stop, true, __ATOMIC_RELAXED);
	rte_eal_wait_lcore(lcore);
	*p99 = p99_us(r);
	return result;
}

int
change_measure(struct world *w, unsigned int rounds, struct change *out)
{
	static const struct scenario scenario = { SHUNT_NAT, 4, false, 64, 65536, 1, SERVERS, 0 };
	double table[MEASURE_MAX_ROUNDS], agent[MEASURE_MAX_ROUNDS], ack[MEASURE_MAX_ROUNDS],
		quiet[MEASURE_MAX_ROUNDS], busy[MEASURE_MAX_ROUNDS];
	struct table t = { 0 };
	struct runner r = { .cycles = calloc(TIMES, sizeof(*r.cycles)) };
	int result = r.cycles ? world_open(w, &scenario) : -ENOMEM;

	if (result < 0) {
		free(r.cycles);
		return result;
	}
	r.worker = w->worker;
	result = table_create(&t, w);
	for (unsigned int i = 0; result == 0 && i < rounds; i++) {
		struct step_times median = { 0 };

		result = stretch(w, &r, NULL, &quiet[i], &median);
		if (result == 0)
			result = stretch(w, &r, &t, &busy[i], &median);
		table[i] = median.table_ms;
		agent[i] = median.agent_ms;
		ack[i] = median.ack_ms;
	}
	table_destroy(&t);
	world_close(w);
	free(r.cycles);
	if (result < 0)
		return result;
	*out = (struct change){
		.table_ms = spread_of(table, rounds),
		.agent_ms = spread_of(agent, rounds),
		.ack_ms = spread_of(ack, rounds),
		.quiet_p99_us = spread_of(quiet, rounds),
		.busy_p99_us = spread_of(busy, rounds),
	};
	return 0;
}
