/* SPDX-License-Identifier: BSD-3-Clause */
#include "direct.h"
#include "fullnat.h"
#include "nat.h"
#include "pmtu.h"
#include "rewrite.h"
#include "tunnel.h"

/* The packets of a burst by the forwarding mode of their servers, in their order. */
struct modes {
	unsigned int count[SHUNT_FORWARD_COUNT];
	struct pkt *pkts[SHUNT_FORWARD_COUNT][PKT_BURST];
};

static void
sort_by_mode(struct modes *m, const struct generation *g, struct pkt *const *pkts, unsigned int n)
{
	memset(m->count, 0, sizeof(m->count));
	for (unsigned int i = 0; i < n; i++) {
		uint8_t mode;

		/* What is dropped may have no server, or one of a generation before. */
		if (pkts[i]->drop)
			continue;
		mode = g->servers[pkts[i]->server].forward;
		m->pkts[mode][m->count[mode]++] = pkts[i];
	}
}

void
rewrite_burst(const struct generation *generation, const struct hop_table *hops,
	const struct shunt_mac *port_macs, const uint16_t *port_mtus, struct pkt *const *pkts,
	unsigned int n)
{
	const struct gen_service *services = generation->services;
	const struct gen_server *servers = generation->servers;
	struct modes m;
	struct pkt *p;

	sort_by_mode(&m, generation, pkts, n);
	for (unsigned int i = 0; i < m.count[SHUNT_NAT]; i++) {
		p = m.pkts[SHUNT_NAT][i];
		if (p->direction == PKT_TO_SERVER)
			nat_to_server(p, &services[p->service], &servers[p->server], port_macs);
		else
			nat_to_client(p, &services[p->service], &servers[p->server],
				&hops->hops[p->hop], port_macs);
	}
	for (unsigned int i = 0; i < m.count[SHUNT_FULLNAT]; i++)
		fullnat_rewrite(m.pkts[SHUNT_FULLNAT][i], generation, hops, port_macs, port_mtus);
	/* Nothing from a server that answers directly has come so far: see classify.h. */
	for (unsigned int i = 0; i < m.count[SHUNT_DR]; i++) {
		p = m.pkts[SHUNT_DR][i];
		direct_to_server(p, &servers[p->server], port_macs, port_mtus);
	}
	for (unsigned int i = 0; i < m.count[SHUNT_TUNNEL]; i++) {
		p = m.pkts[SHUNT_TUNNEL][i];
		if (!pmtu_exceeds(generation, p))
			tunnel_to_server(p, &servers[p->server], port_macs, port_mtus);
	}
}
