/* SPDX-License-Identifier: BSD-3-Clause */
/* The service image of a scenario, with the selection table as shunt-control makes it. */
#ifndef BENCH_IMAGE_H
#define BENCH_IMAGE_H

#include "generation.h"
#include "objects.h"
#include "scenario.h"
#include "traffic.h"

#define IMAGE_MAX_RULES 100000

/* Puts an object, and says so if it is refused. 0 or -errno. */
int image_put(
	struct object_store *objects, uint32_t kind, uint32_t id, const void *bytes, size_t length);

/* The address of one of the traffic's ends. */
struct shunt_addr image_address(const struct scenario *scenario, const struct traffic_end *end);
enum shunt_hash_on image_hash_on(const struct scenario *scenario);

/* NULL: no memory. */
struct object_store *image_create(const struct scenario *scenario);

/* Server s (0, 1, ...; its id is one more) as an object. */
struct shunt_server image_server(const struct scenario *scenario, uint32_t s, uint8_t state);

/* The id of a service (0, 1, ...). */
static inline uint16_t
image_service_id(const struct scenario *s, uint32_t service, bool udp)
{
	return (uint16_t)(1 + service + (udp ? s->services : 0));
}

/* The balancer's own addresses towards the servers: as many as the flows of full NAT need. */
uint32_t image_source_count(const struct scenario *scenario);
/* False: as many as a backend may have would not do. */
bool image_has_ports(const struct scenario *scenario);
void image_source(const struct scenario *scenario, uint32_t i, struct traffic_end *end);

/* Puts the backend anew with all servers but `without` (UINT32_MAX: with all). 0 or -errno. */
int
image_put_backend(struct object_store *objects, const struct scenario *scenario, uint32_t without);

/* NULL: refused (said on standard error), or no memory. */
struct generation *image_generation(
	const struct object_store *objects, uint64_t number, const struct generation *before);

#endif
