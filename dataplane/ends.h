/* SPDX-License-Identifier: BSD-3-Clause */
/* Both ends that a packet is to have when it leaves, where its source is replaced too. */
#ifndef DATAPLANE_ENDS_H
#define DATAPLANE_ENDS_H

#include <stdint.h>

/* Addresses: 4 or 16 bytes, by version. */
struct ends {
	const uint8_t *source;
	const uint8_t *destination;
	uint16_t sport_be;
	uint16_t dport_be;
	uint8_t version; /* that the packet shall be of, whatever it is now */
};

#endif
