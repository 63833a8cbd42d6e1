/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The counters: one memfd, written by the workers (each its own part) and read by anyone who has
 * the descriptor; readers never disturb writers. All counters only grow, except those said to be
 * a level. A reader may see counters of one packet half updated, never a torn 64-bit value.
 *
 *   struct shunt_stats						header
 *   struct shunt_worker_stats	workers[worker_count]		at workers_offset
 *   struct shunt_service_stats services[SHUNT_MAX_SERVICES]	per worker, at services_offset
 *   struct shunt_server_stats	servers[SHUNT_MAX_SERVERS]	per worker, at servers_offset
 *   uint64_t			hits[SHUNT_MAX_RULES]		per worker, at hits_offset
 */
#ifndef SHUNT_STATS_H
#define SHUNT_STATS_H

#include <stddef.h>

#include "types.h"

#define SHUNT_STATS_MAGIC 0x53485354u /* "SHST" */

/*
 * Why a packet was not forwarded. X(identifier, text): the text is what `show drops` prints, the
 * explanation what its table says beside it.
 */
#define SHUNT_DROPS(X)                                                                             \
	X(SHORT_FRAME, "short-frame", "frame shorter than its headers")                            \
	X(NOT_IP, "not-ip", "neither IPv4 nor IPv6")                                               \
	X(VLAN, "vlan", "frame of another VLAN than the port's")                                   \
	X(VLAN_TAGS, "vlan-tags", "more than two VLAN tags, or a reserved one (0x9100, id 4095)")  \
	X(IP_VERSION, "ip-version", "version field does not match the EtherType")                  \
	X(IP_HEADER, "ip-header", "IPv4 header length below 20 bytes or beyond the frame")         \
	X(IP_LENGTH, "ip-length", "IP total length below the headers or beyond the frame")         \
	X(IP_CHECKSUM, "ip-checksum", "bad IPv4 header checksum")                                  \
	X(IP_OPTIONS, "ip-options", "IPv4 source-route option, or options that cannot be read")    \
	X(IP_SOURCE, "ip-source", "loopback, multicast, mapped or unspecified source address")     \
	X(LAND, "land", "source and destination are the same")                                     \
	X(IP6_EXTENSIONS, "ip6-extensions", "IPv6 extension headers past limits or misplaced")     \
	X(FRAGMENT, "fragment", "IP fragment that is empty or of an impossible length")            \
	X(FRAGMENT_TINY, "fragment-tiny", "first fragment without a whole TCP or UDP header")      \
	X(FRAGMENT_TOO_LONG, "fragment-too-long", "IP fragment that ends beyond 65535 bytes")      \
	X(FRAGMENT_OVERLAP, "fragment-overlap", "IP fragment that overlaps the first one")         \
	X(FRAGMENT_DUPLICATE, "fragment-duplicate", "second first fragment, with other ports")     \
	X(FRAGMENT_NO_FIRST, "fragment-no-first", "IP fragment whose first one has not come")      \
	X(FRAGMENT_FULL, "fragment-full", "no room for IP fragments that wait for the first")      \
	X(TTL, "ttl", "TTL or hop limit used up")                                                  \
	X(PROTOCOL, "protocol", "neither TCP nor UDP, nor an ICMP error about either")             \
	X(L4_HEADER, "l4-header", "TCP or UDP header cut short or with a bad length")              \
	X(UDP_CHECKSUM, "udp-checksum", "UDP without the checksum that IPv6 demands")              \
	X(TCP_FLAGS, "tcp-flags", "impossible TCP flags")                                          \
	X(ICMP_CHECKSUM, "icmp-checksum", "ICMP error with a bad checksum")                        \
	X(ICMP_TYPE, "icmp-type", "ICMP error that the other IP family has no equal of")           \
	X(ICMP_INNER, "icmp-inner",                                                                \
		"ICMP error whose quoted packet is cut short or not its receiver's")               \
	X(ICMP_TUNNEL, "icmp-tunnel",                                                              \
		"ICMP error about a tunnel to a server: noted, not passed on")                     \
	X(NO_SERVICE, "no-service", "no service and no server has this address and port")          \
	X(NO_FLOW, "no-flow", "reply, end of a connection or ICMP error of no flow")               \
	X(NO_SERVER, "no-server", "the backend has no server for a new flow")                      \
	X(REFUSED, "refused", "refused by a rule; its sender is told")                             \
	X(RULE, "rule", "dropped by a rule")                                                       \
	X(MAXCONN, "maxconn", "no server has room for one more session; its sender is told")       \
	X(RATE_LIMIT, "rate-limit", "more new sessions a second than the frontend may have")       \
	X(FRONTEND_MAXCONN, "frontend-maxconn", "the frontend has its maxconn of sessions")        \
	X(SOURCE_RATE, "source-rate",                                                              \
		"more new sessions a second than a client's network may have")                     \
	X(SOURCE_MAXCONN, "source-maxconn", "the client's network has as many sessions as it may") \
	X(RESET, "reset", "segment of a session that is reset; its sender is told by an RST")      \
	X(SYN_COOKIE, "syn-cookie", "SYN answered with a SYN cookie, nothing kept of it")          \
	X(COOKIE_WAIT, "cookie-wait",                                                              \
		"segment of a SYN cookie's flow before its server has answered: sent again")       \
	X(TCP_ANSWER, "tcp-answer", "RST in answer to a challenge of Shunt's own")                 \
	X(NO_NEIGHBOR, "no-neighbor", "the server's (or the client's) MAC address is not known")   \
	X(CLIENT_PORT, "client-port",                                                              \
		"client's port is taken at the server, and no other is free")                      \
	X(HANDOVER_FULL, "handover-full", "ring to the worker that owns the flow is full")         \
	X(HEADROOM, "headroom", "no room in the packet's buffer for VLAN tags")                    \
	X(TX_FULL, "tx-full", "the port did not take the packet")                                  \
	X(NO_SOURCE_PORT, "no-source-port", "full NAT: no source port is free for a new flow")     \
	X(FLOW_TABLE_FULL, "flow-table-full",                                                      \
		"no room in the flow table for a flow that needs it")                              \
	X(HALF_OPEN, "half-open", "SYN beyond half-open-max, of a flow that needs an entry")       \
	X(TOO_BIG, "too-big", "larger than the port's MTU, with the tunnel's header if any")       \
	X(LOCAL, "local", "from a server to the balancer itself, on a port without kernel twin")   \
	X(PUNT_LIMITED, "punt-limited", "for the kernel, but more than punt-rate allows")          \
	X(PUNT_FULL, "punt-full", "for the kernel, but too long, or the ring to the twin is full")

enum shunt_drop {
	SHUNT_DROP_NONE = 0,
#define SHUNT_DROP_ENUM(name, text, explanation) SHUNT_DROP_##name,
	SHUNT_DROPS(SHUNT_DROP_ENUM)
#undef SHUNT_DROP_ENUM
	SHUNT_DROP_COUNT,
};

/* Texts by enum shunt_drop; "" for one out of range. */
static inline const char *
shunt_drop_name(unsigned int drop)
{
	static const char *const names[SHUNT_DROP_COUNT] = {
#define SHUNT_DROP_NAME(name, text, explanation) [SHUNT_DROP_##name] = text,
		SHUNT_DROPS(SHUNT_DROP_NAME)
#undef SHUNT_DROP_NAME
	};

	return drop > 0 && drop < SHUNT_DROP_COUNT ? names[drop] : "";
}

static inline const char *
shunt_drop_explanation(unsigned int drop)
{
	static const char *const texts[SHUNT_DROP_COUNT] = {
#define SHUNT_DROP_TEXT(name, text, explanation) [SHUNT_DROP_##name] = explanation,
		SHUNT_DROPS(SHUNT_DROP_TEXT)
#undef SHUNT_DROP_TEXT
	};

	return drop > 0 && drop < SHUNT_DROP_COUNT ? texts[drop] : "";
}

struct shunt_stats {
	uint32_t magic;
	uint32_t version; /* SHUNT_SESSION_VERSION */
	uint32_t worker_count;
	uint32_t pid;
	uint64_t started_ms; /* wall clock, ms since 1970 */
	uint64_t workers_offset;
	uint64_t services_offset; /* of worker 0; the next worker's part follows */
	uint64_t servers_offset;
	uint64_t generation; /* acknowledged by all workers; agent: wo */
	uint32_t probe_via;  /* 1: probes through services are carried; agent: wo */
	uint8_t pad[4];
	/* Memory of the running generation, bytes; agent: wo. While it changes there are two. */
	uint64_t table_bytes;	/* backends: members, selection tables, schedules */
	uint64_t service_bytes; /* services, and what finds them and the servers by address */
	uint64_t server_bytes;
	uint64_t hits_offset; /* of rules: flows that each has decided, by its counter */
	uint64_t rule_bytes;  /* ACLs, rules, and what finds them by address */
	uint64_t pad2[3];
};

/* Written by the worker alone. */
struct shunt_worker_stats {
	uint64_t generation; /* the ack: the worker uses nothing older */
	uint64_t pad[7];
	uint32_t lcore;
	uint32_t flows_max;
	uint64_t flows; /* level */
	uint64_t rx_packets;
	uint64_t rx_bytes;
	uint64_t tx_packets;
	uint64_t tx_bytes;
	uint64_t handed_over; /* packets given to the worker that owns their flow */
	uint64_t flows_created;
	uint64_t flows_expired;
	uint64_t untracked; /* packets forwarded by the hash alone: no room, or FIN or RST of no
			       flow */
	uint64_t loops;	    /* turns of the loop; all and those that found nothing to do */
	uint64_t idle_loops;
	uint64_t sleeps;
	uint64_t icmp_sent;	  /* ICMP errors made here; counted as sent packets too */
	uint64_t source_ports;	  /* level: in use by full NAT */
	uint64_t tx_handed_over;  /* packets given to the worker that owns the port's queue */
	uint64_t tcp_challenges;  /* ACKs made here to make a host speak; counted as sent too */
	uint64_t tcp_resets;	  /* RSTs made here; counted as sent packets too */
	uint64_t flows_reset;	  /* flows that Shunt has reset of its own accord */
	uint64_t punted;	  /* packets given to the kernel twin */
	uint64_t injected;	  /* packets sent that came from it; counted as sent packets too */
	uint64_t exceptions;	  /* flows of stateless services that were stored nevertheless */
	uint64_t sources_evicted; /* client networks whose counts made room for another's */
	uint64_t flow_v4_bytes;	  /* level: memory of the flow table, its IPv4 part */
	uint64_t flow_v6_bytes;	  /* the other part */
	uint64_t
		source_port_bytes; /* level: memory of full NAT's source ports; 0: there are none */
	uint64_t half_open;	   /* level: flows whose handshake is not over */
	uint64_t half_open_max;	   /* level: what SYNs may make of them */
	uint64_t syn_cookies_sent; /* SYNs answered with one; counted as sent packets too */
	uint64_t syn_cookies_accepted; /* flows begun by one that has come back */
	uint64_t cookie_flows;	       /* level: of those, in the table */
	uint64_t cookie_flow_bytes; /* level: memory of what is known of them; 0: there is none */
	uint64_t half_open_over;    /* SYNs that have made no flow because there were as many */
	uint64_t drops[SHUNT_DROP_COUNT];
} __attribute__((aligned(SHUNT_CACHE_LINE)));

/* "in": from the client; "out": to the client. Bytes are IP bytes. */
struct shunt_service_stats {
	uint64_t sessions; /* level */
	uint64_t sessions_total;
	uint64_t in_packets;
	uint64_t in_bytes;
	uint64_t out_packets;
	uint64_t out_bytes;
	uint64_t refused; /* new sessions, by a limit */
	uint64_t pad[1];
};

struct shunt_server_stats {
	uint64_t sessions; /* level */
	uint64_t sessions_total;
	uint64_t in_packets;
	uint64_t in_bytes;
	uint64_t out_packets;
	uint64_t out_bytes;
	/* TCP flows begun by a SYN, each counted once at most, when that is known of it: */
	uint64_t syn_unanswered; /* sent again, or expired, and nothing had come back */
	uint64_t syn_refused;	 /* the server has answered with an RST */
};

static_assert(sizeof(struct shunt_stats) == 128, "memory layout");
static_assert(offsetof(struct shunt_worker_stats, lcore) == SHUNT_CACHE_LINE,
	"the ack has a cache line of its own");
static_assert(sizeof(struct shunt_worker_stats) % SHUNT_CACHE_LINE == 0, "no shared lines");
static_assert(sizeof(struct shunt_service_stats) == SHUNT_CACHE_LINE, "one line an object");
static_assert(sizeof(struct shunt_server_stats) == SHUNT_CACHE_LINE, "one line an object");

/* Bytes of the whole memory for a number of workers. */
static inline uint64_t
shunt_stats_bytes(uint32_t workers)
{
	return sizeof(struct shunt_stats) +
		workers *
		(sizeof(struct shunt_worker_stats) +
			SHUNT_MAX_SERVICES * sizeof(struct shunt_service_stats) +
			(uint64_t)SHUNT_MAX_SERVERS * sizeof(struct shunt_server_stats) +
			SHUNT_MAX_RULES * sizeof(uint64_t));
}

static inline struct shunt_worker_stats *
shunt_stats_worker(const struct shunt_stats *s, uint32_t worker)
{
	return (struct shunt_worker_stats *)((uintptr_t)s + s->workers_offset) + worker;
}

static inline struct shunt_service_stats *
shunt_stats_services(const struct shunt_stats *s, uint32_t worker)
{
	return (struct shunt_service_stats *)((uintptr_t)s + s->services_offset) +
		(uint64_t)worker * SHUNT_MAX_SERVICES;
}

static inline struct shunt_server_stats *
shunt_stats_servers(const struct shunt_stats *s, uint32_t worker)
{
	return (struct shunt_server_stats *)((uintptr_t)s + s->servers_offset) +
		(uint64_t)worker * SHUNT_MAX_SERVERS;
}

static inline uint64_t *
shunt_stats_hits(const struct shunt_stats *s, uint32_t worker)
{
	return (uint64_t *)((uintptr_t)s + s->hits_offset) + (uint64_t)worker * SHUNT_MAX_RULES;
}

#endif
