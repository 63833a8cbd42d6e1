/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control API: RUN_DIR/control.sock, a stream of JSON objects, one a line, at most
 * SHUNT_API_MAX_LINE bytes with the newline. A client sends requests and reads one answer for
 * each, in order:
 *
 *   {"command": "set server", "args": {"server": "app/s1", "state": "drain"}}
 *   {"ok": true, "generation": 7}				a change: all workers have it
 *   {"ok": true, "generation": 7, "warning": "..."}	a change that waits for the dataplane
 *   {"ok": true, "data": ...}				a show; with a warning if counters lack
 *   {"ok": false, "error": "what is wrong and what to do"}	refused, nothing has changed
 *   {"ok": false, "error": "...", "errors": ["$.path: message", ...]}	a refused reload
 *
 * Two errors come after something has changed, and say so: a worker has not acknowledged in time,
 * or the dataplane did not take what came out of the change. Requests may be sent before earlier
 * ones are answered; blank lines are ignored. A request that is no JSON object, or is too long, is
 * answered with an error and the connection is closed. An answer may be longer than a request.
 */
#ifndef SHUNT_API_H
#define SHUNT_API_H

#include <stddef.h>

#include "limits.h"

#define SHUNT_API_MAX_CLIENTS	    64
#define SHUNT_API_IDLE_TIMEOUT_MS   60000 /* from an answer to the end of the next request */
#define SHUNT_API_READ_TIMEOUT_MS   5000  /* a client that has not read its answer is dropped */
#define SHUNT_API_CHANGE_TIMEOUT_MS 5000  /* then a change is answered with the late worker */

/* Who carries a command out, and whether it changes anything. */
enum shunt_command_kind {
	SHUNT_COMMAND_READ,
	SHUNT_COMMAND_CHANGE,
	SHUNT_COMMAND_LOCAL, /* shuntctl itself; the API does not know it */
};

/*
 * Every command: X(identifier, name, syntax, kind, help). The syntax is what follows the name on
 * the command line, in words: "%key:what" is an argument, sent as args.key; any other word is
 * written as it stands. Where "what" is "N" the value is an integer; where it holds '|' it is one
 * of a choice. Lines with the same name are told apart by their keys.
 */
#define SHUNT_COMMANDS(X)                                                                          \
	X(SHOW_INFO, "show info", "", SHUNT_COMMAND_READ,                                          \
		"version, generation, uptime and the workers in short")                            \
	X(SHOW_STAT, "show stat", "", SHUNT_COMMAND_READ,                                          \
		"traffic of frontends, servers and backends")                                      \
	X(SHOW_SERVERS, "show servers", "", SHUNT_COMMAND_READ,                                    \
		"every server: state, weight, checks and traffic")                                 \
	X(SHOW_EVENTS, "show events", "", SHUNT_COMMAND_READ,                                      \
		"the last 256 changes of servers' states, newest last")                            \
	X(SHOW_EVENTS_N, "show events", "%count:N", SHUNT_COMMAND_READ,                            \
		"the last N of these, at most 256")                                                \
	X(SHOW_PROBES, "show probes", "", SHUNT_COMMAND_READ,                                      \
		"health probes: how many, how long they take, what they come to")                  \
	X(SHOW_DROPS, "show drops", "", SHUNT_COMMAND_READ, "packets not forwarded, by reason")    \
	X(SHOW_RULES, "show rules", "", SHUNT_COMMAND_READ,                                        \
		"every frontend's rules, and how many flows each has decided")                     \
	X(SHOW_WORKERS, "show workers", "", SHUNT_COMMAND_READ,                                    \
		"every worker: traffic, flows, share of idle turns")                               \
	X(SHOW_TOP_SOURCES, "show top sources", "", SHUNT_COMMAND_READ,                            \
		"the ten client networks nearest to their limits")                                 \
	X(SHOW_TOP_SOURCES_N, "show top sources", "%count:N", SHUNT_COMMAND_READ,                  \
		"the N client networks nearest to their limits, at most 1000")                     \
	X(SET_SERVER_STATE, "set server", "%server:BACKEND/SERVER state %state:ready|drain|maint", \
		SHUNT_COMMAND_CHANGE, "take a server out of service or back in")                   \
	X(SET_SERVER_WEIGHT, "set server", "%server:BACKEND/SERVER weight %weight:N",              \
		SHUNT_COMMAND_CHANGE,                                                              \
		"change a server's weight, 0 to 256, until the file changes it")                   \
	X(SHUTDOWN_SESSIONS, "shutdown sessions", "server %server:BACKEND/SERVER",                 \
		SHUNT_COMMAND_CHANGE, "reset the TCP sessions that a server has, at both ends")    \
	X(RELOAD, "reload", "", SHUNT_COMMAND_CHANGE, "read the configuration file again")         \
	X(CHECK, "check", "%file:FILE", SHUNT_COMMAND_LOCAL,                                       \
		"validate a configuration file; needs no running shunt-control")                   \
	X(LOOKUP, "lookup", "%protocol:tcp|udp %client:CLIENT:PORT %address:ADDRESS:PORT",         \
		SHUNT_COMMAND_READ, "where would this packet go, and why")                         \
	X(LOOKUP_INTERFACE, "lookup",                                                              \
		"%protocol:tcp|udp %client:CLIENT:PORT %address:ADDRESS:PORT interface "           \
		"%interface:NAME",                                                                 \
		SHUNT_COMMAND_READ, "the same of one that comes in by this port")                  \
	X(LOOKUP_PAYLOAD, "lookup",                                                                \
		"%protocol:tcp|udp %client:CLIENT:PORT %address:ADDRESS:PORT payload "             \
		"%payload:HEX",                                                                    \
		SHUNT_COMMAND_READ, "the same of a datagram that begins so")                       \
	X(LOOKUP_BOTH, "lookup",                                                                   \
		"%protocol:tcp|udp %client:CLIENT:PORT %address:ADDRESS:PORT interface "           \
		"%interface:NAME payload %payload:HEX",                                            \
		SHUNT_COMMAND_READ, "both")                                                        \
	X(HELP, "help", "", SHUNT_COMMAND_READ, "this list")

enum shunt_command_id {
#define SHUNT_COMMAND_ENUM(id, name, syntax, kind, help) SHUNT_CMD_##id,
	SHUNT_COMMANDS(SHUNT_COMMAND_ENUM)
#undef SHUNT_COMMAND_ENUM
	SHUNT_CMD_COUNT,
};

struct shunt_command {
	const char *name;
	const char *syntax;
	enum shunt_command_kind kind;
	const char *help;
};

/* By enum shunt_command_id; NULL for one out of range. */
static inline const struct shunt_command *
shunt_command(unsigned int id)
{
	static const struct shunt_command commands[SHUNT_CMD_COUNT] = {
#define SHUNT_COMMAND_ROW(id, name, syntax, kind, help) { name, syntax, kind, help },
		SHUNT_COMMANDS(SHUNT_COMMAND_ROW)
#undef SHUNT_COMMAND_ROW
	};

	return id < SHUNT_CMD_COUNT ? &commands[id] : NULL;
}

/* The next word of a syntax and its length; NULL at the end. Moves *syntax behind it. */
static inline const char *
shunt_command_word(const char **syntax, size_t *length)
{
	const char *word = *syntax;

	while (*word == ' ')
		word++;
	for (*length = 0; word[*length] && word[*length] != ' '; ++*length)
		;
	*syntax = word + *length;
	return *length ? word : NULL;
}

#endif
