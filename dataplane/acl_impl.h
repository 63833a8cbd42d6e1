/* SPDX-License-Identifier: BSD-3-Clause */
/* The inside of struct acl, for acl.c and acl_*.c alone. */
#ifndef DATAPLANE_ACL_IMPL_H
#define DATAPLANE_ACL_IMPL_H

#include "acl.h"

/* Nodes that an address can be in: a prefix of each length. */
#define ACL_MAX_DEPTH 129

/* Which address of a packet a rule is found by. */
enum acl_role {
	ACL_BY_SOURCE,
	ACL_BY_DESTINATION,
	ACL_ROLES,
};

/* A row of lists: list i is values[starts[i]] up to before values[starts[i + 1]]. */
struct acl_lists {
	uint32_t *starts;
	uint32_t *values;
	uint32_t count; /* lists */
	uint32_t total; /* values */
};

#define ACL_ONE 0x80000000u

/* A prefix that some set has. */
struct acl_node {
	uint32_t parent; /* the longest other prefix that it lies in; 0: none */
	uint32_t group;	 /* index of the list of its sets; or ACL_ONE and the one that it is of */
};

struct acl_address {
	uint64_t high; /* 0 for IPv4 */
	uint64_t low;
};

/*
 * The prefixes of one family. Their ends cut all addresses into intervals; those of one have the
 * same longest prefix. An interval begins where the one before it ends.
 */
struct acl_tree {
	uint32_t interval_count; /* 0: there are no prefixes */
	uint32_t *starts4;	 /* IPv4: the first addresses of intervals, ascending; 0 first */
	struct acl_address *starts6; /* IPv6 */
	uint32_t *interval_nodes;    /* 0: no prefix */
	uint32_t *by_block;	     /* IPv4, [2^16 + 1]: the intervals that begin below a.b.0.0 */
	struct acl_node *nodes;	     /* [0] is none */
	uint32_t node_count;
};

/* What is read of each rule that is looked at. */
struct acl_rule {
	uint32_t literals; /* index into the array of all pieces */
	uint32_t first;	   /* the first of them, for most have no other */
	uint16_t literal_count;
	uint8_t action;
	uint8_t drop;
};

/* And of the one that decides. */
struct acl_result {
	uint32_t counter;
	uint32_t target; /* by action: backend's id, or index into rates */
};

/* What a rule lets in. */
struct acl_rate {
	struct gcra gcra;
	uint32_t rate;
	uint32_t burst;
};

struct acl {
	uint32_t references;		   /* agent only */
	struct acl_tree trees[2];	   /* IPv4, IPv6 */
	struct acl_lists groups;	   /* ascending numbers of sets; list 0 is empty */
	struct acl_lists rules[ACL_ROLES]; /* by set: the rules that are found by it, ascending */
	struct acl_lists others; /* by row: the rules that are not found by an address, ascending */
	uint32_t *backend_starts; /* [row_count + 2], by row: into backends; [0] is not used */
	uint16_t *backends;	  /* what rows lead to, ascending in each */
	uint32_t *rows; /* [row_count + 2]: the first rule of each, by row; [0] is not used */
	uint32_t row_count;
	struct acl_rule *rule;
	struct acl_result *result; /* [rule_count] */
	uint32_t rule_count;
	uint32_t *literals;
	uint32_t literal_count;
	struct acl_rate *rates;
	uint32_t rate_count;
	struct shunt_acl *acls;
	uint32_t acl_count;
	bool asks_source; /* conn_rate or conn_count */
	struct shunt_port_range *ports;
	uint32_t port_count;
	struct shunt_match *matches;
	uint32_t match_count;
	bool asks[ACL_ROLES]; /* some ACL asks for the address: else it need not be looked up */
	uint64_t bytes;
};

/* A prefix as its tree is built of it. */
struct acl_prefix {
	struct acl_address address;
	uint32_t set;
	uint32_t bits;
};

/* Memory of the packet core's, counted; count 0 gets some too. NULL: none. */
void *acl_alloc(struct acl *acl, uint64_t count, size_t size);

/*
 * acl_tree.c. Fills the family's tree; appends to groups, which has room for as many lists and
 * values as there are prefixes. Sorts the prefixes. 0, -ENOMEM.
 */
int
acl_tree_build(struct acl *acl, unsigned int family, struct acl_prefix *prefixes, uint32_t count);

/* The node of the longest prefix that the address lies in; 0: in none. */
uint32_t acl_tree_find(const struct acl_tree *tree, const uint8_t *address, uint8_t version);

/* acl_index.c. Makes the lists by which rules are found, of all else. 0, -ENOMEM. */
int acl_index_build(struct acl *acl, const uint32_t *set_sizes, uint32_t set_end);

#endif
