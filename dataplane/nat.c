/* SPDX-License-Identifier: BSD-3-Clause */
#include "nat.h"

#include <arpa/inet.h>
#include <stddef.h>

#include "fields.h"

/* One end of a packet gets another address and port. */
struct nat_rewrite {
	const uint8_t *address; /* 4 or 16 bytes */
	uint16_t port_be;	/* 0: the port stays */
	uint16_t l3_delta;	/* checksum_delta() of the addresses */
	uint16_t l4_delta;	/* of addresses, and of ports if they change */
	uint8_t ip4_offset;
	uint8_t ip6_offset;
	uint8_t l4_offset;
};

static void
nat_ip4(uint8_t *ip, const struct nat_rewrite *rewrite)
{
	/* TTL is the upper byte of its word: one less is a difference of 0x0100. */
	uint32_t delta = (uint32_t)rewrite->l3_delta + (uint16_t)~htons(0x0100);

	memcpy(ip + rewrite->ip4_offset, rewrite->address, 4);
	ip[IP4_TTL]--;
	field_update_checksum(ip + IP4_CHECKSUM, checksum_fold32(delta));
}

static void
nat_ip6(uint8_t *ip, const struct nat_rewrite *rewrite)
{
	memcpy(ip + rewrite->ip6_offset, rewrite->address, 16);
	ip[IP6_HOP_LIMIT]--;
}

static void
nat_l4(uint8_t *l4, uint8_t protocol, const struct nat_rewrite *rewrite)
{
	if (rewrite->port_be)
		memcpy(l4 + rewrite->l4_offset, &rewrite->port_be, sizeof(rewrite->port_be));
	field_update_l4_checksum(l4 + field_l4_checksum(protocol), protocol, rewrite->l4_delta);
}

/*
 * The client's own port, on its side of the packet: for the few whose port another flow has at the
 * server.
 */
static void
nat_client_port(struct pkt *p, uint8_t l4_offset)
{
	uint8_t *l4 = p->data + p->l4_offset;
	struct nat_rewrite rewrite = { .port_be = p->other_port_be, .l4_offset = l4_offset };
	uint16_t before;

	if (!p->l4_offset)
		return;
	memcpy(&before, l4 + l4_offset, sizeof(before));
	rewrite.l4_delta = checksum_delta(before, p->other_port_be);
	nat_l4(l4, p->protocol, &rewrite);
}

static void
nat_rewrite(struct pkt *p, const struct nat_rewrite *rewrite)
{
	uint8_t *ip = p->data + p->l3_offset;

	if (p->version == 4)
		nat_ip4(ip, rewrite);
	else
		nat_ip6(ip, rewrite);
	/* The first fragment has the checksum of the whole datagram; the others have none. */
	if (p->l4_offset)
		nat_l4(p->data + p->l4_offset, p->protocol, rewrite);
}

/*
 * Uses what parse has set, and that service and server are of the packet's family. Sets out_port
 * and the bytes, or drop. Leaves the packet untouched if it drops it.
 */
void
nat_to_server(struct pkt *p, const struct gen_service *service, const struct gen_server *server,
	const struct shunt_mac *port_macs)
{
	const struct nat_rewrite rewrite = {
		.address = server->address,
		.port_be = server->port_be,
		.l3_delta = checksum_delta(service->l3_sum, server->l3_sum),
		.l4_delta = server->port_be ? checksum_delta(service->l4_sum, server->l4_sum)
					    : checksum_delta(service->l3_sum, server->l3_sum),
		.ip4_offset = IP4_DESTINATION,
		.ip6_offset = IP6_DESTINATION,
		.l4_offset = L4_DPORT,
	};

	if (field_ttl_is_used_up(p)) {
		p->drop = SHUNT_DROP_TTL;
		return;
	}
	if (!server->link.known) {
		p->drop = SHUNT_DROP_NO_NEIGHBOR;
		return;
	}
	nat_rewrite(p, &rewrite);
	if (p->other_port_be)
		nat_client_port(p, L4_SPORT);
	link_out(p, &server->link, port_macs);
}

/* The way back: as above, and hop is the flow's, or the table's unused first entry. */
void
nat_to_client(struct pkt *p, const struct gen_service *service, const struct gen_server *server,
	const struct link *hop, const struct shunt_mac *port_macs)
{
	const struct nat_rewrite rewrite = {
		.address = service->address,
		.port_be = server->port_be ? service->port_be : 0,
		.l3_delta = checksum_delta(server->l3_sum, service->l3_sum),
		.l4_delta = server->port_be ? checksum_delta(server->l4_sum, service->l4_sum)
					    : checksum_delta(server->l3_sum, service->l3_sum),
		.ip4_offset = IP4_SOURCE,
		.ip6_offset = IP6_SOURCE,
		.l4_offset = L4_SPORT,
	};

	if (field_ttl_is_used_up(p)) {
		p->drop = SHUNT_DROP_TTL;
		return;
	}
	if (!hop->known) {
		p->drop = SHUNT_DROP_NO_NEIGHBOR;
		return;
	}
	nat_rewrite(p, &rewrite);
	if (p->other_port_be)
		nat_client_port(p, L4_DPORT);
	link_out(p, hop, port_macs);
}
