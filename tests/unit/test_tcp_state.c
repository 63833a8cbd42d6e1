/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include "tcp_state.h"

struct step {
	enum pkt_direction direction;
	uint8_t flags;
	enum flow_state after;
};

#define TO_SERVER PKT_TO_SERVER
#define TO_CLIENT PKT_TO_CLIENT
#define SYN_ACK	  (PKT_SYN | PKT_ACK)
#define FIN_ACK	  (PKT_FIN | PKT_ACK)
#define RST_ACK	  (PKT_RST | PKT_ACK)
#define PSH_ACK	  (PKT_PSH | PKT_ACK)

static void
walk(enum flow_state state, const struct step *steps, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		state = tcp_state_next(state, steps[i].direction, steps[i].flags);
		CU_ASSERT_EQUAL(state, steps[i].after);
	}
}

#define WALK(state, ...)                                              \
	do {                                                          \
		static const struct step steps[] = { __VA_ARGS__ };   \
		walk(state, steps, sizeof(steps) / sizeof(steps[0])); \
	} while (0)

static void
test_whole_connection(void)
{
	WALK(FLOW_SYN, { TO_SERVER, PKT_SYN, FLOW_SYN }, { TO_CLIENT, SYN_ACK, FLOW_SYN_ACK },
		{ TO_SERVER, PKT_ACK, FLOW_ESTABLISHED }, { TO_SERVER, PSH_ACK, FLOW_ESTABLISHED },
		{ TO_CLIENT, PSH_ACK, FLOW_ESTABLISHED }, { TO_SERVER, FIN_ACK, FLOW_FIN_CLIENT },
		{ TO_CLIENT, PKT_ACK, FLOW_FIN_CLIENT }, { TO_CLIENT, FIN_ACK, FLOW_CLOSED },
		{ TO_SERVER, PKT_ACK, FLOW_CLOSED });
}

/* Half open means short-lived until the client answers, whatever is sent again. */
static void
test_half_open(void)
{
	WALK(FLOW_SYN, { TO_SERVER, PKT_SYN, FLOW_SYN }, { TO_SERVER, PKT_ACK, FLOW_SYN },
		{ TO_SERVER, PSH_ACK, FLOW_SYN });
	WALK(FLOW_SYN, { TO_CLIENT, SYN_ACK, FLOW_SYN_ACK }, { TO_CLIENT, SYN_ACK, FLOW_SYN_ACK },
		{ TO_SERVER, PKT_SYN, FLOW_SYN_ACK }, { TO_CLIENT, PKT_ACK, FLOW_SYN_ACK },
		{ TO_SERVER, PSH_ACK, FLOW_ESTABLISHED });
	/* Refused: the server resets. */
	WALK(FLOW_SYN, { TO_CLIENT, RST_ACK, FLOW_CLOSED });
	/* The client gives up: that could be anybody's, and the entry is short-lived anyway. */
	WALK(FLOW_SYN, { TO_SERVER, PKT_RST, FLOW_SYN }, { TO_CLIENT, SYN_ACK, FLOW_SYN_ACK },
		{ TO_SERVER, PKT_RST, FLOW_SYN_ACK }, { TO_CLIENT, RST_ACK, FLOW_SYN_ACK },
		{ TO_SERVER, PKT_ACK, FLOW_ESTABLISHED });
	/* Simultaneous open: the server's own SYN proves nothing yet. */
	WALK(FLOW_SYN, { TO_CLIENT, PKT_SYN, FLOW_SYN }, { TO_CLIENT, SYN_ACK, FLOW_SYN_ACK });
}

/* A connection older than its entry: the server's answer makes it established. */
static void
test_picked_up_midway(void)
{
	WALK(FLOW_SYN, { TO_SERVER, PSH_ACK, FLOW_SYN }, { TO_CLIENT, PKT_ACK, FLOW_ESTABLISHED });
	WALK(FLOW_SYN, { TO_SERVER, PKT_ACK, FLOW_SYN }, { TO_CLIENT, PKT_RST, FLOW_CLOSED });
	WALK(FLOW_SYN, { TO_SERVER, FIN_ACK, FLOW_FIN_CLIENT },
		{ TO_CLIENT, FIN_ACK, FLOW_CLOSED });
	WALK(FLOW_SYN, { TO_CLIENT, FIN_ACK, FLOW_FIN_SERVER },
		{ TO_SERVER, FIN_ACK, FLOW_CLOSED });
}

static void
test_closing(void)
{
	/* The server first; the client still has data to send. */
	WALK(FLOW_ESTABLISHED, { TO_CLIENT, FIN_ACK, FLOW_FIN_SERVER },
		{ TO_SERVER, PSH_ACK, FLOW_FIN_SERVER }, { TO_CLIENT, FIN_ACK, FLOW_FIN_SERVER },
		{ TO_SERVER, FIN_ACK, FLOW_CLOSED }, { TO_CLIENT, PKT_ACK, FLOW_CLOSED });
	/* Both at once: the FINs cross. */
	WALK(FLOW_ESTABLISHED, { TO_SERVER, FIN_ACK, FLOW_FIN_CLIENT },
		{ TO_SERVER, FIN_ACK, FLOW_FIN_CLIENT }, { TO_CLIENT, FIN_ACK, FLOW_CLOSED },
		{ TO_CLIENT, PKT_ACK, FLOW_CLOSED }, { TO_SERVER, PKT_ACK, FLOW_CLOSED });
	WALK(FLOW_FIN_CLIENT, { TO_CLIENT, PSH_ACK, FLOW_FIN_CLIENT },
		{ TO_SERVER, RST_ACK, FLOW_FIN_CLIENT });
}

/* A reset alone closes nothing but what a server refuses; data afterwards revives nothing. */
static void
test_reset(void)
{
	for (enum flow_state s = FLOW_SYN; s <= FLOW_CLOSED; s++) {
		for (unsigned int d = 0; d < 2; d++) {
			bool refused = s == FLOW_SYN && d == TO_CLIENT;
			enum flow_state after = refused ? FLOW_CLOSED : s;

			CU_ASSERT_EQUAL(tcp_state_next(s, d, PKT_RST), after);
			CU_ASSERT_EQUAL(tcp_state_next(s, d, RST_ACK), after);
			CU_ASSERT_EQUAL(tcp_state_next(s, d, 0xff), after);
			CU_ASSERT_EQUAL(tcp_state_next_one_way(s, PKT_RST), s);
		}
	}
	WALK(FLOW_CLOSED, { TO_CLIENT, PSH_ACK, FLOW_CLOSED }, { TO_SERVER, PSH_ACK, FLOW_CLOSED },
		{ TO_CLIENT, SYN_ACK, FLOW_CLOSED }, { TO_CLIENT, PKT_SYN, FLOW_CLOSED },
		{ TO_SERVER, FIN_ACK, FLOW_CLOSED });
}

/* The client's SYN begins anew where, and only where, tcp_state_reusable() says so. */
static void
test_new_syn(void)
{
	for (enum flow_state s = FLOW_SYN; s <= FLOW_CLOSED; s++) {
		CU_ASSERT_EQUAL(tcp_state_next(s, TO_SERVER, PKT_SYN),
			tcp_state_reusable(s) ? FLOW_SYN : s);
		CU_ASSERT_EQUAL(tcp_state_next(s, TO_CLIENT, PKT_SYN), s);
		CU_ASSERT_EQUAL(tcp_state_reusable(s),
			s == FLOW_FIN_CLIENT || s == FLOW_FIN_SERVER || s == FLOW_CLOSED);
	}
	CU_ASSERT_FALSE(tcp_state_reusable(FLOW_FREE));
	CU_ASSERT_FALSE(tcp_state_reusable(FLOW_UDP));
	WALK(FLOW_CLOSED, { TO_SERVER, PKT_SYN | 0xc0, FLOW_SYN },
		{ TO_CLIENT, SYN_ACK, FLOW_SYN_ACK }, { TO_SERVER, PKT_ACK, FLOW_ESTABLISHED });
}

static void
test_opens(void)
{
	for (unsigned int flags = 0; flags < 256; flags++) {
		bool opens = (flags & PKT_SYN) && !(flags & (PKT_ACK | PKT_RST | PKT_FIN));

		CU_ASSERT_EQUAL(tcp_state_opens((uint8_t)flags), opens);
	}
}

/*
 * Every value of a flow's four state bits, both directions, all flags: a state comes out; only the
 * client can make a flow with a SYN|ACK established, only the server one without.
 */
static void
test_total(void)
{
	for (unsigned int s = 0; s < 16; s++) {
		for (unsigned int d = 0; d < 2; d++) {
			for (unsigned int flags = 0; flags < 256; flags++) {
				enum flow_state next = tcp_state_next(s, d, (uint8_t)flags);

				CU_ASSERT_TRUE_FATAL(next < FLOW_STATE_COUNT);
				CU_ASSERT_EQUAL_FATAL(next == FLOW_FREE, s == FLOW_FREE);
				CU_ASSERT_EQUAL_FATAL(next == FLOW_UDP, s == FLOW_UDP);
				if (s >= FLOW_STATE_COUNT)
					CU_ASSERT_EQUAL_FATAL(next, FLOW_CLOSED);
				if (next != FLOW_ESTABLISHED || s == FLOW_ESTABLISHED)
					continue;
				CU_ASSERT_TRUE_FATAL(flags & PKT_ACK);
				CU_ASSERT_TRUE_FATAL((s == FLOW_SYN && d == TO_CLIENT) ||
					(s == FLOW_SYN_ACK && d == TO_SERVER));
			}
		}
	}
	CU_ASSERT_EQUAL(tcp_state_next(0xffff, TO_SERVER, PKT_ACK), FLOW_CLOSED);
}

/* What the client sends when the server's answers do not pass here. */
static void
one_way(enum flow_state state, const uint8_t *flags, const enum flow_state *after, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		state = tcp_state_next_one_way(state, flags[i]);
		CU_ASSERT_EQUAL(state, after[i]);
	}
}

static void
test_one_way(void)
{
	static const uint8_t flags[] = { PKT_SYN, PKT_ACK, PSH_ACK, PKT_SYN, FIN_ACK, PKT_ACK,
		FIN_ACK, PKT_RST, PKT_ACK, PKT_SYN, PKT_ACK, PKT_RST, PKT_ACK };
	static const enum flow_state after[] = { FLOW_SYN, FLOW_ESTABLISHED, FLOW_ESTABLISHED,
		FLOW_ESTABLISHED, FLOW_FIN_CLIENT, FLOW_FIN_CLIENT, FLOW_FIN_CLIENT,
		FLOW_FIN_CLIENT, FLOW_FIN_CLIENT, FLOW_SYN, FLOW_ESTABLISHED, FLOW_ESTABLISHED,
		FLOW_ESTABLISHED };
	static const uint8_t given_up[] = { PKT_RST, FIN_ACK, PSH_ACK };
	static const enum flow_state closed[] = { FLOW_SYN, FLOW_FIN_CLIENT, FLOW_FIN_CLIENT };

	one_way(FLOW_SYN, flags, after, sizeof(flags));
	one_way(FLOW_SYN, given_up, closed, sizeof(given_up));
	/* Begun by NAT, gone on without: the server's SYN|ACK or FIN has been seen. */
	CU_ASSERT_EQUAL(tcp_state_next_one_way(FLOW_SYN_ACK, PKT_ACK), FLOW_ESTABLISHED);
	CU_ASSERT_EQUAL(tcp_state_next_one_way(FLOW_FIN_SERVER, PSH_ACK), FLOW_FIN_SERVER);
	CU_ASSERT_EQUAL(tcp_state_next_one_way(FLOW_FIN_SERVER, FIN_ACK), FLOW_CLOSED);
	for (unsigned int s = 0; s < 16; s++) {
		for (unsigned int f = 0; f < 256; f++) {
			enum flow_state next = tcp_state_next_one_way(s, (uint8_t)f);

			CU_ASSERT_TRUE_FATAL(next < FLOW_STATE_COUNT);
			CU_ASSERT_EQUAL_FATAL(next == FLOW_FREE, s == FLOW_FREE);
			CU_ASSERT_EQUAL_FATAL(next == FLOW_UDP, s == FLOW_UDP);
			if (next == FLOW_ESTABLISHED && s != FLOW_ESTABLISHED)
				CU_ASSERT_TRUE_FATAL(f & PKT_ACK);
			if (tcp_state_opens((uint8_t)f) && tcp_state_reusable(s))
				CU_ASSERT_EQUAL_FATAL(next, FLOW_SYN);
		}
	}
}

static const struct unit_test tests[] = {
	{ "a whole connection", test_whole_connection },
	{ "half-open flows", test_half_open },
	{ "flows picked up midway", test_picked_up_midway },
	{ "closing from either side", test_closing },
	{ "resets", test_reset },
	{ "a new SYN on an old flow", test_new_syn },
	{ "what opens a connection", test_opens },
	{ "the client's side alone", test_one_way },
	{ "total over states, directions and flags", test_total },
};

UNIT_MAIN("tcp_state", tests)
