/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The state machine as a table: state x direction x event; a second table, further down, is for
 * flows of which one direction passes here. No sequence numbers are kept, so flags can be forged,
 * and the rules err towards short timeouts: it takes packets of both sides, in the right order, to
 * give a flow the long timeout of an established one.
 *
 *   SYN		only the client has spoken. A SYN|ACK of the server makes it SYN_ACK; any
 *			other segment of the server with ACK means that the connection was there
 *			before its entry (picked up midway), and makes it ESTABLISHED.
 *   SYN_ACK		half open until the client acknowledges (RFC 9293 section 3.5). Only the
 *			client can end that: whoever sends SYNs under false addresses never sees
 *			the SYN|ACK and leaves nothing but short-lived entries behind.
 *   FIN_CLIENT/SERVER	half closed; data may flow the other way for as long as it likes.
 *   CLOSED		both FINs, or a reset that is believed. Nothing revives it but a new SYN of
 *			the client.
 *
 * Resets are always forwarded, for their receiver knows the numbers by which to judge them (RFC
 * 5961); here they close nothing by themselves, since an outsider may have sent them. Where both
 * sides have spoken, the sender is asked whether it has the connection (track_reset.c), and the
 * answer closes the flow. While it is half open nobody can be asked: there even a living host
 * answers a segment that it does not expect with an RST (RFC 9293 section 3.10.7.3 and 3.10.7.4).
 *
 *   - The client's changes nothing, and the entry goes by the short timeout of half-open flows.
 *   - The server's in SYN is a refusal and closes the flow. Who would forge one has the time from
 *     the client's SYN to the server's answer for it, must know the client's port and the server's
 *     address, and gets through with the source address of a machine in the servers' network. All
 *     that he gains is that a flow that went on nevertheless is picked up midway some seconds
 *later.
 *   - The server's in SYN_ACK, where that time is over, changes nothing.
 */
#include "tcp_state.h"

enum tcp_event {
	EVENT_NONE,    /* no flag that says anything */
	EVENT_SYN,     /* SYN without ACK */
	EVENT_SYN_ACK, /* SYN with ACK */
	EVENT_ACK,
	EVENT_FIN,
	EVENT_RST,
	EVENT_COUNT,
};

#define FREE	    FLOW_FREE
#define SYN	    FLOW_SYN
#define SYN_ACK	    FLOW_SYN_ACK
#define ESTABLISHED FLOW_ESTABLISHED
#define FIN_CLIENT  FLOW_FIN_CLIENT
#define FIN_SERVER  FLOW_FIN_SERVER
#define CLOSED	    FLOW_CLOSED
#define UDP	    FLOW_UDP

/* clang-format off */
static const uint8_t next_states[FLOW_STATE_COUNT][2][EVENT_COUNT] = {
			/* none, SYN, SYN|ACK, ACK, FIN, RST */
[FREE] = {
	[PKT_TO_SERVER] = { FREE, FREE, FREE, FREE, FREE, FREE },
	[PKT_TO_CLIENT] = { FREE, FREE, FREE, FREE, FREE, FREE },
},
[SYN] = {
	[PKT_TO_SERVER] = { SYN, SYN, SYN, SYN, FIN_CLIENT, SYN },
	[PKT_TO_CLIENT] = { SYN, SYN, SYN_ACK, ESTABLISHED, FIN_SERVER, CLOSED },
},
[SYN_ACK] = {
	[PKT_TO_SERVER] = { SYN_ACK, SYN_ACK, SYN_ACK, ESTABLISHED, FIN_CLIENT, SYN_ACK },
	[PKT_TO_CLIENT] = { SYN_ACK, SYN_ACK, SYN_ACK, SYN_ACK, FIN_SERVER, SYN_ACK },
},
[ESTABLISHED] = {
	[PKT_TO_SERVER] = { ESTABLISHED, ESTABLISHED, ESTABLISHED, ESTABLISHED, FIN_CLIENT, ESTABLISHED },
	[PKT_TO_CLIENT] = { ESTABLISHED, ESTABLISHED, ESTABLISHED, ESTABLISHED, FIN_SERVER, ESTABLISHED },
},
[FIN_CLIENT] = {
	[PKT_TO_SERVER] = { FIN_CLIENT, SYN, FIN_CLIENT, FIN_CLIENT, FIN_CLIENT, FIN_CLIENT },
	[PKT_TO_CLIENT] = { FIN_CLIENT, FIN_CLIENT, FIN_CLIENT, FIN_CLIENT, CLOSED, FIN_CLIENT },
},
[FIN_SERVER] = {
	[PKT_TO_SERVER] = { FIN_SERVER, SYN, FIN_SERVER, FIN_SERVER, CLOSED, FIN_SERVER },
	[PKT_TO_CLIENT] = { FIN_SERVER, FIN_SERVER, FIN_SERVER, FIN_SERVER, FIN_SERVER, FIN_SERVER },
},
[CLOSED] = {
	[PKT_TO_SERVER] = { CLOSED, SYN, CLOSED, CLOSED, CLOSED, CLOSED },
	[PKT_TO_CLIENT] = { CLOSED, CLOSED, CLOSED, CLOSED, CLOSED, CLOSED },
},
[UDP] = {
	[PKT_TO_SERVER] = { UDP, UDP, UDP, UDP, UDP, UDP },
	[PKT_TO_CLIENT] = { UDP, UDP, UDP, UDP, UDP, UDP },
},
};

/*
 * The client's segments alone. After its SYN a first ACK is all that can be had for a proof that the
 * server has answered, so whoever floods with a SYN and an ACK from false addresses leaves entries
 * with the long timeout; full tables forward by the hash alone. A flow picked up midway begins as
 * SYN by its first segment and is established by its second: one stray segment has the short timeout
 * only. What is left of the time when the flow was forwarded by NAT (SYN_ACK, FIN_SERVER) goes on
 * as well as can be told.
 */
static const uint8_t next_states_one_way[FLOW_STATE_COUNT][EVENT_COUNT] = {
			/* none, SYN, SYN|ACK, ACK, FIN, RST */
[FREE]		= { FREE, FREE, FREE, FREE, FREE, FREE },
[SYN]		= { SYN, SYN, SYN, ESTABLISHED, FIN_CLIENT, SYN },
[SYN_ACK]	= { SYN_ACK, SYN_ACK, SYN_ACK, ESTABLISHED, FIN_CLIENT, SYN_ACK },
[ESTABLISHED]	= { ESTABLISHED, ESTABLISHED, ESTABLISHED, ESTABLISHED, FIN_CLIENT, ESTABLISHED },
[FIN_CLIENT]	= { FIN_CLIENT, SYN, FIN_CLIENT, FIN_CLIENT, FIN_CLIENT, FIN_CLIENT },
[FIN_SERVER]	= { FIN_SERVER, SYN, FIN_SERVER, FIN_SERVER, CLOSED, FIN_SERVER },
[CLOSED]	= { CLOSED, SYN, CLOSED, CLOSED, CLOSED, CLOSED },
[UDP]		= { UDP, UDP, UDP, UDP, UDP, UDP },
};
/* clang-format on */

/* RST before FIN before SYN: the one that changes most decides. */
static enum tcp_event
tcp_event(uint8_t flags)
{
	if (flags & PKT_RST)
		return EVENT_RST;
	if (flags & PKT_FIN)
		return EVENT_FIN;
	if (flags & PKT_SYN)
		return flags & PKT_ACK ? EVENT_SYN_ACK : EVENT_SYN;
	return flags & PKT_ACK ? EVENT_ACK : EVENT_NONE;
}

/* Worker; total: a state that is none (a damaged value) ends as CLOSED and expires soon. */
enum flow_state
tcp_state_next(enum flow_state state, enum pkt_direction direction, uint8_t flags)
{
	if ((unsigned int)state >= FLOW_STATE_COUNT)
		return FLOW_CLOSED;
	return next_states[state][direction == PKT_TO_CLIENT][tcp_event(flags)];
}

enum flow_state
tcp_state_next_one_way(enum flow_state state, uint8_t flags)
{
	if ((unsigned int)state >= FLOW_STATE_COUNT)
		return FLOW_CLOSED;
	return next_states_one_way[state][tcp_event(flags)];
}
