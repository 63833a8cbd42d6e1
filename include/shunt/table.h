/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The service image: what shunt-control tells shunt-dataplane to do, as a set of objects. An
 * object is named by (kind, id) and is put or deleted whole; a set of puts and deletes between
 * BEGIN and COMMIT (session.h) makes a new generation. References are by id and may point at
 * objects put later in the same transaction: they are checked at COMMIT.
 *
 * The dataplane copies every object out of the session's memory and only then checks the copy,
 * so that what was checked cannot change. It also keeps the copies, and shows them to the next
 * control process, which adopts ids, health and admin states from them: fields marked "control"
 * mean nothing to the dataplane.
 *
 * All bytes of an object, padding included, are set (pad fields zero): objects are compared as
 * bytes to find what changed.
 */
#ifndef SHUNT_TABLE_H
#define SHUNT_TABLE_H

#include "rules.h"
#include "types.h"

enum shunt_kind {
	SHUNT_KIND_SETTINGS = 1, /* struct shunt_settings, id 1 */
	SHUNT_KIND_NEXTHOP = 2,	 /* struct shunt_nexthop */
	SHUNT_KIND_SERVER = 3,	 /* struct shunt_server */
	SHUNT_KIND_BACKEND = 4,	 /* struct shunt_backend, with its arrays */
	SHUNT_KIND_SERVICE = 5,	 /* struct shunt_service */
	SHUNT_KIND_LOCAL = 6,	 /* struct shunt_local */
	SHUNT_KIND_SOURCE = 7,	 /* struct shunt_source */
	SHUNT_KIND_LIMIT = 8,	 /* struct shunt_limit */
	/* The rest is rules.h's. */
	SHUNT_KIND_PREFIXES = 9, /* struct shunt_prefixes, with its array */
	SHUNT_KIND_ACLS = 10,	 /* struct shunt_acls, with its arrays */
	SHUNT_KIND_RULES = 11,	 /* struct shunt_rules, with its arrays */
	SHUNT_KIND_TRUTH = 12,	 /* struct shunt_truth, id 1 */
	SHUNT_KIND_END,
};

/* One past the greatest id of a kind; 0 for no such kind. */
static inline uint32_t
shunt_kind_max(uint32_t kind)
{
	static const uint32_t max[SHUNT_KIND_END] = {
		[SHUNT_KIND_SETTINGS] = 2,
		[SHUNT_KIND_NEXTHOP] = SHUNT_MAX_NEXTHOPS,
		[SHUNT_KIND_SERVER] = SHUNT_MAX_SERVERS,
		[SHUNT_KIND_BACKEND] = SHUNT_MAX_BACKENDS,
		[SHUNT_KIND_SERVICE] = SHUNT_MAX_SERVICES,
		[SHUNT_KIND_LOCAL] = SHUNT_MAX_LOCALS,
		[SHUNT_KIND_SOURCE] = SHUNT_MAX_SOURCES,
		[SHUNT_KIND_LIMIT] = SHUNT_MAX_LIMITS,
		[SHUNT_KIND_PREFIXES] = SHUNT_MAX_PIECES,
		[SHUNT_KIND_ACLS] = SHUNT_MAX_PIECES,
		[SHUNT_KIND_RULES] = SHUNT_MAX_PIECES,
		[SHUNT_KIND_TRUTH] = 2,
	};

	return kind < SHUNT_KIND_END ? max[kind] : 0;
}

struct shunt_settings {
	uint8_t hash_secret[16]; /* selection key, the same on all nodes of a cluster */
	/* control: the ids given last, so that the next process does not give freed ones again */
	uint32_t last_server;
	uint32_t last_service;
};

/* A tag that is a service tag (IEEE 802.1ad, EtherType 0x88a8), else it is 802.1Q's 0x8100. */
#define SHUNT_VLAN_S_TAG 0x8000
#define SHUNT_VLAN_ID	 0x0fff
#define SHUNT_VLAN_END	 4095 /* ids are 1 to 4094 */

/*
 * The next station on the way to servers: a neighbour on a port, and the balancer's own address for
 * what it sends there itself, which is a tunnel's outer packet. All zero: none is known; then
 * tunnels through here do not work.
 */
struct shunt_nexthop {
	uint32_t port; /* index into the dataplane's ports */
	struct shunt_mac mac;
	/* VLAN ids of frames to it, the outer first, which may be SHUNT_VLAN_S_TAG; 0: no more. */
	uint16_t vlan[2];
	uint8_t pad[2];
	struct shunt_addr source;
};

struct shunt_server {
	struct shunt_addr address;
	uint16_t port_be;     /* 0: the one that the client has sent to */
	uint8_t state;	      /* enum shunt_server_state */
	uint8_t reset_mark;   /* another one than before: the sessions it has are reset, once */
	uint32_t nexthop;     /* id; 0: not known yet, packets to it are dropped and counted */
	uint32_t backend;     /* id */
	uint8_t admin;	      /* control: enum shunt_admin_state */
	uint8_t health;	      /* control: enum shunt_health */
	uint16_t weight;      /* control: in force, 0..SHUNT_MAX_WEIGHT */
	uint16_t file_weight; /* control: in the file when weight was last taken from it or set */
	uint8_t removed;      /* 1: no longer in the file, it only has the sessions it has */
	uint8_t pad2[1];
	uint32_t probe_service; /* id: probes go through its address; 0: to the server's own */
	/* control: wall clock of the last change of state, ms since 1970; 0: not probed yet */
	uint64_t changed_ms;
	/* Since when it takes flows, ms of CLOCK_MONOTONIC; 0: since ever. For slowstart_ms. */
	uint64_t up_since_ms;
	uint32_t slowstart_ms; /* so long its share grows to what it is to be; 0: it has it at once
				*/
	uint8_t pad3[4];
	char name[SHUNT_NAME_SIZE]; /* control: within the backend, NUL-padded */
};

struct shunt_member {
	uint32_t server;  /* id */
	uint32_t weight;  /* 1..SHUNT_MAX_WEIGHT */
	uint32_t maxconn; /* sessions that it may have, over all workers; 0: any number */
};

/*
 * A backend: the servers that may take new flows now, and how one of them is picked. Behind the
 * struct stand, packed:
 *   struct shunt_member members[member_count]
 *   uint16_t slots[slot_count]		index into members, by hash: slot = (hash32 * count) >> 32
 *   uint16_t schedule[schedule_count]	index into members, in round-robin order
 * slot_count is a power of two, and not 0 if there is a member: whatever the algorithm, a packet
 * that finds no flow and is no first packet is sent by the hash. schedule_count is 0 unless the
 * algorithm is round robin.
 */
struct shunt_backend {
	uint8_t algorithm; /* enum shunt_algorithm */
	uint8_t hash_on;   /* enum shunt_hash_on */
	uint8_t forward;   /* enum shunt_forward */
	uint8_t encap;	   /* enum shunt_encap; SHUNT_TUNNEL has one, no other mode does */
	uint32_t member_count;
	uint32_t slot_count;
	uint32_t schedule_count;
	uint16_t encap_port_be; /* SHUNT_GUE: where servers listen; else 0 */
	/* SHUNT_DR, SHUNT_TUNNEL: clients' MSS is lowered to it; 0: left alone */
	uint16_t mss_clamp;
	/* A client network's next flows go to the server of its last one for so long; 0: not. */
	uint32_t persist_ms;
	uint8_t persist_prefix4; /* what a client network is: 0..32, 0..128 */
	uint8_t persist_prefix6;
	/* SHUNT_SOURCE: a server's part of all sessions, at most, in per cent of its share, more
	 * than 100; 0: any. */
	uint16_t balance_factor;
	/* The last bits of clients' addresses that the hash leaves out: 0..32, 0..128. */
	uint8_t ignored_bits4;
	uint8_t ignored_bits6;
	/* When the server that is chosen has no room: 1: the session is refused; 0: another's. */
	uint8_t reject_full;
	/* When a server is down: 1: its flows are reset, and UDP ones selected anew; 0: kept. */
	uint8_t shutdown_sessions;
	/* control: 1: its servers weigh too little, and have not come back yet */
	uint8_t quorum_lost;
	uint8_t pad[7];
	/* SHUNT_FULLNAT: ids of source addresses, of either family, ascending; then zeros. */
	uint8_t sources[SHUNT_MAX_BACKEND_SOURCES];
	char name[SHUNT_NAME_SIZE]; /* control */
};

/*
 * Where clients connect to: one port, or a range of ports. Of two services that share an address,
 * a protocol and ports, the one with the fewer ports has those (of two with as many the one that
 * begins lower); none have the very same range.
 */
struct shunt_service {
	struct shunt_addr address;
	uint16_t port_be;      /* the first */
	uint16_t last_port_be; /* the same, for a service of one port */
	uint8_t protocol;      /* enum shunt_protocol */
	uint8_t reset_idle;    /* 1: a TCP flow that times out established is reset at both ends */
	/* 1: flows are not stored, the hash says their server; SHUNT_DR, SHUNT_TUNNEL by
	 * SHUNT_SOURCE */
	uint8_t stateless;
	uint8_t syn_cookies;	 /* enum shunt_cookies; counts with SHUNT_NAT and SHUNT_FULLNAT */
	uint32_t backend;	 /* id */
	uint32_t rules;		 /* row of its rules; 0: none. Not with `stateless` */
	uint32_t timeout_syn_ms; /* each 1..SHUNT_MAX_TIMEOUT_MS */
	uint32_t timeout_established_ms;
	uint32_t timeout_fin_ms;
	uint32_t timeout_udp_ms;
	uint32_t limit; /* id: its frontend's; 0: none; never with stateless */
	/* SHUNT_COOKIES_AUTO: SYNs a second, of all workers, above which; 0: as workers measure */
	uint32_t syn_flood_rate;
	char frontend[SHUNT_NAME_SIZE]; /* control */
};

/* An address of the balancer's own kernel: packets to it are never replies of a balanced flow. */
struct shunt_local {
	struct shunt_addr address;
};

/* An address that full NAT gives to clients' packets. It is Shunt's alone. */
struct shunt_source {
	struct shunt_addr address;
};

/*
 * How many sessions a frontend, all its services and workers together, and each client network of
 * it may have, and how many new ones a second: a token bucket each. 0 is no limit. Networks are
 * told apart by the first bits of the address; both prefixes are 0 where they are not counted. They
 * may be counted without a limit.
 */
struct shunt_limit {
	uint32_t maxconn; /* sessions, at most SHUNT_MAX_MAXCONN */
	uint32_t rate;	  /* a second, at most SHUNT_MAX_RATE */
	uint32_t burst;	  /* tokens of a full bucket, 1..SHUNT_MAX_BURST; 0 without a rate */
	uint32_t source_maxconn;
	uint32_t source_rate;
	uint32_t source_burst;
	uint8_t source_prefix;	  /* SHUNT_MIN_PREFIX..32 */
	uint8_t source_prefix_v6; /* SHUNT_MIN_PREFIX_V6..128 */
	uint8_t drop;		  /* 1: who is refused is not told so */
	uint8_t pad;
	char frontend[SHUNT_NAME_SIZE]; /* control: whose they are */
};

static inline uint64_t
shunt_backend_bytes(const struct shunt_backend *b)
{
	return sizeof(*b) + (uint64_t)b->member_count * sizeof(struct shunt_member) +
		((uint64_t)b->slot_count + b->schedule_count) * sizeof(uint16_t);
}

#define SHUNT_MAX_OBJECT_BYTES                                                            \
	(sizeof(struct shunt_backend) + SHUNT_MAX_SERVERS * sizeof(struct shunt_member) + \
		(SHUNT_MAX_SLOTS + SHUNT_MAX_SCHEDULE) * sizeof(uint16_t))

static_assert(sizeof(struct shunt_settings) == 24, "image layout");
static_assert(sizeof(struct shunt_nexthop) == 32, "image layout");
static_assert(sizeof(struct shunt_server) == 128, "image layout");
static_assert(sizeof(struct shunt_member) == 12, "image layout");
static_assert(sizeof(struct shunt_backend) == 120, "image layout");
static_assert(sizeof(struct shunt_limit) == 92, "image layout");
static_assert(sizeof(struct shunt_service) == 120, "image layout");
static_assert(sizeof(struct shunt_local) == 16, "image layout");
static_assert(sizeof(struct shunt_source) == 16, "image layout");
static_assert(SHUNT_MAX_SOURCES <= UINT8_MAX + 1, "ids of sources fit a backend's");

#endif
