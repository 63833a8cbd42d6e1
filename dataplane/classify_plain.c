/* SPDX-License-Identifier: BSD-3-Clause */
#include "classify_impl.h"
#include "mem.h"

/* Is the entry one for the fast path, of this role? */
static bool
is_plain(const struct entry *e, enum role role)
{
	struct shunt_addr address;

	if (e->tail == 0 || e->tail >> 24 != role || e->others)
		return false;
	memcpy(&address, e->address, sizeof(address));
	return shunt_addr_is_v4(&address);
}

static void
add(struct classify_plain *plain, const struct entry *e)
{
	struct classify_plain_entry *place;
	uint32_t address = (uint32_t)(e->address[1] >> 32);
	uint64_t key =
		classify_plain_key(address, (uint16_t)(e->tail & 0xffff), (uint8_t)(e->tail >> 16));

	if (e->tail >> 24 == ROLE_SERVER)
		key |= CLASSIFY_PLAIN_SERVER;
	place = classify_plain_find(plain, key);
	place->key = key;
	place->service = e->service;
	if (e->tail >> 24 == ROLE_SERVICE)
		plain->displaced |= place != &plain->entries[classify_plain_place(plain, key)];
}

static void
add_all(struct classifier *c, enum role role)
{
	for (uint32_t i = 0; i <= c->mask; i++) {
		if (is_plain(&c->entries[i], role))
			add(&c->plain, &c->entries[i]);
	}
}

static void
note_no_reply(struct classify_plain *plain, const struct entry *e)
{
	enum role role = e->tail >> 24;
	struct shunt_addr address;

	if (e->tail == 0 || (role != ROLE_SOURCE && role != ROLE_SERVICE_RANGES))
		return;
	memcpy(&address, e->address, sizeof(address));
	plain->no_reply[address.bytes[15] / 64] |= 1ull << (address.bytes[15] % 64);
}

int
classify_build_plain(struct classifier *c)
{
	struct classify_plain *plain = &c->plain;
	uint32_t keys = 0, bits = 4;

	for (uint32_t i = 0; i <= c->mask; i++) {
		keys += is_plain(&c->entries[i], ROLE_SERVICE) +
			is_plain(&c->entries[i], ROLE_SERVER);
		note_no_reply(plain, &c->entries[i]);
	}
	while (1u << bits < 4 * keys)
		bits++;
	plain->entries = mem_alloc(sizeof(*plain->entries) << bits);
	if (!plain->entries)
		return -1;
	plain->mask = (1u << bits) - 1;
	plain->shift = (uint8_t)(64 - bits);
	/* Services first, so that of few of them none is displaced. */
	add_all(c, ROLE_SERVICE);
	add_all(c, ROLE_SERVER);
	return 0;
}

const struct classify_plain *
classify_plain(const struct classifier *classifier)
{
	return &classifier->plain;
}
