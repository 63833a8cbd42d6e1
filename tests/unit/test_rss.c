/* SPDX-License-Identifier: BSD-3-Clause */
/* RSS against a device that is a fake: it announces one thing and takes another. */
#include "unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rss.h"

#define MAX_CALLS 8

/* What the device takes, and what it was asked for. */
static struct {
	uint64_t takes;	 /* types */
	bool takes_keys; /* of others */
	int error;	 /* of every call */
} device;
static struct {
	uint16_t rx_queues, tx_queues;
	uint32_t mode;
	uint64_t types;
	uint8_t key[256];
	uint8_t key_bytes;
} calls[MAX_CALLS];
static unsigned int call_count;

/* In place of DPDK's. */
int
rte_eth_dev_configure(
	uint16_t port_id, uint16_t rx_queues, uint16_t tx_queues, const struct rte_eth_conf *conf)
{
	const struct rte_eth_rss_conf *rss = &conf->rx_adv_conf.rss_conf;

	CU_ASSERT_EQUAL(port_id, 7);
	CU_ASSERT_TRUE_FATAL(call_count < MAX_CALLS);
	calls[call_count].rx_queues = rx_queues;
	calls[call_count].tx_queues = tx_queues;
	calls[call_count].mode = conf->rxmode.mq_mode;
	calls[call_count].types = rss->rss_hf;
	calls[call_count].key_bytes = rss->rss_key ? rss->rss_key_len : 0;
	if (rss->rss_key)
		memcpy(calls[call_count].key, rss->rss_key, rss->rss_key_len);
	call_count++;
	if (device.error)
		return device.error;
	if (conf->rxmode.mq_mode == RTE_ETH_MQ_RX_NONE)
		return 0;
	if (rss->rss_key && !device.takes_keys)
		return -ENOTSUP;
	return rss->rss_hf & ~device.takes ? -EINVAL : 0;
}

static int
ask(uint64_t offers, uint64_t takes, bool takes_keys, uint8_t key_bytes, uint16_t queues,
	const char *want)
{
	const struct rte_eth_dev_info info = { .flow_type_rss_offloads = offers,
		.hash_key_size = key_bytes };
	char text[RSS_TEXT_SIZE] = "";
	int result;

	device.takes = takes;
	device.takes_keys = takes_keys;
	call_count = 0;
	memset(calls, 0, sizeof(calls));
	result = rss_configure(7, &info, queues, 2, text);
	CU_ASSERT_STRING_EQUAL(text, want);
	for (unsigned int i = 0; i < call_count; i++) {
		CU_ASSERT_EQUAL(calls[i].rx_queues, queues);
		CU_ASSERT_EQUAL(calls[i].tx_queues, 2);
		CU_ASSERT_EQUAL(calls[i].types & ~offers, 0); /* never what is not offered */
		CU_ASSERT_EQUAL(calls[i].mode == RTE_ETH_MQ_RX_RSS, calls[i].types != 0);
	}
	return result;
}

#define ALL (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP)

static void
test_best(void)
{
	uint8_t first[40], same = 0;

	CU_ASSERT_EQUAL(ask(ALL | RTE_ETH_RSS_SCTP, ALL, true, 40, 4,
				"RSS by addresses and ports, with a random key"),
		0);
	CU_ASSERT_EQUAL(call_count, 1);
	CU_ASSERT_EQUAL(calls[0].types, ALL);
	CU_ASSERT_EQUAL(calls[0].key_bytes, 40);
	memcpy(first, calls[0].key, sizeof(first));
	/* Another key each time. */
	ask(ALL, ALL, true, 40, 4, "RSS by addresses and ports, with a random key");
	for (size_t i = 0; i < sizeof(first); i++)
		same += first[i] == calls[0].key[i];
	CU_ASSERT_TRUE(same < 20);
	/* Only TCP's ports: UDP goes by addresses. */
	CU_ASSERT_EQUAL(ask(RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_TCP, ALL, true, 52, 4,
				"RSS by addresses and ports, with a random key"),
		0);
	CU_ASSERT_EQUAL(calls[0].key_bytes, 52);
}

/* One step back at a time. */
static void
test_refused(void)
{
	CU_ASSERT_EQUAL(
		ask(ALL, ALL, false, 40, 4, "RSS by addresses and ports, with the driver's key"),
		0);
	CU_ASSERT_EQUAL(call_count, 2);
	CU_ASSERT_EQUAL(calls[1].types, ALL);
	CU_ASSERT_EQUAL(calls[1].key_bytes, 0);
	CU_ASSERT_EQUAL(ask(ALL, RTE_ETH_RSS_IP, true, 40, 4,
				"RSS by addresses alone: it refuses to look at ports"),
		0);
	CU_ASSERT_EQUAL(call_count, 3);
	CU_ASSERT_EQUAL(ask(RTE_ETH_RSS_IPV4, ALL, false, 40, 4,
				"RSS by addresses alone: it cannot look at ports"),
		0);
	CU_ASSERT_EQUAL(
		ask(ALL, 0, true, 40, 4, "no RSS: the driver refuses all that it announces"), 0);
	CU_ASSERT_EQUAL(call_count, 4);
	CU_ASSERT_EQUAL(calls[3].types, 0);
}

static void
test_none(void)
{
	CU_ASSERT_EQUAL(ask(0, 0, true, 40, 4,
				"no RSS: the device or the kernel spreads packets as it likes"),
		0);
	CU_ASSERT_EQUAL(call_count, 1);
	CU_ASSERT_EQUAL(ask(RTE_ETH_RSS_SCTP | RTE_ETH_RSS_L2_PAYLOAD, ALL, true, 40, 4,
				"no RSS: the device or the kernel spreads packets as it likes"),
		0);
	CU_ASSERT_EQUAL(call_count, 1);
	CU_ASSERT_EQUAL(ask(ALL, ALL, true, 40, 1, "no RSS: it has one receive queue"), 0);
	CU_ASSERT_EQUAL(call_count, 1);
	CU_ASSERT_EQUAL(calls[0].types, 0);
}

/* Keys of sizes that no driver should name. */
static void
test_key_sizes(void)
{
	ask(ALL, ALL, true, 0, 4, "RSS by addresses and ports, with the driver's key");
	CU_ASSERT_EQUAL(call_count, 1);
	ask(ALL, ALL, true, 255, 4, "RSS by addresses and ports, with the driver's key");
	CU_ASSERT_EQUAL(call_count, 1);
	ask(ALL, ALL, true, 128, 4, "RSS by addresses and ports, with a random key");
	CU_ASSERT_EQUAL(calls[0].key_bytes, 128);
}

/* A device that cannot be configured at all says so itself. */
static void
test_broken(void)
{
	device.error = -EIO;
	CU_ASSERT_EQUAL(
		ask(ALL, ALL, true, 40, 4, "no RSS: the driver refuses all that it announces"),
		-EIO);
	CU_ASSERT_EQUAL(ask(ALL, ALL, true, 40, 1, "no RSS: it has one receive queue"), -EIO);
	device.error = 0;
}

static const struct unit_test tests[] = {
	{ "all that is wanted", test_best },
	{ "one step back at a time", test_refused },
	{ "devices without RSS", test_none },
	{ "sizes of keys", test_key_sizes },
	{ "a device that is broken", test_broken },
};

UNIT_MAIN("rss", tests)
