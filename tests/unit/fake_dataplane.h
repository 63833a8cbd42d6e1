/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A dataplane for tests of control, as far as a session goes: a thread that listens in a directory
 * of its own, keeps what is committed, counts, and misbehaves as told. The members under "settings"
 * and "seen" belong to both threads: between fake_lock() and fake_unlock() only.
 */
#ifndef TESTS_FAKE_DATAPLANE_H
#define TESTS_FAKE_DATAPLANE_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <rte_ring.h>
#include <rte_ring_elem.h>

#include "image.h"
#include "shunt/stats.h"

#define FAKE_RING_BYTES	 (sizeof(struct rte_ring) + SHUNT_RING_COUNT * sizeof(struct shunt_msg))
#define FAKE_AREA_OFFSET (2 * ((FAKE_RING_BYTES + 4095) & ~4095ull))
#define FAKE_RUNNING_MAX (16u << 20)

struct fake {
	char dir[32];
	char path[64];
	int listen_fd;
	int fd; /* of the session; -1: none */
	uint8_t *memory;
	uint64_t memory_bytes;
	struct image *next; /* of the transaction under way */
	int next_result;
	pthread_t thread;
	pthread_mutex_t lock;

	/* settings */
	bool stop;
	bool hold;   /* take nothing from the ring */
	bool silent; /* answer no COMMIT, but LATE with worker 3 */
	int refuse;  /* the result of all COMMITs */
	uint32_t refuse_kind;
	uint32_t refuse_id;
	int flow_answer;
	uint32_t refusal; /* of flows asked for */
	int descriptors;  /* that come with the hello */
	int seals;
	size_t hello_bytes;
	void (*spoil)(struct shunt_hello *hello, uint8_t *memory, struct shunt_stats *stats);

	/* seen */
	struct image *running;
	uint64_t generation;
	uint32_t sessions;
	uint32_t commits;
	uint32_t puts; /* in the last transaction */
	uint32_t deletes;
	uint32_t queries;
	struct shunt_flow_query query;
	bool torn; /* an object of kind LOCAL had bytes of more than one value */
};

static inline void
fake_lock(struct fake *f)
{
	pthread_mutex_lock(&f->lock);
}

static inline void
fake_unlock(struct fake *f)
{
	pthread_mutex_unlock(&f->lock);
}

static inline struct rte_ring *
fake_ring(const struct fake *f, int which)
{
	return (void *)(f->memory + which * (FAKE_AREA_OFFSET / 2));
}

static inline void
fake_close(struct fake *f)
{
	if (f->fd < 0)
		return;
	munmap(f->memory, f->memory_bytes);
	close(f->fd);
	f->fd = -1;
	image_destroy(f->next);
	f->next = NULL;
}

static inline void
fake_doorbell(const struct fake *f, char byte)
{
	CU_ASSERT_EQUAL(send(f->fd, &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT), 1);
}

static inline void
fake_answer(const struct fake *f, const struct shunt_msg *msg)
{
	rte_ring_sp_enqueue_bulk_elem(fake_ring(f, 1), msg, sizeof(*msg), 1, NULL);
	fake_doorbell(f, 'D');
}

struct fake_dump {
	uint8_t *to;
	uint64_t bytes;
};

static inline int
fake_dump_object(void *context, uint32_t kind, uint32_t id, const void *bytes, size_t length)
{
	struct shunt_object_header header = { kind, id, length };
	struct fake_dump *dump = context;

	memcpy(dump->to + dump->bytes, &header, sizeof(header));
	memcpy(dump->to + dump->bytes + sizeof(header), bytes, length);
	dump->bytes += sizeof(header) + ((length + 7) & ~7ull);
	return 0;
}

static inline int
fake_copy_object(void *context, uint32_t kind, uint32_t id, const void *bytes, size_t length)
{
	return image_put(context, kind, id, bytes, length);
}

static inline int
fake_memfd(uint64_t bytes)
{
	int fd = memfd_create("fake", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	CU_ASSERT_FATAL(fd >= 0 && ftruncate(fd, (off_t)bytes) == 0);
	return fd;
}

static inline void
fake_send_hello(struct fake *f, const struct shunt_hello *hello, int memory_fd, int stats_fd)
{
	union {
		char bytes[CMSG_SPACE(4 * sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct shunt_hello copy = *hello;
	struct iovec iov = { &copy, f->hello_bytes };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	int fds[4] = { memory_fd, stats_fd, memory_fd, stats_fd };
	size_t fd_bytes = (size_t)f->descriptors * sizeof(int);
	struct cmsghdr *header = &control.align;

	if (f->descriptors > 0) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(fd_bytes);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(fd_bytes);
		memcpy(CMSG_DATA(header), fds, fd_bytes);
	}
	CU_ASSERT(sendmsg(f->fd, &msg, MSG_NOSIGNAL) > 0);
}

static inline void
fake_greet(struct fake *f)
{
	struct shunt_hello hello = {
		.magic = SHUNT_SESSION_MAGIC,
		.version = SHUNT_SESSION_VERSION,
		.memory_bytes = FAKE_AREA_OFFSET + SHUNT_AREA_BYTES + FAKE_RUNNING_MAX,
		.to_control_offset = FAKE_AREA_OFFSET / 2,
		.area_offset = FAKE_AREA_OFFSET,
		.running_offset = FAKE_AREA_OFFSET + SHUNT_AREA_BYTES,
		.generation = f->generation,
		.stats_bytes = shunt_stats_bytes(1),
		.pid = 4242,
		.port_count = 1,
		.ports = { { .name = "lan", .interface = "lan0" } },
	};
	int memory_fd = fake_memfd(hello.memory_bytes), stats_fd = fake_memfd(hello.stats_bytes);
	struct fake_dump dump;
	struct shunt_stats *stats;

	f->memory_bytes = hello.memory_bytes;
	f->memory =
		mmap(NULL, hello.memory_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memory_fd, 0);
	stats = mmap(NULL, hello.stats_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, stats_fd, 0);
	CU_ASSERT_FATAL(f->memory != MAP_FAILED && stats != MAP_FAILED);
	*stats = (struct shunt_stats){ .magic = SHUNT_STATS_MAGIC,
		.version = SHUNT_SESSION_VERSION,
		.worker_count = 1,
		.workers_offset = sizeof(*stats) };
	stats->services_offset = stats->workers_offset + sizeof(struct shunt_worker_stats);
	stats->servers_offset =
		stats->services_offset + SHUNT_MAX_SERVICES * sizeof(struct shunt_service_stats);
	stats->hits_offset =
		stats->servers_offset + SHUNT_MAX_SERVERS * sizeof(struct shunt_server_stats);
	for (int i = 0; i < 2; i++)
		rte_ring_init(
			fake_ring(f, i), "fake", SHUNT_RING_COUNT, RING_F_SP_ENQ | RING_F_SC_DEQ);
	dump = (struct fake_dump){ .to = f->memory + hello.running_offset };
	image_diff(NULL, f->running, fake_dump_object, &dump);
	hello.running_bytes = dump.bytes;
	CU_ASSERT_FATAL(dump.bytes <= FAKE_RUNNING_MAX);
	if (f->spoil)
		f->spoil(&hello, f->memory, stats);
	fcntl(memory_fd, F_ADD_SEALS, f->seals);
	fcntl(stats_fd, F_ADD_SEALS, f->seals);
	fake_send_hello(f, &hello, memory_fd, stats_fd);
	munmap(stats, shunt_stats_bytes(1));
	close(memory_fd);
	close(stats_fd);
}

static inline void
fake_put(struct fake *f, const struct shunt_msg *msg)
{
	const uint8_t *bytes = f->memory + FAKE_AREA_OFFSET + msg->offset;
	bool inside = msg->offset % 8 == 0 && msg->offset <= SHUNT_AREA_BYTES &&
		msg->length <= SHUNT_AREA_BYTES - msg->offset;

	CU_ASSERT_TRUE_FATAL(inside);
	f->puts++;
	for (size_t i = 0; msg->kind == SHUNT_KIND_LOCAL && i < msg->length; i++)
		f->torn |= bytes[i] != (uint8_t)msg->id;
	if (f->next)
		CU_ASSERT_EQUAL(image_put(f->next, msg->kind, msg->id, bytes, msg->length), 0);
}

/* There is no way to take an object out of an image: all others are copied. */
struct fake_without {
	struct image *to;
	uint32_t kind;
	uint32_t id;
	bool found;
};

static inline int
fake_copy_others(void *context, uint32_t kind, uint32_t id, const void *bytes, size_t length)
{
	struct fake_without *without = context;

	if (kind != without->kind || id != without->id)
		return image_put(without->to, kind, id, bytes, length);
	without->found = true;
	return 0;
}

static inline void
fake_delete(struct fake *f, const struct shunt_msg *msg)
{
	struct fake_without without = { image_create(), msg->kind, msg->id, false };

	f->deletes++;
	image_diff(NULL, f->next, fake_copy_others, &without);
	CU_ASSERT_TRUE(without.found);
	image_destroy(f->next);
	f->next = without.to;
}

static inline void
fake_commit(struct fake *f, const struct shunt_msg *msg)
{
	struct shunt_msg done = { .op = SHUNT_OP_DONE, .generation = msg->generation };

	f->commits++;
	if (f->silent) {
		done.op = SHUNT_OP_LATE;
		done.id = 3;
	} else if (f->next_result || f->refuse) {
		done.result = f->next_result ? f->next_result : f->refuse;
		done.kind = f->refuse_kind;
		done.id = f->refuse_id;
	} else {
		CU_ASSERT(msg->generation > f->generation);
		image_destroy(f->running);
		f->running = f->next;
		f->next = NULL;
		f->generation = msg->generation;
	}
	fake_answer(f, &done);
}

/* As many rows as are asked for, or flow_answer if that is fewer, each with its number. */
static inline void
fake_sources(struct fake *f, const struct shunt_msg *msg)
{
	struct shunt_source_row *rows = (void *)(f->memory + FAKE_AREA_OFFSET + msg->offset);
	struct shunt_msg answer = { .op = SHUNT_OP_SOURCES_ANSWER, .result = f->flow_answer };
	size_t room = msg->length / sizeof(*rows);

	CU_ASSERT_FATAL(msg->offset % 8 == 0 && msg->length <= SHUNT_AREA_BYTES - msg->offset);
	for (size_t i = 0; f->flow_answer > 0 && i < room && i < (size_t)f->flow_answer; i++)
		rows[i] = (struct shunt_source_row){ .sessions = (uint32_t)i };
	fake_answer(f, &answer);
}

static inline void
fake_take(struct fake *f, const struct shunt_msg *msg)
{
	struct shunt_msg answer = { .op = SHUNT_OP_FLOW_ANSWER, .result = f->flow_answer };

	if (msg->op == SHUNT_OP_BEGIN) {
		image_destroy(f->next);
		f->next = image_create();
		image_diff(NULL, f->running, fake_copy_object, f->next);
		f->next_result = msg->generation == f->generation ? 0 : -ESTALE;
		f->puts = f->deletes = 0;
	} else if (msg->op == SHUNT_OP_PUT) {
		fake_put(f, msg);
	} else if (msg->op == SHUNT_OP_DELETE) {
		fake_delete(f, msg);
	} else if (msg->op == SHUNT_OP_COMMIT) {
		fake_commit(f, msg);
	} else if (msg->op == SHUNT_OP_SOURCES) {
		fake_sources(f, msg);
	} else {
		answer.kind = f->refusal;
		CU_ASSERT_EQUAL(msg->op, SHUNT_OP_FLOW);
		memcpy(&f->query, f->memory + FAKE_AREA_OFFSET + msg->offset, sizeof(f->query));
		f->queries++;
		fake_answer(f, &answer);
	}
}

static inline void
fake_turn(struct fake *f)
{
	int fd = accept4(f->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct shunt_msg msg;
	char byte;

	if (fd >= 0) {
		fake_close(f);
		f->fd = fd;
		f->sessions++;
		fake_greet(f);
	}
	while (f->fd >= 0 && recv(f->fd, &byte, 1, MSG_DONTWAIT) == 0)
		fake_close(f);
	while (f->fd >= 0 && !f->hold &&
		rte_ring_sc_dequeue_elem(fake_ring(f, 0), &msg, sizeof(msg)) == 0)
		fake_take(f, &msg);
}

static inline void *
fake_run(void *context)
{
	struct fake *f = context;
	bool stop = false;

	while (!stop) {
		struct pollfd fds[2] = { { .fd = f->listen_fd, .events = POLLIN },
			{ .fd = f->fd, .events = POLLIN } };

		poll(fds, 2, 1);
		fake_lock(f);
		fake_turn(f);
		stop = f->stop;
		fake_unlock(f);
	}
	return NULL;
}

/* Of the test that is running; it may be left behind if that gives up half way. */
static char fake_left_dir[32];
static char fake_left_path[64];

static inline void
fake_clean_up(void)
{
	unlink(fake_left_path);
	rmdir(fake_left_dir);
}

/* Makes the directory; nobody listens yet. */
static inline void
fake_create(struct fake *f)
{
	static bool registered;

	fake_clean_up();
	if (!registered)
		atexit(fake_clean_up);
	registered = true;
	*f = (struct fake){
		.dir = "/tmp/shunt-test-XXXXXX",
		.listen_fd = -1,
		.fd = -1,
		.descriptors = 2,
		.seals = F_SEAL_SHRINK | F_SEAL_GROW,
		.hello_bytes = sizeof(struct shunt_hello),
		.lock = PTHREAD_MUTEX_INITIALIZER,
	};
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/%s", f->dir, SHUNT_DATAPLANE_SOCKET);
	memcpy(fake_left_dir, f->dir, sizeof(f->dir));
	memcpy(fake_left_path, f->path, sizeof(f->path));
}

static inline void
fake_start(struct fake *f)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", f->path);
	f->listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	CU_ASSERT_FATAL(bind(f->listen_fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	CU_ASSERT_FATAL(listen(f->listen_fd, 4) == 0);
	f->stop = false;
	CU_ASSERT_EQUAL_FATAL(pthread_create(&f->thread, NULL, fake_run, f), 0);
}

/* The process dies: all is gone. */
static inline void
fake_kill(struct fake *f)
{
	if (f->listen_fd < 0)
		return;
	fake_lock(f);
	f->stop = true;
	fake_unlock(f);
	pthread_join(f->thread, NULL);
	fake_close(f);
	close(f->listen_fd);
	f->listen_fd = -1;
	unlink(f->path);
	image_destroy(f->running);
	f->running = NULL;
	f->generation = 0;
}

static inline void
fake_destroy(struct fake *f)
{
	fake_kill(f);
	rmdir(f->dir);
}

#endif
