/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Stateless services against a model that knows every flow: servers come, go, drain, fail and
 * change their weights while flows begin, go on and fall silent, and none that may live changes its
 * server.
 */
#include "path.h"
#include "shunt/selection.h"

#define IDS	  200 /* servers of a trace, one after the other; an id is not given twice */
#define PRESENT	  6   /* of them at a time */
#define FINEST	  256 /* slots of the largest table here */
#define FLOWS	  300
#define STEPS	  6000
#define SYN_MS	  30000
#define LONG_MS	  60000 /* established */
#define FIN_MS	  20000
#define UDP_MS	  40000
#define SWEEP_ALL 1000000

enum phase {
	PHASE_NONE,
	PHASE_SYN,
	PHASE_ESTABLISHED,
	PHASE_FIN,
	PHASE_UDP,
};

struct flow_model {
	enum phase phase;
	uint8_t protocol;
	uint32_t client;
	uint32_t server;
	uint16_t last; /* tick of its last packet */
};

struct trace {
	struct path path;
	uint64_t random;
	bool stateless;
	bool toggles; /* between stateless and stateful */
	bool shutdown_sessions;
	bool there[IDS];
	uint8_t state[IDS];
	uint32_t weight[IDS];
	uint32_t last_id;
	uint32_t answer[FINEST];
	bool changed[FINEST]; /* ever */
	uint32_t last_client;
	struct flow_model flows[FLOWS];
	unsigned int kept, moved, stored; /* what the trace has seen */
};

static uint32_t
roll(struct trace *t, uint32_t sides)
{
	return (uint32_t)(helper_random(&t->random) >> 33) % sides;
}

static void
put_services(struct trace *t)
{
	for (uint32_t id = SERVICE; id <= SERVICE + 1; id++) {
		struct shunt_service s = helper_service(service_address(&t->path), 80,
			id == SERVICE ? SHUNT_TCP : SHUNT_UDP, BACKEND);

		s.stateless = t->stateless;
		s.timeout_syn_ms = SYN_MS;
		s.timeout_established_ms = LONG_MS;
		s.timeout_fin_ms = FIN_MS;
		s.timeout_udp_ms = UDP_MS;
		helper_put(t->path.objects, SHUNT_KIND_SERVICE, id, &s, sizeof(s));
	}
}

/* What the hash says from now on, by the image. */
static void
note_answers(struct trace *t, const struct shunt_backend *b)
{
	const struct shunt_member *members = (const void *)(b + 1);
	const uint16_t *slots = (const void *)(members + b->member_count);

	for (uint32_t i = 0; i < FINEST; i++) {
		uint32_t server = 0;

		if (b->slot_count)
			server = members[slots[i * b->slot_count / FINEST]].server;
		t->changed[i] |= t->answer[i] && t->answer[i] != server;
		t->answer[i] = server;
	}
}

static void
publish(struct trace *t)
{
	struct shunt_member members[PRESENT];
	struct shunt_backend *backend;
	uint32_t count = 0;

	for (uint32_t id = 1; id <= t->last_id; id++) {
		struct shunt_server server =
			helper_server(server_address(&t->path, id), 80, BACKEND);

		server.nexthop = 1;
		server.state = t->state[id];
		if (t->there[id])
			helper_put(t->path.objects, SHUNT_KIND_SERVER, id, &server, sizeof(server));
		else
			object_store_delete(t->path.objects, SHUNT_KIND_SERVER, id);
		if (t->there[id] && t->state[id] == SHUNT_SERVER_UP && t->weight[id])
			members[count++] = (struct shunt_member){ id, t->weight[id] };
	}
	backend = helper_backend(SHUNT_SOURCE, members, count, 64u << roll(t, 3));
	backend->forward = SHUNT_DR;
	backend->shutdown_sessions = t->shutdown_sessions;
	helper_put(t->path.objects, SHUNT_KIND_BACKEND, BACKEND, backend,
		shunt_backend_bytes(backend));
	note_answers(t, backend);
	free(backend);
	put_services(t);
	t->path.skew = roll(t, 2);
	path_commit(&t->path);
}

static uint32_t
some_server(struct trace *t)
{
	uint32_t found = 0, seen = 0;

	for (uint32_t id = 1; id <= t->last_id; id++) {
		if (t->there[id] && roll(t, ++seen) == 0)
			found = id;
	}
	return found;
}

static void
add_server(struct trace *t)
{
	unsigned int count = 0;

	for (uint32_t id = 1; id <= t->last_id; id++)
		count += t->there[id];
	if (count == PRESENT || t->last_id + 1 == IDS)
		return;
	t->last_id++;
	t->there[t->last_id] = true;
	t->weight[t->last_id] = 1 + roll(t, 3);
}

static void
change(struct trace *t)
{
	static const uint8_t states[] = { SHUNT_SERVER_UP, SHUNT_SERVER_UP, SHUNT_SERVER_DRAIN,
		SHUNT_SERVER_DOWN };
	uint32_t id = some_server(t);

	switch (roll(t, 8)) {
	case 0:
	case 1:
		add_server(t);
		break;
	case 2:
		t->there[id] = false;
		break;
	case 3:
		if (id)
			t->weight[id] = roll(t, 4);
		break;
	case 4:
		t->stateless ^= t->toggles;
		break;
	default:
		t->state[id] = states[roll(t, sizeof(states))];
		break;
	}
	t->there[0] = false;
	publish(t);
}

static void
wait_ticks(struct trace *t, uint16_t ticks)
{
	t->path.tick += ticks;
	t->path.tracker->now += ticks;
	track_sweep(t->path.tracker, SWEEP_ALL, t->path.tick);
}

static bool
may_live(const struct trace *t, const struct flow_model *f)
{
	static const uint32_t limits_ms[] = {
		[PHASE_SYN] = SYN_MS,
		[PHASE_ESTABLISHED] = LONG_MS,
		[PHASE_FIN] = FIN_MS,
		[PHASE_UDP] = UDP_MS,
	};

	return f->phase != PHASE_NONE &&
		(uint16_t)(t->path.tick - f->last) <= limits_ms[f->phase] / SHUNT_FLOW_TICK_MS;
}

static uint32_t
slot_of(const struct trace *t, uint32_t client)
{
	struct shunt_selection_key key = { 0 };
	uint8_t address[16];

	client_address(&t->path, client, address);
	if (t->path.version == 4)
		key.client = shunt_addr_from_v4(address);
	else
		memcpy(&key.client, address, sizeof(address));
	return shunt_selection_slot(
		shunt_selection_hash(t->path.generation->hash_secret, SHUNT_HASH_SOURCE, &key),
		FINEST);
}

/* Sends, and checks what holds of every packet. */
static struct pkt
send_packet(struct trace *t, const struct flow_model *f, uint8_t flags)
{
	uint64_t before = flow_count(t->path.tracker->flows);
	struct result r = request(&t->path, f->protocol, f->client, 1000, flags);

	CU_ASSERT(r.p.drop == 0 || r.p.drop == SHUNT_DROP_NO_SERVER);
	if (!r.p.drop)
		CU_ASSERT_TRUE(t->there[r.p.server]);
	if (!t->toggles && !t->changed[slot_of(t, f->client)]) {
		CU_ASSERT_EQUAL(flow_count(t->path.tracker->flows), before);
		CU_ASSERT_PTR_NULL(r.p.flow);
	}
	t->stored += r.p.flow != NULL;
	return r.p;
}

static void
begin_flow(struct trace *t, struct flow_model *f)
{
	bool udp = roll(t, 4) == 0;
	uint32_t wanted;
	struct pkt p;

	*f = (struct flow_model){
		.phase = udp ? PHASE_UDP : PHASE_SYN,
		.protocol = udp ? SHUNT_UDP : SHUNT_TCP,
		.client = ++t->last_client,
	};
	wanted = t->answer[slot_of(t, f->client)];
	p = send_packet(t, f, PKT_SYN);
	/* What begins with UDP cannot be told from what goes on. */
	if (!udp || !t->changed[slot_of(t, f->client)])
		CU_ASSERT_EQUAL(p.drop ? 0 : p.server, wanted);
	f->server = p.server;
	f->last = t->path.tick;
	if (p.drop)
		f->phase = PHASE_NONE;
}

static void
lost_server(struct trace *t, struct flow_model *f, const struct pkt *p)
{
	f->phase = PHASE_NONE;
	if (f->protocol != SHUNT_UDP || p->drop)
		return;
	CU_ASSERT_EQUAL(p->server, t->answer[slot_of(t, f->client)]);
	f->phase = PHASE_UDP;
	f->server = p->server;
	t->moved++;
}

static void
go_on(struct trace *t, struct flow_model *f)
{
	uint8_t flags = roll(t, 12) == 0 ? PKT_FIN | PKT_ACK : PKT_ACK;
	uint8_t state = t->state[f->server];
	bool good = t->there[f->server] &&
		(state != SHUNT_SERVER_DOWN || (f->protocol == SHUNT_TCP && !t->shutdown_sessions));
	struct pkt p;

	if (roll(t, 40) == 0)
		flags = PKT_RST;
	p = send_packet(t, f, flags);
	f->last = t->path.tick;
	if (!good) {
		lost_server(t, f, &p);
		return;
	}
	CU_ASSERT_EQUAL(p.drop, 0);
	CU_ASSERT_EQUAL(p.server, f->server);
	t->kept += f->server != t->answer[slot_of(t, f->client)];
	if (f->protocol == SHUNT_UDP)
		return;
	if (flags & PKT_FIN)
		f->phase = PHASE_FIN;
	else if (f->phase == PHASE_SYN)
		f->phase = PHASE_ESTABLISHED;
	if (flags & PKT_RST)
		f->phase = PHASE_NONE;
}

static void
step(struct trace *t, uint32_t changes)
{
	struct flow_model *f = &t->flows[roll(t, FLOWS)];

	if (roll(t, 1000) < changes)
		change(t);
	else if (roll(t, 14) == 0)
		wait_ticks(t, (uint16_t)(roll(t, 8) ? 1 : roll(t, 12)));
	else if (may_live(t, f))
		go_on(t, f);
	else
		begin_flow(t, f);
}

/* When all are silent for long enough, nothing is left of it. */
static void
check_end(struct trace *t)
{
	const struct gen_backend *backend;

	for (unsigned int i = 0; i < 2; i++) {
		for (unsigned int j = 0; j < 10; j++)
			wait_ticks(t, 10);
		t->path.skew = 0;
		path_commit(&t->path);
	}
	backend = t->path.generation->backends[BACKEND];
	CU_ASSERT_EQUAL(flow_count(t->path.tracker->flows), 0);
	CU_ASSERT_EQUAL(flow_entries(t->path.tracker->flows, SERVICE), 0);
	CU_ASSERT_EQUAL(sessions(&t->path), 0);
	if (!t->stateless) {
		CU_ASSERT_PTR_NULL(backend->answers);
		return;
	}
	CU_ASSERT_PTR_NOT_NULL_FATAL(backend->answers);
	CU_ASSERT_EQUAL(backend->answers->marked, 0);
	CU_ASSERT_EQUAL(backend->answers->count, backend->slot_count ? backend->slot_count : 1);
	CU_ASSERT_FALSE(t->path.generation->services[SERVICE].leftover);
}

static void
run(uint64_t seed, bool toggles, uint32_t changes)
{
	struct trace *t = calloc(1, sizeof(*t));

	if (!t)
		abort();
	t->random = seed;
	t->stateless = true;
	t->toggles = toggles;
	t->shutdown_sessions = roll(t, 2);
	path_open(&t->path, seed & 1 ? 4 : 6, SHUNT_SOURCE, CAPACITY);
	t->path.tracker->now = 100;
	/* Out of the way of the path's own servers, which nothing leads to any more. */
	t->last_id = SERVERS;
	for (unsigned int i = 0; i < 4; i++)
		add_server(t);
	publish(t);
	for (unsigned int i = 0; i < STEPS; i++)
		step(t, changes);
	CU_ASSERT_TRUE(t->kept > 100);
	CU_ASSERT_TRUE(t->moved > 0);
	CU_ASSERT_TRUE(t->stored > 0);
	check_end(t);
	path_close(&t->path);
	free(t);
}

static void
test_few_changes(void)
{
	for (uint64_t seed = 1; seed <= 8; seed++)
		run(seed, false, 6);
}

static void
test_many_changes(void)
{
	for (uint64_t seed = 11; seed <= 18; seed++)
		run(seed, false, 60);
}

static void
test_modes(void)
{
	for (uint64_t seed = 21; seed <= 28; seed++)
		run(seed, true, seed & 2 ? 60 : 10);
}

static const struct unit_test tests[] = {
	{ "few changes", test_few_changes },
	{ "one change after the other", test_many_changes },
	{ "stateless and stateful in turn", test_modes },
};

UNIT_MAIN("stateless_trace", tests)
