/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Probes, on the loop and spread in time: TCP connections, closed without a trace of a reset in the
 * server's log, or datagrams.
 */
#ifndef CONTROL_PROBE_H
#define CONTROL_PROBE_H

struct control;
struct server;
struct probe;

/*
 * Starts probing server->config at server->config.check; the first probe is made at once if the
 * server's health is fresh, else within one interval. NULL: out of memory.
 */
struct probe *probe_start(struct control *control, struct server *server);
/* The same of server->agent by server->config.agent. */
struct probe *probe_start_agent(struct control *control, struct server *server);
void probe_stop(struct probe *probe);
/* The server's settings or health have changed: makes the next probe within one interval. */
void probe_update(struct probe *probe);
/* All servers stand as they shall: those with the same target are probed once from here on. */
void probe_share(struct control *control);
/* Its server's new connections fail: makes the next probe at once, unless one is under way. */
void probe_hurry(struct probe *probe);
/* The server goes on as another struct server (a reload). */
void probe_move(struct probe *probe, struct server *server);

#endif
