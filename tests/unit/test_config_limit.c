/* SPDX-License-Identifier: BSD-3-Clause */
/* Limits of frontends in the file. */
#include "config_case.h"

#define F "$.frontends[0]"

static char *
file_with(const char *keys)
{
	return case_text("{" PORTS SECRET "'frontends': [{'name': 'f', 'bind': '198.51.100.1:80', "
			 "'default-backend': 'b'%s}], 'backends': [{'name': 'b', 'forward': 'dr', "
			 "'servers': [{'name': 's', 'address': '10.0.0.1:80'}]}]}",
		keys);
}

static struct shunt_limit
right(const char *keys)
{
	char *text = file_with(keys);
	struct config *c = config_case_right(text);
	struct shunt_limit limit = c->frontends[0].limit;

	config_destroy(c);
	free(text);
	return limit;
}

static void
wrong(const char *keys, const char *expected)
{
	char *text = file_with(keys);

	config_destroy(config_case(text, expected));
	free(text);
}

static void
test_right(void)
{
	struct shunt_limit limit = right("");

	CU_ASSERT_FALSE(config_has_limit(&limit));
	limit = right(", 'maxconn': 100000000");
	CU_ASSERT_TRUE(config_has_limit(&limit));
	CU_ASSERT_EQUAL(limit.maxconn, 100000000);
	limit = right(", 'rate-limit': 500, 'on-limit': 'drop'");
	CU_ASSERT_TRUE(config_has_limit(&limit));
	CU_ASSERT_EQUAL(limit.rate, 500);
	CU_ASSERT_EQUAL(limit.burst, 500);
	CU_ASSERT_EQUAL(limit.drop, 1);
	limit = right(", 'rate-limit': {'sessions': 500, 'burst': 7}, 'on-limit': 'reject'");
	CU_ASSERT_EQUAL(limit.rate, 500);
	CU_ASSERT_EQUAL(limit.burst, 7);
	CU_ASSERT_EQUAL(limit.drop, 0);
	CU_ASSERT_EQUAL(limit.source_prefix, 0);
	limit = right(", 'source-limit': {'rate': 10}");
	CU_ASSERT_TRUE(config_has_limit(&limit));
	CU_ASSERT_EQUAL(limit.source_rate, 10);
	CU_ASSERT_EQUAL(limit.source_burst, 10);
	CU_ASSERT_EQUAL(limit.source_maxconn, 0);
	CU_ASSERT_EQUAL(limit.source_prefix, 32);
	CU_ASSERT_EQUAL(limit.source_prefix_v6, 64);
	limit = right(", 'source-limit': {'rate': 10, 'burst': 3, 'maxconn': 5, 'prefix': 24, "
		      "'prefix6': 48}");
	CU_ASSERT_EQUAL(limit.source_burst, 3);
	CU_ASSERT_EQUAL(limit.source_maxconn, 5);
	CU_ASSERT_EQUAL(limit.source_prefix, 24);
	CU_ASSERT_EQUAL(limit.source_prefix_v6, 48);
	limit = right(", 'source-limit': {'maxconn': 5}");
	CU_ASSERT_TRUE(config_has_limit(&limit));
	CU_ASSERT_EQUAL(limit.source_burst, 0);
}

static void
test_wrong(void)
{
	wrong(", 'maxconn': 0, 'rate-limit': 1000001, 'on-limit': 'refuse'",
		F ".maxconn: must be a whole number from 1 to 100000000, found the number 0\n" F
		  ".rate-limit: must be a whole number from 1 to 1000000, found the number "
		  "1000001\n" F
		  ".on-limit: must be one of 'reject', 'drop', found the string 'refuse'");
	wrong(", 'rate-limit': 'fast'",
		F ".rate-limit: must be a number of sessions a second, or an object, found the "
		  "string 'fast'");
	wrong(", 'rate-limit': {'burst': 5}", F ".rate-limit.sessions: missing, but required");
	wrong(", 'rate-limit': {'sessions': 5, 'burst': 0, 'rate': 1}",
		F
		".rate-limit.rate: unknown key; the keys here are: sessions, burst\n" F
		".rate-limit.burst: must be a whole number from 1 to 1000000, found the number 0");
	wrong(", 'source-limit': {'prefix': 24}",
		F ".source-limit: limits nothing: it needs 'rate', 'maxconn' or both, or a rule "
		  "with an ACL that "
		  "asks for 'conn-rate' or 'conn-count'");
	wrong(", 'source-limit': {'maxconn': 1, 'burst': 2, 'prefix': 7, 'prefix6': 129}",
		F
		".source-limit.burst: is how much may come at once of a rate, which is missing\n" F
		".source-limit.prefix: must be a whole number from 8 to 32, found the number 7\n" F
		".source-limit.prefix6: must be a whole number from 16 to 128, found the number "
		"129");
	wrong(", 'source-limit': 5", F ".source-limit: must be an object, found the number 5");
	wrong(", 'on-limit': 'drop'",
		F ".on-limit: warning: has no effect: the frontend has no limits");
}

#define STATELESS                                                                             \
	": needs 'flow-mode': 'stateful': of stateless flows nobody knows which packet is a " \
	"session's first"

static void
test_stateless(void)
{
	wrong(", 'flow-mode': 'stateless', 'maxconn': 1, 'rate-limit': 1, 'source-limit': "
	      "{'rate': 1}",
		F ".maxconn" STATELESS "\n" F ".rate-limit" STATELESS "\n" F
		  ".source-limit" STATELESS);
}

static const struct unit_test tests[] = {
	{ "right limits", test_right },
	{ "wrong limits", test_wrong },
	{ "stateless frontends have none", test_stateless },
};

UNIT_MAIN("config_limit", tests)
