/* SPDX-License-Identifier: BSD-3-Clause */
/* TCP's options (RFC 9293 section 3.1). Pure, any thread. */
#ifndef DATAPLANE_TCP_OPTION_H
#define DATAPLANE_TCP_OPTION_H

#include <stddef.h>
#include <stdint.h>

enum {
	TCP_OPTION_END = 0,
	TCP_OPTION_NOP = 1,
	TCP_OPTION_MSS = 2,
	TCP_OPTION_MSS_BYTES = 4,
	TCP_OPTION_SCALE = 3, /* RFC 7323 section 2.2 */
	TCP_OPTION_SCALE_BYTES = 3,
	TCP_OPTION_SACK_PERMITTED = 4, /* RFC 2018 section 2 */
	TCP_OPTION_SACK_PERMITTED_BYTES = 2,
	TCP_OPTION_SACK = 5,	   /* section 3 */
	TCP_OPTION_TIMESTAMPS = 8, /* RFC 7323 section 3.2 */
	TCP_OPTION_TIMESTAMPS_BYTES = 10,
};

/*
 * The option of this kind in a TCP header that parse has let through, at its kind byte; its length
 * follows and reaches not beyond the header. NULL: there is none.
 */
static inline uint8_t *
tcp_option_find(uint8_t *tcp, uint8_t kind)
{
	unsigned int i = 20, bytes = (tcp[12] >> 4) * 4u, length;

	while (i < bytes && tcp[i] != TCP_OPTION_END) {
		if (tcp[i] == TCP_OPTION_NOP) {
			i++;
			continue;
		}
		if (i + 1 >= bytes)
			return NULL;
		length = tcp[i + 1];
		if (length < 2 || length > bytes - i)
			return NULL;
		if (tcp[i] == kind)
			return tcp + i;
		i += length;
	}
	return NULL;
}

#endif
