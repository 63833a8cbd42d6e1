/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Resets: which of those that pass are believed, and flows that Shunt resets itself.
 *
 * An RST that passes is forwarded, and its sender challenged (tcp_answer.h): the answer that only a
 * host without the connection can give closes the flow. A host that has the connection answers with
 * an ACK, and everything stays as it is; so a forged RST gains nothing, whatever its numbers.
 *
 * A flow that Shunt resets (its server is down, an operator says so, it has been idle for too long)
 * becomes FLOW_CLOSED with FLOW_RESETTING. For as long as its entry stays, each segment of it is
 * answered with the RST that its sender takes without question. Those who are silent are provoked
 * by a challenge, at once and then at each sweep. Worker.
 */
#include <arpa/inet.h>

#include "tcp_answer.h"
#include "track_impl.h"

/*
 * All entries are looked at twice, for an insert may meanwhile have moved one from what was still
 * to be looked at to what had been.
 */
#define PASS_ROUNDS 2

/*
 * For segments with RST or SYN, and for those of flows that are being reset. Sets drop of what goes
 * no further, and *flags; returns the flow's next state, which is `next` if nothing is against it.
 */
enum flow_state
track_reset(struct tracker *t, struct pkt *p, enum flow_state next, unsigned int *flags)
{
	enum flow_state state = flow_state(*p->flow);
	bool reset = p->tcp_flags & PKT_RST;

	if (reset && tcp_answer_is_proof(p, t->reset_key)) {
		p->drop = SHUNT_DROP_TCP_ANSWER;
		return tcp_state_open(state) && (*flags & FLOW_CHALLENGED) ? FLOW_CLOSED : state;
	}
	if (*flags & FLOW_RESETTING) {
		if (!reset)
			p->drop = SHUNT_DROP_RESET;
		return state;
	}
	if (reset && tcp_state_open(state) && t->doubted_count < PKT_BURST) {
		*flags |= FLOW_CHALLENGED;
		t->doubted[t->doubted_count++] = p;
	}
	/* A host about to open a connection would answer as one that has none. */
	if (p->direction == PKT_TO_SERVER && tcp_state_opens(p->tcp_flags))
		*flags &= ~(unsigned int)FLOW_CHALLENGED;
	return next;
}

/* The way back to the flow's client, which only its value or the entry beside it knows. */
static const struct link *
client_link(struct tracker *t, const struct flow_key *key, uint64_t value)
{
	if (track_source_id(value))
		return &t->hops->hops[track_source_hop(t, key, value)];
	if (track_port_is_changed(value))
		return &t->hops->hops[track_claimed_hop(t, key, value)];
	return &t->hops->hops[flow_hop(value)];
}

static void
challenge_client(struct tracker *t, const struct flow_key *key, uint64_t value)
{
	const struct gen_service *service = &t->generation->services[key->service];
	const struct link *link = client_link(t, key, value);
	const struct ends ends = {
		.source = service->address,
		.destination = key->address,
		.sport_be = key->extra ? (uint16_t)key->extra : service->port_be,
		.dport_be = key->port_be,
		.version = key->version,
	};

	if (link->known)
		t->challenge(t->challenge_context, &ends, link);
}

static void
challenge_server(struct tracker *t, const struct flow_key *key, uint64_t value)
{
	const struct gen_server *server = track_server(t->generation, flow_server(value));
	struct ends ends = {
		.source = key->address,
		.sport_be = key->port_be,
		.version = key->version,
	};

	if (!server || gen_server_is_direct(server) || !server->link.known)
		return;
	if (flow_source(value))
		ends.sport_be = htons(flow_source_port(value));
	if (track_source_id(value)) {
		const struct gen_source *source = &t->generation->sources[flow_source(value)];

		ends.source = source->address;
		ends.version = source->version;
	}
	ends.destination = server->address;
	ends.dport_be = track_flow_port_be(t->generation, server, key->service, key->extra);
	if (ends.version == server->version)
		t->challenge(t->challenge_context, &ends, &server->link);
}

/* Makes both ends say something that can be answered with an RST. */
static void
provoke(struct tracker *t, const struct flow_key *key, uint64_t value)
{
	if (!t->challenge || t->generation->services[key->service].version != key->version)
		return;
	challenge_client(t, key, value);
	challenge_server(t, key, value);
}

static void
reset_flow(struct tracker *t, const struct flow_key *key, uint64_t *flow)
{
	uint64_t value = *flow;

	flow_set(flow,
		flow_value_update(
			value, FLOW_CLOSED, flow_flags(value) | FLOW_RESETTING, t->reset_tick));
	track_state_changes(t, flow_state(value), FLOW_CLOSED);
	track_session_ends(t, key, value);
	t->stats->flows_reset++;
	/*
	 * Who waits for the first answer takes no RST for an ACK that it has not sent; with a SYN
	 * cookie it has had that answer.
	 */
	if (flow_state(value) != FLOW_SYN || (flow_flags(value) & FLOW_TRANSLATED))
		provoke(t, key, value);
}

/* What the sweep has found. */
static void
see_swept(void *context, const struct flow_key *key, uint64_t *flow, bool expired)
{
	struct tracker *t = context;
	unsigned int flags = flow_flags(*flow);
	bool waits = flow_state(*flow) == FLOW_SYN && (flags & FLOW_TRANSLATED);

	if (!expired)
		provoke(t, key, *flow);
	else if (waits && (flags & FLOW_ASKED))
		track_asked_gone(t, key, *flow);
	if (expired &&
		(waits ||
			(flow_state(*flow) == FLOW_ESTABLISHED &&
				t->generation->services[key->service].reset_idle)))
		reset_flow(t, key, flow);
}

void
track_sweep_flows(struct tracker *t, unsigned int buckets, uint16_t tick)
{
	t->reset_tick = tick;
	flow_table_show(t->flows, see_swept);
	flow_sweep(t->flows, buckets, tick);
}

/* Called when there is a new generation. */
void
track_resets_due(struct tracker *t)
{
	struct track_pass *pass = &t->pass;
	uint64_t last = t->generation->last_reset;

	if (last <= pass->done || last <= pass->until)
		return;
	pass->until = last;
	pass->cursor = (struct flow_cursor){ 0 };
	pass->rounds = PASS_ROUNDS;
}

static void
see_passed(void *context, const struct flow_key *key, uint64_t *flow, bool expired)
{
	struct tracker *t = context;
	enum flow_state state = flow_state(*flow);
	uint32_t server = flow_server(*flow);

	(void)expired;
	if (state < FLOW_SYN || state > FLOW_FIN_SERVER || server >= t->generation->server_count ||
		t->generation->resets[server].at <= t->pass.done)
		return;
	reset_flow(t, key, flow);
}

static bool
pass_resets(struct tracker *t, unsigned int buckets, uint16_t tick)
{
	struct track_pass *pass = &t->pass;

	if (pass->rounds == 0)
		return false;
	t->reset_tick = tick;
	if (!flow_visit(t->flows, &pass->cursor, buckets, see_passed, t) && --pass->rounds == 0)
		pass->done = pass->until;
	return true;
}

bool
tracker_pass(struct tracker *t, unsigned int buckets, uint16_t tick)
{
	bool more = pass_resets(t, buckets, tick);

	return track_limit_pass(t, buckets) || more;
}
