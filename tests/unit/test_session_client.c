/* SPDX-License-Identifier: BSD-3-Clause */
#include <CUnit/CUnit.h>

#include "fake_dataplane.h"
#include "session_client.h"
#include "unit.h"

#define LIMIT_MS 5000

typedef void spoiler(struct shunt_hello *hello, uint8_t *memory, struct shunt_stats *stats);

/* Each makes one thing of a hello wrong. */
#define SPOILER(name, what)                                                        \
	static void name(struct shunt_hello *h, uint8_t *m, struct shunt_stats *s) \
	{                                                                          \
		(void)h;                                                           \
		(void)m;                                                           \
		(void)s;                                                           \
		what;                                                              \
	}

SPOILER(bad_magic, h->magic ^= 1)
SPOILER(bad_version, h->version = 0)
SPOILER(memory_too_long, h->memory_bytes += 4096)
SPOILER(memory_endless, h->memory_bytes = UINT64_MAX)
SPOILER(memory_none, h->memory_bytes = 0)
SPOILER(ring_outside, h->to_dataplane_offset = h->memory_bytes)
SPOILER(ring_sticks_out, h->to_control_offset = h->memory_bytes - 4096)
SPOILER(ring_wraps, h->to_control_offset = UINT64_MAX - 63)
SPOILER(ring_unaligned, h->to_control_offset += 8)
SPOILER(rings_overlap, h->to_control_offset = h->to_dataplane_offset + 64)
SPOILER(area_outside, h->area_offset = h->memory_bytes - SHUNT_AREA_BYTES + 8)
SPOILER(area_wraps, h->area_offset = UINT64_MAX - SHUNT_AREA_BYTES + 1)
SPOILER(area_unaligned, h->area_offset += 4)
SPOILER(area_over_ring, h->area_offset = h->to_control_offset)
SPOILER(running_too_long, h->running_bytes = h->memory_bytes)
SPOILER(running_wraps, h->running_bytes = UINT64_MAX)
SPOILER(running_outside, h->running_offset = UINT64_MAX - 7)
SPOILER(running_over_area, h->running_offset = h->area_offset; h->running_bytes = 8)
SPOILER(stats_short, h->stats_bytes = sizeof(struct shunt_stats) - 1)
SPOILER(stats_too_long, h->stats_bytes += 1 << 20)
SPOILER(stats_endless, h->stats_bytes = UINT64_MAX)
SPOILER(stats_magic, s->magic = 0)
SPOILER(stats_version, s->version++)
SPOILER(stats_workers, s->worker_count = SHUNT_MAX_WORKERS + 1)
SPOILER(stats_more_workers, s->worker_count = 2)
SPOILER(stats_many_workers, s->worker_count = UINT32_MAX)
SPOILER(stats_offset, s->workers_offset = h->stats_bytes)
SPOILER(stats_offset_wraps, s->servers_offset = UINT64_MAX - 63)
/* As of a build that has a cache line of counters less. */
SPOILER(stats_other_build, h->stats_bytes -= 64; s->services_offset -= 64; s->servers_offset -= 64)
SPOILER(stats_unaligned, s->services_offset += 8)
SPOILER(ports_many, h->port_count = SHUNT_MAX_PORTS + 1)
SPOILER(port_name, memset(h->ports[0].name, 'x', SHUNT_NAME_SIZE))
SPOILER(port_interface, memset(h->ports[0].interface, 'x', 16))
SPOILER(ring_size, ((struct rte_ring *)(void *)m)->size = 1u << 20)
SPOILER(ring_mask, ((struct rte_ring *)(void *)m)->mask = UINT32_MAX)
SPOILER(ring_capacity, ((struct rte_ring *)(void *)m)->capacity = UINT32_MAX)
SPOILER(ring_kind, ((struct rte_ring *)(void *)m)->cons.sync_type = RTE_RING_SYNC_MT_HTS)

/* Connects and waits for the hello. */
static int
greeted(const struct fake *fake, struct session_client **client, char *problem)
{
	struct pollfd hello = { .events = POLLIN };
	int rc = session_client_connect(client, fake->dir, problem);

	CU_ASSERT_EQUAL_FATAL(rc, 0);
	hello.fd = session_client_fd(*client);
	CU_ASSERT_EQUAL(poll(&hello, 1, LIMIT_MS), 1);
	return session_client_hello(*client, problem);
}

/* In what state the fake is to be when it greets; what comes of it. */
static int
greeting_fails(struct fake *fake)
{
	char problem[SESSION_PROBLEM_SIZE] = "";
	struct session_client *client;
	int rc = greeted(fake, &client, problem);

	CU_ASSERT(rc == 0 || strlen(problem) > 0);
	session_client_destroy(client);
	return rc;
}

static void
hostile_hellos(void)
{
	static spoiler *const spoilers[] = { bad_magic, memory_too_long, memory_endless,
		memory_none, ring_outside, ring_sticks_out, ring_wraps, ring_unaligned,
		rings_overlap, area_outside, area_wraps, area_unaligned, area_over_ring,
		running_too_long, running_wraps, running_outside, running_over_area, stats_short,
		stats_too_long, stats_endless, stats_magic, stats_version, stats_workers,
		stats_more_workers, stats_many_workers, stats_offset, stats_offset_wraps,
		stats_unaligned, stats_other_build, ports_many, port_name, port_interface,
		ring_size, ring_mask, ring_capacity, ring_kind };
	struct fake fake;

	fake_create(&fake);
	fake_start(&fake);
	for (size_t i = 0; i < sizeof(spoilers) / sizeof(spoilers[0]); i++) {
		fake_lock(&fake);
		fake.spoil = spoilers[i];
		fake_unlock(&fake);
		if (greeting_fails(&fake) != -EPROTO) {
			printf("\n    spoiler %zu was not found out ", i);
			CU_FAIL("hostile hello");
		}
	}
	fake_lock(&fake);
	fake.spoil = bad_version;
	fake_unlock(&fake);
	CU_ASSERT_EQUAL(greeting_fails(&fake), -EPROTONOSUPPORT);
	fake_lock(&fake);
	fake.spoil = NULL;
	fake_unlock(&fake);
	CU_ASSERT_EQUAL(greeting_fails(&fake), 0);
	fake_destroy(&fake);
}

static void
hello_of_any_length(void)
{
	static const size_t lengths[] = { 1, 4, 7, 8, 16, 100, sizeof(struct shunt_hello) - 1 };
	struct fake fake;

	fake_create(&fake);
	fake_start(&fake);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		fake_lock(&fake);
		fake.hello_bytes = lengths[i];
		fake_unlock(&fake);
		CU_ASSERT_EQUAL(greeting_fails(&fake), -EPROTO);
	}
	fake_destroy(&fake);
}

static size_t
open_descriptors(void)
{
	size_t count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static void
descriptors(void)
{
	struct fake fake;
	size_t before;

	fake_create(&fake);
	fake_start(&fake);
	CU_ASSERT_EQUAL(greeting_fails(&fake), 0);
	fake_lock(&fake);
	fake_close(&fake);
	fake_unlock(&fake);
	before = open_descriptors();
	for (int count = 0; count <= 4; count++) {
		fake_lock(&fake);
		fake.descriptors = count;
		fake_unlock(&fake);
		CU_ASSERT_EQUAL(greeting_fails(&fake), count == 2 ? 0 : -EPROTO);
	}
	/* Memory that could shrink under its reader. */
	fake_lock(&fake);
	fake.descriptors = 2;
	fake.seals = F_SEAL_GROW;
	fake_unlock(&fake);
	CU_ASSERT_EQUAL(greeting_fails(&fake), -EPROTO);
	fake_lock(&fake);
	fake_close(&fake);
	CU_ASSERT_EQUAL(open_descriptors(), before);
	fake_unlock(&fake);
	fake_destroy(&fake);
}

static void
nobody_there(void)
{
	char problem[SESSION_PROBLEM_SIZE] = "", dir[200];
	struct session_client *client;
	struct fake fake;

	fake_create(&fake);
	CU_ASSERT_EQUAL(session_client_connect(&client, fake.dir, problem), -ENOENT);
	CU_ASSERT_PTR_NULL(client);
	CU_ASSERT_PTR_NOT_NULL(strstr(problem, fake.dir));
	memset(dir, 'x', sizeof(dir) - 1);
	dir[sizeof(dir) - 1] = '\0';
	CU_ASSERT_EQUAL(session_client_connect(&client, dir, problem), -ENAMETOOLONG);
	fake_destroy(&fake);
}

static void
doorbells(void)
{
	char problem[SESSION_PROBLEM_SIZE];
	struct session_client *client;
	struct pollfd gone = { 0 }; /* POLLHUP comes unasked */
	struct fake fake;

	fake_create(&fake);
	fake_start(&fake);
	CU_ASSERT_EQUAL_FATAL(greeted(&fake, &client, problem), 0);
	gone.fd = session_client_fd(client);
	CU_ASSERT_EQUAL(session_client_doorbells(client), 0);
	for (int i = 0; i < 5000; i++)
		session_client_ring(client); /* more than the socket holds */
	fake_lock(&fake);
	fake_doorbell(&fake, 'D');
	fake_doorbell(&fake, 'D');
	fake_doorbell(&fake, 'F');
	fake_close(&fake);
	fake_unlock(&fake);
	CU_ASSERT_EQUAL(poll(&gone, 1, LIMIT_MS), 1);
	CU_ASSERT_EQUAL(session_client_doorbells(client), -ESTALE);
	CU_ASSERT_EQUAL(session_client_doorbells(client), -ECONNRESET);
	session_client_ring(client); /* no SIGPIPE */
	session_client_destroy(client);
	fake_destroy(&fake);
}

static bool
send_filled(struct session_client *client, uint8_t *bytes, uint32_t id, size_t length)
{
	struct shunt_msg msg = { .op = SHUNT_OP_PUT, .kind = SHUNT_KIND_LOCAL, .id = id };

	memset(bytes, (int)id, length);
	for (int attempt = 0; attempt < LIMIT_MS * 5; attempt++) {
		if (session_client_send_bytes(client, &msg, bytes, length) == 0) {
			session_client_ring(client);
			return true;
		}
		usleep(200); /* the other process needs real time */
	}
	return false;
}

/* Several times the area's size goes through it, and nothing is overwritten before it is read. */
static void
area_goes_round(void)
{
	char problem[SESSION_PROBLEM_SIZE];
	size_t most = SHUNT_MAX_OBJECT_BYTES;
	uint8_t *bytes = malloc(most);
	struct session_client *client;
	struct shunt_msg msg = { .op = SHUNT_OP_PUT, .kind = SHUNT_KIND_LOCAL, .id = 1 };
	struct fake fake;
	uint32_t sent = 0;

	fake_create(&fake);
	fake_start(&fake);
	CU_ASSERT_EQUAL_FATAL(greeted(&fake, &client, problem), 0);
	fake_lock(&fake);
	fake.hold = true;
	fake_unlock(&fake);
	memset(bytes, 1, most);
	while (session_client_send_bytes(client, &msg, bytes, most) == 0)
		sent++;
	CU_ASSERT_EQUAL(sent, (SHUNT_AREA_BYTES - 64) / ((most + 7) & ~(size_t)7));
	fake_lock(&fake);
	fake.hold = false;
	fake_unlock(&fake);
	srand(5);
	for (uint32_t id = 2; id < 80; id++) {
		size_t length = id % 3 ? most : (size_t)rand() % most;

		if (!send_filled(client, bytes, id, length))
			CU_FAIL_FATAL("no room comes free");
		sent++;
	}
	for (int i = 0; i < LIMIT_MS; i++) {
		fake_lock(&fake);
		if (fake.puts == sent)
			i = LIMIT_MS;
		fake_unlock(&fake);
		usleep(1000);
	}
	CU_ASSERT_EQUAL(fake.puts, sent);
	CU_ASSERT_FALSE(fake.torn);
	session_client_clear(client);
	CU_ASSERT_EQUAL(session_client_send_bytes(client, &msg, bytes, most), 0);
	CU_ASSERT_EQUAL(msg.offset, 0);
	session_client_destroy(client);
	fake_destroy(&fake);
	free(bytes);
}

/*
 * All messages are taken, so the place is free; but the last object may still be being copied, and
 * must not be overwritten before a message behind it has been taken.
 */
static void
last_object_is_left_alone(void)
{
	char problem[SESSION_PROBLEM_SIZE];
	size_t most = SHUNT_MAX_OBJECT_BYTES;
	uint8_t *bytes = calloc(1, most);
	struct shunt_msg msg = { .op = SHUNT_OP_PUT, .kind = SHUNT_KIND_LOCAL, .id = 0 }, taken;
	struct session_client *client;
	struct rte_ring *ring;
	uint64_t last = 0;
	struct fake fake;

	fake_create(&fake);
	fake_start(&fake);
	CU_ASSERT_EQUAL_FATAL(greeted(&fake, &client, problem), 0);
	fake_kill(&fake); /* from here on this test takes the messages */
	ring = (void *)(uintptr_t)((const uint8_t *)session_client_running(client) -
		SHUNT_AREA_BYTES - FAKE_AREA_OFFSET);
	for (int i = 0; i < 1000; i++) {
		size_t length = (size_t)i * 7919 % most;

		if (session_client_send_bytes(client, &msg, bytes, length) < 0) {
			while (rte_ring_sc_dequeue_elem(ring, &taken, sizeof(taken)) == 0)
				last = taken.offset;
			/* The object at `last`, of taken.length, is still being read. */
			CU_ASSERT_EQUAL_FATAL(
				session_client_send_bytes(client, &msg, bytes, length), 0);
			if (msg.offset < last + taken.length && last < msg.offset + msg.length)
				CU_FAIL_FATAL("overwritten while it is read");
		}
	}
	session_client_destroy(client);
	fake_destroy(&fake);
	free(bytes);
}

static const struct unit_test tests[] = {
	{ "hostile hellos", hostile_hellos },
	{ "hello of any length", hello_of_any_length },
	{ "descriptors", descriptors },
	{ "nobody there", nobody_there },
	{ "doorbells", doorbells },
	{ "area goes round", area_goes_round },
	{ "last object is left alone", last_object_is_left_alone },
};

UNIT_MAIN("session_client", tests)
