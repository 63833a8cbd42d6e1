/* SPDX-License-Identifier: BSD-3-Clause */
#include "prefixes.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "files.h"
#include "shunt/limits.h"
#include "shunt/selection.h"

#define FIRST_ROOM 4
#define MAX_TEXT   64 /* no address with its length is longer */

static const char out_of_memory[] = "out of memory";

/* Makes room for one more. */
static void *
grow(void *array, size_t count, size_t *room, size_t element_bytes)
{
	size_t more = *room ? 2 * *room : FIRST_ROOM;
	void *bigger;

	if (count < *room)
		return array;
	bigger = reallocarray(array, more, element_bytes);
	if (bigger)
		*room = more;
	return bigger;
}

static bool
add_v4(struct prefix_list *list, uint32_t address, unsigned int bits)
{
	uint64_t *v4 = grow(list->set.v4, list->set.v4_count, &list->v4_room, sizeof(*v4));

	if (!v4)
		return false;
	list->set.v4 = v4;
	v4[list->set.v4_count++] = (uint64_t)address << 8 | bits;
	return true;
}

static bool
add_v6(struct prefix_list *list, const uint8_t address[16], unsigned int bits)
{
	struct prefix6 *v6 = grow(list->set.v6, list->set.v6_count, &list->v6_room, sizeof(*v6));

	if (!v6)
		return false;
	list->set.v6 = v6;
	v6 += list->set.v6_count++;
	memcpy(v6->address, address, 16);
	v6->bits = (uint8_t)bits;
	return true;
}

/* A number of at most three digits at *at, which moves on; 1000: none. */
static unsigned int
number(const char **at, const char *end)
{
	const char *begin = *at;
	unsigned int value = 0;

	while (*at < end && *at - begin < 4 && **at >= '0' && **at <= '9')
		value = 10 * value + (unsigned int)(*(*at)++ - '0');
	/* "010" is octal to some. */
	if (*at == begin || *at - begin > 3 || (*begin == '0' && *at - begin > 1))
		return 1000;
	return value;
}

/* Files of a million: inet_pton() takes three times as long. */
static bool
parse_v4(const char *text, const char *end, uint32_t *address)
{
	*address = 0;
	for (int i = 0; i < 4; i++) {
		unsigned int byte = number(&text, end);

		if (byte > 255 || (i < 3 && (text == end || *text++ != '.')))
			return false;
		*address = *address << 8 | byte;
	}
	return text == end;
}

static bool
parse_v6(const char *text, const char *end, struct shunt_addr *address)
{
	char copy[MAX_TEXT];

	memcpy(copy, text, (size_t)(end - text));
	copy[end - text] = '\0';
	return inet_pton(AF_INET6, copy, address) == 1;
}

/* Nothing but zeros behind so many bits? */
static bool
is_clean(const uint8_t address[16], unsigned int bits)
{
	uint8_t rest = 0;

	for (unsigned int i = bits / 8; i < 16; i++)
		rest |= i == bits / 8 ? address[i] & (0xff >> bits % 8) : address[i];
	return rest == 0;
}

const char *
prefix_list_add(struct prefix_list *list, const char *text, size_t length)
{
	static const char wrong[] =
		"must be an address or a prefix such as \"192.0.2.0/24\" or \"2001:db8::/32\"";
	static const char unclean[] = "has bits set behind the prefix's length";
	const char *end = text + length, *slash;
	unsigned int bits = 1000;
	struct shunt_addr v6;
	uint32_t v4;

	if (length == 0 || length >= MAX_TEXT)
		return wrong;
	slash = memchr(text, '/', length);
	if (slash) {
		const char *at = slash + 1;

		bits = number(&at, end);
		if (bits > 128 || at != end)
			return wrong;
		end = slash;
	}
	if (!memchr(text, ':', length)) {
		bits = slash ? bits : 32;
		if (!parse_v4(text, end, &v4) || bits > 32)
			return wrong;
		if (bits < 32 && v4 & (UINT32_MAX >> bits))
			return unclean;
		return add_v4(list, v4, bits) ? NULL : out_of_memory;
	}
	bits = slash ? bits : 128;
	if (!parse_v6(text, end, &v6))
		return wrong;
	if (shunt_addr_is_v4(&v6))
		return "is an IPv4 address in IPv6's clothes, which no packet has: write it as "
		       "IPv4";
	if (!is_clean(v6.bytes, bits))
		return unclean;
	return add_v6(list, v6.bytes, bits) ? NULL : out_of_memory;
}

/* One line, without its end. */
static const char *
add_line(struct prefix_list *list, const char *line, size_t length)
{
	size_t first = 0, end = 0;

	while (end < length && line[end] != '#' && line[end] != ';')
		end++;
	while (first < end && strchr(" \t\r", line[first]))
		first++;
	while (end > first && strchr(" \t\r", line[end - 1]))
		end--;
	return first < end ? prefix_list_add(list, line + first, end - first) : NULL;
}

static size_t
count_of(const struct prefix_list *list)
{
	return list->set.v4_count + list->set.v6_count;
}

static const char *
add_lines(struct prefix_list *list, FILE *file, char *problem, size_t size)
{
	size_t line_room = 0, number_of = 1;
	char *line = NULL;
	const char *why = NULL;
	ssize_t length;

	for (; !why && (length = getline(&line, &line_room, file)) >= 0; number_of++) {
		if (length > 0 && line[length - 1] == '\n')
			length--;
		why = add_line(list, line, (size_t)length);
		if (!why && count_of(list) > SHUNT_MAX_PREFIXES)
			why = "more prefixes than the limit for all ACLs";
		if (why) {
			snprintf(problem, size, "line %zu %s", number_of, why);
			why = problem;
		}
	}
	if (!why && ferror(file)) {
		snprintf(problem, size, "cannot be read: %s", strerror(errno));
		why = problem;
	}
	free(line);
	return why;
}

const char *
prefix_list_add_file(struct prefix_list *list, const char *path, char *problem, size_t size)
{
	FILE *file = file_open(path, PREFIXES_FILE_MAX_BYTES, problem, size);
	const char *why;

	if (!file)
		return problem;
	why = add_lines(list, file, problem, size);
	fclose(file);
	return why;
}

static void
set_clear(struct prefix_set *set)
{
	free(set->v4);
	free(set->v6);
	*set = (struct prefix_set){ 0 };
}

void
prefix_list_clear(struct prefix_list *list)
{
	set_clear(&list->set);
	*list = (struct prefix_list){ 0 };
}

static int
compare_v4(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static int
compare_v6(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct prefix6));
}

/* Mostly they are sorted already, or nearly so. */
static void
sort(void *array, size_t count, size_t bytes, int (*compare)(const void *a, const void *b))
{
	const char *element = array;

	for (size_t i = 1; i < count; i++, element += bytes) {
		if (compare(element, element + bytes) > 0) {
			qsort(array, count, bytes, compare);
			return;
		}
	}
}

static bool
v6_has(const struct prefix6 *p, const uint8_t address[16])
{
	unsigned int bytes = p->bits / 8, rest = p->bits % 8;

	return memcmp(p->address, address, bytes) == 0 &&
		(!rest || !((p->address[bytes] ^ address[bytes]) >> (8 - rest)));
}

static bool
v4_has(uint64_t p, uint32_t address)
{
	unsigned int bits = p & 0xff;

	return bits == 0 || !(((uint32_t)(p >> 8) ^ address) >> (32 - bits));
}

/* In order, one that lies in another comes behind it, and behind no other that is kept. */
static void
tidy(struct prefix_set *set)
{
	size_t kept = 0;

	sort(set->v4, set->v4_count, sizeof(*set->v4), compare_v4);
	for (size_t i = 0; i < set->v4_count; i++) {
		if (kept == 0 || !v4_has(set->v4[kept - 1], (uint32_t)(set->v4[i] >> 8)))
			set->v4[kept++] = set->v4[i];
	}
	set->v4_count = kept;
	kept = 0;
	sort(set->v6, set->v6_count, sizeof(*set->v6), compare_v6);
	for (size_t i = 0; i < set->v6_count; i++) {
		if (kept == 0 || !v6_has(&set->v6[kept - 1], set->v6[i].address))
			set->v6[kept++] = set->v6[i];
	}
	set->v6_count = kept;
}

static bool
same_set(const struct prefix_set *a, const struct prefix_set *b)
{
	return a->hash == b->hash && a->v4_count == b->v4_count && a->v6_count == b->v6_count &&
		(!a->v4_count || !memcmp(a->v4, b->v4, a->v4_count * sizeof(*a->v4))) &&
		(!a->v6_count || !memcmp(a->v6, b->v6, a->v6_count * sizeof(*a->v6)));
}

/* The hash is of what an operator wrote, so nobody looks for collisions. */
static uint64_t
hash_of(const struct prefix_set *set)
{
	static const uint8_t no_secret[16];

	return (set->v4_count ? shunt_siphash(no_secret, set->v4, set->v4_count * sizeof(*set->v4))
			      : 0) ^
		(set->v6_count ? shunt_siphash(no_secret, set->v6, set->v6_count * sizeof(*set->v6))
			       : 1);
}

/* The place of a set in the table: of the same one, or an empty one. */
static uint32_t *
place_of(const struct prefix_sets *sets, const struct prefix_set *set)
{
	size_t i = set->hash & sets->mask;

	while (sets->table[i] && !same_set(sets->sets[sets->table[i] - 1], set))
		i = (i + 1) & sets->mask;
	return &sets->table[i];
}

/* At most half full. */
static bool
make_room(struct prefix_sets *sets)
{
	struct prefix_set **array =
		grow(sets->sets, sets->count, &sets->room, sizeof(struct prefix_set *));
	size_t size = sets->table ? sets->mask + 1 : 0;
	uint32_t *table;

	if (!array)
		return false;
	sets->sets = array;
	if (2 * (sets->count + 1) <= size)
		return true;
	size = size ? 2 * size : 16;
	table = calloc(size, sizeof(*table));
	if (!table)
		return false;
	free(sets->table);
	sets->table = table;
	sets->mask = size - 1;
	for (size_t i = 0; i < sets->count; i++)
		*place_of(sets, sets->sets[i]) = (uint32_t)i + 1;
	return true;
}

struct prefix_set *
prefix_sets_keep(struct prefix_sets *sets, struct prefix_list *list)
{
	struct prefix_set *kept;
	uint32_t *place;

	tidy(&list->set);
	list->set.hash = hash_of(&list->set);
	if (!make_room(sets))
		return NULL;
	place = place_of(sets, &list->set);
	if (*place) {
		prefix_list_clear(list);
		return sets->sets[*place - 1];
	}
	kept = malloc(sizeof(*kept));
	if (!kept)
		return NULL;
	*kept = list->set;
	*list = (struct prefix_list){ 0 };
	sets->sets[sets->count++] = kept;
	kept->number = *place = (uint32_t)sets->count;
	sets->prefix_count += kept->v4_count + kept->v6_count;
	return kept;
}

void
prefix_sets_clear(struct prefix_sets *sets)
{
	for (size_t i = 0; i < sets->count; i++) {
		set_clear(sets->sets[i]);
		free(sets->sets[i]);
	}
	free(sets->sets);
	free(sets->table);
	*sets = (struct prefix_sets){ 0 };
}

static bool
set_has_v4(const struct prefix_set *set, uint32_t address)
{
	uint64_t most = (uint64_t)address << 8 | 0xff;
	size_t low = 0, high = set->v4_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (set->v4[middle] <= most)
			low = middle + 1;
		else
			high = middle;
	}
	return low > 0 && v4_has(set->v4[low - 1], address);
}

bool
prefix_set_has(const struct prefix_set *set, const struct shunt_addr *address)
{
	size_t low = 0, high = set->v6_count;
	uint32_t v4_be;

	if (shunt_addr_is_v4(address)) {
		memcpy(&v4_be, &address->bytes[12], sizeof(v4_be));
		return set_has_v4(set, ntohl(v4_be));
	}
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (memcmp(set->v6[middle].address, address->bytes, 16) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low > 0 && v6_has(&set->v6[low - 1], address->bytes);
}
