/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Kernel twins of devices that DPDK takes over: a TAP for each such port, and one thread for all of
 * them. Workers make no system calls, so they exchange frames with the thread through rings, and
 * the thread writes to and reads from the TAPs.
 */
#ifndef DATAPLANE_TWIN_H
#define DATAPLANE_TWIN_H

#include "port.h"
#include "worker_twin.h"

struct twin;

/*
 * Makes the TAPs of the settings' ports, switched on, with MAC, MTU and addresses, and writes their
 * names into the ports. *twin: NULL if no port has one. Logs what is wrong. 0 or -errno. Main
 * lcore, before the workers are made.
 */
int twin_create(struct twin **twin, const struct settings *settings, struct ports *ports);
void twin_destroy(struct twin *twin); /* stops the thread; NULL is fine */

/* Starts the thread. 0 or -errno. NULL is fine. */
int twin_start(struct twin *twin);

/* By worker. NULL for NULL. */
const struct twin_rings *twin_rings(const struct twin *twin);

#endif
