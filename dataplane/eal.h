/* SPDX-License-Identifier: BSD-3-Clause */
/* Starting DPDK's environment (EAL) from the settings. */
#ifndef DATAPLANE_EAL_H
#define DATAPLANE_EAL_H

#include <stddef.h>

#include "settings.h"

/* Starts the EAL. 0 or -errno, logged. rte_eal_cleanup() ends it. */
int eal_start(const struct settings *settings);

/*
 * Where the XDP filter's object file is: as set, else beside the executable, else installed. 0,
 * or -ENOENT (logged) if an AF_XDP port needs it and it is nowhere.
 */
int eal_find_filter(const struct settings *settings, char *path, size_t size);

#endif
