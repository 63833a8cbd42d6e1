/* SPDX-License-Identifier: BSD-3-Clause */
/* A client and a server by hand, for connections that begin with a SYN cookie. */
#ifndef TESTS_COOKIE_PATH_H
#define TESTS_COOKIE_PATH_H

#include "cookie_flows.h"
#include "fast_judge.h"
#include "path.h"
#include "seq.h"
#include "tcp_state.h"
#include "track_cookie.h"

#define PORT	   4000
#define CLIENT_ISN 0xfffffff0u
#define SERVER_ISN 0x80000000u
#define MTU	   1500

static const uint8_t OPTIONS[12] = { 2, 4, 5, 180, 1, 1, 4, 2, 1, 3, 3, 9 };
static const uint8_t SERVER_OPTIONS[12] = { 2, 4, 5, 100, 1, 1, 4, 2, 1, 3, 3, 5 };

/* Where clients connect to; NULL: to the path's service. */
static const char *cookie_vip;

/* What a segment is made of. */
struct tcp {
	uint8_t flags;
	uint32_t seq;
	uint32_t ack;
	uint16_t window;
	const uint8_t *options;
	size_t option_bytes;
};

static inline void
open_path(struct path *path, uint8_t version, uint8_t forward, uint8_t use, uint32_t rate)
{
	struct shunt_service s;

	path_open(path, version, SHUNT_ROUNDROBIN, CAPACITY);
	s = *(const struct shunt_service *)(const void *)object_store_get(
		path->objects, SHUNT_KIND_SERVICE, SERVICE)
		     ->bytes;
	s.syn_cookies = use;
	s.syn_flood_rate = rate;
	helper_put(path->objects, SHUNT_KIND_SERVICE, SERVICE, &s, sizeof(s));
	path->forward = forward;
	path->sources = forward == SHUNT_FULLNAT ? 1 : 0;
	path_publish(path);
}

static inline struct shunt_worker_stats *
stats(const struct path *path)
{
	return shunt_stats_worker(path->stats, 0);
}

static inline uint8_t *
out(struct result *r)
{
	return r->frame + r->start + r->p.l4_offset;
}

static inline bool
is_sound(struct result *r)
{
	struct pkt p = r->p;

	p.data = r->frame + r->start;
	return cookie_checksum_is_good(&p);
}

static inline void
run(struct path *path, struct result *r, struct frame_spec *spec, const struct tcp *tcp,
	uint8_t port)
{
	size_t bytes;
	uint8_t *at;
	struct pkt p = { 0 };
	uint32_t sum;

	spec->flags = tcp->flags;
	spec->payload = tcp->options;
	spec->payload_bytes = tcp->option_bytes;
	bytes = frame_build(r->frame, spec);
	p.l4_offset = spec->version == 4 ? 34 : 54;
	at = r->frame + p.l4_offset;
	seq_store(at + TCP_SEQ_NUMBER, tcp->seq);
	seq_store(at + TCP_ACK_NUMBER, tcp->ack);
	at[TCP_DATA_OFFSET] = (uint8_t)((20 + tcp->option_bytes) / 4 << 4);
	frame_put16(at + TCP_WINDOW, tcp->window);
	frame_put16(at + 16, 0);
	sum = frame_sum((uint32_t)(SHUNT_TCP + bytes - p.l4_offset),
		r->frame + (spec->version == 4 ? 26 : 22), spec->version == 4 ? 8 : 32);
	sum = frame_sum(sum, at, bytes - p.l4_offset);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	frame_put16(at + 16, (uint16_t)~sum);
	path->tracker->accepted_count = 0;
	path_run(path, r, port, bytes);
}

static inline struct result
from_client(struct path *path, uint32_t client, const struct tcp *tcp)
{
	struct frame_spec spec = frame_default(path->version, SHUNT_TCP);
	struct shunt_addr vip = helper_addr(cookie_vip ? cookie_vip : service_address(path));
	struct result r;

	client_address(path, client, spec.src);
	memcpy(spec.dst, vip.bytes + (path->version == 4 ? 12 : 0), path->version == 4 ? 4 : 16);
	spec.sport = PORT;
	run(path, &r, &spec, tcp, 0);
	return r;
}

/* syn: what the server has got, which says who it is talking to. */
static inline struct result
from_server(struct path *path, struct result *syn, const struct tcp *tcp)
{
	struct frame_spec spec = frame_default(path->version, SHUNT_TCP);
	unsigned int bytes = path->version == 4 ? 4 : 16;
	const uint8_t *source = syn->frame + syn->start + (path->version == 4 ? 26 : 22);
	struct result r;

	memcpy(spec.src, source + bytes, bytes);
	memcpy(spec.dst, source, bytes);
	spec.sport = (uint16_t)frame_get16(out(syn) + 2);
	spec.dport = (uint16_t)frame_get16(out(syn));
	run(path, &r, &spec, tcp, 1);
	return r;
}

/* A SYN, which must be answered; returns the cookie. */
static inline uint32_t
get_cookie(struct path *path, uint32_t client)
{
	const struct tcp syn = { PKT_SYN, CLIENT_ISN, 0, 64000, OPTIONS, sizeof(OPTIONS) };
	uint64_t flows = flow_count(path->tracker->flows);
	struct result r = from_client(path, client, &syn);

	CU_ASSERT_EQUAL_FATAL(r.p.drop, SHUNT_DROP_SYN_COOKIE);
	CU_ASSERT_EQUAL(flow_count(path->tracker->flows), flows);
	r.p.data = r.frame;
	track_cookie_answer(path->tracker, &r.p, MTU, &path->macs[0]);
	CU_ASSERT_EQUAL(r.p.drop, 0);
	CU_ASSERT_EQUAL(out(&r)[TCP_FLAGS], PKT_SYN | PKT_ACK);
	CU_ASSERT_EQUAL(frame_get16(out(&r) + 22), MTU - (path->version == 4 ? 40 : 60)); /* MSS */
	return seq_load(out(&r) + TCP_SEQ_NUMBER);
}

/* And the ACK that brings it back; returns the SYN that the server gets. */
static inline struct result
bring_back(struct path *path, uint32_t client, uint32_t cookie)
{
	const struct tcp ack = { PKT_ACK, CLIENT_ISN + 1, cookie + 1, 100, NULL, 0 };
	struct result r = from_client(path, client, &ack);

	CU_ASSERT_EQUAL_FATAL(r.p.drop, 0);
	CU_ASSERT_EQUAL(out(&r)[TCP_FLAGS], PKT_SYN);
	CU_ASSERT_EQUAL(seq_load(out(&r) + TCP_SEQ_NUMBER), CLIENT_ISN);
	CU_ASSERT_TRUE(is_sound(&r));
	CU_ASSERT_EQUAL(r.p.out_port, 1);
	return r;
}

/* The server's consent. */
static inline struct result
accept_client(struct path *path, struct result *syn, uint32_t cookie)
{
	const struct tcp answer = { PKT_SYN | PKT_ACK, SERVER_ISN, CLIENT_ISN + 1, 0x4000,
		SERVER_OPTIONS, sizeof(SERVER_OPTIONS) };
	struct result r = from_server(path, syn, &answer);

	CU_ASSERT_EQUAL_FATAL(r.p.drop, 0);
	CU_ASSERT_EQUAL(out(&r)[TCP_FLAGS], PKT_ACK);
	CU_ASSERT_EQUAL(seq_load(out(&r) + TCP_SEQ_NUMBER), cookie + 1);
	CU_ASSERT_EQUAL(seq_load(out(&r) + TCP_ACK_NUMBER), CLIENT_ISN + 1);
	CU_ASSERT_EQUAL(frame_get16(out(&r) + TCP_WINDOW), 0x4000 >> COOKIE_SCALE);
	CU_ASSERT_EQUAL(r.p.bytes, r.p.l4_offset + 20u);
	CU_ASSERT_TRUE(is_sound(&r));
	CU_ASSERT_EQUAL(path->tracker->accepted_count, 1);
	CU_ASSERT_EQUAL(path->tracker->accepted[0].seq, CLIENT_ISN + 1);
	CU_ASSERT_EQUAL(path->tracker->accepted[0].ack, SERVER_ISN + 1);
	CU_ASSERT_EQUAL(path->tracker->accepted[0].window, 100);
	return r;
}

static inline uint64_t
flow_of(struct path *path, uint32_t client)
{
	struct flow_key key = { .port_be = htons(PORT), .service = SERVICE };
	uint64_t *flow;

	key.version = path->version;
	client_address(path, client, key.address);
	flow = flow_lookup(path->tracker->flows, &key, path->tick);
	return flow ? *flow : 0;
}

#endif
