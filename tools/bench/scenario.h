/* SPDX-License-Identifier: BSD-3-Clause */
/* What is measured: the scenarios of a run, and how they are named. */
#ifndef BENCH_SCENARIO_H
#define BENCH_SCENARIO_H

#include <stddef.h>

#include "shunt/types.h"

enum scenario_kind {
	SCENARIO_PACKETS,     /* of established flows, and first ones of new clients */
	SCENARIO_CONNECTIONS, /* whole TCP connections of new clients, beside the established flows
			       */
};

struct scenario {
	uint8_t forward; /* enum shunt_forward; a tunnel is IP in IP */
	uint8_t version; /* of clients and servers: 4 or 6 */
	bool zipf;	 /* some flows send much more than others; else all the same */
	uint16_t burst;
	uint32_t flows; /* established before the measurement begins */
	uint32_t services;
	uint32_t servers;     /* of the one backend behind all services */
	uint32_t new_percent; /* of the packets: first ones of new clients */
	uint8_t kind;	      /* enum scenario_kind */
	bool udp;	 /* there are services of UDP beside those of TCP, at the same addresses */
	bool stateless;	 /* flow mode of the services; modes dr and tunnel only */
	uint8_t balance; /* enum shunt_algorithm */
	bool flood;	 /* of new clients: their SYNs are answered with cookies, mode nat only */
	bool by_connection; /* servers are chosen by whole connections, not by client and port */
	uint32_t rules; /* of each service; the last one lets in all that the others have not held
			   of */
};

/* New clients that the flow table has room for beside a scenario's flows. */
#define SCENARIO_NEW_ROOM (2u << 20)

/* new_percent of connections: one packet in eight. */
#define SCENARIO_CONNECTIONS_NEW 12

enum scenario_set {
	SCENARIO_QUICK, /* a minute */
	SCENARIO_WHOLE, /* a quarter of an hour */
};

/* What the others are variations of. */
const struct scenario *scenario_base(void);

/* Hugepages in MB that a run of it needs. */
uint32_t scenario_memory_mb(const struct scenario *scenario);

/* The scenarios of a set, in the order of their measurement; returns how many. */
size_t scenario_list(enum scenario_set set, const struct scenario **list);

/* What a scenario is to reach. */
struct scenario_aim {
	double ratio; /* to the swapping loop; 0: nothing is aimed at */
	double mpps;  /* or this, of packets that open flows or belong to whole connections; or 0 */
};
struct scenario_aim scenario_aim(const struct scenario *scenario);

const char *scenario_mode(const struct scenario *s);		       /* "nat", ... */
const char *scenario_balance(const struct scenario *s);		       /* "source", ... */
const char *scenario_family(const struct scenario *s);		       /* "ipv4", "ipv6" */
const char *scenario_distribution(const struct scenario *s);	       /* "uniform", "zipf" */
void scenario_flows(const struct scenario *s, char *out, size_t size); /* "64k", "1M" */
/* For people: "nat ipv4 1M flows, 10 % new, ...". */
void scenario_describe(const struct scenario *s, char *out, size_t size);

#endif
