/* SPDX-License-Identifier: BSD-3-Clause */
#include "direct.h"

#include "mss.h"

void
direct_to_server(struct pkt *p, const struct gen_server *server, const struct shunt_mac *port_macs,
	const uint16_t *port_mtus)
{
	if (!server->link.known) {
		p->drop = SHUNT_DROP_NO_NEIGHBOR;
		return;
	}
	if (pkt_ip_bytes(p) > port_mtus[server->link.port]) {
		p->drop = SHUNT_DROP_TOO_BIG;
		p->fit_bytes = port_mtus[server->link.port];
		return;
	}
	if (server->mss_clamp)
		mss_clamp(p, server->mss_clamp);
	link_out(p, &server->link, port_macs);
}
