/* SPDX-License-Identifier: BSD-3-Clause */
/* A TCP server on the loop, as servers are, that notes whether its clients behave. */
#ifndef TESTS_LISTENER_H
#define TESTS_LISTENER_H

#include <arpa/inet.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop.h"
#include "unit.h"

#define LISTENER_CLIENTS 64

static inline uint16_t
port_of(int fd)
{
	struct sockaddr_in6 address = { 0 };
	socklen_t length = sizeof(address);

	/* Both families have their port at the same place. */
	CU_ASSERT_EQUAL(getsockname(fd, (struct sockaddr *)&address, &length), 0);
	return address.sin6_port;
}

static inline int
bound_socket(int family)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback };
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int status;

	CU_ASSERT_TRUE_FATAL(fd >= 0);
	if (family == AF_INET)
		status = bind(fd, (const struct sockaddr *)&v4, sizeof(v4));
	else
		status = bind(fd, (const struct sockaddr *)&v6, sizeof(v6));
	CU_ASSERT_EQUAL_FATAL(status, 0);
	return fd;
}

/* A server as they are: accepts, perhaps speaks first, reads until the end. */
struct listener {
	struct loop *loop;
	struct loop_watch watch;
	const char *banner;
	size_t banner_bytes;
	unsigned int accepted;
	unsigned int ended;  /* the client said FIN */
	unsigned int broken; /* the client sent a reset, or data */
	struct client {
		struct loop_watch watch;
		struct listener *listener;
		size_t sent;
	} clients[LISTENER_CLIENTS];
};

static inline void
client_close(struct client *client)
{
	int fd = client->watch.fd;

	loop_unwatch(client->listener->loop, &client->watch);
	close(fd);
}

static inline void
on_client(struct loop_watch *watch, uint32_t events)
{
	struct client *client = loop_container(watch, struct client, watch);
	struct listener *listener = client->listener;
	socklen_t length = sizeof(int);
	char bytes[256];
	int error = 0;
	ssize_t n;

	(void)events;
	if (client->sent < listener->banner_bytes) {
		n = send(watch->fd, listener->banner + client->sent,
			listener->banner_bytes - client->sent, MSG_NOSIGNAL);
		client->sent += n > 0 ? (size_t)n : 0;
		if (n < 0 && errno != EAGAIN) {
			listener->broken++;
			client_close(client);
		}
		return;
	}
	loop_watch_events(listener->loop, watch, EPOLLIN);
	n = recv(watch->fd, bytes, sizeof(bytes), 0);
	if (n < 0 && errno == EAGAIN)
		return;
	/* After a FIN, recv() does not tell of a reset any more; the socket's error does. */
	getsockopt(watch->fd, SOL_SOCKET, SO_ERROR, &error, &length);
	if (n == 0 && error == 0)
		listener->ended++;
	else /* a probe says nothing */
		listener->broken++;
	client_close(client);
}

static inline void
on_accept(struct loop_watch *watch, uint32_t events)
{
	struct listener *listener = loop_container(watch, struct listener, watch);
	int fd = accept4(watch->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)events;
	if (fd < 0)
		return;
	listener->accepted++;
	for (int i = 0; i < LISTENER_CLIENTS; i++) {
		struct client *client = &listener->clients[i];

		if (client->watch.fd >= 0)
			continue;
		client->sent = 0;
		CU_ASSERT_EQUAL(
			loop_watch(listener->loop, &client->watch, fd, EPOLLIN | EPOLLOUT), 0);
		return;
	}
	CU_FAIL("too many clients");
	close(fd);
}

static inline struct listener *
listener_open(struct loop *loop, int family)
{
	struct listener *listener = calloc(1, sizeof(*listener));
	int fd = bound_socket(family);

	listener->loop = loop;
	for (int i = 0; i < LISTENER_CLIENTS; i++)
		listener->clients[i] =
			(struct client){ .watch = { .fd = -1, .on_event = on_client },
				.listener = listener };
	listener->watch.on_event = on_accept;
	CU_ASSERT_EQUAL_FATAL(listen(fd, 64), 0);
	CU_ASSERT_EQUAL(loop_watch(listener->loop, &listener->watch, fd, EPOLLIN), 0);
	return listener;
}

static inline void
listener_close(struct listener *listener)
{
	int fd = listener->watch.fd;

	for (int i = 0; i < LISTENER_CLIENTS; i++) {
		if (listener->clients[i].watch.fd >= 0)
			client_close(&listener->clients[i]);
	}
	loop_unwatch(listener->loop, &listener->watch);
	close(fd);
	free(listener);
}

static inline bool
all_clients_gone(void *context)
{
	struct listener *listener = context;

	return listener->accepted > 0 && listener->ended + listener->broken == listener->accepted;
}

#define FULL_FILLERS 8

/* A server that does not answer SYNs: its queue for one is full, and nobody takes it. */
struct full_listener {
	uint16_t port_be;
	int fd;
	int fillers[FULL_FILLERS];
};

static inline void
full_listener_open(struct full_listener *full)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	full->fd = bound_socket(AF_INET);
	full->port_be = address.sin_port = port_of(full->fd);
	CU_ASSERT_EQUAL(listen(full->fd, 0), 0);
	for (int i = 0; i < FULL_FILLERS; i++) {
		full->fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		connect(full->fillers[i], (const struct sockaddr *)&address, sizeof(address));
	}
}

static inline void
full_listener_close(struct full_listener *full)
{
	for (int i = 0; i < FULL_FILLERS; i++)
		close(full->fillers[i]);
	close(full->fd);
}

#endif
