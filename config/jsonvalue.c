/* SPDX-License-Identifier: BSD-3-Clause */
/* The getters of jsonfile.h for plain values: numbers, words, names, times, sizes. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <strings.h>

#include "jsonfile.h"

/* Bytes of a string quoted in an error. */
#define SHOWN 60

/* Longest key that suggestions are made for: the distance is quadratic in it. */
#define SUGGEST_MAX 32

#define LIST_SIZE 512

/* snprintf() at the end of a list of LIST_SIZE bytes. */
static void __attribute__((format(printf, 2, 3))) list_append(char *list, const char *format, ...)
{
	size_t used = strlen(list);
	va_list args;

	va_start(args, format);
	vsnprintf(list + used, LIST_SIZE - used, format, args);
	va_end(args);
}

/* "the string "abc"", "an array": what an error says was found. */
static void
describe(const json_t *value, char *text, size_t size)
{
	const char *string;

	if (!value) {
		snprintf(text, size, "nothing");
		return;
	}
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		snprintf(text, size, "an object");
		break;
	case JSON_ARRAY:
		snprintf(text, size, "an array");
		break;
	case JSON_STRING:
		string = json_string_value(value);
		snprintf(text, size, "the string \"%.*s\"%s", SHOWN, string,
			strlen(string) > SHOWN ? "..." : "");
		break;
	case JSON_INTEGER:
		snprintf(text, size, "the number %" JSON_INTEGER_FORMAT, json_integer_value(value));
		break;
	case JSON_REAL:
		snprintf(text, size, "the number %.10g", json_real_value(value));
		break;
	case JSON_TRUE:
		snprintf(text, size, "true");
		break;
	case JSON_FALSE:
		snprintf(text, size, "false");
		break;
	default:
		snprintf(text, size, "null");
	}
}

bool
json_at_mismatch(struct json_at at, const char *wanted)
{
	char found[SHOWN + 64];

	describe(at.value, found, sizeof(found));
	json_at_error(at, "must be %s, found %s", wanted, found);
	return false;
}

/* Levenshtein distance of two words of at most SUGGEST_MAX bytes. */
static size_t
word_distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
	size_t row[SUGGEST_MAX + 1];

	for (size_t j = 0; j <= b_length; j++)
		row[j] = j;
	for (size_t i = 1; i <= a_length; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= b_length; j++) {
			size_t best = diagonal + (a[i - 1] != b[j - 1]);

			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			diagonal = row[j];
			row[j] = best;
		}
	}
	return row[b_length];
}

/* The known key nearest to `key`, or NULL if none is near. */
static const char *
nearest_key(const char *key, const char *const *keys)
{
	size_t length = strlen(key);
	size_t best = length / 3 > 1 ? length / 3 + 1 : 2; /* one past the distance accepted */
	const char *nearest = NULL;

	if (length > SUGGEST_MAX)
		return NULL;
	for (; *keys; keys++) {
		size_t known = strlen(*keys), distance;

		if (known > SUGGEST_MAX)
			continue;
		distance = word_distance(key, length, *keys, known);
		if (distance < best) {
			best = distance;
			nearest = *keys;
		}
	}
	return nearest;
}

static void
unknown_key(struct json_at at, const char *const *keys)
{
	const char *nearest;
	char list[LIST_SIZE] = "";

	/* A file of a million unknown keys shall not cost a million searches. */
	if (json_errors_count(at.errors) >= JSON_ERRORS_MAX) {
		json_at_error(at, "unknown key");
		return;
	}
	nearest = nearest_key(at.key, keys);
	if (nearest) {
		json_at_error(at, "unknown key; did you mean \"%s\"?", nearest);
		return;
	}
	for (; *keys; keys++)
		list_append(list, "%s%s", *list ? ", " : "", *keys);
	json_at_error(at, "unknown key; the keys here are: %s", list);
}

bool
json_get_object(struct json_at at, const char *const *keys)
{
	const char *key;
	json_t *value;

	if (!at.value)
		return false;
	if (!json_is_object(at.value))
		return json_at_mismatch(at, "an object");
	json_object_foreach (at.value, key, value) {
		const char *const *known = keys;

		while (*known && strcmp(*known, key) != 0)
			known++;
		if (!*known)
			unknown_key(json_at_member(&at, key), keys);
	}
	return true;
}

bool
json_get_array(struct json_at at, size_t max, size_t *count)
{
	if (!at.value)
		return false;
	if (!json_is_array(at.value))
		return json_at_mismatch(at, "an array");
	if (json_array_size(at.value) > max) {
		json_at_error(
			at, "has %zu elements, the limit is %zu", json_array_size(at.value), max);
		return false;
	}
	*count = json_array_size(at.value);
	return true;
}

bool
json_get_bool(struct json_at at, bool *out)
{
	if (!at.value)
		return false;
	if (!json_is_boolean(at.value))
		return json_at_mismatch(at, "true or false");
	*out = json_is_true(at.value);
	return true;
}

bool
json_get_int(struct json_at at, int64_t min, int64_t max, int64_t *out)
{
	char wanted[96];
	json_int_t value;

	if (!at.value)
		return false;
	value = json_integer_value(at.value);
	if (!json_is_integer(at.value) || value < min || value > max) {
		snprintf(wanted, sizeof(wanted), "a whole number from %" PRId64 " to %" PRId64, min,
			max);
		return json_at_mismatch(at, wanted);
	}
	*out = value;
	return true;
}

bool
json_get_string(struct json_at at, size_t max, const char **out)
{
	char wanted[64];

	if (!at.value)
		return false;
	if (!json_is_string(at.value))
		return json_at_mismatch(at, "a string");
	if (json_string_length(at.value) == 0 || json_string_length(at.value) > max) {
		snprintf(wanted, sizeof(wanted), "a string of 1 to %zu characters", max);
		return json_at_mismatch(at, wanted);
	}
	*out = json_string_value(at.value);
	return true;
}

bool
json_get_name(struct json_at at, char *out)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789_.:-";
	const char *name = json_string_value(at.value);

	if (!at.value)
		return false;
	if (!name || !*name || strlen(name) >= SHUNT_NAME_SIZE ||
		name[strspn(name, allowed)] != '\0')
		return json_at_mismatch(
			at, "a name: 1 to 63 of the characters A-Z a-z 0-9 _ . : -");
	/* The bytes after the name are set too: names are copied into images compared as bytes. */
	memset(out, 0, SHUNT_NAME_SIZE);
	memcpy(out, name, strlen(name));
	return true;
}

/* Lists the words taken, each value once, or the words refused. */
static void
list_words(const struct json_word *words, bool supported, char *list)
{
	for (const struct json_word *w = words; w->word; w++) {
		const struct json_word *earlier = words;

		if ((w->value != JSON_WORD_UNSUPPORTED) != supported)
			continue;
		while (supported && earlier != w && earlier->value != w->value)
			earlier++;
		if (!supported || earlier == w)
			list_append(list, "%s\"%s\"", *list ? ", " : "", w->word);
	}
}

bool
json_get_word(struct json_at at, const struct json_word *words, int *out)
{
	const char *string = json_string_value(at.value);
	char list[LIST_SIZE] = "", wanted[LIST_SIZE + 16];
	const struct json_word *w;

	if (!at.value)
		return false;
	for (w = words; string && w->word && strcmp(w->word, string) != 0; w++)
		;
	if (!string || !w->word || w->value == JSON_WORD_UNSUPPORTED)
		list_words(words, true, list);
	if (!string || !w->word) {
		snprintf(wanted, sizeof(wanted), "one of %s", list);
		return json_at_mismatch(at, wanted);
	}
	if (w->value == JSON_WORD_UNSUPPORTED) {
		json_at_error(at, "\"%s\" is not supported by this version; use %s", string, list);
		return false;
	}
	*out = w->value;
	return true;
}

struct unit {
	const char *name;
	uint64_t factor;
};

/* From small to large; the bare number first. */
static const struct unit time_units[] = {
	{ "", 1 },
	{ "ms", 1 },
	{ "s", 1000 },
	{ "m", 60 * 1000 },
	{ "h", 3600 * 1000 },
	{ "d", 24 * 3600 * 1000 },
	{ NULL, 0 },
};

static const struct unit size_units[] = {
	{ "", 1 },
	{ "K", 1u << 10 },
	{ "M", 1u << 20 },
	{ "G", 1u << 30 },
	{ NULL, 0 },
};

/* The largest unit that gives a whole number. */
static void
unit_text(uint64_t value, const struct unit *units, char *text, size_t size)
{
	const struct unit *best = units;

	for (; units->name; units++) {
		if (value % units->factor == 0 && value)
			best = units;
	}
	snprintf(text, size, "%" PRIu64 "%s", value / best->factor, best->name);
}

/*
 * DIGITS[.DIGITS][UNIT] as a whole number of the smallest unit. -EINVAL: not of that form;
 * -EDOM: not whole; -ERANGE: does not fit.
 */
static int
unit_parse(const char *text, const struct unit *units, uint64_t *out)
{
	uint64_t whole = 0, fraction = 0, scale = 1;
	bool overflow = false;
	const char *start = text;

	for (; isdigit((unsigned char)*text); text++) {
		overflow |= __builtin_mul_overflow(whole, 10, &whole);
		overflow |= __builtin_add_overflow(whole, *text - '0', &whole);
	}
	if (text == start)
		return -EINVAL;
	if (*text == '.') {
		start = ++text;
		/* Nine digits times the largest factor stay below 2^63. */
		for (; isdigit((unsigned char)*text) && text - start < 9; text++) {
			fraction = fraction * 10 + (*text - '0');
			scale *= 10;
		}
		if (text == start)
			return -EINVAL;
		if (isdigit((unsigned char)*text))
			return -EDOM;
	}
	while (units->name && strcasecmp(units->name, text) != 0)
		units++;
	if (!units->name)
		return -EINVAL;
	overflow |= __builtin_mul_overflow(whole, units->factor, &whole);
	if (fraction * units->factor % scale != 0)
		return -EDOM;
	overflow |= __builtin_add_overflow(whole, fraction * units->factor / scale, &whole);
	*out = whole;
	return overflow ? -ERANGE : 0;
}

struct quantity {
	const struct unit *units;
	const char *example; /* "a time such as ..." */
	const char *whole;   /* what it must be a whole number of */
};

static bool
get_quantity(
	struct json_at at, const struct quantity *kind, uint64_t min, uint64_t max, uint64_t *out)
{
	char low[32], high[32], wanted[192];
	int result = -EINVAL;
	uint64_t value = 0;

	if (!at.value)
		return false;
	if (json_is_string(at.value)) {
		result = unit_parse(json_string_value(at.value), kind->units, &value);
	} else if (json_is_integer(at.value)) {
		value = json_integer_value(at.value);
		result = json_integer_value(at.value) < 0 ? -ERANGE : 0;
	} else if (json_is_real(at.value)) {
		result = -EDOM;
	}
	if (result == 0 && value >= min && value <= max) {
		*out = value;
		return true;
	}
	unit_text(min, kind->units, low, sizeof(low));
	unit_text(max, kind->units, high, sizeof(high));
	if (result == -EINVAL)
		snprintf(wanted, sizeof(wanted), "%s, from %s to %s", kind->example, low, high);
	else if (result == -EDOM)
		snprintf(wanted, sizeof(wanted), "a whole number of %s", kind->whole);
	else
		snprintf(wanted, sizeof(wanted), "from %s to %s", low, high);
	return json_at_mismatch(at, wanted);
}

bool
json_get_time_ms(struct json_at at, uint32_t min_ms, uint32_t max_ms, uint32_t *out_ms)
{
	static const struct quantity time = {
		.units = time_units,
		.example = "a time such as \"500ms\", \"2s\", \"15m\" (units ms s m h d)",
		.whole = "milliseconds",
	};
	uint64_t value;

	if (!get_quantity(at, &time, min_ms, max_ms, &value))
		return false;
	*out_ms = value;
	return true;
}

bool
json_get_size(struct json_at at, uint64_t min, uint64_t max, uint64_t *out)
{
	static const struct quantity size = {
		.units = size_units,
		.example = "a size such as \"64K\", \"1M\", \"2G\" (steps of 1024)",
		.whole = "single units",
	};

	return get_quantity(at, &size, min, max, out);
}
