/* SPDX-License-Identifier: BSD-3-Clause */
#include <dirent.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#define LOG_SUBSYSTEM "port"
#include "frag.h"
#include "pkt.h"
#include "port.h"
#include "rss.h"
#include "shunt/log.h"
#include "xdp.h"

#define MBUF_CACHE 256
#define HANDOVER   1024 /* a full ring to each worker: TX_RING_COUNT */

/*
 * Receive queues of a kernel interface. AF_XDP must serve each of them: what arrives at a queue
 * without a socket cannot be redirected.
 */
static uint16_t
kernel_queues(const char *interface)
{
	char path[64];
	struct dirent *entry;
	uint16_t count = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/class/net/%s/queues", interface);
	dir = opendir(path);
	if (!dir)
		return 1;
	while ((entry = readdir(dir))) {
		if (strncmp(entry->d_name, "rx-", 3) == 0)
			count++;
	}
	closedir(dir);
	return count ? count : 1;
}

/* As the AF_XDP driver counts them: combined channels, or one where an interface has none. */
static uint16_t
driver_queues(const char *interface)
{
	struct ethtool_channels channels = { .cmd = ETHTOOL_GCHANNELS };
	struct ifreq request = { .ifr_data = (char *)&channels };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
	if (fd < 0 || ioctl(fd, SIOCETHTOOL, &request) < 0)
		channels.combined_count = 0;
	if (fd >= 0)
		close(fd);
	return channels.combined_count ? (uint16_t)channels.combined_count : 1;
}

/* What the kernel says of an interface in a file, or otherwise. */
static int
kernel_number(const char *interface, const char *name, int otherwise)
{
	int number = otherwise;
	char path[80];
	FILE *file;

	snprintf(path, sizeof(path), "/sys/class/net/%s/%s", interface, name);
	file = fopen(path, "re");
	if (!file)
		return otherwise;
	if (fscanf(file, "%d", &number) != 1)
		number = otherwise;
	fclose(file);
	return number;
}

/* The MTU of a kernel interface, or 0. AF_XDP's driver does not know it and says 1500. */
static uint16_t
kernel_mtu(const char *interface)
{
	int mtu = kernel_number(interface, "mtu", 0);

	return (uint16_t)(mtu < UINT16_MAX ? mtu : UINT16_MAX);
}

/* The memory node that a port's device is on. AF_XDP's driver does not know it. */
static int
port_node(const struct port *port)
{
	int node = port->interface[0]
		? kernel_number(port->interface, "device/numa_node", SOCKET_ID_ANY)
		: rte_eth_dev_socket_id(port->id);

	return node >= 0 ? node : SOCKET_ID_ANY;
}

/*
 * The buffers of the ports on a node: made for the first of them, there if there is room, else
 * anywhere, else shared with another node's. NULL: no memory (logged).
 */
static struct rte_mempool *
buffers_on(struct ports *ports, const struct settings *settings, int node)
{
	unsigned int index = node > 0 ? (unsigned int)node % PORT_MAX_NODES : 0;
	uint32_t count = port_mbuf_count(settings);
	struct rte_mempool *pool = ports->mbufs[index];
	char name[RTE_MEMPOOL_NAMESIZE];

	if (pool)
		return pool;
	snprintf(name, sizeof(name), "mbufs%u", index);
	pool = rte_pktmbuf_pool_create(name, count, MBUF_CACHE, 0, RTE_MBUF_DEFAULT_BUF_SIZE, node);
	if (!pool && node != SOCKET_ID_ANY)
		pool = rte_pktmbuf_pool_create(
			name, count, MBUF_CACHE, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	ports->mbufs[index] = pool;
	for (unsigned int i = 0; !pool && i < PORT_MAX_NODES; i++)
		pool = ports->mbufs[i];
	if (!pool)
		log_error("no memory for %u packet buffers: %s", count, rte_strerror(rte_errno));
	return pool;
}

/* Says of each port how many workers are far from it: each packet then crosses between CPUs. */
static void
warn_of_nodes(const struct ports *ports, const struct settings *settings)
{
	for (uint32_t i = 0; i < ports->count; i++) {
		const struct port *port = &ports->port[i];
		size_t far = 0;

		for (size_t k = 0; k < settings->worker_count; k++)
			far += (int)rte_lcore_to_socket_id(settings->worker_lcores[k]) !=
				port->node;
		if (port->node != SOCKET_ID_ANY && far > 0)
			log_warn("%s is on memory node %d, and %zu of %zu workers are not: choose "
				 "CPUs of that node for dataplane.lcores (lscpu shows them)",
				port->name, port->node, far, settings->worker_count);
	}
}

uint32_t
port_mbuf_count(const struct settings *settings)
{
	uint32_t workers = (uint32_t)settings->worker_count;
	uint32_t mbufs = workers * (2 * MBUF_CACHE + HANDOVER + 4 * PKT_BURST + FRAG_WAITING);

	if (settings->mbufs)
		return settings->mbufs;
	for (size_t i = 0; i < settings->port_count; i++) {
		const struct settings_port *p = &settings->ports[i];
		uint32_t queues = p->interface[0] ? kernel_queues(p->interface) : workers;

		mbufs += queues * (2u * p->rx_queue_size + p->tx_queue_size);
	}
	return mbufs;
}

uint64_t
port_mbuf_bytes(uint32_t mbufs)
{
	return (uint64_t)mbufs * (sizeof(struct rte_mbuf) + RTE_MBUF_DEFAULT_BUF_SIZE + 128);
}

static int
probe_interface(const struct settings_port *p, const char *filter, struct xdp *xdp, uint32_t index,
	char *device, size_t device_size)
{
	char devargs[SETTINGS_PATH_SIZE + 256], other[16];
	uint16_t queues = kernel_queues(p->interface), served = driver_queues(p->interface);
	int result;

	if (queues > served) {
		log_error(
			"%s: interface %s has %u receive queues and AF_XDP can serve %u; what the "
			"others receive would be lost; run \"ethtool -L %s %s %u\"",
			p->name, p->interface, queues, served, p->interface,
			served > 1 ? "combined" : "rx", served);
		return -ENOTSUP;
	}
	result = xdp_clear_stale(xdp, p->interface, filter, other, sizeof(other));
	if (result == -EBUSY) {
		log_error("%s: interface %s has another XDP program (%s); take it off with "
			  "\"ip link set dev %s xdp off\" or use another interface",
			p->name, p->interface, other, p->interface);
		return result;
	}
	if (result < 0) {
		log_error("%s: interface %s: %s", p->name, p->interface, strerror(-result));
		return result;
	}
	snprintf(device, device_size, "net_af_xdp%u", index);
	/*
	 * busy_budget=0: with preferred busy polling the kernel would deliver to the socket only
	 * while a worker polls, and veth interfaces do not support it.
	 */
	snprintf(devargs, sizeof(devargs), "%s,iface=%s,queue_count=%u,xdp_prog=%s,busy_budget=0",
		device, p->interface, queues, filter);
	result = rte_dev_probe(devargs);
	if (result < 0)
		log_error("%s: AF_XDP on interface %s: %s (it needs CAP_NET_ADMIN, CAP_BPF and a "
			  "kernel with AF_XDP)",
			p->name, p->interface, strerror(-result));
	return result;
}

static int
probe_device(const struct settings_port *p, char *device, size_t device_size)
{
	int result = 0;

	snprintf(device, device_size, "%.*s", (int)strcspn(p->device, ","), p->device);
	if (!p->pci)
		result = rte_dev_probe(p->device); /* PCI devices: by the EAL's start */
	if (result < 0)
		log_error("%s: device %s: %s", p->name, p->device, strerror(-result));
	return result;
}

static int
start_port(struct port *port, const struct settings_port *p, struct rte_mempool *mbufs,
	uint32_t workers)
{
	char rss[RSS_TEXT_SIZE];
	uint16_t rx_size = p->rx_queue_size, tx_size = p->tx_queue_size;
	struct rte_eth_dev_info info;
	struct rte_ether_addr mac;
	int result;

	result = rte_eth_dev_info_get(port->id, &info);
	if (result < 0)
		return result;
	port->rx_queues = RTE_MIN(workers, info.max_rx_queues);
	port->tx_queues = RTE_MIN(workers, info.max_tx_queues);
	if (p->interface[0])
		port->rx_queues = port->tx_queues = kernel_queues(p->interface);
	result = rss_configure(port->id, &info, port->rx_queues, port->tx_queues, rss);
	if (result < 0)
		return result;
	log_info("%s: %s", port->name, rss);
	rte_eth_dev_adjust_nb_rx_tx_desc(port->id, &rx_size, &tx_size);
	for (uint16_t q = 0; q < port->rx_queues && result == 0; q++)
		result = rte_eth_rx_queue_setup(
			port->id, q, rx_size, (unsigned int)port->node, NULL, mbufs);
	for (uint16_t q = 0; q < port->tx_queues && result == 0; q++)
		result = rte_eth_tx_queue_setup(
			port->id, q, tx_size, (unsigned int)port->node, NULL);
	if (result < 0)
		return result;
	result = rte_eth_macaddr_get(port->id, &mac);
	if (result < 0)
		return result;
	memcpy(port->mac.bytes, mac.addr_bytes, sizeof(port->mac.bytes));
	result = rte_eth_dev_get_mtu(port->id, &port->mtu);
	if (result < 0)
		return result;
	if (p->interface[0] && kernel_mtu(p->interface))
		port->mtu = kernel_mtu(p->interface);
	return rte_eth_dev_start(port->id);
}

static int
open_port(struct ports *ports, const struct settings *settings, uint32_t index, const char *filter,
	struct xdp *xdp)
{
	const struct settings_port *p = &settings->ports[index];
	struct port *port = &ports->port[index];
	char device[SETTINGS_DEVICE_SIZE];
	struct rte_mempool *mbufs;
	int result;

	memcpy(port->name, p->name, sizeof(port->name));
	memcpy(port->interface, p->interface, sizeof(port->interface));
	memcpy(port->vlan, p->vlan, sizeof(port->vlan));
	result = p->interface[0] ? probe_interface(p, filter, xdp, index, device, sizeof(device))
				 : probe_device(p, device, sizeof(device));
	if (result < 0)
		return result;
	result = rte_eth_dev_get_port_by_name(device, &port->id);
	if (result < 0) {
		log_error("%s: there is no device %s: is it bound to a driver DPDK can use?",
			p->name, device);
		return result;
	}
	ports->count++;
	port->node = port_node(port);
	mbufs = buffers_on(ports, settings, port->node);
	if (!mbufs)
		return -ENOMEM;
	result = start_port(port, p, mbufs, (uint32_t)settings->worker_count);
	if (result < 0) {
		log_error("%s: cannot start %s: %s", p->name, device, strerror(-result));
		return result;
	}
	if (p->interface[0]) {
		result = xdp_add(xdp, p->interface);
		if (result < 0) {
			log_error("%s: the XDP filter on %s: %s", p->name, p->interface,
				strerror(-result));
			return result;
		}
	}
	log_info("%s: %s started, %u receive and %u transmit queues", port->name,
		p->interface[0] ? p->interface : device, port->rx_queues, port->tx_queues);
	return 0;
}

int
ports_open(
	struct ports *ports, const struct settings *settings, const char *filter, struct xdp *xdp)
{
	int result = 0;

	ports->count = 0;
	for (uint32_t i = 0; i < settings->port_count && result == 0; i++) {
		if (settings->ports[i].interface[0])
			result = xdp_inherit(xdp, settings->ports[i].interface);
	}
	for (uint32_t i = 0; i < settings->port_count && result == 0; i++)
		result = open_port(ports, settings, i, filter, xdp);
	if (result < 0)
		ports_close(ports);
	else
		warn_of_nodes(ports, settings);
	return result;
}

void
ports_close(struct ports *ports)
{
	for (uint32_t i = 0; i < ports->count; i++) {
		rte_eth_dev_stop(ports->port[i].id);
		rte_eth_dev_close(ports->port[i].id);
	}
	ports->count = 0;
	for (unsigned int i = 0; i < PORT_MAX_NODES; i++) {
		rte_mempool_free(ports->mbufs[i]);
		ports->mbufs[i] = NULL;
	}
}
