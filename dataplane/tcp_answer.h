/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TCP segments that Shunt sends itself: resets, and the challenges that tell whether a host still
 * has a connection. Pure: bytes in, bytes out.
 *
 * A flow has no room for sequence numbers, so they are taken from the hosts themselves. Whoever is
 * sent an ACK for a connection that it does not have answers with an RST whose SEQ is that ACK's
 * acknowledgment number (RFC 9293 section 3.10.7.1); whoever has the connection answers one that is
 * out of its window with an ACK of its own (section 3.10.7.4), which holds the numbers that it
 * expects. So:
 *
 *   - a challenge acknowledges a nonce that nobody else can know. An RST with the nonce for its SEQ
 *     comes from a host that sees the flow's packets and does not have the connection;
 *   - an RST in answer to a segment takes its SEQ from that segment's acknowledgment, which is the
 *     very number that its sender takes for a reset without further question (RFC 5961
 * section 3.2).
 */
#ifndef DATAPLANE_TCP_ANSWER_H
#define DATAPLANE_TCP_ANSWER_H

#include "ends.h"
#include "pkt.h"

#define TCP_ANSWER_KEY_BYTES 16
#define TCP_ANSWER_MAX_BYTES 60u /* of IP; no answer is larger than what it answers */

/* A segment without data. */
struct tcp_segment {
	uint32_t seq;
	uint32_t ack;
	uint8_t flags;
	uint16_t window;
	const uint8_t *options; /* of whole words */
	unsigned int option_bytes;
};

/*
 * Writes a segment, from its IP header on; returns its bytes. The ends must not point into what is
 * written.
 */
unsigned int
tcp_answer_write(uint8_t *ip, const struct ends *ends, const struct tcp_segment *segment);

/*
 * Makes of a segment another one, back to its sender, which must not be larger. Sets bytes and
 * out_port, clears drop. port_mac: of the port that it came from.
 */
void
tcp_answer_turn(struct pkt *p, const struct tcp_segment *segment, const struct shunt_mac *port_mac);

/* From the receiver of a segment to its sender; the addresses stand in the packet. */
struct ends tcp_answer_ends(const struct pkt *p);

/* What a challenge between these ends acknowledges. */
uint32_t tcp_answer_nonce(const uint8_t key[TCP_ANSWER_KEY_BYTES], const struct ends *ends);

/*
 * Writes a challenge, from its IP header on, into TCP_ANSWER_MAX_BYTES; returns its bytes. Of two
 * rounds that follow each other one at least is out of any window.
 */
unsigned int tcp_answer_challenge(uint8_t *ip, const uint8_t key[TCP_ANSWER_KEY_BYTES],
	const struct ends *ends, unsigned int round);

/* Is this RST the answer to a challenge that was sent to its sender? */
bool tcp_answer_is_proof(const struct pkt *p, const uint8_t key[TCP_ANSWER_KEY_BYTES]);

/* May this packet be answered by an RST? Not if it is one, or a fragment but the first. */
bool tcp_answer_allowed(const struct pkt *p);

/*
 * Makes of a segment the RST for its sender. Sets bytes and out_port, clears drop. port_mac: of the
 * port that it came from.
 */
void tcp_answer_reset(struct pkt *p, const struct shunt_mac *port_mac);

/* Turns a copy of a received frame's link header round. */
void tcp_answer_turn_link(uint8_t *frame, const struct shunt_mac *port_mac);

#endif
