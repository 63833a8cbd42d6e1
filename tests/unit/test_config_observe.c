/* SPDX-License-Identifier: BSD-3-Clause */
/* "observe" of checks: what it says, and where it does nothing. */
#include "config_case.h"

#define C "$.backends[0].check.observe"

/* Checks of defaults, of the backend and of its only server; of the frontend. */
static char *
file_with(const char *defaults, const char *backend, const char *server, const char *frontend)
{
	return case_text("{" PORTS SECRET "'defaults': {'check': %s}, 'frontends': [{'name': "
			 "'f', 'bind': '198.51.100.1:80', 'default-backend': 'b'%s}], 'backends': "
			 "[{'name': 'b', 'forward': 'dr', 'check': %s, 'servers': [{'name': 's', "
			 "'address': '10.0.0.1:80', 'check': %s}]}]}",
		defaults, frontend, backend, server);
}

static void
expect(const char *defaults, const char *backend, const char *server, unsigned int share,
	uint32_t within_ms, uint32_t least)
{
	char *text = file_with(defaults, backend, server, "");
	struct config *config = config_case_right(text);
	const struct observe_config *o = &config->backends[0].servers[0].check.observe;

	CU_ASSERT_EQUAL(o->share, share);
	CU_ASSERT_EQUAL(o->within_ms, within_ms);
	CU_ASSERT_EQUAL(o->least, least);
	config_destroy(config);
	free(text);
}

static void
test_values(void)
{
	expect("{}", "{}", "{}", 0, 0, 0);
	expect("{}", "{'observe': true}", "{}", 50, 1000, 10);
	expect("{}", "{'observe': {}}", "true", 50, 1000, 10);
	expect("{'observe': {'share': 1, 'within': '100ms', 'least': 1}}", "{}", "{}", 1, 100, 1);
	expect("{'observe': {'share': 100, 'within': '1m', 'least': 1000000}}", "{}", "{}", 100,
		60000, 1000000);
}

static void
test_inherited(void)
{
	expect("{'observe': {'share': 20}}", "{'observe': {'least': 3}}",
		"{'observe': {'within': '2s'}}", 20, 2000, 3);
	expect("{'observe': {'share': 20}}", "{'observe': true}", "{}", 20, 1000, 10);
	expect("{'observe': {'share': 20}}", "{'observe': false}", "{}", 0, 0, 0);
	/* What was off begins with the defaults. */
	expect("{'observe': {'share': 20}}", "{'observe': false}", "{'observe': {'least': 3}}", 50,
		1000, 3);
}

static void
wrong(const char *observe, const char *expected)
{
	char *check = case_text("{'observe': %s}", observe);
	char *text = file_with("{}", check, "{}", "");

	config_destroy(config_case(text, expected));
	free(text);
	free(check);
}

static void
test_wrong(void)
{
	wrong("'layer4'", C ": must be true, false or an object, found the string 'layer4'");
	wrong("{'error-limit': 5}",
		C ".error-limit: unknown key; the keys here are: share, "
		  "within, least");
	wrong("{'share': 0}", C ".share: must be a whole number from 1 to 100, found the number 0");
	wrong("{'share': 101}",
		C ".share: must be a whole number from 1 to 100, found the number 101");
	wrong("{'within': '99ms'}", C ".within: must be from 100ms to 1m, found the string '99ms'");
	wrong("{'within': '61s'}", C ".within: must be from 100ms to 1m, found the string '61s'");
	wrong("{'least': 0}",
		C ".least: must be a whole number from 1 to 1000000, found the number 0");
}

static void
warned(const char *backend, const char *server, const char *frontend, const char *expected)
{
	char *text = file_with("{}", backend, server, frontend);
	struct config *config = config_case(text, expected);

	CU_ASSERT_PTR_NOT_NULL(config);
	config_destroy(config);
	free(text);
}

static void
test_warnings(void)
{
	static const char nothing_counted[] =
		"$.backends[0]: warning: has 'observe', which does nothing here: all frontends "
		"that lead to 'b' are of UDP, and only stored TCP flows are counted";

	warned("{'observe': true}", "false", "",
		"$.backends[0].servers[0]: warning: server 's' has 'observe' and 'check': false: "
		"it is not observed, as all that would follow is probes");
	warned("{'observe': true, 'type': 'tcp'}", "{}", ", 'protocol': 'udp'", nothing_counted);
	warned("{'observe': true}", "{}", ", 'flow-mode': 'stateless'",
		"$.backends[0]: warning: has 'observe', which does nothing here: all frontends "
		"that lead to 'b' are stateless, and only stored TCP flows are counted");
	warned("{'observe': true}", "{}",
		", 'protocol': 'udp'}, {'name': 'g', 'bind': '198.51.100.2:80', "
		"'default-backend': 'b', 'flow-mode': 'stateless'",
		"$.backends[0]: warning: has 'observe', which does nothing here: all frontends "
		"that lead to 'b' are of UDP or stateless, and only stored TCP flows are counted");
	/* One that is counted is enough. */
	warned("{'observe': true}", "{}",
		", 'protocol': 'udp'}, {'name': 'g', 'bind': '198.51.100.2:80', "
		"'default-backend': 'b'",
		"");
	warned("{}", "{'observe': {}}", "", "");
	warned("{}", "{}", ", 'protocol': 'udp'", PROBED_BY_TCP("0", "b"));
	warned("{}", "{'port': 80}", ", 'protocol': 'udp'", "");
	warned("{'type': 'tcp'}", "{}", ", 'protocol': 'udp'", "");
	warned("{'observe': false}", "false", ", 'protocol': 'udp'", "");
}

static const struct unit_test tests[] = {
	{ "values", test_values },
	{ "inherited", test_inherited },
	{ "wrong", test_wrong },
	{ "warnings", test_warnings },
};

UNIT_MAIN("config_observe", tests)
