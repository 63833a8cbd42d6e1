/* SPDX-License-Identifier: BSD-3-Clause */
/* Flows that begin with a SYN cookie, through the whole packet path; and when there are cookies. */
#include "cookie_flows.h"
#include "fast_judge.h"
#include "path.h"
#include "seq.h"
#include "tcp_state.h"
#include "track_cookie.h"
#include "unit.h"

#define PORT	   4000
#define CLIENT_ISN 0xfffffff0u
#define SERVER_ISN 0x80000000u
#define MTU	   1500

static const uint8_t OPTIONS[12] = { 2, 4, 5, 180, 1, 1, 4, 2, 1, 3, 3, 9 };
static const uint8_t SERVER_OPTIONS[12] = { 2, 4, 5, 100, 1, 1, 4, 2, 1, 3, 3, 5 };

/* What a segment is made of. */
struct tcp {
	uint8_t flags;
	uint32_t seq;
	uint32_t ack;
	uint16_t window;
	const uint8_t *options;
	size_t option_bytes;
};

static void
open_path(struct path *path, uint8_t version, uint8_t forward, uint8_t use, uint32_t rate)
{
	struct shunt_service s;

	path_open(path, version, SHUNT_ROUNDROBIN, CAPACITY);
	s = *(const struct shunt_service *)(const void *)object_store_get(
		path->objects, SHUNT_KIND_SERVICE, SERVICE)
		     ->bytes;
	s.syn_cookies = use;
	s.syn_flood_rate = rate;
	helper_put(path->objects, SHUNT_KIND_SERVICE, SERVICE, &s, sizeof(s));
	path->forward = forward;
	path->sources = forward == SHUNT_FULLNAT ? 1 : 0;
	path_publish(path);
}

static struct shunt_worker_stats *
stats(const struct path *path)
{
	return shunt_stats_worker(path->stats, 0);
}

static uint8_t *
out(struct result *r)
{
	return r->frame + r->start + r->p.l4_offset;
}

static bool
is_sound(struct result *r)
{
	struct pkt p = r->p;

	p.data = r->frame + r->start;
	return cookie_checksum_is_good(&p);
}

static void
run(struct path *path, struct result *r, struct frame_spec *spec, const struct tcp *tcp,
	uint8_t port)
{
	size_t bytes;
	uint8_t *at;
	struct pkt p = { 0 };
	uint32_t sum;

	spec->flags = tcp->flags;
	spec->payload = tcp->options;
	spec->payload_bytes = tcp->option_bytes;
	bytes = frame_build(r->frame, spec);
	p.l4_offset = spec->version == 4 ? 34 : 54;
	at = r->frame + p.l4_offset;
	seq_store(at + TCP_SEQ_NUMBER, tcp->seq);
	seq_store(at + TCP_ACK_NUMBER, tcp->ack);
	at[TCP_DATA_OFFSET] = (uint8_t)((20 + tcp->option_bytes) / 4 << 4);
	frame_put16(at + TCP_WINDOW, tcp->window);
	frame_put16(at + 16, 0);
	sum = frame_sum((uint32_t)(SHUNT_TCP + bytes - p.l4_offset),
		r->frame + (spec->version == 4 ? 26 : 22), spec->version == 4 ? 8 : 32);
	sum = frame_sum(sum, at, bytes - p.l4_offset);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	frame_put16(at + 16, (uint16_t)~sum);
	path->tracker->accepted_count = 0;
	path_run(path, r, port, bytes);
}

static struct result
from_client(struct path *path, uint32_t client, const struct tcp *tcp)
{
	struct frame_spec spec = frame_default(path->version, SHUNT_TCP);
	struct shunt_addr vip = helper_addr(service_address(path));
	struct result r;

	client_address(path, client, spec.src);
	memcpy(spec.dst, vip.bytes + (path->version == 4 ? 12 : 0), path->version == 4 ? 4 : 16);
	spec.sport = PORT;
	run(path, &r, &spec, tcp, 0);
	return r;
}

/* syn: what the server has got, which says who it is talking to. */
static struct result
from_server(struct path *path, struct result *syn, const struct tcp *tcp)
{
	struct frame_spec spec = frame_default(path->version, SHUNT_TCP);
	unsigned int bytes = path->version == 4 ? 4 : 16;
	const uint8_t *source = syn->frame + syn->start + (path->version == 4 ? 26 : 22);
	struct result r;

	memcpy(spec.src, source + bytes, bytes);
	memcpy(spec.dst, source, bytes);
	spec.sport = (uint16_t)frame_get16(out(syn) + 2);
	spec.dport = (uint16_t)frame_get16(out(syn));
	run(path, &r, &spec, tcp, 1);
	return r;
}

/* A SYN, which must be answered; returns the cookie. */
static uint32_t
get_cookie(struct path *path, uint32_t client)
{
	const struct tcp syn = { PKT_SYN, CLIENT_ISN, 0, 64000, OPTIONS, sizeof(OPTIONS) };
	uint64_t flows = flow_count(path->tracker->flows);
	struct result r = from_client(path, client, &syn);

	CU_ASSERT_EQUAL_FATAL(r.p.drop, SHUNT_DROP_SYN_COOKIE);
	CU_ASSERT_EQUAL(flow_count(path->tracker->flows), flows);
	r.p.data = r.frame;
	track_cookie_answer(path->tracker, &r.p, MTU, &path->macs[0]);
	CU_ASSERT_EQUAL(r.p.drop, 0);
	CU_ASSERT_EQUAL(out(&r)[TCP_FLAGS], PKT_SYN | PKT_ACK);
	CU_ASSERT_EQUAL(frame_get16(out(&r) + 22), MTU - (path->version == 4 ? 40 : 60)); /* MSS */
	return seq_load(out(&r) + TCP_SEQ_NUMBER);
}

/* And the ACK that brings it back; returns the SYN that the server gets. */
static struct result
bring_back(struct path *path, uint32_t client, uint32_t cookie)
{
	const struct tcp ack = { PKT_ACK, CLIENT_ISN + 1, cookie + 1, 100, NULL, 0 };
	struct result r = from_client(path, client, &ack);

	CU_ASSERT_EQUAL_FATAL(r.p.drop, 0);
	CU_ASSERT_EQUAL(out(&r)[TCP_FLAGS], PKT_SYN);
	CU_ASSERT_EQUAL(seq_load(out(&r) + TCP_SEQ_NUMBER), CLIENT_ISN);
	CU_ASSERT_TRUE(is_sound(&r));
	CU_ASSERT_EQUAL(r.p.out_port, 1);
	return r;
}

/* The server's consent. */
static struct result
accept_client(struct path *path, struct result *syn, uint32_t cookie)
{
	const struct tcp answer = { PKT_SYN | PKT_ACK, SERVER_ISN, CLIENT_ISN + 1, 0x4000,
		SERVER_OPTIONS, sizeof(SERVER_OPTIONS) };
	struct result r = from_server(path, syn, &answer);

	CU_ASSERT_EQUAL_FATAL(r.p.drop, 0);
	CU_ASSERT_EQUAL(out(&r)[TCP_FLAGS], PKT_ACK);
	CU_ASSERT_EQUAL(seq_load(out(&r) + TCP_SEQ_NUMBER), cookie + 1);
	CU_ASSERT_EQUAL(seq_load(out(&r) + TCP_ACK_NUMBER), CLIENT_ISN + 1);
	CU_ASSERT_EQUAL(frame_get16(out(&r) + TCP_WINDOW), 0x4000 >> COOKIE_SCALE);
	CU_ASSERT_EQUAL(r.p.bytes, r.p.l4_offset + 20u);
	CU_ASSERT_TRUE(is_sound(&r));
	CU_ASSERT_EQUAL(path->tracker->accepted_count, 1);
	CU_ASSERT_EQUAL(path->tracker->accepted[0].seq, CLIENT_ISN + 1);
	CU_ASSERT_EQUAL(path->tracker->accepted[0].ack, SERVER_ISN + 1);
	CU_ASSERT_EQUAL(path->tracker->accepted[0].window, 100);
	return r;
}

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
	path.tick = (uint16_t)(path.tick + SYN_TICKS);
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
	{ "scales", test_scales },
	{ "measured", test_measured },
	{ "rate", test_rate },
	{ "when there are none", test_when_none },
	{ "no cookie", test_no_cookie },
	{ "no room", test_no_room },
};

UNIT_MAIN("track_cookie", tests)
