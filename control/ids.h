/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ids for identities: the same identity (a key of fixed size) always gets the same id. An id that
 * is no longer used is given to another identity only when all others have been used, since flows
 * in the dataplane may name it for some time; until then its old owner gets it back on return.
 *
 * Uses are counted by rounds: an id is in use if its identity was found or given in this round.
 */
#ifndef CONTROL_IDS_H
#define CONTROL_IDS_H

#include <stddef.h>
#include <stdint.h>

struct ids;

/* Ids from 1 to end - 1; keys of key_bytes, padding included. NULL: out of memory. */
struct ids *ids_create(uint32_t end, size_t key_bytes);
void ids_destroy(struct ids *ids);

/* Starts a round: nothing is in use. */
void ids_begin(struct ids *ids);

/* The id this identity has, now in use, or 0. To be called for all before ids_get() for any. */
uint32_t ids_find(struct ids *ids, const void *key);

/* The id this identity has or is given now, in use; 0: there are no more. */
uint32_t ids_get(struct ids *ids, const void *key);

/* Gives an identity the id it has had elsewhere. 0, or -EEXIST if either has a partner already. */
int ids_adopt(struct ids *ids, const void *key, uint32_t id);

/*
 * The id given last, behind which the search for an unused one begins. It has to outlive a process:
 * by those that are in use alone, the next one could be an id that was freed a moment ago. A value
 * that is no id changes nothing.
 */
uint32_t ids_last(const struct ids *ids);
void ids_continue(struct ids *ids, uint32_t last);

#endif
