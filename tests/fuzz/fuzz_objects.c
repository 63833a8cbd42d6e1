/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libFuzzer target: any bytes as what a hostile control process could send. The input is a row of
 * steps: puts of raw bytes or of a good object with bytes of the input laid over it, deletes,
 * commits and transactions given up. A generation that was built is used as workers use it. A
 * broken invariant aborts.
 *
 *   build-clang/tests/fuzz/fuzz_objects -max_len=2048 -max_total_time=60 CORPUS_DIR
 */
#include <errno.h>

#include "classify.h"
#include "fuzz_rules.h"
#include "objects_helper.h"
#include "select.h"
#include "stateless.h"

#define PORT_COUNT  2
#define FRAME_BYTES 54

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

struct input {
	const uint8_t *at;
	size_t left;
};

struct world {
	struct object_store *objects; /* of the transaction */
	struct object_store *running_objects;
	struct generation *running; /* NULL: none yet */
	uint64_t number;
};

static void
must(bool holds)
{
	if (!holds)
		abort();
}

static uint32_t
take(struct input *in, unsigned int bytes)
{
	uint32_t value = 0;

	for (; bytes > 0 && in->left > 0; bytes--, in->left--)
		value = value << 8 | *in->at++;
	return value;
}

/* Mostly small, so that objects find each other. */
static uint32_t
take_id(struct input *in)
{
	uint32_t id = take(in, 1);

	return id < 0xf0 ? id & 7 : take(in, 4);
}

/* From memory of exactly its size. Frees it. */
static void
put(struct world *w, uint32_t kind, uint32_t id, uint8_t *bytes, size_t length)
{
	const struct object *o;
	const char *why;
	int rc = object_store_put(w->objects, kind, id, bytes, length, &why);

	must(rc == 0 ? why == NULL : rc == -EINVAL && why != NULL);
	if (rc == 0) {
		o = object_store_get(w->objects, kind, id);
		must(o && o->kind == kind && o->id == id && o->length == length);
		must(memcmp(o->bytes, bytes, length) == 0);
		must(id < object_store_end(w->objects, kind));
	}
	free(bytes);
}

static uint8_t *
copy(const void *bytes, size_t length, size_t allocated)
{
	uint8_t *memory = calloc(1, allocated ? allocated : 1);

	if (!memory)
		abort();
	if (length)
		memcpy(memory, bytes, length);
	return memory;
}

static void
put_raw(struct world *w, struct input *in)
{
	uint32_t kind = take(in, 1) & 15, id = take_id(in);
	size_t length = take(in, 1);

	if (length > in->left)
		length = in->left;
	put(w, kind, id, copy(in->at, length, length), length);
	in->at += length;
	in->left -= length;
}

/* Of up to three of the servers 1..7. */
static struct shunt_backend *
fuzz_backend(uint32_t shape)
{
	struct shunt_backend *backend;
	struct shunt_member members[3];

	for (uint32_t i = 0; i < 3; i++)
		members[i] = (struct shunt_member){ 1 + (shape + i) % 7, 1 + i * 3,
			shape & 2 ? shape + i : 0 };
	backend = helper_backend(shape % SHUNT_ALGORITHM_COUNT, members, shape >> 6, 16);
	backend->hash_on = shape % SHUNT_HASH_ON_COUNT;
	backend->reject_full = shape >> 3 & 1;
	backend->ignored_bits4 = shape % 33;
	backend->persist_ms = shape & 4 ? 1000 : 0;
	if (backend->algorithm == SHUNT_SOURCE && (shape & 8))
		backend->balance_factor = (uint16_t)(101 + shape);
	if (shape & 32)
		backend->forward = SHUNT_DR;
	return backend;
}

static void
fuzz_service(struct input *in, uint32_t shape, struct shunt_service *service)
{
	service->address.bytes[15] = take(in, 1) & 7;
	if (shape & 16) {
		service->port_be = htons((uint16_t)(70 + take(in, 1) % 20));
		service->last_port_be = htons((uint16_t)(90 + take(in, 1)));
	}
	service->stateless = (shape >> 5) & 1;
	service->limit = service->stateless ? 0 : (shape >> 6) & 1;
	service->rules = shape >> 7;
}

/* A good object; backends of up to three of the servers 1..7. */
static uint8_t *
good_object(struct input *in, uint32_t kind, size_t *length)
{
	uint32_t shape = take(in, 1);
	bool v4 = shape & 1;
	struct shunt_settings settings = { .hash_secret = "secret" };
	struct shunt_nexthop hop = { .port = shape & 1, .mac = { { 2, 0, 0, 0, 0, 1 } } };
	struct shunt_server server =
		helper_server(v4 ? "10.0.0.1" : "fd00::1", 80, 1 + (shape >> 1) % 2);
	struct shunt_service service = helper_service(v4 ? "10.0.0.1" : "fd00::1", 80,
		shape & 2 ? SHUNT_TCP : SHUNT_UDP, 1 + (shape >> 2) % 2);
	struct shunt_limit limit = { .maxconn = shape, .rate = shape & 1, .burst = shape & 1 };
	struct shunt_local local = { helper_addr("10.0.0.1") };
	struct shunt_backend *backend;

	switch (kind) {
	case SHUNT_KIND_SETTINGS:
		*length = sizeof(settings);
		return copy(&settings, *length, *length);
	case SHUNT_KIND_NEXTHOP:
		*length = sizeof(hop);
		return copy(&hop, *length, *length);
	case SHUNT_KIND_SERVER:
		server.address.bytes[15] = take(in, 1) & 7;
		server.nexthop = shape >> 6;
		if (shape & 8)
			server.port_be = 0;
		*length = sizeof(server);
		return copy(&server, *length, *length);
	case SHUNT_KIND_BACKEND:
		backend = fuzz_backend(shape);
		*length = shunt_backend_bytes(backend);
		return (uint8_t *)backend;
	case SHUNT_KIND_SERVICE:
		fuzz_service(in, shape, &service);
		*length = sizeof(service);
		return copy(&service, *length, *length);
	case SHUNT_KIND_LIMIT:
		if (shape & 8) {
			limit.source_maxconn = 1 + shape;
			limit.source_prefix = 8 + shape % 25;
			limit.source_prefix_v6 = 16 + shape % 113;
		}
		*length = sizeof(limit);
		return copy(&limit, *length, *length);
	case SHUNT_KIND_PREFIXES:
		return fuzz_prefixes(shape, length);
	case SHUNT_KIND_ACLS:
		return fuzz_acls(shape, length);
	case SHUNT_KIND_RULES:
		return fuzz_rules(shape, length);
	case SHUNT_KIND_TRUTH:
		*length = sizeof(struct shunt_truth);
		return copy(NULL, 0, *length);
	default:
		*length = sizeof(local);
		return copy(&local, *length, *length);
	}
}

static void
put_spoilt(struct world *w, struct input *in)
{
	uint32_t kind = 1 + take(in, 1) % (SHUNT_KIND_END - 1), id = take_id(in);
	uint32_t spoils = take(in, 1) & 3;
	size_t length;
	uint8_t *bytes = good_object(in, kind, &length);

	for (; spoils > 0; spoils--) {
		uint32_t place = take(in, 1);

		bytes[place % length] ^= take(in, 1);
	}
	put(w, kind, id, bytes, length);
}

/* What the service's rules say, if it has any. */
static void
judge(const struct generation *g, const struct pkt *p)
{
	const uint8_t *ip = p->data + p->l3_offset;
	const struct acl_packet packet = {
		.source = ip + (p->version == 4 ? 12 : 8),
		.destination = ip + (p->version == 4 ? 16 : 24),
		.payload = p->data,
		.payload_bytes = FRAME_BYTES,
		.source_port = 80,
		.destination_port = 80,
		.version = p->version,
		.protocol = p->protocol,
	};
	struct acl_verdict verdict;

	if (!g->services[p->service].rules)
		return;
	verdict = acl_judge(g->acl, g->truth, g->services[p->service].rules, &packet);
	must(verdict.action < SHUNT_RULE_ACTION_COUNT);
	must(verdict.action != SHUNT_RULE_USE_BACKEND ||
		(g->backends[verdict.backend] && generation_leads(g, p->service, verdict.backend)));
}

/* A packet of the input's bytes, through what the workers do with a generation. */
static void
use(const struct generation *g, struct input *in)
{
	static struct select_state state;
	static uint8_t stats_memory[sizeof(struct shunt_server_stats) * SHUNT_MAX_SERVERS +
		sizeof(struct shunt_stats)] __attribute__((aligned(64)));
	struct shunt_stats *stats = (struct shunt_stats *)stats_memory;
	uint8_t *frame = calloc(1, FRAME_BYTES);
	bool v4 = take(in, 1) & 1;
	struct pkt p = {
		.data = frame,
		.bytes = FRAME_BYTES,
		.version = v4 ? 4 : 6,
		.protocol = take(in, 1) & 1 ? SHUNT_TCP : SHUNT_UDP,
		.l3_offset = 14,
		.l4_offset = v4 ? 34 : 54,
		.sport_be = htons(80 + (take(in, 1) & 1)),
		.dport_be = htons(80 + (take(in, 1) & 1)),
	};
	struct shunt_addr base = helper_addr(v4 ? "10.0.0.0" : "fd00::");
	const struct gen_backend *backend;
	struct pkt *burst = &p;
	uint32_t server;

	if (!frame)
		abort();
	base.bytes[15] = take(in, 1) & 7;
	memcpy(frame + (v4 ? 26 : 22), base.bytes + (v4 ? 12 : 0), v4 ? 4 : 16);
	base.bytes[15] = take(in, 1) & 7;
	memcpy(frame + (v4 ? 30 : 38), base.bytes + (v4 ? 12 : 0), v4 ? 4 : 16);
	stats->servers_offset = sizeof(*stats);
	state.worker_count = 1;
	state.stats = stats;
	classify_burst(g->classifier, &burst, 1, take(in, 4));
	if (!p.drop) {
		must(p.service && g->services[p.service].version == p.version);
		must(g->services[p.service].protocol == p.protocol);
		for (unsigned int i = 0; i < p.other_service_count; i++) {
			uint16_t other = classify_other_service(g->classifier, &p, i);

			must(other != p.service && g->services[other].version == p.version);
		}
		judge(g, &p);
		backend = g->backends[g->services[p.service].backend];
		server = select_server(&state, g, backend, &p);
		select_release(&state);
		must((server == 0) == (backend->member_count == 0));
		must(server < g->server_count &&
			g->servers[server].version == (server ? p.version : 0));
		server = select_by_hash(g, backend, &p);
		must((server == 0) == (backend->member_count == 0));
		must(server == 0 || g->servers[server].backend == backend->id);
		must(backend->answers || !g->services[p.service].stateless);
		must(!backend->answers || stateless_answer(g, backend, &p, 0).server == server);
	}
	free(frame);
}

static void
give_up(struct world *w)
{
	object_store_destroy(w->objects);
	w->objects = object_store_clone(w->running_objects);
	must(w->objects != NULL);
}

static void
commit(struct world *w, struct input *in)
{
	struct generation_error error;
	int result;
	struct generation *next =
		generation_create(w->objects, ++w->number, w->running, PORT_COUNT, &error, &result);

	must(next ? result == 0 && !error.text : result == -EINVAL && error.text);
	if (!next) {
		must(error.kind > 0 && error.kind < SHUNT_KIND_END);
		must(error.kind == SHUNT_KIND_SETTINGS ||
			object_store_get(w->objects, error.kind, error.id));
		give_up(w);
		return;
	}
	/* The old set goes before the old generation, as it may. */
	object_store_destroy(w->running_objects);
	w->running_objects = w->objects;
	w->objects = object_store_clone(w->running_objects);
	must(w->objects != NULL);
	if (w->running)
		use(w->running, in);
	generation_destroy(w->running);
	w->running = next;
	use(next, in);
}

static void
put_good(struct world *w, uint32_t kind, uint32_t id, const void *bytes, size_t length)
{
	put(w, kind, id, copy(bytes, length, length), length);
	must(object_store_get(w->objects, kind, id) != NULL);
}

/* A row of rules, which no service has yet. */
static void
put_rules(struct world *w)
{
	size_t length;
	uint8_t *bytes = fuzz_prefixes(1, &length);

	put(w, SHUNT_KIND_PREFIXES, 1, bytes, length);
	bytes = fuzz_acls(0xff, &length);
	put(w, SHUNT_KIND_ACLS, 1, bytes, length);
	bytes = fuzz_rules(2, &length);
	put(w, SHUNT_KIND_RULES, 1, bytes, length);
}

/*
 * Something to change, which random bytes would take long to come to: both families, a server
 * that two backends share.
 */
static void
put_base(struct world *w, uint32_t algorithm)
{
	static const struct shunt_member members[] = { { 1, 3 }, { 2, 1 }, { 4, 1 }, { 5, 2 } };
	const struct shunt_settings settings = { .hash_secret = "secret" };
	const struct shunt_nexthop hop = { .port = 1, .mac = { { 2, 0, 0, 0, 0, 1 } } };
	const struct shunt_server servers[] = {
		helper_server("10.0.0.4", 80, 1),
		helper_server("10.0.0.5", 80, 1),
		helper_server("10.0.0.5", 80, 3),
		helper_server("fd00::4", 80, 2),
		helper_server("fd00::5", 80, 2),
	};
	const struct shunt_service services[] = {
		helper_service("10.0.0.1", 80, SHUNT_TCP, 1),
		helper_service("10.0.0.2", 80, SHUNT_TCP, 3),
		helper_service("fd00::1", 80, SHUNT_TCP, 2),
		helper_service("fd00::2", 80, SHUNT_TCP, 2),
		helper_service("fd00::2", 80, SHUNT_UDP, 2),
	};

	put_rules(w);
	put_good(w, SHUNT_KIND_SETTINGS, 1, &settings, sizeof(settings));
	put_good(w, SHUNT_KIND_NEXTHOP, 1, &hop, sizeof(hop));
	for (uint32_t i = 0; i < 5; i++) {
		put_good(w, SHUNT_KIND_SERVER, i + 1, &servers[i], sizeof(servers[i]));
		put_good(w, SHUNT_KIND_SERVICE, i + 1, &services[i], sizeof(services[i]));
	}
	for (uint32_t id = 1; id <= 3; id++) {
		struct shunt_backend *b =
			helper_backend(algorithm, &members[id & 2], id == 3 ? 0 : 2, 16);

		put_good(w, SHUNT_KIND_BACKEND, id, b, shunt_backend_bytes(b));
		free(b);
	}
}

static void
check_dump(const struct world *w)
{
	uint64_t bytes = object_store_dump_bytes(w->objects), at = 0;
	uint8_t *image = copy(NULL, 0, bytes);

	object_store_dump(w->objects, image);
	while (at < bytes) {
		struct shunt_object_header h;

		memcpy(&h, image + at, sizeof(h));
		must(object_store_get(w->objects, h.kind, h.id) != NULL);
		at += sizeof(h) + (h.length + 7) / 8 * 8;
	}
	must(at == bytes);
	free(image);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct input in = { data, bytes };
	struct world w = {
		.objects = object_store_create(),
		.running_objects = object_store_create(),
	};

	must(w.objects && w.running_objects);
	if (bytes > 0 && data[0] & 1)
		put_base(&w, data[0] % SHUNT_ALGORITHM_COUNT);
	while (in.left > 0) {
		uint32_t step = take(&in, 1) & 15;

		if (step < 4)
			put_raw(&w, &in);
		else if (step < 11)
			put_spoilt(&w, &in);
		else if (step < 13)
			object_store_delete(w.objects, take(&in, 1) & 15, take_id(&in));
		else if (step < 15)
			commit(&w, &in);
		else
			give_up(&w);
	}
	check_dump(&w);
	object_store_destroy(w.objects);
	generation_destroy(w.running);
	object_store_destroy(w.running_objects);
	return 0;
}
