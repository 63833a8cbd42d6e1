/* SPDX-License-Identifier: BSD-3-Clause */
/* New flows that a server refuses or leaves without an answer: counted once each, in every mode. */
#include "cookie_path.h"
#include "unit.h"

static const uint8_t all_modes[] = { SHUNT_NAT, SHUNT_FULLNAT, SHUNT_DR, SHUNT_TUNNEL };

static void
open_asked(struct path *path, uint8_t version, uint8_t forward)
{
	path_open(path, version, SHUNT_ROUNDROBIN, CAPACITY);
	path->forward = forward;
	path->sources = forward == SHUNT_FULLNAT ? 1 : 0;
	path_publish(path);
}

/* Of all servers. */
static uint64_t
unanswered(const struct path *path)
{
	uint64_t sum = 0;

	for (uint32_t id = 1; id <= SERVERS; id++)
		sum += shunt_stats_servers(path->stats, 0)[id].syn_unanswered;
	return sum;
}

static uint64_t
refused(const struct path *path)
{
	uint64_t sum = 0;

	for (uint32_t id = 1; id <= SERVERS; id++)
		sum += shunt_stats_servers(path->stats, 0)[id].syn_refused;
	return sum;
}

/* A second goes by: half a tick. */
static void
second(struct path *path)
{
	path->tick = (uint16_t)(path->tick + path->tracker->second_half);
	path->tracker->second_half = !path->tracker->second_half;
}

static void
expire(struct path *path)
{
	path->tick = (uint16_t)(path->tick + SYN_TICKS);
	track_sweep(path->tracker, 4 * CAPACITY, path->tick);
}

/* What the server says to what it got: with full NAT to a source address. */
static struct result
answer(struct path *path, struct result *got, uint8_t flags)
{
	const struct tcp tcp = { flags, 1, 2, 100, NULL, 0 };

	return from_server(path, got, &tcp);
}

static void
test_answered(void)
{
	for (unsigned int i = 0; i < 4; i++) {
		struct path path;
		struct result syn;

		open_asked(&path, i & 1 ? 6 : 4, all_modes[i / 2]);
		syn = request(&path, SHUNT_TCP, 1, PORT, PKT_SYN);
		answer(&path, &syn, PKT_SYN | PKT_ACK);
		/* The answer is lost; and the client never speaks again. */
		for (unsigned int k = 0; k < 4; k++) {
			second(&path);
			request(&path, SHUNT_TCP, 1, PORT, PKT_SYN);
		}
		expire(&path);
		CU_ASSERT_EQUAL(unanswered(&path), 0);
		CU_ASSERT_EQUAL(refused(&path), 0);
		path_close(&path);
	}
}

/* Once for a flow, for its own server, in whatever mode: a second after the first, not before. */
static void
test_repeated(void)
{
	for (unsigned int i = 0; i < 16; i++) {
		struct path path;
		uint32_t server;

		open_asked(&path, i & 1 ? 6 : 4, all_modes[i / 4]);
		path.tracker->second_half = i & 2;
		server = request(&path, SHUNT_TCP, 1, PORT, PKT_SYN).p.server;
		request(&path, SHUNT_TCP, 1, PORT, PKT_SYN);
		request(&path, SHUNT_TCP, 1, PORT, PKT_SYN);
		CU_ASSERT_EQUAL(unanswered(&path), 0);
		second(&path);
		CU_ASSERT_EQUAL(request(&path, SHUNT_TCP, 1, PORT, PKT_SYN).p.drop, 0);
		CU_ASSERT_EQUAL(shunt_stats_servers(path.stats, 0)[server].syn_unanswered, 1);
		for (unsigned int k = 0; k < 5; k++) {
			second(&path);
			request(&path, SHUNT_TCP, 1, PORT, PKT_SYN);
		}
		expire(&path);
		CU_ASSERT_EQUAL(unanswered(&path), 1);
		CU_ASSERT_EQUAL(refused(&path), 0);
		CU_ASSERT_EQUAL(sessions(&path), 0);
		path_close(&path);
	}
}

/* A flow that expires counts where an answer would have been seen. */
static void
test_expired(void)
{
	static const uint64_t expected[] = { 1, 1, 0, 0 };

	for (unsigned int i = 0; i < 8; i++) {
		struct path path;

		open_asked(&path, i & 1 ? 6 : 4, all_modes[i / 2]);
		request(&path, SHUNT_TCP, 1, PORT, PKT_SYN);
		expire(&path);
		CU_ASSERT_EQUAL(flow_count(path.tracker->flows), 0);
		CU_ASSERT_EQUAL(unanswered(&path), expected[i / 2]);
		path_close(&path);
	}
}

static void
test_refused(void)
{
	for (unsigned int i = 0; i < 4; i++) {
		struct path path;
		struct result syn;

		open_asked(&path, i & 1 ? 6 : 4, all_modes[i / 2]);
		syn = request(&path, SHUNT_TCP, 1, PORT, PKT_SYN);
		answer(&path, &syn, PKT_RST | PKT_ACK);
		CU_ASSERT_EQUAL(shunt_stats_servers(path.stats, 0)[syn.p.server].syn_refused, 1);
		answer(&path, &syn, PKT_RST | PKT_ACK);
		/* Tried again from the same port. */
		syn = request(&path, SHUNT_TCP, 1, PORT, PKT_SYN);
		answer(&path, &syn, PKT_RST | PKT_ACK);
		CU_ASSERT_EQUAL(refused(&path), 2);
		/* First not heard, then refused: one flow, one count. */
		syn = request(&path, SHUNT_TCP, 2, PORT, PKT_SYN);
		second(&path);
		request(&path, SHUNT_TCP, 2, PORT, PKT_SYN);
		answer(&path, &syn, PKT_RST | PKT_ACK);
		expire(&path);
		CU_ASSERT_EQUAL(refused(&path), 2);
		CU_ASSERT_EQUAL(unanswered(&path), 1);
		path_close(&path);
	}
}

/* What nobody can hold against a server. */
static void
test_not_counted(void)
{
	for (unsigned int i = 0; i < 8; i++) {
		struct path path;
		struct result r;

		open_asked(&path, i & 1 ? 6 : 4, all_modes[i / 2]);
		/* Out of the middle: the server does not know it, or has nothing to say. */
		r = request(&path, SHUNT_TCP, 1, PORT, PKT_ACK);
		if (i < 4)
			answer(&path, &r, PKT_RST);
		request(&path, SHUNT_TCP, 2, PORT, PKT_ACK);
		/* An RST within a connection, or of the client before it is one. */
		r = request(&path, SHUNT_TCP, 3, PORT, PKT_SYN);
		if (i < 4)
			answer(&path, &r, PKT_SYN | PKT_ACK);
		request(&path, SHUNT_TCP, 3, PORT, PKT_ACK);
		if (i < 4)
			answer(&path, &r, PKT_RST | PKT_ACK);
		r = request(&path, SHUNT_TCP, 4, PORT, PKT_SYN);
		request(&path, SHUNT_TCP, 4, PORT, PKT_RST);
		if (i < 4)
			answer(&path, &r, PKT_SYN | PKT_ACK);
		request(&path, SHUNT_UDP, 5, PORT, 0);
		CU_ASSERT_EQUAL(refused(&path), 0);
		expire(&path);
		path_expire_all(&path);
		CU_ASSERT_EQUAL(refused(&path), 0);
		CU_ASSERT_EQUAL(unanswered(&path), 0);
		path_close(&path);
	}
}

/* A flood from false addresses, each SYN twice: it is the server's answers that count. */
static void
test_flood(void)
{
	struct path path;

	open_asked(&path, 4, SHUNT_NAT);
	for (uint32_t client = 0; client < 1000; client++) {
		struct result syn = request(&path, SHUNT_TCP, client, PORT, PKT_SYN);

		request(&path, SHUNT_TCP, client, PORT, PKT_SYN);
		answer(&path, &syn, PKT_SYN | PKT_ACK);
	}
	second(&path);
	for (uint32_t client = 0; client < 1000; client++)
		request(&path, SHUNT_TCP, client, PORT, PKT_SYN);
	expire(&path);
	CU_ASSERT_EQUAL(flow_count(path.tracker->flows), 0);
	CU_ASSERT_EQUAL(unanswered(&path), 0);
	path_close(&path);

	open_asked(&path, 4, SHUNT_DR);
	for (uint32_t client = 0; client < 2000; client++)
		request(&path, SHUNT_TCP, client / 2, PORT, PKT_SYN);
	expire(&path);
	CU_ASSERT_EQUAL(unanswered(&path), 0);
	path_close(&path);
}

/* Its time has not come: the service goes, or the server, or Shunt resets it. */
static void
test_taken_away(void)
{
	struct path path;
	uint32_t server;

	open_asked(&path, 4, SHUNT_NAT);
	request(&path, SHUNT_TCP, 1, PORT, PKT_SYN);
	object_store_delete(path.objects, SHUNT_KIND_SERVICE, SERVICE);
	path_commit(&path);
	track_sweep(path.tracker, 4 * CAPACITY, path.tick);
	CU_ASSERT_EQUAL(flow_count(path.tracker->flows), 0);
	CU_ASSERT_EQUAL(unanswered(&path), 0);
	path_close(&path);

	/* A server is down before it has answered: the client's next SYN goes elsewhere. */
	open_asked(&path, 4, SHUNT_NAT);
	server = request(&path, SHUNT_TCP, 1, PORT, PKT_SYN).p.server;
	path.state[server] = SHUNT_SERVER_DOWN;
	path_publish(&path);
	CU_ASSERT_NOT_EQUAL(request(&path, SHUNT_TCP, 1, PORT, PKT_SYN).p.server, server);
	CU_ASSERT_EQUAL(shunt_stats_servers(path.stats, 0)[server].syn_unanswered, 1);
	CU_ASSERT_EQUAL(unanswered(&path), 1);
	path_close(&path);
}

/* Full NAT holds the port of a server that waits in TIME_WAIT, which shares the flag's bit. */
static void
test_source_port_is_free(void)
{
	struct path path;

	open_asked(&path, 4, SHUNT_FULLNAT);
	path.tracker->second_half = true;
	request(&path, SHUNT_TCP, 1, PORT, PKT_SYN);
	CU_ASSERT_EQUAL(flow_flags(flow_of(&path, 1)), FLOW_ASKED | FLOW_SECOND_HALF);
	second(&path);
	request(&path, SHUNT_TCP, 1, PORT, PKT_SYN);
	CU_ASSERT_EQUAL(flow_flags(flow_of(&path, 1)) & FLOW_ASKED, 0);
	request(&path, SHUNT_TCP, 1, PORT, PKT_FIN | PKT_ACK);
	CU_ASSERT_EQUAL(flow_state(flow_of(&path, 1)), FLOW_FIN_CLIENT);
	CU_ASSERT_EQUAL(flow_flags(flow_of(&path, 1)), 0);
	path_close(&path);
}

/* A SYN cookie's flow: the client is there, and the SYN to the server is Shunt's. */
static void
test_cookies(void)
{
	for (unsigned int i = 0; i < 2; i++) {
		const struct tcp refusal = { PKT_RST | PKT_ACK, 0, CLIENT_ISN + 1, 0, NULL, 0 };
		const struct tcp foreign = { PKT_RST | PKT_ACK, 0, CLIENT_ISN + 7, 0, NULL, 0 };
		struct result syn;
		struct path path;
		uint32_t cookie;

		open_path(&path, i ? 6 : 4, SHUNT_NAT, SHUNT_COOKIES_ALWAYS, 0);
		for (unsigned int client = 1; client < 50; client++)
			get_cookie(&path, client);
		expire(&path);
		CU_ASSERT_EQUAL(unanswered(&path) + refused(&path), 0);

		cookie = get_cookie(&path, 7);
		syn = bring_back(&path, 7, cookie);
		from_server(&path, &syn, &foreign);
		CU_ASSERT_EQUAL(refused(&path), 0);
		from_server(&path, &syn, &refusal);
		CU_ASSERT_EQUAL(refused(&path), 1);

		cookie = get_cookie(&path, 8);
		bring_back(&path, 8, cookie);
		bring_back(&path, 8, cookie);
		CU_ASSERT_EQUAL(unanswered(&path), 0);
		second(&path);
		bring_back(&path, 8, cookie);
		CU_ASSERT_EQUAL(unanswered(&path), 1);
		/* One that waits to its end without a word. */
		bring_back(&path, 9, get_cookie(&path, 9));
		expire(&path);
		expire(&path);
		CU_ASSERT_EQUAL(unanswered(&path), 2);
		CU_ASSERT_EQUAL(refused(&path), 1);

		cookie = get_cookie(&path, 10);
		syn = bring_back(&path, 10, cookie);
		accept_client(&path, &syn, cookie);
		path_expire_all(&path);
		CU_ASSERT_EQUAL(unanswered(&path), 2);
		path_close(&path);
	}
}

static const struct unit_test tests[] = {
	{ "answered", test_answered },
	{ "the SYN comes again", test_repeated },
	{ "expired", test_expired },
	{ "refused", test_refused },
	{ "not counted", test_not_counted },
	{ "flood", test_flood },
	{ "taken away", test_taken_away },
	{ "source port is free", test_source_port_is_free },
	{ "SYN cookies", test_cookies },
};

UNIT_MAIN("track_asked", tests)
