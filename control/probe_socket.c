/* SPDX-License-Identifier: BSD-3-Clause */
/* A probe's socket: from here to there, and how it is opened and closed. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "probe_datagram.h"
#include "probe_impl.h"
#include "state.h"

static socklen_t
socket_address(const struct shunt_addr *address, uint16_t port_be, struct sockaddr_storage *out)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = port_be };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = port_be };

	if (shunt_addr_is_v4(address)) {
		memcpy(&v4.sin_addr, &address->bytes[12], sizeof(v4.sin_addr));
		memcpy(out, &v4, sizeof(v4));
		return sizeof(v4);
	}
	memcpy(&v6.sin6_addr, address->bytes, sizeof(v6.sin6_addr));
	memcpy(out, &v6, sizeof(v6));
	return sizeof(v6);
}

/* 0 or -errno. */
static int
prepare_via(struct probe *probe, int fd, int family)
{
	int port;

	if (!probe_check(probe)->via_service)
		return 0;
	port = probe_via_open(&probe->prober->via_ports, fd, family, probe->server->id);
	probe->via_port = port > 0 ? (uint16_t)port : 0;
	return port < 0 ? port : 0;
}

/*
 * 0 or -errno. The port is left to connect(), which finds one that is free towards this server
 * alone (ip(7)); bind() would take one of 28000 for all.
 */
static int
prepare_source(const struct probe *probe, int fd)
{
	static const struct shunt_addr none;
	const struct shunt_addr *source = &probe_check(probe)->source;
	struct sockaddr_storage address;
	const int on = 1;
	socklen_t length;

	if (shunt_addr_equal(source, &none))
		return 0;
	length = socket_address(source, 0, &address);
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	return bind(fd, (const struct sockaddr *)&address, length) < 0 ? -errno : 0;
}

/* What has been begun of a socket goes. Returns `status`. */
static int
give_up(struct probe *probe, int fd, int status)
{
	close(fd);
	probe_via_close(&probe->prober->via_ports, probe->via_port);
	probe->via_port = 0;
	return status;
}

static int
open_socket(const struct check_talk *talk, int family)
{
	int fd;

	if (check_transport(talk) != CHECK_STREAM)
		return probe_datagram_open(check_transport(talk), family);
	fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	return fd < 0 ? -errno : fd;
}

int
probe_socket_open(struct probe *probe)
{
	const struct server_config *config = &probe->server->config;
	const struct check_config *check = probe_check(probe);
	int family = shunt_addr_is_v4(config_probe_address(config, check)) ? AF_INET : AF_INET6;
	int fd = open_socket(check->talk, family);
	int status;

	if (fd < 0)
		return fd;
	status = prepare_via(probe, fd, family);
	if (status == 0)
		status = prepare_source(probe, fd);
	if (status == 0)
		status = loop_watch(probe->prober->loop, &probe->watch, fd,
			check->talk ? EPOLLOUT : PROBE_EVENTS_ONCE);
	return status < 0 ? give_up(probe, fd, status) : 0;
}

int
probe_socket_connect(struct probe *probe)
{
	const struct server_config *config = &probe->server->config;
	const struct check_config *check = probe_check(probe);
	struct sockaddr_storage address;
	socklen_t length = socket_address(
		config_probe_address(config, check), config_probe_port(config, check), &address);

	return connect(probe->watch.fd, (const struct sockaddr *)&address, length) < 0 ? -errno : 0;
}

void
probe_socket_close(struct probe *probe)
{
	int fd = probe->watch.fd;

	loop_forget(probe->prober->loop, &probe->watch);
	give_up(probe, fd, 0);
}
