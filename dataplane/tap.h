/* SPDX-License-Identifier: BSD-3-Clause */
/* A TAP: the kernel's side of a port. Main thread, but for tap_set_carrier(). */
#ifndef DATAPLANE_TAP_H
#define DATAPLANE_TAP_H

#include <stddef.h>

#include "settings.h"

/*
 * Makes the TAP, or takes one that somebody has prepared and nobody uses (then it stays when the
 * descriptor is closed, with all that was configured on it). Its descriptor, or -errno: -EBUSY if
 * another process has it, -EEXIST if it is an interface of another kind.
 */
int tap_open(const char *name);

/* Gives it MAC and MTU, and switches it on. 0 or -errno. */
int tap_configure(const char *name, const struct shunt_mac *mac, uint16_t mtu);

/* 0, also if it is there already, or -errno; *failed is the first that could not be added. */
int tap_add_addresses(const char *name, const struct settings_address *addresses, size_t count,
	const struct settings_address **failed);

/* Whether the kernel believes that there is a cable. Any thread. */
void tap_set_carrier(int fd, bool carrier);

#endif
