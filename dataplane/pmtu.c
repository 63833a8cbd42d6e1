/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmtu.h"

#include "mem.h"
#include "tunnel.h"

enum {
	ICMP4_UNREACHABLE = 3,
	ICMP4_FRAGMENTATION_NEEDED = 4, /* its code; the MTU: RFC 1191 section 4 */
	ICMP6_TOO_BIG = 2,
	IP4_MIN_MTU = 576, /* a router that tells less is old, or lies: RFC 1191 section 3 */
	IP6_BYTES = 40,
	IP6_MIN_MTU = 1280, /* RFC 8201 section 4 */
	PROTOCOL_IP4 = 4,
	PROTOCOL_UDP = 17,
	PROTOCOL_IP6 = 41,
	PROTOCOL_GRE = 47,
};

struct pmtu_table *
pmtu_create(void)
{
	struct pmtu_table *table = mem_alloc(sizeof(*table));

	if (table)
		table->references = 1;
	return table;
}

void
pmtu_destroy(struct pmtu_table *table)
{
	if (table && --table->references == 0)
		mem_free(table);
}

static uint32_t
load_be16(const uint8_t *at)
{
	return (uint32_t)at[0] << 8 | at[1];
}

/*
 * What the error says the MTU is; 0: it says nothing that can be. The quoted packet must have been
 * larger than that, or it was not the reason.
 */
static uint16_t
told_mtu(const struct pkt *p)
{
	const uint8_t *icmp = p->data + p->l4_offset, *quoted = p->data + p->inner_l3_offset;
	uint32_t mtu, bytes, least;

	if (p->version == 4) {
		if (icmp[0] != ICMP4_UNREACHABLE || icmp[1] != ICMP4_FRAGMENTATION_NEEDED)
			return 0;
		mtu = load_be16(icmp + 6);
		bytes = load_be16(quoted + 2);
		least = IP4_MIN_MTU;
	} else {
		if (icmp[0] != ICMP6_TOO_BIG || load_be16(icmp + 4) != 0)
			return 0;
		mtu = load_be16(icmp + 6);
		bytes = load_be16(quoted + 4) + IP6_BYTES;
		least = IP6_MIN_MTU;
	}
	return mtu >= least && mtu < bytes ? (uint16_t)mtu : 0;
}

/* Could the quoted packet be one that went to this server? */
static bool
is_tunnel_to(const struct gen_server *s, const struct pkt *p)
{
	const uint8_t *ip = p->data + p->inner_l3_offset;
	size_t bytes = p->version == 4 ? 4 : 16;

	if (s->version != p->version || s->forward != SHUNT_TUNNEL)
		return false;
	ip += p->version == 4 ? 12 : 8;
	if (memcmp(ip, s->source, bytes) != 0 || memcmp(ip + bytes, s->address, bytes) != 0)
		return false;
	switch (s->encap) {
	case SHUNT_GUE:
		return p->protocol == PROTOCOL_UDP && p->dport_be == s->encap_port_be;
	case SHUNT_GRE:
		return p->protocol == PROTOCOL_GRE;
	default:
		return p->protocol == PROTOCOL_IP4 || p->protocol == PROTOCOL_IP6;
	}
}

/* It only ever becomes less, until it is forgotten. */
static void
lower(struct pmtu_table *table, uint32_t server, uint16_t mtu)
{
	uint32_t tick = __atomic_load_n(&table->tick, __ATOMIC_RELAXED);
	uint16_t known = pmtu_get(table, server);

	if (known && known < mtu)
		return;
	__atomic_store_n(&table->entries[server], tick << 16 | mtu, __ATOMIC_RELAXED);
}

void
pmtu_icmp_error(const struct generation *generation, struct pkt *p, const uint16_t *port_mtus)
{
	uint16_t mtu = told_mtu(p);

	for (uint32_t id = 1; id < generation->server_count; id++) {
		const struct gen_server *s = &generation->servers[id];

		if (!is_tunnel_to(s, p))
			continue;
		p->drop = SHUNT_DROP_ICMP_TUNNEL;
		if (mtu && mtu < port_mtus[s->link.port])
			lower(generation->pmtu, id, mtu);
	}
}

bool
pmtu_exceeds(const struct generation *generation, struct pkt *p)
{
	uint16_t mtu = pmtu_get(generation->pmtu, p->server);
	unsigned int overhead;

	if (__builtin_expect(mtu == 0, 1))
		return false;
	overhead = tunnel_overhead(&generation->servers[p->server]);
	if (overhead + pkt_ip_bytes(p) <= mtu)
		return false;
	p->drop = SHUNT_DROP_TOO_BIG;
	p->fit_bytes = (uint16_t)(mtu - overhead);
	return true;
}
