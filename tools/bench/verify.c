/* SPDX-License-Identifier: BSD-3-Clause */
#include "verify.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_mbuf_dyn.h>

#include "dress.h"
#include "expect.h"
#include "image.h"
#include "zipf.h"

#define WAITING	    512u   /* inputs whose output has not come yet: a few bursts at most */
#define LAST_SENT   65536u /* flows' last packets that are remembered */
#define FLOW_ROUNDS 4	   /* packets of the measured kind, for each flow */
#define SHOWN	    3	   /* wrong packets that are printed */
#define ROUTER	    0xc	   /* last byte of the MAC address of the first of two */
#define CLIENTS	    (1u << 17)

struct waiting {
	struct expect_input input;
	uint64_t number;
	bool waits;
	bool broken; /* it must not go on */
};

/* The last packet that was sent of a flow and direction. */
struct last_sent {
	uint64_t flow;
	uint64_t number;
};

struct verifier {
	struct world *world;
	struct verify_result *result;
	int number_at; /* of the mbuf's field with the packet's number in it */
	bool answers;  /* what comes is TRAFFIC_ANSWER */
	uint64_t answered;
	bool connections;	 /* what comes is that, and is left as it is */
	bool turns;		 /* some packets of clients become their servers' answers */
	uint8_t router[CLIENTS]; /* by which a client's packets come, by its number: 0 or 1 */
	struct dresser dresser;
	bool breaks; /* some packets of established flows are broken */
	uint64_t in;
	uint64_t out;
	uint64_t broken;
	struct waiting waiting[WAITING]; /* by number */
	struct last_sent last[LAST_SENT];
};

/* Of how many packets of a burst one is changed; 0: none. A burst has many of a kind, or few. */
static uint32_t
draw_share(struct verifier *v)
{
	static const uint32_t shares[] = { 0, 1, 2, 16 };

	return shares[zipf_random(&v->dresser.random) % 4];
}

static bool
draw(struct verifier *v, uint32_t share)
{
	return share && zipf_random(&v->dresser.random) % share == 0;
}

/* Where the body's packet comes from and goes to, as the traffic has made it. */
static void
read_ends(struct verifier *v, const struct dress_body *body, struct expect_input *input)
{
	const struct scenario *s = &v->world->scenario;

	input->to_client = v->answers;
	if (v->answers) {
		uint64_t flow = v->answered++ % s->flows;

		traffic_client(s, flow, &input->client);
		input->service = traffic_service_of(s, flow);
		return;
	}
	if (v->connections && body->dport_be != htons(TRAFFIC_SERVICE_PORT)) {
		input->to_client = true;
		input->client = (struct traffic_end){ .port_be = body->dport_be };
		memcpy(input->client.address, body->destination, s->version == 4 ? 4 : 16);
		input->service = traffic_service_of(s, traffic_number(s, &input->client));
		return;
	}
	input->client = (struct traffic_end){ .port_be = body->sport_be };
	memcpy(input->client.address, body->source, s->version == 4 ? 4 : 16);
	input->service = traffic_service_at(s, body->destination);
}

/*
 * A client's packets come by one router, and at times by the other from then on; answers follow.
 * With full NAT they do so later on only. Nothing of the kind where packets are fancy, since
 * fragments would be overtaken, nor with many services, where requests go by the fast path and
 * answers do not, so that one of those may be told of a change that came after it in its burst.
 */
static void
choose_router(struct verifier *v, struct expect_input *input, bool may_change)
{
	const struct scenario *s = &v->world->scenario;
	uint64_t number = traffic_number(s, &input->client);
	uint8_t *router = &v->router[number % CLIENTS];

	if (may_change && s->forward != SHUNT_FULLNAT && !input->to_client && draw(v, 8))
		*router ^= 1;
	input->router = (uint8_t)(ROUTER + (*router ^ (number & 1)));
}

/* In the place of a client's packet, one that its server answers it with. */
static void
turn(struct verifier *v, struct dress_body *body, struct expect_input *input)
{
	const struct world *w = v->world;
	struct traffic_end server, to = input->client;

	traffic_server(&w->scenario, expect_server(w, &input->client, input->service), &server);
	if (w->scenario.forward == SHUNT_FULLNAT)
		world_source(w, &input->client, input->service, &to);
	memcpy(body->source, server.address, sizeof(body->source));
	memcpy(body->destination, to.address, sizeof(body->destination));
	body->sport_be = server.port_be;
	body->dport_be = to.port_be;
	input->to_client = true;
}

/* Those of full NAT's packets to servers that begin a flow cannot be foreseen. */
static void
aim_at_zero(struct verifier *v, struct expect_input *input)
{
	struct frame_layout l;
	struct frame out;

	if (v->world->scenario.forward == SHUNT_FULLNAT && !input->to_client)
		return;
	expect(v->world, input, NULL, &out);
	if (v->world->scenario.forward == SHUNT_TUNNEL)
		return;
	frame_layout(&out, &l);
	dress_for_zero(&input->frame, frame_be16(&out, l.l4_checksum));
}

/* Fragments have a way of their own, and may come later than what was behind them. */
static bool
is_fragment(const struct frame *f)
{
	struct frame_layout l;

	frame_layout(f, &l);
	return l.version == 4 && frame_be16(f, l.l3 + 6) & 0x3fff;
}

/* Returns whether it is broken. */
static bool
make_input(
	struct verifier *v, struct expect_input *input, uint32_t fancy_share, uint32_t turn_share)
{
	const struct scenario *s = &v->world->scenario;
	struct dress_body body;

	dress_read(&input->frame, &body);
	read_ends(v, &body, input);
	if (v->connections) {
		input->router = ROUTER;
		return false;
	}
	if (traffic_is_udp(s, &input->client))
		body.protocol = SHUNT_UDP;
	if (v->turns && body.tcp_flags == PKT_ACK && draw(v, turn_share))
		turn(v, &body, input);
	choose_router(v, input, fancy_share == 0 && s->services == 1);
	body.from_mac = input->to_client ? 5 : input->router;
	if (!draw(v, fancy_share)) {
		dress_plain(&input->frame, &body);
		return false;
	}
	dress_fancy(&v->dresser, &input->frame, &body);
	if (draw(v, 16))
		aim_at_zero(v, input);
	if (!v->breaks || body.tcp_flags != PKT_ACK || is_fragment(&input->frame) || !draw(v, 16))
		return false;
	dress_break(&v->dresser, &input->frame, input->to_client);
	v->broken++;
	return true;
}

static void
read_frame(const struct rte_mbuf *m, struct frame *f)
{
	f->length = m->data_len < FRAME_BYTES ? m->data_len : FRAME_BYTES;
	memcpy(f->bytes, rte_pktmbuf_mtod(m, const uint8_t *), f->length);
}

/* Puts the frame into the mbuf, or its end into a second one. */
static void
write_frame(struct verifier *v, struct rte_mbuf *m, const struct frame *f, bool split)
{
	struct rte_mbuf *end = split ? rte_pktmbuf_alloc(v->world->ports.mbufs[0]) : NULL;
	uint32_t first = end ? f->length / 2 : f->length;

	m->data_len = (uint16_t)first;
	m->pkt_len = f->length;
	memcpy(rte_pktmbuf_mtod(m, uint8_t *), f->bytes, first);
	if (!end)
		return;
	end->data_len = (uint16_t)(f->length - first);
	memcpy(rte_pktmbuf_mtod(end, uint8_t *), f->bytes + first, f->length - first);
	m->next = end;
	m->nb_segs = 2;
}

static uint64_t *
number_of(const struct verifier *v, struct rte_mbuf *m)
{
	return RTE_MBUF_DYNFIELD(m, v->number_at, uint64_t *);
}

static uint16_t
on_receive(uint16_t port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t count, uint16_t max,
	void *context)
{
	struct verifier *v = context;
	uint32_t fancy_share = draw_share(v), turn_share = draw_share(v);

	(void)port;
	(void)queue;
	(void)max;
	for (uint16_t i = 0; i < count; i++) {
		struct waiting *waiting = &v->waiting[v->in % WAITING];

		read_frame(mbufs[i], &waiting->input.frame);
		waiting->broken = make_input(v, &waiting->input, fancy_share, turn_share);
		write_frame(v, mbufs[i], &waiting->input.frame, fancy_share && draw(v, 32));
		waiting->number = v->in;
		waiting->waits = true;
		*number_of(v, mbufs[i]) = v->in++;
	}
	return count;
}

static void
show(const char *what, const struct frame *f)
{
	fprintf(stderr, "%-8s ", what);
	for (uint32_t k = 0; k < f->length; k++)
		fprintf(stderr, "%02x", f->bytes[k]);
	fprintf(stderr, "\n");
}

/* A flow's packets go on in the order in which they have come. */
static bool
is_in_order(struct verifier *v, const struct waiting *waiting)
{
	const struct traffic_end *client = &waiting->input.client;
	uint64_t low, high;
	struct last_sent *last;
	bool good;

	memcpy(&low, client->address, 8);
	memcpy(&high, client->address + 8, 8);
	low = (low + high * 3) * 0x9e3779b97f4a7c15u + client->port_be * 2u +
		waiting->input.to_client;
	last = &v->last[low % LAST_SENT];
	good = last->flow != low || last->number <= waiting->number;
	*last = (struct last_sent){ low, waiting->number };
	return good;
}

static bool
is_right(struct verifier *v, struct rte_mbuf *m, bool loud)
{
	uint64_t number = *number_of(v, m);
	struct waiting *waiting = &v->waiting[number % WAITING];
	const char *why = NULL;
	struct frame expected = { .length = 0 }, seen;

	read_frame(m, &seen);
	if (!waiting->waits || waiting->number != number) {
		why = "sent, but not received, or more than once";
	} else if (waiting->broken) {
		why = "it should have been dropped";
	} else {
		expect(v->world, &waiting->input, &seen, &expected);
		if (seen.length != expected.length ||
			memcmp(seen.bytes, expected.bytes, seen.length) != 0)
			why = "another one was expected";
		else if (!is_fragment(&waiting->input.frame) && !is_in_order(v, waiting))
			why = "later than one that came after it in its flow";
	}
	waiting->waits = false;
	if (why && loud) {
		fprintf(stderr, "shunt-bench: wrong packet: %s\n", why);
		show("received", &waiting->input.frame);
		show("expected", &expected);
		show("sent", &seen);
	}
	return !why;
}

static uint16_t
on_send(uint16_t port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t count, void *context)
{
	struct verifier *v = context;

	(void)port;
	(void)queue;
	for (uint16_t i = 0; i < count; i++) {
		v->out++;
		v->result->packets++;
		if (!is_right(v, mbufs[i], v->result->wrong < SHOWN))
			v->result->wrong++;
	}
	return count;
}

/* The dressed-up packets of all parts of the traffic. */
static void
run_parts(struct verifier *v)
{
	struct world *w = v->world;
	const struct scenario *s = &w->scenario;
	uint64_t drops, created = world_stats(w)->flows_created;

	v->turns = s->forward == SHUNT_NAT || s->forward == SHUNT_FULLNAT;
	traffic_start(w->traffic, TRAFFIC_OPEN);
	world_run(w, s->flows);
	if (v->turns) {
		world_prepare_answers(w);
		v->answers = true;
		traffic_start(w->traffic, TRAFFIC_ANSWER);
		world_run(w, s->flows);
		v->answers = false;
	}
	v->breaks = true;
	drops = world_drops(w);
	traffic_start(w->traffic, TRAFFIC_FLOW);
	world_run(w, (uint64_t)FLOW_ROUNDS * s->flows);
	if (world_drops(w) - drops != v->broken) {
		fprintf(stderr, "shunt-bench: not as many drops as broken packets\n");
		v->result->wrong++;
	}
	if (s->stateless && world_stats(w)->flows_created != created) {
		fprintf(stderr, "shunt-bench: flows of a stateless service have been stored\n");
		v->result->wrong++;
	}
}

static uint64_t
sessions(const struct world *w)
{
	const struct shunt_service_stats *services = shunt_stats_services(w->stats, 0);
	uint64_t sum = 0;

	for (uint32_t i = 0; i < w->scenario.services; i++)
		sum += services[image_service_id(&w->scenario, i, false)].sessions;
	return sum;
}

/* As they are measured, from the first SYN to the last ACK, each with a flow that ends. */
static void
run_connections(struct verifier *v)
{
	struct world *w = v->world;
	uint64_t created = world_stats(w)->flows_created + w->connection_count;
	uint64_t open = sessions(w);

	v->connections = true;
	while (!world_is_used_up(w))
		worker_turn(w->worker);
	if (world_stats(w)->flows_created != created || sessions(w) != open) {
		fprintf(stderr, "shunt-bench: not as many flows as connections, or not closed\n");
		v->result->wrong++;
	}
}

static int
register_number(void)
{
	static const struct rte_mbuf_dynfield field = {
		.name = "shunt_bench_number",
		.size = sizeof(uint64_t),
		.align = 4,
	};

	return rte_mbuf_dynfield_register(&field);
}

int
verify(struct world *w, const struct scenario *scenario, struct verify_result *result)
{
	static struct verifier v;
	const struct rte_eth_rxtx_callback *receive, *send;
	uint16_t port = w->ports.port[0].id;
	uint32_t new_room = w->new_room, connection_count = w->connection_count;
	int number_at = register_number(), rc;

	*result = (struct verify_result){ 0 };
	if (number_at < 0)
		return -ENOSPC;
	w->new_room = FLOW_ROUNDS * scenario->flows;
	w->connection_count = scenario->flows;
	rc = scenario->kind == SCENARIO_CONNECTIONS ? world_open(w, scenario)
						    : world_open_empty(w, scenario);
	if (rc < 0)
		goto restore;
	v = (struct verifier){
		.world = w,
		.result = result,
		.number_at = number_at,
		.dresser = { .random = 1 },
	};
	receive = rte_eth_add_rx_callback(port, 0, on_receive, &v);
	send = rte_eth_add_tx_callback(port, 0, on_send, &v);
	if (scenario->kind == SCENARIO_CONNECTIONS)
		run_connections(&v);
	else
		run_parts(&v);
	result->missing = v.in - v.out - v.broken;
	rte_eth_remove_tx_callback(port, 0, send);
	rte_eth_remove_rx_callback(port, 0, receive);
	world_close(w);
restore:
	w->new_room = new_room;
	w->connection_count = connection_count;
	return rc;
}
