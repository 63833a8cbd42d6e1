/* SPDX-License-Identifier: BSD-3-Clause */
/* The fast path for IPv6 against the stages: see fast_trial.h. */
#include "fast_trial.h"
#include "unit.h"

#define BASE SCENE_SERVICES /* add a service's id in the tables */

/* Flows that are kept, of one service and in one direction; and what is sent in the place of one.
 */
struct case6 {
	struct trial trial;
	struct kept kept;
	uint8_t service;
	bool to_server;
};

static void
open_case(struct case6 *c, uint8_t service, bool to_server)
{
	trial_open(&c->trial, 9, 1, SCENE_WITH_NONE, SCENE_BOTH);
	c->service = service;
	c->to_server = to_server;
	CU_ASSERT_TRUE_FATAL(keep_flows(&c->trial, &c->kept, BASE + service, to_server));
}

/* Of all: TCP and UDP by NAT in both directions, and DR, which servers answer directly. */
static void
each_case(void (*check)(struct case6 *c))
{
	static struct case6 c;

	for (uint8_t service = 1; service <= 4; service++) {
		for (unsigned int to_server = service > 2; to_server < 2; to_server++) {
			open_case(&c, service, to_server);
			check(&c);
			trial_close(&c.trial);
		}
	}
}

/* In the place of one of the kept flows' packets, the others of which are sent all the same. */
static bool
walk_other(struct case6 *c, const struct scene_frame *other)
{
	return walk_kept(&c->trial, &c->kept, other, 0);
}

/* How many packets of the last burst the fast path has sent. */
static uint64_t
sent_by_fast6(struct case6 *c, const struct scene_frame *other)
{
	uint64_t before = c->trial.worlds[1]->by_fast6;

	/* At the end, so that it keeps nobody back. */
	CU_ASSERT_TRUE(walk_kept_at(&c->trial, &c->kept, KEPT - 1, other, 0));
	return c->trial.worlds[1]->by_fast6 - before;
}

/* Each byte of a good frame's headers, with each value that it can have. */
static void
check_each_byte(struct case6 *c)
{
	bool good = true;

	CU_ASSERT_EQUAL(sent_by_fast6(c, &c->kept.frames[0]), KEPT);
	for (unsigned int at = 0; at < FAST6_MIN_BYTES; at++) {
		for (unsigned int value = 0; value < 256 && good; value++) {
			struct scene_frame other = c->kept.frames[0];

			other.bytes[at] = (uint8_t)value;
			good = walk_other(c, &other);
		}
	}
	CU_ASSERT_TRUE(good);
}

/* Each length that a frame can be cut to, be it said in its headers or not; and those around it. */
static void
check_each_length(struct case6 *c)
{
	struct scene_frame other = c->kept.frames[0];
	bool good = true;

	for (; good && other.length; other.length--)
		good = walk_other(c, &other);
	CU_ASSERT_TRUE(good);
	for (unsigned int payload = 0; payload < 80 && good; payload++) {
		for (unsigned int udp = 0; udp < 80 && good; udp += payload < 40 ? 1 : 7) {
			other = c->kept.frames[0];
			other.length = FAST6_L4 + 40;
			frame_put16(other.bytes + FAST_L3 + 4, payload);
			if (other.bytes[20] == SHUNT_TCP)
				other.bytes[FAST6_L4 + 12] = (uint8_t)(udp << 4);
			else
				frame_put16(other.bytes + FAST6_L4 + UDP_LENGTH, udp);
			good = walk_other(c, &other);
		}
	}
	CU_ASSERT_TRUE(good);
}

/* Whatever the checksum is before, and is to become: 0 is not sent by UDP, and stays if received.
 */
static void
check_each_checksum(struct case6 *c)
{
	struct kept *k = &c->kept;
	struct trial *t = &c->trial;
	uint64_t before = t->worlds[1]->by_fast6;
	bool good = true;

	for (unsigned int checksum = 0; checksum < 65536 && good; checksum += PKT_BURST) {
		for (unsigned int i = 0; i < PKT_BURST; i++) {
			struct scene_frame *f = &k->frames[i % KEPT];

			frame_put16(f->bytes + FAST6_L4 + field_l4_checksum(f->bytes[20]),
				checksum + i);
			for (unsigned int w = 0; w < WORLDS; w++)
				bed_put(t->worlds[w], f->bytes, f->length);
		}
		for (unsigned int w = 0; w < WORLDS; w++)
			bed_walk(t->worlds[w], 0);
		for (unsigned int w = 1; w < WORLDS; w++)
			good &= compare_burst(t->worlds[0], t->worlds[w]);
		for (unsigned int w = 0; w < WORLDS; w++)
			bed_clear(t->worlds[w]);
	}
	CU_ASSERT_TRUE(good);
	CU_ASSERT_EQUAL(t->worlds[1]->by_fast6 - before, 65536);
}

/* Addresses that no packet may come from or go to; the balancer's; those of others. */
static void
check_addresses(struct case6 *c)
{
	static const char *const addresses[] = { "::", "::1", "::2", "ff02::1",
		"ff00::", "::ffff:192.0.2.1", "::fffe:192.0.2.1", "::ffff:0:0", "fe80::1" };

	const unsigned int both = 2 * FAST_L3 + IP6_SOURCE + IP6_DESTINATION;

	for (unsigned int at = FAST_L3 + IP6_SOURCE; at < FAST6_L4; at += 16) {
		struct scene_frame other = c->kept.frames[0];
		struct shunt_addr local = scene_address("192.0.2.77", true);

		for (unsigned int i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
			struct shunt_addr a = helper_addr(addresses[i]);

			memcpy(other.bytes + at, a.bytes, 16);
			CU_ASSERT_EQUAL(sent_by_fast6(c, &other), KEPT - 1);
		}
		memcpy(other.bytes + at, local.bytes, 16);
		CU_ASSERT_EQUAL(sent_by_fast6(c, &other), KEPT - 1);
		other = c->kept.frames[0];
		/* From and to the same one. */
		memcpy(other.bytes + at, other.bytes + both - at, 16);
		CU_ASSERT_EQUAL(sent_by_fast6(c, &other), KEPT - 1);
	}
}

/* Of each kind, one and two, where there is room for them in the packet or not. */
static void
check_extension_headers(struct case6 *c)
{
	static const uint8_t kinds[] = { 0, 43, 44, 50, 51, 59, 60, 135 };
	const unsigned int count = sizeof(kinds);

	for (unsigned int i = 0; i < count * (count + 1) * 4; i++) {
		const struct scene_frame *kept = &c->kept.frames[0];
		unsigned int first = i % count, second = i / count % (count + 1), fourth = i % 4;
		unsigned int added = second < count ? 16 : 8;
		struct scene_frame other = *kept;
		uint8_t *ip = other.bytes + FAST_L3, *at = ip + IP6_BYTES;

		memset(at, 0, added);
		memcpy(at + added, kept->bytes + FAST6_L4, kept->length - FAST6_L4);
		at[0] = second < count ? kinds[second] : ip[6];
		if (second < count)
			at[8] = ip[6];
		ip[6] = kinds[first];
		/* Segments left, or more fragments; or a later one of them. */
		at[3] = fourth == 1;
		at[2] = fourth == 2;
		frame_put16(ip + 4, frame_get16(ip + 4) + (fourth == 3 ? 0 : added));
		other.length += added;
		CU_ASSERT_EQUAL(sent_by_fast6(c, &other), KEPT - 1);
	}
}

static void
check_tags(struct case6 *c)
{
	static const uint16_t types[] = { 0x8100, 0x88a8, 0x9100, 0x0800, 0x86dd };

	for (unsigned int i = 0; i < 5 * 3 * 3; i++) {
		struct scene_frame other = c->kept.frames[0];

		for (unsigned int tags = 0; tags <= i / 15; tags++) {
			memmove(other.bytes + 16, other.bytes + 12, other.length - 12);
			frame_put16(other.bytes + 12, types[i % 5]);
			frame_put16(other.bytes + 14, i / 5 % 3 * 100);
			other.length += 4;
		}
		CU_ASSERT_EQUAL(sent_by_fast6(c, &other), KEPT - 1);
	}
}

/* Flags that are possible, and others, whose packets leave a flow as it is or do not. */
static void
check_flags(struct case6 *c)
{
	if (c->kept.frames[0].bytes[20] != SHUNT_TCP)
		return;
	for (unsigned int flags = 0; flags < 256; flags++) {
		struct scene_frame other = c->kept.frames[0];
		bool plain = (flags & FAST_TCP_DECIDING) == PKT_ACK;

		other.bytes[FAST6_L4 + 13] = (uint8_t)flags;
		CU_ASSERT_EQUAL(sent_by_fast6(c, &other), KEPT - 1 + plain);
	}
}

/* The hop limit, used up or nearly. */
static void
check_hop_limit(struct case6 *c)
{
	for (unsigned int limit = 0; limit < 256; limit++) {
		struct scene_frame other = c->kept.frames[0];

		other.bytes[FAST_L3 + IP6_HOP_LIMIT] = (uint8_t)limit;
		CU_ASSERT_EQUAL(sent_by_fast6(c, &other), KEPT - 1 + (limit > 1));
	}
}

/* What is as long as a port's MTU, and longer. */
static void
check_sizes(struct case6 *c)
{
	uint16_t least = c->trial.worlds[0]->least_mtu;

	for (unsigned int bytes = least - 1; bytes <= 1501; bytes += bytes < 1403 ? 1 : 32) {
		struct scene_frame other = c->kept.frames[0];
		bool fits = c->service <= 2 || bytes <= least;

		other.length = FAST_L3 + bytes;
		memset(other.bytes + FAST6_MIN_BYTES, 0x5a, other.length - FAST6_MIN_BYTES);
		frame_put16(other.bytes + FAST_L3 + 4, bytes - IP6_BYTES);
		CU_ASSERT_EQUAL(sent_by_fast6(c, &other), KEPT - 1 + fits);
	}
}

/* The kept flows all in this state, with these flags, and of this age. */
static void
set_kept(struct case6 *c, enum flow_state state, unsigned int flags, uint16_t age)
{
	for (unsigned int w = 0; w < WORLDS; w++) {
		uint16_t seen = c->trial.worlds[w]->tick - age;

		for (unsigned int i = 0; i < KEPT; i++)
			flow_set(kept_flow(&c->trial, w, c->kept.connection[i]),
				flow_value_update(c->kept.value[w][i], state, flags, seen));
	}
}

/* One burst to flows of which the entries are such. */
static bool
walk_state(struct case6 *c, enum flow_state state, unsigned int flags, uint16_t age)
{
	const struct flow_timeouts *timeouts = c->trial.scene->generation->timeouts;
	uint16_t limit = timeouts[BASE + c->service].ticks[state];
	bool steady = (FAST_STEADY >> state & 1) && !(flags & FLOW_RESETTING) && age <= limit;
	bool good = true;

	set_kept(c, state, flags, age);
	for (unsigned int w = 0; w < WORLDS; w++) {
		for (unsigned int i = 0; i < KEPT; i++)
			bed_put(c->trial.worlds[w], c->kept.frames[i].bytes,
				c->kept.frames[i].length);
		bed_walk(c->trial.worlds[w], 0);
		good &= w == 0 || compare_burst(c->trial.worlds[0], c->trial.worlds[w]);
	}
	for (unsigned int i = 0; i < KEPT; i++)
		good &= c->trial.worlds[1]->in[i].by_fast6 == steady;
	good &= trial_flows_are_same(&c->trial);
	for (unsigned int w = 0; w < WORLDS; w++)
		bed_clear(c->trial.worlds[w]);
	return good;
}

/* In all states, being reset or not, of ages up to and beyond what they may have. */
static void
check_states(struct case6 *c)
{
	const struct flow_timeouts *timeouts = c->trial.scene->generation->timeouts;
	static const unsigned int all_flags[] = { 0, FLOW_SERVER_CLOSED_FIRST, FLOW_CHALLENGED,
		FLOW_RESETTING };
	bool udp = c->kept.frames[0].bytes[20] == SHUNT_UDP;

	for (enum flow_state state = FLOW_SYN; state < FLOW_STATE_COUNT; state++) {
		uint16_t limit = timeouts[BASE + c->service].ticks[state];
		uint16_t stale = limit >> FLOW_STALE_SHIFT;
		const uint16_t ages[] = { 0, 1, stale, stale + 1, limit, limit + 1, 0xffff };
		const uint32_t count = sizeof(ages) / sizeof(ages[0]);

		if ((state == FLOW_UDP) != udp)
			continue;
		for (unsigned int i = 0; i < 4 * count; i++) {
			unsigned int flags = all_flags[i / count];

			/* Only one that is closed is being reset. */
			if (!(flags & FLOW_RESETTING) || state == FLOW_CLOSED)
				CU_ASSERT_TRUE(walk_state(c, state, flags, ages[i % count]));
		}
	}
	CU_ASSERT_TRUE(c->trial.lagging > 0);
}

static void
test_damage(void)
{
	each_case(check_each_byte);
	each_case(check_each_length);
}

static void
test_checksums(void)
{
	each_case(check_each_checksum);
}

static void
test_strange_packets(void)
{
	each_case(check_addresses);
	each_case(check_extension_headers);
	each_case(check_tags);
}

static void
test_what_is_left(void)
{
	each_case(check_flags);
	each_case(check_hop_limit);
	each_case(check_sizes);
}

static void
test_states(void)
{
	each_case(check_states);
}

static void
test_as_the_stages(void)
{
	check_trial(11, 1, SCENE_WITH_NONE, SCENE_IP6);
	check_trial(12, 1, SCENE_WITH_FULLNAT, SCENE_IP6);
	check_trial(13, 1, SCENE_WITH_RANGE, SCENE_BOTH);
	check_trial(16, 1, SCENE_WITH_SHARED, SCENE_IP6);
	check_trial(17, 1, SCENE_WITH_RULES, SCENE_BOTH);
}

static void
test_as_the_stages_with_owners(void)
{
	check_trial(14, 2, SCENE_WITH_PORTLESS, SCENE_BOTH);
	check_trial(15, 3, SCENE_WITH_FULLNAT, SCENE_IP6);
}

static const struct unit_test tests[] = {
	{ "damage", test_damage },
	{ "checksums", test_checksums },
	{ "strange packets", test_strange_packets },
	{ "what is left", test_what_is_left },
	{ "states and ages of flows", test_states },
	{ "as the stages", test_as_the_stages },
	{ "as the stages, with several owners", test_as_the_stages_with_owners },
};

UNIT_MAIN("fast6", tests)
