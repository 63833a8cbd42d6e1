/* SPDX-License-Identifier: BSD-3-Clause */
/* TLS beneath a check's conversation. */
#include <stdlib.h>
#include <string.h>

#include "config_read.h"
#include "tls_context.h"

#define ALPN_MAX_BYTES 255

#define FOR(type) (1u << CHECK_##type)

/* PostgreSQL and MySQL begin in plain, and go over to TLS by words of their own. */
#define TLS_TYPES (FOR(TCP) | FOR(HTTP) | FOR(REDIS))

static const char *const tls_keys[] = { "tls", "sni", "verify", "ca-file", "verify-host", "alpn",
	NULL };

bool
config_says_tls(const struct json_at *at)
{
	for (const char *const *key = tls_keys; *key; key++) {
		if (json_at_present(json_at_member(at, *key)))
			return true;
	}
	return false;
}

static void
refuse(const struct json_at *at, const char *const *keys, const char *why)
{
	for (; *keys; keys++) {
		struct json_at key = json_at_member(at, *keys);

		if (json_at_present(key))
			json_at_error(key, "%s", why);
	}
}

static bool
is_name_or_address(const char *text)
{
	return check_is_dns_name(text) || check_is_address(text);
}

/* Names of protocols, with commas between them (RFC 7301, 3.1: none is empty). */
static bool
is_alpn(const char *text)
{
	bool empty = true;

	for (; *text; text++) {
		if (*text < '!' || *text > '~' || (*text == ',' && empty))
			return false;
		empty = *text == ',';
	}
	return !empty;
}

/* Is it one of the names? */
static bool
offers(const char *alpn, const char *name)
{
	size_t length = strlen(name), own;

	for (; *alpn; alpn += own + (alpn[own] == ',')) {
		own = strcspn(alpn, ",");
		if (own == length && memcmp(alpn, name, own) == 0)
			return true;
	}
	return false;
}

static void
read_alpn(struct json_at at, struct check_talk *talk)
{
	config_read_text(at, ALPN_MAX_BYTES, is_alpn,
		"names of protocols with commas between them, such as \"http/1.1\"",
		&talk->tls->alpn);
	if (json_at_present(at) && talk->type == CHECK_HTTP && talk->tls->alpn &&
		offers(talk->tls->alpn, "h2"))
		json_at_error(at,
			"has \"h2\", but the probe speaks HTTP/1: a server that takes it up would "
			"not understand");
}

/* Who is trusted: read now, once for all checks with the same. */
static void
read_trust(const struct json_at *at, struct config *config, struct check_tls *tls)
{
	static const struct json_word words[] = {
		{ "none", 0 },
		{ "required", 1 },
		{ NULL, 0 },
	};
	struct json_at verify_at = json_at_member(at, "verify");
	struct json_at file_at = json_at_member(at, "ca-file");
	char path[CONFIG_PATH_SIZE], problem[CONFIG_PATH_SIZE * 2];
	int verify = tls->verify;

	json_get_word(verify_at, words, &verify);
	tls->verify = verify;
	if (config_read_path(file_at, config, path)) {
		free(tls->ca_file);
		tls->ca_file = strdup(path);
		if (!tls->ca_file) {
			json_at_error(file_at, "out of memory");
			return;
		}
		if (!verify)
			json_at_warning(file_at, "is not used: \"verify\" is \"none\"");
	} else if (json_at_present(file_at)) {
		return;
	}
	if (tls->context && !json_at_present(verify_at) && !json_at_present(file_at))
		return; /* as the level before has it */
	tls->context = tls_context_get(
		&config->tls_contexts, tls->verify, tls->ca_file, problem, sizeof(problem));
	if (!tls->context && tls->ca_file)
		json_at_error(file_at, "%s: %s", tls->ca_file, problem);
	else if (!tls->context)
		json_at_error(file_at, "%s", problem);
}

/* Has the level, or one before it, switched it on? */
static bool
is_on(const struct json_at *at, const struct check_talk *talk)
{
	struct json_at on_at = json_at_member(at, "tls");
	bool on = talk->tls || talk->tls_word;

	json_get_bool(on_at, &on);
	if (on || !talk->tls_word)
		return on;
	json_at_error(on_at, "must be true with \"type\": \"%s\"; without TLS it is \"%s\"",
		talk->type == CHECK_HTTP ? "https" : "tls",
		talk->type == CHECK_HTTP ? "http" : "tcp");
	return true;
}

void
config_read_tls(const struct json_at *at, struct config *config, struct check_talk *talk)
{
	if (!(1u << talk->type & TLS_TYPES)) {
		refuse(at, tls_keys,
			"is for \"type\": \"tls\", \"https\", \"tcp\", \"http\" or \"redis\" only");
		return;
	}
	if (!is_on(at, talk)) {
		check_tls_destroy(talk->tls);
		talk->tls = NULL;
		refuse(at, tls_keys + 1, "needs \"tls\": true");
		return;
	}
	if (!talk->tls) {
		talk->tls = check_tls_copy(NULL);
		if (!talk->tls) {
			json_at_error(*at, "out of memory");
			return;
		}
		talk->tls->verify = true;
	}
	config_read_text(json_at_member(at, "sni"), CHECK_NAME_MAX, check_is_dns_name,
		"a name such as \"www.example.org\"", &talk->tls->sni);
	config_read_text(json_at_member(at, "verify-host"), CHECK_NAME_MAX, is_name_or_address,
		"a name such as \"www.example.org\", or an address", &talk->tls->verify_host);
	read_alpn(json_at_member(at, "alpn"), talk);
	read_trust(at, config, talk->tls);
}
