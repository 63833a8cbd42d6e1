/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How a generation is built: what generation.c and generation_*.c share; nobody else needs it. Each
 * step fills a part of the generation out of the objects, and checks what that part refers to; 0,
 * -EINVAL with the builder's error set, -ENOMEM. Agent.
 */
#ifndef DATAPLANE_GENERATION_IMPL_H
#define DATAPLANE_GENERATION_IMPL_H

#include "generation.h"

/* What the servers of a backend have. */
#define GEN_HAS_V4   1
#define GEN_HAS_V6   2
#define GEN_HAS_PORT 4 /* one has a port of its own */

struct gen_builder {
	struct generation *generation;
	const struct object_store *objects;
	const struct generation *before; /* NULL: none */
	uint32_t port_count;
	const struct gen_moment *moment;
	struct generation_error *error;
	uint32_t ways; /* that services have to backends; services count them */
	uint8_t families[SHUNT_MAX_BACKENDS]; /* GEN_HAS_ bits, by id; servers set them */
};

/* Says which object is wrong, and why; -EINVAL. */
int gen_refuse(struct gen_builder *b, uint32_t kind, uint32_t id, const char *text);

/* Says so; -ENOMEM. */
int gen_out_of_memory(struct gen_builder *b);

/* NULL: there is no such object. */
const void *gen_bytes_of(const struct gen_builder *b, uint32_t kind, uint32_t id);

/*
 * Sets an address, its version and the sums for the checksum deltas; returns the family's GEN_HAS_
 * bit.
 */
uint8_t gen_set_address(const struct shunt_addr *address, uint16_t port_be, uint8_t out[16],
	uint8_t *version, uint16_t *l3_sum, uint16_t *l4_sum);

/* Needs sources and rules. Sets families, servers, resets and last_reset. */
int gen_build_servers(struct gen_builder *b);

/* Needs sources and servers. Sets backends and has_fullnat. */
int gen_build_backends(struct gen_builder *b);

/* Sets limits. */
int gen_build_limits(struct gen_builder *b);

bool gen_limit_exists(const struct generation *g, uint32_t id);

/* generation_rules.c. Sets acl and truth. */
int gen_build_rules(struct gen_builder *b);
void gen_set_truth(struct gen_builder *b);
/* Are they those of the generation before, of which there is one? */
bool gen_rules_are_same(const struct gen_builder *b);

/* Needs servers, backends, limits and rules. Sets hash_secret, services and timeouts. */
int gen_build_services(struct gen_builder *b);

/* Needs backends and services. Sets the backends' answers and has_answers. */
int gen_build_answers(struct gen_builder *b);

/*
 * Gives this generation's backend these answers (NULL: none), which are the backend's from then on.
 * What it had is not freed if the generation before shares it. 0, -ENOMEM.
 */
int gen_backend_set_answers(struct gen_builder *b, uint32_t id, struct gen_answers *answers);

/*
 * Have the workers no entry of the service? Then none of those that the generation before has them
 * no longer make has come since.
 */
static inline bool
gen_service_is_idle(const struct gen_builder *b, uint32_t service)
{
	return b->moment->entries(b->moment->context, service) == 0;
}

/* Sets the reset of one server. Needs it to be there, and all of `before`. */
void gen_build_reset(struct gen_builder *b, uint32_t id, const struct shunt_server *s);
/* Sets one backend, as gen_build_backends() does. */
int gen_build_backend(struct gen_builder *b, uint32_t id);
/* Are they those of the generation before, of which there is one? And shares them then. */
bool gen_services_are_same(const struct gen_builder *b);
void gen_share_services(struct gen_builder *b);

/*
 * generation_update.c: can the generation be made out of the one before? And makes it, but for the
 * classifier and what else build_classifier() and the steps after it set.
 */
bool gen_is_update(const struct gen_builder *b);
int gen_update(struct gen_builder *b);

/* Memory, in bytes. NULL is none. */
uint64_t gen_backend_bytes(const struct gen_backend *backend);
uint64_t gen_services_bytes(const struct shared_services *shared);

/* One reference less. NULL is fine. */
void gen_backend_release(struct gen_backend *backend);
void gen_services_release(struct shared_services *shared);
void gen_limits_release(struct gen_limits *limits);

#endif
