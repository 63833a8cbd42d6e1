/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>

#include "objects_helper.h"

static const struct shunt_member three[] = { { 1, 10 }, { 2, 1 }, { 65535, 256 } };

/* Puts an image from memory of exactly its size, so that a sanitizer sees reads beyond it. */
static int
put_exact(struct object_store *store, uint32_t kind, uint32_t id, const void *bytes, size_t length,
	const char **why)
{
	uint8_t *copy = malloc(length ? length : 1);
	int rc;

	if (!copy)
		abort();
	if (length)
		memcpy(copy, bytes, length);
	rc = object_store_put(store, kind, id, copy, length, why);
	free(copy);
	return rc;
}

static void
refused(uint32_t kind, uint32_t id, const void *bytes, size_t length, const char *text)
{
	struct object_store *store = object_store_create();
	const char *why = NULL;

	CU_ASSERT_EQUAL(put_exact(store, kind, id, bytes, length, &why), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(why);
	if (!strstr(why, text)) {
		printf("\nrefused with \"%s\", expected \"%s\"\n", why, text);
		CU_FAIL("another reason");
	}
	CU_ASSERT_EQUAL(object_store_end(store, kind), 0); /* so there is none */
	object_store_destroy(store);
}

static void
accepted(uint32_t kind, uint32_t id, const void *bytes, size_t length)
{
	struct object_store *store = object_store_create();
	const struct object *o;

	helper_put(store, kind, id, bytes, length);
	o = object_store_get(store, kind, id);
	CU_ASSERT_PTR_NOT_NULL_FATAL(o);
	CU_ASSERT_EQUAL(o->kind, kind);
	CU_ASSERT_EQUAL(o->id, id);
	CU_ASSERT_EQUAL(o->length, length);
	CU_ASSERT_EQUAL((uintptr_t)o->bytes % 8, 0);
	CU_ASSERT_EQUAL(memcmp(o->bytes, bytes, length), 0);
	CU_ASSERT_EQUAL(object_store_end(store, kind), id + 1);
	object_store_destroy(store);
}

static void
test_ids_and_kinds(void)
{
	struct shunt_settings settings = { { 1 } };
	struct shunt_local local = { helper_addr("192.0.2.1") };
	struct shunt_server server = helper_server("10.0.0.1", 80, 1);
	uint8_t nothing[256] = { 0 };

	accepted(SHUNT_KIND_SETTINGS, 1, &settings, sizeof(settings));
	refused(SHUNT_KIND_SETTINGS, 0, &settings, sizeof(settings), "id");
	settings.last_server = SHUNT_MAX_SERVERS;
	refused(SHUNT_KIND_SETTINGS, 1, &settings, sizeof(settings), "given last");
	settings.last_server = 0;
	settings.last_service = SHUNT_MAX_SERVICES;
	refused(SHUNT_KIND_SETTINGS, 1, &settings, sizeof(settings), "given last");
	refused(SHUNT_KIND_SETTINGS, 2, &settings, sizeof(settings), "id");
	accepted(SHUNT_KIND_LOCAL, SHUNT_MAX_LOCALS - 1, &local, sizeof(local));
	refused(SHUNT_KIND_LOCAL, SHUNT_MAX_LOCALS, &local, sizeof(local), "id");
	accepted(SHUNT_KIND_SERVER, SHUNT_MAX_SERVERS - 1, &server, sizeof(server));
	refused(SHUNT_KIND_SERVER, SHUNT_MAX_SERVERS, &server, sizeof(server), "id");
	refused(SHUNT_KIND_SERVER, UINT32_MAX, &server, sizeof(server), "id");
	refused(0, 1, nothing, sizeof(nothing), "kind");
	refused(SHUNT_KIND_END, 1, nothing, sizeof(nothing), "kind");
	refused(UINT32_MAX, 1, nothing, sizeof(nothing), "kind");
}

/* Every length but the right one, with nothing behind it; pieces of rules are test_acl's. */
static void
test_lengths(void)
{
	static const size_t sizes[] = {
		[SHUNT_KIND_SETTINGS] = sizeof(struct shunt_settings),
		[SHUNT_KIND_NEXTHOP] = sizeof(struct shunt_nexthop),
		[SHUNT_KIND_SERVER] = sizeof(struct shunt_server),
		[SHUNT_KIND_BACKEND] = sizeof(struct shunt_backend), /* one without members */
		[SHUNT_KIND_SERVICE] = sizeof(struct shunt_service),
		[SHUNT_KIND_LOCAL] = sizeof(struct shunt_local),
		[SHUNT_KIND_SOURCE] = sizeof(struct shunt_source),
		[SHUNT_KIND_LIMIT] = sizeof(struct shunt_limit),
	};
	struct object_store *store = object_store_create();
	uint8_t bytes[256] = { 0 };
	const char *why;

	for (uint32_t kind = 1; kind < SHUNT_KIND_PREFIXES; kind++) {
		for (size_t length = 0; length < sizeof(bytes); length++) {
			if (length != sizes[kind])
				refused(kind, 1, bytes, length,
					kind == SHUNT_KIND_BACKEND ? "backend" : "length");
		}
		/* Lengths that must be refused before they are believed. */
		CU_ASSERT_EQUAL(object_store_put(store, kind, 1, bytes, UINT64_MAX, &why), -EINVAL);
		CU_ASSERT_EQUAL(object_store_put(store, kind, 1, bytes, 1ull << 32, &why), -EINVAL);
		CU_ASSERT_EQUAL(
			object_store_put(store, kind, 1, bytes, SHUNT_MAX_OBJECT_BYTES + 1, &why),
			-EINVAL);
	}
	object_store_destroy(store);
}

static void
refused_address(uint32_t kind, void *image, size_t length, struct shunt_addr *address)
{
	static const char *const bad[] = { "0.0.0.0", "::", "224.0.0.1", "239.255.255.255",
		"255.255.255.255", "ff02::1", "ff00::" };
	static const char *const good[] = { "127.0.0.1", "223.255.255.255", "240.0.0.1", "::1",
		"fe80::1", "2001:db8::1", "::1.2.3.4" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		*address = helper_addr(bad[i]);
		refused(kind, 1, image, length, "address");
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		*address = helper_addr(good[i]);
		accepted(kind, 1, image, length);
	}
}

static void
test_addresses(void)
{
	struct shunt_server server = helper_server("10.0.0.1", 80, 1);
	struct shunt_service service = helper_service("10.0.0.1", 80, SHUNT_TCP, 1);
	struct shunt_local local;
	struct shunt_source source;

	refused_address(SHUNT_KIND_SOURCE, &source, sizeof(source), &source.address);
	refused_address(SHUNT_KIND_SERVER, &server, sizeof(server), &server.address);
	refused_address(SHUNT_KIND_SERVICE, &service, sizeof(service), &service.address);
	refused_address(SHUNT_KIND_LOCAL, &local, sizeof(local), &local.address);
}

/* One field out of range, the rest good. FIELD_IS: kind's image with the field set. */
#define FIELD_REFUSED(kind, good, field, value, text)            \
	do {                                                     \
		__typeof__(good) spoilt = (good);                \
		spoilt.field = (value);                          \
		refused(kind, 1, &spoilt, sizeof(spoilt), text); \
	} while (0)
#define FIELD_ACCEPTED(kind, good, field, value)              \
	do {                                                  \
		__typeof__(good) changed = (good);            \
		changed.field = (value);                      \
		accepted(kind, 1, &changed, sizeof(changed)); \
	} while (0)

static void
test_nexthop_fields(void)
{
	struct shunt_nexthop good = { .port = 0, .mac = { { 2, 0, 0, 0, 0, 1 } } };

	accepted(SHUNT_KIND_NEXTHOP, 1, &good, sizeof(good));
	FIELD_ACCEPTED(SHUNT_KIND_NEXTHOP, good, port, SHUNT_MAX_PORTS - 1);
	FIELD_REFUSED(SHUNT_KIND_NEXTHOP, good, port, SHUNT_MAX_PORTS, "port");
	FIELD_REFUSED(SHUNT_KIND_NEXTHOP, good, port, UINT32_MAX, "port");
	FIELD_REFUSED(SHUNT_KIND_NEXTHOP, good, mac, (struct shunt_mac){ { 0 } }, "zero");
	FIELD_REFUSED(SHUNT_KIND_NEXTHOP, good, mac.bytes[0], 1, "multicast");
	FIELD_REFUSED(SHUNT_KIND_NEXTHOP, good, mac,
		((struct shunt_mac){ { 255, 255, 255, 255, 255, 255 } }), "multicast");
	FIELD_REFUSED(SHUNT_KIND_NEXTHOP, good, pad[1], 1, "padding");
	FIELD_ACCEPTED(SHUNT_KIND_NEXTHOP, good, vlan[0], 4094);
	FIELD_REFUSED(SHUNT_KIND_NEXTHOP, good, vlan[0], 4095, "VLAN");
	FIELD_REFUSED(SHUNT_KIND_NEXTHOP, good, vlan[1], 5, "VLAN");
	FIELD_ACCEPTED(SHUNT_KIND_NEXTHOP, good, vlan[0], SHUNT_VLAN_S_TAG | 4094);
	FIELD_REFUSED(SHUNT_KIND_NEXTHOP, good, vlan[0], SHUNT_VLAN_S_TAG, "VLAN");
	FIELD_REFUSED(SHUNT_KIND_NEXTHOP, good, vlan[0], SHUNT_VLAN_S_TAG | 4095, "VLAN");
	FIELD_REFUSED(SHUNT_KIND_NEXTHOP, good, vlan[0], 0x1001, "VLAN");
	good.vlan[0] = 1;
	FIELD_ACCEPTED(SHUNT_KIND_NEXTHOP, good, vlan[1], 4094);
	FIELD_REFUSED(SHUNT_KIND_NEXTHOP, good, vlan[1], 4095, "VLAN");
	FIELD_REFUSED(SHUNT_KIND_NEXTHOP, good, vlan[1], SHUNT_VLAN_S_TAG | 1, "VLAN");
	FIELD_ACCEPTED(SHUNT_KIND_NEXTHOP, good, source, helper_addr("10.0.0.1"));
	FIELD_ACCEPTED(SHUNT_KIND_NEXTHOP, good, source, helper_addr("2001:db8::1"));
	FIELD_REFUSED(SHUNT_KIND_NEXTHOP, good, source, helper_addr("0.0.0.0"), "source");
	FIELD_REFUSED(SHUNT_KIND_NEXTHOP, good, source, helper_addr("ff02::1"), "source");
}

static void
test_server_fields(void)
{
	struct shunt_server good = helper_server("10.0.0.1", 80, 1);

	accepted(SHUNT_KIND_SERVER, 1, &good, sizeof(good));
	FIELD_ACCEPTED(SHUNT_KIND_SERVER, good, state, SHUNT_SERVER_DOWN);
	FIELD_REFUSED(SHUNT_KIND_SERVER, good, state, SHUNT_SERVER_STATE_COUNT, "state");
	FIELD_REFUSED(SHUNT_KIND_SERVER, good, state, 255, "state");
	FIELD_ACCEPTED(SHUNT_KIND_SERVER, good, reset_mark, 255);
	FIELD_REFUSED(SHUNT_KIND_SERVER, good, pad2[0], 1, "padding");
	FIELD_REFUSED(SHUNT_KIND_SERVER, good, removed, 2, "removed");
	FIELD_REFUSED(SHUNT_KIND_SERVER, good, probe_service, SHUNT_MAX_SERVICES, "probes");
	FIELD_ACCEPTED(SHUNT_KIND_SERVER, good, nexthop, SHUNT_MAX_NEXTHOPS - 1);
	FIELD_REFUSED(SHUNT_KIND_SERVER, good, nexthop, SHUNT_MAX_NEXTHOPS, "next hop");
	FIELD_REFUSED(SHUNT_KIND_SERVER, good, backend, 0, "backend");
	FIELD_ACCEPTED(SHUNT_KIND_SERVER, good, backend, SHUNT_MAX_BACKENDS - 1);
	FIELD_REFUSED(SHUNT_KIND_SERVER, good, backend, SHUNT_MAX_BACKENDS, "backend");
	FIELD_REFUSED(SHUNT_KIND_SERVER, good, backend, 65537, "backend");
	FIELD_REFUSED(SHUNT_KIND_SERVER, good, admin, SHUNT_ADMIN_COUNT, "admin");
	FIELD_REFUSED(SHUNT_KIND_SERVER, good, health, SHUNT_HEALTH_COUNT, "health");
	FIELD_ACCEPTED(SHUNT_KIND_SERVER, good, weight, 0);
	FIELD_ACCEPTED(SHUNT_KIND_SERVER, good, weight, SHUNT_MAX_WEIGHT);
	FIELD_REFUSED(SHUNT_KIND_SERVER, good, weight, SHUNT_MAX_WEIGHT + 1, "weight");
	FIELD_REFUSED(SHUNT_KIND_SERVER, good, file_weight, 65535, "weight");
	FIELD_ACCEPTED(SHUNT_KIND_SERVER, good, changed_ms, UINT64_MAX);
	FIELD_ACCEPTED(SHUNT_KIND_SERVER, good, name[0], 0);
	FIELD_REFUSED(SHUNT_KIND_SERVER, good, name[SHUNT_NAME_SIZE - 1], 'x', "name");
	memset(good.name, 'x', SHUNT_NAME_SIZE);
	refused(SHUNT_KIND_SERVER, 1, &good, sizeof(good), "name");
	good.name[SHUNT_NAME_SIZE - 1] = 0;
	accepted(SHUNT_KIND_SERVER, 1, &good, sizeof(good));
}

static void
test_service_fields(void)
{
	struct shunt_service good = helper_service("2001:db8::1", 443, SHUNT_UDP, 1);

	accepted(SHUNT_KIND_SERVICE, 1, &good, sizeof(good));
	FIELD_REFUSED(SHUNT_KIND_SERVICE, good, port_be, 0, "port");
	FIELD_REFUSED(SHUNT_KIND_SERVICE, good, protocol, 132, "protocol");
	FIELD_REFUSED(SHUNT_KIND_SERVICE, good, stateless, 2, "flows");
	FIELD_REFUSED(SHUNT_KIND_SERVICE, good, syn_cookies, 3, "cookies");
	FIELD_REFUSED(SHUNT_KIND_SERVICE, good, syn_flood_rate, 100000001, "flood");
	FIELD_ACCEPTED(SHUNT_KIND_SERVICE, good, last_port_be, htons(444));
	FIELD_REFUSED(SHUNT_KIND_SERVICE, good, last_port_be, htons(442), "last port");
	FIELD_ACCEPTED(SHUNT_KIND_SERVICE, good, reset_idle, 1);
	FIELD_REFUSED(SHUNT_KIND_SERVICE, good, reset_idle, 2, "idle");
	FIELD_REFUSED(SHUNT_KIND_SERVICE, good, backend, 0, "backend");
	FIELD_REFUSED(SHUNT_KIND_SERVICE, good, backend, SHUNT_MAX_BACKENDS, "backend");
	FIELD_REFUSED(SHUNT_KIND_SERVICE, good, timeout_syn_ms, 0, "timeout");
	FIELD_REFUSED(SHUNT_KIND_SERVICE, good, timeout_established_ms, 0, "timeout");
	FIELD_REFUSED(SHUNT_KIND_SERVICE, good, timeout_fin_ms, 0, "timeout");
	FIELD_REFUSED(SHUNT_KIND_SERVICE, good, timeout_udp_ms, 0, "timeout");
	FIELD_ACCEPTED(SHUNT_KIND_SERVICE, good, timeout_udp_ms, SHUNT_MAX_TIMEOUT_MS);
	FIELD_REFUSED(
		SHUNT_KIND_SERVICE, good, timeout_syn_ms, SHUNT_MAX_TIMEOUT_MS + 1, "timeout");
	FIELD_REFUSED(SHUNT_KIND_SERVICE, good, timeout_established_ms, UINT32_MAX, "timeout");
	FIELD_REFUSED(SHUNT_KIND_SERVICE, good, timeout_fin_ms, UINT32_MAX, "timeout");
	FIELD_REFUSED(SHUNT_KIND_SERVICE, good, timeout_udp_ms, UINT32_MAX, "timeout");
	FIELD_REFUSED(SHUNT_KIND_SERVICE, good, frontend[5], 'x', "name");
}

/* Spoils one field of a backend's fixed part and keeps the length that the good one had. */
#define HEAD_REFUSED(algorithm, field, value, text)                                 \
	do {                                                                        \
		struct shunt_backend *b_ = helper_backend(algorithm, three, 3, 16); \
		size_t length_ = shunt_backend_bytes(b_);                           \
		b_->field = (value);                                                \
		refused(SHUNT_KIND_BACKEND, 1, b_, length_, text);                  \
		free(b_);                                                           \
	} while (0)

static void
test_backend_head(void)
{
	for (enum shunt_algorithm a = 0; a < SHUNT_ALGORITHM_COUNT; a++) {
		struct shunt_backend *b = helper_backend(a, three, 3, 16);

		accepted(SHUNT_KIND_BACKEND, 1, b, shunt_backend_bytes(b));
		free(b);
		b = helper_backend(a, NULL, 0, 0);
		accepted(SHUNT_KIND_BACKEND, 1, b, sizeof(*b));
		free(b);
	}
	HEAD_REFUSED(SHUNT_SOURCE, algorithm, SHUNT_ALGORITHM_COUNT, "algorithm");
	HEAD_REFUSED(SHUNT_SOURCE, hash_on, SHUNT_HASH_ON_COUNT, "hash-on");
	HEAD_REFUSED(SHUNT_SOURCE, forward, SHUNT_FORWARD_COUNT, "forwarding");
	HEAD_REFUSED(SHUNT_SOURCE, shutdown_sessions, 2, "sessions");
	HEAD_REFUSED(SHUNT_SOURCE, sources[0], 1, "full NAT");
	HEAD_REFUSED(SHUNT_SOURCE, forward, SHUNT_FULLNAT, "full NAT");
	HEAD_REFUSED(SHUNT_SOURCE, sources[1], 1, "gap");
	HEAD_REFUSED(SHUNT_SOURCE, name[SHUNT_NAME_SIZE - 1], 1, "name");
	HEAD_REFUSED(SHUNT_SOURCE, algorithm, SHUNT_ROUNDROBIN, "schedule");
	HEAD_REFUSED(SHUNT_ROUNDROBIN, algorithm, SHUNT_SOURCE, "schedule");
	HEAD_REFUSED(SHUNT_SOURCE, schedule_count, 1, "schedule");
	HEAD_REFUSED(SHUNT_ROUNDROBIN, schedule_count, 0, "schedule");
	HEAD_REFUSED(SHUNT_SOURCE, slot_count, 0, "slots");
	HEAD_REFUSED(SHUNT_SOURCE, slot_count, 15, "power of two");
	HEAD_REFUSED(SHUNT_SOURCE, slot_count, 8, "length");
	HEAD_REFUSED(SHUNT_SOURCE, slot_count, 32, "length");
	HEAD_REFUSED(SHUNT_SOURCE, member_count, 2, "length");
	HEAD_REFUSED(SHUNT_SOURCE, member_count, 4, "length");
	HEAD_REFUSED(SHUNT_SOURCE, member_count, 0, "members");
}

/* Counts whose sum of bytes would wrap or be huge: refused by their limits, or by the length. */
static void
test_backend_counts(void)
{
	static const uint32_t huge[] = { SHUNT_MAX_SERVERS, 1u << 20, 1u << 28, 1u << 29, 1u << 30,
		1u << 31, 0x20000001, 0xffffffff };

	for (size_t i = 0; i < sizeof(huge) / sizeof(huge[0]); i++) {
		HEAD_REFUSED(SHUNT_SOURCE, member_count, huge[i], "backend");
		HEAD_REFUSED(SHUNT_SOURCE, slot_count, huge[i], "backend");
		HEAD_REFUSED(SHUNT_ROUNDROBIN, schedule_count, huge[i], "backend");
	}
	HEAD_REFUSED(SHUNT_SOURCE, member_count, SHUNT_MAX_SERVERS, "too many members");
	HEAD_REFUSED(SHUNT_SOURCE, member_count, SHUNT_MAX_SERVERS - 1, "length");
	HEAD_REFUSED(SHUNT_SOURCE, slot_count, SHUNT_MAX_SLOTS * 2, "too many slots");
	HEAD_REFUSED(SHUNT_SOURCE, slot_count, SHUNT_MAX_SLOTS, "length");
	HEAD_REFUSED(SHUNT_ROUNDROBIN, schedule_count, SHUNT_MAX_SCHEDULE + 1, "too long");
	HEAD_REFUSED(SHUNT_ROUNDROBIN, schedule_count, SHUNT_MAX_SCHEDULE, "length");
}

/* The greatest backend there can be is taken. */
static void
test_backend_greatest(void)
{
	struct shunt_backend head = {
		.algorithm = SHUNT_ROUNDROBIN,
		.member_count = SHUNT_MAX_SERVERS - 1,
		.slot_count = SHUNT_MAX_SLOTS,
		.schedule_count = SHUNT_MAX_SCHEDULE,
	};
	struct shunt_backend *b = calloc(1, shunt_backend_bytes(&head));
	struct shunt_member *members;
	uint16_t *slots;

	if (!b)
		abort();
	*b = head;
	members = (struct shunt_member *)(b + 1);
	for (uint32_t i = 0; i < head.member_count; i++)
		members[i] = (struct shunt_member){ i + 1, 1 + i % SHUNT_MAX_WEIGHT };
	slots = (uint16_t *)(members + head.member_count);
	for (uint32_t i = 0; i < head.slot_count + head.schedule_count; i++)
		slots[i] = i % head.member_count;
	accepted(SHUNT_KIND_BACKEND, SHUNT_MAX_BACKENDS - 1, b, shunt_backend_bytes(b));
	slots[head.slot_count + head.schedule_count - 1] = head.member_count;
	refused(SHUNT_KIND_BACKEND, 1, b, shunt_backend_bytes(b), "schedule names no member");
	free(b);
}

static void
test_backend_arrays(void)
{
	struct shunt_backend *b = helper_backend(SHUNT_ROUNDROBIN, three, 3, 16);
	struct shunt_member *members = (struct shunt_member *)(b + 1);
	uint16_t *slots = (uint16_t *)(members + 3);
	uint32_t schedule_count = b->schedule_count;
	size_t length = shunt_backend_bytes(b);

#define PLACE_REFUSED(place, value, text)                        \
	do {                                                     \
		__typeof__(place) kept_ = (place);               \
		(place) = (value);                               \
		refused(SHUNT_KIND_BACKEND, 1, b, length, text); \
		(place) = kept_;                                 \
	} while (0)
	PLACE_REFUSED(members[1].server, 0, "server id");
	PLACE_REFUSED(members[1].server, SHUNT_MAX_SERVERS, "server id");
	PLACE_REFUSED(members[2].server, UINT32_MAX, "server id");
	PLACE_REFUSED(members[2].server, 1, "twice");
	PLACE_REFUSED(members[0].server, 65535, "twice");
	PLACE_REFUSED(members[0].weight, 0, "weight");
	PLACE_REFUSED(members[2].weight, SHUNT_MAX_WEIGHT + 1, "weight");
	PLACE_REFUSED(members[2].weight, UINT32_MAX, "weight");
	PLACE_REFUSED(slots[0], 3, "slot");
	PLACE_REFUSED(slots[15], 3, "slot");
	PLACE_REFUSED(slots[7], 65535, "slot");
	PLACE_REFUSED(slots[16], 3, "schedule");
	PLACE_REFUSED(slots[15 + schedule_count], 65535, "schedule");
	for (size_t l = 0; l < length; l++)
		refused(SHUNT_KIND_BACKEND, 1, b, l, "backend");
	accepted(SHUNT_KIND_BACKEND, 1, b, length);
	free(b);
}

/* What was accepted, read as the packet path will read it. */
static void
check_accepted_backend(const struct object *o)
{
	const struct shunt_backend *b = (const void *)o->bytes;
	const struct shunt_member *members = (const void *)(b + 1);
	const uint16_t *slots = (const void *)(members + b->member_count);
	bool good = o->length == shunt_backend_bytes(b);

	for (uint32_t i = 0; good && i < b->member_count; i++)
		good = members[i].server > 0 && members[i].server < SHUNT_MAX_SERVERS &&
			members[i].weight > 0 && members[i].weight <= SHUNT_MAX_WEIGHT;
	for (uint32_t i = 0; good && i < b->slot_count + b->schedule_count; i++)
		good = slots[i] < b->member_count;
	CU_ASSERT(good);
}

static void
test_random_mutations(void)
{
	uint64_t seed = 0x5eed;
	struct object_store *store = object_store_create();
	uint32_t taken = 0;

	for (uint32_t round = 0; round < 100000; round++) {
		enum shunt_algorithm a = helper_random(&seed) % SHUNT_ALGORITHM_COUNT;
		struct shunt_backend *b =
			helper_backend(a, three, 1 + helper_random(&seed) % 3, 16);
		size_t length = shunt_backend_bytes(b);
		uint32_t flips = 1 + helper_random(&seed) % 3;
		const char *why = NULL;
		int rc;

		for (uint32_t i = 0; i < flips; i++) {
			/* Half of the hits go to the counts and what stands before the arrays. */
			size_t range = helper_random(&seed) & 1 ? 16 : length;

			((uint8_t *)b)[helper_random(&seed) % range] ^= 1u
				<< helper_random(&seed) % 8;
		}
		if (helper_random(&seed) % 8 == 0)
			length -= helper_random(&seed) % length;
		rc = put_exact(store, SHUNT_KIND_BACKEND, 1, b, length, &why);
		CU_ASSERT(rc == 0 ? why == NULL : rc == -EINVAL && why != NULL);
		if (rc == 0) {
			taken++;
			check_accepted_backend(object_store_get(store, SHUNT_KIND_BACKEND, 1));
		}
		free(b);
	}
	CU_ASSERT(taken > 1000 && taken < 90000);
	object_store_destroy(store);
}

/* A set as a test can foresee it: what put and delete leave behind, with clones under way. */
static void
test_against_reference(void)
{
	uint64_t seed = 0x0b1ec7;
	struct object_store *store = object_store_create();
	uint8_t present[700] = { 0 };

	for (uint32_t round = 0; round < 20000; round++) {
		uint32_t id = 1 + helper_random(&seed) % 699, end = 0;

		if (helper_random(&seed) % 100 == 0) {
			struct object_store *clone = object_store_clone(store);

			object_store_destroy(store);
			store = clone;
		}
		if (helper_random(&seed) % 5 < 2) {
			struct shunt_local local = { helper_addr("192.0.2.0") };

			local.address.bytes[15] = present[id] = 1 + helper_random(&seed) % 200;
			helper_put(store, SHUNT_KIND_LOCAL, id, &local, sizeof(local));
		} else {
			CU_ASSERT_EQUAL(object_store_delete(store, SHUNT_KIND_LOCAL, id),
				present[id] ? 0 : -ENOENT);
			present[id] = 0;
		}
		for (uint32_t i = 0; round % 16 == 0 && i < 700; i++) {
			const struct object *o = object_store_get(store, SHUNT_KIND_LOCAL, i);

			CU_ASSERT(present[i] ? o && o->bytes[15] == present[i] : o == NULL);
			end = present[i] ? i + 1 : end;
		}
		if (round % 16 == 0)
			CU_ASSERT_EQUAL(object_store_end(store, SHUNT_KIND_LOCAL), end);
	}
	CU_ASSERT_EQUAL(object_store_delete(store, 0, 1), -ENOENT);
	CU_ASSERT_EQUAL(object_store_delete(store, SHUNT_KIND_END, 1), -ENOENT);
	CU_ASSERT_EQUAL(object_store_delete(store, UINT32_MAX, UINT32_MAX), -ENOENT);
	CU_ASSERT_PTR_NULL(object_store_get(store, UINT32_MAX, 1));
	CU_ASSERT_EQUAL(object_store_end(store, UINT32_MAX), 0);
	object_store_destroy(store);
}

static void
test_clone_and_sharing(void)
{
	struct object_store *store = object_store_create(), *clone;
	const struct object *before, *after;
	struct object *held;

	helper_put_server(store, 7, "10.0.0.7", 80, 1);
	before = object_store_get(store, SHUNT_KIND_SERVER, 7);
	clone = object_store_clone(store);
	CU_ASSERT_PTR_EQUAL(object_store_get(clone, SHUNT_KIND_SERVER, 7), before);

	/* The same bytes change nothing; others replace it in one set and not in the other. */
	helper_put_server(clone, 7, "10.0.0.7", 80, 1);
	CU_ASSERT_PTR_EQUAL(object_store_get(clone, SHUNT_KIND_SERVER, 7), before);
	CU_ASSERT_EQUAL(object_store_next_change(store, clone, SHUNT_KIND_SERVER, 1), UINT32_MAX);
	helper_put_server(clone, 7, "10.0.0.8", 80, 1);
	after = object_store_get(clone, SHUNT_KIND_SERVER, 7);
	CU_ASSERT_PTR_NOT_EQUAL(after, before);
	CU_ASSERT_PTR_EQUAL(object_store_get(store, SHUNT_KIND_SERVER, 7), before);
	CU_ASSERT_EQUAL(object_store_next_change(store, clone, SHUNT_KIND_SERVER, 1), 7);
	CU_ASSERT_EQUAL(before->references, 1);

	/* A refused put leaves what was there. */
	{
		struct shunt_server bad = helper_server("10.0.0.9", 80, 0);
		const char *why;

		CU_ASSERT_EQUAL(
			object_store_put(clone, SHUNT_KIND_SERVER, 7, &bad, sizeof(bad), &why),
			-EINVAL);
		CU_ASSERT_PTR_EQUAL(object_store_get(clone, SHUNT_KIND_SERVER, 7), after);
	}

	held = object_store_hold(clone, SHUNT_KIND_SERVER, 7);
	CU_ASSERT_PTR_EQUAL(held, after);
	CU_ASSERT_PTR_NULL(object_store_hold(clone, SHUNT_KIND_SERVER, 8));
	object_store_destroy(store);
	object_store_destroy(clone);
	CU_ASSERT_EQUAL(held->references, 1);
	CU_ASSERT_EQUAL(held->id, 7);
	object_release(held);
	object_release(NULL);
	object_store_destroy(NULL);
}

/* Reads a dump back as the next control process would, and compares. */
static void
test_dump(void)
{
	struct object_store *store = object_store_create(), *back = object_store_create();
	struct shunt_nexthop hop = { .port = 3, .mac = { { 2, 0, 0, 0, 0, 9 } } };
	uint64_t bytes, at = 0;
	uint8_t *image, *again;
	uint32_t count = 0;

	CU_ASSERT_EQUAL(object_store_dump_bytes(store), 0);
	object_store_dump(store, NULL);
	helper_put_settings(store);
	helper_put(store, SHUNT_KIND_NEXTHOP, 5, &hop, sizeof(hop)); /* 12 bytes: padded */
	helper_put_server(store, 1, "10.0.0.1", 80, 1);
	helper_put_server(store, 400, "2001:db8::1", 80, 1);
	helper_put_backend(store, 9, SHUNT_ROUNDROBIN, three, 1, 1); /* 22 bytes of arrays */
	helper_put_service(store, 2, "192.0.2.1", 80, SHUNT_TCP, 9);

	bytes = object_store_dump_bytes(store);
	CU_ASSERT_EQUAL(bytes % 8, 0);
	image = malloc(bytes);
	again = malloc(bytes);
	if (!image || !again)
		abort();
	memset(image, 0xee, bytes);
	object_store_dump(store, image);
	while (at < bytes) {
		struct shunt_object_header h;

		memcpy(&h, image + at, sizeof(h));
		at += sizeof(h);
		CU_ASSERT_FATAL(h.length <= bytes - at);
		helper_put(back, h.kind, h.id, image + at, h.length);
		at += h.length;
		for (; at % 8; at++)
			CU_ASSERT_EQUAL(image[at], 0);
		count++;
	}
	CU_ASSERT_EQUAL(at, bytes);
	CU_ASSERT_EQUAL(count, 6);
	CU_ASSERT_EQUAL_FATAL(object_store_dump_bytes(back), bytes);
	object_store_dump(back, again);
	CU_ASSERT_EQUAL(memcmp(image, again, bytes), 0);
	free(image);
	free(again);
	object_store_destroy(store);
	object_store_destroy(back);
}

static const struct unit_test tests[] = {
	{ "ids and kinds", test_ids_and_kinds },
	{ "lengths", test_lengths },
	{ "addresses", test_addresses },
	{ "next hop, every field", test_nexthop_fields },
	{ "server, every field", test_server_fields },
	{ "service, every field", test_service_fields },
	{ "backend, fixed part", test_backend_head },
	{ "backend, counts that overflow", test_backend_counts },
	{ "backend, the greatest", test_backend_greatest },
	{ "backend, arrays", test_backend_arrays },
	{ "random mutations", test_random_mutations },
	{ "against a reference", test_against_reference },
	{ "clones and sharing", test_clone_and_sharing },
	{ "dump", test_dump },
};

UNIT_MAIN("objects", tests)
