/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The dataplane's side of a control session (shunt/session.h): one memfd and one socket a control
 * process, thrown away whole when the socket closes. What the peer can write is never trusted:
 * ring indices are kept here and only compared with the shared ones, sizes and masks are
 * constants, and places in the area are checked before anything is read from them. Agent only.
 */
#ifndef DATAPLANE_SESSION_H
#define DATAPLANE_SESSION_H

#include "objects.h"
#include "shunt/session.h"

struct session;

/* What a new session is told. */
struct session_facts {
	uint64_t generation;
	uint64_t stats_bytes;
	int stats_fd;
	uint32_t port_count;
	const struct shunt_port_info *ports;
	const struct object_store *running; /* NULL: nothing runs yet */
};

/* The socket RUN_DIR/dataplane.sock, listening. A stale one is replaced. fd or -errno. */
int session_listen(const char *run_dir);

/*
 * Takes the next caller off the listening socket and greets it. NULL: there was none, it may not
 * (its user is neither root nor ours), or it could not be served; errno says which.
 */
struct session *session_accept(int listen_fd, const struct session_facts *facts);

/* fenced: tell the peer that a newer session has taken over. */
void session_close(struct session *session, bool fenced);

int session_fd(const struct session *session);

/* After the socket is readable: takes its doorbells. 0, or -ECONNRESET when the peer has gone. */
int session_doorbell(struct session *session);

/* 1 and a message, 0 for none, -EPROTO if the ring makes no sense. */
int session_take(struct session *session, struct shunt_msg *msg);

/* 0, or -ENOBUFS if control does not empty its ring, -EPROTO as above. Rings the doorbell. */
int session_send(struct session *session, const struct shunt_msg *msg);

/* The bytes a message names, or NULL if they are not within the area. The peer may change them. */
const void *session_bytes(const struct session *session, uint64_t offset, uint64_t length);
/* The same to write an answer to. */
void *session_room(const struct session *session, uint64_t offset, uint64_t length);

#endif
