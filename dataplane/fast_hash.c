/* SPDX-License-Identifier: BSD-3-Clause */
#include "fast_hash.h"

#include "fast_take.h"

/* Of SipHash, in the last word: how many bytes there were. */
#define SIP_BYTES(n) ((uint64_t)(n) << 56)

void
fast_hash_begin(struct fast_hash *h, const struct fast_view *v)
{
	const uint8_t *secret = v->stateless->hash_secret;
	uint64_t k0 = fast_load64(secret), k1 = fast_load64(secret + 8);
	uint64_t v0 = k0 ^ 0x736f6d6570736575ull, v1 = k1 ^ 0x646f72616e646f6dull;
	uint64_t v2 = k0 ^ 0x6c7967656e657261ull, v3 = k1 ^ 0x7465646279746573ull;

	/* The first word is 0. */
	SHUNT_SIP_ROUND(v0, v1, v2, v3);
	SHUNT_SIP_ROUND(v0, v1, v2, v3);
	h->view = v;
	h->sip = (struct fast_sip){ { v0, v1, v2, v3 } };
	h->left = 0;
	h->service.id = 0;
	h->service.by_slot = false;
}

/* The rest of shunt_selection_hash(): the two words that are left. */
static inline uint32_t
sip_end(const struct fast_sip *sip, uint64_t address, uint64_t end)
{
	uint64_t v0 = sip->v[0], v1 = sip->v[1], v2 = sip->v[2], v3 = sip->v[3];

	v3 ^= address;
	SHUNT_SIP_ROUND(v0, v1, v2, v3);
	SHUNT_SIP_ROUND(v0, v1, v2, v3);
	v0 ^= address;
	v3 ^= end;
	SHUNT_SIP_ROUND(v0, v1, v2, v3);
	SHUNT_SIP_ROUND(v0, v1, v2, v3);
	v0 ^= end;
	v2 ^= 0xff;
	for (int i = 0; i < 4; i++)
		SHUNT_SIP_ROUND(v0, v1, v2, v3);
	return (uint32_t)(v0 ^ v1 ^ v2 ^ v3);
}

void
fast_hash_find(struct fast_hash *h, uint64_t id)
{
	const struct generation *g = h->view->stateless;
	const struct gen_service *service = &g->services[id];
	struct fast_hash_service *s = &h->service;
	const struct gen_backend *backend;

	s->id = id;
	s->by_slot = stateless_is_by_slot(g, h->view->flows, (uint32_t)id);
	if (!s->by_slot)
		return;
	backend = g->backends[service->backend];
	s->connection = backend->hash_on == SHUNT_HASH_CONNECTION;
	s->address = fast_load32(service->address);
	s->count = backend->answers->count;
	s->slots = backend->answers->slots;
	s->port_mask = backend->hash_on == SHUNT_HASH_SOURCE ? 0 : UINT16_MAX;
	s->end = SIP_BYTES(backend->hash_on == SHUNT_HASH_SOURCE ? 16 : 18);
}

/* Of h->service. */
static inline uint32_t
hash_of(const struct fast_hash *h, uint64_t key)
{
	const struct fast_hash_service *s = &h->service;
	const struct generation *g = h->view->stateless;
	uint32_t address = (uint32_t)key;
	uint16_t port_be = (uint16_t)(key >> 32);

	if (s->connection)
		return select_hash_of(g, g->backends[g->services[s->id].backend],
			&g->services[s->id], shunt_addr_from_v4((const uint8_t *)&address), port_be,
			0);
	return sip_end(&h->sip, FAST_HASH_MAPPED | key << 32, s->end | (port_be & s->port_mask));
}

/* A client's packet, which parse would let pass. */
static inline bool
is_fine(const struct fast_hash_service *s, uint64_t key, uint8_t kind)
{
	uint8_t first = (uint8_t)key;

	return !(kind & ~FAST_SPECIAL) && (uint8_t)(first - 1) < 223 && first != 127 &&
		(uint32_t)key != s->address;
}

bool
fast_hash_aim(struct fast_hash *h, struct fast_burst *f, unsigned int i)
{
	const struct fast_hash_service *s = &h->service;
	uint64_t key = f->key[i];

	if (key >> 48 != s->id)
		fast_hash_find(h, key >> 48);
	if (!s->by_slot || !is_fine(s, key, f->kind[i])) {
		fast_aim(h->view, f, i);
		return false;
	}
	f->slot[i] = &s->slots[shunt_selection_slot(hash_of(h, key), s->count)];
	__builtin_prefetch(f->slot[i]);
	return true;
}

static inline bool
decide(struct fast_hash *h, struct fast_burst *f, unsigned int i)
{
	const struct fast_view *v = h->view;
	uint64_t mark = FAST_BIT((uintptr_t)f->slot[i] / sizeof(uint32_t) % 64);
	uint32_t slot = *f->slot[i];
	const struct gen_server *server;

	if (!stateless_is_plain(slot))
		return false;
	server = &v->servers[stateless_server(slot)];
	if (server->plain != GEN_PLAIN_DR || (h->left & mark))
		return false;
	if (f->ip_bytes[i] > v->least_mtu || (f->kind[i] && server->mss_clamp)) {
		h->left |= mark;
		return false;
	}
	f->value[i] = stateless_server(slot);
	f->way[i] = FAST_DR;
	return true;
}

uint64_t
fast_hash_decide(struct fast_hash *h, struct fast_burst *f, uint64_t by_slot)
{
	uint64_t fit = 0;

	for (; by_slot; by_slot &= by_slot - 1) {
		unsigned int i = (unsigned int)__builtin_ctzll(by_slot);

		if (decide(h, f, i))
			fit |= FAST_BIT(i);
		else
			fast_aim(h->view, f, i);
	}
	return fit;
}

uint64_t
fast_hash(const struct fast_view *v, struct fast_burst *f, uint64_t among)
{
	struct fast_hash h;
	uint64_t by_slot = 0;

	fast_hash_begin(&h, v);
	for (; among; among &= among - 1) {
		unsigned int i = (unsigned int)__builtin_ctzll(among);

		by_slot |= (uint64_t)fast_hash_aim(&h, f, i) << i;
	}
	return fast_hash_decide(&h, f, by_slot);
}
