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

#define LOG_SUBSYSTEM "session"
#include "session.h"
#include "shunt/log.h"

#define PAGE		4096u
#define DOORBELL_BURST	64
#define DOORBELL	'D'
#define DOORBELL_FENCED 'F'

struct session {
	int fd;
	uint8_t *memory;
	uint64_t memory_bytes;
	struct rte_ring *to_dataplane; /* in memory: the peer may write anything there */
	struct rte_ring *to_control;
	uint8_t *area;
	uint32_t taken; /* ring indices as we count them */
	uint32_t sent;
};

static uint64_t
page_align(uint64_t bytes)
{
	return (bytes + PAGE - 1) & ~(uint64_t)(PAGE - 1);
}

int
session_listen(const char *run_dir)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	mode_t mask;
	int fd, n;

	n = snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", run_dir,
		SHUNT_DATAPLANE_SOCKET);
	if (n < 0 || (size_t)n >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	unlink(address.sun_path);
	mask = umask(0117); /* 0660 from the start */
	n = bind(fd, (const struct sockaddr *)&address, sizeof(address));
	umask(mask);
	if (n < 0 || listen(fd, 4) < 0) {
		n = -errno;
		close(fd);
		return n;
	}
	return fd;
}

static bool
peer_allowed(int fd)
{
	struct ucred peer;
	socklen_t bytes = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) < 0)
		return false;
	if (peer.uid == 0 || peer.uid == geteuid() || peer.gid == getegid())
		return true;
	log_warn("refused a control session from user %u, process %d", peer.uid, peer.pid);
	errno = EACCES;
	return false;
}

static int
map_memory(struct session *s, struct shunt_hello *hello, const struct session_facts *facts)
{
	uint64_t ring_bytes = page_align(
		(uint64_t)rte_ring_get_memsize_elem(sizeof(struct shunt_msg), SHUNT_RING_COUNT));
	int fd, result;

	hello->to_dataplane_offset = 0;
	hello->to_control_offset = ring_bytes;
	hello->area_offset = 2 * ring_bytes;
	hello->running_offset = hello->area_offset + SHUNT_AREA_BYTES;
	hello->running_bytes = facts->running ? object_store_dump_bytes(facts->running) : 0;
	hello->memory_bytes = page_align(hello->running_offset + hello->running_bytes);
	fd = memfd_create("shunt-session", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	/* Sealed in size: the peer cannot shrink it under us, which would be a SIGBUS here. */
	if (ftruncate(fd, (off_t)hello->memory_bytes) < 0 ||
		fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		goto fail;
	s->memory = mmap(NULL, hello->memory_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (s->memory == MAP_FAILED)
		goto fail;
	s->memory_bytes = hello->memory_bytes;
	s->to_dataplane = (void *)(s->memory + hello->to_dataplane_offset);
	s->to_control = (void *)(s->memory + hello->to_control_offset);
	s->area = s->memory + hello->area_offset;
	return fd;
fail:
	result = -errno;
	s->memory = NULL;
	close(fd);
	return result;
}

static int
send_hello(int socket_fd, const struct shunt_hello *hello, int memory_fd, int stats_fd)
{
	union {
		char bytes[CMSG_SPACE(2 * sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct shunt_hello copy = *hello;
	struct iovec iov = { .iov_base = &copy, .iov_len = sizeof(copy) };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	int fds[2] = { memory_fd, stats_fd };
	struct cmsghdr *header = CMSG_FIRSTHDR(&msg);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(header), fds, sizeof(fds));
	return sendmsg(socket_fd, &msg, MSG_NOSIGNAL) == (ssize_t)sizeof(copy) ? 0 : -errno;
}

static int
greet(struct session *s, const struct session_facts *facts)
{
	struct shunt_hello hello = {
		.magic = SHUNT_SESSION_MAGIC,
		.version = SHUNT_SESSION_VERSION,
		.generation = facts->generation,
		.stats_bytes = facts->stats_bytes,
		.pid = (uint32_t)getpid(),
		.port_count = facts->port_count,
	};
	int memory_fd, result;

	memcpy(hello.ports, facts->ports, facts->port_count * sizeof(hello.ports[0]));
	memory_fd = map_memory(s, &hello, facts);
	if (memory_fd < 0)
		return memory_fd;
	rte_ring_init(
		s->to_dataplane, "to_dataplane", SHUNT_RING_COUNT, RING_F_SP_ENQ | RING_F_SC_DEQ);
	rte_ring_init(s->to_control, "to_control", SHUNT_RING_COUNT, RING_F_SP_ENQ | RING_F_SC_DEQ);
	if (facts->running)
		object_store_dump(facts->running, s->memory + hello.running_offset);
	result = send_hello(s->fd, &hello, memory_fd, facts->stats_fd);
	close(memory_fd);
	return result;
}

struct session *
session_accept(int listen_fd, const struct session_facts *facts)
{
	struct session *s;
	int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), result;

	if (fd < 0)
		return NULL;
	s = peer_allowed(fd) ? calloc(1, sizeof(*s)) : NULL;
	if (!s) {
		close(fd);
		return NULL;
	}
	s->fd = fd;
	result = greet(s, facts);
	if (result < 0) {
		session_close(s, false);
		errno = -result;
		return NULL;
	}
	return s;
}

static void
ring_doorbell(const struct session *s, char byte)
{
	/* A full socket buffer means the peer has doorbells enough to answer. */
	if (send(s->fd, &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return;
}

void
session_close(struct session *s, bool fenced)
{
	if (!s)
		return;
	if (fenced)
		ring_doorbell(s, DOORBELL_FENCED);
	if (s->memory)
		munmap(s->memory, s->memory_bytes);
	close(s->fd);
	free(s);
}

int
session_fd(const struct session *s)
{
	return s->fd;
}

int
session_doorbell(struct session *s)
{
	char bytes[16];

	for (int i = 0; i < DOORBELL_BURST; i++) {
		ssize_t n = recv(s->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return 0;
		if (n <= 0)
			return -ECONNRESET;
	}
	return 0;
}

/* Where element `index` of a ring is, by our constants and not by what the ring's header says. */
static uint8_t *
ring_element(struct rte_ring *ring, uint32_t index)
{
	return (uint8_t *)(ring + 1) +
		(size_t)(index & (SHUNT_RING_COUNT - 1)) * sizeof(struct shunt_msg);
}

int
session_take(struct session *s, struct shunt_msg *msg)
{
	struct rte_ring *ring = s->to_dataplane;
	uint32_t tail = __atomic_load_n(&ring->prod.tail, __ATOMIC_ACQUIRE);

	if (tail == s->taken)
		return 0;
	if (tail - s->taken > SHUNT_RING_COUNT - 1)
		return -EPROTO;
	memcpy(msg, ring_element(ring, s->taken), sizeof(*msg));
	s->taken++;
	__atomic_store_n(&ring->cons.head, s->taken, __ATOMIC_RELAXED);
	__atomic_store_n(&ring->cons.tail, s->taken, __ATOMIC_RELEASE);
	return 1;
}

int
session_send(struct session *s, const struct shunt_msg *msg)
{
	struct rte_ring *ring = s->to_control;
	uint32_t used = s->sent - __atomic_load_n(&ring->cons.tail, __ATOMIC_ACQUIRE);

	if (used > SHUNT_RING_COUNT - 1)
		return -EPROTO;
	if (used == SHUNT_RING_COUNT - 1)
		return -ENOBUFS;
	memcpy(ring_element(ring, s->sent), msg, sizeof(*msg));
	s->sent++;
	__atomic_store_n(&ring->prod.head, s->sent, __ATOMIC_RELAXED);
	__atomic_store_n(&ring->prod.tail, s->sent, __ATOMIC_RELEASE);
	ring_doorbell(s, DOORBELL);
	return 0;
}

const void *
session_bytes(const struct session *s, uint64_t offset, uint64_t length)
{
	if (offset > SHUNT_AREA_BYTES || length > SHUNT_AREA_BYTES - offset || offset % 8 != 0)
		return NULL;
	return s->area + offset;
}

void *
session_room(const struct session *s, uint64_t offset, uint64_t length)
{
	return session_bytes(s, offset, length) ? s->area + offset : NULL;
}
