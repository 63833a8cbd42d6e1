/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <linux/errqueue.h>
#include <linux/icmp.h>

#include "probe_datagram.h"

#define ECHO_ID_AT    4 /* identifier and sequence number, in both families */
#define ECHO_ID_BYTES 4
#define ECHO_HEADER   8

static int
open_raw(int family)
{
	bool four = family == AF_INET;
	int fd = socket(family, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC,
		four ? IPPROTO_ICMP : IPPROTO_ICMPV6);
	const struct icmp_filter only4 = { .data = ~(1u << ICMP_ECHOREPLY) };
	struct icmp6_filter only6;
	int status;

	if (fd < 0)
		return -errno;
	ICMP6_FILTER_SETBLOCKALL(&only6);
	ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &only6);
	status = four ? setsockopt(fd, SOL_RAW, ICMP_FILTER, &only4, sizeof(only4))
		      : setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &only6, sizeof(only6));
	if (status == 0)
		return fd;
	status = -errno;
	close(fd);
	return status;
}

static int
open_socket(enum check_transport transport, int family)
{
	int icmp = family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
		transport == CHECK_ECHO ? icmp : IPPROTO_UDP);

	if (fd >= 0)
		return fd;
	/* net.ipv4.ping_group_range is what forbids ping sockets; it is for both families. */
	return transport == CHECK_ECHO && errno == EACCES ? open_raw(family) : -errno;
}

int
probe_datagram_open(enum check_transport transport, int family)
{
	bool four = family == AF_INET;
	int fd = open_socket(transport, family);
	const int on = 1;
	int status;

	if (fd < 0)
		return fd;
	/* Also of errors that may pass by themselves, such as a host that does not answer ARP. */
	status = setsockopt(fd, four ? IPPROTO_IP : IPPROTO_IPV6, four ? IP_RECVERR : IPV6_RECVERR,
		&on, sizeof(on));
	if (status == 0)
		return fd;
	status = -errno;
	close(fd);
	return status;
}

static bool
is_raw(int fd)
{
	socklen_t length = sizeof(int);
	int type = 0;

	getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length);
	return type == SOCK_RAW;
}

/* A ping socket's identifier is its port, and replaces the one that stands in the request. */
static void
note_identifier(int fd, char *request)
{
	struct sockaddr_in6 own = { 0 };
	socklen_t length = sizeof(own);

	/* Both families have their port at the same place. */
	if (!is_raw(fd) && getsockname(fd, (struct sockaddr *)&own, &length) == 0)
		memcpy(request + ECHO_ID_AT, &own.sin6_port, sizeof(own.sin6_port));
}

int
probe_datagram_send(int fd, enum check_transport transport, char *request, size_t length)
{
	if (transport == CHECK_ECHO)
		note_identifier(fd, request);
	return send(fd, request, length, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

static const struct sock_extended_err *
find_error(struct msghdr *message)
{
	struct cmsghdr *control;

	for (control = CMSG_FIRSTHDR(message); control; control = CMSG_NXTHDR(message, control)) {
		if ((control->cmsg_level == IPPROTO_IP && control->cmsg_type == IP_RECVERR) ||
			(control->cmsg_level == IPPROTO_IPV6 && control->cmsg_type == IPV6_RECVERR))
			return (const struct sock_extended_err *)CMSG_DATA(control);
	}
	return NULL;
}

/* In IPv4 what is prohibited is as unreachable as what is gone; here it is EACCES, as in IPv6. */
static bool
is_prohibited(const struct sock_extended_err *error)
{
	return error->ee_origin == SO_EE_ORIGIN_ICMP && error->ee_type == ICMP_DEST_UNREACH &&
		(error->ee_code == ICMP_NET_ANO || error->ee_code == ICMP_HOST_ANO ||
			error->ee_code == ICMP_PKT_FILTERED);
}

static int
error_of(const struct sock_extended_err *error)
{
	if (is_prohibited(error))
		return EACCES;
	if ((error->ee_origin == SO_EE_ORIGIN_ICMP && error->ee_type == ICMP_TIME_EXCEEDED) ||
		(error->ee_origin == SO_EE_ORIGIN_ICMP6 && error->ee_type == ICMP6_TIME_EXCEEDED))
		return ETIME;
	return (int)error->ee_errno;
}

/* Of the errors that wait, the first that is about our request: its number, or 0. */
static int
queued_error(int fd, enum check_transport transport, const char *request)
{
	char sent[ECHO_HEADER];
	union {
		struct cmsghdr header;
		char bytes[512];
	} control;
	int found = 0;

	for (;;) {
		struct iovec data = { sent, sizeof(sent) };
		struct msghdr message = { .msg_iov = &data,
			.msg_iovlen = 1,
			.msg_control = &control,
			.msg_controllen = sizeof(control) };
		const struct sock_extended_err *error;
		ssize_t length = recvmsg(fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT);

		if (length < 0)
			return found;
		error = find_error(&message);
		if (!error || found)
			continue;
		if (transport == CHECK_ECHO &&
			(length < ECHO_HEADER ||
				memcmp(sent + ECHO_ID_AT, request + ECHO_ID_AT, ECHO_ID_BYTES)))
			continue;
		found = error_of(error);
	}
}

ssize_t
probe_datagram_receive(
	int fd, enum check_transport transport, const char *request, char *bytes, size_t size)
{
	ssize_t length = recv(fd, bytes, size, MSG_DONTWAIT);
	int error = errno, queued;

	if (length >= 0)
		return length;
	/* The queue is emptied: while something is in it the socket is ready. */
	queued = queued_error(fd, transport, request);
	if (queued)
		return -queued;
	if (error == EINTR || (transport == CHECK_ECHO && is_raw(fd)))
		return -EAGAIN;
	return -error;
}
