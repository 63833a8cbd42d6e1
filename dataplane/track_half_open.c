/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How many flows may be half open. SYNs cost their sender nothing, and each would hold an entry for
 * the half-open timeout; so they may have a part of the table only, and what is left is for
 * connections that have proved to be some (RFC 4987 sections 2 and 3.3). A SYN beyond that goes by
 * the consistent hash alone, and the flow is made when its client speaks again, out of the middle:
 * by the same hash, so for the same server.
 *
 * An entry made out of the middle is half open too until its second segment, and random sources can
 * send ACKs as well as SYNs. So those have a bound, twice as high: a flood of SYNs leaves them as
 * much room as it has itself.
 */
#include "track_impl.h"

bool
track_may_half_open(struct tracker *t, const struct pkt *p)
{
	uint64_t max = t->half_open_max;

	if (p->protocol == SHUNT_UDP || t->proved)
		return true;
	if (!tcp_state_opens(p->tcp_flags))
		return t->half_open < 2 * max;
	if (t->half_open < max)
		return true;
	t->stats->half_open_over++;
	return false;
}
