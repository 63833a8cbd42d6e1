/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Good objects, ready to be put or to be spoilt, for the tests of everything that is built from a
 * service image.
 */
#ifndef TESTS_OBJECTS_HELPER_H
#define TESTS_OBJECTS_HELPER_H

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "objects.h"
#include "unit.h"

/* xorshift64* (Vigna, 2016): tests must do the same each time. */
static inline uint64_t
helper_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1dull;
}

static inline struct shunt_addr
helper_addr(const char *text)
{
	struct shunt_addr a;
	uint8_t v4[4];

	if (inet_pton(AF_INET, text, v4) == 1)
		return shunt_addr_from_v4(v4);
	if (inet_pton(AF_INET6, text, &a) != 1)
		abort();
	return a;
}

static inline struct shunt_server
helper_server(const char *address, uint16_t port, uint32_t backend)
{
	return (struct shunt_server){
		.address = helper_addr(address),
		.port_be = htons(port),
		.backend = backend,
		.weight = 1,
		.file_weight = 1,
		.name = "s",
	};
}

static inline struct shunt_service
helper_service(const char *address, uint16_t port, uint8_t protocol, uint32_t backend)
{
	return (struct shunt_service){
		.address = helper_addr(address),
		.port_be = htons(port),
		.last_port_be = htons(port),
		.protocol = protocol,
		.backend = backend,
		.timeout_syn_ms = 30000,
		.timeout_established_ms = 900000,
		.timeout_fin_ms = 30000,
		.timeout_udp_ms = 120000,
		.frontend = "web",
	};
}

/*
 * A backend's image in memory of exactly its size, to be freed. Slots and schedule name each
 * member as often as its weight says (slots: as nearly as their number allows).
 */
static inline struct shunt_backend *
helper_backend(enum shunt_algorithm algorithm, const struct shunt_member *members, uint32_t count,
	uint32_t slot_count)
{
	struct shunt_backend head = {
		.algorithm = algorithm,
		.member_count = count,
		.slot_count = count ? slot_count : 0,
		.name = "app",
	};
	struct shunt_backend *b;
	uint16_t *index;
	uint32_t total = 0, next = 0;

	for (uint32_t i = 0; i < count; i++)
		total += members[i].weight;
	head.schedule_count = algorithm == SHUNT_ROUNDROBIN ? total : 0;
	b = calloc(1, shunt_backend_bytes(&head));
	if (!b)
		abort();
	*b = head;
	if (count)
		memcpy(b + 1, members, count * sizeof(*members));
	index = (uint16_t *)((struct shunt_member *)(b + 1) + count);
	for (uint32_t i = 0; i < head.slot_count; i++) {
		uint32_t at = (uint64_t)i * total / head.slot_count, member = 0;

		while (at >= members[member].weight)
			at -= members[member++].weight;
		*index++ = member;
	}
	for (uint32_t i = 0; i < count && head.schedule_count; i++) {
		for (uint32_t w = 0; w < members[i].weight; w++, next++)
			*index++ = i;
	}
	return b;
}

/* Each puts what must be accepted. */
static inline void
helper_put(
	struct object_store *store, uint32_t kind, uint32_t id, const void *bytes, uint64_t length)
{
	const char *why = NULL;
	int rc = object_store_put(store, kind, id, bytes, length, &why);

	CU_ASSERT_EQUAL_FATAL(rc, 0);
	CU_ASSERT_PTR_NULL(why);
}

static inline void
helper_put_settings(struct object_store *store)
{
	struct shunt_settings settings = { .hash_secret = "0123456789abcde" };

	helper_put(store, SHUNT_KIND_SETTINGS, 1, &settings, sizeof(settings));
}

static inline void
helper_put_server(struct object_store *store, uint32_t id, const char *address, uint16_t port,
	uint32_t backend)
{
	struct shunt_server s = helper_server(address, port, backend);

	helper_put(store, SHUNT_KIND_SERVER, id, &s, sizeof(s));
}

static inline void
helper_put_service(struct object_store *store, uint32_t id, const char *address, uint16_t port,
	uint8_t protocol, uint32_t backend)
{
	struct shunt_service s = helper_service(address, port, protocol, backend);

	helper_put(store, SHUNT_KIND_SERVICE, id, &s, sizeof(s));
}

static inline void
helper_put_backend(struct object_store *store, uint32_t id, enum shunt_algorithm algorithm,
	const struct shunt_member *members, uint32_t count, uint32_t slot_count)
{
	struct shunt_backend *b = helper_backend(algorithm, members, count, slot_count);

	helper_put(store, SHUNT_KIND_BACKEND, id, b, shunt_backend_bytes(b));
	free(b);
}

#endif
