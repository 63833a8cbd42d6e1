/* SPDX-License-Identifier: BSD-3-Clause */
#include "nat.h"
#include "rewrite.h"

void
rewrite_burst(const struct generation *generation, const struct hop_table *hops,
	const struct shunt_mac *port_macs, struct pkt *const *pkts, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		struct pkt *p = pkts[i];
		const struct gen_service *service = &generation->services[p->service];
		const struct gen_server *server = &generation->servers[p->server];

		if (p->drop)
			continue;
		if (p->direction == PKT_TO_SERVER)
			nat_to_server(p, service, server, port_macs);
		else
			nat_to_client(p, service, server, &hops->hops[p->hop], port_macs);
	}
}
