/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every server gets its share: 200,000 new connections for each algorithm, with one worker and with
 * two that take them at random, counted against the weights by Pearson's chi-square. The bound is
 * the 99.99 % point for 9 degrees of freedom, so that one run in ten thousand would fail by chance;
 * the seeds are fixed.
 */
#include "select_fixture.h"

#define SERVERS	    10
#define CONNECTIONS 200000
#define CHI_SQUARE  33.72

static const uint32_t equal[SERVERS] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
static const uint32_t unequal[SERVERS] = { 1, 2, 3, 4, 5, 6, 7, 8, 100, 256 };

static double
chi_square(const uint64_t *counts, const uint32_t *weights)
{
	double all = 0, sum = 0, total = 0;

	for (uint32_t m = 0; m < SERVERS; m++) {
		all += weights[m];
		total += (double)counts[m];
	}
	for (uint32_t m = 0; m < SERVERS; m++) {
		double expected = total * weights[m] / all, off = (double)counts[m] - expected;

		sum += off * off / expected;
	}
	return sum;
}

struct run {
	enum shunt_algorithm algorithm;
	const uint32_t *weights;
	unsigned int workers;
	uint32_t live; /* connections at a time; 0: each ends before the next one begins */
	bool mixed;    /* some of them live long */
};

/* Which of the live ones ends: of mixed ones the first tenth hardly ever does. */
static uint32_t
who_ends(const struct run *run, uint64_t *seed)
{
	uint32_t at = (uint32_t)(helper_random(seed) % run->live);

	if (run->mixed && at < run->live / 10 && helper_random(seed) % 64)
		at = run->live / 10 +
			(uint32_t)(helper_random(seed) % (run->live - run->live / 10));
	return at;
}

static double
measure(const struct run *run)
{
	struct fixture *f =
		fixture_create(run->algorithm, run->weights, SERVERS, 1u << 14, run->workers);
	struct {
		uint32_t worker, member;
	} *live = calloc(run->live + 1, sizeof(*live));
	uint64_t counts[SERVERS] = { 0 }, seed = 2718281828u + run->workers;
	double result;

	f->p.client_port_be = 0;
	publish(f, run->algorithm, SHUNT_HASH_SOURCE_PORT, run->weights, SERVERS, 1u << 14);
	for (uint32_t i = 0; i < CONNECTIONS; i++) {
		uint32_t at = i < run->live ? i : run->live ? who_ends(run, &seed) : 0;

		if (i >= run->live && i > 0)
			--*sessions(f, live[at].worker, live[at].member);
		set_client(f, (uint32_t)helper_random(&seed));
		live[at].worker = (uint32_t)(helper_random(&seed) % run->workers);
		live[at].member = pick(f, live[at].worker);
		++*sessions(f, live[at].worker, live[at].member);
		counts[live[at].member]++;
	}
	result = chi_square(counts, run->weights);
	free(live);
	fixture_destroy(f);
	return result;
}

/* Short connections, and many that last. */
static void
test_shares(void)
{
	static const enum shunt_algorithm algorithms[] = { SHUNT_SOURCE, SHUNT_ROUNDROBIN,
		SHUNT_RANDOM, SHUNT_LEASTCONN };

	for (unsigned int i = 0; i < 4 * 2 * 2 * 2; i++) {
		struct run run = {
			.algorithm = algorithms[i / 8],
			.weights = i & 1 ? unequal : equal,
			.workers = 1 + (i >> 1 & 1),
			.live = i >> 2 & 1 ? 5000 : 0,
		};

		/*
		 * Where hardly a connection is open at a time, there is nothing that least
		 * connections could weigh: it takes turns, with weights too.
		 */
		if (run.algorithm == SHUNT_LEASTCONN && !run.live && run.weights == unequal)
			continue;
		if (measure(&run) >= CHI_SQUARE) {
			printf("algorithm %u, %u workers, %u live, %s weights: chi-square %.1f\n",
				run.algorithm, run.workers, run.live, i & 1 ? "unequal" : "equal",
				measure(&run));
			CU_FAIL("a share is not its weight's");
		}
	}
}

/*
 * Long and short connections mixed: what is to be even then is not who gets how many new ones, but
 * who has how many.
 */
static void
test_leastconn_mixed(void)
{
	for (unsigned int workers = 1; workers <= 2; workers++) {
		struct run run = { SHUNT_LEASTCONN, equal, workers, 5000, true };
		struct fixture *f =
			fixture_create(SHUNT_LEASTCONN, equal, SERVERS, 1u << 10, workers);
		struct {
			uint32_t worker, member;
		} live[5000];
		uint64_t seed = workers;

		for (uint32_t i = 0; i < CONNECTIONS; i++) {
			uint32_t at = i < run.live ? i : who_ends(&run, &seed);

			if (i >= run.live)
				--*sessions(f, live[at].worker, live[at].member);
			live[at].worker = (uint32_t)(helper_random(&seed) % workers);
			live[at].member = pick(f, live[at].worker);
			++*sessions(f, live[at].worker, live[at].member);
		}
		for (uint32_t m = 0; m < SERVERS; m++) {
			uint64_t sum = select_sessions(&f->states[0], FIRST_SERVER + m);

			/* One that ends before the next begins. */
			CU_ASSERT(sum >= 499 && sum <= 501);
		}
		fixture_destroy(f);
	}
}

static const struct unit_test tests[] = {
	{ "shares are weights", test_shares },
	{ "least connections, long ones and short ones", test_leastconn_mixed },
};

UNIT_MAIN("evenness", tests)
