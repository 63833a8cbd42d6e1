/* SPDX-License-Identifier: BSD-3-Clause */
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "json_case.h"

static void
expect_text(const char *text, size_t length, const char *expected)
{
	struct json_errors *errors = json_errors_create();
	json_t *document = json_text_load(text, length, errors);

	CU_ASSERT_EQUAL(document == NULL, *expected != '\0');
	case_expect(errors, text, expected);
	json_decref(document);
	json_errors_destroy(errors);
}

static void
test_syntax(void)
{
	static const struct {
		const char *text;
		const char *expected;
	} cases[] = {
		{ "{}", "" },
		{ " \n{ 'a' : [ 1 ] }\n", "" },
		{ "\xef\xbb\xbf{}", "" },
		{ "", "$: line 1, column 0: '[' or '{' expected near end of file" },
		{ "[]", "$: must be an object, found an array" },
		{ "5", "$: line 1, column 1: '[' or '{' expected near '5'" },
		{ "{\n 'a': 1,\n 'b' 2\n}", "$: line 3, column 6: ':' expected near '2'" },
		{ "{'a': 1} x", "$: line 1, column 10: end of file expected near 'x'" },
		{ "{'a': 1,}", "$: line 1, column 9: string or '}' expected near '}'" },
		{ "{'a': 1,\n 'a': 2}", "$: line 2, column 4: duplicate object key near ''a''" },
		{ "{'a': NaN}", "$: line 1, column 9: invalid token near 'NaN'" },
		{ "{'a': 99999999999999999999}",
			"$: line 1, column 26: too big integer near '99999999999999999999'" },
		{ "{'a': 1e999}", "$: line 1, column 11: real number overflow near '1e999'" },
		{ "{'a': '\xff'}", "$: line 1, column 7: unable to decode byte 0xff near '''" },
		{ "{'a': '\x1b[2J'}", "$: line 1, column 7: control character 0x1b near '''" },
		{ "{'a': '\\u0000'}",
			"$: line 1, column 14: \\u0000 is not allowed without "
			"JSON_ALLOW_NUL near ''\\u0000''" },
		{ "{'a': '\\ud800'}",
			"$: line 1, column 14: invalid Unicode '\\uD800' near ''\\ud800''" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *text = case_text("%s", cases[i].text);

		expect_text(text, strlen(text), cases[i].expected);
		free(text);
	}
	expect_text("{}\0", 3, "$: line 1, column 3: end of file expected near end of file");
}

/* What is deep, large or many is refused in bounded time. */
static void
test_bombs(void)
{
	size_t size = SHUNT_CONFIG_MAX_BYTES + 1;
	char *text = malloc(size);
	clock_t start = clock();

	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	memset(text, '[', size);
	expect_text(text, size, "$: the file is larger than the limit of 33554432 bytes");
	expect_text(
		text, size - 1, "$: line 1, column 2049: maximum parsing depth reached near '['");
	memset(text, '9', size);
	memcpy(text, "{\"a\":", 5);
	/* A number as long as the file may be, then one that only just does not fit. */
	expect_text(text, size - 1, "$: line 1, column 33554432: too big integer");
	text[5 + 30] = '}';
	expect_text(text, 36, "$: line 1, column 35: too big integer");
	memset(text, ' ', size);
	memcpy(text, "{}", 2);
	expect_text(text, size - 1, "");
	free(text);
	CU_ASSERT(clock() - start < 5 * CLOCKS_PER_SEC);
}

static void
test_depth(void)
{
	for (int levels = 1; levels <= 40; levels++) {
		char text[256];
		size_t used = 0;

		/* Objects and arrays in turn; the outermost is an object. */
		for (int i = 0; i < levels; i++)
			used += (size_t)snprintf(
				text + used, sizeof(text) - used, "%s", i % 2 ? "[" : "{\"a\":");
		used += (size_t)snprintf(text + used, sizeof(text) - used, "1");
		for (int i = levels; i-- > 0;)
			text[used++] = i % 2 ? ']' : '}';
		text[used] = '\0';
		expect_text(text, used, levels <= 16 ? "" : "$: nested deeper than 16 levels");
	}
}

static void
test_keys(void)
{
	static const char *const keys[] = { "address", "default-backend", "name", NULL };
	const char *text = "{\"addres\": 1, \"default_backend\": 1, \"nmae\": 1, \"zzz\": 1, "
			   "\"a b\": 1, \"\": 1, \"\\u001b[2J\": 1, \"name\": 1}";
	struct json_errors *errors = json_errors_create();
	json_t *document = json_text_load(text, strlen(text), errors);

	CU_ASSERT_TRUE(json_get_object(json_at_root(document, errors), keys));
	CU_ASSERT_EQUAL(json_errors_count(errors), 7);
	case_expect(errors, text,
		"$.addres: unknown key; did you mean 'address'?\n"
		"$.default_backend: unknown key; did you mean 'default-backend'?\n"
		"$.nmae: unknown key; the keys here are: address, default-backend, name\n"
		"$.zzz: unknown key; the keys here are: address, default-backend, name\n"
		"$['a b']: unknown key; the keys here are: address, default-backend, name\n"
		"$['']: unknown key; the keys here are: address, default-backend, name\n"
		"$['\\x1b[2J']: unknown key; the keys here are: address, default-backend, name");
	json_decref(document);
	json_errors_destroy(errors);
}

static void
test_paths(void)
{
	const char *text = "{\"backends\": [0, {\"servers\": [{\"weight\": true}]}]}";
	struct json_errors *errors = json_errors_create();
	json_t *document = json_text_load(text, strlen(text), errors);
	struct json_at root = json_at_root(document, errors);
	struct json_at backends = json_at_member(&root, "backends");
	struct json_at backend = json_at_element(&backends, 1);
	struct json_at servers = json_at_member(&backend, "servers");
	struct json_at server = json_at_element(&servers, 0);
	struct json_at weight = json_at_member(&server, "weight");
	char path[64], small[8];
	size_t count = 0;
	int64_t value;

	json_at_path(weight, path, sizeof(path));
	CU_ASSERT_STRING_EQUAL(path, "$.backends[1].servers[0].weight");
	json_at_path(weight, small, sizeof(small));
	CU_ASSERT_STRING_EQUAL(small, "$.backe");
	CU_ASSERT_TRUE(json_get_array(backends, 2, &count) && count == 2);
	CU_ASSERT_FALSE(json_get_array(backends, 1, &count));
	CU_ASSERT_FALSE(json_get_array(server, 1, &count));
	CU_ASSERT_FALSE(json_get_int(weight, 0, 256, &value));
	json_at_warning(weight, "odd");
	CU_ASSERT_EQUAL(json_errors_count(errors), 3);
	CU_ASSERT_EQUAL(json_errors_warning_count(errors), 1);
	case_expect(errors, text,
		"$.backends: has 2 elements, the limit is 1\n"
		"$.backends[1].servers[0]: must be an array, found an object\n"
		"$.backends[1].servers[0].weight: must be a whole number from 0 to 256, found "
		"true\n"
		"$.backends[1].servers[0].weight: warning: odd");
	json_decref(document);
	json_errors_destroy(errors);
}

/* A file of mistakes gives a hundred lines, says how many more, and still counts them all. */
static void
test_many_errors(void)
{
	static const char *const keys[] = { NULL };
	json_t *document = json_object();
	struct json_errors *errors = json_errors_create();
	char key[32], *text, *more;
	size_t lines = 0;

	for (int i = 0; i < 200000; i++) {
		snprintf(key, sizeof(key), "key-%d", i);
		json_object_set_new(document, key, json_null());
	}
	json_get_object(json_at_root(document, errors), keys);
	json_at_warning(json_at_root(document, errors), "a warning finds room after the errors");
	CU_ASSERT_EQUAL(json_errors_count(errors), 200000);
	CU_ASSERT_PTR_NOT_NULL(json_errors_get(errors, 100));
	CU_ASSERT_PTR_NULL(json_errors_get(errors, 101));
	text = case_complaints(errors);
	for (const char *c = text; *c; c++)
		lines += *c == '\n';
	CU_ASSERT_EQUAL(lines, 102);
	more = strstr(text, "f: $: and 199900 more errors\n");
	CU_ASSERT_PTR_NOT_NULL(more);
	free(text);
	json_decref(document);
	json_errors_destroy(errors);
	json_errors_destroy(NULL);
}

static void
expect_file(const char *path, const char *expected)
{
	struct json_errors *errors = json_errors_create();
	json_t *document = json_file_load(path, errors);

	CU_ASSERT_EQUAL(document == NULL, *expected != '\0');
	case_expect(errors, path, expected);
	json_decref(document);
	json_errors_destroy(errors);
}

static void
write_file(const char *path, const char *text, off_t size)
{
	FILE *f = fopen(path, "w");

	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	fputs(text, f);
	fclose(f);
	if (size)
		CU_ASSERT_EQUAL(truncate(path, size), 0);
}

static void
test_files(void)
{
	char directory[] = "/tmp/test_jsonfile.XXXXXX", path[64];

	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/file", directory);
	expect_file(path, "$: cannot be read: No such file or directory");
	expect_file(directory, "$: cannot be read: it is a directory");
	expect_file("/dev/zero", "$: cannot be read: it is not a regular file");
	CU_ASSERT_EQUAL(mkfifo(path, 0600), 0);
	expect_file(path, "$: cannot be read: it is not a regular file");
	unlink(path);
	write_file(path, "", 0);
	expect_file(path, "$: line 1, column 0: '[' or '{' expected near end of file");
	write_file(path, "{}", 0);
	expect_file(path, "");
	/* Sparse: the limit must be checked before anything is read. */
	write_file(path, "{}", 1ll << 40);
	expect_file(path, "$: the file is larger than the limit of 33554432 bytes");
	write_file(path, "{}", SHUNT_CONFIG_MAX_BYTES + 1);
	expect_file(path, "$: the file is larger than the limit of 33554432 bytes");
	unlink(path);
	rmdir(directory);
}

static const struct unit_test tests[] = {
	{ "syntax errors have line and column", test_syntax },
	{ "bombs are refused quickly", test_bombs },
	{ "nesting has a limit", test_depth },
	{ "unknown keys", test_keys },
	{ "paths", test_paths },
	{ "many errors are counted", test_many_errors },
	{ "files that are none", test_files },
};

UNIT_MAIN("jsonfile", tests)
