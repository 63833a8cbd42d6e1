/* SPDX-License-Identifier: BSD-3-Clause */
/* Between a worker and the kernel twins: see twin.h for the other end of the rings. */
#include <rte_cycles.h>

#include "worker_impl.h"

#define INJECT_BURST 32 /* frames from the kernel, in one turn of the loop */
#define PUNT_BURST   64 /* frames of a class that may come at once; less than a ring holds */

void
worker_add_twin(struct worker *w, const struct twin_rings *rings, const struct ports *ports)
{
	w->twin.rings = rings ? &rings[w->index] : NULL;
	for (uint32_t i = 0; w->twin.rings && i < ports->count; i++) {
		const struct port *port = &ports->port[i];
		uint64_t sharers = RTE_MIN(port->rx_queues, w->count);

		w->twin.port[i] = port->punt_rate > 0;
		w->twin.longest[i] = twin_longest_frame(port);
		for (enum punt_class c = 0; w->twin.port[i] && c < PUNT_CLASSES; c++)
			w->twin.limit[i][c] = (struct rate_limit){
				.period = rte_get_tsc_hz() * sharers / port->punt_rate,
				.burst = PUNT_BURST,
			};
	}
}

bool
worker_punt(struct worker *w, struct pkt *p)
{
	struct worker_twin *t = &w->twin;
	enum punt_class class;
	struct frame_slot *slot;

	if (!t->port[p->in_port])
		return false;
	class = punt_classify_pkt(w->tracker->generation->known, p);
	if (class == PUNT_NONE)
		return false;
	if (!rate_limit_take(&t->limit[p->in_port][class], rte_rdtsc())) {
		p->drop = SHUNT_DROP_PUNT_LIMITED;
		return false;
	}
	slot = p->bytes <= FRAME_RING_BYTES ? frame_ring_free_slot(t->rings->punt[class]) : NULL;
	if (!slot) {
		p->drop = SHUNT_DROP_PUNT_FULL;
		return false;
	}
	slot->bytes = p->bytes;
	slot->port = p->in_port;
	memcpy(slot->data, p->data, p->bytes);
	frame_ring_push(t->rings->punt[class]);
	w->stats->punted++;
	rte_pktmbuf_free(burst_mbuf(&w->burst, p));
	return true;
}

unsigned int
worker_inject(struct worker *w)
{
	const struct frame_slot *slot;
	unsigned int count = 0;
	struct rte_mbuf *m;

	if (!w->twin.rings)
		return 0;
	for (; count < INJECT_BURST && (slot = frame_ring_peek(w->twin.rings->inject)); count++) {
		if (slot->bytes > w->twin.longest[slot->port]) {
			w->stats->drops[SHUNT_DROP_TOO_BIG]++;
			frame_ring_pop(w->twin.rings->inject);
			continue;
		}
		m = rte_pktmbuf_alloc(w->buffers);
		if (!m)
			break; /* it waits for a buffer, and the kernel for room in the ring */
		memcpy(rte_pktmbuf_append(m, (uint16_t)slot->bytes), slot->data, slot->bytes);
		tx_port(&w->tx, m, slot->bytes, (uint8_t)slot->port);
		w->stats->injected++;
		frame_ring_pop(w->twin.rings->inject);
	}
	return count;
}
