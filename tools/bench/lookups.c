/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_cycles.h>
#include <rte_hash.h>
#include <rte_hash_crc.h>
#include <rte_malloc.h>

#include "flow.h"
#include "lookups.h"
#include "traffic.h"
#include "zipf.h"

#define BURSTS 16384 /* in a round: a million lookups */

/* The key of rte_hash: what an IPv4 flow of the flow table is known by. */
struct hash_key {
	uint32_t address;
	uint16_t port_be;
	uint16_t service;
};

struct tables {
	uint32_t flows;
	struct flow_table *flow_table;
	struct rte_hash *hash;
	uint64_t *states; /* [flows]: what rte_hash's data points to */
	uint64_t random;
	uint64_t sink; /* so that nothing read is optimised away */
};

static void
key_of(uint32_t flow, struct hash_key *key)
{
	static const struct scenario s = { .version = 4, .services = 1 };
	struct traffic_end client;

	traffic_client(&s, flow, &client);
	memcpy(&key->address, client.address, 4);
	key->port_be = client.port_be;
	key->service = 1;
}

static size_t
allocated(void)
{
	struct rte_malloc_socket_stats stats;

	rte_malloc_get_socket_stats((int)rte_socket_id(), &stats);
	return stats.heap_allocsz_bytes;
}

static int
fill(struct tables *t)
{
	for (uint32_t i = 0; i < t->flows; i++) {
		struct flow_key flow = { .version = 4 };
		struct hash_key key;

		key_of(i, &key);
		memcpy(flow.address, &key.address, 4);
		flow.port_be = key.port_be;
		flow.service = key.service;
		t->states[i] = flow_value(1, FLOW_ESTABLISHED, 1, 0);
		if (!flow_insert(t->flow_table, &flow, t->states[i], 0) ||
			rte_hash_add_key_data(t->hash, &key, &t->states[i]) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int
tables_create(struct tables *t, uint32_t flows, struct lookups *out)
{
	static const uint64_t seed[2] = { 1, 2 };
	struct rte_hash_parameters parameters = {
		.name = "bench",
		/* More than there will be: with the last ones of a full table inserts fail. */
		.entries = flows + flows / 8,
		.key_len = sizeof(struct hash_key),
		.hash_func = rte_hash_crc,
		.socket_id = (int)rte_socket_id(),
	};
	size_t before = allocated();

	*t = (struct tables){ .flows = flows, .random = 1 };
	t->flow_table = flow_table_create(flows, seed);
	if (!t->flow_table)
		return -ENOMEM;
	out->flow6_bytes = (double)flow_bytes(t->flow_table, 6) / flows;
	out->flow_bytes = (double)(allocated() - before) / flows - out->flow6_bytes;
	before = allocated();
	t->hash = rte_hash_create(&parameters);
	t->states = rte_malloc(NULL, flows * sizeof(*t->states), 64);
	if (!t->hash || !t->states)
		return -ENOMEM;
	out->hash_bytes = (double)(allocated() - before) / flows;
	return fill(t);
}

static void
tables_destroy(struct tables *t)
{
	if (t->flow_table)
		flow_table_destroy(t->flow_table);
	rte_hash_free(t->hash);
	rte_free(t->states);
}

static void
draw(struct tables *t, struct hash_key keys[PKT_BURST])
{
	for (int i = 0; i < PKT_BURST; i++)
		key_of(zipf_random(&t->random) % t->flows, &keys[i]);
}

static double
round_of_flow_table(struct tables *t)
{
	struct pkt pkts[PKT_BURST] = { 0 }, *list[PKT_BURST];
	struct hash_key keys[PKT_BURST];
	uint64_t cycles = 0;

	for (int burst = 0; burst < BURSTS; burst++) {
		uint64_t start;

		draw(t, keys);
		for (int i = 0; i < PKT_BURST; i++) {
			pkts[i].version = 4;
			pkts[i].client = (const uint8_t *)&keys[i].address;
			pkts[i].client_port_be = keys[i].port_be;
			pkts[i].service = 1;
			list[i] = &pkts[i];
		}
		start = rte_rdtsc();
		flow_lookup_burst(t->flow_table, list, PKT_BURST, 0);
		for (int i = 0; i < PKT_BURST; i++)
			t->sink += pkts[i].flow ? *pkts[i].flow : 0;
		cycles += rte_rdtsc() - start;
	}
	return (double)cycles / ((double)BURSTS * PKT_BURST);
}

static double
round_of_hash(struct tables *t)
{
	const void *pointers[PKT_BURST];
	struct hash_key keys[PKT_BURST];
	void *data[PKT_BURST];
	uint64_t cycles = 0, hits;

	for (int i = 0; i < PKT_BURST; i++)
		pointers[i] = &keys[i];
	for (int burst = 0; burst < BURSTS; burst++) {
		uint64_t start;

		draw(t, keys);
		start = rte_rdtsc();
		rte_hash_lookup_bulk_data(t->hash, pointers, PKT_BURST, &hits, data);
		for (int i = 0; i < PKT_BURST; i++)
			__builtin_prefetch(data[i]);
		for (int i = 0; i < PKT_BURST; i++)
			t->sink += hits >> i & 1 ? *(const uint64_t *)data[i] : 0;
		cycles += rte_rdtsc() - start;
	}
	return (double)cycles / ((double)BURSTS * PKT_BURST);
}

int
lookups_measure(uint32_t flows, unsigned int rounds, struct lookups *out)
{
	double flow[MEASURE_MAX_ROUNDS], hash[MEASURE_MAX_ROUNDS];
	struct tables t;
	int result = tables_create(&t, flows, out);

	for (unsigned int i = 0; result == 0 && i < rounds; i++) {
		flow[i] = round_of_flow_table(&t);
		hash[i] = round_of_hash(&t);
	}
	tables_destroy(&t);
	if (result < 0) {
		fprintf(stderr, "shunt-bench: no memory for lookups among %u flows\n", flows);
		return result;
	}
	out->flows = flows;
	out->flow_cycles = spread_of(flow, rounds);
	out->hash_cycles = spread_of(hash, rounds);
	return 0;
}
