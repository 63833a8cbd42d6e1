/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a packet should become, worked out from its bytes in another way than the packet path does:
 * the server from the backend's table by the selection hash, every checksum in full.
 */
#ifndef BENCH_EXPECT_H
#define BENCH_EXPECT_H

#include "frame.h"
#include "world.h"

/* A packet that the worker has been given. */
struct expect_input {
	struct frame frame;
	bool to_client;
	struct traffic_end client;
	uint32_t service; /* 0, 1, ...: which of the scenario's */
	uint8_t router;	  /* last byte of the MAC address by which the client is reached */
};

/* The server (0, 1, ...) that the hash gives a client of a service. */
uint32_t
expect_server(const struct world *world, const struct traffic_end *client, uint32_t service);

/*
 * Makes the input's frame what should be sent. seen: what was sent, of which only that is taken
 * which the standards leave to the sender; NULL if it is not known yet.
 */
void expect(const struct world *world, const struct expect_input *input, const struct frame *seen,
	struct frame *out);

#endif
