/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The packet path on bursts, without a NIC: the stages that can do everything, and the fast path in
 * front of them as worker.c and worker_fast.c have it. Worlds with the same random seeds and the
 * same objects are given the same frames, each its own copies, which are as long as the frames and
 * not a byte longer.
 */
#ifndef TESTS_FAST_BED_H
#define TESTS_FAST_BED_H

#include "classify.h"
#include "fast6.h"
#include "fields.h"
#include "known.h"
#include "owner.h"
#include "parse.h"
#include "path.h"

#define BED_HEADROOM 8 /* for two tags */
#define BED_PORTS    3

enum bed_fate {
	BED_LOST, /* nowhere: never right */
	BED_SENT,
	BED_DROPPED,
	BED_HANDED_OVER,
	BED_RARE, /* an ICMP error or a fragment, which is not walked on */
};

struct bed_packet {
	unsigned int index; /* in its burst */
	uint8_t *block;	    /* malloc'd: room, and the frame to its last byte */
	uint8_t *frame;
	uint32_t bytes;
	/* What becomes of it */
	enum bed_fate fate;
	uint8_t drop;
	uint8_t out_port;
	uint16_t fit_bytes;
	uint32_t owner;
	bool by_fast6;
	unsigned int turn; /* when, in its burst */
	uint8_t *out;
	uint32_t out_bytes;
};

/* What a judge pass has said. */
struct bed_judged {
	uint64_t found;
	uint64_t fit;
	uint8_t way[FAST_ROOM];
	uint32_t checksums[FAST_ROOM];
};

struct bed_world {
	const struct fast_passes *passes; /* NULL: none; all goes through the stages */
	struct shunt_stats *stats;
	struct tracker *tracker;
	struct shunt_mac macs[SHUNT_MAX_PORTS];
	uint16_t mtus[SHUNT_MAX_PORTS];
	uint16_t least_mtu;
	uint16_t tick;
	unsigned int turns;
	unsigned int in_count;
	struct bed_packet in[PKT_BURST];
	uint64_t by_fast; /* packets that the fast path has sent, in all */
	uint64_t by_fast_to_client;
	uint64_t by_fast6;
	uint64_t by_fast6_to_client;
	uint64_t fast_left;
	/* the stages' burst */
	unsigned int count;
	struct pkt pkts[PKT_BURST];
	struct pkt *live[PKT_BURST];
	struct bed_packet *packets[PKT_BURST]; /* of the pkt with the same index */
	struct fast_view view;
	struct fast_burst fast;
	struct fast6_burst fast6;
	struct bed_judged judged[2];
};

static inline struct shunt_stats *
bed_stats(uint32_t workers)
{
	struct shunt_stats *stats = mmap(NULL, shunt_stats_bytes(workers), PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (stats == MAP_FAILED)
		abort();
	stats->worker_count = workers;
	stats->workers_offset = sizeof(*stats);
	stats->services_offset =
		stats->workers_offset + workers * sizeof(struct shunt_worker_stats);
	stats->servers_offset = stats->services_offset +
		(uint64_t)workers * SHUNT_MAX_SERVICES * sizeof(struct shunt_service_stats);
	stats->hits_offset = stats->servers_offset +
		(uint64_t)workers * SHUNT_MAX_SERVERS * sizeof(struct shunt_server_stats);
	return stats;
}

/* The last one of so many workers. */
static inline struct bed_world *
bed_world_create(const struct fast_passes *passes, uint32_t workers, uint32_t capacity)
{
	static const uint64_t seed[2] = { 1, 2 };
	struct bed_world *w = aligned_alloc(64, (sizeof(*w) + 63) / 64 * 64);

	if (!w)
		abort();
	/* What is not set is not to be read. */
	memset((void *)w, 0xa5, sizeof(*w));
	w->passes = passes;
	w->stats = bed_stats(workers);
	w->tracker = tracker_create(w->stats, workers - 1, capacity, seed);
	w->tracker->half_open_max = UINT32_MAX / 2;
	if (!w->tracker)
		abort();
	w->tracker->owner_seed = PATH_OWNER_SEED;
	for (uint8_t i = 0; i < SHUNT_MAX_PORTS; i++) {
		w->macs[i] = (struct shunt_mac){ { 2, 0, 0, 0, 1, i } };
		w->mtus[i] = 1500;
	}
	w->least_mtu = w->mtus[2] = 1400;
	w->tick = 100;
	w->in_count = 0;
	w->by_fast = w->by_fast_to_client = w->fast_left = 0;
	w->by_fast6 = w->by_fast6_to_client = 0;
	return w;
}

static inline void
bed_clear(struct bed_world *w)
{
	for (unsigned int i = 0; i < w->in_count; i++)
		free(w->in[i].block);
	w->in_count = 0;
}

static inline void
bed_world_destroy(struct bed_world *w)
{
	bed_clear(w);
	tracker_destroy(w->tracker);
	munmap(w->stats, shunt_stats_bytes(w->stats->worker_count));
	free(w);
}

/* A copy of a frame for the next burst. */
static inline void
bed_put(struct bed_world *w, const uint8_t *frame, uint32_t bytes)
{
	struct bed_packet *p = &w->in[w->in_count];

	memset(p, 0, sizeof(*p));
	p->index = w->in_count++;
	p->bytes = bytes;
	p->block = malloc(BED_HEADROOM + bytes);
	if (!p->block)
		abort();
	memset(p->block, 0xa5, BED_HEADROOM);
	p->frame = p->block + BED_HEADROOM;
	if (bytes)
		memcpy(p->frame, frame, bytes);
}

static inline struct bed_packet *
bed_packet_of(struct bed_world *w, const struct pkt *p)
{
	return w->packets[p - w->pkts];
}

static inline void
bed_end(struct bed_world *w, struct bed_packet *packet, enum bed_fate fate)
{
	packet->fate = fate;
	packet->turn = ++w->turns;
}

/* As burst_drop(). */
static inline void
bed_drop(struct bed_world *w)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < w->count; i++) {
		struct bed_packet *packet = bed_packet_of(w, w->live[i]);

		if (!w->live[i]->drop) {
			w->live[kept++] = w->live[i];
			continue;
		}
		packet->drop = w->live[i]->drop;
		packet->fit_bytes = packet->drop == SHUNT_DROP_TOO_BIG ? w->live[i]->fit_bytes : 0;
		bed_end(w, packet, BED_DROPPED);
	}
	w->count = kept;
}

/* As worker_track(). */
static inline void
bed_track(struct bed_world *w)
{
	struct tracker *t = w->tracker;
	struct pkt *misses[PKT_BURST];
	unsigned int missed = track_hits(t, w->live, w->count, w->tick, misses);

	track_misses(t, misses, missed, w->tick);
	t->doubted_count = 0;
	rewrite_burst(t->generation, t->hops, w->macs, w->mtus, w->live, w->count);
	track_count(t, w->live, w->count);
	bed_drop(w);
	for (unsigned int i = 0; i < w->count; i++) {
		struct bed_packet *packet = bed_packet_of(w, w->live[i]);

		packet->out = w->live[i]->data;
		packet->out_bytes = w->live[i]->bytes;
		packet->out_port = w->live[i]->out_port;
		bed_end(w, packet, BED_SENT);
	}
}

/* Takes out what is rare, and what others own. */
static inline void
bed_sort_out(struct bed_world *w, bool rare)
{
	uint32_t workers = w->tracker->select.worker_count;
	unsigned int kept = 0;

	for (unsigned int i = 0; i < w->count; i++) {
		struct pkt *p = w->live[i];
		uint32_t owner = rare ? 0 : worker_owner(p->owner_hash, workers);

		if (rare ? p->kind == PKT_PLAIN : owner == w->tracker->select.worker) {
			w->live[kept++] = p;
			continue;
		}
		bed_packet_of(w, p)->owner = owner;
		bed_end(w, bed_packet_of(w, p), rare ? BED_RARE : BED_HANDED_OVER);
	}
	w->count = kept;
}

/* As worker_process_strange(). */
static inline void
bed_strange(struct bed_world *w, struct bed_packet **packets, unsigned int n, uint8_t port)
{
	const struct generation *g = w->tracker->generation;

	w->count = n;
	for (unsigned int i = 0; i < n; i++) {
		struct pkt *p = w->live[i] = &w->pkts[i];

		memset((void *)p, 0xa5, sizeof(*p));
		p->data = packets[i]->frame;
		p->bytes = packets[i]->bytes;
		p->headroom = BED_HEADROOM;
		p->in_port = port;
		p->flow = NULL;
		w->packets[i] = packets[i];
	}
	parse_burst(w->live, w->count);
	bed_drop(w);
	bed_sort_out(w, true);
	classify_burst(g->classifier, w->live, w->count, w->tracker->owner_seed);
	known_mark_local(g->known, w->live, w->count);
	bed_drop(w);
	bed_sort_out(w, false);
	track_sources(w->tracker, w->live, w->count);
	flow_lookup_burst(w->tracker->flows, w->live, w->count, w->tick);
	bed_track(w);
}

/* As worker_fast_take(). */
static inline void
bed_take(struct bed_world *w, void **in, uint8_t port)
{
	struct fast_burst *f = &w->fast;

	f->in_count = w->in_count;
	f->in_mbuf = in;
	for (unsigned int i = 0; i < w->in_count; i++) {
		in[i] = &w->in[i];
		f->in_frame[i] = w->in[i].frame;
		f->in_bytes[i] = (uint16_t)w->in[i].bytes;
	}
	fast_view_bind(&w->view, w->tracker, w->macs, w->least_mtu);
	fast_view_begin(&w->view, port, w->tick);
	w->passes->take(&w->view, f);
	for (unsigned int i = 0; i < f->foreign_count; i++) {
		struct bed_packet *packet = f->foreign[i].mbuf;

		packet->owner = f->foreign[i].owner;
		bed_end(w, packet, BED_HANDED_OVER);
	}
}

/* A judge pass and what comes of it. */
static inline uint64_t
bed_judge(struct bed_world *w, unsigned int pass, uint64_t found)
{
	struct bed_judged *j = &w->judged[pass];
	struct fast_burst *f = &w->fast;

	j->found = found;
	j->fit = w->passes->judge(&w->view, f, found);
	memcpy(j->way, f->way, sizeof(j->way));
	memcpy(j->checksums, f->new_checksums, sizeof(j->checksums));
	fast_rewrite(&w->view, f, j->fit);
	return j->fit;
}

/* As worker_fast_forward(). */
static inline uint64_t
bed_forward(struct bed_world *w, uint64_t *found)
{
	struct fast_burst *f = &w->fast;
	uint64_t taken = f->count < 64 ? FAST_BIT(f->count) - 1 : UINT64_MAX;
	uint64_t first = w->passes->find(f, taken), second, sent;

	fast_aim_again(&w->view, f, taken & ~first);
	sent = bed_judge(w, 0, first);
	second = w->passes->find(f, taken & ~first);
	sent |= bed_judge(w, 1, second);
	for (uint64_t s = sent; s; s &= s - 1) {
		unsigned int i = (unsigned int)__builtin_ctzll(s);
		struct bed_packet *packet = f->mbuf[i];

		packet->out = f->frame[i];
		packet->out_bytes = FAST_L3 + f->ip_bytes[i];
		packet->out_port = f->out_port[i];
		bed_end(w, packet, BED_SENT);
		w->by_fast++;
		w->by_fast_to_client += f->kind[i] == PKT_TO_CLIENT;
	}
	*found = first | second;
	return taken & ~sent;
}

/* As worker_fast_leave(). */
static inline void
bed_leave(struct bed_world *w, uint64_t left, uint64_t found, uint8_t port)
{
	struct fast_burst *f = &w->fast;

	w->count = 0;
	for (; left; left &= left - 1) {
		unsigned int i = (unsigned int)__builtin_ctzll(left);
		struct pkt *p = &w->pkts[w->count];

		memset((void *)p, 0xa5, sizeof(*p));
		if (!fast_leave(&w->view, f, i, found >> i & 1, port, p)) {
			f->strange[f->strange_count++] = f->mbuf[i];
			continue;
		}
		p->headroom = BED_HEADROOM;
		w->packets[w->count] = f->mbuf[i];
		w->live[w->count++] = p;
		w->fast_left++;
	}
}

/* As worker_fast6(). */
static inline void
bed_fast6(struct bed_world *w)
{
	struct fast_burst *f = &w->fast;
	struct fast6_burst *b = &w->fast6;
	unsigned int left = 0, k = 0;

	fast6_begin(b);
	for (unsigned int i = 0; i < f->strange_count; i++) {
		struct bed_packet *packet = f->strange[i];

		fast6_take(&w->view, b, packet->frame, (uint16_t)packet->bytes, packet);
	}
	fast6_find(&w->view, b);
	for (unsigned int i = 0; i < f->strange_count; i++) {
		struct bed_packet *packet = f->strange[i];
		struct fast6_pkt *p = &b->pkts[k];
		bool taken = k < b->count && p->mbuf == packet;

		k += taken;
		if (!taken || !fast6_forward(&w->view, b, p)) {
			f->strange[left++] = packet;
			continue;
		}
		packet->out = p->frame;
		packet->out_bytes = p->bytes;
		packet->out_port = p->out_port;
		bed_end(w, packet, BED_SENT);
		packet->by_fast6 = true;
		w->by_fast6++;
		w->by_fast6_to_client += p->kind == PKT_TO_CLIENT;
	}
	f->strange_count = left;
}

/* Those that are strange, and those that are left, in the order in which they came. */
static inline unsigned int
bed_gather(struct bed_world *w, uint64_t left, struct bed_packet **packets)
{
	struct fast_burst *f = &w->fast;
	bool chosen[PKT_BURST] = { false };
	unsigned int n = 0;

	for (unsigned int i = 0; i < f->strange_count; i++)
		chosen[((struct bed_packet *)f->strange[i])->index] = true;
	for (; left; left &= left - 1)
		chosen[((struct bed_packet *)f->mbuf[__builtin_ctzll(left)])->index] = true;
	for (unsigned int i = 0; i < w->in_count; i++) {
		if (chosen[i])
			packets[n++] = &w->in[i];
	}
	return n;
}

/* As worker_process(), on what bed_put() has put. */
static inline void
bed_walk(struct bed_world *w, uint8_t port)
{
	struct bed_packet *packets[PKT_BURST];
	void *in[PKT_BURST];
	uint64_t left, found;

	w->turns = 0;
	if (!w->passes) {
		for (unsigned int i = 0; i < w->in_count; i++)
			packets[i] = &w->in[i];
		bed_strange(w, packets, w->in_count, port);
		return;
	}
	bed_take(w, in, port);
	left = bed_forward(w, &found);
	if (w->fast.strange_count)
		bed_fast6(w);
	if (left && !w->fast.strange_count) {
		bed_leave(w, left, found, port);
		bed_track(w);
		left = 0;
	}
	if (w->fast.strange_count)
		bed_strange(w, packets, bed_gather(w, left, packets), port);
}

#endif
