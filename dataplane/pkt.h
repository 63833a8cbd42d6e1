/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A packet on its way through the stages: bytes, and what the stages have learned about them.
 * The stages know nothing of mbufs; worker.c fills these in and takes the verdicts out.
 */
#ifndef DATAPLANE_PKT_H
#define DATAPLANE_PKT_H

#include "shunt/stats.h"
#include "shunt/types.h"

#define PKT_BURST 64

enum pkt_kind {
	PKT_PLAIN = 0,	    /* TCP or UDP */
	PKT_ICMP_ERROR = 1, /* ICMP or ICMPv6 about a TCP or UDP packet, which it quotes */
	PKT_FRAGMENT = 2,   /* an atomic one (RFC 6946) is a whole packet: PLAIN */
};

enum pkt_direction {
	PKT_TO_SERVER = 0, /* its destination is a service */
	PKT_TO_CLIENT =
		1, /* its source is a server of a service, or it answers full NAT's source */
};

/* TCP flags as in byte 13 of the header (RFC 9293 section 3.1). */
enum {
	PKT_FIN = 0x01,
	PKT_SYN = 0x02,
	PKT_RST = 0x04,
	PKT_PSH = 0x08,
	PKT_ACK = 0x10,
	PKT_URG = 0x20,
};

struct pkt {
	uint8_t *data;	   /* the frame, from the Ethernet header on */
	uint32_t bytes;	   /* in the frame; parse cuts padding off */
	uint8_t drop;	   /* enum shunt_drop; not 0: leaves the path */
	uint16_t headroom; /* bytes in front of data that are free for longer headers */

	/* parse */
	uint8_t version;    /* 4 or 6 */
	uint8_t kind;	    /* enum pkt_kind; not PLAIN: leaves the fast path */
	uint8_t protocol;   /* SHUNT_TCP or SHUNT_UDP; of an ICMP error, the quoted packet's */
	uint8_t tcp_flags;  /* 0 for UDP */
	uint16_t l3_offset; /* of the IP header */
	/*
	 * The VLANs that it came in, as in struct shunt_nexthop: l3_offset counts all tags, but one
	 * of id 0 (which has a priority and nothing else) is none here.
	 */
	uint16_t vlan[2];
	uint16_t l4_offset; /* of the TCP, UDP or ICMP header; 0: a later fragment has none */
	uint16_t sport_be;  /* of an ICMP error, the quoted packet's, as is dport_be */
	uint16_t dport_be;
	uint16_t inner_l3_offset; /* of an ICMP error: the quoted IP header */
	uint16_t inner_l4_offset; /* and the quoted TCP or UDP header: 8 bytes are there */
	/* Fragments only: */
	uint8_t fragment_more;	  /* it is not the last */
	uint16_t fragment_offset; /* bytes; 0: the first, which alone has ports */
	uint16_t fragment_bytes;  /* that it contributes to the datagram, never 0 */
	uint32_t fragment_id;	  /* as on the wire */

	/* worker */
	uint8_t in_port;
	uint8_t out_port;   /* rewrite */
	uint16_t fit_bytes; /* rewrite, with SHUNT_DROP_TOO_BIG: the IP packet that would fit */

	/* classify */
	uint8_t direction; /* enum pkt_direction */
	uint16_t service;  /* id */
	/*
	 * Other services the same server endpoint belongs to: a reply whose flow is not found
	 * under `service` is looked for under each (index into the classifier's list).
	 */
	uint32_t other_services;
	uint16_t other_service_count;
	uint16_t client_port_be;
	uint8_t client_version; /* the client's address family; full NAT may have changed it */
	uint16_t range_port_be; /* the service's port, if it has several; else 0 */
	const uint8_t *client;	/* 4 or 16 bytes: into data, or client_address */
	uint32_t owner_hash;	/* of client address and port: names the owning worker */

	/* flow and track */
	uint64_t *flow;	 /* packed value in the table (flow.h); NULL: none */
	uint32_t server; /* id */
	uint16_t hop;	 /* the client's way back (hop.h) */
	/* Not 0: what the client's port becomes, which the server sees as another than its own. */
	uint16_t other_port_be;
	uint32_t seq_delta; /* what its sequence number has been changed by; see seq.h */

	/* track_admit(), with a limit's reason to drop: nobody is told */
	uint8_t silent;

	/* full NAT: of a packet to a server, track sets them; of a reply, classify and track */
	uint8_t source;		    /* id of the source address; 0: not that mode */
	uint16_t source_port;	    /* as a number */
	uint16_t service_port_be;   /* that the client has connected to; of replies */
	uint8_t client_address[16]; /* of replies, which do not have it in them */
};

/* Also where the compiler says it in another way. */
#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define PKT_POISON 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define PKT_POISON 1
#endif

/*
 * A burst's packets have the place of the burst's before, whose fields are as good as random. With
 * the address sanitizer they are worse, so that a field which is read before it is set shows.
 */
static inline void
pkt_poison(struct pkt *p)
{
#ifdef PKT_POISON
	memset((void *)p, 0xa5, sizeof(*p));
#else
	(void)p;
#endif
}

/* Refused by a limit of its frontend. */
static inline bool
pkt_is_limited(const struct pkt *p)
{
	return p->drop >= SHUNT_DROP_RATE_LIMIT && p->drop <= SHUNT_DROP_SOURCE_MAXCONN;
}

/* Dropped, but not silently: its sender is to have an RST, or ICMP's port unreachable. */
static inline bool
pkt_is_refused(const struct pkt *p)
{
	return p->drop == SHUNT_DROP_REFUSED || p->drop == SHUNT_DROP_MAXCONN ||
		(pkt_is_limited(p) && !p->silent);
}

/* IP bytes of the packet: what the counters count. */
static inline uint32_t
pkt_ip_bytes(const struct pkt *p)
{
	return p->bytes - p->l3_offset;
}

#endif
