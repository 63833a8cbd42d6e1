/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Walks what scapy has foreseen (oracle.py) through the workers of shunt-dataplane, hundreds of
 * variants of each class of packets: the worker's own code from receiving to transmitting, on ports
 * that are rings, each frame in memory of exactly its size, so that the address sanitizer sees
 *every step beyond. See README.md.
 *
 *	oracle_run STREAM PACKETS SEED WORKERS [simple]
 *
 * simple: with the passes of the fast path that every CPU has.
 */
#include <stdio.h>
#include <stdlib.h>

#include <rte_eal.h>

#include "oracle_bed.h"
#include "oracle_stream.h"

#define BATCH	  48 /* exchanges of one packet that go in together */
#define MAX_PORTS 2
#define MAX_OUT	  128

struct class
{
	const struct oracle_class *head;
	const struct oracle_buffer *buffers;
	const struct oracle_var *vars;
	const struct oracle_place *places;
	const struct oracle_op *ops;
	const struct oracle_drop *drops;
	const uint8_t *bytes; /* of all buffers */
	uint32_t byte_count;
	uint32_t inputs;
	uint32_t *offsets; /* of each buffer in bytes */
	uint32_t turn;	   /* of those that are not walked in every round */
};

/* A class with values for its variables. */
struct variant {
	const struct class *class;
	uint8_t *bytes;
	bool *seen; /* by buffer: has come out */
};

struct run {
	struct bed *bed;
	struct class *classes;
	uint32_t class_count;
	uint64_t random;
	uint64_t counter;
	uint32_t rounds;
	uint64_t inputs;
	uint64_t outputs;
	uint64_t deferred;
	uint64_t drops[SHUNT_DROP_COUNT]; /* expected, without what is deferred */
	uint64_t icmp_sent;
	struct variant batch[BATCH];
	uint32_t batched;
};

static void
fail(const char *what, const struct class *class)
{
	printf("oracle: %s%s%s\n", what, class ? ": class " : "", class ? class->head->name : "");
	exit(1);
}

/* xorshift64* (Vigna, 2016). */
static uint64_t
next_random(struct run *run)
{
	run->random ^= run->random >> 12;
	run->random ^= run->random << 25;
	run->random ^= run->random >> 27;
	return run->random * 0x2545f4914f6cdd1dull;
}

static uint8_t *
at(const struct variant *v, unsigned int buffer, unsigned int offset)
{
	return v->bytes + v->class->offsets[buffer] + offset;
}

/* Ones' complement sum by the book, a byte at a time; odd: how many bytes went before. */
static uint32_t
add_bytes(uint32_t sum, const uint8_t *bytes, uint32_t count, uint32_t odd)
{
	for (uint32_t i = 0; i < count; i++) {
		sum += (odd + i) % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return sum;
}

static uint32_t
pseudo_sum(const struct variant *v, const struct oracle_op *op, uint32_t bytes)
{
	const uint8_t *ip = at(v, op->l3_buffer, op->l3_offset);
	const uint8_t tail[8] = { 0, 0, (uint8_t)(bytes >> 8), (uint8_t)bytes, 0, 0, 0,
		op->protocol };
	uint32_t sum = op->version == 4 ? add_bytes(0, ip + 12, 8, 0) : add_bytes(0, ip + 8, 32, 0);

	return add_bytes(sum, tail, sizeof(tail), 0);
}

static void
put_sum(const struct variant *v, const struct oracle_op *op)
{
	uint8_t *field = at(v, op->buffer, op->offset);
	uint32_t sum = 0, bytes = 0, result;

	field[0] = field[1] = 0;
	for (unsigned int i = 0; i < op->part_count; i++) {
		const struct oracle_part *part = &op->parts[i];

		sum = add_bytes(sum, at(v, part->buffer, part->offset), part->bytes, bytes);
		bytes += part->bytes;
	}
	if (op->version) {
		sum += pseudo_sum(v, op, bytes);
		sum = (sum & 0xffff) + (sum >> 16);
	}
	result = ~sum & 0xffff;
	if (op->damage) {
		result += op->damage;
		result = (result & 0xffff) + (result >> 16);
		result = result == 0xffff ? 0 : result;
	}
	if (op->udp && result == 0)
		result = 0xffff;
	field[0] = (uint8_t)(result >> 8);
	field[1] = (uint8_t)result;
}

/* got: what came out for op->buffer; NULL: nothing has yet. */
static void
do_op(const struct variant *v, const struct oracle_op *op, const uint8_t *got)
{
	uint8_t *to = at(v, op->buffer, op->offset);

	if (op->kind == ORACLE_SUM) {
		put_sum(v, op);
	} else if (op->kind == ORACLE_COPY) {
		memcpy(to, at(v, op->parts[0].buffer, op->parts[0].offset), op->parts[0].bytes);
	} else if (got) {
		to[0] = (uint8_t)((to[0] & ~op->damage) | (got[op->offset] & op->damage));
		memcpy(to + 1, got + op->offset + 1, op->parts[0].bytes - 1u);
	}
}

static void
draw(struct run *run, const struct oracle_var *var, uint8_t *value)
{
	/* Ids of datagrams: as long as possible before one comes again. */
	uint64_t count = var->counts ? ++run->counter : 0;

	for (unsigned int i = 0; i < var->bytes; i++) {
		uint64_t bits = next_random(run) >> 32;

		if (var->counts)
			bits = count >> 8 * (var->bytes - 1 - i);
		value[i] = (uint8_t)((var->base[i] & ~var->mask[i]) | (bits & var->mask[i]));
	}
}

static void
make_variant(struct run *run, struct variant *v, const struct class *class)
{
	v->class = class;
	v->bytes = realloc(v->bytes, class->byte_count + 1);
	v->seen = realloc(v->seen, class->head->buffers * sizeof(bool) + 1);
	if (!v->bytes || !v->seen)
		abort();
	memcpy(v->bytes, class->bytes, class->byte_count);
	memset(v->seen, 0, class->head->buffers * sizeof(bool));
	for (unsigned int i = 0, p = 0; i < class->head->vars; i++) {
		uint8_t value[ORACLE_VAR_BYTES];

		draw(run, &class->vars[i], value);
		for (; p < class->head->places && class->places[p].var == i; p++) {
			const struct oracle_place *place = &class->places[p];
			uint8_t *to = at(v, place->buffer, place->offset);

			memcpy(to, value, class->vars[i].bytes);
			to[class->vars[i].bytes - 1] += (uint8_t)place->add;
		}
	}
	for (unsigned int i = 0; i < class->head->ops; i++) {
		if (!class->ops[i].late)
			do_op(v, &class->ops[i], NULL);
	}
}

static void
print_frame(const char *what, const uint8_t *bytes, uint32_t count)
{
	printf("  %s (%u bytes): ", what, count);
	for (uint32_t i = 0; i < count; i++)
		printf("%02x", bytes[i]);
	printf("\n");
}

static void
print_variant(const struct variant *v)
{
	static const char *const roles[] = { "in", "out", "hidden" };

	printf("class %s\n", v->class->head->name);
	for (unsigned int b = 0; b < v->class->head->buffers; b++)
		print_frame(v->seen[b] ? "out, seen" : roles[v->class->buffers[b].role],
			at(v, b, 0), v->class->buffers[b].bytes);
}

/* Is this frame the one that the variant has in this buffer? */
static bool
is_frame(const struct variant *v, unsigned int b, unsigned int port, const struct bed_frame *got)
{
	const struct oracle_buffer *buffer = &v->class->buffers[b];

	if (buffer->role != ORACLE_OUT || v->seen[b] || buffer->port != port ||
		buffer->bytes != got->bytes)
		return false;
	for (unsigned int i = 0; i < v->class->head->ops; i++) {
		const struct oracle_op *op = &v->class->ops[i];

		if (op->late && op->buffer == b)
			do_op(v, op, got->data);
	}
	return memcmp(at(v, b, 0), got->data, got->bytes) == 0;
}

static bool
take_frame(struct run *run, unsigned int port, const struct bed_frame *got)
{
	for (uint32_t i = 0; i < run->batched; i++) {
		struct variant *v = &run->batch[i];

		for (unsigned int b = 0; b < v->class->head->buffers; b++) {
			if (is_frame(v, b, port, got)) {
				v->seen[b] = true;
				return true;
			}
		}
	}
	return false;
}

static void
check_outputs(struct run *run)
{
	static struct bed_frame got[MAX_OUT];
	bool good = true;

	for (unsigned int port = 0; port < MAX_PORTS; port++) {
		unsigned int n = bed_collect(run->bed, port, got, MAX_OUT);

		run->outputs += n;
		for (unsigned int i = 0; i < n; i++) {
			if (!take_frame(run, port, &got[i])) {
				printf("oracle: port %u sent what was not foreseen\n", port);
				print_frame("got", got[i].data, got[i].bytes);
				good = false;
			}
			free(got[i].data);
		}
	}
	for (uint32_t i = 0; i < run->batched; i++) {
		const struct variant *v = &run->batch[i];
		bool whole = true;

		for (unsigned int b = 0; b < v->class->head->buffers; b++)
			whole &= v->class->buffers[b].role != ORACLE_OUT || v->seen[b];
		if (!whole || (!good && run->batched == 1)) {
			printf("oracle: not all came out of ");
			print_variant(v);
			good = false;
		}
	}
	if (!good)
		exit(1);
}

/* Every counter has moved by what was foreseen, so each packet was dropped for the right reason. */
static void
check_counters(struct run *run)
{
	uint64_t seen[SHUNT_DROP_COUNT];
	bool good = true;

	for (uint32_t i = 0; i < run->batched; i++) {
		const struct class *c = run->batch[i].class;

		run->icmp_sent += c->head->icmp_sent;
		run->deferred += c->head->deferred;
		for (unsigned int d = 0; d < c->head->drops; d++) {
			unsigned int reason = 1;

			while (reason < SHUNT_DROP_COUNT &&
				strcmp(shunt_drop_name(reason), c->drops[d].name) != 0)
				reason++;
			if (reason == SHUNT_DROP_COUNT)
				fail("no such drop reason", c);
			run->drops[reason] += c->drops[d].count;
		}
	}
	bed_drops(run->bed, seen);
	for (unsigned int r = 1; r < SHUNT_DROP_COUNT; r++) {
		if (r == SHUNT_DROP_FRAGMENT_NO_FIRST || r == SHUNT_DROP_FRAGMENT_FULL)
			continue; /* deferred: seen at the end */
		if (seen[r] != run->drops[r]) {
			printf("oracle: %s: %lu, not %lu\n", shunt_drop_name(r), seen[r],
				run->drops[r]);
			good = false;
		}
	}
	if (!good) {
		for (uint32_t i = 0; i < run->batched; i++)
			print_variant(&run->batch[i]);
		exit(1);
	}
}

/* The frames of all variants of the batch go in together, those of one variant one by one. */
static void
walk_batch(struct run *run)
{
	if (run->batched == 0)
		return;
	for (uint32_t i = 0; i < run->batched; i++) {
		const struct variant *v = &run->batch[i];

		for (unsigned int b = 0; b < v->class->head->buffers; b++) {
			const struct oracle_buffer *buffer = &v->class->buffers[b];

			if (buffer->role != ORACLE_IN)
				continue;
			bed_send(run->bed, buffer->port, next_random(run) >> 33, at(v, b, 0),
				buffer->bytes);
			run->inputs++;
			if (v->class->inputs > 1)
				bed_turn(run->bed);
		}
	}
	bed_turn(run->bed);
	check_outputs(run);
	check_counters(run);
	run->batched = 0;
}

/* One variant of every class whose turn it is, in another order each time. */
static void
walk_all(struct run *run)
{
	uint32_t size = 1;

	for (uint32_t i = run->class_count; i > 1; i--) {
		uint32_t other = (uint32_t)((next_random(run) >> 32) % i);
		struct class swapped = run->classes[i - 1];

		run->classes[i - 1] = run->classes[other];
		run->classes[other] = swapped;
	}
	for (uint32_t i = 0; i < run->class_count; i++) {
		const struct class *class = &run->classes[i];

		if ((class->turn + run->rounds) % class->head->every != 0)
			continue;
		if (class->inputs > 1)
			walk_batch(run);
		make_variant(run, &run->batch[run->batched++], class);
		if (class->inputs > 1 || run->batched >= size) {
			walk_batch(run);
			size = 1 + (uint32_t)((next_random(run) >> 32) % BATCH);
		}
	}
	walk_batch(run);
	run->rounds++;
}

/* A pointer to some structs at *next, which moves behind them. */
static const void *
take(const uint8_t **next, const uint8_t *end, size_t bytes)
{
	const uint8_t *here = *next;

	if ((size_t)(end - here) < bytes)
		fail("the stream is cut short", NULL);
	*next += bytes;
	return here;
}

static void
read_class(struct class *c, const uint8_t **next, const uint8_t *end)
{
	const struct oracle_class *h = c->head = take(next, end, sizeof(*c->head));

	if (h->every == 0)
		fail("a class is never walked", c);
	c->buffers = take(next, end, h->buffers * sizeof(*c->buffers));
	c->vars = take(next, end, h->vars * sizeof(*c->vars));
	c->places = take(next, end, h->places * sizeof(*c->places));
	c->ops = take(next, end, h->ops * sizeof(*c->ops));
	c->drops = take(next, end, h->drops * sizeof(*c->drops));
	c->offsets = calloc(h->buffers + 1u, sizeof(*c->offsets));
	if (!c->offsets)
		abort();
	for (unsigned int b = 0; b < h->buffers; b++) {
		c->offsets[b] = c->byte_count;
		c->byte_count += c->buffers[b].bytes;
		c->inputs += c->buffers[b].role == ORACLE_IN;
	}
	c->bytes = take(next, end, c->byte_count);
	take(next, end, (4 - c->byte_count % 4) % 4);
}

static uint8_t *
read_stream(const char *path, size_t *bytes)
{
	FILE *file = fopen(path, "rb");
	uint8_t *data;
	long end = -1;

	if (!file || fseek(file, 0, SEEK_END) < 0 || (end = ftell(file)) < 0)
		fail("cannot read the stream", NULL);
	rewind(file);
	*bytes = (size_t)end;
	data = malloc(*bytes + 1);
	if (!data || fread(data, 1, *bytes, file) != *bytes)
		fail("cannot read the stream", NULL);
	fclose(file);
	return data;
}

/* All that went in has gone somewhere, and every buffer is back. */
static void
check_sums(struct run *run)
{
	uint64_t drops[SHUNT_DROP_COUNT], dropped = 0, waited;

	bed_settle(run->bed);
	bed_drops(run->bed, drops);
	for (unsigned int r = 1; r < SHUNT_DROP_COUNT; r++)
		dropped += drops[r];
	waited = drops[SHUNT_DROP_FRAGMENT_NO_FIRST] + drops[SHUNT_DROP_FRAGMENT_FULL];
	printf("oracle: %lu packets, %u rounds: %lu forwarded, %lu dropped, of which %lu "
	       "answered\n",
		run->inputs, run->rounds, run->outputs - run->icmp_sent, dropped, run->icmp_sent);
	if (waited != run->deferred)
		fail("fragments that waited in vain were lost", NULL);
	if (run->inputs != run->outputs - run->icmp_sent + dropped)
		fail("the counters do not add up", NULL);
	if (!bed_adds_up(run->bed, run->inputs, run->outputs, run->icmp_sent))
		fail("the workers' counters say something else, or buffers are lost", NULL);
}

int
main(int argc, char **argv)
{
	struct run run = { 0 };
	const struct oracle_head *head;
	const uint8_t *next, *end;
	uint8_t *stream;
	size_t bytes;
	uint64_t packets;

	if (argc != 5 && !(argc == 6 && strcmp(argv[5], "simple") == 0))
		fail("usage: oracle_run STREAM PACKETS SEED WORKERS [simple]", NULL);
	stream = read_stream(argv[1], &bytes);
	packets = strtoull(argv[2], NULL, 10);
	run.random = strtoull(argv[3], NULL, 10) * 2 + 1;
	next = stream;
	end = stream + bytes;
	head = take(&next, end, sizeof(*head));
	if (head->magic != ORACLE_MAGIC)
		fail("that is no stream of oracle.py", NULL);
	run.bed = bed_create(take(&next, end, head->services * sizeof(struct oracle_service)),
		head->services, (uint32_t)strtoul(argv[4], NULL, 10), argc == 6);
	run.class_count = head->classes;
	run.classes = calloc(run.class_count, sizeof(*run.classes));
	for (uint32_t i = 0; run.classes && i < run.class_count; i++) {
		read_class(&run.classes[i], &next, end);
		run.classes[i].turn = i;
	}
	while (run.inputs < packets)
		walk_all(&run);
	check_sums(&run);
	for (uint32_t i = 0; i < run.class_count; i++)
		free(run.classes[i].offsets);
	for (uint32_t i = 0; i < BATCH; i++) {
		free(run.batch[i].bytes);
		free(run.batch[i].seen);
	}
	free(run.classes);
	bed_destroy(run.bed);
	free(stream);
	return 0;
}
