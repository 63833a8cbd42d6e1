/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The dataplane's side of a session against a peer that writes what it likes into the shared
 * memory: good messages come through in order, and no lie of the ring's header, of an index or of a
 * place in the area leads outside.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <rte_ring.h>
#include <rte_ring_elem.h>

#include "session.h"
#include "unit.h"

#define GENERATION 7

/* A dataplane's session and the peer at its other end, in one process. */
struct bed {
	char dir[64];
	int listen_fd;
	int stats_fd;
	struct session *session;
	int peer_fd;
	int memory_fd;
	struct shunt_hello hello;
	uint8_t *memory; /* as the peer has mapped it */
	struct rte_ring *to_dataplane;
	struct rte_ring *to_control;
};

static int
peer_connect(const char *dir)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", dir, SHUNT_DATAPLANE_SOCKET);
	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL_FATAL(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* Takes the hello and its two descriptors. */
static void
peer_greeted(struct bed *b)
{
	union {
		char bytes[CMSG_SPACE(2 * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { .iov_base = &b->hello, .iov_len = sizeof(b->hello) };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes) };
	int fds[2];

	CU_ASSERT_EQUAL_FATAL(recvmsg(b->peer_fd, &msg, 0), (ssize_t)sizeof(b->hello));
	CU_ASSERT_FATAL(CMSG_FIRSTHDR(&msg) != NULL);
	memcpy(fds, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fds));
	b->memory_fd = fds[0];
	close(fds[1]);
	b->memory = mmap(
		NULL, b->hello.memory_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, b->memory_fd, 0);
	CU_ASSERT_FATAL(b->memory != MAP_FAILED);
	b->to_dataplane = (void *)(b->memory + b->hello.to_dataplane_offset);
	b->to_control = (void *)(b->memory + b->hello.to_control_offset);
}

static void
bed_open(struct bed *b, const struct object_store *running)
{
	struct shunt_port_info port = { .name = "wan", .interface = "wan0" };
	struct session_facts facts = {
		.generation = GENERATION,
		.stats_bytes = 4096,
		.port_count = 1,
		.ports = &port,
		.running = running,
	};

	*b = (struct bed){ .dir = "/tmp/shunt-session-XXXXXX" };
	CU_ASSERT_FATAL(mkdtemp(b->dir) != NULL);
	b->listen_fd = session_listen(b->dir);
	CU_ASSERT_FATAL(b->listen_fd >= 0);
	facts.stats_fd = b->stats_fd = memfd_create("stats", MFD_CLOEXEC);
	b->peer_fd = peer_connect(b->dir);
	b->session = session_accept(b->listen_fd, &facts);
	CU_ASSERT_FATAL(b->session != NULL);
	peer_greeted(b);
}

static void
bed_close(struct bed *b)
{
	char path[128];

	session_close(b->session, false);
	munmap(b->memory, b->hello.memory_bytes);
	close(b->memory_fd);
	close(b->peer_fd);
	close(b->stats_fd);
	close(b->listen_fd);
	snprintf(path, sizeof(path), "%s/%s", b->dir, SHUNT_DATAPLANE_SOCKET);
	unlink(path);
	rmdir(b->dir);
}

static void
peer_send(struct bed *b, uint32_t id)
{
	struct shunt_msg msg = { .op = SHUNT_OP_PUT, .id = id };

	CU_ASSERT_EQUAL_FATAL(rte_ring_sp_enqueue_elem(b->to_dataplane, &msg, sizeof(msg)), 0);
}

static void
test_hello(void)
{
	struct object_store *running = object_store_create();
	struct shunt_local local = { .address = { .bytes = { [10] = 0xff, 0xff, 10, 0, 0, 1 } } };
	const struct shunt_object_header *header;
	const char *why;
	struct bed b;

	CU_ASSERT_EQUAL_FATAL(
		object_store_put(running, SHUNT_KIND_LOCAL, 3, &local, sizeof(local), &why), 0);
	bed_open(&b, running);
	CU_ASSERT_EQUAL(b.hello.magic, SHUNT_SESSION_MAGIC);
	CU_ASSERT_EQUAL(b.hello.version, SHUNT_SESSION_VERSION);
	CU_ASSERT_EQUAL(b.hello.generation, GENERATION);
	CU_ASSERT_EQUAL(b.hello.port_count, 1);
	CU_ASSERT_STRING_EQUAL(b.hello.ports[0].interface, "wan0");
	header = (const void *)(b.memory + b.hello.running_offset);
	CU_ASSERT_EQUAL(b.hello.running_bytes, sizeof(*header) + sizeof(local));
	CU_ASSERT_EQUAL(header->kind, SHUNT_KIND_LOCAL);
	CU_ASSERT_EQUAL(header->id, 3);
	CU_ASSERT_EQUAL(memcmp(header + 1, &local, sizeof(local)), 0);
	/* The peer cannot take the memory away under the dataplane. */
	CU_ASSERT_EQUAL(ftruncate(b.memory_fd, 0), -1);
	bed_close(&b);
	object_store_destroy(running);
}

/* Several times round the ring, full and empty. */
static void
test_order(void)
{
	struct shunt_msg msg;
	struct bed b;

	bed_open(&b, NULL);
	for (uint32_t round = 0; round < 5; round++) {
		CU_ASSERT_EQUAL(session_take(b.session, &msg), 0);
		for (uint32_t i = 0; i < SHUNT_RING_COUNT - 1; i++)
			peer_send(&b, i);
		CU_ASSERT_EQUAL(rte_ring_free_count(b.to_dataplane), 0);
		for (uint32_t i = 0; i < SHUNT_RING_COUNT - 1; i++) {
			CU_ASSERT_EQUAL_FATAL(session_take(b.session, &msg), 1);
			CU_ASSERT_EQUAL_FATAL(msg.id, i);
		}
	}
	bed_close(&b);
}

/* Whatever the header says of size, mask and the consumer's place: ours are used. */
static void
test_lying_header(void)
{
	struct shunt_msg msg;
	struct bed b;

	bed_open(&b, NULL);
	for (uint32_t i = 0; i < 100; i++)
		peer_send(&b, i);
	b.to_dataplane->size = b.to_dataplane->mask = b.to_dataplane->capacity = 0xffffffff;
	b.to_dataplane->flags = -1;
	b.to_dataplane->cons.head = b.to_dataplane->cons.tail = 0x7fffffff;
	for (uint32_t i = 0; i < 100; i++) {
		CU_ASSERT_EQUAL_FATAL(session_take(b.session, &msg), 1);
		CU_ASSERT_EQUAL_FATAL(msg.id, i);
	}
	CU_ASSERT_EQUAL(session_take(b.session, &msg), 0);
	bed_close(&b);
}

static void
test_lying_index(void)
{
	static const uint32_t tails[] = { SHUNT_RING_COUNT, 0x7fffffff, 0x80000000, 0xffffffff };
	struct shunt_msg msg = { .op = SHUNT_OP_DONE };
	struct bed b;

	bed_open(&b, NULL);
	for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
		b.to_dataplane->prod.tail = tails[i];
		CU_ASSERT_EQUAL(session_take(b.session, &msg), -EPROTO);
		b.to_control->cons.tail = tails[i];
		CU_ASSERT_EQUAL(session_send(b.session, &msg), i == 3 ? 0 : -EPROTO);
	}
	bed_close(&b);
}

/* A peer that reads no answers fills its ring, and then it is an error and not a wait. */
static void
test_answers(void)
{
	struct shunt_msg msg = { .op = SHUNT_OP_DONE };
	struct bed b;
	char bytes[8];

	bed_open(&b, NULL);
	for (uint32_t i = 0; i < SHUNT_RING_COUNT - 1; i++) {
		msg.id = i;
		CU_ASSERT_EQUAL_FATAL(session_send(b.session, &msg), 0);
	}
	CU_ASSERT_EQUAL(session_send(b.session, &msg), -ENOBUFS);
	for (uint32_t i = 0; i < SHUNT_RING_COUNT - 1; i++) {
		CU_ASSERT_EQUAL_FATAL(rte_ring_sc_dequeue_elem(b.to_control, &msg, sizeof(msg)), 0);
		CU_ASSERT_EQUAL_FATAL(msg.id, i);
	}
	CU_ASSERT_EQUAL(session_send(b.session, &msg), 0);
	CU_ASSERT_EQUAL(recv(b.peer_fd, bytes, sizeof(bytes), MSG_DONTWAIT), 1);
	bed_close(&b);
}

static void
test_places(void)
{
	static const struct {
		uint64_t offset;
		uint64_t length;
		bool inside;
	} places[] = {
		{ 0, 0, true }, { 0, SHUNT_AREA_BYTES, true }, { SHUNT_AREA_BYTES - 8, 8, true },
		{ SHUNT_AREA_BYTES, 0, true }, { 0, SHUNT_AREA_BYTES + 1, false },
		{ SHUNT_AREA_BYTES - 8, 9, false }, { SHUNT_AREA_BYTES + 8, 0, false },
		{ 8, UINT64_MAX, false }, { UINT64_MAX - 7, 8, false },
		{ UINT64_MAX & ~7ull, UINT64_MAX, false }, { 4, 8, false }, /* not aligned */
	};
	struct bed b;

	bed_open(&b, NULL);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		CU_ASSERT_EQUAL(
			session_bytes(b.session, places[i].offset, places[i].length) != NULL,
			places[i].inside);
	bed_close(&b);
}

static void
test_doorbell_and_end(void)
{
	struct bed b;
	char byte = 'D';

	bed_open(&b, NULL);
	for (int i = 0; i < 100; i++)
		CU_ASSERT_EQUAL(send(b.peer_fd, &byte, 1, MSG_DONTWAIT) == 1 || errno == EAGAIN, 1);
	CU_ASSERT_EQUAL(session_doorbell(b.session), 0);
	CU_ASSERT_EQUAL(session_doorbell(b.session), 0);
	shutdown(b.peer_fd, SHUT_RDWR);
	CU_ASSERT_EQUAL(session_doorbell(b.session), -ECONNRESET);
	bed_close(&b);
}

/* The one before is told, and what it still writes leads nowhere. */
static void
test_fenced(void)
{
	struct bed b;
	char byte = 0;

	bed_open(&b, NULL);
	session_close(b.session, true);
	b.session = NULL;
	CU_ASSERT_EQUAL(recv(b.peer_fd, &byte, 1, 0), 1);
	CU_ASSERT_EQUAL(byte, 'F');
	CU_ASSERT_EQUAL(recv(b.peer_fd, &byte, 1, 0), 0);
	peer_send(&b, 1);
	bed_close(&b);
}

static const struct unit_test tests[] = {
	{ "hello", test_hello },
	{ "order", test_order },
	{ "a header that lies", test_lying_header },
	{ "indices that lie", test_lying_index },
	{ "answers", test_answers },
	{ "places in the area", test_places },
	{ "doorbell and end", test_doorbell_and_end },
	{ "fenced", test_fenced },
};

UNIT_MAIN("session", tests)
