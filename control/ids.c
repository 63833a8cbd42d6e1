/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "ids.h"
#include "shunt/selection.h"

struct id_entry {
	uint32_t next;	/* id of the next one in the same bucket, 0: last */
	uint32_t round; /* of the last use */
	bool owned;	/* its key says whose it is or was */
};

struct ids {
	uint32_t end;
	size_t key_bytes;
	uint32_t round;
	uint32_t last; /* id given last: the search for a free one starts behind it */
	uint32_t bucket_mask;
	uint32_t *buckets; /* id of the first one, 0: none */
	struct id_entry *entries;
	uint8_t *keys;
};

struct ids *
ids_create(uint32_t end, size_t key_bytes)
{
	struct ids *ids = calloc(1, sizeof(*ids));
	uint32_t buckets = 1;

	if (!ids)
		return NULL;
	while (buckets < end)
		buckets *= 2;
	ids->end = end;
	ids->key_bytes = key_bytes;
	ids->round = 1;
	ids->bucket_mask = buckets - 1;
	/* Large and mostly never touched: the kernel gives zeroed pages when they are. */
	ids->buckets = calloc(buckets, sizeof(*ids->buckets));
	ids->entries = calloc(end, sizeof(*ids->entries));
	ids->keys = calloc(end, key_bytes);
	if (!ids->buckets || !ids->entries || !ids->keys) {
		ids_destroy(ids);
		return NULL;
	}
	return ids;
}

void
ids_destroy(struct ids *ids)
{
	if (!ids)
		return;
	free(ids->buckets);
	free(ids->entries);
	free(ids->keys);
	free(ids);
}

void
ids_begin(struct ids *ids)
{
	ids->round++;
}

static uint8_t *
key_of(const struct ids *ids, uint32_t id)
{
	return ids->keys + (size_t)id * ids->key_bytes;
}

static uint32_t *
bucket_of(const struct ids *ids, const void *key)
{
	/* Identities come from the operator's own file: a secret would protect nothing. */
	static const uint8_t no_secret[16];

	return &ids->buckets[shunt_siphash(no_secret, key, ids->key_bytes) & ids->bucket_mask];
}

static uint32_t
lookup(const struct ids *ids, const void *key)
{
	uint32_t id = *bucket_of(ids, key);

	while (id && memcmp(key_of(ids, id), key, ids->key_bytes) != 0)
		id = ids->entries[id].next;
	return id;
}

uint32_t
ids_find(struct ids *ids, const void *key)
{
	uint32_t id = lookup(ids, key);

	if (id)
		ids->entries[id].round = ids->round;
	return id;
}

static void
disown(struct ids *ids, uint32_t id)
{
	uint32_t *link = bucket_of(ids, key_of(ids, id));

	while (*link != id)
		link = &ids->entries[*link].next;
	*link = ids->entries[id].next;
}

static void
own(struct ids *ids, uint32_t id, const void *key)
{
	uint32_t *bucket = bucket_of(ids, key);

	if (ids->entries[id].owned)
		disown(ids, id);
	memcpy(key_of(ids, id), key, ids->key_bytes);
	ids->entries[id] = (struct id_entry){ .next = *bucket, .round = ids->round, .owned = true };
	*bucket = id;
}

uint32_t
ids_get(struct ids *ids, const void *key)
{
	uint32_t id = ids_find(ids, key);

	if (id)
		return id;
	id = ids->last;
	for (uint32_t tried = 1; tried < ids->end; tried++) {
		id = id + 1 < ids->end ? id + 1 : 1;
		if (ids->entries[id].round == ids->round)
			continue;
		own(ids, id, key);
		ids->last = id;
		return id;
	}
	return 0;
}

int
ids_adopt(struct ids *ids, const void *key, uint32_t id)
{
	if (id == 0 || id >= ids->end || ids->entries[id].owned || lookup(ids, key))
		return -EEXIST;
	own(ids, id, key);
	if (ids->last < id)
		ids->last = id;
	return 0;
}

uint32_t
ids_last(const struct ids *ids)
{
	return ids->last;
}

void
ids_continue(struct ids *ids, uint32_t last)
{
	if (last > 0 && last < ids->end)
		ids->last = last;
}
