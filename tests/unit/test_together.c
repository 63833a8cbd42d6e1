/* SPDX-License-Identifier: BSD-3-Clause */
/* Where two features meet of which neither test knows the other. */
#include "path.h"
#include "pmtu.h"

#define FIRST  8000
#define LAST   8099
#define LOCAL  "10.0.0.254"
#define LOCAL6 "2001:db8:a::fe"

static struct path path;

static void
open_path(uint8_t version, uint8_t forward)
{
	path_open(&path, version, SHUNT_SOURCE, CAPACITY);
	path.forward = forward;
	path.sources = forward == SHUNT_FULLNAT ? 2 : 0;
}

static void
put_local(const char *address)
{
	const struct shunt_local local = { .address = helper_addr(address) };

	helper_put(path.objects, SHUNT_KIND_LOCAL, 1, &local, sizeof(local));
}

/* A packet that an address and port sends to another. */
static struct result
walk(const char *from, uint16_t sport, const char *to, uint16_t dport, uint8_t protocol,
	uint8_t flags, uint8_t port)
{
	struct shunt_addr a = helper_addr(from), b = helper_addr(to);
	unsigned int skip = shunt_addr_is_v4(&a) ? 12 : 0;
	struct frame_spec spec = frame_default(skip ? 4 : 6, protocol);
	struct result r;

	memcpy(spec.src, a.bytes + skip, 16 - skip);
	memcpy(spec.dst, b.bytes + skip, 16 - skip);
	spec.sport = sport;
	spec.dport = dport;
	spec.flags = flags;
	path_run(&path, &r, port, frame_build(r.frame, &spec));
	return r;
}

static bool
sent_as(const struct result *r, const char *from, uint16_t sport, const char *to, uint16_t dport)
{
	struct shunt_addr a = helper_addr(from), b = helper_addr(to);
	unsigned int skip = shunt_addr_is_v4(&a) ? 12 : 0, bytes = 16 - skip;
	const uint8_t *at = r->p.data + r->p.l3_offset + (skip ? 12 : 8);
	const uint8_t *l4 = r->p.data + r->p.l4_offset;

	return !r->p.drop && r->p.version == (skip ? 4 : 6) &&
		memcmp(at, a.bytes + skip, bytes) == 0 &&
		memcmp(at + bytes, b.bytes + skip, bytes) == 0 && frame_get16(l4) == sport &&
		frame_get16(l4 + 2) == dport;
}

/*
 * The client of a reply to a source address is not known when the balancer's own addresses are
 * looked for, and what stands there is another packet's.
 */
static void
test_source_is_not_local(void)
{
	static const uint8_t versions[] = { 4, 6 };

	for (size_t i = 0; i < sizeof(versions); i++) {
		struct result r;

		open_path(versions[i], SHUNT_FULLNAT);
		put_local(versions[i] == 4 ? LOCAL : LOCAL6);
		path_publish(&path);
		/* The very first packet of all. */
		r = walk(server_address(&path, 1), 8081, source_address(&path, 1), 5000, SHUNT_TCP,
			PKT_ACK, 1);
		CU_ASSERT_EQUAL(r.p.drop, SHUNT_DROP_NO_FLOW);
		path_close(&path);
	}
}

static void
make_range(uint32_t id, uint8_t protocol)
{
	struct shunt_service s = helper_service(service_address(&path), FIRST, protocol, BACKEND);

	s.last_port_be = htons(LAST);
	helper_put(path.objects, SHUNT_KIND_SERVICE, id, &s, sizeof(s));
}

/* One client port to two ports of a range, both translated to a server's one port. */
static void
check_range(uint8_t version, uint8_t protocol)
{
	const char *client = version == 4 ? "192.0.2.1" : "2001:db8:c::1";
	uint8_t opens = protocol == SHUNT_TCP ? PKT_SYN : 0;
	char server[32], source[2][32];
	struct result r[2], back;

	open_path(version, SHUNT_FULLNAT);
	make_range(SERVICE, SHUNT_TCP);
	make_range(SERVICE + 1, SHUNT_UDP);
	path_publish(&path);
	for (unsigned int i = 0; i < 2; i++) {
		r[i] = walk(client, 40000, service_address(&path), (uint16_t)(FIRST + i), protocol,
			opens, 0);
		CU_ASSERT_EQUAL_FATAL(r[i].p.drop, 0);
		snprintf(server, sizeof(server), "%s", server_address(&path, r[i].p.server));
		snprintf(source[i], 32, "%s", source_address(&path, r[i].p.source));
		CU_ASSERT_TRUE(sent_as(&r[i], source[i], r[i].p.source_port, server,
			(uint16_t)(SERVER_PORT_BASE + r[i].p.server)));
	}
	/* By the client's address alone: the same server. */
	CU_ASSERT_EQUAL(r[0].p.server, r[1].p.server);
	CU_ASSERT_TRUE(r[0].p.source != r[1].p.source || r[0].p.source_port != r[1].p.source_port);
	for (unsigned int i = 0; i < 2; i++) {
		back = walk(server, (uint16_t)(SERVER_PORT_BASE + r[i].p.server), source[i],
			r[i].p.source_port, protocol, opens ? PKT_SYN | PKT_ACK : 0, 1);
		CU_ASSERT_TRUE(sent_as(
			&back, service_address(&path), (uint16_t)(FIRST + i), client, 40000));
	}
	/* The end of one is not the other's. */
	if (protocol == SHUNT_TCP) {
		walk(server, (uint16_t)(SERVER_PORT_BASE + r[0].p.server), source[0],
			r[0].p.source_port, protocol, PKT_FIN | PKT_ACK, 1);
		walk(client, 40000, service_address(&path), FIRST, protocol, PKT_FIN | PKT_ACK, 0);
		back = walk(client, 40000, service_address(&path), FIRST + 1, protocol, PKT_ACK, 0);
		CU_ASSERT_EQUAL(back.p.drop, 0);
		CU_ASSERT_EQUAL(back.p.source_port, r[1].p.source_port);
		CU_ASSERT_EQUAL(flow_state(*back.p.flow), FLOW_ESTABLISHED);
		CU_ASSERT_EQUAL(sessions(&path), 1);
	} else {
		CU_ASSERT_EQUAL(sessions(&path), 2);
	}
	path_close(&path);
}

static void
test_range_to_one_port(void)
{
	check_range(4, SHUNT_TCP);
	check_range(4, SHUNT_UDP);
	check_range(6, SHUNT_TCP);
	check_range(6, SHUNT_UDP);
}

/*
 * What is dropped may name a server that the generation does not have: one of a datagram whose
 * first fragment went by the generation before.
 */
static void
test_dropped_with_any_server(void)
{
	struct result r;
	struct pkt *p = &r.p;

	open_path(4, SHUNT_NAT);
	path_publish(&path);
	memset((void *)p, 0, sizeof(*p));
	p->data = r.frame;
	p->drop = SHUNT_DROP_NO_FLOW;
	p->server = UINT32_MAX;
	p->service = UINT16_MAX;
	rewrite_burst(path.generation, path.tracker->hops, path.macs, path.mtus, &p, 1);
	track_count(path.tracker, &p, 1);
	CU_ASSERT_EQUAL(p->drop, SHUNT_DROP_NO_FLOW);
	path_close(&path);
}

static void
publish_servers(uint32_t last)
{
	struct generation_error error;
	struct generation *next;
	int result;

	for (uint32_t id = SERVERS + 1; id <= SERVERS + 1; id++) {
		if (id <= last)
			helper_put_server(path.objects, id, "10.0.0.99", 8080, BACKEND);
		else
			object_store_delete(path.objects, SHUNT_KIND_SERVER, id);
	}
	next = generation_create(path.objects, ++path.number, path.generation, 2, &error, &result);
	CU_ASSERT_PTR_NOT_NULL_FATAL(next);
	tracker_set_generation(path.tracker, next);
	generation_destroy(path.generation);
	path.generation = next;
}

/* The greatest id goes, and comes back as another server: what its way was like is forgotten. */
static void
test_path_mtu_of_an_id(void)
{
	open_path(4, SHUNT_NAT);
	publish_servers(SERVERS + 1);
	path.generation->pmtu->entries[SERVERS + 1] = 1400;
	publish_servers(SERVERS + 1);
	CU_ASSERT_EQUAL(path.generation->pmtu->entries[SERVERS + 1], 1400);
	publish_servers(SERVERS);
	publish_servers(SERVERS + 1);
	CU_ASSERT_EQUAL(path.generation->pmtu->entries[SERVERS + 1], 0);
	path_close(&path);
}

static const struct unit_test tests[] = {
	{ "a reply to a source address is not for the balancer", test_source_is_not_local },
	{ "full NAT of several ports to one", test_range_to_one_port },
	{ "dropped, with any server", test_dropped_with_any_server },
	{ "path MTU of an id given again", test_path_mtu_of_an_id },
};

UNIT_MAIN("together", tests)
