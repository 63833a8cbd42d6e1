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
publish_objects(void)
{
	struct generation_error error;
	int result;
	struct generation *next =
		generation_create(path.objects, ++path.number, path.generation, 2, &error, &result);

	CU_ASSERT_PTR_NOT_NULL_FATAL(next);
	tracker_set_generation(path.tracker, next);
	generation_destroy(path.generation);
	path.generation = next;
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
	const uint8_t *at = r->frame + r->start + r->p.l3_offset + (skip ? 12 : 8);
	const uint8_t *l4 = r->frame + r->start + r->p.l4_offset;

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

/* What the tracker wants to be sent. */
static struct {
	unsigned int count;
	struct ends ends[4];
	uint8_t addresses[4][2][16];
	struct link links[4];
} challenges;

static void
note_challenge(void *context, const struct ends *ends, const struct link *link)
{
	unsigned int i = challenges.count++;

	(void)context;
	CU_ASSERT_FATAL(i < 4);
	challenges.ends[i] = *ends;
	challenges.links[i] = *link;
	memcpy(challenges.addresses[i][0], ends->source, ends->version == 4 ? 4 : 16);
	memcpy(challenges.addresses[i][1], ends->destination, ends->version == 4 ? 4 : 16);
}

static bool
challenged(unsigned int i, const char *from, uint16_t sport, const char *to, uint16_t dport)
{
	struct shunt_addr a = helper_addr(from), b = helper_addr(to);
	unsigned int skip = shunt_addr_is_v4(&a) ? 12 : 0;

	return challenges.ends[i].version == (skip ? 4 : 6) &&
		memcmp(challenges.addresses[i][0], a.bytes + skip, 16 - skip) == 0 &&
		memcmp(challenges.addresses[i][1], b.bytes + skip, 16 - skip) == 0 &&
		ntohs(challenges.ends[i].sport_be) == sport &&
		ntohs(challenges.ends[i].dport_be) == dport;
}

/* An RST from an end that answers a challenge, or from anybody; what the tracker asks is cleared.
 */
static struct result
rst(struct result r, bool proof)
{
	struct ends ends;
	uint32_t nonce;

	r.p.data = r.frame;
	parse_pkt(&r.p);
	ends = tcp_answer_ends(&r.p);
	nonce = htonl(tcp_answer_nonce(path.tracker->reset_key, &ends) + !proof);
	memcpy(r.frame + r.p.l4_offset + 4, &nonce, 4);
	r.frame[r.p.l4_offset + 13] = PKT_RST;
	path.tracker->doubted_count = 0;
	path_run(&path, &r, r.p.in_port, r.p.bytes);
	return r;
}

/* A frame that is not walked. */
static struct result
unsent(const char *from, uint16_t sport, const char *to, uint16_t dport, uint8_t port)
{
	struct shunt_addr a = helper_addr(from), b = helper_addr(to);
	unsigned int skip = shunt_addr_is_v4(&a) ? 12 : 0;
	struct frame_spec spec = frame_default(skip ? 4 : 6, SHUNT_TCP);
	struct result r;

	memcpy(spec.src, a.bytes + skip, 16 - skip);
	memcpy(spec.dst, b.bytes + skip, 16 - skip);
	spec.sport = sport;
	spec.dport = dport;
	spec.flags = PKT_ACK;
	memset((void *)&r.p, 0, sizeof(r.p));
	r.p.bytes = (uint32_t)frame_build(r.frame, &spec);
	r.p.data = r.frame;
	r.p.in_port = port;
	return r;
}

/* A connection by full NAT to one port of a range, from a family to another, or to its own. */
struct connection {
	const char *client, *service;
	char server[32], source[32];
	uint16_t server_port, source_port;
	uint64_t *flow;
};

static void
connect_across(struct connection *c, uint8_t from, uint8_t to)
{
	struct result r;

	open_path(from, SHUNT_FULLNAT);
	make_range(SERVICE, SHUNT_TCP);
	c->client = from == 4 ? "192.0.2.1" : "2001:db8:c::1";
	c->service = from == 4 ? "198.51.100.10" : "2001:db8::10";
	path.version = to;
	path_publish(&path);
	r = walk(c->client, 40000, c->service, LAST, SHUNT_TCP, PKT_SYN, 0);
	CU_ASSERT_EQUAL_FATAL(r.p.drop, 0);
	snprintf(c->server, sizeof(c->server), "%s", server_address(&path, r.p.server));
	snprintf(c->source, sizeof(c->source), "%s", source_address(&path, r.p.source));
	c->server_port = (uint16_t)(SERVER_PORT_BASE + r.p.server);
	c->source_port = r.p.source_port;
	r = walk(c->server, c->server_port, c->source, c->source_port, SHUNT_TCP, PKT_SYN | PKT_ACK,
		1);
	CU_ASSERT_EQUAL(r.p.drop, 0);
	r = walk(c->client, 40000, c->service, LAST, SHUNT_TCP, PKT_ACK, 0);
	c->flow = r.p.flow;
	CU_ASSERT_EQUAL(flow_state(*c->flow), FLOW_ESTABLISHED);
	memset(&challenges, 0, sizeof(challenges));
	path.tracker->challenge = note_challenge;
}

/* Each end is asked, and answers, in its own family and with what it takes for the other end. */
static void
check_resets(uint8_t from, uint8_t to, bool by_server)
{
	struct connection c;
	struct result frame, r;

	connect_across(&c, from, to);
	frame = by_server ? unsent(c.server, c.server_port, c.source, c.source_port, 1)
			  : unsent(c.client, 40000, c.service, LAST, 0);
	/* An answer that nobody has asked for. */
	r = rst(frame, true);
	CU_ASSERT_EQUAL(r.p.drop, SHUNT_DROP_TCP_ANSWER);
	CU_ASSERT_EQUAL(flow_state(*c.flow), FLOW_ESTABLISHED);
	r = rst(frame, false);
	CU_ASSERT_NOT_EQUAL(r.p.drop, SHUNT_DROP_TCP_ANSWER);
	CU_ASSERT_EQUAL(path.tracker->doubted_count, 1);
	CU_ASSERT_EQUAL(flow_state(*c.flow), FLOW_ESTABLISHED);
	r = rst(frame, true);
	CU_ASSERT_EQUAL(r.p.drop, SHUNT_DROP_TCP_ANSWER);
	CU_ASSERT_EQUAL(flow_state(*c.flow), FLOW_CLOSED);
	CU_ASSERT_EQUAL(sessions(&path), 0);
	path_close(&path);
}

/* All of a server's sessions end: both ends of each are made to speak, and answered. */
static void
check_shutdown(uint8_t from, uint8_t to)
{
	struct connection c;
	struct result r;

	connect_across(&c, from, to);
	for (uint32_t id = 1; id <= SERVERS; id++) {
		struct shunt_server server = *(const struct shunt_server *)object_store_get(
			path.objects, SHUNT_KIND_SERVER, id)
						      ->bytes;

		server.reset_mark = 1;
		helper_put(path.objects, SHUNT_KIND_SERVER, id, &server, sizeof(server));
	}
	publish_objects();
	while (tracker_pass(path.tracker, 1024, path.tick))
		;
	CU_ASSERT_EQUAL_FATAL(challenges.count, 2);
	CU_ASSERT_TRUE(challenged(0, c.service, LAST, c.client, 40000));
	CU_ASSERT_EQUAL(challenges.links[0].port, 0);
	CU_ASSERT_TRUE(challenged(1, c.source, c.source_port, c.server, c.server_port));
	CU_ASSERT_EQUAL(challenges.links[1].port, 1);
	r = walk(c.server, c.server_port, c.source, c.source_port, SHUNT_TCP, PKT_ACK, 1);
	CU_ASSERT_EQUAL(r.p.drop, SHUNT_DROP_RESET);
	r.p.data = r.frame + r.start;
	tcp_answer_reset(&r.p, &path.macs[1]);
	CU_ASSERT_TRUE(sent_as(&r, c.source, c.source_port, c.server, c.server_port));
	r = walk(c.client, 40000, c.service, LAST, SHUNT_TCP, PKT_ACK, 0);
	CU_ASSERT_EQUAL(r.p.drop, SHUNT_DROP_RESET);
	r.p.data = r.frame + r.start;
	tcp_answer_reset(&r.p, &path.macs[0]);
	CU_ASSERT_TRUE(sent_as(&r, c.service, LAST, c.client, 40000));
	path_close(&path);
}

static void
test_resets(void)
{
	for (uint8_t from = 4; from <= 6; from += 2) {
		for (uint8_t to = 4; to <= 6; to += 2) {
			check_resets(from, to, false);
			check_resets(from, to, true);
			check_shutdown(from, to);
		}
	}
}

static void
publish_servers(uint32_t last)
{
	for (uint32_t id = SERVERS + 1; id <= SERVERS + 1; id++) {
		if (id <= last)
			helper_put_server(path.objects, id, "10.0.0.99", 8080, BACKEND);
		else
			object_store_delete(path.objects, SHUNT_KIND_SERVER, id);
	}
	publish_objects();
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
	{ "resets by full NAT, in and between the families", test_resets },
	{ "dropped, with any server", test_dropped_with_any_server },
	{ "path MTU of an id given again", test_path_mtu_of_an_id },
};

UNIT_MAIN("together", tests)
