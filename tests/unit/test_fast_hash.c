/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The fast path's hash, one packet at a time and eight: against the selection hash, computed from
 * the whole key, and against stateless_burst() and the stages behind it.
 */
#include "fast.h"
#include "path.h"

#define CLIENTS	  120
#define LEAST_MTU 600
#define SPECIAL	  8 /* one in so many packets is a SYN, FIN or RST, or without TTL, or big */
#define ADDRESS	  "198.51.100.10" /* of all services */

/* The scene: what leads where, and how. */
enum {
	BACKENDS = 5,
	BACKEND_SERVERS = 2,
	ALL_SERVERS = BACKENDS * BACKEND_SERVERS,
	SERVICES = 8,
	TOGGLED = 8, /* a service that is stateful at first */
};

static const struct {
	uint8_t forward;
	uint8_t hash_on;
	uint8_t encap;
	uint16_t mss_clamp;
	uint32_t slots;
	uint8_t ignored_bits; /* of clients' addresses */
} backends[BACKENDS + 1] = {
	[1] = { SHUNT_DR, SHUNT_HASH_SOURCE, SHUNT_ENCAP_NONE, 0, 512, 3 },
	[2] = { SHUNT_DR, SHUNT_HASH_SOURCE_PORT, SHUNT_ENCAP_NONE, 1200, 1024 },
	[3] = { SHUNT_TUNNEL, SHUNT_HASH_SOURCE, SHUNT_IPIP, 0, 256 },
	[4] = { SHUNT_DR, SHUNT_HASH_CONNECTION, SHUNT_ENCAP_NONE, 0, 256, 5 },
	[5] = { SHUNT_NAT, SHUNT_HASH_SOURCE, SHUNT_ENCAP_NONE, 0, 256 },
};

static const struct {
	uint16_t port;
	uint8_t protocol;
	uint8_t backend;
	bool stateless;
} services[SERVICES + 1] = {
	[1] = { 80, SHUNT_TCP, 1, true },
	[2] = { 80, SHUNT_UDP, 1, true },
	[3] = { 81, SHUNT_TCP, 1, false },
	[4] = { 82, SHUNT_TCP, 2, true },
	[5] = { 83, SHUNT_TCP, 3, true },
	[6] = { 84, SHUNT_TCP, 4, true },
	[7] = { 85, SHUNT_TCP, 5, false },
	[TOGGLED] = { 86, SHUNT_TCP, 1, false },
};

/* One burst in three copies: for the two versions, and for the stages. */
enum {
	SIMPLE,
	EIGHT,
	STAGES,
	COPIES
};

struct bed {
	struct path path;
	uint64_t random;
	bool toggled;
	uint8_t state[ALL_SERVERS + 1];
	struct fast_view view[COPIES];
	struct fast_burst burst[COPIES];
	unsigned int count;
	uint8_t frames[COPIES][PKT_BURST][FRAME_MAX_BYTES];
	uint64_t fit;
	/* What has been seen, in all. */
	unsigned int gone_on, left, changed, big;
};

static struct bed bed;

static uint32_t
roll(uint32_t sides)
{
	return (uint32_t)(helper_random(&bed.random) >> 33) % sides;
}

static const struct fast_passes *
passes(unsigned int copy)
{
	return fast_passes(copy != EIGHT);
}

static void
put_backend(uint32_t id)
{
	struct shunt_member members[BACKEND_SERVERS];
	struct shunt_backend *b;
	uint32_t count = 0;

	for (uint32_t i = 0; i < BACKEND_SERVERS; i++) {
		uint32_t server = (id - 1) * BACKEND_SERVERS + i + 1;

		if (bed.state[server] == SHUNT_SERVER_UP)
			members[count++] = (struct shunt_member){ .server = server, .weight = 1 };
	}
	b = helper_backend(SHUNT_SOURCE, members, count, backends[id].slots);
	b->forward = backends[id].forward;
	b->hash_on = backends[id].hash_on;
	b->encap = backends[id].encap;
	b->ignored_bits4 = backends[id].ignored_bits;
	b->mss_clamp = backends[id].mss_clamp;
	helper_put(bed.path.objects, SHUNT_KIND_BACKEND, id, b, shunt_backend_bytes(b));
	free(b);
}

static void
publish(void)
{
	struct shunt_nexthop nexthop = {
		.port = 1,
		.mac = { { 2, 0, 0, 0, 0, 9 } },
		.source = helper_addr("10.0.0.250"),
	};

	helper_put(bed.path.objects, SHUNT_KIND_NEXTHOP, 1, &nexthop, sizeof(nexthop));
	nexthop.mac.bytes[5] = 8;
	nexthop.port = 0;
	helper_put(bed.path.objects, SHUNT_KIND_NEXTHOP, 2, &nexthop, sizeof(nexthop));
	for (uint32_t id = 1; id <= ALL_SERVERS; id++) {
		struct shunt_server s = helper_server(server_address(&bed.path, id),
			(uint16_t)(SERVER_PORT_BASE + id), (id - 1) / BACKEND_SERVERS + 1);

		s.nexthop = 1 + id % BACKEND_SERVERS;
		s.state = bed.state[id];
		helper_put(bed.path.objects, SHUNT_KIND_SERVER, id, &s, sizeof(s));
	}
	for (uint32_t id = 1; id <= BACKENDS; id++)
		put_backend(id);
	for (uint32_t id = 1; id <= SERVICES; id++) {
		struct shunt_service s = helper_service(
			ADDRESS, services[id].port, services[id].protocol, services[id].backend);

		s.stateless = id == TOGGLED ? bed.toggled : services[id].stateless;
		helper_put(bed.path.objects, SHUNT_KIND_SERVICE, id, &s, sizeof(s));
	}
	path_commit(&bed.path);
}

static void
open_bed(void)
{
	memset(&bed.state, SHUNT_SERVER_UP, sizeof(bed.state));
	path_open(&bed.path, 4, SHUNT_SOURCE, CAPACITY);
	bed.random = 7;
	bed.toggled = false;
	bed.gone_on = bed.left = bed.changed = bed.big = 0;
	publish();
	/* The first services were other ones for a moment. */
	publish();
}

/* Most clients are usual ones; some have addresses that no packet may come from. */
static void
choose_client(uint8_t *address)
{
	static const uint8_t odd[][4] = { { 0, 1, 2, 3 }, { 127, 0, 0, 1 }, { 224, 0, 0, 1 },
		{ 240, 0, 0, 1 }, { 198, 51, 100, 10 }, { 255, 255, 255, 255 }, { 223, 255, 0, 1 },
		{ 126, 1, 1, 1 }, { 128, 1, 1, 1 }, { 1, 0, 0, 1 } };

	if (roll(16) == 0)
		memcpy(address, odd[roll(sizeof(odd) / sizeof(odd[0]))], 4);
	else
		client_address(&bed.path, 1 + roll(CLIENTS), address);
}

static void
choose_packet(unsigned int i, uint32_t service, bool usual)
{
	static const uint8_t flags[] = { PKT_SYN, PKT_FIN | PKT_ACK, PKT_RST, PKT_ACK };
	static const uint8_t payload[LEAST_MTU];
	struct frame_spec spec = frame_default(4, services[service].protocol);
	struct shunt_addr to = helper_addr(ADDRESS);
	size_t bytes;

	choose_client(spec.src);
	memcpy(spec.dst, to.bytes + 12, 4);
	spec.sport = (uint16_t)(1000 + roll(3));
	spec.dport = services[service].port;
	spec.payload = payload;
	/* At least 54 bytes; the greatest that fit, and the first that do not. */
	spec.payload_bytes = roll(4) ? 12 + roll(200) : LEAST_MTU - 44;
	if (!usual && roll(SPECIAL) == 0)
		spec.payload_bytes = LEAST_MTU - 40 + roll(20);
	if (!usual && roll(SPECIAL) == 0)
		spec.flags = flags[roll(sizeof(flags))];
	if (!usual && roll(SPECIAL) == 0)
		spec.ttl = 1;
	bytes = frame_build(bed.frames[0][i], &spec);
	for (unsigned int c = 1; c < COPIES; c++)
		memcpy(bed.frames[c][i], bed.frames[0][i], bytes);
	for (unsigned int c = 0; c < COPIES; c++) {
		bed.burst[c].in_frame[i] = bed.frames[c][i];
		bed.burst[c].in_bytes[i] = (uint16_t)bytes;
	}
}

/* All to one service, to any, or to one for a while. */
static void
choose_burst(void)
{
	uint32_t kind = roll(3), service = 1 + roll(SERVICES);
	bool usual = roll(2);

	bed.count = roll(4) ? 1 + roll(PKT_BURST) : PKT_BURST;
	for (unsigned int i = 0; i < bed.count; i++) {
		if (kind == 1 || (kind == 2 && roll(12) == 0))
			service = 1 + roll(SERVICES);
		choose_packet(i, service, usual);
	}
}

static void
take(unsigned int copy)
{
	static void *mbufs[PKT_BURST];
	struct fast_burst *f = &bed.burst[copy];

	f->in_count = bed.count;
	f->in_mbuf = mbufs;
	fast_view_bind(&bed.view[copy], bed.path.tracker, bed.path.macs, LEAST_MTU);
	fast_view_begin(&bed.view[copy], 0, bed.path.tick);
	passes(copy)->take(&bed.view[copy], f);
}

static uint64_t
all_taken(void)
{
	unsigned int n = bed.burst[SIMPLE].count;

	return n < 64 ? FAST_BIT(n) - 1 : UINT64_MAX;
}

static bool
is_in(uint64_t set, unsigned int i)
{
	return set >> i & 1;
}

/* What the slot of a taken packet says, by the hash of the whole key. */
static uint32_t
slot_of(uint64_t flow)
{
	const struct generation *g = bed.path.generation;
	const struct gen_service *service = &g->services[flow >> 48];
	const struct gen_backend *backend = g->backends[service->backend];
	uint32_t address = (uint32_t)flow;
	struct shunt_selection_key key = {
		.client = shunt_addr_from_v4((const uint8_t *)&address),
		.client_port_be = (uint16_t)(flow >> 32),
		.service_port_be = service->port_be,
		.protocol = service->protocol,
		.service = shunt_addr_from_v4(service->address),
	};
	uint32_t hash;

	shunt_selection_network(&key.client, backends[service->backend].ignored_bits, 0);
	hash = shunt_selection_hash(g->hash_secret, backend->hash_on, &key);
	return backend->answers->slots[shunt_selection_slot(hash, backend->answers->count)];
}

enum verdict {
	NO,
	YES,
	NOT_ITSELF
}; /* the last: its flow does, but not this packet */

static enum verdict
verdict(unsigned int i)
{
	const struct generation *g = bed.path.generation;
	const struct fast_burst *f = &bed.burst[SIMPLE];
	uint64_t flow = f->key[i];
	const struct gen_service *service = &g->services[flow >> 48];
	const uint8_t *source = f->frame[i] + FAST_L3 + 12;
	const struct gen_server *server;
	uint32_t slot;

	if (!service->stateless ||
		(service->leftover && flow_entries(bed.path.tracker->flows, flow >> 48)) ||
		source[0] == 0 || source[0] == 127 || source[0] >= 224 ||
		memcmp(source, source + 4, 4) == 0)
		return NO;
	slot = slot_of(flow);
	bed.changed += !stateless_is_plain(slot);
	server = &g->servers[stateless_server(slot)];
	if (!stateless_is_plain(slot) || server->forward != SHUNT_DR)
		return NO;
	if (f->ip_bytes[i] > LEAST_MTU || (server->mss_clamp && f->kind[i] & FAST_SPECIAL)) {
		bed.big++;
		return NOT_ITSELF;
	}
	return YES;
}

/* It has left for the server that its slot names, of those of its backend. */
static void
check_way(const struct fast_burst *f, unsigned int i)
{
	uint32_t server = stateless_server(slot_of(f->key[i]));
	const struct link *link = &bed.path.generation->servers[server].link;

	CU_ASSERT_EQUAL(memcmp(f->frame[i], link->mac.bytes, 6), 0);
	CU_ASSERT_EQUAL(memcmp(f->frame[i] + 6, bed.path.macs[link->port].bytes, 6), 0);
	CU_ASSERT_EQUAL(f->out_port[i], link->port);
}

/* The set against what each packet is, and what comes behind one that is left. */
static void
check_verdicts(void)
{
	const struct fast_burst *f = &bed.burst[SIMPLE];
	bool any_left = false;

	for (unsigned int i = 0; i < f->count; i++) {
		enum verdict v = verdict(i);
		bool behind = false;

		for (unsigned int j = 0; j < i; j++)
			behind |= f->key[j] == f->key[i] && !is_in(bed.fit, j);
		if (is_in(bed.fit, i)) {
			CU_ASSERT_EQUAL(v, YES);
			CU_ASSERT_FALSE(behind);
			check_way(f, i);
		} else {
			CU_ASSERT_TRUE(v != YES || any_left);
		}
		any_left |= v == NOT_ITSELF;
	}
}

/* Both versions say the same, and look for the same flows of those that are left. */
static void
check_versions(void)
{
	struct fast_burst *a = &bed.burst[SIMPLE], *b = &bed.burst[EIGHT];
	uint64_t rest = all_taken() & ~bed.fit;

	for (unsigned int i = 0; i < a->count; i++) {
		if (is_in(bed.fit, i)) {
			check_way(b, i);
		} else {
			struct flow_words key = { .word[0] = a->key[i] };

			CU_ASSERT_EQUAL(a->hash[i],
				flow_hash(bed.path.tracker->flows->secret, FLOW_SLOTS_V4, &key));
			CU_ASSERT_EQUAL(a->hash[i], b->hash[i]);
			CU_ASSERT_PTR_EQUAL(a->bucket[i], b->bucket[i]);
		}
	}
	CU_ASSERT_EQUAL(passes(SIMPLE)->find(a, rest), passes(EIGHT)->find(b, rest));
}

/* A counter of each of these, summed up: what they were raised by shows in it. */
static uint64_t
counted(void)
{
	const struct tracker *t = bed.path.tracker;
	uint64_t sum = 0;

	for (uint32_t id = 1; id <= SERVICES; id++)
		sum += id * (t->services[id].in_packets * 0x10001 + t->services[id].in_bytes);
	for (uint32_t id = 1; id <= ALL_SERVERS; id++)
		sum += (id << 8) * (t->servers[id].in_packets * 0x10001 + t->servers[id].in_bytes);
	return sum;
}

/* What goes on comes out of the stages as it comes out here, and is counted alike: by_fast. */
static void
check_stages(uint64_t by_fast)
{
	struct fast_burst *fast = &bed.burst[EIGHT], *f = &bed.burst[STAGES];
	struct pkt pkts[PKT_BURST], *live[PKT_BURST], *rest[PKT_BURST];
	const struct generation *g = bed.path.generation;
	struct tracker *t = bed.path.tracker;
	unsigned int n = 0, left;
	uint64_t before = counted();

	for (uint64_t s = bed.fit; s; s &= s - 1, n++) {
		unsigned int i = (unsigned int)__builtin_ctzll(s);

		live[n] = &pkts[n];
		CU_ASSERT_TRUE(fast_leave(&bed.view[STAGES], f, i, false, 0, live[n]));
		pkts[n].headroom = 0;
	}
	left = stateless_burst(g, t->flows, t->now, live, n, rest);
	CU_ASSERT_EQUAL(left, 0);
	rewrite_burst(g, t->hops, bed.path.macs, bed.path.mtus, live, n);
	track_count(t, live, n);
	CU_ASSERT_EQUAL(counted() - before, by_fast);
	n = 0;
	for (uint64_t s = bed.fit; s; s &= s - 1, n++) {
		unsigned int i = (unsigned int)__builtin_ctzll(s);

		CU_ASSERT_EQUAL(pkts[n].drop, 0);
		CU_ASSERT_EQUAL(pkts[n].out_port, fast->out_port[i]);
		CU_ASSERT_EQUAL(pkts[n].bytes, FAST_L3 + fast->ip_bytes[i]);
		CU_ASSERT_EQUAL(memcmp(pkts[n].data, fast->frame[i], pkts[n].bytes), 0);
	}
}

/* among: of those taken, which ones hash is asked about. */
static void
run_burst(uint64_t among)
{
	uint64_t sent[2], counts[2];

	for (unsigned int copy = 0; copy < COPIES; copy++)
		take(copy);
	CU_ASSERT_EQUAL(bed.burst[SIMPLE].count, bed.count);
	CU_ASSERT_EQUAL(bed.burst[EIGHT].count, bed.count);
	among &= all_taken();
	for (unsigned int copy = SIMPLE; copy <= EIGHT; copy++) {
		uint64_t before = counted();

		sent[copy] = passes(copy)->hash(&bed.view[copy], &bed.burst[copy], among);
		counts[copy] = counted() - before;
	}
	bed.fit = sent[SIMPLE];
	CU_ASSERT_EQUAL(sent[EIGHT], bed.fit);
	CU_ASSERT_EQUAL(counts[EIGHT], counts[SIMPLE]);
	CU_ASSERT_EQUAL(bed.fit & ~among, 0);
	if (among == all_taken()) {
		check_verdicts();
		check_versions();
	}
	check_stages(counts[SIMPLE]);
	bed.gone_on += (unsigned int)__builtin_popcountll(bed.fit);
	bed.left += (unsigned int)__builtin_popcountll(all_taken() & ~bed.fit);
}

static void
run_bursts(unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		choose_burst();
		run_burst(UINT64_MAX);
	}
}

/* Nothing has changed yet: all services, alone and mixed. */
static void
test_clean(void)
{
	open_bed();
	run_bursts(300);
	CU_ASSERT_TRUE(bed.gone_on > 1000 && bed.left > 1000 && bed.big > 100);
	CU_ASSERT_EQUAL(bed.changed, 0);
	path_close(&bed.path);
}

/* Of a group that is not whole, nothing but what was asked for. */
static void
test_short_groups(void)
{
	open_bed();
	for (unsigned int i = 0; i < 300; i++) {
		choose_burst();
		run_burst(helper_random(&bed.random) & helper_random(&bed.random));
	}
	CU_ASSERT_TRUE(bed.gone_on > 200);
	path_close(&bed.path);
}

/* Servers come and go, and time passes; slots are clean, open and closed. */
static void
test_changed_slots(void)
{
	static const uint8_t states[] = { SHUNT_SERVER_UP, SHUNT_SERVER_UP, SHUNT_SERVER_DRAIN,
		SHUNT_SERVER_DOWN };

	open_bed();
	for (unsigned int i = 0; i < 60; i++) {
		bed.state[1 + roll(ALL_SERVERS)] = states[roll(sizeof(states))];
		publish();
		run_bursts(10);
		if (roll(8) == 0) {
			bed.path.tick += 1000;
			bed.path.tracker->now += 1000;
			publish();
			run_bursts(10);
		}
	}
	CU_ASSERT_TRUE(bed.gone_on > 1000 && bed.changed > 1000);
	path_close(&bed.path);
}

/* A service becomes stateless while it has a flow, which keeps its packets where they were. */
static void
test_leftover(void)
{
	static uint8_t frame[FRAME_MAX_BYTES];
	struct frame_spec spec = frame_default(4, SHUNT_TCP);
	struct shunt_addr to = helper_addr(ADDRESS);
	struct result r;
	size_t bytes;

	open_bed();
	client_address(&bed.path, 1, spec.src);
	memcpy(spec.dst, to.bytes + 12, 4);
	spec.dport = services[TOGGLED].port;
	spec.flags = PKT_SYN;
	bytes = frame_build(frame, &spec);
	memcpy(r.frame, frame, bytes);
	path_run(&bed.path, &r, 0, bytes);
	CU_ASSERT_EQUAL(flow_entries(bed.path.tracker->flows, TOGGLED), 1);
	bed.toggled = true;
	publish();
	CU_ASSERT_TRUE(bed.path.generation->services[TOGGLED].leftover);
	for (unsigned int i = 0; i < 20; i++) {
		bed.count = PKT_BURST;
		for (unsigned int k = 0; k < bed.count; k++)
			choose_packet(k, TOGGLED, true);
		run_burst(UINT64_MAX);
	}
	CU_ASSERT_EQUAL(bed.gone_on, 0);
	/* The flow has gone; the generation does not know yet. */
	bed.path.tick += 60;
	bed.path.tracker->now += 60;
	track_sweep(bed.path.tracker, 1000000, bed.path.tick);
	CU_ASSERT_EQUAL(flow_entries(bed.path.tracker->flows, TOGGLED), 0);
	run_burst(UINT64_MAX);
	CU_ASSERT_TRUE(bed.gone_on > 0);
	path_close(&bed.path);
}

/* Without a stateless service take has asked for the flows' buckets already. */
static void
test_no_stateless(void)
{
	struct path *path = &bed.path;

	path_open(path, 4, SHUNT_SOURCE, CAPACITY);
	bed.random = 7;
	CU_ASSERT_FALSE(path->generation->has_answers);
	bed.count = PKT_BURST;
	for (unsigned int i = 0; i < bed.count; i++)
		choose_packet(i, 1, true);
	for (unsigned int copy = 0; copy < STAGES; copy++) {
		struct fast_burst *f = &bed.burst[copy];

		memset((void *)f->bucket, 0, sizeof(f->bucket));
		take(copy);
		CU_ASSERT_PTR_NULL(bed.view[copy].stateless);
		CU_ASSERT_EQUAL(f->count, bed.count);
		for (unsigned int i = 0; i < f->count; i++)
			CU_ASSERT_PTR_NOT_NULL(f->bucket[i]);
	}
	path_close(path);
}

static const struct unit_test tests[] = {
	{ "clean slots", test_clean },
	{ "short groups", test_short_groups },
	{ "changed slots", test_changed_slots },
	{ "leftover flows", test_leftover },
	{ "no stateless service", test_no_stateless },
};

UNIT_MAIN("fast_hash", tests)
