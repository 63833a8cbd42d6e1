/* SPDX-License-Identifier: BSD-3-Clause */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "objects.h"
#include "objects_rules.h"
#include "shunt/row.h"

struct object_store {
	struct shunt_row rows[SHUNT_KIND_END]; /* of struct object */
};

static_assert(offsetof(struct object, references) == 0, "elements of a row");
static_assert(offsetof(struct object, bytes) % 8 == 0, "images are read in place");

/* Workers read a backend's arrays where they stand in the object, so they get the core's memory. */
static bool
in_core_memory(uint32_t kind)
{
	return kind == SHUNT_KIND_BACKEND;
}

static struct object *
object_create(uint32_t kind, uint32_t id, const void *bytes, size_t length)
{
	size_t size = sizeof(struct object) + length;
	struct object *o = in_core_memory(kind) ? mem_alloc(size) : malloc(size);

	if (!o)
		return NULL;
	*o = (struct object){ .references = 1, .kind = kind, .id = id, .length = length };
	memcpy(o->bytes, bytes, length);
	return o;
}

void
object_release(struct object *object)
{
	if (!object || --object->references > 0)
		return;
	if (in_core_memory(object->kind))
		mem_free(object);
	else
		free(object);
}

static bool
all_zero(const uint8_t *bytes, size_t count)
{
	uint8_t seen = 0;

	for (size_t i = 0; i < count; i++)
		seen |= bytes[i];
	return seen == 0;
}

/* A NUL within the field and nothing but NULs behind it: one text has one image. */
static bool
name_is_good(const char name[SHUNT_NAME_SIZE])
{
	size_t length = strnlen(name, SHUNT_NAME_SIZE);

	return length < SHUNT_NAME_SIZE &&
		all_zero((const uint8_t *)name + length, SHUNT_NAME_SIZE - length);
}

/* Unspecified, multicast and the limited broadcast are no host's (RFC 1122 3.2.1.3, RFC 4291). */
static bool
address_is_good(const struct shunt_addr *a)
{
	static const uint8_t broadcast[4] = { 255, 255, 255, 255 };

	if (!shunt_addr_is_v4(a))
		return a->bytes[0] != 0xff && !all_zero(a->bytes, sizeof(a->bytes));
	return !all_zero(&a->bytes[12], 4) && (a->bytes[12] & 0xf0) != 0xe0 &&
		memcmp(&a->bytes[12], broadcast, 4) != 0;
}

static bool
vlans_are_good(const uint16_t vlan[2])
{
	for (int i = 0; i < 2; i++) {
		uint16_t id = vlan[i] & (uint16_t)~SHUNT_VLAN_S_TAG;

		if (id >= SHUNT_VLAN_END || (vlan[i] && !id) || (vlan[i] && i > 0 && !vlan[i - 1]))
			return false;
	}
	return !(vlan[1] & SHUNT_VLAN_S_TAG);
}

/* Any 16 bytes are a secret. */
static const char *
check_settings(const struct shunt_settings *s)
{
	if (s->last_server >= SHUNT_MAX_SERVERS || s->last_service >= SHUNT_MAX_SERVICES)
		return "settings: an id given last is out of range";
	return NULL;
}

static const char *
check_nexthop(const struct shunt_nexthop *n)
{
	if (n->port >= SHUNT_MAX_PORTS)
		return "next hop: port out of range";
	if (all_zero(n->mac.bytes, sizeof(n->mac.bytes)))
		return "next hop: MAC address is zero";
	if (n->mac.bytes[0] & 1)
		return "next hop: MAC address is a multicast one";
	if (!vlans_are_good(n->vlan))
		return "next hop: a VLAN id out of range, or an inner one that is alone or a "
		       "service tag";
	if (!all_zero(n->pad, sizeof(n->pad)))
		return "next hop: padding is not zero";
	if (!all_zero(n->source.bytes, sizeof(n->source.bytes)) && !address_is_good(&n->source))
		return "next hop: source address is unspecified, multicast or broadcast";
	return NULL;
}

static const char *
check_server(const struct shunt_server *s)
{
	if (!address_is_good(&s->address))
		return "server: address is unspecified, multicast or broadcast";
	if (s->state >= SHUNT_SERVER_STATE_COUNT)
		return "server: unknown state";
	if (s->nexthop >= SHUNT_MAX_NEXTHOPS)
		return "server: next hop id out of range";
	if (s->backend == 0 || s->backend >= SHUNT_MAX_BACKENDS)
		return "server: backend id out of range";
	if (s->admin >= SHUNT_ADMIN_COUNT)
		return "server: unknown admin state";
	if (s->health >= SHUNT_HEALTH_COUNT)
		return "server: unknown health";
	if (s->weight > SHUNT_MAX_WEIGHT || s->file_weight > SHUNT_MAX_WEIGHT)
		return "server: weight out of range";
	if (s->probe_service >= SHUNT_MAX_SERVICES)
		return "server: service id of its probes out of range";
	if (s->slowstart_ms > SHUNT_MAX_TIMEOUT_MS)
		return "server: slow start takes too long";
	if (s->removed > 1)
		return "server: unknown whether it is removed";
	if (!all_zero(s->pad2, sizeof(s->pad2)) || !all_zero(s->pad3, sizeof(s->pad3)))
		return "server: padding is not zero";
	if (!name_is_good(s->name))
		return "server: name is not ended and filled up with NULs";
	return NULL;
}

static bool
timeout_is_good(uint32_t ms)
{
	return ms >= 1 && ms <= SHUNT_MAX_TIMEOUT_MS;
}

static const char *
check_service(const struct shunt_service *s)
{
	if (!address_is_good(&s->address))
		return "service: address is unspecified, multicast or broadcast";
	if (s->port_be == 0)
		return "service: port is 0";
	if (ntohs(s->last_port_be) < ntohs(s->port_be))
		return "service: last port is below the first";
	if (s->reset_idle > 1)
		return "service: unknown way to end idle flows";
	if (s->protocol != SHUNT_TCP && s->protocol != SHUNT_UDP)
		return "service: protocol is neither TCP nor UDP";
	if (s->stateless > 1)
		return "service: unknown way to know its flows";
	if (s->rules >= SHUNT_MAX_ROWS)
		return "service: row of rules out of range";
	if (s->syn_cookies >= SHUNT_COOKIES_COUNT)
		return "service: unknown use of SYN cookies";
	if (s->syn_flood_rate > SHUNT_MAX_SYN_FLOOD_RATE)
		return "service: rate of a SYN flood out of range";
	if (s->backend == 0 || s->backend >= SHUNT_MAX_BACKENDS)
		return "service: backend id out of range";
	if (s->limit >= SHUNT_MAX_LIMITS || (s->limit && s->stateless))
		return "service: limit id out of range, or a limit of what is not counted";
	if (!timeout_is_good(s->timeout_syn_ms) || !timeout_is_good(s->timeout_established_ms) ||
		!timeout_is_good(s->timeout_fin_ms) || !timeout_is_good(s->timeout_udp_ms))
		return "service: timeout out of range";
	if (!name_is_good(s->frontend))
		return "service: frontend name is not ended and filled up with NULs";
	return NULL;
}

static bool
rate_is_good(uint32_t rate, uint32_t burst)
{
	return rate <= SHUNT_MAX_RATE && burst <= SHUNT_MAX_BURST && (rate != 0) == (burst != 0);
}

static const char *
check_limit(const struct shunt_limit *l)
{
	uint8_t v4 = l->source_prefix, v6 = l->source_prefix_v6;
	bool sources = v4 || v6;

	if (l->maxconn > SHUNT_MAX_MAXCONN || l->source_maxconn > SHUNT_MAX_MAXCONN)
		return "limit: number of sessions out of range";
	if (!rate_is_good(l->rate, l->burst) || !rate_is_good(l->source_rate, l->source_burst))
		return "limit: rate or burst out of range, or one without the other";
	if (sources && (v4 < SHUNT_MIN_PREFIX || v4 > 32 || v6 < SHUNT_MIN_PREFIX_V6 || v6 > 128))
		return "limit: prefix out of range";
	if (!sources && (l->source_maxconn || l->source_rate))
		return "limit: of sources, without prefixes";
	if (l->drop > 1)
		return "limit: unknown way to refuse";
	if (l->pad)
		return "limit: padding is not zero";
	if (!name_is_good(l->frontend))
		return "limit: frontend name is not ended and filled up with NULs";
	return NULL;
}

static const char *
check_members(const struct shunt_member *members, uint32_t count)
{
	uint64_t seen[SHUNT_MAX_SERVERS / 64] = { 0 };

	for (uint32_t i = 0; i < count; i++) {
		uint32_t id = members[i].server;

		if (id == 0 || id >= SHUNT_MAX_SERVERS)
			return "backend: server id of a member out of range";
		if (members[i].weight == 0 || members[i].weight > SHUNT_MAX_WEIGHT)
			return "backend: weight of a member out of range";
		if (seen[id / 64] & (1ull << (id % 64)))
			return "backend: the same server is a member twice";
		seen[id / 64] |= 1ull << (id % 64);
	}
	return NULL;
}

static const char *
check_backend_forward(const struct shunt_backend *b)
{
	if (b->forward >= SHUNT_FORWARD_COUNT)
		return "backend: unknown forwarding mode";
	if (b->encap >= SHUNT_ENCAP_COUNT)
		return "backend: unknown encapsulation";
	if ((b->encap != SHUNT_ENCAP_NONE) != (b->forward == SHUNT_TUNNEL))
		return "backend: a tunnel needs an encapsulation, and nothing else has one";
	if ((b->encap_port_be != 0) != (b->encap == SHUNT_GUE))
		return "backend: GUE needs a port, and no other encapsulation has one";
	if (b->mss_clamp && (b->mss_clamp < SHUNT_MIN_MSS || b->mss_clamp > SHUNT_MAX_MSS))
		return "backend: MSS out of range";
	if (b->mss_clamp && b->forward != SHUNT_DR && b->forward != SHUNT_TUNNEL)
		return "backend: an MSS for a forwarding mode that does not change it";
	if (b->quorum_lost > 1 || !all_zero(b->pad, sizeof(b->pad)))
		return "backend: unknown whether its quorum is lost, or padding is not zero";
	if (b->shutdown_sessions > 1)
		return "backend: unknown fate of a down server's sessions";
	if ((b->sources[0] != 0) != (b->forward == SHUNT_FULLNAT))
		return "backend: full NAT needs a source address, and nothing else has one";
	for (unsigned int i = 1; i < SHUNT_MAX_BACKEND_SOURCES; i++) {
		if (b->sources[i] && b->sources[i] <= b->sources[i - 1])
			return "backend: ids of source addresses do not ascend";
		if (b->sources[i] && !b->sources[i - 1])
			return "backend: a gap in the source addresses";
	}
	return NULL;
}

static const char *
check_backend_choice(const struct shunt_backend *b)
{
	if (b->reject_full > 1)
		return "backend: unknown fate of sessions without room";
	if (b->ignored_bits4 > 32 || b->ignored_bits6 > 128)
		return "backend: more bits than an address has are left out of the hash";
	if (b->balance_factor && b->balance_factor <= 100)
		return "backend: a balance factor that no server could keep to";
	if (b->balance_factor && b->algorithm != SHUNT_SOURCE)
		return "backend: a balance factor for an algorithm that has none";
	if (b->persist_ms > SHUNT_MAX_TIMEOUT_MS)
		return "backend: persistence for too long";
	if (b->persist_prefix4 > 32 || b->persist_prefix6 > 128)
		return "backend: persistence by more bits than an address has";
	if (!b->persist_ms && (b->persist_prefix4 || b->persist_prefix6))
		return "backend: client networks without persistence";
	return NULL;
}

/* The fixed part alone; lengths are checked by the caller. */
static const char *
check_backend_head(const struct shunt_backend *b)
{
	bool roundrobin = b->algorithm == SHUNT_ROUNDROBIN;

	if (b->algorithm >= SHUNT_ALGORITHM_COUNT)
		return "backend: unknown algorithm";
	if (b->hash_on >= SHUNT_HASH_ON_COUNT)
		return "backend: unknown hash-on";
	if (check_backend_forward(b))
		return check_backend_forward(b);
	if (check_backend_choice(b))
		return check_backend_choice(b);
	if (b->member_count >= SHUNT_MAX_SERVERS)
		return "backend: too many members";
	if (b->slot_count > SHUNT_MAX_SLOTS)
		return "backend: too many slots";
	if (b->slot_count & (b->slot_count - 1))
		return "backend: number of slots is no power of two";
	if ((b->slot_count == 0) != (b->member_count == 0))
		return "backend: slots without members, or members without slots";
	if (b->schedule_count > SHUNT_MAX_SCHEDULE)
		return "backend: schedule too long";
	if ((b->schedule_count != 0) != (roundrobin && b->member_count != 0))
		return "backend: a schedule is for round robin with members, and only for it";
	if (!name_is_good(b->name))
		return "backend: name is not ended and filled up with NULs";
	return NULL;
}

static bool
indices_are_below(const uint16_t *indices, uint32_t count, uint32_t end)
{
	bool good = true;

	for (uint32_t i = 0; i < count; i++)
		good &= indices[i] < end;
	return good;
}

static const char *
check_backend(const struct shunt_backend *b, size_t length)
{
	const struct shunt_member *members = (const void *)(b + 1);
	const char *why = check_backend_head(b);
	const uint16_t *slots;

	if (why)
		return why;
	/* In 64 bits and after the counts' limits, so that the sum cannot wrap. */
	if (length != shunt_backend_bytes(b))
		return "backend: length does not match its counts";
	why = check_members(members, b->member_count);
	if (why)
		return why;
	slots = (const void *)(members + b->member_count);
	if (!indices_are_below(slots, b->slot_count, b->member_count))
		return "backend: a slot names no member";
	if (!indices_are_below(slots + b->slot_count, b->schedule_count, b->member_count))
		return "backend: the schedule names no member";
	return NULL;
}

/* Before anything is copied: is this a length that an object of this kind can have at all? */
static const char *
check_length(uint32_t kind, uint64_t length)
{
	static const size_t sizes[SHUNT_KIND_END] = {
		[SHUNT_KIND_SETTINGS] = sizeof(struct shunt_settings),
		[SHUNT_KIND_NEXTHOP] = sizeof(struct shunt_nexthop),
		[SHUNT_KIND_SERVER] = sizeof(struct shunt_server),
		[SHUNT_KIND_SERVICE] = sizeof(struct shunt_service),
		[SHUNT_KIND_LOCAL] = sizeof(struct shunt_local),
		[SHUNT_KIND_SOURCE] = sizeof(struct shunt_source),
		[SHUNT_KIND_LIMIT] = sizeof(struct shunt_limit),
	};

	if (kind == SHUNT_KIND_BACKEND) {
		if (length < sizeof(struct shunt_backend))
			return "backend: shorter than its fixed part";
		return length > SHUNT_MAX_OBJECT_BYTES ? "backend: too long" : NULL;
	}
	if (objects_rules_is(kind))
		return objects_rules_check_length(kind, length);
	return length != sizes[kind] ? "wrong length for an object of this kind" : NULL;
}

static const char *
check_object(const struct object *o)
{
	const void *bytes = o->bytes;
	const struct shunt_local *local = bytes;
	const struct shunt_source *source = bytes;

	switch (o->kind) {
	case SHUNT_KIND_SETTINGS:
		return check_settings(bytes);
	case SHUNT_KIND_NEXTHOP:
		return check_nexthop(bytes);
	case SHUNT_KIND_SERVER:
		return check_server(bytes);
	case SHUNT_KIND_BACKEND:
		return check_backend(bytes, o->length);
	case SHUNT_KIND_SERVICE:
		return check_service(bytes);
	case SHUNT_KIND_LOCAL:
		return address_is_good(&local->address)
			? NULL
			: "local address: unspecified, multicast or broadcast";
	case SHUNT_KIND_LIMIT:
		return check_limit(bytes);
	case SHUNT_KIND_SOURCE:
		return address_is_good(&source->address)
			? NULL
			: "source address: unspecified, multicast or broadcast";
	default:
		return objects_rules_check(o->kind, bytes, o->length);
	}
}

struct object_store *
object_store_create(void)
{
	return calloc(1, sizeof(struct object_store));
}

static void
release_element(void *element)
{
	object_release(element);
}

void
object_store_destroy(struct object_store *store)
{
	if (!store)
		return;
	for (uint32_t kind = 0; kind < SHUNT_KIND_END; kind++)
		shunt_row_clear(&store->rows[kind], release_element);
	free(store);
}

struct object_store *
object_store_clone(const struct object_store *store)
{
	struct object_store *copy = object_store_create();

	for (uint32_t kind = 0; copy && kind < SHUNT_KIND_END; kind++) {
		if (shunt_row_copy(&copy->rows[kind], &store->rows[kind]) < 0) {
			object_store_destroy(copy);
			return NULL;
		}
	}
	return copy;
}

static bool
object_equal(const struct object *a, const struct object *b)
{
	return a->length == b->length && memcmp(a->bytes, b->bytes, a->length) == 0;
}

int
object_store_put(struct object_store *store, uint32_t kind, uint32_t id, const void *bytes,
	uint64_t length, const char **why)
{
	const struct object *before;
	struct object *o;

	*why = NULL;
	if (shunt_kind_max(kind) == 0)
		*why = "unknown kind of object";
	else if (id == 0 || id >= shunt_kind_max(kind))
		*why = "id out of range";
	else
		*why = check_length(kind, length);
	if (*why)
		return -EINVAL;

	/* From here on only the copy is looked at: the original may change at any moment. */
	o = object_create(kind, id, bytes, length);
	if (!o) {
		*why = "out of memory";
		return -ENOMEM;
	}
	*why = check_object(o);
	if (*why) {
		object_release(o);
		return -EINVAL;
	}
	before = object_store_get(store, kind, id);
	if (before && object_equal(before, o)) {
		object_release(o);
		return 0;
	}
	if (shunt_row_set(&store->rows[kind], id, o, release_element) < 0) {
		object_release(o);
		*why = "out of memory";
		return -ENOMEM;
	}
	return 0;
}

int
object_store_delete(struct object_store *store, uint32_t kind, uint32_t id)
{
	if (!object_store_get(store, kind, id))
		return -ENOENT;
	return shunt_row_set(&store->rows[kind], id, NULL, release_element);
}

const struct object *
object_store_get(const struct object_store *store, uint32_t kind, uint32_t id)
{
	return kind < SHUNT_KIND_END ? shunt_row_get(&store->rows[kind], id) : NULL;
}

struct object *
object_store_hold(const struct object_store *store, uint32_t kind, uint32_t id)
{
	struct object *o = kind < SHUNT_KIND_END ? shunt_row_get(&store->rows[kind], id) : NULL;

	if (o)
		o->references++;
	return o;
}

uint32_t
object_store_next_change(const struct object_store *before, const struct object_store *after,
	uint32_t kind, uint32_t id)
{
	return shunt_row_next_difference(&before->rows[kind], &after->rows[kind], id);
}

uint32_t
object_store_end(const struct object_store *store, uint32_t kind)
{
	return kind < SHUNT_KIND_END ? shunt_row_end(&store->rows[kind]) : 0;
}

static uint64_t
padded(uint64_t length)
{
	return (length + 7) & ~(uint64_t)7;
}

uint64_t
object_store_dump_bytes(const struct object_store *store)
{
	uint64_t total = 0;

	for (uint32_t kind = 0; kind < SHUNT_KIND_END; kind++) {
		uint32_t end = object_store_end(store, kind);

		for (uint32_t id = 0; id < end; id++) {
			const struct object *o = object_store_get(store, kind, id);

			if (o)
				total += sizeof(struct shunt_object_header) + padded(o->length);
		}
	}
	return total;
}

static uint8_t *
dump_object(const struct object *o, uint8_t *out)
{
	struct shunt_object_header header = {
		.kind = o->kind,
		.id = o->id,
		.length = o->length,
	};

	memcpy(out, &header, sizeof(header));
	out += sizeof(header);
	memcpy(out, o->bytes, o->length);
	memset(out + o->length, 0, padded(o->length) - o->length);
	return out + padded(o->length);
}

void
object_store_dump(const struct object_store *store, void *out)
{
	uint8_t *at = out;

	for (uint32_t kind = 0; kind < SHUNT_KIND_END; kind++) {
		uint32_t end = object_store_end(store, kind);

		for (uint32_t id = 0; id < end; id++) {
			const struct object *o = object_store_get(store, kind, id);

			if (o)
				at = dump_object(o, at);
		}
	}
}
