/* SPDX-License-Identifier: BSD-3-Clause */
#include "icmp.h"

#include <arpa/inet.h>
#include <stddef.h>

#include "checksum.h"

/* Where the fields stand: RFC 791 section 3.1, RFC 8200 section 3, RFC 792, RFC 4443. */
enum {
	IP4_TTL = 8,
	IP4_CHECKSUM = 10,
	IP4_SOURCE = 12,
	IP6_HOP_LIMIT = 7,
	IP6_SOURCE = 8,
	ICMP_CHECKSUM = 2,
	TCP_CHECKSUM = 16,
	UDP_CHECKSUM = 6,
};

/* The end of a packet; it says by how many addresses (or ports) the field is behind the source's.
 */
enum end {
	SOURCE = 0,
	DESTINATION = 1,
};

/* What the error becomes, by enum end. NULL, and port 0: what is there stays. */
struct icmp_rewrite {
	const uint8_t *quoted[2]; /* 4 or 16 bytes */
	uint16_t port_be[2];
	const uint8_t *outer[2];
};

static uint8_t *
ip_address(uint8_t *ip, uint8_t version, enum end end)
{
	return version == 4 ? ip + IP4_SOURCE + end * 4 : ip + IP6_SOURCE + end * 16;
}

/* Overwrites some words; returns what a checksum over them changes by. */
static uint16_t
icmp_replace(uint8_t *at, const void *with, size_t bytes)
{
	uint16_t delta = checksum_delta(checksum_sum(at, bytes), checksum_sum(with, bytes));

	memcpy(at, with, bytes);
	return delta;
}

/* Updates a checksum; returns what another one that covers it changes by. */
static uint16_t
icmp_update(uint8_t *at, uint16_t delta, bool udp)
{
	uint16_t checksum;

	memcpy(&checksum, at, sizeof(checksum));
	checksum = udp ? checksum_update_udp(checksum, delta) : checksum_update(checksum, delta);
	return icmp_replace(at, &checksum, sizeof(checksum));
}

/* Both addresses of an IP header; returns what a checksum over them changes by. */
static uint16_t
icmp_replace_addresses(uint8_t *ip, uint8_t version, const uint8_t *const with[2])
{
	uint32_t delta = 0;

	for (enum end end = SOURCE; end <= DESTINATION; end++) {
		if (with[end])
			delta += icmp_replace(
				ip_address(ip, version, end), with[end], version == 4 ? 4 : 16);
	}
	return checksum_fold(delta);
}

/*
 * The quoted packet; returns what the ICMP checksum changes by. A router that quotes little may
 * have filled up with zeros (RFC 4884 section 5.1): if TCP's checksum would stand there, the
 * filling changes, which nobody reads.
 */
static uint16_t
icmp_rewrite_quoted(struct pkt *p, const struct icmp_rewrite *rewrite)
{
	uint8_t *ip = p->data + p->inner_l3_offset, *l4 = p->data + p->inner_l4_offset;
	unsigned int checksum_at = p->protocol == SHUNT_TCP ? TCP_CHECKSUM : UDP_CHECKSUM;
	uint16_t l3_delta = icmp_replace_addresses(ip, p->version, rewrite->quoted);
	uint16_t l4_delta = l3_delta;
	uint32_t delta;

	for (enum end end = SOURCE; end <= DESTINATION; end++) {
		if (rewrite->port_be[end])
			l4_delta = checksum_add(l4_delta,
				icmp_replace(l4 + end * 2, &rewrite->port_be[end],
					sizeof(rewrite->port_be[end])));
	}
	delta = l4_delta;
	if (p->version == 4)
		delta += icmp_update(ip + IP4_CHECKSUM, l3_delta, false);
	if (p->inner_l4_offset + checksum_at + sizeof(uint16_t) <= p->bytes)
		delta += icmp_update(l4 + checksum_at, l4_delta, p->protocol == SHUNT_UDP);
	return checksum_fold(delta);
}

static void
icmp_rewrite(struct pkt *p, const struct icmp_rewrite *rewrite)
{
	uint8_t *ip = p->data + p->l3_offset;
	uint32_t delta = icmp_rewrite_quoted(p, rewrite);
	uint16_t l3_delta = icmp_replace_addresses(ip, p->version, rewrite->outer);

	if (p->version == 4) {
		/* TTL is the upper byte of its word: one less is a difference of 0x0100. */
		ip[IP4_TTL]--;
		icmp_update(
			ip + IP4_CHECKSUM, checksum_add(l3_delta, (uint16_t)~htons(0x0100)), false);
	} else {
		ip[IP6_HOP_LIMIT]--;
		delta += l3_delta; /* the pseudo header */
	}
	icmp_update(p->data + p->l4_offset + ICMP_CHECKSUM, checksum_fold(delta), false);
}

static bool
icmp_ttl_used_up(const struct pkt *p)
{
	return p->data[p->l3_offset + (p->version == 4 ? IP4_TTL : IP6_HOP_LIMIT)] <= 1;
}

void
icmp_to_server(struct pkt *p, const struct gen_server *server, const struct shunt_mac *port_macs)
{
	const struct icmp_rewrite rewrite = {
		.quoted = { [SOURCE] = server->address },
		.port_be = { [SOURCE] = server->port_be, [DESTINATION] = p->other_port_be },
		/* Parse has seen that the two are the same. */
		.outer = { [DESTINATION] = server->address },
	};

	if (icmp_ttl_used_up(p)) {
		p->drop = SHUNT_DROP_TTL;
		return;
	}
	if (!server->link.known) {
		p->drop = SHUNT_DROP_NO_NEIGHBOR;
		return;
	}
	icmp_rewrite(p, &rewrite);
	link_out(p, &server->link, port_macs);
}

void
icmp_to_client(struct pkt *p, const struct gen_service *service, const struct gen_server *server,
	const struct link *hop, const struct shunt_mac *port_macs)
{
	const uint8_t *source = ip_address(p->data + p->l3_offset, p->version, SOURCE);
	bool is_server = memcmp(source, server->address, p->version == 4 ? 4 : 16) == 0;
	const struct icmp_rewrite rewrite = {
		.quoted = { [DESTINATION] = service->address },
		.port_be = { [SOURCE] = p->other_port_be,
			[DESTINATION] = server->port_be ? service->port_be : 0 },
		.outer = { [SOURCE] = is_server ? service->address : NULL },
	};

	if (icmp_ttl_used_up(p)) {
		p->drop = SHUNT_DROP_TTL;
		return;
	}
	if (!hop->known) {
		p->drop = SHUNT_DROP_NO_NEIGHBOR;
		return;
	}
	icmp_rewrite(p, &rewrite);
	link_out(p, hop, port_macs);
}

void
icmp_to_end(struct pkt *p, const struct ends *ends, bool new_sender, const struct link *link,
	const struct shunt_mac *port_macs)
{
	/* The quoted packet went the other way. */
	const struct icmp_rewrite rewrite = {
		.quoted = { [SOURCE] = ends->destination, [DESTINATION] = ends->source },
		.port_be = { [SOURCE] = ends->dport_be, [DESTINATION] = ends->sport_be },
		.outer = { [SOURCE] = new_sender ? ends->source : NULL,
			[DESTINATION] = ends->destination },
	};

	icmp_rewrite(p, &rewrite);
	link_out(p, link, port_macs);
}
