/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SYN cookies (Bernstein, 1996; RFC 4987 section 3.6): a SYN is answered without anything being
 * kept of it. All that is to be known of it later is in the sequence number of the SYN|ACK, which
 * the client's ACK brings back:
 *
 *   bits 31..9	a keyed hash of addresses, ports, the client's sequence number, the minute and the
 *		rest of the bits: one guess in eight million is right
 *   bit 8	the minute's lowest bit: a cookie is good in its minute and in the next one
 *   bits 7..5	the client's MSS, as the greatest of a table that is not above it
 *   bit 4	whether it takes selective acknowledgments (RFC 2018)
 *   bits 3..0	its window scale (RFC 7323 section 2), 15 for none
 *
 * Timestamps are not agreed upon, which is the answerer's right (RFC 7323 section 3.2): the
 * server's clock is not known then, and so nothing in a segment but sequence numbers and windows
 * has to be translated later (seq.h).
 *
 * The SYN|ACK has a window of 0, so that the client sends nothing before its server is there, and
 * options only that the client has: it is never larger than the SYN.
 *
 * Pure: bytes in, bytes out. Worker.
 */
#ifndef DATAPLANE_COOKIE_H
#define DATAPLANE_COOKIE_H

#include "pkt.h"

#define COOKIE_KEY_BYTES 16
#define COOKIE_NO_SCALE	 15
#define COOKIE_SCALE	 7 /* of the windows that clients are told of in a server's name */
#define COOKIE_MSS_COUNT 8

/* As many ticks as a minute of the cookies has: they are good for as long, and twice at most. */
#define COOKIE_MINUTE_TICKS (60000 / SHUNT_FLOW_TICK_MS)

/* What a client has said in its SYN. */
struct cookie_options {
	bool has_mss;
	bool sack;
	uint8_t mss;   /* index, see cookie_mss() */
	uint8_t scale; /* 0..14, or COOKIE_NO_SCALE */
};

/* A SYN that has come back as a cookie. */
struct cookie_syn {
	uint32_t isn;	 /* the client's */
	uint32_t cookie; /* ours */
	uint16_t window; /* as the client's ACK has it */
	struct cookie_options options;
};

uint16_t cookie_mss(uint8_t version, uint8_t index);

/* Of a SYN, or of a SYN|ACK. */
struct cookie_options cookie_options_of(const struct pkt *p);

/* What a client's packet with the sequence number isn is answered with in this minute. */
uint32_t cookie_make(const uint8_t key[COOKIE_KEY_BYTES], const struct pkt *p, uint32_t isn,
	uint32_t minute, const struct cookie_options *options);

/* Does a client's ACK bring a cookie of this minute or the one before back? Then it sets *syn. */
bool cookie_check(const uint8_t key[COOKIE_KEY_BYTES], const struct pkt *p, uint32_t minute,
	struct cookie_syn *syn);

/*
 * Makes of a SYN the SYN|ACK to its sender. mss: what the server may be sent. Sets bytes and
 * out_port, clears drop. port_mac: of the port that it came from.
 */
void cookie_answer(struct pkt *p, const uint8_t key[COOKIE_KEY_BYTES], uint32_t minute,
	uint16_t mss, const struct shunt_mac *port_mac);

/*
 * Makes of a client's segment the SYN that its connection began with. Uses headroom; sets
 * tcp_flags, or drop (HEADROOM) and leaves it as it is.
 */
void cookie_to_syn(struct pkt *p, const struct cookie_syn *syn);

/* Makes of a server's segment a bare ACK with these numbers, for its client. Sets tcp_flags. */
void cookie_to_ack(struct pkt *p, uint32_t seq, uint32_t ack, uint16_t window);

/* Is the checksum of a whole TCP segment right? What is made of one must not hide that it is not.
 */
bool cookie_checksum_is_good(const struct pkt *p);

#endif
