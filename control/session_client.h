/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One session with a dataplane (shunt/session.h), without a notion of what it is about: socket,
 * descriptors, mapped memory, rings, places in the area. Everything the dataplane says of the
 * memory's layout is checked once, before it is used.
 */
#ifndef CONTROL_SESSION_CLIENT_H
#define CONTROL_SESSION_CLIENT_H

#include "shunt/session.h"
#include "shunt/stats.h"

#define SESSION_PROBLEM_SIZE 256

struct session_client;

/*
 * Connects to run_dir's dataplane, which will then say hello. 0, or -errno with `problem` a text
 * that says what failed.
 */
int session_client_connect(
	struct session_client **client, const char *run_dir, char problem[SESSION_PROBLEM_SIZE]);
void session_client_destroy(struct session_client *client);

int session_client_fd(const struct session_client *client);

/*
 * Reads the hello and maps what came with it. 0; -EAGAIN: not there yet; else -errno and the text:
 * -EPROTO for a hello that cannot be right, -EPROTONOSUPPORT for another version.
 */
int session_client_hello(struct session_client *client, char problem[SESSION_PROBLEM_SIZE]);

/* After the hello. */
const struct shunt_hello *session_client_info(const struct session_client *client);
const struct shunt_stats *session_client_stats(const struct session_client *client);
const void *session_client_running(const struct session_client *client);

/* Takes the doorbells. 0, -ECONNRESET: the dataplane has gone, -ESTALE: a newer session is there.
 */
int session_client_doorbells(struct session_client *client);
void session_client_ring(const struct session_client *client);

/* 0, or -ENOBUFS while the ring is full. To be followed by session_client_ring() at some point. */
int session_client_send(struct session_client *client, const struct shunt_msg *msg);
/* True: a message was there. */
bool session_client_receive(struct session_client *client, struct shunt_msg *msg);

/* All that was placed has been read: a transaction has been answered. */
void session_client_clear(struct session_client *client);
/*
 * Copies an object into the area and sends the message, whose offset and length it fills in. 0, or
 * -ENOBUFS while the ring is full or the dataplane has not read enough; then nothing has changed.
 */
int session_client_send_bytes(
	struct session_client *client, struct shunt_msg *msg, const void *bytes, size_t length);
/* The same for a query, which has a place of its own: only when the one before is answered. */
int session_client_send_query(struct session_client *client, const struct shunt_flow_query *query);
/* Asks for up to `max` rows, at most SHUNT_MAX_SOURCE_ROWS, which are there with the answer. */
int session_client_ask_sources(struct session_client *client, uint32_t max);
const struct shunt_source_row *session_client_sources(const struct session_client *client);

#endif
