/* SPDX-License-Identifier: BSD-3-Clause */
/* A dataplane section as a test case. */
#ifndef UNIT_SETTINGS_CASE_H
#define UNIT_SETTINGS_CASE_H

#include "json_case.h"
#include "settings.h"

/* Parses the text of a dataplane section and checks what is complained of. */
static inline struct settings *
settings_case(const char *section, const char *expected)
{
	char *text = case_text("{'dataplane': %s}", section);
	struct json_errors *errors = json_errors_create();
	json_t *document = json_text_load(text, strlen(text), errors);
	struct json_at root = json_at_root(document, errors);
	struct json_at at = json_at_member(&root, "dataplane");
	struct settings *settings;

	CU_ASSERT_PTR_NOT_NULL_FATAL(document);
	settings = settings_parse(&at);
	CU_ASSERT_EQUAL(settings == NULL, json_errors_count(errors) > 0);
	case_expect(errors, text, expected);
	json_decref(document);
	json_errors_destroy(errors);
	free(text);
	return settings;
}

#endif
