/* SPDX-License-Identifier: BSD-3-Clause */
/* What probe*.c and prober*.c share. */
#ifndef CONTROL_PROBE_IMPL_H
#define CONTROL_PROBE_IMPL_H

#include "loop.h"
#include "probe_talk.h"
#include "probe_via.h"
#include "state.h"

/* A probe that another one leads has its timer like any, and later than any interval. */
#define PROBE_LED_MS (2 * (uint64_t)SHUNT_MAX_TIMEOUT_MS)

enum probe_state {
	PROBE_WAITING,
	PROBE_QUEUED,
	PROBE_CONNECTING,
	PROBE_TALKING,
	PROBE_CLOSING,
};

struct probe {
	struct prober *prober;
	struct server *server;
	bool agent; /* of server->config.agent, else of its check */
	/* prober_share.c: probes of one target are made once, by their leader. */
	struct probe *leader;	   /* whose results this one's server has; NULL: it makes its own */
	struct probe *next_member; /* of a leader: those that it leads; of these: the next */
	struct probe *previous_member;
	enum probe_state state;
	struct loop_watch watch; /* fd is the socket, -1: none */
	struct loop_timer timer;
	uint16_t via_port;	 /* of a socket through a service; 0: none */
	struct probe_talk *talk; /* TALKING; else NULL */
	uint64_t started_ms;
	uint64_t started_us; /* connect() */
	bool again;	     /* TALKING: it has been given its time once more */
	uint64_t close_ms;   /* CLOSING: when it is closed, whatever the server does */
	uint64_t due_ms;     /* when it was to be started */
	bool scatter;	     /* the first of a new server: the next is due at any time */
	bool hurried;	     /* the next one is due sooner, for what was observed */
	uint64_t next_ms;    /* CLOSING: when the next probe is due */
	uint64_t queued_ms;  /* QUEUED: since when */
	struct probe *queue_next;
	struct probe *queue_previous;
};

/* Made with the first probe, gone with the last. */
struct prober {
	struct control *control;
	struct loop *loop;
	size_t probe_count;
	size_t led_count; /* of these: another one is made for them */
	unsigned int open;
	unsigned int open_max;
	struct probe *queue_first;
	struct probe *queue_last;
	struct loop_timer queue_timer; /* set when a socket was closed and somebody waits */
	uint64_t random;
	uint64_t first_ms; /* the last millisecond given to first probes, and to how many */
	unsigned int first_count;
	uint64_t logged_ms; /* local errors: last log, and how many were held back since */
	uint64_t unlogged;
	struct probe_via_ports via_ports;
};

/* NULL: out of memory. */
struct prober *prober_create(
	struct control *control, void (*on_queue_timer)(struct loop_timer *timer, uint64_t now_ms));
void prober_destroy(struct prober *prober);

static inline const struct check_config *
probe_check(const struct probe *probe)
{
	return probe->agent ? probe->server->config.agent : &probe->server->config.check;
}

/* Has none said anything yet? */
static inline bool
probe_is_fresh(const struct probe *probe)
{
	return probe->agent ? probe->server->agent->report.status == CHECK_INI
			    : probe->server->health.fresh;
}

/* What was observed (observe.h) puts a server that is up in doubt, as a failed probe would. */
static inline bool
probe_is_observed(const struct probe *probe)
{
	const struct server *server = probe->server;
	const struct check_config *check = probe_check(probe);

	return !probe->agent && server->observe.failing &&
		server->health.verdict == SHUNT_HEALTH_UP &&
		check->fastinter_ms < health_interval_ms(&server->health, check);
}

/* How long to wait for the next one, if it were for its server alone. */
static inline uint32_t
probe_interval_ms(const struct probe *probe)
{
	const struct check_config *check = probe_check(probe);

	if (probe->agent)
		return check->inter_ms;
	return probe_is_observed(probe) ? check->fastinter_ms
					: health_interval_ms(&probe->server->health, check);
}

/* probe.c: some time within an interval. */
uint64_t probe_random_delay_ms(const struct probe *probe);

/* Evenly from 0 to below - 1. */
uint64_t prober_random(struct prober *prober, uint64_t below);

/* A probe that is due waits until another's socket is closed; or no longer. */
void prober_queue(struct probe *probe);
void prober_unqueue(struct probe *probe);

/*
 * First and hurried probes go out at once, but thousands of them over some milliseconds; those with
 * TLS one a millisecond, or their handshakes would make each other late.
 */
uint64_t prober_first_delay_ms(struct prober *prober, const struct check_talk *talk);

/* probe_report.c */
uint64_t probe_now_us(void);
struct check_report probe_report_begin(const struct probe *probe, enum check_status status);
void probe_report_say(struct check_report *report, int error);
/* A result, for all whose probe it is: the verdicts, and whoever waits for these. */
void probe_report(struct probe *probe, const struct check_report *report);
/* No result: it could not be made from here. Counted, and logged now and then. */
void probe_report_error(struct probe *probe, int error);

/* prober_share.c: it goes, and those that it leads are on their own. */
void prober_leave(struct probe *probe);
/* The probes whose servers have its results: itself, then those that it leads. NULL: no more. */
static inline struct probe *
prober_next_member(const struct probe *probe, const struct probe *member)
{
	return probe->leader ? NULL : member->next_member;
}

/*
 * What a socket is watched for that only connects and ends: told once, that it is connected. Its
 * end is looked for after PROBE_REST_MS, of many at a time; most servers have said FIN by then, and
 * to be woken by each of them costs 5 to 8 % more.
 */
#define PROBE_EVENTS_ONCE (EPOLLOUT | EPOLLONESHOT)
#define PROBE_REST_MS	  20

/*
 * probe_socket.c. 0 or -errno: open() and the errors that connect() returns at once are about this
 * side, see is_local(). An open socket is watched for writing, or for PROBE_EVENTS_ONCE.
 */
int probe_socket_open(struct probe *probe);
int probe_socket_connect(struct probe *probe);
void probe_socket_close(struct probe *probe);

#endif
