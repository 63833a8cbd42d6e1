/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Receive side scaling: how a device spreads what it receives over its queues, and so over the
 * workers. What a device can do is found out by asking for it, the best first: drivers refuse more
 * than they announce to. Whatever comes of it, packets that reach another worker than their flow's
 * are handed over: this is about speed alone.
 */
#ifndef DATAPLANE_RSS_H
#define DATAPLANE_RSS_H

#include <rte_ethdev.h>

#define RSS_TEXT_SIZE 96

/*
 * Configures a device for these queues (rte_eth_dev_configure()). 0 or -errno. text: what was
 * chosen and why, for the log. Main lcore, before the device starts.
 */
int rss_configure(uint16_t port_id, const struct rte_eth_dev_info *info, uint16_t rx_queues,
	uint16_t tx_queues, char text[RSS_TEXT_SIZE]);

#endif
