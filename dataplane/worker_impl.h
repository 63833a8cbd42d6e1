/* SPDX-License-Identifier: BSD-3-Clause */
/* The inside of a worker, for worker.c and worker_*.c alone. */
#ifndef DATAPLANE_WORKER_IMPL_H
#define DATAPLANE_WORKER_IMPL_H

#include "fast.h"
#include "fast6.h"
#include "frag.h"
#include "rate_limit.h"
#include "track.h"
#include "tx.h"
#include "worker.h"
#include "worker_twin.h"

#define WORKER_SWEEP_BUCKETS 64 /* of the flow table, at most, in one turn of the loop */
#define WORKER_STEP_MS	     10 /* of now_ms */

struct rx_queue {
	uint16_t port_id; /* DPDK's */
	uint16_t queue;
	uint8_t port; /* ours */
};

/* A burst on its way through the stages. */
struct burst {
	unsigned int count;
	struct pkt *live[PKT_BURST]; /* [count]: not dropped, not handed over */
	unsigned int rare_count;
	struct pkt *rare[PKT_BURST]; /* [rare_count]: of another kind than PKT_PLAIN */
	bool handed_over;	     /* by another worker: the marks in the mbufs are ours */
	struct pkt pkts[PKT_BURST];
	struct rte_mbuf *mbufs[PKT_BURST]; /* of the packet with the same index */
};

/* Touched by its own lcore alone, but for the inbox and what workers_create() sets. */
struct worker {
	struct tracker *tracker;
	struct frag_table *frags;
	struct shunt_worker_stats *stats;
	uint32_t index;
	uint32_t count;
	uint64_t owner_seed;
	uint16_t tick;	     /* agent: ro */
	uint16_t burst_size; /* at most PKT_BURST */
	bool sleeps;
	bool stopped;
	uint32_t rx_queue_count;
	struct rx_queue *rx_queues;
	struct rte_ring *inbox;	 /* agent: produces */
	struct rte_ring **peers; /* [count]: from each other worker */
	uint64_t tick_tsc;	 /* when the tick ends */
	uint64_t cycles_per_tick;
	uint64_t sweep_tsc; /* the sweep is paid up to here */
	uint64_t cycles_per_sweep;
	uint64_t now_ms;   /* since the start, in steps */
	uint64_t step_tsc; /* when the step ends */
	uint64_t cycles_per_step;
	unsigned int idle_turns;
	uint32_t lcore;
	struct shunt_mac port_macs[SHUNT_MAX_PORTS];
	uint16_t port_mtus[SHUNT_MAX_PORTS];
	uint16_t least_mtu; /* of these */
	uint16_t port_vlans[SHUNT_MAX_PORTS][2];
	struct rate_limit ttl_limit; /* of ICMP errors sent */
	struct rate_limit refuse_limit;
	struct rate_limit too_big_limit;
	struct rate_limit tunnel_limit;	 /* of errors about tunnels looked into */
	struct rate_limit doubt_limit;	 /* of challenges to the senders of RSTs */
	struct rate_limit provoke_limit; /* of those to the ends of flows that are being reset */
	struct rate_limit reset_limit;	 /* of RSTs */
	struct rte_mempool *buffers;	 /* for packets that it makes itself */
	struct tx tx;
	struct worker_twin twin;
	struct burst burst;
	const struct fast_passes *passes;
	struct fast_view view;
	struct fast_burst fast;
	struct fast6_burst fast6;
};

/*
 * Bytes of a packet received, which is put into one piece if it came in several. 0: it cannot be,
 * and is too short for its headers then.
 */
static inline uint16_t
mbuf_bytes(struct rte_mbuf *m)
{
	return m->nb_segs > 1 && rte_pktmbuf_linearize(m) < 0 ? 0 : m->data_len;
}

static inline struct rte_mbuf *
burst_mbuf(const struct burst *b, const struct pkt *p)
{
	return b->mbufs[p - b->pkts];
}

/* All of these: worker only, on what is live in w->burst. */

/* Takes the dropped packets out of the burst, and counts why. */
void burst_drop(struct worker *w);
/* Sends it out of the port that it has. */
void burst_transmit(struct worker *w);
/* The stages for packets of flows that this worker owns, from the look-up on. */
void worker_forward(struct worker *w);
/* The last of them, from rewriting on: server and hop are known. */
void worker_send(struct worker *w);

/* worker_fast.c: the fast path (fast.h), for packets that are not in w->burst. */

/* Takes what it can of a burst received on a port; hands over what others own. Returns its bytes.
 */
uint64_t
worker_fast_take(struct worker *w, struct rte_mbuf *const *mbufs, unsigned int n, uint8_t port);
/* Sends what it can of what it has taken. Returns what it has left, and of what a flow was found.
 */
uint64_t worker_fast_forward(struct worker *w, uint64_t *found);
/* Sends what it can of what is strange for being of IPv6, which is strange no longer. */
void worker_fast6(struct worker *w, uint8_t port);
/* Puts what is strange, and what it has left, together as it came; returns how many. */
unsigned int worker_fast_strange(struct worker *w, uint64_t left, struct rte_mbuf **mbufs);
/* Makes what it has left the burst of the other stages, looked up already; may find more strange.
 */
void worker_fast_leave(struct worker *w, uint64_t left, uint64_t found, uint8_t port);

/*
 * Sees to what goes by the hash alone (stateless.h). Returns the *n packets for the flow table, for
 * which rest[PKT_BURST] is room. All stay live.
 */
struct pkt *const *worker_stateless(struct worker *w, struct pkt **rest, unsigned int *n);

/* Makes a dropped packet the ICMP error to its sender. False: there is none to send. */
bool worker_answer(struct worker *w, struct pkt *p);
/* The same for a segment that is refused, or of a flow being reset: the packet becomes an RST. */
bool worker_answer_reset(struct worker *w, struct pkt *p);
/* The same for a SYN in a flood of them: the packet becomes a SYN|ACK with a cookie. */
bool worker_answer_cookie(struct worker *w, struct pkt *p);
/* A packet that is about to be quoted has its own sequence number again. */
void worker_restore_quoted(struct pkt *p);
/* Answers servers that have accepted flows begun by cookies. Before rewriting. */
void worker_accept(struct worker *w);
/* Challenges the senders of the RSTs that the tracker doubts. Before rewriting. */
void worker_challenge(struct worker *w);
/* Looks for flows to be reset, a bit at a time. Returns whether there is more to do. */
bool worker_reset_flows(struct worker *w);
/* Sets the limits of what is sent for all that. Agent, at the start. */
void worker_tcp_init(struct worker *w, uint64_t cycles_per_second);
/*
 * Makes fragments of a packet that is too big: p is the first then, and no longer dropped; the
 * others are on their way. False: it may not be fragmented, or there is no memory.
 */
bool worker_split(struct worker *w, struct pkt *p);
/* Sees to an ICMP error of the burst; uses the burst's live list. */
void worker_icmp(struct worker *w, struct pkt *p);

/* Connects it with the twins' thread. rings: by worker, or NULL. Main lcore, before the launch. */
void worker_add_twin(struct worker *w, const struct twin_rings *rings, const struct ports *ports);
/* Gives a dropped packet to the kernel twin and frees it. False: it is dropped, for p->drop. */
bool worker_punt(struct worker *w, struct pkt *p);
/* Sends what has come from the kernel twins. Returns how many. */
unsigned int worker_inject(struct worker *w);

/* Sees to a fragment of the burst, whichever; uses the burst's live list. */
void worker_fragment(struct worker *w, struct pkt *p);
/* Frees the fragments that have waited too long, or that must make room for one more. */
void worker_reap_fragments(struct worker *w);
/* Frees the table, and all that waits. Agent, when the worker has stopped. */
void worker_free_fragments(struct worker *w);

#endif
