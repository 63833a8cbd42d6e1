/* SPDX-License-Identifier: BSD-3-Clause */
/* The state of publish.c, which publish_ask.c answers from; nobody else needs it. */
#ifndef CONTROL_PUBLISH_IMPL_H
#define CONTROL_PUBLISH_IMPL_H

#include "publish.h"
#include "publish_wait.h"
#include "session_client.h"
#include "transaction.h"

struct query {
	struct shunt_flow_query query;
	uint32_t rows; /* not 0: it asks for so many client networks, and not for a flow */
	bool busy;     /* no answer yet */
	bool sent;
	void (*done)(void *context, int server); /* NULL: cancelled */
	void *context;
};

struct publish {
	struct control *control;
	struct compiler *compiler;
	struct session_client *client; /* NULL: no socket */
	bool connected;		       /* the hello was good */
	bool fenced;
	bool adopted; /* or there was nothing to adopt: no more of it in this process's life */
	char problem[SESSION_PROBLEM_SIZE]; /* why there is no session, as last logged */
	uint64_t reconnect_ms;
	struct loop_watch watch;
	struct loop_timer connect_timer; /* for the next attempt, or for the hello to come */
	struct loop_timer change_timer;
	struct loop_timer ring_timer;
	uint64_t published_ms; /* when it was last done */
	bool all_changed;      /* or only the servers that are marked so */
	uint64_t changes;      /* so far */
	uint64_t settled;      /* of these: acknowledged, or refused as settled_result says */
	int settled_result;
	struct image *running; /* NULL: nothing known */
	uint64_t generation;
	struct image *refused; /* by this dataplane; NULL: none */
	int refused_result;
	struct transaction transaction;
	struct waiters waiters;
	struct query query;
	uint32_t refusal; /* enum shunt_drop: of the flow asked for last */
	uint32_t port_count;
	struct shunt_port_info ports[SHUNT_MAX_PORTS];
};

/* Sends what there is to send; if the ring is full, goes on in a moment. */
void publish_pump(struct publish *p);

#endif
