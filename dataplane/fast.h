/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The fast path: what nearly all packets are, in as few instructions as it takes. A packet is
 * forwarded here if it is whole, TCP or UDP over IPv4 in an untagged frame without options, of a
 * flow that is in the table already and that it changes in nothing but the time it was last seen,
 * to or from a server of mode `nat`, or to one of `dr`; or of a stateless service, in a clean slot
 * (stateless.h), to a server of `dr`. All else is left, untouched, to the other stages of worker.c,
 * which can do everything: nothing here ever comes out otherwise than there, and to leave a packet
 * to them is always right.
 *
 * A burst goes through in passes, since while one packet waits for memory the next ones need not:
 *   take	bytes to flow key; asks for the flow's bucket (fast_take.h)
 *   hash	of stateless services, if there are any: key to slot, to server, and out
 * (fast_hash.h) find	bucket to flow; twice, for a flow may be in its second bucket
 *   judge	may it go on here? what is to become of it? (fast_judge.h)
 *   rewrite	the bytes, and the counters
 * There are two of each but the last: for one packet at a time, and for eight with AVX-512.
 *
 * No packet overtakes another of its flow: one that is left, though its flow is there, keeps back
 * those behind it, and strange ones (with VLAN tags, IP options, in fragments) make strange what
 * comes behind them.
 *
 * Pure. Worker.
 */
#ifndef DATAPLANE_FAST_H
#define DATAPLANE_FAST_H

#include "classify_plain.h"
#include "flow_table.h"
#include "track.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "fields are cut out of words");

/* What becomes of a packet. */
enum fast_way {
	FAST_NAT_TO_SERVER,
	FAST_NAT_TO_CLIENT,
	FAST_DR,
};

enum {
	FAST_L3 = 14,
	FAST_L4 = 34,
	FAST_MIN_BYTES = FAST_L4 + 20, /* all that is read, also of UDP; wires pad to 60 */
};

/* In a kind: it cannot be forwarded here, whatever its flow: SYN, FIN, RST, or a TTL used up. */
#define FAST_SPECIAL 2

/* All that the fast path reads, gathered in one place. */
struct fast_view {
	/* fast_take.h */
	struct classify_plain plain;
	uint64_t no_reply[4];	/* plain's, and of the balancer's own addresses: see known.h */
	uint64_t last_endpoint; /* of plain, that was looked up last */
	uint64_t last_service;
	uint64_t secret[4]; /* of the flow table */
	union flow_bucket *buckets;
	uint64_t bucket_count;
	/* fast6.h */
	const struct classifier *classifier;
	const struct flow_family *wide;
	/* fast_hash.h */
	const struct generation *stateless; /* NULL: it has no stateless services */
	const struct flow_table *flows;
	/* fast_judge.h */
	const struct flow_timeouts *timeouts;
	const struct gen_server *servers;
	const struct gen_service *services;
	const struct acl *acl;
	const struct link *hops;
	const struct shunt_mac *port_macs;
	struct shunt_service_stats *service_stats;
	struct shunt_server_stats *server_stats;
	uint64_t back;		/* a hop of the burst's port, but for its MAC: FAST_LINK_ */
	uint64_t kept_back;	/* a bit by hash: flows of which packets were left */
	uint64_t strange_marks; /* fast_mark() of strange packets' addresses */
	uint32_t server_count;
	uint16_t tick;
	uint16_t least_mtu; /* of all ports */
	/* Who owns flows; one worker owns all. */
	uint32_t worker;
	uint32_t worker_count;
	uint64_t owner_seed;
};

/* One whose flow another worker owns. */
struct fast_foreign {
	void *mbuf;
	uint32_t owner;
};

/* Packets that vector code takes at a time. */
#define FAST_GROUP 8
/* Groups are written whole, though not all of them may count. */
#define FAST_ROOM (PKT_BURST + FAST_GROUP)

/* A burst, a row for each of its packets' fields. Sets of packets are words, a bit for each. */
struct fast_burst {
	/* as received */
	unsigned int in_count;
	uint8_t *in_frame[FAST_ROOM];
	uint16_t in_bytes[FAST_ROOM];
	void *const *in_mbuf; /* [in_count]: the caller's */
	/* take: */
	unsigned int strange_count;
	unsigned int foreign_count;
	unsigned int count;	  /* of what follows: those that are taken */
	void *strange[PKT_BURST]; /* mbufs: none for this path */
	struct fast_foreign foreign[PKT_BURST];
	uint8_t *frame[FAST_ROOM];
	void *mbuf[FAST_ROOM];
	uint64_t key[FAST_ROOM];       /* of the flow, as its bucket has it */
	uint64_t from[FAST_ROOM];      /* MAC address 48 | 0 16 */
	uint64_t endpoint[FAST_ROOM];  /* of replies: source address 32 | source port 16 | 0 16 */
	uint32_t checksums[FAST_ROOM]; /* IP 16 | TCP or UDP 16 */
	uint16_t ip_bytes[FAST_ROOM];  /* of the packet, without padding */
	uint8_t kind[FAST_ROOM];       /* enum pkt_direction, and perhaps FAST_SPECIAL */
	/* take, or hash: */
	uint64_t hash[FAST_ROOM]; /* of the flow: its lower half names the second bucket */
	union flow_bucket *bucket[FAST_ROOM];
	/* hash: */
	const uint32_t *slot[FAST_ROOM];
	/* find: */
	uint64_t *flow[FAST_ROOM];
	uint64_t value[FAST_ROOM]; /* of flow */
	/* judge: */
	uint32_t new_checksums[FAST_ROOM];
	uint8_t way[FAST_ROOM]; /* enum fast_way */
	/* rewrite, or hash: */
	uint8_t out_port[FAST_ROOM];
};

/* The passes. */
struct fast_passes {
	/*
	 * Uses in_*. Sets strange, foreign, and frame to kind of the rest. If no service is
	 * stateless, their flows' first buckets are known then, and asked for.
	 */
	void (*take)(struct fast_view *v, struct fast_burst *f);
	/*
	 * Only if some are: rewrites and counts those in `among` that go by their slot alone, and
	 * sets their out_port; returns them. Asks for the first buckets of the others' flows.
	 */
	uint64_t (*hash)(const struct fast_view *v, struct fast_burst *f, uint64_t among);
	/* Sets flow and value of those in `among` whose bucket has the flow; returns them. */
	uint64_t (*find)(struct fast_burst *f, uint64_t among);
	/*
	 * Of those in `found`, which ones go on here: sets way and new_checksums of these, and
	 * moves their flows' age on.
	 */
	uint64_t (*judge)(struct fast_view *v, struct fast_burst *f, uint64_t found);
};

/* Those that are fastest on this CPU; simple: of those that every CPU has. Any thread. */
const struct fast_passes *fast_passes(bool simple);

/* The first word of a struct link: MAC 48 | port 8 | known 8. The second one is its VLANs. */
#define FAST_LINK_MAC	0x0000ffffffffffffull
#define FAST_LINK_KNOWN (1ull << 56)

/* Packet i in a set. */
#define FAST_BIT(i) (1ull << (i))

/* Of a flow's value: translated, or with a source address. (Those being reset are closed.) */
#define FAST_VALUE_SPECIAL ((uint64_t)FLOW_TRANSLATED << 16 | 0xffull << 40)

/* States that packets without SYN, FIN and RST leave as they are, a bit for each. */
#define FAST_STEADY \
	(1u << FLOW_ESTABLISHED | 1u << FLOW_FIN_CLIENT | 1u << FLOW_FIN_SERVER | 1u << FLOW_UDP)

#define FAST_TCP_DECIDING (PKT_FIN | PKT_SYN | PKT_RST | PKT_ACK)

/* A bit for each of these together that a segment may have: as in parse.c. */
#define FAST_TCP_FLAGS                                                                           \
	(1u << PKT_SYN | 1u << (PKT_SYN | PKT_ACK) | 1u << PKT_ACK | 1u << (PKT_FIN | PKT_ACK) | \
		1u << PKT_RST | 1u << (PKT_RST | PKT_ACK))

static inline uint64_t
fast_load64(const void *at)
{
	uint64_t word;

	memcpy(&word, at, sizeof(word));
	return word;
}

static inline uint32_t
fast_load32(const void *at)
{
	uint32_t word;

	memcpy(&word, at, sizeof(word));
	return word;
}

static inline uint16_t
fast_load16(const void *at)
{
	uint16_t word;

	memcpy(&word, at, sizeof(word));
	return word;
}

/* For the tracker's generation. port_macs: [SHUNT_MAX_PORTS]; least_mtu: of all ports. */
void fast_view_bind(struct fast_view *v, const struct tracker *tracker,
	const struct shunt_mac *port_macs, uint16_t least_mtu);
/* For a burst received on in_port. */
void fast_view_begin(struct fast_view *v, uint8_t in_port, uint16_t tick);

/* The IP header of this type, if the frame has one whole, be it behind VLAN tags; else NULL. */
const uint8_t *fast_ip_behind_tags(const uint8_t *frame, unsigned int bytes, unsigned int ethertype,
	unsigned int header_bytes);

/* Asks for the second buckets of the flows of these. */
void fast_aim_again(const struct fast_view *v, struct fast_burst *f, uint64_t of);

/* Rewrites these, for which judge has decided, and counts them. Sets out_port. */
void fast_rewrite(const struct fast_view *v, struct fast_burst *f, uint64_t these);

/*
 * Packet i, which was left, as parse, classify and flow_lookup_burst() would have it, but for
 * headroom. found: its flow is there. False: it is a strange one after all.
 */
bool fast_leave(const struct fast_view *v, const struct fast_burst *f, unsigned int i, bool found,
	uint8_t in_port, struct pkt *p);

#endif
