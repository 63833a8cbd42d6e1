/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>

#include "compile_setup.h"

static void
everything(void)
{
	struct setup s;
	struct image *image;
	struct difference d;
	const struct shunt_server *server;
	const struct shunt_service *service;
	const struct shunt_backend *backend;
	const struct shunt_nexthop *nexthop;
	const struct shunt_settings *settings;

	setup_create(&s, SERVERS);
	kernel.locals[0] = model_address("198.51.100.200");
	kernel.locals[1] = model_address("198.51.100.201");
	kernel.local_count = 2;
	image = compile(&s);
	d = difference(NULL, image);
	CU_ASSERT_EQUAL(d.counts[SHUNT_KIND_SETTINGS], 1);
	CU_ASSERT_EQUAL(d.counts[SHUNT_KIND_NEXTHOP], 2); /* five servers */
	CU_ASSERT_EQUAL(d.counts[SHUNT_KIND_SERVER], 5);
	CU_ASSERT_EQUAL(d.counts[SHUNT_KIND_BACKEND], 2);
	CU_ASSERT_EQUAL(d.counts[SHUNT_KIND_SERVICE], 2);
	CU_ASSERT_EQUAL(d.counts[SHUNT_KIND_LOCAL], 2);

	settings = get(image, SHUNT_KIND_SETTINGS, 1, sizeof(*settings));
	CU_ASSERT_EQUAL(settings->hash_secret[15], 0x5a);
	server = get_server(&s, image, "app/s2");
	CU_ASSERT_STRING_EQUAL(server->name, "s2");
	CU_ASSERT_EQUAL(server->port_be, htons(8080));
	CU_ASSERT_EQUAL(server->weight, 20);
	CU_ASSERT_EQUAL(server->file_weight, 20);
	CU_ASSERT_EQUAL(server->state, SHUNT_SERVER_UP);
	CU_ASSERT_EQUAL(server->health, SHUNT_HEALTH_NO_CHECK);
	CU_ASSERT_EQUAL(server->backend, state_find_backend(&s.control, "app")->id);
	nexthop = get(image, SHUNT_KIND_NEXTHOP, server->nexthop, sizeof(*nexthop));
	CU_ASSERT_EQUAL(nexthop->mac.bytes[5], 0x10);
	CU_ASSERT_EQUAL(nexthop->pad[0] | nexthop->pad[1], 0);
	CU_ASSERT_EQUAL(get_server(&s, image, "app/s1")->nexthop, server->nexthop);
	CU_ASSERT_NOT_EQUAL(get_server(&s, image, "api/s1")->nexthop, server->nexthop);

	backend = get_backend(&s, image, "app");
	CU_ASSERT_STRING_EQUAL(backend->name, "app");
	CU_ASSERT_EQUAL_FATAL(backend->member_count, 2);
	CU_ASSERT_EQUAL(backend->slot_count, 512); /* 100 * 30 / 10 */
	CU_ASSERT_EQUAL(backend->schedule_count, 0);
	CU_ASSERT_EQUAL(members(backend)[1].weight, 20);
	CU_ASSERT_EQUAL(members(backend)[1].server, state_find_server(&s.control, "app/s2")->id);

	service = get(image, SHUNT_KIND_SERVICE, s.control.services[1].id, sizeof(*service));
	CU_ASSERT_STRING_EQUAL(service->frontend, "api");
	CU_ASSERT_EQUAL(service->backend, state_find_backend(&s.control, "api")->id);
	CU_ASSERT_EQUAL(service->timeout_udp_ms, 120000);
	CU_ASSERT_EQUAL(service->protocol, SHUNT_TCP);
	CU_ASSERT_EQUAL(service->reset_idle, 0);
	CU_ASSERT_EQUAL(service->stateless, 0);
	CU_ASSERT_EQUAL(backend->shutdown_sessions, 0);
	CU_ASSERT_EQUAL(server->reset_mark, 0);
	image_destroy(image);
	setup_destroy(&s);
}

static void
same_state_same_bytes(void)
{
	struct setup a, b;
	struct image *first, *again, *elsewhere;

	setup_create(&a, SERVERS);
	first = compile(&a);
	again = compile(&a);
	CU_ASSERT_TRUE(image_equal(first, again));
	setup_create(&b, SERVERS);
	for (size_t i = 0; i < 4; i++)
		b.control.backends[0]->servers[i]->changed_ms =
			a.control.backends[0]->servers[i]->changed_ms;
	b.control.backends[1]->servers[0]->changed_ms =
		a.control.backends[1]->servers[0]->changed_ms;
	/* What stands behind a name's end is nobody's business. */
	memset(b.control.backends[0]->servers[0]->config.name + 3, 'x', 20);
	memset(b.control.backends[0]->config.name + 4, 'x', 20);
	elsewhere = compile(&b);
	CU_ASSERT_TRUE(image_equal(first, elsewhere));
	image_destroy(first);
	image_destroy(again);
	image_destroy(elsewhere);
	setup_destroy(&a);
	setup_destroy(&b);
}

static void
who_is_a_member(void)
{
	struct setup s;
	struct server *s1, *s2, *b1;
	const struct shunt_backend *backend;
	struct image *image;

	setup_create(&s, SERVERS);
	s1 = state_find_server(&s.control, "app/s1");
	s2 = state_find_server(&s.control, "app/s2");
	b1 = state_find_server(&s.control, "app/b1");
	s1->health.verdict = SHUNT_HEALTH_DOWN;
	image = compile(&s);
	backend = get_backend(&s, image, "app");
	CU_ASSERT(backend->member_count == 1 && members(backend)->server == s2->id);
	CU_ASSERT_EQUAL(backend->slot_count, 512); /* as with both */
	image_destroy(image);

	s2->weight = 0;
	image = compile(&s);
	backend = get_backend(&s, image, "app");
	CU_ASSERT(backend->member_count == 1 && members(backend)->server == b1->id);
	image_destroy(image);

	b1->admin = SHUNT_ADMIN_DRAIN;
	image = compile(&s);
	backend = get_backend(&s, image, "app");
	CU_ASSERT_EQUAL(backend->member_count, 1);
	CU_ASSERT_EQUAL(members(backend)->server, state_find_server(&s.control, "app/b2")->id);
	CU_ASSERT_EQUAL(get_server(&s, image, "app/b1")->state, SHUNT_SERVER_DRAIN);
	image_destroy(image);

	state_find_server(&s.control, "app/b2")->admin = SHUNT_ADMIN_MAINT;
	image = compile(&s);
	backend = get_backend(&s, image, "app");
	CU_ASSERT_EQUAL(backend->member_count, 0);
	CU_ASSERT_EQUAL(backend->slot_count, 0);
	CU_ASSERT_EQUAL(get_server(&s, image, "app/b2")->state, SHUNT_SERVER_DOWN);
	image_destroy(image);
	setup_destroy(&s);
}

static void
schedules(void)
{
	struct setup s;
	struct image *image;
	const struct shunt_backend *backend;
	uint32_t turns[2] = { 0 };

	setup_create(
		&s, "app:roundrobin s1=10.0.0.1*10 s2=10.0.0.2*20 | api:leastconn s1=10.0.1.1");
	image = compile(&s);
	backend = get_backend(&s, image, "app");
	CU_ASSERT_EQUAL(backend->algorithm, SHUNT_ROUNDROBIN);
	CU_ASSERT_EQUAL_FATAL(backend->schedule_count, 3);
	for (uint32_t i = 0; i < 3; i++)
		turns[slots(backend)[backend->slot_count + i]]++;
	CU_ASSERT(turns[0] == 1 && turns[1] == 2);
	backend = get_backend(&s, image, "api");
	CU_ASSERT_EQUAL(backend->algorithm, SHUNT_LEASTCONN);
	CU_ASSERT_EQUAL(backend->schedule_count, 0);
	CU_ASSERT(backend->slot_count > 0);
	image_destroy(image);
	state_find_server(&s.control, "app/s1")->admin = SHUNT_ADMIN_DRAIN;
	state_find_server(&s.control, "app/s2")->admin = SHUNT_ADMIN_DRAIN;
	image = compile(&s);
	CU_ASSERT_EQUAL(get_backend(&s, image, "app")->schedule_count, 0);
	image_destroy(image);
	setup_destroy(&s);
}

/* A tunnel: what goes around, to which port, and from which address. */
/* How sessions end: what the file says, and a command, which counts for one server. */
static void
sessions_end(void)
{
	const struct shunt_service *service;
	struct image *image;
	struct setup s;

	setup_create(&s, SERVERS);
	state_find_backend(&s.control, "app")->config.shutdown_sessions = true;
	s.control.services[1].reset_idle = true;
	s.control.services[1].stateless = true;
	server_shutdown_sessions(state_find_server(&s.control, "app/s2"));
	image = compile(&s);
	CU_ASSERT_EQUAL(get_backend(&s, image, "app")->shutdown_sessions, 1);
	CU_ASSERT_EQUAL(get_backend(&s, image, "api")->shutdown_sessions, 0);
	CU_ASSERT_EQUAL(get_server(&s, image, "app/s1")->reset_mark, 0);
	CU_ASSERT_EQUAL(get_server(&s, image, "app/s2")->reset_mark, 1);
	service = get(image, SHUNT_KIND_SERVICE, s.control.services[1].id, sizeof(*service));
	CU_ASSERT_EQUAL(service->reset_idle, 1);
	CU_ASSERT_EQUAL(service->stateless, 1);
	image_destroy(image);
	setup_destroy(&s);
}

static void
forwarding_modes(void)
{
	const struct shunt_addr source = model_address("10.0.0.254");
	const struct shunt_server *server;
	const struct shunt_nexthop *nexthop;
	const struct shunt_backend *backend;
	struct backend_config *config;
	struct image *image, *next;
	struct setup s;

	setup_create(&s, SERVERS);
	image = compile(&s);
	backend = get_backend(&s, image, "app");
	CU_ASSERT(backend->forward == SHUNT_NAT && backend->encap == SHUNT_ENCAP_NONE);
	CU_ASSERT(backend->encap_port_be == 0 && backend->mss_clamp == 0);
	server = get_server(&s, image, "app/s1");
	nexthop = get(image, SHUNT_KIND_NEXTHOP, server->nexthop, sizeof(*nexthop));
	CU_ASSERT_TRUE(shunt_addr_equal(&nexthop->source, &source));
	config = &state_find_backend(&s.control, "app")->config;
	config->forward = SHUNT_TUNNEL;
	config->encap = SHUNT_GUE;
	config->encap_port_be = htons(6080);
	config->mss_clamp = 1400;
	kernel.source = model_address("10.0.0.253");
	next = compile(&s);
	backend = get_backend(&s, next, "app");
	CU_ASSERT(backend->forward == SHUNT_TUNNEL && backend->encap == SHUNT_GUE);
	CU_ASSERT(backend->encap_port_be == htons(6080) && backend->mss_clamp == 1400);
	server = get_server(&s, next, "app/s1");
	nexthop = get(next, SHUNT_KIND_NEXTHOP, server->nexthop, sizeof(*nexthop));
	CU_ASSERT_TRUE(shunt_addr_equal(&nexthop->source, &kernel.source));
	image_destroy(image);
	image_destroy(next);
	setup_destroy(&s);
}

static struct shunt_addr
owner(const struct setup *s, const struct image *image, uint32_t slot)
{
	const struct shunt_backend *backend = get_backend(s, image, "app");
	uint32_t server = members(backend)[slots(backend)[slot]].server;

	return ((const struct shunt_server *)get(image, SHUNT_KIND_SERVER, server, 0))->address;
}

/* Whatever happens to one server, the clients of the others stay where they are. */
static void
others_are_not_moved(void)
{
	static const char text[] =
		"app s1=10.0.0.1*10 s2=10.0.0.2*10 s3=10.0.0.3*10 s4=10.0.0.4*10 "
		"s5=10.0.0.5*10";
	struct setup s;
	struct image *before, *down, *after;
	uint32_t moved = 0, kept = 0, count;
	struct shunt_addr gone;
	struct server *server;

	setup_create(&s, text);
	before = compile(&s);
	server = state_find_server(&s.control, "app/s3");
	gone = server->config.address;
	server->health.verdict = SHUNT_HEALTH_DOWN;
	down = compile(&s);
	count = get_backend(&s, before, "app")->slot_count;
	/* Five of this weight need 1024, four would have needed 512. */
	CU_ASSERT_EQUAL_FATAL(count, 1024);
	CU_ASSERT_EQUAL_FATAL(get_backend(&s, down, "app")->slot_count, count);
	for (uint32_t i = 0; i < count; i++) {
		struct shunt_addr was = owner(&s, before, i), is = owner(&s, down, i);

		if (shunt_addr_equal(&was, &gone))
			continue;
		kept++;
		moved += !shunt_addr_equal(&was, &is);
	}
	CU_ASSERT((double)moved / kept < 0.03);
	/* And back again; the server's own object says when. */
	server->health.verdict = SHUNT_HEALTH_NO_CHECK;
	after = compile(&s);
	CU_ASSERT_TRUE(image_equal(before, after));
	image_destroy(after);
	/* A weight that is set by command does not change the size either. */
	server->weight = 1;
	after = compile(&s);
	CU_ASSERT_EQUAL(get_backend(&s, after, "app")->slot_count, count);
	image_destroy(before);
	image_destroy(down);
	image_destroy(after);
	setup_destroy(&s);
}

/* Two nodes that have given other ids, and read the servers in another order. */
static void
nodes_agree(void)
{
	struct setup a, b;
	struct image *one, *two;
	uint32_t count;
	bool agree = true;

	setup_create(&a, "app s1=10.0.0.1*10 s2=10.0.0.2*20 s3=10.0.0.3*30");
	setup_create(&b, "old x=10.0.9.9");
	image_destroy(compile(&b));
	CU_ASSERT_EQUAL(
		model_apply(&b.control, "app z=10.0.0.3*30 y=10.0.0.1*10 x=10.0.0.2*20"), 0);
	one = compile(&a);
	two = compile(&b);
	count = get_backend(&a, one, "app")->slot_count;
	CU_ASSERT_EQUAL_FATAL(get_backend(&b, two, "app")->slot_count, count);
	for (uint32_t i = 0; i < count; i++) {
		struct shunt_addr left = owner(&a, one, i), right = owner(&b, two, i);

		agree &= shunt_addr_equal(&left, &right);
	}
	CU_ASSERT_TRUE(agree);
	image_destroy(one);
	image_destroy(two);
	setup_destroy(&a);
	setup_destroy(&b);
}

static void
only_what_changed(void)
{
	struct setup s;
	struct image *before, *after;
	struct difference d;

	setup_create(&s, SERVERS);
	before = compile(&s);
	state_find_server(&s.control, "app/s1")->admin = SHUNT_ADMIN_DRAIN;
	after = compile(&s);
	d = difference(before, after);
	CU_ASSERT_EQUAL(d.counts[SHUNT_KIND_SERVER], 1);
	CU_ASSERT_EQUAL(d.counts[SHUNT_KIND_BACKEND], 1);
	CU_ASSERT_EQUAL(
		d.counts[SHUNT_KIND_SERVICE] + d.counts[SHUNT_KIND_NEXTHOP] + d.counts[0], 0);
	image_destroy(before);

	before = after;
	kernel.mac = 0x20; /* the neighbour has another card */
	after = compile(&s);
	d = difference(before, after);
	CU_ASSERT_EQUAL(d.counts[SHUNT_KIND_NEXTHOP], 2);
	CU_ASSERT_EQUAL(d.counts[SHUNT_KIND_SERVER], 5);
	CU_ASSERT_EQUAL(d.counts[SHUNT_KIND_BACKEND], 0);
	CU_ASSERT_EQUAL(d.counts[0], 2);
	image_destroy(before);

	before = after;
	kernel.known = false; /* and is gone */
	after = compile(&s);
	CU_ASSERT_EQUAL(get_server(&s, after, "app/s1")->nexthop, 0);
	d = difference(before, after);
	CU_ASSERT_EQUAL(d.counts[0], 2);
	image_destroy(before);
	image_destroy(after);
	setup_destroy(&s);
}

static void
ids_through_reloads(void)
{
	struct setup s;
	uint32_t s1, s2, app, service, fresh;

	setup_create(&s, "app s1=10.0.0.1 s2=10.0.0.2");
	image_destroy(compile(&s));
	s1 = state_find_server(&s.control, "app/s1")->id;
	s2 = state_find_server(&s.control, "app/s2")->id;
	app = state_find_backend(&s.control, "app")->id;
	service = s.control.services[0].id;
	CU_ASSERT(s1 && s2 && app && service && s1 != s2);

	model_apply(&s.control, "new n=10.0.3.1 | app s2=10.0.0.2 s3=10.0.0.3 s1=10.0.0.7");
	image_destroy(compile(&s));
	CU_ASSERT_EQUAL(state_find_server(&s.control, "app/s2")->id, s2);
	CU_ASSERT_EQUAL(state_find_backend(&s.control, "app")->id, app);
	CU_ASSERT_EQUAL(s.control.services[0].id, service); /* the same address, another backend */
	/* Another address is another server, and gets no id that flows may still name. */
	fresh = state_find_server(&s.control, "app/s1")->id;
	CU_ASSERT(fresh != s1 && fresh != s2);
	CU_ASSERT_NOT_EQUAL(state_find_server(&s.control, "app/s3")->id, s1);

	model_apply(&s.control, "app s1=10.0.0.1");
	image_destroy(compile(&s));
	CU_ASSERT_EQUAL(state_find_server(&s.control, "app/s1")->id, s1);
	setup_destroy(&s);
}

static void
empty_state(void)
{
	struct setup s;
	struct image *image;
	struct difference d;

	setup_create(&s, "");
	image = compile(&s);
	d = difference(NULL, image);
	for (uint32_t kind = SHUNT_KIND_NEXTHOP; kind < SHUNT_KIND_END; kind++)
		CU_ASSERT_EQUAL(d.counts[kind], 0);
	image_destroy(image);
	setup_destroy(&s);
}

/* Each server's probes go through the first service of its family that leads to its backend. */
static void
probes_through_services(void)
{
	struct shunt_addr v6 = { .bytes = { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 } };
	struct config *config = model_config("app a=10.0.0.1 b=10.0.0.2 | api a=10.0.0.3");
	struct bind_config *binds = calloc(4, sizeof(*binds));
	struct setup s;
	struct image *image;

	setup_create(&s, "");
	for (uint8_t i = 0; i < 4; i++) {
		binds[i] = config->frontends[0].binds[0];
		binds[i].port_be = htons(80 + i);
		if (i % 2 == 0) {
			binds[i].address = v6;
			binds[i].address.bytes[15] = i;
		}
	}
	free(config->frontends[0].binds);
	config->frontends[0].binds = binds;
	config->frontends[0].bind_count = 4;
	config->backends[0].forward = SHUNT_TUNNEL;
	config->backends[0].servers[1].address = v6;
	for (int i = 0; i < 2; i++)
		config->backends[0].servers[i].check.via_service = true;
	config->backends[1].servers[0].check.via_service = true; /* but it is not checked */
	CU_ASSERT_EQUAL_FATAL(state_apply(&s.control, config), 0);
	for (int i = 0; i < 2; i++)
		s.control.backends[0]->servers[i]->config.check.enabled = true;
	image = compile(&s);
	CU_ASSERT_EQUAL(get_server(&s, image, "app/a")->probe_service, s.control.services[1].id);
	CU_ASSERT_EQUAL(get_server(&s, image, "app/b")->probe_service, s.control.services[0].id);
	CU_ASSERT_EQUAL(get_server(&s, image, "api/a")->probe_service, 0);
	image_destroy(image);
	/* With the service goes its id from the server, before anyone asks. */
	model_apply(&s.control, "app a=10.0.0.1");
	image = compile(&s);
	CU_ASSERT_EQUAL(get_server(&s, image, "app/a")->probe_service, 0);
	image_destroy(image);
	setup_destroy(&s);
}

#define FIVE "a=10.0.0.1*10 b=10.0.0.2*20 c=10.0.0.3*5 d=10.0.0.4*10 e=10.0.0.5*0"

static uint32_t
slot_server(const struct shunt_backend *backend, uint32_t slot)
{
	return members(backend)[slots(backend)[slot]].server;
}

/* However a server takes no flows for a while, no other's slots move, and then all is as before. */
static void
a_server_pauses(void)
{
	struct setup s;
	struct image *all, *without, *again;
	struct server *server;

	setup_create(&s, "app " FIVE);
	all = compile(&s);
	server = state_find_server(&s.control, "app/b");
	for (int how = 0; how < 3; how++) {
		const struct shunt_backend *before = get_backend(&s, all, "app"), *after;
		uint32_t moved = 0, own = 0;

		server->admin = how == 0 ? SHUNT_ADMIN_DRAIN : SHUNT_ADMIN_READY;
		server->weight = how == 1 ? 0 : 20;
		server->health.verdict = how == 2 ? SHUNT_HEALTH_DOWN : SHUNT_HEALTH_NO_CHECK;
		without = compile(&s);
		after = get_backend(&s, without, "app");
		CU_ASSERT_EQUAL(after->member_count, 3);
		CU_ASSERT_EQUAL_FATAL(after->slot_count, before->slot_count);
		for (uint32_t i = 0; i < after->slot_count; i++) {
			moved += slot_server(before, i) != slot_server(after, i);
			own += slot_server(before, i) == server->id;
		}
		CU_ASSERT_EQUAL(moved, own);
		server->admin = SHUNT_ADMIN_READY;
		server->weight = 20;
		server->health.verdict = SHUNT_HEALTH_NO_CHECK;
		again = compile(&s);
		CU_ASSERT_TRUE(image_equal(all, again));
		image_destroy(without);
		image_destroy(again);
	}
	image_destroy(all);
	setup_destroy(&s);
}

/* The table of all servers is there once, however many backends have them. */
static void
one_table_for_one_set(void)
{
	struct setup s;
	struct image *image;
	uint64_t one, two, other;

	setup_create(&s, "app " FIVE);
	image = compile(&s);
	one = compiler_table_bytes(s.compiler);
	image_destroy(image);
	CU_ASSERT_EQUAL_FATAL(model_apply(&s.control, "app " FIVE " | twin " FIVE), 0);
	image = compile(&s);
	two = compiler_table_bytes(s.compiler);
	CU_ASSERT_EQUAL(
		memcmp(slots(get_backend(&s, image, "app")), slots(get_backend(&s, image, "twin")),
			get_backend(&s, image, "app")->slot_count * sizeof(uint16_t)),
		0);
	image_destroy(image);
	CU_ASSERT_EQUAL_FATAL(
		model_apply(&s.control, "app " FIVE " | twin " FIVE " f=10.0.0.6*20"), 0);
	image = compile(&s);
	other = compiler_table_bytes(s.compiler);
	image_destroy(image);
	CU_ASSERT(two < one * 7 / 4);
	CU_ASSERT(other > one * 15 / 8);
	/* And what is not asked for any more is forgotten. */
	CU_ASSERT_EQUAL_FATAL(model_apply(&s.control, "app " FIVE), 0);
	image = compile(&s);
	CU_ASSERT_EQUAL(compiler_table_bytes(s.compiler), one);
	image_destroy(image);
	setup_destroy(&s);
}

/* Of servers that are marked, what is made anew is what all would be. */
static void
marked_servers_alone(void)
{
	struct setup s;
	struct image *image, *updated, *all;
	struct server *server;

	setup_create(&s, SERVERS);
	image = compile(&s);
	server = state_find_server(&s.control, "app/s1");
	server->admin = SHUNT_ADMIN_MAINT;
	updated = image_clone(image);
	CU_ASSERT_EQUAL(compiler_update(s.compiler, &s.control, updated), 0);
	CU_ASSERT_TRUE(image_equal(image, updated)); /* it is not marked */
	server->changed = server->backend->changed = true;
	CU_ASSERT_EQUAL(compiler_update(s.compiler, &s.control, updated), 0);
	all = compile(&s);
	CU_ASSERT_TRUE(image_equal(all, updated));
	CU_ASSERT_FALSE(image_equal(image, updated));
	image_destroy(updated);
	/* Of an image that lacks the server nothing can be made. */
	updated = image_create();
	CU_ASSERT_EQUAL(compiler_update(s.compiler, &s.control, updated), -ENOENT);
	compiler_unmark(&s.control);
	CU_ASSERT_FALSE(server->changed || server->backend->changed);
	CU_ASSERT_EQUAL(compiler_update(s.compiler, &s.control, updated), 0);
	image_destroy(updated);
	image_destroy(image);
	image_destroy(all);
	setup_destroy(&s);
}

static const struct unit_test tests[] = {
	{ "everything is there", everything },
	{ "same state, same bytes", same_state_same_bytes },
	{ "who is a member", who_is_a_member },
	{ "forwarding modes", forwarding_modes },
	{ "how sessions end", sessions_end },
	{ "schedules", schedules },
	{ "others are not moved", others_are_not_moved },
	{ "nodes agree", nodes_agree },
	{ "only what changed", only_what_changed },
	{ "ids through reloads", ids_through_reloads },
	{ "probes through services", probes_through_services },
	{ "empty state", empty_state },
	{ "a server pauses", a_server_pauses },
	{ "one table for one set", one_table_for_one_set },
	{ "marked servers alone", marked_servers_alone },
};

UNIT_MAIN("compile", tests)
