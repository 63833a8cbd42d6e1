/* SPDX-License-Identifier: BSD-3-Clause */
#include "fullnat.h"

#include <arpa/inet.h>

#include "checksum.h"
#include "ends.h"
#include "icmp.h"
#include "tcp_option.h"
#include "xlat.h"

/* Where the fields stand: RFC 791 section 3.1, RFC 8200 section 3, RFC 9293 3.1, RFC 768. */
enum {
	IP4_TTL = 8,
	IP4_CHECKSUM = 10,
	IP4_ADDRESSES = 12,
	IP6_HOP_LIMIT = 7,
	IP6_ADDRESSES = 8,
	TCP_CHECKSUM = 16,
	UDP_CHECKSUM = 6,
	ICMP_CHECKSUM = 2,
};

/* Both ends that the packet is to have, and the way to the second. */
static const struct link *
fullnat_ends(const struct pkt *p, const struct generation *g, const struct hop_table *hops,
	struct ends *ends)
{
	const struct gen_server *server = &g->servers[p->server];
	const struct gen_service *service = &g->services[p->service];

	if (p->direction == PKT_TO_SERVER) {
		uint16_t port_be = p->kind == PKT_ICMP_ERROR ? p->sport_be : p->dport_be;

		*ends = (struct ends){
			.source = g->sources[p->source].address,
			.destination = server->address,
			.sport_be = htons(p->source_port),
			.dport_be = server->port_be ? server->port_be : port_be,
			.version = server->version,
		};
		return &server->link;
	}
	*ends = (struct ends){
		.source = service->address,
		.destination = p->client,
		.sport_be = p->service_port_be,
		.dport_be = p->client_port_be,
		.version = p->client_version,
	};
	return &hops->hops[p->hop];
}

/* False: it goes no further, and drop says why. */
static bool
fullnat_may_leave(struct pkt *p, const struct link *link)
{
	uint8_t ttl = p->data[p->l3_offset + (p->version == 4 ? IP4_TTL : IP6_HOP_LIMIT)];

	if (ttl <= 1)
		p->drop = SHUNT_DROP_TTL;
	else if (!link->known)
		p->drop = SHUNT_DROP_NO_NEIGHBOR;
	return !p->drop;
}

/*
 * The timestamps of a SYN become padding, so that the connection has none. Clients' clocks have
 * nothing to do with each other, and behind one address and port the server takes a SYN whose clock
 * is behind that of the connection before for an old duplicate: in TIME_WAIT it does not answer it
 * with a SYN|ACK (RFC 7323 section 5, RFC 6191; so does Linux, tcp_timewait_state_process()).
 * Without timestamps, sequence numbers decide. An option is only in use if both SYNs have it (RFC
 * 7323 section 3.2), and NOPs in its place keep the others where they are.
 */
static void
fullnat_strip_timestamps(struct pkt *p)
{
	uint8_t *tcp = p->data + p->l4_offset, *option, *even;
	uint16_t before, checksum;

	if (!(p->tcp_flags & PKT_SYN))
		return;
	option = tcp_option_find(tcp, TCP_OPTION_TIMESTAMPS);
	if (!option || option[1] != TCP_OPTION_TIMESTAMPS_BYTES)
		return;
	/* Whole words of the header: one at an odd place shares its first and its last. */
	even = option - (option - tcp) % 2;
	before = checksum_sum(even, TCP_OPTION_TIMESTAMPS_BYTES + 2 * (size_t)(option - even));
	memset(option, TCP_OPTION_NOP, TCP_OPTION_TIMESTAMPS_BYTES);
	memcpy(&checksum, tcp + TCP_CHECKSUM, sizeof(checksum));
	checksum = checksum_update(checksum,
		checksum_delta(before,
			checksum_sum(
				even, TCP_OPTION_TIMESTAMPS_BYTES + 2 * (size_t)(option - even))));
	memcpy(tcp + TCP_CHECKSUM, &checksum, sizeof(checksum));
}

/* Returns what the pseudo header's sum changes by. */
static uint16_t
fullnat_ip(uint8_t *ip, const struct ends *ends)
{
	unsigned int bytes = ends->version == 4 ? 4 : 16;
	uint8_t *at = ip + (ends->version == 4 ? IP4_ADDRESSES : IP6_ADDRESSES);
	uint16_t before = checksum_sum(at, 2 * (size_t)bytes), delta, checksum;

	memcpy(at, ends->source, bytes);
	memcpy(at + bytes, ends->destination, bytes);
	delta = checksum_delta(before, checksum_sum(at, 2 * (size_t)bytes));
	if (ends->version == 6) {
		ip[IP6_HOP_LIMIT]--;
		return delta;
	}
	/* TTL is the upper byte of its word: one less is a difference of 0x0100. */
	ip[IP4_TTL]--;
	memcpy(&checksum, ip + IP4_CHECKSUM, sizeof(checksum));
	checksum = checksum_update(checksum, checksum_add(delta, (uint16_t)~htons(0x0100)));
	memcpy(ip + IP4_CHECKSUM, &checksum, sizeof(checksum));
	return delta;
}

static void
fullnat_l4(struct pkt *p, const struct ends *ends, uint16_t delta)
{
	uint8_t *l4 = p->data + p->l4_offset;
	uint8_t *at = l4 + (p->protocol == SHUNT_TCP ? TCP_CHECKSUM : UDP_CHECKSUM);
	uint16_t ports = checksum_sum(l4, 4), checksum;

	memcpy(l4, &ends->sport_be, sizeof(ends->sport_be));
	memcpy(l4 + 2, &ends->dport_be, sizeof(ends->dport_be));
	delta = checksum_add(delta, checksum_delta(ports, checksum_sum(l4, 4)));
	memcpy(&checksum, at, sizeof(checksum));
	checksum = p->protocol == SHUNT_TCP ? checksum_update(checksum, delta)
					    : checksum_update_udp(checksum, delta);
	memcpy(at, &checksum, sizeof(checksum));
}

static void
fullnat_same_family(struct pkt *p, const struct ends *ends)
{
	uint16_t delta = fullnat_ip(p->data + p->l3_offset, ends);

	/* The first fragment has the checksum of the whole datagram; the others have none. */
	if (p->l4_offset)
		fullnat_l4(p, ends, delta);
}

/*
 * The identification of a packet that becomes one of IPv4: its TCP, UDP or ICMP checksum, for which
 * no state is needed. Different datagrams have the same by chance only, as with any 16 bits, and
 * whose fragments get into each other's are mostly the same ones sent again.
 */
static uint16_t
fullnat_id(const struct pkt *p)
{
	unsigned int at = ICMP_CHECKSUM;
	uint16_t id;

	if (!p->l4_offset)
		return 0; /* a later fragment, which has one */
	if (p->kind != PKT_ICMP_ERROR)
		at = p->protocol == SHUNT_TCP ? TCP_CHECKSUM : UDP_CHECKSUM;
	memcpy(&id, p->data + p->l4_offset + at, sizeof(id));
	return id;
}

void
fullnat_rewrite(struct pkt *p, const struct generation *g, const struct hop_table *hops,
	const struct shunt_mac *port_macs, const uint16_t *port_mtus)
{
	struct ends ends;
	const struct link *link = fullnat_ends(p, g, hops, &ends);

	if (!fullnat_may_leave(p, link))
		return;
	if (p->version == ends.version)
		fullnat_same_family(p, &ends);
	else
		xlat_pkt(p, &ends, port_mtus[link->port], fullnat_id(p));
	if (p->drop)
		return;
	if (p->direction == PKT_TO_SERVER)
		fullnat_strip_timestamps(p);
	link_out(p, link, port_macs);
}

/*
 * An error that becomes one of the other family, where a router that has sent it has no address: it
 * comes from the end that the flow's packets come from.
 */
static void
fullnat_icmp_other_family(struct pkt *p, const struct ends *ends, const struct link *link,
	const struct shunt_mac *macs)
{
	/* The quoted packet went the other way. */
	const struct ends quoted = {
		.source = ends->destination,
		.destination = ends->source,
		.sport_be = ends->dport_be,
		.dport_be = ends->sport_be,
		.version = ends->version,
	};

	xlat_icmp_error(p, ends, &quoted, fullnat_id(p));
	if (!p->drop)
		link_out(p, link, macs);
}

void
fullnat_icmp(struct pkt *p, const struct generation *g, const struct hop_table *hops,
	const struct shunt_mac *port_macs)
{
	struct ends ends;
	const struct link *link = fullnat_ends(p, g, hops, &ends);
	const uint8_t *sender =
		p->data + p->l3_offset + (p->version == 4 ? IP4_ADDRESSES : IP6_ADDRESSES);
	bool is_end = p->direction == PKT_TO_SERVER ||
		memcmp(sender, g->servers[p->server].address, p->version == 4 ? 4 : 16) == 0;

	if (!fullnat_may_leave(p, link))
		return;
	if (p->version == ends.version)
		icmp_to_end(p, &ends, is_end, link, port_macs);
	else
		fullnat_icmp_other_family(p, &ends, link, port_macs);
}
