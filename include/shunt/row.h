/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A row of counted elements by id, of which many versions share what they have in common: both
 * processes keep the service image so. A copy takes a moment however long the row is, since the
 * elements stand in chunks that are counted too; only the chunk that is written to is doubled.
 *
 * An element begins with a uint32_t, the number of its references. Not for several threads.
 */
#ifndef SHUNT_ROW_H
#define SHUNT_ROW_H

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define SHUNT_ROW_CHUNK 256u

struct shunt_row_chunk {
	uint32_t references;
	uint32_t used; /* elements that are not NULL */
	void *elements[SHUNT_ROW_CHUNK];
};

/* All zero: empty. */
struct shunt_row {
	struct shunt_row_chunk **chunks; /* NULL: nothing there */
	uint32_t chunk_count;
};

/* Drops one reference of an element. */
typedef void shunt_row_release_fn(void *element);

static inline void
shunt_row_hold(void *element)
{
	++*(uint32_t *)element;
}

/* NULL: none. */
static inline void *
shunt_row_get(const struct shunt_row *row, uint32_t id)
{
	const struct shunt_row_chunk *chunk;

	if (id / SHUNT_ROW_CHUNK >= row->chunk_count)
		return NULL;
	chunk = row->chunks[id / SHUNT_ROW_CHUNK];
	return chunk ? chunk->elements[id % SHUNT_ROW_CHUNK] : NULL;
}

/* One past the greatest id in use, or 0. */
static inline uint32_t
shunt_row_end(const struct shunt_row *row)
{
	for (uint32_t i = row->chunk_count; i-- > 0;) {
		uint32_t end = SHUNT_ROW_CHUNK;

		if (!row->chunks[i] || row->chunks[i]->used == 0)
			continue;
		while (!row->chunks[i]->elements[end - 1])
			end--;
		return i * SHUNT_ROW_CHUNK + end;
	}
	return 0;
}

static inline void
shunt_row_release_chunk(struct shunt_row_chunk *chunk, shunt_row_release_fn *release)
{
	if (!chunk || --chunk->references > 0)
		return;
	for (uint32_t i = 0; i < SHUNT_ROW_CHUNK; i++) {
		if (chunk->elements[i])
			release(chunk->elements[i]);
	}
	free(chunk);
}

/* Drops all elements. */
static inline void
shunt_row_clear(struct shunt_row *row, shunt_row_release_fn *release)
{
	for (uint32_t i = 0; i < row->chunk_count; i++)
		shunt_row_release_chunk(row->chunks[i], release);
	free(row->chunks);
	*row = (struct shunt_row){ 0 };
}

/* Makes `to`, which is empty, a copy. 0 or -ENOMEM. */
static inline int
shunt_row_copy(struct shunt_row *to, const struct shunt_row *from)
{
	if (from->chunk_count == 0)
		return 0;
	to->chunks = calloc(from->chunk_count, sizeof(*to->chunks));
	if (!to->chunks)
		return -ENOMEM;
	to->chunk_count = from->chunk_count;
	for (uint32_t i = 0; i < from->chunk_count; i++) {
		to->chunks[i] = from->chunks[i];
		if (to->chunks[i])
			to->chunks[i]->references++;
	}
	return 0;
}

/* The chunk of an id, this row's own to write to. NULL: out of memory. */
static inline struct shunt_row_chunk *
shunt_row_own_chunk(struct shunt_row *row, uint32_t id)
{
	uint32_t at = id / SHUNT_ROW_CHUNK;
	struct shunt_row_chunk *chunk, *own;

	if (at >= row->chunk_count) {
		uint32_t count = row->chunk_count;
		struct shunt_row_chunk **chunks =
			realloc(row->chunks, (at + 1) * sizeof(*row->chunks));

		if (!chunks)
			return NULL;
		memset(chunks + count, 0, (at + 1 - count) * sizeof(*row->chunks));
		row->chunks = chunks;
		row->chunk_count = at + 1;
	}
	chunk = row->chunks[at];
	if (chunk && chunk->references == 1)
		return chunk;
	own = calloc(1, sizeof(*own));
	if (!own)
		return NULL;
	if (chunk) {
		*own = *chunk;
		chunk->references--;
		for (uint32_t i = 0; i < SHUNT_ROW_CHUNK; i++) {
			if (own->elements[i])
				shunt_row_hold(own->elements[i]);
		}
	}
	own->references = 1;
	row->chunks[at] = own;
	return own;
}

/*
 * Puts an element, or NULL, in the place of what is there. Takes the caller's reference over. 0, or
 * -ENOMEM: then the row and the reference are as before.
 */
static inline int
shunt_row_set(struct shunt_row *row, uint32_t id, void *element, shunt_row_release_fn *release)
{
	struct shunt_row_chunk *chunk;
	void *before;

	if (!element && !shunt_row_get(row, id))
		return 0;
	chunk = shunt_row_own_chunk(row, id);
	if (!chunk)
		return -ENOMEM;
	before = chunk->elements[id % SHUNT_ROW_CHUNK];
	chunk->elements[id % SHUNT_ROW_CHUNK] = element;
	if (element)
		chunk->used++;
	if (before) {
		chunk->used--;
		release(before);
	}
	return 0;
}

/* The next id from `id` on whose elements are not one and the same; UINT32_MAX: there is none. */
static inline uint32_t
shunt_row_next_difference(const struct shunt_row *a, const struct shunt_row *b, uint32_t id)
{
	uint32_t count = a->chunk_count > b->chunk_count ? a->chunk_count : b->chunk_count;

	while (id / SHUNT_ROW_CHUNK < count) {
		uint32_t at = id / SHUNT_ROW_CHUNK;
		const struct shunt_row_chunk *in_a = at < a->chunk_count ? a->chunks[at] : NULL;
		const struct shunt_row_chunk *in_b = at < b->chunk_count ? b->chunks[at] : NULL;

		if (in_a == in_b) {
			id = (at + 1) * SHUNT_ROW_CHUNK;
			continue;
		}
		if (shunt_row_get(a, id) != shunt_row_get(b, id))
			return id;
		id++;
	}
	return UINT32_MAX;
}

#endif
