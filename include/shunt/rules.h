/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ACLs and rules in the service image (table.h). There may be 100,000 rules and millions of
 * prefixes, so many of them ride in one object: objects here are pieces, and their ids have no
 * meaning but their order. Together they say
 *
 *   sets of prefixes	by number; one that several pieces add to is the union
 *   ACLs		by number: piece k (its id) has those from (k - 1) * SHUNT_ACLS_A_PIECE on
 *   rules		in rows, which services name; a row's pieces follow each other, in order
 *   truth		one bit for each condition that shunt-control evaluates, which is all that
 *			changes when a server fails, or an hour begins
 *
 * Numbers of sets, rows and truth bits run from 1; 0 is none. Addresses of prefixes are in host
 * byte order (IPv4) or as on the wire (IPv6), with zeros behind their length.
 */
#ifndef SHUNT_RULES_H
#define SHUNT_RULES_H

#include "types.h"

#define SHUNT_PREFIXES_A_PIECE 32768u
#define SHUNT_ACLS_A_PIECE     4096u
#define SHUNT_RULES_A_PIECE    4096u

/* What one piece may have beside, so that it stays far below a session's area. */
#define SHUNT_MAX_PIECE_PARTS (1u << 18)

enum shunt_rule_action {
	SHUNT_RULE_ACCEPT = 0,	    /* the service's own backend */
	SHUNT_RULE_DROP = 1,	    /* silently */
	SHUNT_RULE_REJECT = 2,	    /* the sender is told: RST, or ICMP port unreachable */
	SHUNT_RULE_USE_BACKEND = 3, /* another backend than the service's own */
	SHUNT_RULE_RATE_LIMIT = 4, /* the service's own, for so many a second; others are refused */
	SHUNT_RULE_ACTION_COUNT,
};

struct shunt_prefix4 {
	uint32_t set;
	uint32_t address;
	uint8_t bits; /* 0..32 */
	uint8_t pad[3];
};

struct shunt_prefix6 {
	uint32_t set;
	uint8_t address[16];
	uint8_t bits; /* 0..128 */
	uint8_t pad[3];
};

/* Behind it: count of struct shunt_prefix4, or of struct shunt_prefix6. */
struct shunt_prefixes {
	uint32_t version; /* 4 or 6 */
	uint32_t count;	  /* 1..SHUNT_PREFIXES_A_PIECE */
};

/* What an ACL asks for: those of its kinds must all hold, and of one kind one value is enough. */
#define SHUNT_ACL_SRC	     0x01
#define SHUNT_ACL_DST	     0x02
#define SHUNT_ACL_SRC_PORT   0x04
#define SHUNT_ACL_DST_PORT   0x08
#define SHUNT_ACL_PROTOCOL   0x10
#define SHUNT_ACL_INTERFACE  0x20
#define SHUNT_ACL_PAYLOAD    0x40
#define SHUNT_ACL_TRUTH	     0x80
#define SHUNT_ACL_CONN_RATE  0x100
#define SHUNT_ACL_CONN_COUNT 0x200
#define SHUNT_ACL_KINDS	     0x3ff

#define SHUNT_ACL_TCP 1
#define SHUNT_ACL_UDP 2

/* What it has no use for is 0; with INTERFACE no bit may be set, and then it never holds. */
struct shunt_acl {
	uint32_t src_set;
	uint32_t dst_set;
	uint32_t truth;	     /* number of the bit that says what shunt-control has found */
	uint32_t ports;	     /* index into the piece's port ranges: SRC_PORT's, then DST_PORT's */
	uint32_t matches;    /* index into the piece's matches */
	uint16_t kinds;	     /* SHUNT_ACL_ bits */
	uint16_t interfaces; /* bits: the dataplane's ports */
	uint16_t src_port_count;
	uint16_t dst_port_count;
	uint16_t match_count;
	uint8_t protocols; /* SHUNT_ACL_TCP, SHUNT_ACL_UDP */
	uint8_t pad;
	/* Of the client's network: new sessions a second, and sessions; both ends are fine. */
	uint32_t rate_least, rate_greatest;
	uint32_t count_least, count_greatest;
};

struct shunt_port_range {
	uint16_t first; /* as numbers */
	uint16_t last;
};

#define SHUNT_MAX_MATCH_BYTES 32

/* Bytes of a UDP datagram's data: those under the mask are as here. */
struct shunt_match {
	uint16_t offset; /* from the UDP header's end */
	uint8_t length;	 /* 1..SHUNT_MAX_MATCH_BYTES */
	uint8_t pad;
	uint8_t bytes[SHUNT_MAX_MATCH_BYTES]; /* zero where the mask is */
	uint8_t mask[SHUNT_MAX_MATCH_BYTES];
};

/* Behind it, packed: struct shunt_match, struct shunt_acl, struct shunt_port_range. */
struct shunt_acls {
	uint32_t acl_count; /* 1..SHUNT_ACLS_A_PIECE; all of them, but in the last piece */
	uint32_t port_count;
	uint32_t match_count;
	uint32_t pad;
};

/* An ACL of a rule: its number, and whether it must not hold. */
#define SHUNT_LITERAL_NOT 0x80000000u

struct shunt_rule {
	uint64_t identity; /* control: a hash of what it says, and of its frontend */
	uint64_t base;	   /* control: what its counter had when it got it */
	uint32_t counter;  /* index of its hits (stats.h), no other rule's */
	uint32_t backend;  /* id, of SHUNT_RULE_USE_BACKEND; else 0 */
	uint32_t literals; /* index into the piece's: all must hold */
	uint16_t literal_count;
	uint8_t action; /* enum shunt_rule_action */
	uint8_t drop;	/* SHUNT_RULE_RATE_LIMIT: 1: who is beyond is not told so */
	uint32_t rate;	/* the same: new sessions a second, at most SHUNT_MAX_RATE; else 0 */
	uint32_t burst; /* tokens of a full bucket, 1..SHUNT_MAX_BURST; 0 without a rate */
};

/* Behind it, packed: struct shunt_rule, then uint32_t literals[literal_count]. */
struct shunt_rules {
	uint32_t row;	     /* of this piece, and 1 more or the same in the next one */
	uint32_t first;	     /* number in the row of the piece's first rule, from 0 */
	uint32_t rule_count; /* 1..SHUNT_RULES_A_PIECE */
	uint32_t literal_count;
};

/* Bit n of the whole, in words of 64: does what shunt-control evaluates for number n hold? */
struct shunt_truth {
	uint64_t words[SHUNT_MAX_TRUTHS / 64];
};

static inline uint64_t
shunt_prefixes_bytes(const struct shunt_prefixes *p)
{
	return sizeof(*p) +
		(uint64_t)p->count *
		(p->version == 4 ? sizeof(struct shunt_prefix4) : sizeof(struct shunt_prefix6));
}

static inline uint64_t
shunt_acls_bytes(const struct shunt_acls *a)
{
	return sizeof(*a) + (uint64_t)a->match_count * sizeof(struct shunt_match) +
		(uint64_t)a->acl_count * sizeof(struct shunt_acl) +
		(uint64_t)a->port_count * sizeof(struct shunt_port_range);
}

static inline uint64_t
shunt_rules_bytes(const struct shunt_rules *r)
{
	return sizeof(*r) + (uint64_t)r->rule_count * sizeof(struct shunt_rule) +
		(uint64_t)r->literal_count * sizeof(uint32_t);
}

/* Are the counts within their limits, so that the bytes above make sense? */
static inline bool
shunt_prefixes_count_is_good(const struct shunt_prefixes *p)
{
	return (p->version == 4 || p->version == 6) && p->count >= 1 &&
		p->count <= SHUNT_PREFIXES_A_PIECE;
}

static inline bool
shunt_acls_counts_are_good(const struct shunt_acls *a)
{
	return a->acl_count >= 1 && a->acl_count <= SHUNT_ACLS_A_PIECE &&
		a->port_count <= SHUNT_MAX_PIECE_PARTS && a->match_count <= SHUNT_MAX_PIECE_PARTS;
}

static inline bool
shunt_rules_counts_are_good(const struct shunt_rules *r)
{
	return r->rule_count >= 1 && r->rule_count <= SHUNT_RULES_A_PIECE &&
		r->literal_count <= SHUNT_MAX_PIECE_PARTS;
}

static inline bool
shunt_truth_bit(const uint64_t *words, uint32_t number)
{
	return words[number / 64] >> (number % 64) & 1;
}

static_assert(sizeof(struct shunt_prefix4) == 12, "image layout");
static_assert(sizeof(struct shunt_prefix6) == 24, "image layout");
static_assert(sizeof(struct shunt_prefixes) == 8, "image layout");
static_assert(sizeof(struct shunt_acl) == 48, "image layout");
static_assert(sizeof(struct shunt_match) == 68, "image layout");
static_assert(sizeof(struct shunt_acls) == 16, "image layout");
static_assert(sizeof(struct shunt_rule) == 40, "image layout");
static_assert(sizeof(struct shunt_rules) == 16, "image layout");
static_assert(SHUNT_MAX_PORTS <= 16, "interfaces of an ACL");
static_assert(SHUNT_MAX_RULES < SHUNT_LITERAL_NOT, "numbers of ACLs and the bit beside");

#endif
