/* SPDX-License-Identifier: BSD-3-Clause */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "shunt/limits.h"
#include "image.h"
#include "probe_via.h"
#include "publish.h"
#include "state.h"

#define FIRST_PORT 32768 /* the kernel's default range */
#define LAST_PORT  60999
/* Others may have ports of the range: so many are tried. */
#define TRIES 64

void
probe_via_ports_init(struct probe_via_ports *ports)
{
	FILE *file = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");
	unsigned int first, last;

	*ports = (struct probe_via_ports){ .first = FIRST_PORT, .last = LAST_PORT };
	if (!file)
		return;
	if (fscanf(file, "%u %u", &first, &last) == 2 && first > 0 && first <= last &&
		last <= UINT16_MAX) {
		ports->first = (uint16_t)first;
		ports->last = (uint16_t)last;
	}
	fclose(file);
}

/* Does the way to the server lead over a kernel interface? If none is known, the kernel will say.
 */
static bool
way_is_carried(
	const struct control *control, const struct image *image, const struct shunt_server *server)
{
	const struct shunt_nexthop *nexthop =
		image_get(image, SHUNT_KIND_NEXTHOP, server->nexthop, NULL);
	const struct shunt_port_info *ports;
	uint32_t count = publish_ports(control->publish, &ports);

	return !nexthop || (nexthop->port < count && ports[nexthop->port].interface[0] != '\0');
}

/* Does the dataplane know this server and its probes as they are here? */
static bool
is_known(const struct image *image, const struct shunt_server *running,
	const struct server_config *config)
{
	const struct shunt_service *service =
		image_get(image, SHUNT_KIND_SERVICE, running->probe_service, NULL);

	/* The socket of one without a port connects to the service's, as the dataplane expects. */
	return service && shunt_addr_equal(&running->address, &config->address) &&
		running->port_be == config->port_be &&
		(config->port_be || service->port_be == config->check.port_be);
}

int
probe_via_ready(const struct control *control, const struct server *server)
{
	const struct shunt_stats *stats = publish_stats(control->publish);
	const struct image *image = publish_image(control->publish);
	const struct shunt_server *running = NULL;

	if (!stats)
		return -ENOTCONN;
	if (image && server->id)
		running = image_get(image, SHUNT_KIND_SERVER, server->id, NULL);
	if (!running || !is_known(image, running, &server->config))
		return -EAGAIN;
	if (!__atomic_load_n(&stats->probe_via, __ATOMIC_ACQUIRE) ||
		!way_is_carried(control, image, running))
		return -EOPNOTSUPP;
	return 0;
}

static uint64_t *
word_of(struct probe_via_ports *ports, uint16_t port)
{
	return &ports->used[port / 64];
}

/* The next port of the range that no probe has. */
static uint16_t
next_port(struct probe_via_ports *ports)
{
	uint16_t port = ports->next;

	port = port < ports->first || port >= ports->last ? ports->first : (uint16_t)(port + 1);
	ports->next = port;
	return *word_of(ports, port) >> (port % 64) & 1 ? 0 : port;
}

static int
bind_port(int fd, int family, uint16_t port)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int status = family == AF_INET ? bind(fd, (const struct sockaddr *)&v4, sizeof(v4))
				       : bind(fd, (const struct sockaddr *)&v6, sizeof(v6));

	return status < 0 ? -errno : 0;
}

int
probe_via_open(struct probe_via_ports *ports, int fd, int family, uint32_t server_id)
{
	uint32_t mark = SHUNT_PROBE_MARK | server_id;
	int result = -EADDRINUSE, on = 1;

	/* With SO_REUSEADDR the ports of closed connections, in TIME_WAIT, can be bound. */
	if (setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0 ||
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		return -errno;
	for (int i = 0; i < TRIES && result == -EADDRINUSE; i++) {
		uint16_t port = next_port(ports);

		if (!port)
			continue;
		result = bind_port(fd, family, port);
		if (result == 0) {
			*word_of(ports, port) |= 1ull << (port % 64);
			return port;
		}
	}
	return result;
}

void
probe_via_close(struct probe_via_ports *ports, uint16_t port)
{
	if (port)
		*word_of(ports, port) &= ~(1ull << (port % 64));
}
