/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Probes through services. To the kernel such a probe is a connection to the server's own address,
 * with a mark by which the dataplane's tc programs know it: they carry it to the balanced address.
 * Without them it would reach the server as any connection and tell the wrong thing; so it is only
 * made when the dataplane says that they stand ready for this server.
 *
 * Seen from the balanced address, probes to different servers differ by their source ports alone,
 * and the kernel may well give two connections to different addresses the same one. So the ports
 * are chosen here: in turn, and none that is in use.
 */
#ifndef CONTROL_PROBE_VIA_H
#define CONTROL_PROBE_VIA_H

#include <stdbool.h>
#include <stdint.h>

struct control;
struct server;

struct probe_via_ports {
	uint16_t first;
	uint16_t last;
	uint16_t next;
	uint64_t used[65536 / 64];
};

/* The kernel's range of ephemeral ports. */
void probe_via_ports_init(struct probe_via_ports *ports);

/*
 * Can this server be probed through its service now? 0; -EAGAIN: soon; -ENOTCONN: no dataplane;
 * -EOPNOTSUPP: the dataplane cannot carry it.
 */
int probe_via_ready(const struct control *control, const struct server *server);

/*
 * Marks and binds a socket, before its connect(). The port's number, to be given back; or -errno,
 * -EPERM without CAP_NET_ADMIN.
 */
int probe_via_open(struct probe_via_ports *ports, int fd, int family, uint32_t server_id);
/* port: 0 for none. */
void probe_via_close(struct probe_via_ports *ports, uint16_t port);

#endif
