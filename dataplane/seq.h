/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Translation of sequence numbers, for connections that a client has begun with Shunt and a server
 * goes on with: the server counts its bytes from another number than the client has been told. What
 * the server has sent is numbered anew on its way to the client, and so are the client's
 * acknowledgments of it on their way back, selective ones too (RFC 2018); and windows if their
 * scale is another than was announced (RFC 7323 section 2). Checksums change by differences
 * (checksum.h), so that a bad one stays bad.
 *
 * Uses what parse has set: of a first fragment too, whose checksum covers the whole segment. Pure.
 */
#ifndef DATAPLANE_SEQ_H
#define DATAPLANE_SEQ_H

#include <arpa/inet.h>

#include "pkt.h"

enum {
	TCP_BYTES = 20, /* without options */
	TCP_SEQ_NUMBER = 4,
	TCP_ACK_NUMBER = 8,
	TCP_DATA_OFFSET = 12,
	TCP_FLAGS = 13,
	TCP_WINDOW = 14,
};

static inline uint32_t
seq_load(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return ntohl(value);
}

static inline void
seq_store(uint8_t *at, uint32_t value)
{
	uint32_t be = htonl(value);

	memcpy(at, &be, sizeof(be));
}

/* A server's segment: delta is added to its number. shift: of its window; below 0: to the right. */
void seq_to_client(struct pkt *p, uint32_t delta, int shift);

/* A client's segment: delta is taken from what it acknowledges. */
void seq_to_server(struct pkt *p, uint32_t delta, int shift);

/*
 * An ICMP error about a server's segment, on its way to the server: delta is taken from the quoted
 * number, by which hosts tell whether it is about what they have sent (RFC 5927 section 4.1).
 */
void seq_quoted(struct pkt *p, uint32_t delta);

/* A window in units of another scale; what is too great becomes the greatest. */
uint16_t seq_shift_window(uint16_t window, int shift);

#endif
