/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SYN cookies, and the flows that begin with one. Three moments:
 *
 *   A SYN without a flow, in a flood: it is answered with a cookie (cookie.h) in the server's name,
 *   and nothing is kept of it.
 *   The cookie comes back: the client is real, and gets a flow as by a SYN, which is made anew for
 *   the server. Until that answers, the flow waits: what the client sends is dropped, but for that
 *   the SYN goes to the server once more.
 *   The server answers: it gets its ACK, and the client the server's window, which was 0 so far.
 *   From then on segments are translated (seq.h).
 *
 * A server that refuses has its RST passed on with the number that the client knows; one that never
 * answers has the flow reset when its time is over. Worker.
 */
#include <errno.h>
#include <stddef.h>

#include "cookie_flows.h"
#include "mem.h"
#include "seq.h"
#include "shunt/selection.h"
#include "track_cookie.h"
#include "track_impl.h"

int
track_cookies_create(struct tracker *t, const struct generation *generation)
{
	struct track_cookies *c;

	if (!generation->has_cookies || t->cookies_made)
		return 0;
	c = mem_alloc(sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->flows = cookie_flows_create(t->flow_capacity, t->seed);
	if (!c->flows) {
		mem_free(c);
		return -ENOMEM;
	}
	/* Not the nonces' key: what one gives away must say nothing of the other. */
	for (uint8_t i = 0; i < 2; i++) {
		const uint8_t input[2] = { 'c', i };
		uint64_t word = shunt_siphash(t->reset_key, input, sizeof(input));

		memcpy(c->key + i * sizeof(word), &word, sizeof(word));
	}
	t->cookies_made = c;
	return 0;
}

void
track_cookies_destroy(struct tracker *t)
{
	if (t->cookies_made)
		cookie_flows_destroy(t->cookies_made->flows);
	mem_free(t->cookies_made);
}

void
track_cookies_bind(struct tracker *t, const struct generation *generation)
{
	if (generation->has_cookies)
		t->cookies = t->cookies_made;
	t->stats->cookie_flow_bytes = t->cookies ? cookie_flows_bytes(t->flow_capacity) : 0;
}

static uint32_t
minute(const struct tracker *t)
{
	return t->now / COOKIE_MINUTE_TICKS;
}

/*
 * Counts a SYN, so much for each. In a tick of more than `begin` there is a flood, and then until a
 * whole tick has had less than `end`.
 */
static void
count_syn(struct track_flood *f, uint32_t now, uint32_t each, uint64_t begin, uint64_t end)
{
	if (now != f->tick) {
		uint32_t before = now - f->tick == 1 ? f->count : 0;

		f->on = f->on && (uint64_t)before * each >= end;
		f->tick = now;
		f->count = 0;
	}
	f->count++;
	f->on |= (uint64_t)f->count * each > begin;
}

/*
 * Nobody has said what a flood is: it is one if the half-open flows have come to half of what they
 * may be. It is over when they are a quarter and SYNs come so slowly that, each kept for its time,
 * they would not become more.
 */
static bool
is_flooded(struct tracker *t, const struct pkt *p)
{
	uint32_t max = t->half_open_max;
	uint16_t ticks = t->generation->timeouts[p->service].ticks[FLOW_SYN];
	struct track_flood *f = &t->cookies->all;
	bool was = f->on;

	count_syn(f, t->now, ticks, UINT64_MAX, max / 4);
	f->on |= t->half_open > max / 2 || (was && t->half_open > max / 4);
	return f->on;
}

/* With a rate: in a tick, if all workers have as many as this one. */
static bool
in_flood(struct tracker *t, const struct pkt *p, const struct gen_service *service)
{
	struct track_flood *f = &t->cookies->floods[p->service];
	uint64_t begin = (uint64_t)service->flood_rate * SHUNT_FLOW_TICK_MS / 1000;

	if (t->half_open >= t->half_open_max)
		return true;
	if (!service->flood_rate)
		return is_flooded(t, p);
	count_syn(f, t->now, t->select.worker_count, begin, begin / 2);
	return f->on;
}

static bool
may_have_cookies(const struct tracker *t, const struct pkt *p, const struct gen_backend *backend)
{
	return t->cookies && t->generation->services[p->service].cookies && backend &&
		(backend->forward == SHUNT_NAT || backend->forward == SHUNT_FULLNAT) &&
		backend->member_count && p->kind == PKT_PLAIN;
}

bool
track_cookie_answers(struct tracker *t, struct pkt *p, const struct gen_backend *backend)
{
	const struct gen_service *service = &t->generation->services[p->service];

	if (!tcp_state_opens(p->tcp_flags) || !may_have_cookies(t, p, backend) ||
		(service->cookies == SHUNT_COOKIES_AUTO && !in_flood(t, p, service)))
		return false;
	if (service->rules) {
		/* Who is not let in is not answered; who is, where cookies are of no use, neither.
		 */
		backend = track_rules_ask(t, p, backend);
		if (p->drop || !may_have_cookies(t, p, backend))
			return p->drop != 0;
	}
	t->cookies->last = t->now;
	t->cookies->any = true;
	p->drop = SHUNT_DROP_SYN_COOKIE;
	return true;
}

void
track_cookie_answer(
	struct tracker *t, struct pkt *p, uint16_t least_mtu, const struct shunt_mac *port_mac)
{
	unsigned int mtu = least_mtu < TRACK_COOKIE_MTU ? least_mtu : TRACK_COOKIE_MTU;
	const struct generation *g = t->generation;
	unsigned int headers = (p->version == 4 ? IP4_BYTES : IP6_BYTES) + TCP_BYTES;
	const struct gen_backend *backend = g->backends[g->services[p->service].backend];

	/* What becomes IPv6 grows by the difference of the headers. */
	if (p->version == 4 && backend && backend->source_count[GEN_V6])
		headers += IP6_BYTES - IP4_BYTES;
	cookie_answer(p, t->cookies->key, minute(t), (uint16_t)(mtu - headers), port_mac);
	t->stats->syn_cookies_sent++;
}

bool
track_cookie_is(struct tracker *t, const struct pkt *p, const struct gen_backend *backend,
	struct cookie_syn *syn)
{
	if ((p->tcp_flags & (PKT_SYN | PKT_RST | PKT_ACK)) != PKT_ACK ||
		!may_have_cookies(t, p, backend) || !t->cookies->any)
		return false;
	if (t->now - t->cookies->last > 2 * COOKIE_MINUTE_TICKS) {
		t->cookies->any = false;
		return false;
	}
	return cookie_check(t->cookies->key, p, minute(t), syn);
}

/* The flow that has just begun is to go no further. */
static void
take_back(struct tracker *t, struct pkt *p, const struct flow_key *key)
{
	uint64_t value = *p->flow;

	track_state_changes(t, flow_state(value), FLOW_CLOSED);
	track_session_ends(t, key, value);
	flow_set(p->flow,
		flow_value_update(value, FLOW_CLOSED, flow_flags(value), flow_last_seen(value)));
	p->drop = SHUNT_DROP_FLOW_TABLE_FULL;
}

void
track_cookie_begins(
	struct tracker *t, struct pkt *p, const struct flow_key *key, const struct cookie_syn *syn)
{
	uint64_t value;

	if (p->drop)
		return;
	if (!p->flow) {
		p->drop = SHUNT_DROP_FLOW_TABLE_FULL;
		return;
	}
	/* Rules may have changed since: who answers its clients itself does not answer here. */
	if (gen_server_is_direct(&t->generation->servers[p->server]) ||
		!cookie_flows_add(t->cookies->flows, key, syn)) {
		take_back(t, p, key);
		return;
	}
	value = *p->flow;
	flow_set(p->flow,
		flow_value_update(value, flow_state(value), flow_flags(value) | FLOW_TRANSLATED,
			flow_last_seen(value)));
	t->stats->cookie_flows = cookie_flows_count(t->cookies->flows);
	t->stats->syn_cookies_accepted++;
	cookie_to_syn(p, syn);
}

void
track_cookie_gone(struct tracker *t, const struct flow_key *key)
{
	if (!t->cookies)
		return;
	cookie_flows_remove(t->cookies->flows, key);
	t->stats->cookie_flows = cookie_flows_count(t->cookies->flows);
}

static struct cookie_flow *
flow_of(struct tracker *t, const struct pkt *p, struct flow_key *key)
{
	flow_key_of(p, p->service, key);
	/* A reply to a port that the client has been given. */
	if (p->direction == PKT_TO_CLIENT && p->other_port_be)
		key->port_be = p->other_port_be;
	return t->cookies ? cookie_flows_find(t->cookies->flows, key) : NULL;
}

/* From here on the flow is one like any other. */
static void
become_ordinary(struct tracker *t, const struct flow_key *key, unsigned int *flags)
{
	*flags &= ~(unsigned int)FLOW_TRANSLATED;
	track_cookie_gone(t, key);
}

/* A client whose server has not answered. */
static void
client_waits(struct tracker *t, struct pkt *p, const struct flow_key *key, struct cookie_flow *f,
	unsigned int *flags, uint16_t tick)
{
	const uint8_t *tcp = p->data + p->l4_offset;

	if (tcp_state_opens(p->tcp_flags) && seq_load(tcp + TCP_SEQ_NUMBER) != f->syn.isn) {
		become_ordinary(t, key, flags); /* it begins anew */
		return;
	}
	if ((p->tcp_flags & (PKT_SYN | PKT_RST)) || p->kind != PKT_PLAIN ||
		seq_load(tcp + TCP_ACK_NUMBER) != f->syn.cookie + 1) {
		p->drop = SHUNT_DROP_COOKIE_WAIT;
		return;
	}
	f->syn.window = field_load_be16(tcp + TCP_WINDOW);
	track_asked_again(t, *p->flow, flags, tick);
	cookie_to_syn(p, &f->syn);
}

/*
 * The server's SYN|ACK: says to the worker what ACK the server is to have, and makes of it the
 * client's window.
 */
static void
server_accepts(struct tracker *t, struct pkt *p, struct cookie_flow *f)
{
	const uint8_t *tcp = p->data + p->l4_offset;
	const struct cookie_options server = cookie_options_of(p);
	bool scales = f->syn.options.scale != COOKIE_NO_SCALE;
	uint16_t window = field_load_be16(tcp + TCP_WINDOW);

	f->waiting = false;
	f->server_isn = seq_load(tcp + TCP_SEQ_NUMBER);
	f->delta = f->syn.cookie - f->server_isn;
	f->to_client_shift = 0;
	f->to_server_shift = 0;
	if (scales && server.scale == COOKIE_NO_SCALE) {
		f->to_client_shift = -COOKIE_SCALE;
		f->to_server_shift = (int8_t)f->syn.options.scale;
	} else if (scales) {
		f->to_client_shift = (int8_t)(server.scale - COOKIE_SCALE);
	}
	if (t->accepted_count < PKT_BURST)
		t->accepted[t->accepted_count++] = (struct track_accepted){
			.pkt = p,
			.seq = f->syn.isn + 1,
			.ack = f->server_isn + 1,
			.window = seq_shift_window(f->syn.window, f->to_server_shift),
		};
	cookie_to_ack(p, f->syn.cookie + 1, f->syn.isn + 1,
		scales ? seq_shift_window(window, -COOKIE_SCALE) : window);
}

/* What a server says to a SYN of ours. Returns the flow's next state. */
static enum flow_state
server_answers(struct tracker *t, struct pkt *p, struct cookie_flow *f, enum flow_state state,
	unsigned int *flags)
{
	uint8_t *tcp = p->data + p->l4_offset;
	bool ours = (p->tcp_flags & PKT_ACK) && seq_load(tcp + TCP_ACK_NUMBER) == f->syn.isn + 1 &&
		p->kind == PKT_PLAIN && cookie_checksum_is_good(p);

	if ((p->tcp_flags & PKT_RST) && ours) {
		track_asked_refused(t, *p->flow, flags);
		seq_to_client(p, f->syn.cookie + 1 - seq_load(tcp + TCP_SEQ_NUMBER), 0);
		return FLOW_CLOSED;
	}
	if (ours && (p->tcp_flags & PKT_SYN)) {
		server_accepts(t, p, f);
		return FLOW_ESTABLISHED;
	}
	/* An old connection of this port: as a client would, RFC 9293 section 3.10.7.3. */
	p->drop = p->tcp_flags & PKT_RST ? SHUNT_DROP_COOKIE_WAIT : SHUNT_DROP_RESET;
	return state;
}

/*
 * A SYN|ACK sent again, because what it was answered with is lost; or, if the client has asked for
 * that, one of another connection. Anything else is damaged or forged, and must not end this one.
 */
static void
server_repeats(struct tracker *t, struct pkt *p, const struct flow_key *key, struct cookie_flow *f,
	unsigned int *flags)
{
	const uint8_t *tcp = p->data + p->l4_offset;
	uint32_t ack = seq_load(tcp + TCP_ACK_NUMBER);
	bool sound = p->kind == PKT_PLAIN && cookie_checksum_is_good(p);

	if (sound && seq_load(tcp + TCP_SEQ_NUMBER) == f->server_isn && ack == f->syn.isn + 1)
		server_accepts(t, p, f);
	else if (sound && f->again && ack == f->again_isn + 1)
		become_ordinary(t, key, flags);
	else
		p->drop = SHUNT_DROP_COOKIE_WAIT;
}

enum flow_state
track_cookie_packet(struct tracker *t, struct pkt *p, enum flow_state state, enum flow_state next,
	unsigned int *flags, uint16_t tick)
{
	bool to_client = p->direction == PKT_TO_CLIENT;
	struct flow_key key;
	struct cookie_flow *f = flow_of(t, p, &key);

	if (p->drop)
		return next;
	if (!f || (f->waiting && state == FLOW_CLOSED)) {
		p->drop = p->tcp_flags & PKT_RST ? SHUNT_DROP_NO_FLOW : SHUNT_DROP_RESET;
		return state;
	}
	if (f->waiting && to_client)
		return server_answers(t, p, f, state, flags);
	if (f->waiting) {
		client_waits(t, p, &key, f, flags, tick);
		return state;
	}
	if (to_client && (p->tcp_flags & (PKT_SYN | PKT_ACK)) == (PKT_SYN | PKT_ACK)) {
		server_repeats(t, p, &key, f, flags);
	} else if (to_client) {
		seq_to_client(p, f->delta, f->to_client_shift);
		p->seq_delta = f->delta;
	} else {
		if (tcp_state_opens(p->tcp_flags)) {
			f->again = true;
			f->again_isn = seq_load(p->data + p->l4_offset + TCP_SEQ_NUMBER);
		}
		seq_to_server(p, f->delta, f->to_server_shift);
	}
	return next;
}

void
track_cookie_quoted(struct tracker *t, struct pkt *p, uint64_t value)
{
	struct cookie_flow *f;
	struct flow_key key;

	if (!(flow_flags(value) & FLOW_TRANSLATED) || p->direction != PKT_TO_SERVER)
		return;
	f = flow_of(t, p, &key);
	if (f && !f->waiting)
		seq_quoted(p, f->delta);
}
