/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Servers of several backends are often one and the same: a target that is checked in the same way
 * is probed once, and each of its servers makes of the result what its own rise and fall say.
 *
 * Every server keeps a probe of its own, so that whoever goes or changes leaves the others as they
 * are: of those with the same target, the one that is due first leads and the others rest; fresh
 * ones come before others, for they are due at once. Who leads whom is found anew with each
 * configuration, and when a restart has learned what runs.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "probe_impl.h"
#include "probe.h"
#include "state.h"

/* So many different conversations with one address and port are shared; further ones are not. */
#define SHARE_MAX_TALKS 16

static int
compare_numbers(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

/* Where it goes and how often; not what is said there. */
static int
compare_targets(const struct probe *left, const struct probe *right)
{
	const struct server_config *own = &left->server->config, *other = &right->server->config;
	const struct check_config *a = probe_check(left), *b = probe_check(right);
	int order = memcmp(
		config_probe_address(own, a), config_probe_address(other, b), sizeof(own->address));

	if (order == 0)
		order = compare_numbers(config_probe_port(own, a), config_probe_port(other, b));
	if (order == 0)
		order = memcmp(&a->source, &b->source, sizeof(a->source));
	if (order == 0)
		order = compare_numbers(a->inter_ms, b->inter_ms);
	if (order == 0)
		order = compare_numbers(a->fastinter_ms, b->fastinter_ms);
	if (order == 0)
		order = compare_numbers(a->downinter_ms, b->downinter_ms);
	if (order == 0)
		order = compare_numbers(a->timeout_ms, b->timeout_ms);
	return order;
}

/* By target; of one target the first is the one that is due first, of fresh ones if there are. */
static int
compare_probes(const void *left, const void *right)
{
	const struct probe *const *a = left;
	const struct probe *const *b = right;
	int order = compare_targets(*a, *b);

	if (order == 0)
		order = probe_is_fresh(*b) - probe_is_fresh(*a);
	return order ? order : compare_numbers((*a)->timer.at_ms, (*b)->timer.at_ms);
}

static void
follow(struct probe *probe, struct probe *leader)
{
	if (probe->state == PROBE_QUEUED)
		prober_unqueue(probe);
	probe->leader = leader;
	probe->prober->led_count++;
	probe->next_member = leader->next_member;
	probe->previous_member = leader;
	if (probe->next_member)
		probe->next_member->previous_member = probe;
	leader->next_member = probe;
	/* What is under way ends as it would have. */
	if (probe->state == PROBE_WAITING)
		loop_timer_set(probe->prober->loop, &probe->timer, PROBE_LED_MS);
}

/* `probes`: of one target. Through a service each is another one. */
static void
share_target(struct probe **probes, size_t count)
{
	struct probe *leaders[SHARE_MAX_TALKS];
	size_t leader_count = 0, k;

	for (size_t i = 0; i < count; i++) {
		const struct check_config *check = probe_check(probes[i]);

		if (check->via_service)
			continue;
		for (k = 0; k < leader_count; k++) {
			if (check_talk_equal(check->talk, probe_check(leaders[k])->talk))
				break;
		}
		if (k < leader_count)
			follow(probes[i], leaders[k]);
		else if (leader_count < SHARE_MAX_TALKS)
			leaders[leader_count++] = probes[i];
	}
}

static void
each_probe(
	struct control *control, void (*visit)(struct probe *probe, void *context), void *context)
{
	for (size_t i = 0; i < control->backend_count; i++) {
		for (size_t j = 0; j < control->backends[i]->server_count; j++) {
			const struct server *server = control->backends[i]->servers[j];

			if (server->probe)
				visit(server->probe, context);
			if (server->agent)
				visit(server->agent->probe, context);
		}
	}
}

static void
leave(struct probe *probe, void *context)
{
	(void)context;
	if (probe->leader)
		probe->prober->led_count--;
	/* Anew, so that wake() tells it from those that know when they are due. */
	if (probe->leader && probe->state == PROBE_WAITING)
		loop_timer_set(probe->prober->loop, &probe->timer, PROBE_LED_MS);
	probe->leader = probe->next_member = probe->previous_member = NULL;
}

static void
collect(struct probe *probe, void *context)
{
	struct probe ***next = context;

	*(*next)++ = probe;
}

/* It has rested, and nobody leads it any more. */
static void
wake(struct probe *probe, void *context)
{
	struct prober *prober = probe->prober;
	uint64_t now_ms = loop_now_ms(prober->loop);

	(void)context;
	if (!probe->leader && probe->state == PROBE_WAITING &&
		probe->timer.at_ms > now_ms + probe_interval_ms(probe))
		loop_timer_set(prober->loop, &probe->timer,
			probe_is_fresh(probe)
				? prober_first_delay_ms(prober, probe_check(probe)->talk)
				: probe_random_delay_ms(probe));
}

static void
share(struct probe **probes, size_t count)
{
	size_t first = 0;

	qsort(probes, count, sizeof(struct probe *), compare_probes);
	for (size_t i = 1; i <= count; i++) {
		if (i < count && compare_targets(probes[first], probes[i]) == 0)
			continue;
		share_target(&probes[first], i - first);
		first = i;
	}
}

void
probe_share(struct control *control)
{
	struct probe **probes, **end;

	if (!control->prober)
		return;
	each_probe(control, leave, NULL);
	/* Without memory each one is on its own. */
	probes = end = calloc(control->prober->probe_count, sizeof(struct probe *));
	if (probes) {
		each_probe(control, collect, &end);
		share(probes, (size_t)(end - probes));
		free(probes);
	}
	each_probe(control, wake, NULL);
}

void
prober_leave(struct probe *probe)
{
	struct probe *member, *next;

	if (probe->leader) {
		probe->previous_member->next_member = probe->next_member;
		if (probe->next_member)
			probe->next_member->previous_member = probe->previous_member;
		leave(probe, NULL);
		return;
	}
	for (member = probe->next_member; member; member = next) {
		next = member->next_member;
		leave(member, NULL);
		wake(member, NULL);
	}
}
