/* SPDX-License-Identifier: BSD-3-Clause */
/* Resets: those that pass, and flows that Shunt resets itself. Through the whole packet path. */
#include "path.h"
#include "tcp_state.h"

#define PORT 1000

/* What the tracker has asked to be sent. */
struct sent {
	unsigned int count;
	unsigned int to_client;
	unsigned int to_server;
	struct ends ends;
	uint8_t source[16];
	uint8_t destination[16];
	struct link link;
};

static void
on_challenge(void *context, const struct ends *ends, const struct link *link)
{
	struct sent *sent = context;
	size_t bytes = ends->version == 4 ? 4 : 16;

	sent->count++;
	sent->to_client += link->port == 0;
	sent->to_server += link->port == 1;
	sent->ends = *ends;
	memcpy(sent->source, ends->source, bytes);
	memcpy(sent->destination, ends->destination, bytes);
	sent->link = *link;
}

static void
open_path(struct path *path, uint8_t version, struct sent *sent)
{
	path_open(path, version, SHUNT_ROUNDROBIN, CAPACITY);
	*sent = (struct sent){ 0 };
	path->tracker->challenge = on_challenge;
	path->tracker->challenge_context = sent;
}

/* The value of a client's flow, without a packet. */
static uint64_t
flow_of(struct path *path, uint32_t client)
{
	struct flow_key key = { .port_be = htons(PORT), .service = SERVICE };
	uint64_t *flow;

	key.version = path->version;
	client_address(path, client, key.address);
	flow = flow_lookup(path->tracker->flows, &key, path->tick);
	return flow ? *flow : 0;
}

static void
put_seq(struct result *r, uint32_t seq)
{
	uint8_t *at = r->frame + 14 + (r->frame[12] == 8 ? 20 : 40) + 4;

	seq = htonl(seq);
	memcpy(at, &seq, 4);
}

/* An RST of the client with this sequence number; returns what became of it. */
static struct result
client_reset(struct path *path, uint32_t client, uint32_t seq)
{
	struct frame_spec spec = frame_default(path->version, SHUNT_TCP);
	struct shunt_addr vip = helper_addr(service_address(path));
	struct result r;
	size_t bytes;

	client_address(path, client, spec.src);
	memcpy(spec.dst, vip.bytes + (path->version == 4 ? 12 : 0), path->version == 4 ? 4 : 16);
	spec.sport = PORT;
	spec.flags = PKT_RST;
	bytes = frame_build(r.frame, &spec);
	put_seq(&r, seq);
	path->tracker->doubted_count = 0;
	path_run(path, &r, 0, bytes);
	return r;
}

static struct result
server_reset(struct path *path, uint32_t server, uint32_t client, uint32_t seq)
{
	struct frame_spec spec = frame_default(path->version, SHUNT_TCP);
	struct shunt_addr address = helper_addr(server_address(path, server));
	struct result r;
	size_t bytes;

	memcpy(spec.src, address.bytes + (path->version == 4 ? 12 : 0),
		path->version == 4 ? 4 : 16);
	client_address(path, client, spec.dst);
	spec.sport = (uint16_t)(SERVER_PORT_BASE + server);
	spec.dport = PORT;
	spec.flags = PKT_RST | PKT_ACK;
	bytes = frame_build(r.frame, &spec);
	put_seq(&r, seq);
	path->tracker->doubted_count = 0;
	path_run(path, &r, 1, bytes);
	return r;
}

/* What an RST from there must have for its sequence number, to be believed. */
static uint32_t
nonce_of(const struct path *path, const uint8_t *from, uint16_t from_port, const uint8_t *to,
	uint16_t to_port)
{
	const struct ends ends = {
		.source = to,
		.destination = from,
		.sport_be = htons(to_port),
		.dport_be = htons(from_port),
		.version = path->version,
	};

	return tcp_answer_nonce(path->tracker->reset_key, &ends);
}

static uint32_t
client_nonce(const struct path *path, uint32_t client)
{
	struct shunt_addr vip = helper_addr(service_address(path));
	uint8_t address[16];

	client_address(path, client, address);
	return nonce_of(path, address, PORT, vip.bytes + (path->version == 4 ? 12 : 0), 80);
}

static uint32_t
server_nonce(const struct path *path, uint32_t server, uint32_t client)
{
	struct shunt_addr a = helper_addr(server_address(path, server));
	uint8_t address[16];

	client_address(path, client, address);
	return nonce_of(path, a.bytes + (path->version == 4 ? 12 : 0),
		(uint16_t)(SERVER_PORT_BASE + server), address, PORT);
}

static void
forged_and_proven(uint8_t version, bool by_client)
{
	struct path path;
	struct sent sent;
	struct result r;
	uint32_t server, nonce;
	uint16_t seen;

	open_path(&path, version, &sent);
	server = connect_client(&path, 1, PORT);
	nonce = by_client ? client_nonce(&path, 1) : server_nonce(&path, server, 1);
	/* Whoever knew the nonce without having been asked for it would be out of his depth. */
	r = by_client ? client_reset(&path, 1, nonce) : server_reset(&path, server, 1, nonce);
	CU_ASSERT_EQUAL(r.p.drop, SHUNT_DROP_TCP_ANSWER);
	CU_ASSERT_EQUAL(path.tracker->doubted_count, 0);
	CU_ASSERT_EQUAL(flow_state(flow_of(&path, 1)), FLOW_ESTABLISHED);

	seen = flow_last_seen(flow_of(&path, 1));
	path.tick += 50;
	for (uint32_t i = 1; i < 20; i++) {
		r = by_client ? client_reset(&path, 1, nonce + i)
			      : server_reset(&path, server, 1, nonce - i);
		CU_ASSERT_EQUAL(r.p.drop, 0); /* its receiver knows what to make of it */
		CU_ASSERT_EQUAL(path.tracker->doubted_count, 1);
		CU_ASSERT_EQUAL(flow_state(flow_of(&path, 1)), FLOW_ESTABLISHED);
		/* Nor does it keep a flow alive. */
		CU_ASSERT_EQUAL(flow_last_seen(flow_of(&path, 1)), seen);
	}
	CU_ASSERT_EQUAL(sessions(&path), 1);
	CU_ASSERT_EQUAL(request(&path, SHUNT_TCP, 1, PORT, PKT_ACK).p.server, server);

	r = by_client ? client_reset(&path, 1, nonce) : server_reset(&path, server, 1, nonce);
	CU_ASSERT_EQUAL(r.p.drop, SHUNT_DROP_TCP_ANSWER);
	CU_ASSERT_EQUAL(path.tracker->doubted_count, 0);
	CU_ASSERT_EQUAL(flow_state(flow_of(&path, 1)), FLOW_CLOSED);
	CU_ASSERT_EQUAL(sessions(&path), 0);
	/* Once more: it is nobody else's business, and no session ends twice. */
	r = by_client ? client_reset(&path, 1, nonce) : server_reset(&path, server, 1, nonce);
	CU_ASSERT_EQUAL(r.p.drop, SHUNT_DROP_TCP_ANSWER);
	CU_ASSERT_EQUAL(sessions(&path), 0);
	CU_ASSERT_EQUAL(sent.count, 0);
	path_close(&path);
}

static void
test_forged_and_proven(void)
{
	forged_and_proven(4, true);
	forged_and_proven(4, false);
	forged_and_proven(6, true);
	forged_and_proven(6, false);
}

/*
 * A client that resets and connects again at once answers the challenge as one without connection,
 * which it is not any more: that must not close the new one.
 */
static void
test_new_connection_before_the_proof(void)
{
	struct path path;
	struct sent sent;
	uint32_t server;

	open_path(&path, 4, &sent);
	server = connect_client(&path, 1, PORT);
	client_reset(&path, 1, 77);
	CU_ASSERT_EQUAL(path.tracker->doubted_count, 1);
	CU_ASSERT_TRUE(flow_flags(flow_of(&path, 1)) & FLOW_CHALLENGED);
	/* Not by a SYN of the server, or a SYN|ACK: an outsider could delay the end by them. */
	CU_ASSERT_EQUAL(connect_client(&path, 1, PORT), server);
	CU_ASSERT_FALSE(flow_flags(flow_of(&path, 1)) & FLOW_CHALLENGED);
	CU_ASSERT_EQUAL(
		client_reset(&path, 1, client_nonce(&path, 1)).p.drop, SHUNT_DROP_TCP_ANSWER);
	CU_ASSERT_EQUAL(flow_state(flow_of(&path, 1)), FLOW_ESTABLISHED);
	CU_ASSERT_EQUAL(sessions(&path), 1);
	path_close(&path);
}

/* Nobody is asked about a flow that is half open, closed, or none. */
static void
test_not_asked(void)
{
	struct path path;
	struct sent sent;
	struct result r;
	uint32_t server;

	open_path(&path, 4, &sent);
	CU_ASSERT_EQUAL(client_reset(&path, 1, 5).p.drop, 0);
	CU_ASSERT_EQUAL(path.tracker->doubted_count, 0);
	server = request(&path, SHUNT_TCP, 1, PORT, PKT_SYN).p.server;
	CU_ASSERT_EQUAL(client_reset(&path, 1, 5).p.drop, 0);
	CU_ASSERT_EQUAL(flow_state(flow_of(&path, 1)), FLOW_SYN);
	r = server_reset(&path, server, 1, 0);
	CU_ASSERT_EQUAL(r.p.drop, 0);
	CU_ASSERT_EQUAL(flow_state(flow_of(&path, 1)), FLOW_CLOSED); /* refused */
	CU_ASSERT_EQUAL(sessions(&path), 0);
	CU_ASSERT_EQUAL(client_reset(&path, 1, 5).p.drop, 0);
	CU_ASSERT_EQUAL(server_reset(&path, server, 1, 0).p.drop, 0);
	CU_ASSERT_EQUAL(path.tracker->doubted_count, 0);
	server = request(&path, SHUNT_TCP, 2, PORT, PKT_SYN).p.server;
	reply(&path, SHUNT_TCP, server, 2, PORT, PKT_SYN | PKT_ACK);
	CU_ASSERT_EQUAL(client_reset(&path, 2, 5).p.drop, 0);
	CU_ASSERT_EQUAL(server_reset(&path, server, 2, 5).p.drop, 0);
	CU_ASSERT_EQUAL(path.tracker->doubted_count, 0);
	CU_ASSERT_EQUAL(flow_state(flow_of(&path, 2)), FLOW_SYN_ACK);
	path_close(&path);
}

/* Runs the look at all flows to its end; returns how often it was called. */
static unsigned int
pass(struct path *path)
{
	unsigned int turns = 0;

	while (tracker_pass(path->tracker, 64, path->tick))
		CU_ASSERT_TRUE_FATAL(++turns < 1000);
	return turns;
}

static void
set_backend(struct path *path, uint8_t shutdown_sessions)
{
	struct shunt_backend *b;
	const struct object *o = object_store_get(path->objects, SHUNT_KIND_BACKEND, BACKEND);

	b = malloc(o->length);
	memcpy(b, o->bytes, o->length);
	b->shutdown_sessions = shutdown_sessions;
	helper_put(path->objects, SHUNT_KIND_BACKEND, BACKEND, b, o->length);
	free(b);
}

/* As path_publish(), with the objects as they are. */
static void
publish_objects(struct path *path)
{
	struct generation_error error;
	int result;
	struct generation *next = generation_create(
		path->objects, ++path->number, path->generation, 2, &error, &result);

	CU_ASSERT_PTR_NOT_NULL_FATAL(next);
	tracker_set_generation(path->tracker, next);
	generation_destroy(path->generation);
	path->generation = next;
}

static void
set_server(struct path *path, uint32_t id, uint8_t state, uint8_t mark)
{
	struct shunt_server server =
		helper_server(server_address(path, id), (uint16_t)(SERVER_PORT_BASE + id), BACKEND);

	server.nexthop = 1;
	server.state = state;
	server.reset_mark = mark;
	helper_put(path->objects, SHUNT_KIND_SERVER, id, &server, sizeof(server));
}

/* The segment of a flow that is being reset: an RST for its sender, unless it is one. */
static void
check_resetting(struct path *path, uint32_t client, uint32_t server)
{
	CU_ASSERT_EQUAL(request(path, SHUNT_TCP, client, PORT, PKT_ACK).p.drop, SHUNT_DROP_RESET);
	CU_ASSERT_EQUAL(
		request(path, SHUNT_TCP, client, PORT, PKT_FIN | PKT_ACK).p.drop, SHUNT_DROP_RESET);
	CU_ASSERT_EQUAL(client_reset(path, client, 99).p.drop, 0);
	CU_ASSERT_EQUAL(path->tracker->doubted_count, 0);
	CU_ASSERT_EQUAL(client_reset(path, client, client_nonce(path, client)).p.drop,
		SHUNT_DROP_TCP_ANSWER);
	if (path->forward == SHUNT_NAT)
		CU_ASSERT_EQUAL(reply(path, SHUNT_TCP, server, client, PORT, PKT_ACK).p.drop,
			SHUNT_DROP_RESET);
	CU_ASSERT_EQUAL(flow_state(flow_of(path, client)), FLOW_CLOSED);
	CU_ASSERT_TRUE(flow_flags(flow_of(path, client)) & FLOW_RESETTING);
}

static void
marked_down(uint8_t version, uint8_t forward)
{
	uint32_t server[32], on_first = 0;
	struct path path;
	struct sent sent;

	open_path(&path, version, &sent);
	for (uint32_t c = 0; c < 32; c++)
		server[c] = connect_client(&path, c, PORT);
	for (uint32_t c = 0; c < 32; c++)
		on_first += server[c] == 1;
	CU_ASSERT_TRUE_FATAL(on_first > 5 && on_first < 25);
	request(&path, SHUNT_UDP, 1, PORT, 0);
	path.forward = forward;
	path_publish(&path);
	set_backend(&path, 1);
	publish_objects(&path);
	CU_ASSERT_EQUAL(pass(&path), 0);
	set_server(&path, 1, SHUNT_SERVER_DOWN, 0);
	publish_objects(&path);
	CU_ASSERT_TRUE(pass(&path) > 10); /* a bit at a time */
	CU_ASSERT_EQUAL(pass(&path), 0);
	CU_ASSERT_EQUAL(sessions(&path), 33 - on_first);
	CU_ASSERT_EQUAL(sent.to_client, on_first);
	CU_ASSERT_EQUAL(sent.to_server, forward == SHUNT_NAT ? on_first : 0);
	CU_ASSERT_EQUAL(path.tracker->stats->flows_reset, on_first);
	for (uint32_t c = 0; c < 32; c++) {
		if (server[c] == 1)
			check_resetting(&path, c, 1);
		else
			CU_ASSERT_EQUAL(
				request(&path, SHUNT_TCP, c, PORT, PKT_ACK).p.server, server[c]);
	}
	/* Another generation in which it is still down, and it coming back, reset nothing. */
	set_server(&path, 2, SHUNT_SERVER_DRAIN, 0);
	publish_objects(&path);
	set_server(&path, 1, SHUNT_SERVER_UP, 0);
	publish_objects(&path);
	CU_ASSERT_EQUAL(pass(&path), 0);
	path_close(&path);
}

static void
test_marked_down(void)
{
	marked_down(4, SHUNT_NAT);
	marked_down(6, SHUNT_NAT);
	marked_down(4, SHUNT_DR);
	marked_down(6, SHUNT_DR);
}

static void
test_kept(void)
{
	struct path path;
	struct sent sent;
	uint32_t server;

	open_path(&path, 4, &sent);
	server = connect_client(&path, 1, PORT);
	set_server(&path, server, SHUNT_SERVER_DOWN, 0);
	publish_objects(&path);
	CU_ASSERT_EQUAL(pass(&path), 0);
	CU_ASSERT_EQUAL(request(&path, SHUNT_TCP, 1, PORT, PKT_ACK).p.server, server);
	/* Wanted otherwise while it is down: then its sessions go as well. */
	set_backend(&path, 1);
	publish_objects(&path);
	CU_ASSERT_TRUE(pass(&path) > 0);
	check_resetting(&path, 1, server);
	path_close(&path);
}

/* A command, without any change of state; also while the look for another is under way. */
static void
test_command(void)
{
	uint32_t server[8];
	struct path path;
	struct sent sent;

	open_path(&path, 4, &sent);
	for (uint32_t c = 0; c < 8; c++)
		server[c] = connect_client(&path, c, PORT);
	set_server(&path, 1, SHUNT_SERVER_UP, 1);
	publish_objects(&path);
	CU_ASSERT_TRUE(tracker_pass(path.tracker, 64, path.tick));
	set_server(&path, 2, SHUNT_SERVER_UP, 255);
	publish_objects(&path);
	/* A generation that wants nothing reset does not end it. */
	publish_objects(&path);
	pass(&path);
	for (uint32_t c = 0; c < 8; c++) {
		if (server[c] <= 2)
			check_resetting(&path, c, server[c]);
		else
			CU_ASSERT_EQUAL(request(&path, SHUNT_TCP, c, PORT, PKT_ACK).p.drop, 0);
	}
	/* From the same port the client may connect again at once, to the same server too. */
	for (uint32_t c = 0; c < 8; c++) {
		if (server[c] > 2)
			continue;
		connect_client(&path, c, PORT);
		CU_ASSERT_EQUAL(request(&path, SHUNT_TCP, c, PORT, PKT_ACK).p.drop, 0);
	}
	CU_ASSERT_EQUAL(sessions(&path), 8);
	pass(&path);
	CU_ASSERT_EQUAL(sessions(&path), 8);
	path_close(&path);
}

/* What a challenge says: it comes from the other end, by the way that packets have come. */
static void
test_provoked(void)
{
	struct path path;
	struct sent sent;
	uint8_t client[16];
	uint32_t server;

	open_path(&path, 4, &sent);
	path.forward = SHUNT_DR;
	path_publish(&path);
	client_address(&path, 1, client);
	request(&path, SHUNT_TCP, 1, PORT, PKT_SYN);
	server = request(&path, SHUNT_TCP, 1, PORT, PKT_ACK).p.server;
	set_server(&path, server, SHUNT_SERVER_UP, 1);
	publish_objects(&path);
	pass(&path);
	CU_ASSERT_EQUAL(sent.count, 1);
	CU_ASSERT_EQUAL(sent.ends.sport_be, htons(80));
	CU_ASSERT_EQUAL(sent.ends.dport_be, htons(PORT));
	CU_ASSERT_EQUAL(memcmp(sent.destination, client, 4), 0);
	CU_ASSERT_EQUAL(memcmp(sent.source, helper_addr(service_address(&path)).bytes + 12, 4), 0);
	CU_ASSERT_EQUAL(sent.link.mac.bytes[5], CLIENT_MAC_BYTE);
	/* Again at each sweep, until the entry goes. */
	for (unsigned int i = 1; i <= 3; i++) {
		path.tick += 2;
		for (unsigned int k = 0; k < 200; k++)
			track_sweep(path.tracker, 64, path.tick);
		CU_ASSERT_TRUE(sent.count > i);
	}
	path.tick += 10;
	sent.count = 0;
	for (unsigned int k = 0; k < 200; k++)
		track_sweep(path.tracker, 64, path.tick);
	CU_ASSERT_EQUAL(sent.count, 0);
	CU_ASSERT_EQUAL(flow_count(path.tracker->flows), 0);
	path_close(&path);
}

static void
set_service(struct path *path, uint8_t reset_idle, uint16_t last_port)
{
	struct shunt_service s = helper_service(service_address(path), 80, SHUNT_TCP, BACKEND);

	s.reset_idle = reset_idle;
	s.last_port_be = htons(last_port);
	helper_put(path->objects, SHUNT_KIND_SERVICE, SERVICE, &s, sizeof(s));
	publish_objects(path);
}

static void
sweep(struct path *path)
{
	for (unsigned int k = 0; k < 200; k++)
		track_sweep(path->tracker, 64, path->tick);
}

/* An idle flow is reset at its end, if it was established and that is wanted. */
static void
test_idle(void)
{
	for (uint8_t wanted = 0; wanted < 2; wanted++) {
		struct path path;
		struct sent sent;
		uint32_t server;

		open_path(&path, 4, &sent);
		set_service(&path, wanted, 80);
		server = connect_client(&path, 1, PORT);
		request(&path, SHUNT_TCP, 2, PORT, PKT_SYN);
		connect_client(&path, 3, PORT);
		request(&path, SHUNT_TCP, 3, PORT, PKT_FIN | PKT_ACK);
		request(&path, SHUNT_UDP, 4, PORT, 0);
		CU_ASSERT_EQUAL(sessions(&path), 4);
		sweep(&path);
		CU_ASSERT_EQUAL(sent.count, 0);
		path.tick += 490;
		sweep(&path);
		CU_ASSERT_EQUAL(sessions(&path), 0);
		CU_ASSERT_EQUAL(flow_count(path.tracker->flows), wanted);
		if (wanted) {
			CU_ASSERT_TRUE(sent.to_client >= 1 && sent.to_client == sent.to_server);
			check_resetting(&path, 1, server);
			path.tick += 10;
			sweep(&path);
			CU_ASSERT_EQUAL(flow_count(path.tracker->flows), 0);
		}
		CU_ASSERT_EQUAL(path.tracker->stats->flows_expired, 4);
		path_close(&path);
	}
}

/* A flow to one of several ports is told of that one. */
static void
test_port_range(void)
{
	struct path path;
	struct sent sent;
	uint32_t server;

	open_path(&path, 4, &sent);
	path.forward = SHUNT_DR;
	path_publish(&path);
	set_service(&path, 1, 90);
	publish_objects(&path);
	request(&path, SHUNT_TCP, 1, PORT, PKT_SYN);
	server = request(&path, SHUNT_TCP, 1, PORT, PKT_ACK).p.server;
	set_server(&path, server, SHUNT_SERVER_UP, 1);
	publish_objects(&path);
	pass(&path);
	CU_ASSERT_EQUAL(sent.count, 1);
	CU_ASSERT_EQUAL(sent.ends.sport_be, htons(80));
	CU_ASSERT_EQUAL(sent.ends.dport_be, htons(PORT));
	path_close(&path);
}

/* Data that flows on keeps a half-closed flow alive for as long as it likes. */
static void
test_half_closed(void)
{
	struct path path;
	struct sent sent;
	uint32_t server;

	open_path(&path, 4, &sent);
	server = connect_client(&path, 1, PORT);
	request(&path, SHUNT_TCP, 1, PORT, PKT_FIN | PKT_ACK);
	for (unsigned int i = 0; i < 50; i++) {
		path.tick += 15;
		sweep(&path);
		CU_ASSERT_EQUAL(
			reply(&path, SHUNT_TCP, server, 1, PORT, PKT_ACK | PKT_PSH).p.drop, 0);
	}
	CU_ASSERT_EQUAL(sessions(&path), 1);
	path.tick += 18;
	sweep(&path);
	CU_ASSERT_EQUAL(sessions(&path), 0);
	path_close(&path);
}

static const struct unit_test tests[] = {
	{ "forged and proven resets", test_forged_and_proven },
	{ "a new connection before the proof", test_new_connection_before_the_proof },
	{ "who is not asked", test_not_asked },
	{ "a server is marked down", test_marked_down },
	{ "a server is down, its sessions are kept", test_kept },
	{ "sessions reset by command", test_command },
	{ "what provokes", test_provoked },
	{ "idle flows", test_idle },
	{ "a service of several ports", test_port_range },
	{ "half-closed flows", test_half_closed },
};

UNIT_MAIN("track_reset", tests)
