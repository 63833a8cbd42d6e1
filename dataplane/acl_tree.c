/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The tree of all prefixes of a family, as intervals of addresses: a sweep over the sorted prefixes
 * keeps those that are open on a stack, and notes where the innermost one changes. An IPv4 address
 * is looked up by its first 16 bits and a bisection among the intervals there: with a million
 * prefixes some five steps within two cache lines. IPv6 has no such bits, since all addresses
 * begin with the same ones, and is bisected as a whole.
 */
#include <errno.h>
#include <stdlib.h>

#include "acl_impl.h"

static const struct acl_address greatest4 = { 0, UINT32_MAX };
static const struct acl_address greatest6 = { UINT64_MAX, UINT64_MAX };

static inline int
compare_addresses(const struct acl_address *a, const struct acl_address *b)
{
	if (a->high != b->high)
		return a->high < b->high ? -1 : 1;
	return a->low < b->low ? -1 : a->low > b->low;
}

/* By address, the shorter first, then by set. */
static int
compare_prefixes(const void *a, const void *b)
{
	const struct acl_prefix *x = a, *y = b;
	int order = compare_addresses(&x->address, &y->address);

	if (order)
		return order;
	if (x->bits != y->bits)
		return x->bits < y->bits ? -1 : 1;
	return x->set < y->set ? -1 : x->set > y->set;
}

/* A file's prefixes come sorted. */
static void
sort(struct acl_prefix *prefixes, uint32_t count)
{
	for (uint32_t i = 1; i < count; i++) {
		if (compare_prefixes(&prefixes[i - 1], &prefixes[i]) > 0) {
			qsort(prefixes, count, sizeof(*prefixes), compare_prefixes);
			return;
		}
	}
}

/* The last address of a prefix of `width` bits and more. */
static struct acl_address
last_of(const struct acl_prefix *p, unsigned int width)
{
	unsigned int spare = width - p->bits;
	struct acl_address last = p->address;

	if (spare >= 64) {
		last.low = UINT64_MAX;
		last.high |= spare == 128 ? UINT64_MAX : (1ull << (spare - 64)) - 1;
	} else {
		last.low |= (1ull << spare) - 1;
	}
	return last;
}

static struct acl_address
next_of(const struct acl_address *a)
{
	return (struct acl_address){ a->high + (a->low == UINT64_MAX), a->low + 1 };
}

/* What the sweep has beside the tree. */
struct sweep {
	struct acl_tree *tree;
	unsigned int width;
	struct open {
		struct acl_address last;
		uint32_t node;
	} open[ACL_MAX_DEPTH];
	unsigned int depth;
};

static struct acl_address
start_of(const struct acl_tree *tree, unsigned int width, uint32_t i)
{
	return width == 32 ? (struct acl_address){ 0, tree->starts4[i] } : tree->starts6[i];
}

/* From this address on, the innermost prefix is that. */
static void
mark(struct sweep *s, struct acl_address start, uint32_t node)
{
	struct acl_tree *tree = s->tree;
	uint32_t last = tree->interval_count - 1;
	struct acl_address there = start_of(tree, s->width, last);

	if (compare_addresses(&there, &start) == 0) {
		tree->interval_nodes[last] = node;
		return;
	}
	if (s->width == 32)
		tree->starts4[last + 1] = (uint32_t)start.low;
	else
		tree->starts6[last + 1] = start;
	tree->interval_nodes[last + 1] = node;
	tree->interval_count++;
}

/* Closes the innermost prefix. */
static void
close_one(struct sweep *s)
{
	const struct open *top = &s->open[--s->depth];
	const struct acl_address *end = s->width == 32 ? &greatest4 : &greatest6;

	if (compare_addresses(&top->last, end) != 0)
		mark(s, next_of(&top->last), s->depth ? s->open[s->depth - 1].node : 0);
}

static void
open_one(struct sweep *s, const struct acl_prefix *p, uint32_t node)
{
	while (s->depth && compare_addresses(&s->open[s->depth - 1].last, &p->address) < 0)
		close_one(s);
	s->tree->nodes[node].parent = s->depth ? s->open[s->depth - 1].node : 0;
	s->open[s->depth++] = (struct open){ last_of(p, s->width), node };
	mark(s, p->address, node);
}

static bool
is_same_prefix(const struct acl_prefix *a, const struct acl_prefix *b)
{
	return a->bits == b->bits && compare_addresses(&a->address, &b->address) == 0;
}

/* Adds the list of the sets of prefixes[0..count-1], which are one prefix; returns its index. */
static uint32_t
add_group(struct acl_lists *groups, const struct acl_prefix *prefixes, uint32_t count)
{
	uint32_t *values = &groups->values[groups->total], n = 0, last = groups->count - 1;
	uint32_t last_count = groups->starts[last + 1] - groups->starts[last];

	for (uint32_t i = 0; i < count; i++) {
		if (n == 0 || values[n - 1] != prefixes[i].set)
			values[n++] = prefixes[i].set;
	}
	/* Mostly a prefix is of the same sets as the one before it. */
	if (last_count == n &&
		memcmp(&groups->values[groups->starts[last]], values, n * sizeof(*values)) == 0)
		return last;
	groups->total += n;
	groups->starts[++groups->count] = groups->total;
	return groups->count - 1;
}

static void
index_blocks(struct acl_tree *tree)
{
	uint32_t i = 0;

	for (uint32_t block = 0; block <= 1u << 16; block++) {
		while (i < tree->interval_count && tree->starts4[i] < (uint64_t)block << 16)
			i++;
		tree->by_block[block] = i;
	}
}

static int
tree_allocate(struct acl *acl, struct acl_tree *tree, unsigned int family, uint32_t count)
{
	uint64_t intervals = 2ull * count + 1;

	tree->interval_nodes = acl_alloc(acl, intervals, sizeof(*tree->interval_nodes));
	tree->nodes = acl_alloc(acl, count + 1ull, sizeof(*tree->nodes));
	if (family == 0) {
		tree->starts4 = acl_alloc(acl, intervals, sizeof(*tree->starts4));
		tree->by_block = acl_alloc(acl, (1u << 16) + 1, sizeof(*tree->by_block));
	} else {
		tree->starts6 = acl_alloc(acl, intervals, sizeof(*tree->starts6));
	}
	return tree->interval_nodes && tree->nodes &&
			(family == 0 ? tree->starts4 && tree->by_block : tree->starts6 != NULL)
		? 0
		: -ENOMEM;
}

int
acl_tree_build(struct acl *acl, unsigned int family, struct acl_prefix *prefixes, uint32_t count)
{
	struct acl_tree *tree = &acl->trees[family];
	struct sweep sweep = { .tree = tree, .width = family == 0 ? 32 : 128 };

	if (count == 0)
		return 0;
	if (tree_allocate(acl, tree, family, count) < 0)
		return -ENOMEM;
	sort(prefixes, count);
	tree->node_count = 1;
	tree->interval_count = 1; /* from the least address on: no prefix, until one is found */
	for (uint32_t i = 0, end; i < count; i = end) {
		uint32_t node = tree->node_count++;

		for (end = i + 1; end < count && is_same_prefix(&prefixes[i], &prefixes[end]);)
			end++;
		tree->nodes[node].group = end - i == 1
			? ACL_ONE | prefixes[i].set
			: add_group(&acl->groups, &prefixes[i], end - i);
		open_one(&sweep, &prefixes[i], node);
	}
	while (sweep.depth)
		close_one(&sweep);
	if (family == 0)
		index_blocks(tree);
	return 0;
}

static inline uint64_t
load_be64(const uint8_t *bytes)
{
	uint64_t value;

	memcpy(&value, bytes, sizeof(value));
	return __builtin_bswap64(value);
}

static uint32_t
find4(const struct acl_tree *tree, uint32_t address)
{
	uint32_t low = tree->by_block[address >> 16];
	uint32_t count = tree->by_block[(address >> 16) + 1] - low;

	/* How many of them begin at the address or before it? The last of those is it. */
	while (count > 0) {
		uint32_t half = count / 2;
		bool before = tree->starts4[low + half] <= address;

		low = before ? low + half + 1 : low;
		count = before ? count - half - 1 : half;
	}
	return tree->interval_nodes[low - 1];
}

static uint32_t
find6(const struct acl_tree *tree, const struct acl_address *address)
{
	uint32_t low = 0, count = tree->interval_count;

	while (count > 0) {
		uint32_t half = count / 2;
		bool before = compare_addresses(&tree->starts6[low + half], address) <= 0;

		low = before ? low + half + 1 : low;
		count = before ? count - half - 1 : half;
	}
	return tree->interval_nodes[low - 1];
}

uint32_t
acl_tree_find(const struct acl_tree *tree, const uint8_t *address, uint8_t version)
{
	struct acl_address wide;
	uint32_t narrow;

	if (tree->interval_count == 0)
		return 0;
	if (version == 4) {
		memcpy(&narrow, address, sizeof(narrow));
		return find4(tree, __builtin_bswap32(narrow));
	}
	wide.high = load_be64(address);
	wide.low = load_be64(address + 8);
	return find6(tree, &wide);
}
