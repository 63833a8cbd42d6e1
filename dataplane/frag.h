/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fragments: only the first of a datagram's has ports, so what becomes of it is noted here, and
 * the others, known by source, destination, protocol and id, go the same way. Those that come
 * before it wait for it. Nothing is put together: the receiver does that.
 *
 * One table per worker, used by that worker alone. Fixed size: a new datagram takes the place of
 * the one in its bucket that has been silent for longest, and a fragment that has to wait takes
 * that of the one that has waited longest. So a flood of fragments of its own making costs a
 * datagram only if it fits between two fragments of it.
 *
 * Two workers may see a datagram. Its *fragment owner*, by a hash of its key, gets all of its
 * fragments, wherever they are received, keeps the early ones, and knows from the first who owns
 * the flow. If that is another worker, it hands all of them over, the first one first, and there
 * they are "placed": they go through the other one's table, but wait for nothing.
 */
#ifndef DATAPLANE_FRAG_H
#define DATAPLANE_FRAG_H

#include "pkt.h"

#define FRAG_BUCKETS	 1024u
#define FRAG_WAYS	 8u
#define FRAG_WAITING	 1024u /* fragments that wait, of all datagrams; a power of two */
#define FRAG_WAITING_OWN 64u   /* of one: all of the greatest, at an MTU of 1280 and up */
#define FRAG_WAIT_MS	 1000  /* for the first one */
#define FRAG_LIFETIME_MS 2000  /* of what is known of a datagram, since its last fragment */

struct frag_table;

enum frag_step {
	FRAG_DROP,	/* p->drop says why */
	FRAG_WAIT,	/* the table has it now, with its handle */
	FRAG_FORWARD,	/* here: a later one has all that rewriting uses */
	FRAG_HAND_OVER, /* to the flow's owner, *owner, as placed */
};

/* seed: random, this worker's own. worker: its index. NULL: no memory. Agent. */
struct frag_table *frag_table_create(uint32_t worker, const uint64_t seed[2]);
/* Nothing may be waiting any more: see frag_reap(). */
void frag_table_destroy(struct frag_table *table);

/* Which worker is a fragment's fragment owner; high bits as worker_owner() wants. Any thread. */
uint32_t frag_owner_hash(const struct pkt *p, uint64_t owner_seed);

static inline bool
frag_is_first(const struct pkt *p)
{
	return p->fragment_offset == 0;
}

/*
 * A first fragment, classified (p->drop may be set). flow_owner: the worker that owns its flow.
 * Returns FORWARD (the caller sends it through the stages and calls frag_settle()), HAND_OVER, or
 * DROP. After any of them the caller takes out what has waited for it. Worker.
 */
enum frag_step
frag_first(struct frag_table *table, struct pkt *p, uint32_t flow_owner, uint64_t now_ms);

/* What has become of the first fragment that frag_first() was called for last. Worker. */
void frag_settle(struct frag_table *table, const struct pkt *p);

/*
 * Takes out the next fragment that has waited for the first one of the last frag_first(), in the
 * order of their arrival, and puts its packet in *p. The caller gives it to frag_later(). NULL: no
 * more. Worker.
 */
void *frag_take(struct frag_table *table, struct pkt *p);

/*
 * A later fragment. placed: handed over by its fragment owner. Before it waits, the caller must
 * have called frag_reap() until that gave nothing. Sets direction, service, server, hop, source,
 * source_port, client and owner_hash for FORWARD; the client of a reply to a source address is not
 * known here. Worker.
 */
enum frag_step frag_later(struct frag_table *table, struct pkt *p, void *handle, bool placed,
	uint64_t now_ms, uint32_t *owner);

/*
 * Takes out a fragment that has waited long enough, or the one that has waited longest if there is
 * no room for another; *drop says why. With now_ms UINT64_MAX: whatever waits. NULL: no more.
 * Worker.
 */
void *frag_reap(struct frag_table *table, uint64_t now_ms, enum shunt_drop *drop);

/* How many wait. Worker. */
uint32_t frag_waiting(const struct frag_table *table);

#endif
