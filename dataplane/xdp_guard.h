/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Holds back what the XDP filter would take while there is no filter: the AF_XDP driver attaches
 * its program only where none is, so a filter left by a killed process is off for some 10 ms before
 * the new one is on and its maps are filled. Packets to services would reach the kernel, which
 * owns their addresses and resets their connections; dropped, they are sent again. The guard is a
 * program at the interface's tc ingress hook (clsact), which comes after XDP. Main lcore, before
 * the workers run.
 */
#ifndef DATAPLANE_XDP_GUARD_H
#define DATAPLANE_XDP_GUARD_H

#include <stddef.h>

struct xdp_guard;

/* A map that the guard shares with the filter it stands in for. */
struct xdp_guard_map {
	const char *name;
	int fd;
};

/*
 * Attaches a guard with these maps. `filter` is the path of the filter's object file, beside which
 * the guard's lies. NULL (errno says why): the restart goes on without.
 */
struct xdp_guard *
xdp_guard_create(int ifindex, const char *filter, const struct xdp_guard_map *maps, size_t count);
/* Takes it off, and the clsact qdisc too if there was none before. NULL is fine. */
void xdp_guard_destroy(struct xdp_guard *guard);

/* Takes off a guard that a process killed within those milliseconds has left. */
void xdp_guard_clear_stale(int ifindex);

#endif
