/* SPDX-License-Identifier: BSD-3-Clause */
/* TLS beneath checks, as the file has it; also for tls_context.c and check_tls.c. */
#include <openssl/ssl.h>
#include <openssl/ui.h>
#include <sys/stat.h>

#include "talk_case.h"
#include "tls_certs.h"
#include "tls_context.h"

#define NAMES " a name such as 'www.example.org'"

static char one_file[64], two_file[64], empty_file[64];

static void
files_make(void)
{
	struct cert certs[2] = {
		cert_make((struct cert_wish){ .name = "one", .is_ca = true }),
		cert_make((struct cert_wish){ .name = "two", .is_ca = true }),
	};

	cert_file(one_file, certs, 1);
	cert_file(two_file, certs, 2);
	cert_file(empty_file, certs, 0);
	cert_free(&certs[0]);
	cert_free(&certs[1]);
	/* This system's certificates, for the time of the test. */
	setenv("SSL_CERT_FILE", two_file, 1);
	setenv("SSL_CERT_DIR", "/nowhere", 1);
}

static void
files_remove(void)
{
	unlink(one_file);
	unlink(two_file);
	unlink(empty_file);
}

static size_t
trusted(const struct check_talk *talk)
{
	X509_STORE *store = SSL_CTX_get_cert_store(tls_context_ssl(talk->tls->context));

	return (size_t)sk_X509_OBJECT_num(X509_STORE_get0_objects(store));
}

static void
words_of_types(void)
{
	struct config *config = load("", "'type': 'tls'", "");
	const struct check_talk *talk = talk_of(config);

	CU_ASSERT_PTR_NOT_NULL_FATAL(talk);
	CU_ASSERT_EQUAL(talk->type, CHECK_TCP);
	CU_ASSERT_PTR_NOT_NULL_FATAL(talk->tls);
	CU_ASSERT_TRUE(talk->tls->verify);
	CU_ASSERT_PTR_NULL(talk->tls->sni);
	CU_ASSERT_PTR_NULL(talk->tls->verify_host);
	CU_ASSERT_PTR_NULL(talk->tls->alpn);
	CU_ASSERT_PTR_NULL(talk->tls->ca_file);
	CU_ASSERT_EQUAL(trusted(talk), 2);
	config_destroy(config);

	config = load("", "'type': 'https', 'path': '/up'", "'expect': 'e'");
	talk = talk_of(config);
	CU_ASSERT_EQUAL(talk->type, CHECK_HTTP);
	CU_ASSERT_STRING_EQUAL(talk->path, "/up");
	CU_ASSERT_STRING_EQUAL(talk->expect, "e");
	CU_ASSERT_PTR_NOT_NULL(talk->tls);
	config_destroy(config);

	config = load("", "'tls': true, 'expect': '+OK'", "");
	CU_ASSERT_EQUAL(talk_of(config)->type, CHECK_TCP);
	CU_ASSERT_PTR_NOT_NULL(talk_of(config)->tls);
	config_destroy(config);

	config = load("", "'type': 'redis', 'tls': true", "");
	CU_ASSERT_EQUAL(talk_of(config)->type, CHECK_REDIS);
	CU_ASSERT_PTR_NOT_NULL(talk_of(config)->tls);
	config_destroy(config);
}

static void
all_keys(void)
{
	char *text = case_text("'type': 'https', 'sni': 'www.example.org', 'verify': 'required', "
			       "'ca-file': '%s', 'verify-host': '10.0.0.1', 'alpn': "
			       "'http/1.1,http/1.0'",
		one_file);
	struct config *config = load("", text, "");
	const struct check_tls *tls = talk_of(config)->tls;

	CU_ASSERT_STRING_EQUAL(tls->sni, "www.example.org");
	CU_ASSERT_STRING_EQUAL(tls->verify_host, "10.0.0.1");
	CU_ASSERT_STRING_EQUAL(tls->alpn, "http/1.1,http/1.0");
	CU_ASSERT_STRING_EQUAL(tls->ca_file, one_file);
	CU_ASSERT_EQUAL(trusted(talk_of(config)), 1);
	config_destroy(config);
	free(text);

	config = load("", "'type': 'tls', 'verify': 'none'", "");
	CU_ASSERT_FALSE(talk_of(config)->tls->verify);
	CU_ASSERT_EQUAL(trusted(talk_of(config)), 0);
	config_destroy(config);
}

static void
inherited(void)
{
	char *text = case_text("'type': 'https', 'sni': 'a.example', 'ca-file': '%s'", one_file);
	struct config *config = load(text, "'path': '/up'", "'sni': 'b.example'");
	const struct check_talk *talk = talk_of(config), *above = talk->next;

	CU_ASSERT_STRING_EQUAL(talk->tls->sni, "b.example");
	CU_ASSERT_STRING_EQUAL(talk->tls->ca_file, one_file);
	CU_ASSERT_STRING_EQUAL(talk->path, "/up");
	/* One context for all that trust the same. */
	CU_ASSERT_PTR_NOT_NULL_FATAL(above);
	CU_ASSERT_STRING_EQUAL(above->tls->sni, "a.example");
	CU_ASSERT_PTR_EQUAL(above->tls->context, talk->tls->context);
	config_destroy(config);

	config = load(text, "", "'verify': 'none'");
	CU_ASSERT_FALSE(talk_of(config)->tls->verify);
	CU_ASSERT_EQUAL(trusted(talk_of(config)), 0);
	CU_ASSERT_STRING_EQUAL(talk_of(config)->tls->sni, "a.example");
	config_destroy(config);

	/* `https` and `http` are two types, of which nothing is taken over. */
	config = load(text, "", "'type': 'http'");
	CU_ASSERT_PTR_NULL(talk_of(config)->tls);
	config_destroy(config);
	config = load(text, "'type': 'tcp'", "");
	CU_ASSERT_PTR_NULL(talk_of(config));
	config_destroy(config);
	config = load("'type': 'http', 'path': '/up', 'tls': true", "'tls': false", "");
	CU_ASSERT_PTR_NULL(talk_of(config)->tls);
	CU_ASSERT_STRING_EQUAL(talk_of(config)->path, "/up");
	config_destroy(config);
	config = load("'tls': true", "'tls': false", "");
	CU_ASSERT_PTR_NULL(talk_of(config));
	config_destroy(config);
	free(text);
}

static void
same_or_changed(void)
{
	static const char *const others[] = { "'sni': 'b.example'", "'verify': 'none'",
		"'verify-host': 'c.example'", "'alpn': 'x'", "'path': '/x'" };
	const char *keys = "'type': 'https', 'sni': 'a.example'";
	struct config *a = load(keys, "", ""), *b = load(keys, "", "");
	struct check_talk *copy = check_talk_copy(talk_of(a));
	char *text = case_text("'ca-file': '%s'", one_file);

	CU_ASSERT_TRUE(check_talk_equal(talk_of(a), talk_of(b)));
	CU_ASSERT_TRUE(check_talk_equal(talk_of(a), copy));
	check_talk_destroy(copy);
	config_destroy(b);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		b = load(keys, "", others[i]);
		CU_ASSERT_FALSE(check_talk_equal(talk_of(a), talk_of(b)));
		config_destroy(b);
	}
	b = load(keys, "", text);
	CU_ASSERT_FALSE(check_talk_equal(talk_of(a), talk_of(b)));
	config_destroy(b);
	b = load("'type': 'http'", "", "");
	CU_ASSERT_FALSE(check_talk_equal(talk_of(a), talk_of(b)));
	config_destroy(b);
	config_destroy(a);
	free(text);
}

static void
wrong_keys(void)
{
	wrong("'type': 'http', 'sni': 'a.example', 'verify': 'none'",
		C ".sni: needs 'tls': true\n" C ".verify: needs 'tls': true");
	wrong("'type': 'postgres', 'tls': true",
		C ".tls: is for 'type': 'tls', 'https', 'tcp', 'http' or 'redis' only");
	wrong("'type': 'mysql', 'ca-file': 'x'",
		C ".ca-file: is for 'type': 'tls', 'https', 'tcp', 'http' or 'redis' only");
	wrong("'type': 'https', 'tls': false",
		C ".tls: must be true with 'type': 'https'; without TLS it is 'http'");
	wrong("'type': 'tls', 'tls': false",
		C ".tls: must be true with 'type': 'tls'; without TLS it is 'tcp'");
	wrong("'type': 'tls', 'path': '/'", C ".path: is for 'type': 'http' only");
	wrong("'tls': 1", C ".tls: must be true or false, found the number 1");
	wrong("'type': 'tls', 'verify': 'optional'",
		C ".verify: must be one of 'none', 'required', found the string 'optional'");
	wrong("'type': 'tls', 'verify': false",
		C ".verify: must be one of 'none', 'required', found false");
	wrong("'type': 'tls', 'sni': '10.0.0.1'",
		C ".sni: must be" NAMES ", found the string '10.0.0.1'");
	wrong("'type': 'tls', 'sni': '*.example.org'",
		C ".sni: must be" NAMES ", found the string '*.example.org'");
	wrong("'type': 'tls', 'sni': 'a..b'", C ".sni: must be" NAMES ", found the string 'a..b'");
	wrong("'type': 'tls', 'sni': 'a.'", C ".sni: must be" NAMES ", found the string 'a.'");
	wrong("'type': 'tls', 'verify-host': '[::1]'",
		C ".verify-host: must be" NAMES ", or an address, found the string '[::1]'");
	wrong("'type': 'tls', 'alpn': 'a,,b'",
		C ".alpn: must be names of protocols with commas between them, such as 'http/1.1', "
		  "found the string 'a,,b'");
	wrong("'type': 'tls', 'alpn': 'a,'",
		C ".alpn: must be names of protocols with commas between them, such as 'http/1.1', "
		  "found the string 'a,'");
	wrong("'type': 'https', 'alpn': 'http/1.1,h2'",
		C ".alpn: has 'h2', but the probe speaks HTTP/1: a server that takes it up would "
		  "not understand");
	wrong("'type': 'https', 'alpn': 'xh2,h2'",
		C ".alpn: has 'h2', but the probe speaks HTTP/1: a server that takes it up would "
		  "not understand");
	wrong("'type': 'tls', 'alpn': 'h2'", "");
	wrong("'type': 'https', 'alpn': 'h2c'", "");
}

static void
wrong_file(const char *content, const char *expected)
{
	char *check = case_text("'type': 'tls', 'ca-file': '%s'", empty_file);
	char *complaint = case_text("%s.ca-file: %s: %s", C, empty_file, expected);
	FILE *file = fopen(empty_file, "w");

	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	fputs(content, file);
	fclose(file);
	case_quotes(complaint);
	wrong(check, complaint);
	free(complaint);
	free(check);
}

static void
wrong_files(void)
{
	char *text = case_text("'type': 'tls', 'verify': 'none', 'ca-file': '%s'", one_file);

	wrong("'type': 'tls', 'ca-file': '/nowhere/ca.pem'",
		C ".ca-file: /nowhere/ca.pem: cannot be read: No such file or directory");
	wrong("'type': 'tls', 'ca-file': '/tmp'", C ".ca-file: /tmp: is no regular file");
	wrong_file("", "has no certificate in PEM (BEGIN CERTIFICATE)");
	wrong_file("any text\n", "has no certificate in PEM (BEGIN CERTIFICATE)");
	wrong_file("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
		"certificate 1 of it cannot be read: ASN1 lib");
	wrong_file("-----BEGIN CERTIFICATE-----\nMIIB\n",
		"certificate 1 of it cannot be read: bad end line");
	wrong(text, C ".ca-file: warning: is not used: 'verify' is 'none'");
	free(text);
	setenv("SSL_CERT_FILE", "/nowhere/file", 1);
	wrong("'type': 'tls'",
		C ".ca-file: is not given, and this system trusts no certificates (none in "
		  "/nowhere/file and /nowhere): install ca-certificates, or name a file");
	wrong("'type': 'tls', 'verify': 'none'", "");
	setenv("SSL_CERT_FILE", two_file, 1);
}

static bool asked;

static int
on_ask(UI *ui)
{
	(void)ui;
	asked = true;
	return 0;
}

/* A file that wants a password must not stop everything until somebody types one. */
static void
nobody_is_asked(void)
{
	UI_METHOD *method = UI_create_method("test");

	CU_ASSERT_PTR_NOT_NULL_FATAL(method);
	UI_method_set_opener(method, on_ask);
	UI_set_default_method(method);
	wrong_file("-----BEGIN CERTIFICATE-----\nProc-Type: 4,ENCRYPTED\n"
		   "DEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n\n"
		   "MIIB\n-----END CERTIFICATE-----\n",
		"certificate 1 of it cannot be read: bad password read");
	CU_ASSERT_FALSE(asked);
	UI_set_default_method(UI_OpenSSL());
	UI_destroy_method(method);
}

static void
too_large(void)
{
	char *content = malloc((1u << 20) + 2);

	CU_ASSERT_PTR_NOT_NULL_FATAL(content);
	memset(content, '\n', (1u << 20) + 1);
	content[(1u << 20) + 1] = '\0';
	wrong_file(content, "is larger than the limit of 1048576 bytes");
	content[1u << 20] = '\0';
	wrong_file(content, "has no certificate in PEM (BEGIN CERTIFICATE)");
	free(content);
}

/* However many checks name it, and whether or not it is good. */
static void
read_once(void)
{
	static const char expected[] = "has no certificate in PEM (BEGIN CERTIFICATE)";
	struct tls_context *list = NULL;
	char path[64], problem[256];
	struct cert cert = cert_make((struct cert_wish){ .name = "one", .is_ca = true });

	cert_file(path, &cert, 0);
	for (unsigned int i = 0; i < 2; i++) {
		memset(problem, 0, sizeof(problem));
		CU_ASSERT_PTR_NULL(tls_context_get(&list, true, path, problem, sizeof(problem)));
		CU_ASSERT_STRING_EQUAL(problem, expected);
		unlink(path);
	}
	CU_ASSERT_PTR_NOT_NULL(tls_context_get(&list, true, one_file, problem, sizeof(problem)));
	CU_ASSERT_PTR_NOT_NULL(tls_context_get(&list, false, path, problem, sizeof(problem)));
	tls_contexts_destroy(list);
	cert_free(&cert);
}

/* Of a directory those that OpenSSL would find. */
static void
system_directory(void)
{
	char directory[] = "/tmp/shunt-test-certs-XXXXXX", path[128];
	static const char *const names[] = { "0123abcd.0", "ca.pem", "0123abcd.x" };
	struct config *config;

	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(directory));
	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
		CU_ASSERT_EQUAL(symlink(i == 0 ? one_file : two_file, path), 0);
	}
	setenv("SSL_CERT_DIR", directory, 1);
	setenv("SSL_CERT_FILE", "/nowhere/file", 1);
	config = load("", "'type': 'tls'", "");
	CU_ASSERT_EQUAL(trusted(talk_of(config)), 1);
	config_destroy(config);
	setenv("SSL_CERT_DIR", "/nowhere", 1);
	setenv("SSL_CERT_FILE", two_file, 1);
	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
		unlink(path);
	}
	rmdir(directory);
}

/* A name of a file begins where the configuration is. */
static void
beside_the_file(void)
{
	char *path = case_text("%s.json", one_file);
	char *check = case_text("'type': 'tls', 'ca-file': '%s'", strrchr(one_file, '/') + 1);
	char *text = file_with("", check, "");
	struct json_errors *errors = json_errors_create();
	FILE *file = fopen(path, "w");
	struct config *config;

	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	fputs(text, file);
	fclose(file);
	config = config_load(path, errors);
	CU_ASSERT_PTR_NOT_NULL_FATAL(config);
	CU_ASSERT_STRING_EQUAL(talk_of(config)->tls->ca_file, one_file);
	CU_ASSERT_EQUAL(trusted(talk_of(config)), 1);
	config_destroy(config);
	json_errors_destroy(errors);
	unlink(path);
	free(path);
	free(check);
	free(text);
}

static void
expect_names(char *host, char *sni, char *verify_host, const char *sni_wanted, const char *wanted)
{
	struct check_tls tls = { .sni = sni, .verify_host = verify_host };
	const struct check_talk talk = { .host = host, .tls = &tls };
	char told[CHECK_NAME_MAX + 1], verified[CHECK_NAME_MAX + 1];

	check_tls_names(&talk, "10.0.0.1", told, verified);
	CU_ASSERT_STRING_EQUAL(told, sni_wanted);
	CU_ASSERT_STRING_EQUAL(verified, wanted);
}

static void
names(void)
{
	static char a[] = "a.example", b[] = "b.example", port[] = "a.example:8443";
	static char v4[] = "10.0.0.9:443", v6[] = "[2001:db8::1]:443", odd[] = ".odd/host";
	char label[70], longest[300];

	expect_names(NULL, NULL, NULL, "", "10.0.0.1");
	expect_names(a, NULL, NULL, "a.example", "a.example");
	expect_names(port, NULL, NULL, "a.example", "a.example");
	expect_names(v4, NULL, NULL, "", "10.0.0.9");
	expect_names(v6, NULL, NULL, "", "2001:db8::1");
	expect_names(odd, NULL, NULL, "", "10.0.0.1");
	expect_names(a, b, NULL, "b.example", "b.example");
	expect_names(a, NULL, b, "a.example", "b.example");
	expect_names(NULL, b, v4, "b.example", v4);

	memset(label, 'l', sizeof(label));
	label[64] = '\0';
	CU_ASSERT_FALSE(check_is_dns_name(label));
	label[63] = '\0';
	CU_ASSERT_TRUE(check_is_dns_name(label));
	snprintf(longest, sizeof(longest), "%s.%s.%s.%.61s", label, label, label, label);
	CU_ASSERT_TRUE(check_is_dns_name(longest));
	snprintf(longest, sizeof(longest), "%s.%s.%s.%.62s", label, label, label, label);
	CU_ASSERT_FALSE(check_is_dns_name(longest));
	CU_ASSERT_FALSE(check_is_dns_name(""));
	CU_ASSERT_FALSE(check_is_dns_name("::1"));
	CU_ASSERT_TRUE(check_is_dns_name("_a-b.1"));
}

static const struct unit_test tests[] = {
	{ "certificates are made", files_make },
	{ "types with TLS", words_of_types },
	{ "all keys", all_keys },
	{ "taken over from the level before", inherited },
	{ "the same, or changed", same_or_changed },
	{ "wrong: keys", wrong_keys },
	{ "wrong: files", wrong_files },
	{ "nobody is asked for a password", nobody_is_asked },
	{ "a file that is too large", too_large },
	{ "a file is read once", read_once },
	{ "the system's directory", system_directory },
	{ "a file beside the configuration", beside_the_file },
	{ "names", names },
	{ "and removed", files_remove },
};

UNIT_MAIN("config_tls", tests)
