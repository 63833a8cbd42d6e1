/* SPDX-License-Identifier: BSD-3-Clause */
/* What a check says and expects, at three levels of a file with one server. */
#ifndef TESTS_TALK_CASE_H
#define TESTS_TALK_CASE_H

#include "check.h"
#include "config_case.h"

#define C "$.backends[0].check"

/* Of defaults, of the backend and of its only server. */
static inline char *
file_with(const char *defaults, const char *backend, const char *server)
{
	return case_text("{" PORTS SECRET "'defaults': {'check': {%s}}, 'frontends': [{'name': "
			 "'f', 'bind': '198.51.100.1:80', 'default-backend': 'b'}], 'backends': "
			 "[{'name': 'b', 'check': {%s}, 'servers': [{'name': 's', 'address': "
			 "'10.0.0.1:80', 'check': {%s}}]}]}",
		defaults, backend, server);
}

static inline struct config *
load(const char *defaults, const char *backend, const char *server)
{
	char *text = file_with(defaults, backend, server);
	struct config *config = config_case_right(text);

	free(text);
	return config;
}

static inline const struct check_talk *
talk_of(const struct config *config)
{
	return config->backends[0].servers[0].check.talk;
}

/* The backend's check is wrong. */
static inline void
wrong(const char *backend, const char *expected)
{
	char *text = file_with("", backend, "");

	config_destroy(config_case(text, expected));
	free(text);
}

#endif
