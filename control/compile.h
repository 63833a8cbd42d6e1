/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * State to image. The image depends on the state alone (and on the ids once given), so that the
 * same state always gives the same bytes.
 */
#ifndef CONTROL_COMPILE_H
#define CONTROL_COMPILE_H

#include "image.h"

struct control;
struct compiler; /* ids given so far, selection tables kept for backends that did not change */

struct compiler *compiler_create(void);
void compiler_destroy(struct compiler *compiler);

/*
 * Takes over what a running dataplane has: ids by identity (so that flows stay with their
 * servers), and for each server its health, admin state and weight (server_adopt()). The way to a
 * server is kept too, until the kernel has been asked and knows one: a restart of control must not
 * take a server's next hop away. 0 or -ENOMEM.
 */
int compiler_adopt(struct compiler *compiler, struct control *control, const struct image *running);

/* Another dataplane than the one adopted from: its ports may be others, so no way is kept. */
void compiler_forget_ways(struct compiler *compiler);

/*
 * Fills an empty image, and the ids in the state. 0, -ENOMEM, or -ENOSPC (logged) if more ids are
 * needed than there are.
 */
int compiler_compile(struct compiler *compiler, struct control *control, struct image *image);

/*
 * The same for an image, of an earlier state, from which this one differs in no more than servers
 * marked as changed, and in what holds of ACLs: what takes a moment, however many there are. 0,
 * -ENOMEM, or -ENOENT if the image cannot be of such a state.
 */
int compiler_update(struct compiler *compiler, struct control *control, struct image *image);
/* Takes the marks off. */
void compiler_unmark(struct control *control);

/* Memory of selection tables. */
uint64_t compiler_table_bytes(const struct compiler *compiler);

#endif
