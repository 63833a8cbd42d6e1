/* SPDX-License-Identifier: BSD-3-Clause */
/* What the probes share: sockets that may be open, a queue for those, and how they are spread. */
#include <stdlib.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include "probe_impl.h"
#include "state.h"

#define PROBE_MAX_OPEN	    16384 /* sockets at once, if the limit on descriptors allows */
#define PROBE_RESERVED_FDS  256	  /* of that limit, for everything else */
#define PROBE_STARTS_PER_MS 16	  /* first probes, when many servers are new at once */
#define PROBE_TLS_WEIGHT    16	  /* a handshake is half a millisecond's work and more */

/* xorshift64* (Vigna 2016): spreading probes needs no better one. */
uint64_t
prober_random(struct prober *prober, uint64_t below)
{
	prober->random ^= prober->random >> 12;
	prober->random ^= prober->random << 25;
	prober->random ^= prober->random >> 27;
	return below ? ((prober->random * 0x2545f4914f6cdd1dull) >> 16) % below : 0;
}

struct prober *
prober_create(
	struct control *control, void (*on_queue_timer)(struct loop_timer *timer, uint64_t now_ms))
{
	struct prober *prober = calloc(1, sizeof(*prober));
	struct rlimit limit = { 0 };

	if (!prober)
		return NULL;
	prober->control = control;
	prober->loop = control->loop;
	prober->queue_timer.on_timer = on_queue_timer;
	if (getrandom(&prober->random, sizeof(prober->random), GRND_NONBLOCK) < 0)
		prober->random = (uint64_t)getpid() << 32;
	prober->random |= 1; /* a zero state would stay zero */
	probe_via_ports_init(&prober->via_ports);
	getrlimit(RLIMIT_NOFILE, &limit);
	prober->open_max = PROBE_MAX_OPEN;
	if (limit.rlim_cur < PROBE_MAX_OPEN + PROBE_RESERVED_FDS)
		prober->open_max = limit.rlim_cur > 2 * PROBE_RESERVED_FDS
			? (unsigned int)limit.rlim_cur - PROBE_RESERVED_FDS
			: PROBE_RESERVED_FDS;
	return prober;
}

void
prober_destroy(struct prober *prober)
{
	loop_timer_cancel(prober->loop, &prober->queue_timer);
	prober->control->prober = NULL;
	free(prober);
}

void
prober_queue(struct probe *probe)
{
	struct prober *prober = probe->prober;

	probe->state = PROBE_QUEUED;
	probe->queued_ms = loop_now_ms(prober->loop);
	probe_stats_queued(&prober->control->probes);
	probe->queue_next = NULL;
	probe->queue_previous = prober->queue_last;
	if (prober->queue_last)
		prober->queue_last->queue_next = probe;
	else
		prober->queue_first = probe;
	prober->queue_last = probe;
}

void
prober_unqueue(struct probe *probe)
{
	struct prober *prober = probe->prober;

	probe_stats_unqueued(
		&prober->control->probes, loop_now_ms(prober->loop) - probe->queued_ms);
	if (probe->queue_previous)
		probe->queue_previous->queue_next = probe->queue_next;
	else
		prober->queue_first = probe->queue_next;
	if (probe->queue_next)
		probe->queue_next->queue_previous = probe->queue_previous;
	else
		prober->queue_last = probe->queue_previous;
	probe->state = PROBE_WAITING;
}

uint64_t
prober_first_delay_ms(struct prober *prober, const struct check_talk *talk)
{
	unsigned int weight = talk && talk->tls ? PROBE_TLS_WEIGHT : 1;
	uint64_t now_ms = loop_now_ms(prober->loop);

	if (prober->first_ms < now_ms) {
		prober->first_ms = now_ms;
		prober->first_count = 0;
	}
	if (prober->first_count + weight > PROBE_STARTS_PER_MS) {
		prober->first_ms++;
		prober->first_count = 0;
	}
	prober->first_count += weight;
	return prober->first_ms - now_ms;
}
