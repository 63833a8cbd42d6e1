/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control side of a session (shunt/session.h): connects to the dataplane and reconnects for
 * ever, adopts what runs at the first connection, sends differences as transactions, one at a
 * time, and knows what the workers have acknowledged.
 */
#ifndef CONTROL_PUBLISH_H
#define CONTROL_PUBLISH_H

#include "shunt/session.h"
#include "shunt/stats.h"
#include "loop.h"

struct control;
struct image; /* image.h */
struct server;
struct publish;
struct waiters; /* publish_wait.h */

/*
 * NULL with errno set. Sets control->publish. If a dataplane answers within half a second it is
 * connected, and adopted, on return; the state is to be there already. Else the loop goes on
 * trying.
 */
struct publish *publish_create(struct control *control);
void publish_destroy(struct publish *publish); /* waiters are not called any more */

/*
 * A newer control process has taken over. Two would undo each other's changes, and the newer is
 * what an operator wants, so this one has stopped its loop; what is on the interfaces is the newer
 * one's to look after.
 */
bool publish_fenced(const struct publish *publish);

/*
 * The state has changed: compile and send what differs. At once, when the loop has done what this
 * turn has brought, unless a change was sent in the last 20 ms: then with all others after that.
 */
void publish_schedule(struct publish *publish);
/* The same if no more has changed than health, admin state, weight or sessions of one server. */
void publish_schedule_server(struct publish *publish, struct server *server);

/* The same if no more has changed than what holds of ACLs (rules.h). */
void publish_schedule_truth(struct publish *publish);

bool publish_connected(const struct publish *publish);
uint64_t publish_generation(const struct publish *publish); /* last acknowledged by all workers */
const struct shunt_stats *publish_stats(const struct publish *publish); /* NULL: not connected */
/* The image all workers acknowledged last; NULL before the first. Valid until the loop turns. */
const struct image *publish_image(const struct publish *publish);
uint64_t publish_table_bytes(const struct publish *publish); /* memory for selection tables */
/* The dataplane's ports as told in the last session. 0 before the first. */
uint32_t publish_ports(const struct publish *publish, const struct shunt_port_info **ports);

/*
 * Runs done() when everything changed before this call is acknowledged by all workers (at once
 * if nothing is under way). result: 0; -ETIMEDOUT after timeout_ms, then worker is the first that
 * has not acknowledged, or -1; -ENOTCONN if there is no dataplane; or the dataplane's refusal.
 */
struct publish_waiter {
	struct waiters *waiters;
	struct publish_waiter *next;
	uint64_t ticket;
	struct loop_timer timer;
	void (*done)(struct publish_waiter *waiter, int result, int worker);
};
/* 0 (done() may have run already), or -ENOMEM: done() will not be called. */
int publish_wait(struct publish *publish, struct publish_waiter *waiter, uint32_t timeout_ms);
void publish_wait_cancel(struct publish *publish, struct publish_waiter *waiter);

/*
 * Asks for a flow's server. One question at a time: -EBUSY, also while the answer to a cancelled
 * one is still to come. -ENOTCONN. done(): id, 0 for none, or -errno.
 */
int publish_flow_query(struct publish *publish, const struct shunt_flow_query *query,
	void (*done)(void *context, int server), void *context);
/* While done() runs: why a limit would refuse a new flow like that now; 0: none would. */
uint32_t publish_flow_refusal(const struct publish *publish);

/*
 * Asks for the `max` client networks nearest to their limits; the same for the rest. done():
 * how many there are, or -errno; while it runs they are publish_sources().
 */
int publish_sources_query(struct publish *publish, uint32_t max,
	void (*done)(void *context, int count), void *context);
const struct shunt_source_row *publish_sources(const struct publish *publish);

/* Of either. */
void publish_flow_query_cancel(struct publish *publish, void *context);

#endif
