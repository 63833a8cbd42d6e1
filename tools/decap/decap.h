/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared by the XDP program and its loader. */
#ifndef TOOLS_DECAP_H
#define TOOLS_DECAP_H

#define DECAP_MAX_SOURCES 1024

enum decap_counter {
	DECAP_TAKEN,   /* tunnels' packets whose inside went on to the kernel */
	DECAP_REFUSED, /* dropped: from a stranger, or with headers that are wrong */
	DECAP_COUNTERS,
};

/* Written by the loader before the program is loaded: all there is in its read-only data. */
struct decap_settings {
	unsigned short gue_port_be;
	unsigned char any_source;
	unsigned char pad;
};

/* IPv6 as it is, IPv4 as ::ffff:a.b.c.d. */
struct decap_address {
	unsigned char bytes[16];
};

#endif
