/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reading the configuration file, for both processes: loading it with its caps, collecting every
 * error with its JSON path, and typed access to values that may be absent, wrong or hostile.
 *
 * A reader walks the document with cursors (struct json_at). Each getter takes a cursor and does
 * one of three things: the value is right: *out is set and true returned; it is absent: *out is
 * left alone and false returned, so that the default the caller put there stands; it is wrong:
 * the same, and an error is added. So a reader never stops at the first error and never has to
 * build a path itself. Nothing here keeps state between calls; any thread may use its own file.
 */
#ifndef CONFIG_JSONFILE_H
#define CONFIG_JSONFILE_H

#include <jansson.h>
#include <stdio.h>

#include "shunt/types.h"

/* Errors beyond this many are counted and no longer kept; warnings likewise. */
#define JSON_ERRORS_MAX 100

struct json_error_entry {
	char *path;    /* "$.backends[1].servers[0].weight" */
	char *message; /* printable ASCII: bytes of the file are escaped before they get here */
	bool warning;
};

struct json_errors;

/* NULL without memory. */
struct json_errors *json_errors_create(void);
void json_errors_destroy(struct json_errors *errors);
/* Errors, without warnings, those beyond JSON_ERRORS_MAX too. */
size_t json_errors_count(const struct json_errors *errors);
size_t json_errors_warning_count(const struct json_errors *errors);
/* Entry number `index` of those kept, errors and warnings in the order found; NULL after the end.
 */
const struct json_error_entry *json_errors_get(const struct json_errors *errors, size_t index);
/* One line each, "FILE: $.json.path: message"; a warning's message begins with "warning: ". */
void json_errors_print(const struct json_errors *errors, const char *file, FILE *out);
/* The same for a path known as text; error-handling code that has a cursor uses json_at_error(). */
void json_errors_add(struct json_errors *errors, bool warning, const char *path, const char *format,
	...) __attribute__((format(printf, 4, 5)));

/*
 * Reads a JSON document: at most SHUNT_CONFIG_MAX_BYTES, an object, no duplicate keys, nested at
 * most SHUNT_CONFIG_MAX_DEPTH deep. NULL after adding an error; a syntax error has its line and
 * column. The caller owns the result (json_decref).
 */
json_t *json_file_load(const char *path, struct json_errors *errors);
json_t *json_text_load(const char *text, size_t length, struct json_errors *errors);

/*
 * A place in the document: a value, if there is one, and the way to it. A child points to its
 * parent, which must outlive it; both usually live on the stack of the function that reads them.
 */
struct json_at {
	const struct json_at *parent;
	const char *key; /* NULL: element `index` of an array, or the root */
	size_t index;
	json_t *value; /* NULL: absent */
	struct json_errors *errors;
};

struct json_at json_at_root(json_t *document, struct json_errors *errors);
/* The cursor of an absent value if `object` is absent or no object. */
struct json_at json_at_member(const struct json_at *object, const char *key);
struct json_at json_at_element(const struct json_at *array, size_t index);
static inline bool
json_at_present(struct json_at at)
{
	return at.value != NULL;
}

void
json_at_error(struct json_at at, const char *format, ...) __attribute__((format(printf, 2, 3)));
void
json_at_warning(struct json_at at, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* "must be WANTED, found WHAT". Always false, for a getter to return; the value is present. */
bool json_at_mismatch(struct json_at at, const char *wanted);
/* Writes the path, "$.a[1].b", cut to the size given. */
void json_at_path(struct json_at at, char *text, size_t size);
/* False, and an error, if the value is absent. */
bool json_at_require(struct json_at at);

/*
 * True if the value is an object. Each key of it that is not in `keys` (ended by NULL) is an
 * error that suggests the nearest known key.
 */
bool json_get_object(struct json_at at, const char *const *keys);
/* True if the value is an array of at most `max` elements. */
bool json_get_array(struct json_at at, size_t max, size_t *count);

bool json_get_bool(struct json_at at, bool *out);
bool json_get_int(struct json_at at, int64_t min, int64_t max, int64_t *out);
/* The string stays the document's. Neither empty nor longer than `max` bytes. */
bool json_get_string(struct json_at at, size_t max, const char **out);
/* 1 to 63 characters of A-Z a-z 0-9 _ . : -; `out` has SHUNT_NAME_SIZE bytes. */
bool json_get_name(struct json_at at, char *out);
/* A string of the table; *out is set to its value. A NULL word ends the table. */
struct json_word {
	const char *word;
	int value; /* JSON_WORD_UNSUPPORTED: a word of the contract this version refuses */
};
#define JSON_WORD_UNSUPPORTED (-1)
bool json_get_word(struct json_at at, const struct json_word *words, int *out);
/* "500ms" "1.5s" "15m" "1h" "1d"; a bare number is milliseconds. */
bool json_get_time_ms(struct json_at at, uint32_t min_ms, uint32_t max_ms, uint32_t *out_ms);
/* "64K" "1M" "2G", in steps of 1024; a bare number counts single units. */
bool json_get_size(struct json_at at, uint64_t min, uint64_t max, uint64_t *out);
/* An IPv4 or IPv6 address, without port. */
bool json_get_address(struct json_at at, struct shunt_addr *out);
/*
 * The same, or a prefix "10.0.0.208/30", whose bits behind the length must be zero; *bits is its
 * length, all of an address's if none is given.
 */
bool json_get_prefix(struct json_at at, struct shunt_addr *out, uint8_t *bits);
/* "192.0.2.1:80" or "[2001:db8::1]:80"; the port is never 0. */
bool json_get_endpoint(struct json_at at, struct shunt_addr *out, uint16_t *port_be);
/* The same with one port, a range such as 8000-8099, or "*", which is 1-65535. */
bool json_get_endpoints(
	struct json_at at, struct shunt_addr *out, uint16_t *first_be, uint16_t *last_be);
/* The same with one port or none, then *port_be is 0: "192.0.2.1" or "[2001:db8::1]". */
bool json_get_server_endpoint(struct json_at at, struct shunt_addr *out, uint16_t *port_be);
/* "02:00:00:00:00:11", neither zero nor a group address. */
bool json_get_mac(struct json_at at, struct shunt_mac *out);
/* Exactly `size` bytes as 2 * size hexadecimal digits. */
bool json_get_hex(struct json_at at, uint8_t *out, size_t size);

/* "192.0.2.1" or "2001:db8::1". */
#define JSON_ADDRESS_TEXT_SIZE 46
void json_address_text(const struct shunt_addr *address, char *text);
/* "192.0.2.1:80" or "[2001:db8::1]:80"; room for "-65535" too. */
#define JSON_ENDPOINT_TEXT_SIZE (JSON_ADDRESS_TEXT_SIZE + 14)
void json_endpoint_text(const struct shunt_addr *address, uint16_t port_be, char *text);
/* "192.0.2.1:8000-8099" or "192.0.2.1:*", as json_get_endpoints() reads it. */
void json_endpoints_text(
	const struct shunt_addr *address, uint16_t first_be, uint16_t last_be, char *text);
/* "192.0.2.1" or "2001:db8::1" if port_be is 0. */
void json_server_endpoint_text(const struct shunt_addr *address, uint16_t port_be, char *text);

#endif
