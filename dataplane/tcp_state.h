/* SPDX-License-Identifier: BSD-3-Clause */
/* A flow's state from the TCP flags that pass, in both directions. Pure. */
#ifndef DATAPLANE_TCP_STATE_H
#define DATAPLANE_TCP_STATE_H

#include "flow.h"

/* The state after a segment with these flags in this direction. */
enum flow_state tcp_state_next(enum flow_state state, enum pkt_direction direction, uint8_t flags);

/* The same where only the client's segments pass, because the server answers it directly. */
enum flow_state tcp_state_next_one_way(enum flow_state state, uint8_t flags);

/* A client's packet that opens a connection: SYN without ACK, RST or FIN. */
static inline bool
tcp_state_opens(uint8_t flags)
{
	return (flags & (PKT_SYN | PKT_ACK | PKT_RST | PKT_FIN)) == PKT_SYN;
}

/* May a SYN begin a new connection on this entry? */
static inline bool
tcp_state_reusable(enum flow_state state)
{
	return state >= FLOW_FIN_CLIENT && state <= FLOW_CLOSED;
}

/* Has the handshake begun, and is it not over? */
static inline bool
tcp_state_half_open(enum flow_state state)
{
	return state == FLOW_SYN || state == FLOW_SYN_ACK;
}

/* Have both sides spoken, so that a living host is known by its answer to a challenge? */
static inline bool
tcp_state_open(enum flow_state state)
{
	return state >= FLOW_ESTABLISHED && state <= FLOW_FIN_SERVER;
}

#endif
