/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What routers have told of the way to servers behind tunnels: tunnel soft state (RFC 2003 section
 * 5). A router that cannot pass an outer packet on tells its source, which is the balancer; the
 * client, who could send less, hears nothing. So the MTU is kept here, and the client's next packet
 * that would not fit is answered with what does (RFC 4459 section 3.2).
 *
 * One table for all workers and generations: any of them may receive the error. An entry is one
 * 32-bit word, stored and loaded whole, without a lock: two errors at a time may leave the greater
 * of two MTUs, and the next error mends that.
 */
#ifndef DATAPLANE_PMTU_H
#define DATAPLANE_PMTU_H

#include "generation.h"

/* RFC 1191 section 6.3: tried anew after 10 minutes, for the way may have become wider. */
#define PMTU_TICKS (10u * 60 * 1000 / SHUNT_FLOW_TICK_MS)
#define PMTU_PER_SECOND                                                          \
	100 /* errors that one worker looks into; each costs a walk over servers \
	     */
#define PMTU_BURST 20

struct pmtu_table {
	uint32_t references;		     /* agent only */
	uint32_t tick;			     /* worker 0: wo */
	uint32_t entries[SHUNT_MAX_SERVERS]; /* by id: tick 16 | MTU 16; 0: nothing is known */
};

struct pmtu_table *pmtu_create(void);	     /* with one reference; NULL: no memory. Agent. */
void pmtu_destroy(struct pmtu_table *table); /* drops one; NULL is fine. Agent. */

/* Moves the table's clock; ticks as flows' ages have them. One worker. */
static inline void
pmtu_tick(struct pmtu_table *table, uint16_t tick)
{
	__atomic_store_n(&table->tick, tick, __ATOMIC_RELAXED);
}

/* The MTU of the way to a server, or 0: none is known. Worker. */
static inline uint16_t
pmtu_get(const struct pmtu_table *table, uint32_t server)
{
	uint32_t entry = __atomic_load_n(&table->entries[server], __ATOMIC_RELAXED), age;

	if (__builtin_expect(entry == 0, 1))
		return 0;
	age = (uint16_t)(__atomic_load_n(&table->tick, __ATOMIC_RELAXED) - (entry >> 16));
	return age < PMTU_TICKS ? (uint16_t)entry : 0;
}

/* The id means another server now. Agent. */
static inline void
pmtu_forget(struct pmtu_table *table, uint32_t server)
{
	__atomic_store_n(&table->entries[server], 0, __ATOMIC_RELAXED);
}

/*
 * p: an ICMP error, as parsed. Is it about a tunnel's packet of ours? Then it is dropped as such,
 * and if it says that the packet was too big, and by how much in a way that can be, all servers
 * that are reached like that have this MTU from now on. port_mtus: of all ports, by index. Worker.
 */
void pmtu_icmp_error(const struct generation *generation, struct pkt *p, const uint16_t *port_mtus);

/* Does the packet not fit the way that is known? Then its drop is TOO_BIG, with what fits. Worker.
 */
bool pmtu_exceeds(const struct generation *generation, struct pkt *p);

#endif
