/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One transaction of a session, from the difference of two images to its last message sent. For
 * publish.c alone.
 */
#ifndef CONTROL_TRANSACTION_H
#define CONTROL_TRANSACTION_H

#include "image.h"

struct compiler;
struct control;
struct session_client;
struct transaction_item;

struct transaction {
	struct image *image; /* what runs if it succeeds; NULL: none is under way */
	uint64_t base;	     /* generation it starts from */
	uint64_t generation; /* and makes */
	uint64_t changes;    /* number of the last change that is in it */
	uint64_t started_ms;
	struct transaction_item *items;
	size_t count;
	size_t room;
	size_t sent; /* messages: BEGIN, the items, COMMIT */
};

/* Takes the image over, and finds how it differs from what runs (NULL: nothing). 0 or -ENOMEM. */
int transaction_prepare(struct transaction *t, const struct image *running, struct image *image);
/*
 * The same with the image of the state. all: more may differ than the servers marked as changed;
 * the marks are taken off. 0, -ENOMEM or -ENOSPC.
 */
int transaction_compile(struct transaction *t, const struct image *running,
	struct compiler *compiler, struct control *control, bool all);
/* Frees what there is: the image too, unless the caller has taken it away. */
void transaction_clear(struct transaction *t);

/* Sends what fits. 0: all is sent; -ENOBUFS: to be called again. */
int transaction_send(struct transaction *t, struct session_client *client);
bool transaction_is_sent(const struct transaction *t);

/* What an operator would call an object of the transaction. */
void transaction_describe(
	const struct transaction *t, uint32_t kind, uint32_t id, char *text, size_t size);

#endif
