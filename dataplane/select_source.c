/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Consistent hashing of the client: a keyed hash names a slot, and control has given the slots to
 * the members by weight, so that a member that comes or goes moves few of them (Maglev, Eisenbud
 * et al., NSDI 2016, section 3.4).
 */
#include "select.h"
#include "shunt/selection.h"

/* address: four bytes for version 4, else 16. */
static struct shunt_addr
address_of(const uint8_t *address, uint8_t version)
{
	struct shunt_addr a;

	if (version == 4)
		return shunt_addr_from_v4(address);
	memcpy(&a, address, sizeof(a));
	return a;
}

static uint32_t
pick(struct select_state *state, const struct generation *generation,
	const struct gen_backend *backend, const struct pkt *p)
{
	const struct gen_service *service = &generation->services[p->service];
	struct shunt_selection_key key = {
		.client = address_of(p->client, p->version),
		.client_port_be = p->client_port_be,
		.service_port_be = p->range_port_be ? p->range_port_be : service->port_be,
		.protocol = service->protocol,
		.service = address_of(service->address, service->version),
	};
	uint32_t hash = shunt_selection_hash(generation->hash_secret, backend->hash_on, &key);

	(void)state;
	return backend->slots[shunt_selection_slot(hash, backend->slot_count)];
}

const struct select_algorithm select_source = {
	.name = "source",
	.pick = pick,
};
