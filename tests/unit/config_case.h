/* SPDX-License-Identifier: BSD-3-Clause */
/* For tests of control/config*.c: load a text, compare all complaints. */
#ifndef TESTS_CONFIG_CASE_H
#define TESTS_CONFIG_CASE_H

#include "config.h"
#include "json_case.h"

#define PORTS	       "'dataplane': {'ports': [{'name': 'wan', 'interface': 'wan0'}]}, "
#define FRONTENDS_NONE "$.frontends: warning: no frontends: nothing is balanced"
#define SECRET	       "'global': {'hash-secret': 'ffeeddccbbaa99887766554433221100'}, "

/* Of servers of UDP with a check of no type. */
#define PROBED_BY_TCP(index, name)                                                            \
	"$.backends[" index "]: warning: only frontends of UDP lead to '" name                \
	"', but its servers are probed by TCP: one that takes no connections at its port is " \
	"down; say of what 'type' 'check' is, such as 'udp', 'dns', 'icmp', or 'tcp' if it "  \
	"shall be that"

/* Loads a text and checks what is complained of. The caller owns the result. */
static inline struct config *
config_case(const char *text, const char *expected)
{
	char *json = case_text("%s", text);
	struct json_errors *errors = json_errors_create();
	struct config *config = config_load_text(json, strlen(json), errors);

	CU_ASSERT_EQUAL(config == NULL, json_errors_count(errors) > 0);
	case_expect(errors, json, expected);
	json_errors_destroy(errors);
	free(json);
	return config;
}

static inline struct config *
config_case_right(const char *text)
{
	struct config *config = config_case(text, "");

	CU_ASSERT_PTR_NOT_NULL_FATAL(config);
	return config;
}

/* The same for a text with the ports, the secret and the members given. */
static inline void
config_case_expect(const char *members, const char *expected)
{
	char *text = case_text("{" PORTS SECRET "%s}", members);

	config_destroy(config_case(text, expected));
	free(text);
}

#endif
