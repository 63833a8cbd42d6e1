/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jsonfile.h"

/* Longest message and path kept; what is longer is cut. */
#define TEXT_SIZE 1024

/* Bytes of a key shown in a path. */
#define KEY_SHOWN 40

struct json_errors {
	struct json_error_entry *entries;
	size_t kept;
	size_t room;
	size_t errors;
	size_t warnings;
};

struct json_errors *
json_errors_create(void)
{
	return calloc(1, sizeof(struct json_errors));
}

void
json_errors_destroy(struct json_errors *errors)
{
	if (!errors)
		return;
	for (size_t i = 0; i < errors->kept; i++) {
		free(errors->entries[i].path);
		free(errors->entries[i].message);
	}
	free(errors->entries);
	free(errors);
}

size_t
json_errors_count(const struct json_errors *errors)
{
	return errors->errors;
}

size_t
json_errors_warning_count(const struct json_errors *errors)
{
	return errors->warnings;
}

const struct json_error_entry *
json_errors_get(const struct json_errors *errors, size_t index)
{
	return index < errors->kept ? &errors->entries[index] : NULL;
}

static void
print_more(size_t count, const char *what, const char *file, FILE *out)
{
	if (count > JSON_ERRORS_MAX) {
		count -= JSON_ERRORS_MAX;
		fprintf(out, "%s: $: and %zu more %s%s\n", file, count, what,
			count == 1 ? "" : "s");
	}
}

void
json_errors_print(const struct json_errors *errors, const char *file, FILE *out)
{
	for (size_t i = 0; i < errors->kept; i++) {
		const struct json_error_entry *entry = &errors->entries[i];

		fprintf(out, "%s: %s: %s%s\n", file, entry->path, entry->warning ? "warning: " : "",
			entry->message);
	}
	print_more(errors->errors, "error", file, out);
	print_more(errors->warnings, "warning", file, out);
}

/*
 * A copy with everything that is not printable ASCII as \xHH: messages quote the file, and the
 * file must not be able to send control sequences to a terminal or break a log into lines.
 */
static char *
printable(const char *text)
{
	static const char hex[] = "0123456789abcdef";
	char *copy = malloc(4 * strlen(text) + 1), *out = copy;

	if (!copy)
		return NULL;
	for (; *text; text++) {
		unsigned char c = *text;

		if (c >= 0x20 && c < 0x7f) {
			*out++ = c;
		} else {
			*out++ = '\\';
			*out++ = 'x';
			*out++ = hex[c >> 4];
			*out++ = hex[c & 15];
		}
	}
	*out = '\0';
	return copy;
}

/* Counts one; true if it is to be kept as well. */
static bool
errors_count_one(struct json_errors *errors, bool warning)
{
	size_t *count = warning ? &errors->warnings : &errors->errors;

	return ++*count <= JSON_ERRORS_MAX;
}

/* Without memory for the text an error is still counted, so that the file is still refused. */
static void
errors_keep(struct json_errors *errors, bool warning, const char *path, const char *format,
	va_list args)
{
	struct json_error_entry entry = { .warning = warning };
	char message[TEXT_SIZE];

	if (errors->kept == errors->room) {
		size_t room = errors->room ? 2 * errors->room : 8;
		struct json_error_entry *entries;

		entries = realloc(errors->entries, room * sizeof(*entries));
		if (!entries)
			return;
		errors->entries = entries;
		errors->room = room;
	}
	vsnprintf(message, sizeof(message), format, args);
	entry.path = printable(path);
	entry.message = printable(message);
	if (!entry.path || !entry.message) {
		free(entry.path);
		free(entry.message);
		return;
	}
	errors->entries[errors->kept++] = entry;
}

void
json_errors_add(struct json_errors *errors, bool warning, const char *path, const char *format, ...)
{
	va_list args;

	if (!errors_count_one(errors, warning))
		return;
	va_start(args, format);
	errors_keep(errors, warning, path, format, args);
	va_end(args);
}

/* True if `value` is nested deeper than `levels`. Recursion ends there, so bombs are harmless. */
static bool
deeper_than(json_t *value, int levels)
{
	const char *key;
	json_t *child;
	size_t i;

	if (!json_is_object(value) && !json_is_array(value))
		return false;
	if (levels == 0)
		return true;
	json_object_foreach (value, key, child) {
		if (deeper_than(child, levels - 1))
			return true;
	}
	json_array_foreach (value, i, child) {
		if (deeper_than(child, levels - 1))
			return true;
	}
	return false;
}

json_t *
json_text_load(const char *text, size_t length, struct json_errors *errors)
{
	json_error_t error;
	json_t *document;

	if (length > SHUNT_CONFIG_MAX_BYTES) {
		json_errors_add(errors, false, "$", "the file is larger than the limit of %u bytes",
			SHUNT_CONFIG_MAX_BYTES);
		return NULL;
	}
	/* RFC 8259 section 8.1: a parser may ignore a byte order mark; some editors write one. */
	if (length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
		text += 3;
		length -= 3;
	}
	/* jansson itself stops at 2048 levels, long before its recursion could harm the stack. */
	document = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
	if (!document) {
		json_errors_add(errors, false, "$", "line %d, column %d: %s", error.line,
			error.column, error.text);
		return NULL;
	}
	if (!json_is_object(document)) {
		json_errors_add(errors, false, "$", "must be an object, found an array");
	} else if (deeper_than(document, SHUNT_CONFIG_MAX_DEPTH)) {
		json_errors_add(
			errors, false, "$", "nested deeper than %d levels", SHUNT_CONFIG_MAX_DEPTH);
	} else {
		return document;
	}
	json_decref(document);
	return NULL;
}

/* Reads up to `size` bytes. Returns how many, or -errno. */
static ssize_t
read_all(int fd, char *buffer, size_t size)
{
	size_t used = 0;

	while (used < size) {
		ssize_t n = read(fd, buffer + used, size - used);

		if (n == 0)
			break;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		used += n;
	}
	return used;
}

/* An open regular file no larger than the limit, with room for one byte more than it has. */
static json_t *
load_open_file(int fd, struct json_errors *errors)
{
	json_t *document = NULL;
	struct stat st;
	ssize_t length;
	size_t room;
	char *text;

	if (fstat(fd, &st) < 0) {
		json_errors_add(errors, false, "$", "cannot be read: %s", strerror(errno));
		return NULL;
	}
	if (!S_ISREG(st.st_mode)) {
		json_errors_add(errors, false, "$", "cannot be read: %s",
			S_ISDIR(st.st_mode) ? "it is a directory" : "it is not a regular file");
		return NULL;
	}
	if (st.st_size > (off_t)SHUNT_CONFIG_MAX_BYTES) {
		json_errors_add(errors, false, "$", "the file is larger than the limit of %u bytes",
			SHUNT_CONFIG_MAX_BYTES);
		return NULL;
	}
	/* The file may grow while it is read: one byte more than it had is a file half written. */
	room = (size_t)st.st_size + 1;
	text = malloc(room);
	if (!text) {
		json_errors_add(errors, false, "$", "cannot be read: out of memory");
		return NULL;
	}
	length = read_all(fd, text, room);
	if (length < 0)
		json_errors_add(errors, false, "$", "cannot be read: %s", strerror(-length));
	else if ((size_t)length == room)
		json_errors_add(errors, false, "$", "the file grew while it was read; try again");
	else
		document = json_text_load(text, length, errors);
	free(text);
	return document;
}

json_t *
json_file_load(const char *path, struct json_errors *errors)
{
	/* O_NONBLOCK: a FIFO without a writer would block the open for ever. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	json_t *document;

	if (fd < 0) {
		json_errors_add(errors, false, "$", "cannot be read: %s", strerror(errno));
		return NULL;
	}
	document = load_open_file(fd, errors);
	close(fd);
	return document;
}

struct json_at
json_at_root(json_t *document, struct json_errors *errors)
{
	return (struct json_at){ .value = document, .errors = errors };
}

struct json_at
json_at_member(const struct json_at *object, const char *key)
{
	return (struct json_at){
		.parent = object,
		.key = key,
		.value = json_object_get(object->value, key),
		.errors = object->errors,
	};
}

struct json_at
json_at_element(const struct json_at *array, size_t index)
{
	return (struct json_at){
		.parent = array,
		.index = index,
		.value = json_array_get(array->value, index),
		.errors = array->errors,
	};
}

/* snprintf() at the end of `text`; stays within `size`. */
static void __attribute__((format(printf, 3, 4)))
append(char *text, size_t size, const char *format, ...)
{
	size_t used = strlen(text);
	va_list args;

	va_start(args, format);
	vsnprintf(text + used, size - used, format, args);
	va_end(args);
}

static bool
plain_key(const char *key)
{
	size_t length = strspn(key,
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"0123456789_-");

	return length > 0 && length <= KEY_SHOWN && key[length] == '\0';
}

void
json_at_path(struct json_at at, char *text, size_t size)
{
	if (!at.parent) {
		snprintf(text, size, "$");
		return;
	}
	json_at_path(*at.parent, text, size);
	if (!at.key)
		append(text, size, "[%zu]", at.index);
	else if (plain_key(at.key))
		append(text, size, ".%s", at.key);
	else
		append(text, size, "[\"%.*s\"%s]", KEY_SHOWN, at.key,
			strlen(at.key) > KEY_SHOWN ? "..." : "");
}

void
json_at_error(struct json_at at, const char *format, ...)
{
	char path[TEXT_SIZE];
	va_list args;

	if (!errors_count_one(at.errors, false))
		return;
	json_at_path(at, path, sizeof(path));
	va_start(args, format);
	errors_keep(at.errors, false, path, format, args);
	va_end(args);
}

void
json_at_warning(struct json_at at, const char *format, ...)
{
	char path[TEXT_SIZE];
	va_list args;

	if (!errors_count_one(at.errors, true))
		return;
	json_at_path(at, path, sizeof(path));
	va_start(args, format);
	errors_keep(at.errors, true, path, format, args);
	va_end(args);
}

bool
json_at_require(struct json_at at)
{
	if (at.value)
		return true;
	json_at_error(at, "missing, but required");
	return false;
}
