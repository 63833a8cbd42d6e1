/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The XDP filter of the AF_XDP ports: finds the maps of the program that the driver has attached
 * and keeps them in step with the running generation. Agent only.
 */
#ifndef DATAPLANE_XDP_H
#define DATAPLANE_XDP_H

#include <stddef.h>

struct generation;
struct object_store;
struct xdp;

struct xdp *xdp_create(void); /* NULL: out of memory */
/* Takes the filters off the interfaces. */
void xdp_destroy(struct xdp *xdp);

/*
 * Before any driver is started: if a killed process has left its filter on this interface, keeps
 * what its maps hold for the new ones. So what was balanced is not passed to the kernel, which
 * would reset it, while control has not yet said what is to be balanced now. 0 or -ENOMEM.
 */
int xdp_inherit(struct xdp *xdp, const char *interface);

/*
 * Before a driver is started on an interface: takes off a filter of ours that a killed process
 * left behind. Until xdp_add(), or xdp_destroy() if it comes first, a guard (xdp_guard.h) drops in
 * its place what it took. `filter` is the path of the filter's object file. -EBUSY if another
 * program is attached there; its name is copied to `other`.
 */
int xdp_clear_stale(
	struct xdp *xdp, const char *interface, const char *filter, char *other, size_t other_size);

/*
 * Finds the filter that the driver has attached to this interface, and fills its maps with what
 * was inherited; from there on the guard is off. 0 or -errno.
 */
int xdp_add(struct xdp *xdp, const char *interface);

/* Makes the maps hold a generation's endpoints and the local addresses. 0 or the first -errno. */
int
xdp_sync(struct xdp *xdp, const struct generation *generation, const struct object_store *objects);

#endif
