/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <rte_ring.h>
#include <rte_ring_elem.h>

#include "session_client.h"

#define DOORBELL	'D'
#define DOORBELL_FENCED 'F'
#define DOORBELL_BURST	256
#define MAX_FDS		8 /* taken from one message, to be closed if they are too many */

/* The end of the area belongs to the flow query, what is below to rows, the rest to objects. */
#define QUERY_OFFSET   (SHUNT_AREA_BYTES - 64)
#define SOURCES_OFFSET (QUERY_OFFSET - SHUNT_MAX_SOURCE_ROWS * sizeof(struct shunt_source_row))

#define RING_BYTES (sizeof(struct rte_ring) + SHUNT_RING_COUNT * sizeof(struct shunt_msg))

struct session_client {
	int fd;
	struct shunt_hello hello;
	uint8_t *memory; /* NULL: no hello yet */
	const struct shunt_stats *stats;
	struct rte_ring *to_dataplane;
	struct rte_ring *to_control;
	uint8_t *area;
	uint32_t area_used;  /* places are given out upwards from here */
	uint32_t area_limit; /* and end here */
	uint32_t area_last;  /* the place given out last */
};

int
session_client_connect(
	struct session_client **out, const char *run_dir, char problem[SESSION_PROBLEM_SIZE])
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct session_client *client = calloc(1, sizeof(*client));
	int n, rc = -ENOMEM;

	*out = NULL;
	n = snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", run_dir,
		SHUNT_DATAPLANE_SOCKET);
	if (!client)
		goto fail;
	client->fd = -1;
	rc = -ENAMETOOLONG;
	if (n < 0 || (size_t)n >= sizeof(address.sun_path))
		goto fail;
	client->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (client->fd < 0 ||
		connect(client->fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		rc = -errno;
		goto fail;
	}
	client->area_limit = SOURCES_OFFSET;
	*out = client;
	return 0;
fail:
	snprintf(problem, SESSION_PROBLEM_SIZE, "cannot connect to %s/%s: %s", run_dir,
		SHUNT_DATAPLANE_SOCKET, strerror(-rc));
	session_client_destroy(client);
	return rc;
}

void
session_client_destroy(struct session_client *client)
{
	if (!client)
		return;
	if (client->memory)
		munmap(client->memory, client->hello.memory_bytes);
	if (client->stats)
		munmap((void *)(uintptr_t)client->stats, client->hello.stats_bytes);
	if (client->fd >= 0)
		close(client->fd);
	free(client);
}

int
session_client_fd(const struct session_client *client)
{
	return client->fd;
}

struct region {
	uint64_t offset;
	uint64_t bytes;
	uint64_t align;
};

static bool
region_is_good(const struct region *region, uint64_t memory_bytes)
{
	return region->offset % region->align == 0 && region->offset <= memory_bytes &&
		region->bytes <= memory_bytes - region->offset;
}

static bool
regions_overlap(const struct region *a, const struct region *b)
{
	return a->bytes > 0 && b->bytes > 0 && a->offset < b->offset + b->bytes &&
		b->offset < a->offset + a->bytes;
}

/* NULL: it is good. */
static const char *
check_layout(const struct shunt_hello *hello)
{
	const struct region regions[] = {
		{ hello->to_dataplane_offset, RING_BYTES, RTE_CACHE_LINE_SIZE },
		{ hello->to_control_offset, RING_BYTES, RTE_CACHE_LINE_SIZE },
		{ hello->area_offset, SHUNT_AREA_BYTES, 8 },
		{ hello->running_offset, hello->running_bytes, 8 },
	};
	size_t count = sizeof(regions) / sizeof(regions[0]);

	for (size_t i = 0; i < count; i++) {
		if (!region_is_good(&regions[i], hello->memory_bytes))
			return "a part of the session's memory lies outside of it";
		for (size_t j = 0; j < i; j++) {
			if (regions_overlap(&regions[i], &regions[j]))
				return "parts of the session's memory overlap";
		}
	}
	return NULL;
}

static const char *
check_ports(const struct shunt_hello *hello)
{
	if (hello->port_count > SHUNT_MAX_PORTS)
		return "too many ports";
	for (uint32_t i = 0; i < hello->port_count; i++) {
		const struct shunt_port_info *port = &hello->ports[i];

		if (!memchr(port->name, '\0', sizeof(port->name)) ||
			!memchr(port->interface, '\0', sizeof(port->interface)))
			return "the name of a port does not end";
	}
	return NULL;
}

static const char *
check_ring(const struct rte_ring *ring)
{
	if (ring->size != SHUNT_RING_COUNT || ring->mask != SHUNT_RING_COUNT - 1 ||
		ring->capacity != SHUNT_RING_COUNT - 1 ||
		ring->prod.sync_type != RTE_RING_SYNC_ST ||
		ring->cons.sync_type != RTE_RING_SYNC_ST)
		return "a ring is not set up as this version has it";
	return NULL;
}

static const char *
check_stats(const struct shunt_stats *stats, uint64_t bytes)
{
	uint64_t workers = stats->worker_count;
	const struct region regions[] = {
		{ stats->workers_offset, workers * sizeof(struct shunt_worker_stats),
			SHUNT_CACHE_LINE },
		{ stats->services_offset,
			workers * SHUNT_MAX_SERVICES * sizeof(struct shunt_service_stats),
			SHUNT_CACHE_LINE },
		{ stats->servers_offset,
			workers * SHUNT_MAX_SERVERS * sizeof(struct shunt_server_stats),
			SHUNT_CACHE_LINE },
		{ stats->hits_offset, workers * SHUNT_MAX_RULES * sizeof(uint64_t),
			SHUNT_CACHE_LINE },
	};

	if (stats->magic != SHUNT_STATS_MAGIC || stats->version != SHUNT_SESSION_VERSION)
		return "the counters are not what this version reads";
	if (workers > SHUNT_MAX_WORKERS)
		return "the counters are of too many workers";
	/* Of the same version, but built with another list of counters or drop reasons. */
	if (bytes != shunt_stats_bytes((uint32_t)workers))
		return "the counters are of another size than this build's: run both processes "
		       "from the same release";
	for (size_t i = 0; i < sizeof(regions) / sizeof(regions[0]); i++) {
		if (!region_is_good(&regions[i], bytes))
			return "a part of the counters lies outside of their memory";
	}
	return NULL;
}

/*
 * Maps a memfd whose size the sender has told, NULL with *why set. One that could shrink is
 * refused: reading behind its end would kill this process.
 */
static void *
map_fd(int fd, uint64_t bytes, int protection, const char **why)
{
	struct stat info;
	void *memory;
	int seals = fcntl(fd, F_GET_SEALS);

	if (seals < 0 || !(seals & F_SEAL_SHRINK))
		*why = "its memory is not sealed against shrinking";
	else if (fstat(fd, &info) < 0 || bytes == 0 || bytes > (uint64_t)info.st_size)
		*why = "its memory is smaller than it says";
	else
		*why = NULL;
	if (*why)
		return NULL;
	memory = mmap(NULL, bytes, protection, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED) {
		*why = "its memory cannot be mapped";
		return NULL;
	}
	return memory;
}

/* Maps and checks what client->hello describes. NULL, or why not. */
static const char *
take_memory(struct session_client *client, const int fds[2])
{
	const struct shunt_hello *hello = &client->hello;
	const char *why = check_layout(hello);

	if (!why)
		why = check_ports(hello);
	if (!why && hello->stats_bytes < sizeof(struct shunt_stats))
		why = "the counters are cut short";
	if (why)
		return why;
	client->stats = map_fd(fds[1], hello->stats_bytes, PROT_READ, &why);
	if (!client->stats)
		return why;
	why = check_stats(client->stats, hello->stats_bytes);
	if (why)
		return why;
	client->memory = map_fd(fds[0], hello->memory_bytes, PROT_READ | PROT_WRITE, &why);
	if (!client->memory)
		return why;
	client->to_dataplane = (void *)(client->memory + hello->to_dataplane_offset);
	client->to_control = (void *)(client->memory + hello->to_control_offset);
	client->area = client->memory + hello->area_offset;
	why = check_ring(client->to_dataplane);
	return why ? why : check_ring(client->to_control);
}

/* Takes the descriptors of a message. Their number; only the first MAX_FDS are kept. */
static size_t
take_fds(struct msghdr *msg, int fds[MAX_FDS])
{
	size_t count = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n && count < MAX_FDS; i++)
			memcpy(&fds[count++], CMSG_DATA(c) + i * sizeof(int), sizeof(int));
	}
	return count;
}

/* What came in place of a hello? 0: it is one. */
static int
check_hello(const struct shunt_hello *hello, size_t bytes, char problem[SESSION_PROBLEM_SIZE])
{
	if (bytes < offsetof(struct shunt_hello, memory_bytes) ||
		hello->magic != SHUNT_SESSION_MAGIC) {
		snprintf(problem, SESSION_PROBLEM_SIZE, "what listens on %s is no shunt-dataplane",
			SHUNT_DATAPLANE_SOCKET);
		return -EPROTO;
	}
	if (hello->version != SHUNT_SESSION_VERSION) {
		snprintf(problem, SESSION_PROBLEM_SIZE,
			"shunt-dataplane speaks version %u of the session, this shunt-control "
			"version %u: run both from the same release",
			hello->version, SHUNT_SESSION_VERSION);
		return -EPROTONOSUPPORT;
	}
	return 0;
}

int
session_client_hello(struct session_client *client, char problem[SESSION_PROBLEM_SIZE])
{
	union {
		char bytes[CMSG_SPACE(MAX_FDS * sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { .iov_base = &client->hello, .iov_len = sizeof(client->hello) };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	ssize_t n = recvmsg(client->fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	const char *why = NULL;
	int fds[MAX_FDS], rc;
	size_t fd_count;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return -EAGAIN;
	if (n <= 0) {
		snprintf(problem, SESSION_PROBLEM_SIZE,
			"the dataplane closed the session without a word (may this user have "
			"one? its log says)");
		return -ECONNRESET;
	}
	fd_count = take_fds(&msg, fds);
	rc = check_hello(&client->hello, (size_t)n, problem);
	if (rc == 0 && (n != (ssize_t)sizeof(client->hello) || msg.msg_flags & MSG_TRUNC))
		why = "it has another length";
	else if (rc == 0 && (fd_count != 2 || msg.msg_flags & MSG_CTRUNC))
		why = "it comes without its two descriptors";
	else if (rc == 0)
		why = take_memory(client, fds);
	for (size_t i = 0; i < fd_count; i++)
		close(fds[i]); /* the mappings stay */
	if (why) {
		snprintf(problem, SESSION_PROBLEM_SIZE, "the dataplane's hello is wrong: %s", why);
		rc = -EPROTO;
	}
	return rc;
}

const struct shunt_hello *
session_client_info(const struct session_client *client)
{
	return &client->hello;
}

const struct shunt_stats *
session_client_stats(const struct session_client *client)
{
	return client->stats;
}

const void *
session_client_running(const struct session_client *client)
{
	return client->memory + client->hello.running_offset;
}

int
session_client_doorbells(struct session_client *client)
{
	bool reset = false;

	for (int i = 0; i < DOORBELL_BURST; i++) {
		char byte = 0;
		ssize_t n = recv(client->fd, &byte, sizeof(byte), MSG_DONTWAIT);

		/*
		 * A peer that closes with our doorbells unread makes an error that comes before
		 * what it has sent last: that it has fenced us, perhaps.
		 */
		if (n < 0 && errno == ECONNRESET && !reset) {
			reset = true;
			continue;
		}
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return reset ? -ECONNRESET : 0;
		if (n <= 0)
			return -ECONNRESET;
		if (byte == DOORBELL_FENCED)
			return -ESTALE;
	}
	return 0;
}

void
session_client_ring(const struct session_client *client)
{
	char byte = DOORBELL;

	/* A full socket has doorbells enough; a closed one will be noticed when it is read. */
	if (send(client->fd, &byte, sizeof(byte), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return;
}

int
session_client_send(struct session_client *client, const struct shunt_msg *msg)
{
	return rte_ring_sp_enqueue_bulk_elem(client->to_dataplane, msg, sizeof(*msg), 1, NULL)
		? 0
		: -ENOBUFS;
}

bool
session_client_receive(struct session_client *client, struct shunt_msg *msg)
{
	return rte_ring_sc_dequeue_elem(client->to_control, msg, sizeof(*msg)) == 0;
}

void
session_client_clear(struct session_client *client)
{
	client->area_used = 0;
	client->area_limit = SOURCES_OFFSET;
}

/*
 * Finds room for an object. An empty ring means that all messages were taken, but the bytes of the
 * last one may still be being copied: so when the places start from the bottom again they end
 * below that one's, until a later message has been taken as well.
 */
static int
find_place(struct session_client *client, uint32_t bytes)
{
	if (bytes <= client->area_limit - client->area_used)
		return 0;
	if (rte_ring_count(client->to_dataplane) > 0)
		return -ENOBUFS;
	client->area_limit = SOURCES_OFFSET;
	if (bytes <= client->area_limit - client->area_used)
		return 0;
	client->area_limit = client->area_last;
	client->area_used = 0;
	return bytes <= client->area_limit ? 0 : -ENOBUFS;
}

int
session_client_send_bytes(
	struct session_client *client, struct shunt_msg *msg, const void *bytes, size_t length)
{
	uint32_t padded = (uint32_t)((length + 7) & ~(size_t)7);

	if (rte_ring_free_count(client->to_dataplane) == 0 || find_place(client, padded) < 0)
		return -ENOBUFS;
	memcpy(client->area + client->area_used, bytes, length);
	msg->offset = client->area_used;
	msg->length = length;
	client->area_last = client->area_used;
	client->area_used += padded;
	return session_client_send(client, msg);
}

int
session_client_send_query(struct session_client *client, const struct shunt_flow_query *query)
{
	struct shunt_msg msg = {
		.op = SHUNT_OP_FLOW, .offset = QUERY_OFFSET, .length = sizeof(*query)
	};

	if (rte_ring_free_count(client->to_dataplane) == 0)
		return -ENOBUFS;
	memcpy(client->area + QUERY_OFFSET, query, sizeof(*query));
	return session_client_send(client, &msg);
}

int
session_client_ask_sources(struct session_client *client, uint32_t max)
{
	struct shunt_msg msg = {
		.op = SHUNT_OP_SOURCES,
		.offset = SOURCES_OFFSET,
		.length = max * sizeof(struct shunt_source_row),
	};

	return session_client_send(client, &msg);
}

const struct shunt_source_row *
session_client_sources(const struct session_client *client)
{
	return (const void *)(client->area + SOURCES_OFFSET);
}
