/* SPDX-License-Identifier: BSD-3-Clause */
/* Flows that begin with a SYN cookie, through the whole packet path; and when there are cookies. */
#include "cookie_path.h"
#include "unit.h"

static void
test_whole_life(void)
{
	static const uint8_t forwards[] = { SHUNT_NAT, SHUNT_FULLNAT };

	for (unsigned int i = 0; i < 4; i++) {
		uint8_t sack[12] = { 1, 1, 5, 10 };
		struct tcp tcp = { .flags = PKT_ACK };
		struct result syn, r;
		struct path path;
		uint32_t cookie;

		open_path(&path, i & 1 ? 6 : 4, forwards[i / 2], SHUNT_COOKIES_ALWAYS, 0);
		cookie = get_cookie(&path, 7);
		CU_ASSERT_EQUAL(flow_of(&path, 7), 0);
		syn = bring_back(&path, 7, cookie);
		CU_ASSERT_EQUAL(flow_state(flow_of(&path, 7)), FLOW_SYN);
		CU_ASSERT_EQUAL(stats(&path)->half_open, 1);
		CU_ASSERT_EQUAL(stats(&path)->cookie_flows, 1);
		CU_ASSERT_EQUAL(sessions(&path), 1);
		accept_client(&path, &syn, cookie);
		CU_ASSERT_EQUAL(flow_state(flow_of(&path, 7)), FLOW_ESTABLISHED);
		CU_ASSERT_FALSE(fast_is_steady(flow_of(&path, 7)));
		CU_ASSERT_EQUAL(stats(&path)->half_open, 0);

		/* To the server: acknowledgments, and windows as they are. */
		seq_store(sack + 4, cookie + 500);
		seq_store(sack + 8, cookie + 900);
		tcp = (struct tcp){ PKT_ACK, CLIENT_ISN + 1, cookie + 101, 50, sack, 12 };
		r = from_client(&path, 7, &tcp);
		CU_ASSERT_EQUAL(r.p.drop, 0);
		CU_ASSERT_EQUAL(seq_load(out(&r) + TCP_SEQ_NUMBER), CLIENT_ISN + 1);
		CU_ASSERT_EQUAL(seq_load(out(&r) + TCP_ACK_NUMBER), SERVER_ISN + 101);
		CU_ASSERT_EQUAL(seq_load(out(&r) + 24), SERVER_ISN + 500);
		CU_ASSERT_EQUAL(seq_load(out(&r) + 28), SERVER_ISN + 900);
		CU_ASSERT_EQUAL(frame_get16(out(&r) + TCP_WINDOW), 50);
		CU_ASSERT_TRUE(is_sound(&r));
		/* To the client: numbers, and windows of scale 5 in units of 7. */
		tcp = (struct tcp){ PKT_ACK, SERVER_ISN + 1, CLIENT_ISN + 1, 4096, NULL, 0 };
		r = from_server(&path, &syn, &tcp);
		CU_ASSERT_EQUAL(r.p.drop, 0);
		CU_ASSERT_EQUAL(seq_load(out(&r) + TCP_SEQ_NUMBER), cookie + 1);
		CU_ASSERT_EQUAL(frame_get16(out(&r) + TCP_WINDOW), 1024);
		CU_ASSERT_TRUE(is_sound(&r));
		/* A SYN|ACK sent again is answered again. */
		accept_client(&path, &syn, cookie);

		/* Resets pass with the receiver's numbers. */
		tcp = (struct tcp){ PKT_RST, SERVER_ISN + 9, 0, 0, NULL, 0 };
		path.tracker->doubted_count = 0;
		r = from_server(&path, &syn, &tcp);
		CU_ASSERT_EQUAL(seq_load(out(&r) + TCP_SEQ_NUMBER), cookie + 9);
		CU_ASSERT_TRUE(flow_flags(flow_of(&path, 7)) & FLOW_TRANSLATED);
		/* It goes with its flow. */
		path.tick = (uint16_t)(path.tick + 0x4000);
		track_sweep(path.tracker, 4 * CAPACITY, path.tick);
		CU_ASSERT_EQUAL(stats(&path)->cookie_flows, 0);
		CU_ASSERT_EQUAL(sessions(&path), 0);
		path_close(&path);
	}
}

/* What comes while the server has not answered. */
static void
test_waiting(void)
{
	struct path path;
	struct tcp tcp;
	struct result syn, r;
	uint32_t cookie;

	open_path(&path, 4, SHUNT_NAT, SHUNT_COOKIES_ALWAYS, 0);
	cookie = get_cookie(&path, 7);
	syn = bring_back(&path, 7, cookie);
	bring_back(&path, 7, cookie); /* the client sends again: so does Shunt */
	CU_ASSERT_EQUAL(stats(&path)->syn_cookies_accepted, 1);
	tcp = (struct tcp){ PKT_ACK | PKT_FIN, CLIENT_ISN + 1, cookie + 1, 100, NULL, 0 };
	r = from_client(&path, 7, &tcp);
	CU_ASSERT_EQUAL(out(&r)[TCP_FLAGS], PKT_SYN);
	tcp = (struct tcp){ PKT_ACK, CLIENT_ISN + 1, cookie + 2, 1, NULL, 0 };
	CU_ASSERT_EQUAL(from_client(&path, 7, &tcp).p.drop, SHUNT_DROP_COOKIE_WAIT);
	tcp = (struct tcp){ PKT_RST, CLIENT_ISN + 1, 0, 1, NULL, 0 };
	CU_ASSERT_EQUAL(from_client(&path, 7, &tcp).p.drop, SHUNT_DROP_COOKIE_WAIT);
	tcp = (struct tcp){ PKT_SYN, CLIENT_ISN, 0, 1, NULL, 0 };
	CU_ASSERT_EQUAL(from_client(&path, 7, &tcp).p.drop, SHUNT_DROP_COOKIE_WAIT);
	/* The server speaks of an old connection: it is reset, and takes the next SYN. */
	tcp = (struct tcp){ PKT_ACK, 1, 2, 1, NULL, 0 };
	CU_ASSERT_EQUAL(from_server(&path, &syn, &tcp).p.drop, SHUNT_DROP_RESET);
	CU_ASSERT_EQUAL(flow_state(flow_of(&path, 7)), FLOW_SYN);
	accept_client(&path, &syn, cookie);
	path_close(&path);
}

static void
test_refusal(void)
{
	struct path path;
	struct tcp tcp;
	struct result syn, r;
	uint32_t cookie;

	open_path(&path, 4, SHUNT_NAT, SHUNT_COOKIES_ALWAYS, 0);
	cookie = get_cookie(&path, 7);
	syn = bring_back(&path, 7, cookie);
	tcp = (struct tcp){ PKT_RST | PKT_ACK, 0, CLIENT_ISN + 1, 0, NULL, 0 };
	r = from_server(&path, &syn, &tcp);
	CU_ASSERT_EQUAL(r.p.drop, 0);
	CU_ASSERT_EQUAL(seq_load(out(&r) + TCP_SEQ_NUMBER), cookie + 1);
	CU_ASSERT_TRUE(is_sound(&r));
	CU_ASSERT_EQUAL(flow_state(flow_of(&path, 7)), FLOW_CLOSED);
	tcp = (struct tcp){ PKT_ACK, CLIENT_ISN + 1, cookie + 1, 1, NULL, 0 };
	CU_ASSERT_EQUAL(from_client(&path, 7, &tcp).p.drop, SHUNT_DROP_RESET);
	path_close(&path);
}

/* A server that never answers: the flow is reset when its time is over. */
static void
test_silence(void)
{
	struct path path;
	struct tcp tcp;
	uint32_t cookie;

	open_path(&path, 4, SHUNT_NAT, SHUNT_COOKIES_ALWAYS, 0);
	cookie = get_cookie(&path, 7);
	bring_back(&path, 7, cookie);
	path.tick = (uint16_t)(path.tick + SYN_TICKS / 2);
	bring_back(&path, 7, cookie); /* which buys no time */
	path.tick = (uint16_t)(path.tick + SYN_TICKS - SYN_TICKS / 2);
	track_sweep(path.tracker, 4 * CAPACITY, path.tick);
	CU_ASSERT_TRUE(flow_flags(flow_of(&path, 7)) & FLOW_RESETTING);
	CU_ASSERT_EQUAL(stats(&path)->half_open, 0);
	tcp = (struct tcp){ PKT_ACK, CLIENT_ISN + 1, cookie + 1, 1, NULL, 0 };
	CU_ASSERT_EQUAL(from_client(&path, 7, &tcp).p.drop, SHUNT_DROP_RESET);
	path_close(&path);
}

/* Client or server begin anew with other numbers: the flow is one like any other then. */
static void
test_begun_anew(void)
{
	struct tcp tcp = { PKT_SYN, 12345, 0, 1, NULL, 0 };
	struct path path;
	struct result syn, r;
	uint32_t cookie;

	for (int waiting = 0; waiting < 2; waiting++) {
		open_path(&path, 4, SHUNT_NAT, SHUNT_COOKIES_ALWAYS, 0);
		cookie = get_cookie(&path, 7);
		syn = bring_back(&path, 7, cookie);
		if (!waiting)
			accept_client(&path, &syn, cookie);
		tcp = (struct tcp){ PKT_SYN, 12345, 0, 1, NULL, 0 };
		r = from_client(&path, 7, &tcp);
		CU_ASSERT_EQUAL(r.p.drop, 0);
		CU_ASSERT_EQUAL(seq_load(out(&r) + TCP_SEQ_NUMBER), 12345);
		tcp = (struct tcp){ PKT_SYN | PKT_ACK, 777, 12346, 1, NULL, 0 };
		r = from_server(&path, &syn, &tcp);
		CU_ASSERT_EQUAL(r.p.drop, 0);
		CU_ASSERT_EQUAL(seq_load(out(&r) + TCP_SEQ_NUMBER), 777);
		CU_ASSERT_EQUAL(stats(&path)->cookie_flows, 0);
		CU_ASSERT_FALSE(flow_flags(flow_of(&path, 7)) & FLOW_TRANSLATED);
		path_close(&path);
	}
}

/* In the server's name, by one who knows no number; or damaged on its way. */
static void
test_forged(void)
{
	struct tcp tcp = { PKT_SYN | PKT_ACK, 0x12345678, 0x9abcdef0, 1, NULL, 0 };
	struct path path;
	struct result syn, r;
	uint32_t cookie;

	open_path(&path, 4, SHUNT_NAT, SHUNT_COOKIES_ALWAYS, 0);
	cookie = get_cookie(&path, 7);
	syn = bring_back(&path, 7, cookie);
	accept_client(&path, &syn, cookie);
	CU_ASSERT_EQUAL(from_server(&path, &syn, &tcp).p.drop, SHUNT_DROP_COOKIE_WAIT);
	/* Nor one that answers a SYN which nobody has sent. */
	tcp.ack = CLIENT_ISN + 1;
	CU_ASSERT_EQUAL(from_server(&path, &syn, &tcp).p.drop, SHUNT_DROP_COOKIE_WAIT);
	CU_ASSERT_TRUE(flow_flags(flow_of(&path, 7)) & FLOW_TRANSLATED);
	tcp = (struct tcp){ PKT_ACK, CLIENT_ISN + 1, cookie + 101, 50, NULL, 0 };
	r = from_client(&path, 7, &tcp);
	CU_ASSERT_EQUAL(seq_load(out(&r) + TCP_ACK_NUMBER), SERVER_ISN + 101);
	path_close(&path);
}

/* A server without window scale: the client's windows are written out for it. */
static void
test_scales(void)
{
	const struct tcp answer = { PKT_SYN | PKT_ACK, SERVER_ISN, CLIENT_ISN + 1, 0x4000, NULL,
		0 };
	struct path path;
	struct tcp tcp;
	struct result syn, r;
	uint32_t cookie;

	open_path(&path, 4, SHUNT_NAT, SHUNT_COOKIES_ALWAYS, 0);
	cookie = get_cookie(&path, 7);
	syn = bring_back(&path, 7, cookie);
	from_server(&path, &syn, &answer);
	CU_ASSERT_EQUAL(path.tracker->accepted[0].window, 100 << 9);
	tcp = (struct tcp){ PKT_ACK, CLIENT_ISN + 1, cookie + 1, 3, NULL, 0 };
	r = from_client(&path, 7, &tcp);
	CU_ASSERT_EQUAL(frame_get16(out(&r) + TCP_WINDOW), 3 << 9);
	tcp = (struct tcp){ PKT_ACK, SERVER_ISN + 1, CLIENT_ISN + 1, 0x8000, NULL, 0 };
	r = from_server(&path, &syn, &tcp);
	CU_ASSERT_EQUAL(frame_get16(out(&r) + TCP_WINDOW), 0x8000 >> COOKIE_SCALE);
	path_close(&path);
}

static bool
is_answered(struct path *path, uint32_t client)
{
	const struct tcp syn = { PKT_SYN, CLIENT_ISN, 0, 64000, OPTIONS, sizeof(OPTIONS) };

	return from_client(path, client, &syn).p.drop == SHUNT_DROP_SYN_COOKIE;
}

static void
next_tick(struct path *path)
{
	path->tick++;
	path->tracker->now++;
}

/* As measured: from half of the bound on, until a quarter of it and few SYNs. */
static void
test_measured(void)
{
	struct path path;

	open_path(&path, 4, SHUNT_NAT, SHUNT_COOKIES_AUTO, 0);
	path.tracker->half_open_max = 400;
	for (uint32_t i = 0; i <= 200; i++)
		CU_ASSERT_FALSE(is_answered(&path, i));
	for (uint32_t i = 300; i < 900; i++)
		CU_ASSERT_TRUE(is_answered(&path, i));
	CU_ASSERT_EQUAL(stats(&path)->half_open, 201);
	/* They have gone, but SYNs still come. */
	for (unsigned int i = 0; i < SYN_TICKS; i++) {
		next_tick(&path);
		for (uint32_t k = 0; k < 50; k++)
			CU_ASSERT_TRUE(is_answered(&path, 1000 + k));
	}
	track_sweep(path.tracker, 4 * CAPACITY, path.tick);
	CU_ASSERT_EQUAL(stats(&path)->half_open, 0);
	CU_ASSERT_TRUE(is_answered(&path, 1));
	/* No more. */
	next_tick(&path);
	next_tick(&path);
	CU_ASSERT_FALSE(is_answered(&path, 2));
	path_close(&path);
}

static void
test_rate(void)
{
	struct path path;

	open_path(&path, 4, SHUNT_NAT, SHUNT_COOKIES_AUTO, 50); /* so 100 in a tick */
	for (uint32_t i = 0; i < 100; i++)
		CU_ASSERT_FALSE(is_answered(&path, i));
	CU_ASSERT_TRUE(is_answered(&path, 100));
	next_tick(&path);
	for (uint32_t i = 200; i < 249; i++)
		CU_ASSERT_TRUE(is_answered(&path, i));
	next_tick(&path); /* the one before had less than half */
	CU_ASSERT_FALSE(is_answered(&path, 300));
	/* Few, but they have filled what there is. */
	path.tracker->half_open_max = 50;
	CU_ASSERT_TRUE(is_answered(&path, 301));
	path_close(&path);
}

static void
test_when_none(void)
{
	static const struct {
		uint8_t forward, use;
	} cases[] = { { SHUNT_NAT, SHUNT_COOKIES_NEVER }, { SHUNT_DR, SHUNT_COOKIES_ALWAYS } };
	struct path path;

	for (size_t i = 0; i < 2; i++) {
		open_path(&path, 4, cases[i].forward, cases[i].use, 0);
		CU_ASSERT_FALSE(is_answered(&path, 1));
		CU_ASSERT_EQUAL(path.tracker->cookies, NULL);
		path_close(&path);
	}
	open_path(&path, 4, SHUNT_NAT, SHUNT_COOKIES_ALWAYS, 0);
	for (uint32_t id = 1; id <= SERVERS; id++)
		path.state[id] = SHUNT_SERVER_DOWN;
	path_publish(&path);
	CU_ASSERT_FALSE(is_answered(&path, 1)); /* whoever would be told that all is well */
	path_close(&path);
}

/* An old cookie, and one of nobody: a connection from its middle, as ever. */
static void
test_no_cookie(void)
{
	struct path path;
	struct tcp tcp;
	struct result r;
	uint32_t cookie;

	open_path(&path, 4, SHUNT_NAT, SHUNT_COOKIES_ALWAYS, 0);
	cookie = get_cookie(&path, 7);
	tcp = (struct tcp){ PKT_ACK, CLIENT_ISN + 1, cookie + 1 + 4096, 1, NULL, 0 };
	r = from_client(&path, 7, &tcp);
	CU_ASSERT_EQUAL(r.p.drop, 0);
	CU_ASSERT_EQUAL(out(&r)[TCP_FLAGS], PKT_ACK);
	CU_ASSERT_EQUAL(stats(&path)->cookie_flows, 0);
	cookie = get_cookie(&path, 8);
	path.tracker->now += 2 * COOKIE_MINUTE_TICKS;
	tcp = (struct tcp){ PKT_ACK, CLIENT_ISN + 1, cookie + 1, 1, NULL, 0 };
	r = from_client(&path, 8, &tcp);
	CU_ASSERT_EQUAL(out(&r)[TCP_FLAGS], PKT_ACK);
	CU_ASSERT_EQUAL(stats(&path)->cookie_flows, 0);
	path_close(&path);
}

/* No room for what must be known: nothing begins, and nothing is left behind. */
static void
test_no_room(void)
{
	struct path path;
	struct tcp tcp;
	uint32_t cookie, begun = 0;

	open_path(&path, 4, SHUNT_NAT, SHUNT_COOKIES_ALWAYS, 0);
	for (uint32_t client = 0; client < 700; client++) {
		cookie = get_cookie(&path, client);
		tcp = (struct tcp){ PKT_ACK, CLIENT_ISN + 1, cookie + 1, 1, NULL, 0 };
		begun += from_client(&path, client, &tcp).p.drop == 0;
	}
	CU_ASSERT_EQUAL(begun, CAPACITY / COOKIE_FLOWS_SHARE);
	CU_ASSERT_EQUAL(stats(&path)->cookie_flows, begun);
	CU_ASSERT_EQUAL(stats(&path)->half_open, begun);
	CU_ASSERT_EQUAL(sessions(&path), begun);
	path_close(&path);
}

static const struct unit_test tests[] = {
	{ "a whole life", test_whole_life },
	{ "waiting", test_waiting },
	{ "refusal", test_refusal },
	{ "silence", test_silence },
	{ "begun anew", test_begun_anew },
	{ "a forged SYN|ACK", test_forged },
	{ "scales", test_scales },
	{ "measured", test_measured },
	{ "rate", test_rate },
	{ "when there are none", test_when_none },
	{ "no cookie", test_no_cookie },
	{ "no room", test_no_room },
};

UNIT_MAIN("track_cookie", tests)
