/* SPDX-License-Identifier: BSD-3-Clause */
#include "rss.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#define KEY_MAX_BYTES 128 /* the longest that a device of today has is 52 */

/* Kinds of packets by what the device can hash of them. */
#define BY_ADDRESS                                                                          \
	(RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_FRAG_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_OTHER |        \
		RTE_ETH_RSS_IPV6 | RTE_ETH_RSS_FRAG_IPV6 | RTE_ETH_RSS_NONFRAG_IPV6_OTHER | \
		RTE_ETH_RSS_IPV6_EX)
#define BY_PORT (RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP)

/* One way to ask for it. */
struct attempt {
	uint64_t types;
	bool own_key;
	const char *text;
};

/*
 * Both ends' addresses and ports, so that neither the few servers nor clients behind one address
 * crowd into a queue. To hash the client's end alone would bring every packet to its flow's owner
 * (README.md says why it is not done).
 */
static const struct attempt attempts[] = {
	{ BY_ADDRESS | BY_PORT, true, "by addresses and ports, with a random key" },
	{ BY_ADDRESS | BY_PORT, false, "by addresses and ports, with the driver's key" },
	{ BY_ADDRESS, false, "by addresses alone: it refuses to look at ports" },
};

static int
configure(uint16_t port_id, uint16_t rx_queues, uint16_t tx_queues, uint64_t types, uint8_t *key,
	uint8_t key_bytes)
{
	struct rte_eth_conf conf = { .rxmode = { .mq_mode = RTE_ETH_MQ_RX_NONE } };

	if (types) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf.rx_adv_conf.rss_conf.rss_hf = types;
		conf.rx_adv_conf.rss_conf.rss_key = key;
		conf.rx_adv_conf.rss_conf.rss_key_len = key_bytes;
	}
	return rte_eth_dev_configure(port_id, rx_queues, tx_queues, &conf);
}

/* A key that nobody knows: with the driver's, which all know, a sender could choose our queue. */
static bool
make_key(uint8_t key[KEY_MAX_BYTES], unsigned int bytes)
{
	return bytes > 0 && bytes <= KEY_MAX_BYTES && getrandom(key, bytes, 0) == (ssize_t)bytes;
}

static const char *
why_none(const struct rte_eth_dev_info *info, uint16_t rx_queues)
{
	if (rx_queues == 1)
		return "no RSS: it has one receive queue";
	if (!(info->flow_type_rss_offloads & (BY_ADDRESS | BY_PORT)))
		return "no RSS: the device or the kernel spreads packets as it likes";
	return "no RSS: the driver refuses all that it announces";
}

int
rss_configure(uint16_t port_id, const struct rte_eth_dev_info *info, uint16_t rx_queues,
	uint16_t tx_queues, char text[RSS_TEXT_SIZE])
{
	uint64_t offered = rx_queues > 1 ? info->flow_type_rss_offloads : 0;
	uint8_t key[KEY_MAX_BYTES];
	bool has_key = make_key(key, info->hash_key_size);

	for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
		const struct attempt *a = &attempts[i];
		uint64_t types = a->types & offered;
		bool by_port = types & BY_PORT;
		int result;

		/* What is not offered, and what would be the same as another attempt. */
		if (!types || (a->own_key && !has_key))
			continue;
		result = configure(port_id, rx_queues, tx_queues, types, a->own_key ? key : NULL,
			a->own_key ? info->hash_key_size : 0);
		if (result < 0)
			continue;
		snprintf(text, RSS_TEXT_SIZE, "RSS %s",
			by_port || a->types == BY_ADDRESS
				? a->text
				: "by addresses alone: it cannot look at ports");
		return 0;
	}
	snprintf(text, RSS_TEXT_SIZE, "%s", why_none(info, rx_queues));
	return configure(port_id, rx_queues, tx_queues, 0, NULL, 0);
}
