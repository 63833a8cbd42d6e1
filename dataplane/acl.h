/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ACLs and rules (shunt/rules.h) as workers use them: which rule of a row is the first that holds
 * for a packet? Asked once for each flow, never for a packet of one that is established.
 *
 * A rule that names source or destination prefixes is found by the address: the tree of all
 * prefixes says in which of them the address lies (there are few, one within the other), these
 * which sets they are of, and the sets which rules ask for them. Rules without prefixes (or that
 * ask for an address outside of some) are looked at one after the other. The least number that
 * holds wins. Memory is linear in what the image says, whatever overlaps what: tables of classes
 * and their products (Gupta and McKeown, "Packet classification on multiple fields", 1999) look an
 * address up faster, and grow beyond bounds with prefixes that overlap. librte_acl cannot negate.
 */
#ifndef DATAPLANE_ACL_H
#define DATAPLANE_ACL_H

#include <stddef.h>

#include "gcra.h"
#include "shunt/table.h"

struct object_store; /* objects.h */
struct acl;

#define ACL_NO_RULE UINT32_MAX

/* What a packet has that can be asked for. */
struct acl_packet {
	const uint8_t *source; /* 4 or 16 bytes */
	const uint8_t *destination;
	const uint8_t *payload; /* of UDP: behind its header; NULL: none */
	uint32_t payload_bytes;
	uint16_t source_port; /* as numbers */
	uint16_t destination_port;
	uint8_t version;
	uint8_t protocol; /* SHUNT_TCP, SHUNT_UDP */
	uint8_t port;	  /* of the dataplane, that it has come in by */
	/* If acl_asks_source(): of the client's network, sessions and new ones a second. */
	uint32_t conn_rate;
	uint32_t conn_count;
};

/* What the first rule that holds says. */
struct acl_verdict {
	uint8_t action;	  /* enum shunt_rule_action */
	uint16_t backend; /* id, of SHUNT_RULE_USE_BACKEND */
	uint32_t counter; /* of its hits; ACL_NO_RULE: none holds, and the action is to accept */
	/* Of SHUNT_RULE_RATE_LIMIT: */
	const struct gcra *rate;
	bool drop; /* who is beyond is not told */
};

/* What makes pieces wrong, for people. */
struct acl_error {
	uint32_t kind;
	uint32_t id;
	const char *text; /* static */
};

/*
 * Builds it out of the objects' pieces, and checks what they say of each other; backends are for
 * the caller to check, by acl_row_backends(). *out stays NULL if there are no rules. 0, -ENOMEM, or
 * -EINVAL with *error set. Agent.
 */
int acl_create(const struct object_store *objects, struct acl **out, struct acl_error *error);
/* Does an ACL ask for conn_rate or conn_count? Of NULL, no. Any thread. */
bool acl_asks_source(const struct acl *acl);
/* Has a rule a rate? */
bool acl_has_rates(const struct acl *acl);
/* The clock that rates are counted in, which is not known to the objects. Agent, once. */
void acl_set_clock(struct acl *acl, uint64_t hz);
/* One reference more, and one less; NULL is fine. Agent. */
struct acl *acl_hold(struct acl *acl);
void acl_destroy(struct acl *acl);
uint64_t acl_bytes(const struct acl *acl); /* of memory; of NULL 0 */

uint32_t acl_row_count(const struct acl *acl); /* rows are 1 up to this; of NULL 0 */
/* The backends that a row's rules lead to, ascending; *count of them. Agent and worker. */
const uint16_t *acl_row_backends(const struct acl *acl, uint32_t row, uint32_t *count);
/* Is this one of them? */
bool acl_leads(const struct acl *acl, uint32_t row, uint16_t backend);

/* truth: the words of struct shunt_truth. Worker. */
struct acl_verdict acl_judge(const struct acl *acl, const uint64_t *truth, uint32_t row,
	const struct acl_packet *packet);

#endif
