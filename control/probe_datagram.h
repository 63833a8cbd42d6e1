/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sockets of probes without a connection: UDP, and echo requests. They are connected all the same,
 * so that the kernel lets through what comes from the server alone, and says what ICMP errors there
 * were. Echo requests go by ping sockets (icmp(7)), or raw ones where those are not allowed; raw
 * ones hear replies to others, and errors about others' requests, too.
 */
#ifndef CONTROL_PROBE_DATAGRAM_H
#define CONTROL_PROBE_DATAGRAM_H

#include <sys/types.h>

#include "check.h"

/* Not yet connected. -errno; -EPERM: neither kind of socket for echo requests is allowed. */
int probe_datagram_open(enum check_transport transport, int family);

/* An identifier that the kernel has chosen is noted in the request. 0 or -errno: ours. */
int probe_datagram_send(int fd, enum check_transport transport, char *request, size_t length);

/*
 * One datagram, cut to `size`. -EAGAIN: there is none; -EMSGSIZE: the request was too long for the
 * way and is to be sent again, now that the kernel knows; -ENOBUFS, -ENOMEM, -ENETDOWN: ours; any
 * other: what the network said of the request. -ETIME is a hop limit that was exceeded, -EACCES
 * that it is prohibited.
 */
ssize_t probe_datagram_receive(
	int fd, enum check_transport transport, const char *request, char *bytes, size_t size);

#endif
