/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is this packet to us? A packet to a service's address, port and protocol is on its way to
 * a server; one from the address, port and protocol of a service's server is a reply, and so is one
 * to a source address of full NAT's; anything else is not ours. One read-only hash table for all,
 * built by the agent with a generation.
 * Of services that share an address, a protocol and a port, the one with the fewest ports has it.
 */
#ifndef DATAPLANE_CLASSIFY_H
#define DATAPLANE_CLASSIFY_H

#include "generation.h"

/*
 * Builds the table of a generation's services and of all servers of their backends (by the
 * server's backend field: servers that drain or are down still send replies), but for those that
 * answer clients directly: what comes from them is no reply of a balanced flow. Uses nothing of the
 * generation but its services and servers, and keeps no pointer to it. NULL: no memory. Agent only.
 */
struct classifier *classifier_create(const struct generation *generation);

/*
 * The classifier of the generation before, with one more reference, if it would be built the same:
 * every service has the same address, port, protocol and backends, and every server the same
 * address, port, backend and forwarding mode, and the source addresses are the same. States, next
 * hops, weights and timeouts do not count. NULL: it has to be built. Agent only.
 */
struct classifier *
classifier_share(const struct generation *before, const struct generation *generation);
uint64_t classifier_bytes(const struct classifier *classifier);	   /* of memory */
struct classifier *classifier_hold(struct classifier *classifier); /* one reference more. Agent */

void classifier_destroy(struct classifier *classifier); /* drops one reference; NULL is fine */

/*
 * Sets direction, service, other services, range_port_be, client address and port, and owner_hash
 * of each packet that has no drop reason yet, and clears other_port_be; sets SHUNT_DROP_NO_SERVICE
 * for what is not ours. Of a reply to a source address: direction, source, source_port and
 * owner_hash, as the port names the owner; the rest is track_sources()'. owner_seed: the same for
 * all workers. n: at most PKT_BURST. Worker.
 */
void classify_burst(const struct classifier *classifier, struct pkt *const *pkts, unsigned int n,
	uint64_t owner_seed);

/*
 * The same for an ICMP error, by the packet that it quotes, which went the other way: from a
 * service, so the error is for the server, or to a server, so it is for the client. Client and
 * owner are those of the flow. Worker.
 */
void classify_icmp_error(const struct classifier *classifier, struct pkt *p, uint64_t owner_seed);

/* What classify_burst() sets as owner_hash for a client. client: 4 or 16 bytes. Any thread. */
uint32_t classify_owner_hash(
	const uint8_t *client, uint8_t version, uint16_t client_port_be, uint64_t owner_seed);

/* The i-th of p's other services. */
uint16_t
classify_other_service(const struct classifier *classifier, const struct pkt *p, unsigned int i);

/*
 * Does an endpoint of the server (one of them, if it has any port) belong to several services? Then
 * they may be given flows there whose replies look alike. Agent only.
 */
bool classify_is_shared(
	const struct classifier *classifier, const struct gen_server *server, uint8_t protocol);

/*
 * Calls fn for every service and every server endpoint that sends replies to clients: for the XDP
 * filter's maps.
 */
void classifier_each(const struct classifier *classifier,
	void (*fn)(void *context, const struct shunt_addr *address, uint16_t first_port_be,
		uint16_t last_port_be, uint8_t protocol, bool is_service),
	void *context);

#endif
