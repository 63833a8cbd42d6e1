/* SPDX-License-Identifier: BSD-3-Clause */
#include "fast_hash.h"

#include "fast_rewrite.h"
#include "fast_take.h"

/* Of SipHash, in the last word: how many bytes there were. */
#define SIP_BYTES(n) ((uint64_t)(n) << 56)

void
fast_hash_begin(struct fast_hash *h, const struct fast_view *v)
{
	const uint8_t *secret = v->stateless->hash_secret;
	uint64_t k0 = fast_load64(secret), k1 = fast_load64(secret + 8);
	uint64_t v0 = k0 ^ SHUNT_SIP_V0, v1 = k1 ^ SHUNT_SIP_V1;
	uint64_t v2 = k0 ^ SHUNT_SIP_V2, v3 = k1 ^ SHUNT_SIP_V3;

	/* The first word is 0. */
	SHUNT_SIP_ROUND(v0, v1, v2, v3);
	SHUNT_SIP_ROUND(v0, v1, v2, v3);
	h->view = v;
	h->sip = (struct fast_sip){ { v0, v1, v2, v3 } };
	h->left = 0;
	h->service.id = 0;
	h->service.by_slot = false;
}

static inline void
sip_word(struct fast_sip *s, uint64_t word)
{
	s->v[3] ^= word;
	SHUNT_SIP_ROUND(s->v[0], s->v[1], s->v[2], s->v[3]);
	SHUNT_SIP_ROUND(s->v[0], s->v[1], s->v[2], s->v[3]);
	s->v[0] ^= word;
}

static inline uint32_t
sip_end(struct fast_sip *s)
{
	s->v[2] ^= 0xff;
	for (int i = 0; i < 4; i++)
		SHUNT_SIP_ROUND(s->v[0], s->v[1], s->v[2], s->v[3]);
	return (uint32_t)(s->v[0] ^ s->v[1] ^ s->v[2] ^ s->v[3]);
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
	s->client_mask = UINT32_MAX;
	if (backend->ignored_bits4)
		s->client_mask = __builtin_bswap32(
			(uint32_t)((uint64_t)UINT32_MAX << backend->ignored_bits4));
	s->port_mask = backend->hash_on == SHUNT_HASH_SOURCE ? 0 : UINT16_MAX;
	s->tail = (uint64_t)service->port_be << 16 | (uint64_t)service->protocol << 32;
	s->end = SIP_BYTES(s->connection			? sizeof(struct shunt_selection_key)
			: backend->hash_on == SHUNT_HASH_SOURCE ? 16
								: 18);
}

/* shunt_selection_hash() of a client of h->service, from its address on. */
static inline uint32_t
hash_of(const struct fast_hash *h, uint64_t key)
{
	const struct fast_hash_service *s = &h->service;
	struct fast_sip sip = h->sip;
	uint16_t port_be = (uint16_t)(key >> 32);

	sip_word(&sip, FAST_HASH_MAPPED | (key & s->client_mask) << 32);
	if (!s->connection) {
		sip_word(&sip, s->end | (port_be & s->port_mask));
		return sip_end(&sip);
	}
	sip_word(&sip, port_be | s->tail);
	sip_word(&sip, 0);
	sip_word(&sip, FAST_HASH_MAPPED | (uint64_t)s->address << 32);
	sip_word(&sip, s->end);
	return sip_end(&sip);
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

/* Packets of its slot behind one that is left are left too. */
static inline uint64_t
mark_of(const uint32_t *slot)
{
	return FAST_BIT((uintptr_t)slot / sizeof(*slot) % 64);
}

/* Is it too big, or is there more to be done to it? */
static inline bool
needs_more(const struct fast_view *v, const struct fast_burst *f, unsigned int i, uint32_t server)
{
	return f->ip_bytes[i] > v->least_mtu ||
		(__builtin_expect(f->kind[i], 0) && v->servers[server].mss_clamp);
}

/* The server that it goes to, or 0. */
static inline uint32_t
server_of(struct fast_hash *h, const struct fast_burst *f, unsigned int i)
{
	const struct fast_view *v = h->view;
	uint32_t slot = *f->slot[i];

	if (!stateless_is_plain(slot) || v->servers[slot].plain != GEN_PLAIN_DR)
		return 0;
	if (__builtin_expect(h->left != 0, 0) && (h->left & mark_of(f->slot[i])))
		return 0;
	if (needs_more(v, f, i, slot)) {
		h->left |= mark_of(f->slot[i]);
		return 0;
	}
	return slot;
}

uint64_t
fast_hash_send(struct fast_hash *h, struct fast_burst *f, uint64_t by_slot)
{
	struct fast_tally t = { .counters = &h->view->service_stats[0].in_packets };
	uint64_t sent = 0;

	for (; by_slot; by_slot &= by_slot - 1) {
		unsigned int i = (unsigned int)__builtin_ctzll(by_slot);
		uint32_t server = server_of(h, f, i);

		if (server) {
			fast_to_server(h->view, f, i, server, &t);
			sent |= FAST_BIT(i);
		} else {
			fast_aim(h->view, f, i);
		}
	}
	fast_tally_end(&t);
	return sent;
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
	return fast_hash_send(&h, f, by_slot);
}
