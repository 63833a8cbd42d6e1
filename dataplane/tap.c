/* SPDX-License-Identifier: BSD-3-Clause */
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define OPEN_TRIES    20 /* a process that was just killed takes a moment to be gone */
#define OPEN_TRY_MS   100
#define REQUEST_BYTES 256

static int
attach(int fd, const char *name)
{
	/*
	 * No IFF_VNET_HDR and no offloads: what the kernel sends then has whole checksums and
	 * fits the MTU, as a device without offloads must have it.
	 */
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI };

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (ioctl(fd, TUNSETIFF, &request) < 0)
		return errno == EINVAL ? -EEXIST : -errno;
	return ioctl(fd, TUNSETOFFLOAD, 0ul) < 0 ? -errno : 0;
}

int
tap_open(const char *name)
{
	const struct timespec pause = { .tv_nsec = OPEN_TRY_MS * 1000000l };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC), result;

	if (fd < 0)
		return -errno;
	result = attach(fd, name);
	for (int i = 0; i < OPEN_TRIES && result == -EBUSY; i++) {
		nanosleep(&pause, NULL);
		result = attach(fd, name);
	}
	if (result == 0)
		return fd;
	close(fd);
	return result;
}

int
tap_configure(const char *name, const struct shunt_mac *mac, uint16_t mtu)
{
	struct ifreq request = { .ifr_hwaddr.sa_family = ARPHRD_ETHER };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), result = 0;

	if (fd < 0)
		return -errno;
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	memcpy(request.ifr_hwaddr.sa_data, mac->bytes, sizeof(mac->bytes));
	if (ioctl(fd, SIOCSIFHWADDR, &request) < 0)
		result = -errno;
	request.ifr_mtu = mtu;
	if (result == 0 && ioctl(fd, SIOCSIFMTU, &request) < 0)
		result = -errno;
	if (result == 0 && ioctl(fd, SIOCGIFFLAGS, &request) < 0)
		result = -errno;
	request.ifr_flags |= IFF_UP;
	if (result == 0 && ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		result = -errno;
	close(fd);
	return result;
}

static int
add_address(struct mnl_socket *socket, unsigned int index, const struct settings_address *address)
{
	char buffer[REQUEST_BYTES + 4096] __attribute__((aligned(8)));
	bool v4 = shunt_addr_is_v4(&address->address);
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
	struct ifaddrmsg *body = mnl_nlmsg_put_extra_header(nlh, sizeof(*body));
	ssize_t bytes;

	nlh->nlmsg_type = RTM_NEWADDR;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK;
	/*
	 * Without duplicate address detection: for the second that it takes, after each restart,
	 * the kernel would take another address as the source of probes.
	 */
	body->ifa_flags = IFA_F_NODAD;
	body->ifa_family = v4 ? AF_INET : AF_INET6;
	body->ifa_prefixlen = address->bits;
	body->ifa_index = index;
	mnl_attr_put(nlh, IFA_LOCAL, v4 ? 4 : 16, address->address.bytes + (v4 ? 12 : 0));
	mnl_attr_put(nlh, IFA_ADDRESS, v4 ? 4 : 16, address->address.bytes + (v4 ? 12 : 0));
	if (mnl_socket_sendto(socket, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	bytes = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));
	if (bytes < 0 ||
		mnl_cb_run(buffer, (size_t)bytes, 0, mnl_socket_get_portid(socket), NULL, NULL) < 0)
		return errno == EEXIST ? 0 : -errno;
	return 0;
}

int
tap_add_addresses(const char *name, const struct settings_address *addresses, size_t count,
	const struct settings_address **failed)
{
	struct mnl_socket *socket;
	int result = 0;

	*failed = addresses;
	if (count == 0)
		return 0;
	socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!socket)
		return -errno;
	if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0)
		result = -errno;
	for (size_t i = 0; i < count && result == 0; i++) {
		*failed = &addresses[i];
		result = add_address(socket, if_nametoindex(name), &addresses[i]);
	}
	mnl_socket_close(socket);
	return result;
}

void
tap_set_carrier(int fd, bool carrier)
{
	int value = carrier;

	/* Kernels before 5.0 do not know it; then there is always one. */
	(void)!ioctl(fd, TUNSETCARRIER, &value);
}
