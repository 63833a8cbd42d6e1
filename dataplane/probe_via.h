/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Probes through services: shunt-control opens ordinary connections to servers' own addresses, and
 * two tc programs (probe_via.bpf.c) on the kernel interfaces make of them what clients send: to
 * the balanced address, by MAC or in the backend's tunnel. The programs are attached when the first
 * server is to be probed that way, and stay until the process ends. Agent only.
 */
#ifndef DATAPLANE_PROBE_VIA_H
#define DATAPLANE_PROBE_VIA_H

#include <stdbool.h>

struct object_store;
struct probe_via;
struct settings;

/*
 * For the interfaces of these ports. `filter` is the path of the XDP filter's object file, beside
 * which that of the programs lies. NULL: out of memory.
 */
struct probe_via *probe_via_create(const struct settings *settings, const char *filter);
/* Takes the programs off the interfaces. NULL is fine. */
void probe_via_destroy(struct probe_via *via);

/*
 * Makes the programs carry the probes that these objects ask for. False: they cannot, and why has
 * been logged. True also if none are asked for.
 */
bool probe_via_sync(struct probe_via *via, const struct object_store *objects);

#endif
