/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sets of prefixes, as ACLs name them: read from strings and from files, sorted, without those that
 * lie in others of the set, and each set once however many ACLs have it. A set never changes.
 */
#ifndef CONTROL_PREFIXES_H
#define CONTROL_PREFIXES_H

#include <stddef.h>

#include "shunt/types.h"

/* A file of prefixes: a million of IPv6, written out, are 44 MB. */
#define PREFIXES_FILE_MAX_BYTES (256u << 20)

struct prefix6 {
	uint8_t address[16];
	uint8_t bits;
};

struct prefix_set {
	uint64_t *v4; /* address (a number) * 256 + bits; ascending, as those of IPv6 */
	size_t v4_count;
	struct prefix6 *v6;
	size_t v6_count;
	uint64_t hash;
	uint32_t number; /* of the image's sets, from 1; of one that is kept */
};

/* What is being read: zeroed, then added to. */
struct prefix_list {
	struct prefix_set set; /* in no order */
	size_t v4_room;
	size_t v6_room;
};

/*
 * Adds "192.0.2.0/24", "2001:db8::/32", or an address. NULL, or what is wrong: text that goes
 * behind a place and a colon.
 */
const char *prefix_list_add(struct prefix_list *list, const char *text, size_t length);

/*
 * Adds a file's prefixes, one a line; what stands behind # or ; is left out. NULL, or what is
 * wrong, in `problem`.
 */
const char *
prefix_list_add_file(struct prefix_list *list, const char *path, char *problem, size_t size);

void prefix_list_clear(struct prefix_list *list);

/* All sets of a configuration. */
struct prefix_sets {
	struct prefix_set **sets; /* [count], by number - 1 */
	size_t count;
	size_t room;
	uint32_t *table; /* numbers by hash; 0: none */
	size_t mask;
	size_t prefix_count; /* of all */
};

/* The set of what the list holds, which is empty from then on. NULL: out of memory. */
struct prefix_set *prefix_sets_keep(struct prefix_sets *sets, struct prefix_list *list);
void prefix_sets_clear(struct prefix_sets *sets);

bool prefix_set_has(const struct prefix_set *set, const struct shunt_addr *address);

#endif
