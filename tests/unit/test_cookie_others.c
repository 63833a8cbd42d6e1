/* SPDX-License-Identifier: BSD-3-Clause */
/* Flows begun by cookies, and what else there is: ICMP errors, resets, shared servers, reloads. */
#include "cookie_path.h"
#include "unit.h"

static struct pkt
icmp_about(struct path *path, struct result *about, uint8_t *frame)
{
	const uint8_t *quoted = about->frame + about->start + 14;
	struct pkt p = { .data = frame };
	struct pkt *burst = &p;

	p.bytes = (uint32_t)frame_build_icmp(frame, 3, quoted + (path->version == 4 ? 16 : 24),
		quoted, about->p.l4_offset - 14u + 20);
	parse_burst(&burst, 1);
	CU_ASSERT_EQUAL_FATAL(p.kind, PKT_ICMP_ERROR);
	classify_icmp_error(path->generation->classifier, &p, PATH_OWNER_SEED);
	CU_ASSERT_EQUAL_FATAL(p.drop, 0);
	track_icmp_error(path->tracker, &p, path->tick);
	CU_ASSERT_EQUAL(p.drop, 0);
	return p;
}

/* Each end reads of the number that it has sent. */
static void
test_icmp(void)
{
	for (uint8_t version = 4; version <= 6; version += 2) {
		struct tcp tcp;
		struct path path;
		struct result syn, r;
		uint8_t frame[FRAME_MAX_BYTES];
		struct pkt p;
		uint32_t cookie;

		open_path(&path, version, SHUNT_NAT, SHUNT_COOKIES_ALWAYS, 0);
		cookie = get_cookie(&path, 7);
		syn = bring_back(&path, 7, cookie);
		accept_client(&path, &syn, cookie);
		tcp = (struct tcp){ PKT_ACK, SERVER_ISN + 77, CLIENT_ISN + 1, 9, NULL, 0 };
		r = from_server(&path, &syn, &tcp);
		CU_ASSERT_EQUAL(seq_load(out(&r) + TCP_SEQ_NUMBER), cookie + 77);
		p = icmp_about(&path, &r, frame);
		CU_ASSERT_EQUAL(p.direction, PKT_TO_SERVER);
		CU_ASSERT_EQUAL(
			seq_load(p.data + p.inner_l4_offset + TCP_SEQ_NUMBER), SERVER_ISN + 77);
		tcp = (struct tcp){ PKT_ACK, CLIENT_ISN + 55, cookie + 1, 9, NULL, 0 };
		r = from_client(&path, 7, &tcp);
		p = icmp_about(&path, &r, frame);
		CU_ASSERT_EQUAL(p.direction, PKT_TO_CLIENT);
		CU_ASSERT_EQUAL(
			seq_load(p.data + p.inner_l4_offset + TCP_SEQ_NUMBER), CLIENT_ISN + 55);
		path_close(&path);
	}
}

/* What goes no further for its TTL is quoted as it came. */
static void
test_delta_is_known(void)
{
	const struct tcp tcp = { PKT_ACK, SERVER_ISN + 1, CLIENT_ISN + 1, 9, NULL, 0 };
	struct path path;
	struct result syn, r;
	uint32_t cookie;

	open_path(&path, 4, SHUNT_NAT, SHUNT_COOKIES_ALWAYS, 0);
	cookie = get_cookie(&path, 7);
	syn = bring_back(&path, 7, cookie);
	accept_client(&path, &syn, cookie);
	r = from_server(&path, &syn, &tcp);
	CU_ASSERT_EQUAL(r.p.seq_delta, cookie - SERVER_ISN);
	r = reply(&path, SHUNT_TCP, r.p.server, 9, PORT, PKT_ACK); /* of no flow */
	CU_ASSERT_EQUAL(r.p.seq_delta, 0);
	path_close(&path);
}

/* A server that goes down: RSTs are of the numbers of whoever they are for. */
static void
test_marked_down(void)
{
	struct path path;
	struct tcp tcp;
	struct result syn, r;
	uint32_t cookie, server;

	open_path(&path, 4, SHUNT_NAT, SHUNT_COOKIES_ALWAYS, 0);
	cookie = get_cookie(&path, 7);
	syn = bring_back(&path, 7, cookie);
	server = syn.p.server;
	accept_client(&path, &syn, cookie);
	tcp = (struct tcp){ PKT_ACK, CLIENT_ISN + 1, cookie + 1, 9, NULL, 0 };
	from_client(&path, 7, &tcp);
	{
		struct shunt_server s =
			*(const struct shunt_server *)(const void *)object_store_get(
				path.objects, SHUNT_KIND_SERVER, server)
				 ->bytes;

		s.reset_mark++;
		helper_put(path.objects, SHUNT_KIND_SERVER, server, &s, sizeof(s));
		path_commit(&path);
		while (tracker_pass(path.tracker, 4096, path.tick))
			;
	}
	CU_ASSERT_TRUE(flow_flags(flow_of(&path, 7)) & FLOW_RESETTING);
	r = from_client(&path, 7, &tcp);
	CU_ASSERT_EQUAL(r.p.drop, SHUNT_DROP_RESET);
	r.p.data = r.frame;
	tcp_answer_reset(&r.p, &path.macs[0]);
	CU_ASSERT_EQUAL(seq_load(r.frame + r.p.l4_offset + TCP_SEQ_NUMBER), cookie + 1);
	tcp = (struct tcp){ PKT_ACK, SERVER_ISN + 1, CLIENT_ISN + 1, 9, NULL, 0 };
	r = from_server(&path, &syn, &tcp);
	CU_ASSERT_EQUAL(r.p.drop, SHUNT_DROP_RESET);
	r.p.data = r.frame;
	tcp_answer_reset(&r.p, &path.macs[1]);
	CU_ASSERT_EQUAL(seq_load(r.frame + r.p.l4_offset + TCP_SEQ_NUMBER), CLIENT_ISN + 1);
	path_close(&path);
}

/* Two services with cookies lead to one server, and a client uses one port for both. */
static void
test_shared_server(void)
{
	struct shunt_service other = helper_service("198.51.100.11", 80, SHUNT_TCP, BACKEND);
	struct result syn[2], r;
	struct path path;
	uint32_t cookie[2];
	uint64_t changed = 0;

	open_path(&path, 4, SHUNT_NAT, SHUNT_COOKIES_ALWAYS, 0);
	path.state[2] = path.state[3] = SHUNT_SERVER_DRAIN;
	other.syn_cookies = SHUNT_COOKIES_ALWAYS;
	helper_put(path.objects, SHUNT_KIND_SERVICE, 3, &other, sizeof(other));
	path_publish(&path);
	path.tracker->owner_seed = PATH_OWNER_SEED;
	for (unsigned int i = 0; i < 2; i++) {
		cookie_vip = i ? "198.51.100.11" : NULL;
		cookie[i] = get_cookie(&path, 7);
		syn[i] = bring_back(&path, 7, cookie[i]);
		changed += frame_get16(out(&syn[i])) != PORT;
		accept_client(&path, &syn[i], cookie[i]);
	}
	CU_ASSERT_EQUAL(changed, 1);
	CU_ASSERT_EQUAL(stats(&path)->cookie_flows, 2);
	for (unsigned int i = 0; i < 2; i++) {
		struct tcp tcp = { PKT_ACK, SERVER_ISN + 5, CLIENT_ISN + 1, 9, NULL, 0 };

		r = from_server(&path, &syn[i], &tcp);
		CU_ASSERT_EQUAL(r.p.drop, 0);
		CU_ASSERT_EQUAL(frame_get16(out(&r) + 2), PORT);
		CU_ASSERT_EQUAL(seq_load(out(&r) + TCP_SEQ_NUMBER), cookie[i] + 5);
		CU_ASSERT_TRUE(is_sound(&r));
		cookie_vip = i ? "198.51.100.11" : NULL;
		tcp = (struct tcp){ PKT_ACK, CLIENT_ISN + 1, cookie[i] + 5, 9, NULL, 0 };
		r = from_client(&path, 7, &tcp);
		CU_ASSERT_EQUAL(seq_load(out(&r) + TCP_ACK_NUMBER), SERVER_ISN + 5);
		CU_ASSERT_TRUE(is_sound(&r));
	}
	cookie_vip = NULL;
	path_close(&path);
}

/* A reload that takes the cookies away: who has begun by one goes on. */
static void
test_reload(void)
{
	struct shunt_service s;
	struct path path;
	struct tcp tcp;
	struct result syn, r;
	uint32_t cookie;

	open_path(&path, 4, SHUNT_NAT, SHUNT_COOKIES_ALWAYS, 0);
	cookie = get_cookie(&path, 7);
	syn = bring_back(&path, 7, cookie);
	s = *(const struct shunt_service *)(const void *)object_store_get(
		path.objects, SHUNT_KIND_SERVICE, SERVICE)
		     ->bytes;
	s.syn_cookies = SHUNT_COOKIES_NEVER;
	helper_put(path.objects, SHUNT_KIND_SERVICE, SERVICE, &s, sizeof(s));
	path_commit(&path);
	accept_client(&path, &syn, cookie);
	tcp = (struct tcp){ PKT_ACK, SERVER_ISN + 5, CLIENT_ISN + 1, 9, NULL, 0 };
	r = from_server(&path, &syn, &tcp);
	CU_ASSERT_EQUAL(seq_load(out(&r) + TCP_SEQ_NUMBER), cookie + 5);
	path_close(&path);
}

/* Bits of values: flags, state and the rest do not get into each other's way. */
static void
test_value(void)
{
	enum {
		of_syn = FLOW_ASKED | FLOW_SECOND_HALF
	};
	static const unsigned int foreign[] = { FLOW_RESETTING | of_syn,
		FLOW_RESETTING | FLOW_SERVER_CLOSED_FIRST | FLOW_CHALLENGED,
		FLOW_CHALLENGED | of_syn };

	for (unsigned int flags = 0; flags < 128; flags++) {
		for (unsigned int state = 0; state < FLOW_STATE_COUNT; state++) {
			uint64_t v = flow_value(0xabcd, FLOW_SYN, 0x1234, 0x5678) | FLOW_COUNTED;

			/* Which flags share a bit, and which of them a state has. */
			if (flags & foreign[state == FLOW_SYN ? 1 : state == FLOW_CLOSED ? 2 : 0])
				continue;

			v = flow_value_with_source(v, 0x9a, 0x1234);
			v = flow_value_update(v, (enum flow_state)state, flags, 0xfedc);
			CU_ASSERT_EQUAL(flow_flags(v), flags);
			CU_ASSERT(v & FLOW_COUNTED);
			CU_ASSERT_EQUAL(flow_state(v), state);
			CU_ASSERT_EQUAL(flow_server(v), 0xabcd);
			CU_ASSERT_EQUAL(flow_hop(v), 0x1234);
			CU_ASSERT_EQUAL(flow_source(v), 0x9a);
			CU_ASSERT_EQUAL(flow_last_seen(v), 0xfedc);
			if (flags & (FLOW_TRANSLATED | FLOW_RESETTING))
				CU_ASSERT_FALSE(fast_is_steady(v));
		}
	}
}

static const struct unit_test tests[] = {
	{ "ICMP errors", test_icmp },
	{ "the delta is known", test_delta_is_known },
	{ "marked down", test_marked_down },
	{ "a shared server", test_shared_server },
	{ "a reload", test_reload },
	{ "values", test_value },
};

UNIT_MAIN("cookie_others", tests)
