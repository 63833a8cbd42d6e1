/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TLS over a probe's connected socket: what probe_talk.c sends and hears goes through it. Nothing
 * waits: -EAGAIN says so, and probe_tls_wants_write() for what. Errors of the server are -EPROTO,
 * with the words for it; -ENOMEM is ours.
 *
 * What comes is read a portion at a time and counted, so that a server that sends without end, of
 * what TLS itself would swallow, neither holds the loop nor goes on for long.
 */
#ifndef CONTROL_PROBE_TLS_H
#define CONTROL_PROBE_TLS_H

#include <stdbool.h>
#include <sys/types.h>

#include "check.h"

#define PROBE_TLS_STEP_BYTES (8u << 10) /* read in one step */
#define PROBE_TLS_MAX_BYTES \
	(192u << 10) /* of one connection; OpenSSL has its own limits below it */

struct probe_tls;

/* address: the server's, as text. NULL: out of memory. */
struct probe_tls *probe_tls_create(const struct check_talk *talk, const char *address);
void probe_tls_destroy(struct probe_tls *tls);

/* 0: done, also if it was before. Begins each step, with the calls behind it. */
int probe_tls_handshake(struct probe_tls *tls, int fd);
/*
 * As send() and recv(), after the handshake; 0 of the latter: nothing more comes. Errors of the
 * socket are told by recv() alone, since what the server said before counts.
 */
ssize_t probe_tls_send(struct probe_tls *tls, int fd, const void *bytes, size_t length);
ssize_t probe_tls_recv(struct probe_tls *tls, int fd, void *bytes, size_t room);
/* Tells the server that nothing more comes, if there is room for it: before the FIN. */
void probe_tls_bye(struct probe_tls *tls);

bool probe_tls_is_done(const struct probe_tls *tls); /* the handshake */
bool probe_tls_wants_write(const struct probe_tls *tls);
/* After -EPROTO: printable ASCII, for a report. */
const char *probe_tls_why(const struct probe_tls *tls);

#endif
