/* SPDX-License-Identifier: BSD-3-Clause */
/* ACLs and rules: what is read, and what is complained of. */
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config_case.h"

#define BACKENDS                                                                                \
	", 'backends': [{'name': 'app', 'servers': [{'name': 's1', 'address': '10.0.0.1:80'}, " \
	"{'name': 's2', 'address': '10.0.0.2:80'}]}, "                                          \
	"{'name': 'other', 'servers': [{'name': 'o1', 'address': '10.0.0.3:80'}]}]"
#define FRONTEND "'frontends': [{'name': 'web', 'bind': '198.51.100.1:80', 'default-backend': 'app'"
/* One ACL "a" with these members, used; the backend "other" is used too. */
#define WITH_ACL_AND(acl, keys)                  \
	"'acls': {'a': " acl "}, " FRONTEND keys \
	", 'rules': [{'if': '!a', 'action': 'use-backend', 'backend': 'other'}]}]" BACKENDS
#define WITH_ACL(acl) WITH_ACL_AND(acl, "")
#define WITH_RULES(rules)                                                                      \
	"'acls': {'a': {'src': '192.0.2.0/24'}, 'b': {'protocol': 'tcp'}}, " FRONTEND          \
	", 'rules': [" rules "{'if': ['a', 'b'], 'action': 'use-backend', 'backend': 'other'}" \
	"]}]" BACKENDS

static struct config *
right(const char *members)
{
	char *text = case_text("{" PORTS SECRET "%s}", members);
	struct config *config = config_case_right(text);

	free(text);
	return config;
}

static void
test_acls(void)
{
	struct config *c =
		right(WITH_ACL_AND("{'src': ['192.0.2.0/24', '2001:db8::/32', '192.0.2.7', "
				   "'0.0.0.0/0'], 'dst': '198.51.100.1', "
				   "'src-port': [1, '8000-8099'], 'dst-port': 80, "
				   "'protocol': ['tcp', 'udp'], 'interface': 'wan', "
				   "'payload': [{'bytes': '0a1b'}, {'offset': 7, 'bytes': "
				   "'40', 'mask': 'c0'}], "
				   "'time': ['08:00-18:00', '22:30-06:00'], "
				   "'weekday': ['sat-mon', 'wed'], "
				   "'server-count': {'backend': 'app', 'max': 1}, "
				   "'healthy': ['app', 'other'], "
				   "'sessions': {'backend': 'app', 'server': 's2', "
				   "'min': 10}, 'conn-rate': {'min': 5, 'max': 7}, "
				   "'conn-count': {'max': 9}}",
			", 'source-limit': {'prefix': 24}"));
	const struct acl_config *a = &c->acls[0];

	CU_ASSERT_EQUAL_FATAL(c->acl_count, 1);
	CU_ASSERT_STRING_EQUAL(a->name, "a");
	CU_ASSERT_EQUAL(a->kinds, SHUNT_ACL_KINDS);
	CU_ASSERT(a->rate_least == 5 && a->rate_greatest == 7);
	CU_ASSERT(a->conns_least == 0 && a->conns_greatest == 9);
	CU_ASSERT_EQUAL(c->frontends[0].limit.source_prefix, 24);
	/* All of IPv4 holds the others. */
	CU_ASSERT_EQUAL(a->src->v4_count, 1);
	CU_ASSERT_EQUAL(a->src->v6_count, 1);
	CU_ASSERT_EQUAL(a->dst->v4_count, 1);
	CU_ASSERT_EQUAL(a->src_port_count, 2);
	CU_ASSERT_EQUAL(a->src_ports[1].last, 8099);
	CU_ASSERT_EQUAL(a->dst_ports[0].first, 80);
	CU_ASSERT_EQUAL(a->protocols, SHUNT_ACL_TCP | SHUNT_ACL_UDP);
	CU_ASSERT_STRING_EQUAL(a->interfaces[0], "wan");
	CU_ASSERT_EQUAL(a->match_count, 2);
	CU_ASSERT_EQUAL(a->matches[0].mask[1], 0xff);
	CU_ASSERT_EQUAL(a->matches[1].offset, 7);
	CU_ASSERT_EQUAL(a->matches[1].mask[0], 0xc0);
	CU_ASSERT_EQUAL(a->times[1].from, 22 * 60 + 30);
	CU_ASSERT_EQUAL(a->weekdays, 1 << 6 | 1 << 0 | 1 << 1 | 1 << 3);
	CU_ASSERT_EQUAL_FATAL(a->count_count, 4);
	CU_ASSERT_EQUAL(a->counts[0].greatest, 1);
	CU_ASSERT_EQUAL(a->counts[2].backend, 1);
	CU_ASSERT_EQUAL(a->counts[3].server, 1);
	CU_ASSERT_EQUAL(a->counts[3].least, 10);
	CU_ASSERT_EQUAL(a->truth, 1);
	config_destroy(c);
}

#define A "$.acls.a"

static const char *const wrong_acls[][2] = {
	{ WITH_ACL("{}"), A ": asks for nothing, and so would hold for every packet" },
	{ WITH_ACL("[]"), A ": must be an object, found an array" },
	{ WITH_ACL("{'source': '192.0.2.1'}"),
		A ".source: unknown key; the keys here are: src, src-file, dst, dst-file, "
		  "src-port, dst-port, protocol, interface, payload, time, weekday, "
		  "server-count, healthy, sessions, conn-rate, conn-count" },
	{ WITH_ACL("{'conn-rate': {'min': 5}}"),
		"$.frontends[0].rules[0].if: the ACL asks for 'conn-rate' or 'conn-count', so the "
		"frontend needs 'source-limit', which says what networks are counted" },
	{ WITH_ACL_AND("{'conn-count': {'min': 5, 'max': 4}, 'conn-rate': {}}",
		  ", 'source-limit': {'rate': 9}"),
		A ".conn-rate: needs 'min' or 'max'\n" A
		  ".conn-count: 'min' is greater than 'max', so it would never hold" },
	{ WITH_ACL("{'src': ['192.0.2.1/24', 'x', '300.0.0.1', '192.0.2.0/33', '10.0.0.01',"
		   " '::ffff:192.0.2.1', '2001:db8::1/32', 7]}"),
		A ".src[0]: has bits set behind the prefix's length\n" A
		  ".src[1]: must be an address or a prefix such as '192.0.2.0/24' or "
		  "'2001:db8::/32'\n" A ".src[2]: must be an address or a prefix such as "
		  "'192.0.2.0/24' or '2001:db8::/32'\n" A ".src[3]: must be an address or a "
		  "prefix such as '192.0.2.0/24' or '2001:db8::/32'\n" A ".src[4]: must be "
		  "an address or a prefix such as '192.0.2.0/24' or '2001:db8::/32'\n" A
		  ".src[5]: is an IPv4 address in IPv6's clothes, which no packet has: write "
		  "it as IPv4\n" A ".src[6]: has bits set behind the prefix's length\n" A
		  ".src[7]: must be a string, found the number 7" },
	{ WITH_ACL("{'src': []}"), A ".src: needs one value at least" },
	{ WITH_ACL("{'src-file': '/nonexistent/blocked.txt'}"),
		A ".src-file: /nonexistent/blocked.txt: cannot be read: No such file or "
		  "directory" },
	{ WITH_ACL("{'dst-file': '/dev/null'}"), A ".dst-file: /dev/null: is no regular file" },
	{ WITH_ACL("{'src-port': [70000, '90-80', '+1-2', '1-2x', '1']}"),
		A ".src-port[0]: must be a whole number from 0 to 65535, found the number "
		  "70000\n" A ".src-port[1]: must be a port, or a range of them such as "
		  "'8000-8099', found the string '90-80'\n" A ".src-port[2]: must be a port, "
		  "or a range of them such as '8000-8099', found the string '+1-2'\n" A
		  ".src-port[3]: must be a port, or a range of them such as '8000-8099', "
		  "found the string '1-2x'\n" A ".src-port[4]: must be a port, or a range of "
		  "them such as '8000-8099', found the string '1'" },
	{ WITH_ACL("{'interface': 'van'}"),
		A ".interface: there is no port 'van' in $.dataplane.ports" },
	{ WITH_ACL("{'payload': [{'bytes': '0a1'}, {'bytes': '40', 'mask': '3f'}, "
		   "{'bytes': '40', 'mask': 'ffff'}, {'offset': 1}]}"),
		A ".payload[0].bytes: must be 1 to 32 bytes as hexadecimal digits, such as "
		  "'0a1b'\n" A ".payload[1].bytes: has bits that 'mask' does not cover\n" A
		  ".payload[2].mask: must be as long as 'bytes'\n" A
		  ".payload[3].bytes: missing, but required" },
	{ WITH_ACL("{'time': ['8:00-18:00', '08:00-24:01', '08:00-08:00']}"),
		A ".time[0]: must be a time of day such as '08:00-18:00' or '22:00-06:00', "
		  "found the string '8:00-18:00'\n" A ".time[1]: must be a time of day such "
		  "as '08:00-18:00' or '22:00-06:00', found the string '08:00-24:01'\n" A
		  ".time[2]: must be a time that ends later than it begins, found the string "
		  "'08:00-08:00'" },
	{ WITH_ACL("{'weekday': ['monday']}"),
		A ".weekday[0]: must be one of sun, mon, tue, wed, thu, fri, sat, or days "
		  "such as 'mon-fri', found the string 'monday'" },
	{ WITH_ACL("{'server-count': [{'backend': 'app'}, {'backend': 'x', 'min': 1}, "
		   "{'min': 2}, {'backend': 'app', 'min': 2, 'max': 1}]}"),
		A ".server-count[0]: needs 'min' or 'max'\n" A
		  ".server-count[3]: 'min' is greater than 'max', so it would never hold\n" A
		  ".server-count[1].backend: there is no backend 'x'\n" A
		  ".server-count[2].backend: missing, but required" },
	{ WITH_ACL("{'healthy': 'x'}"), A ".healthy: there is no backend 'x'" },
	{ WITH_ACL("{'sessions': {'backend': 'app', 'server': 'x', 'max': 1}}"),
		A ".sessions.server: there is no server 'x' in backend 'app'" },
};

static void
test_wrong_acls(void)
{
	for (size_t i = 0; i < sizeof(wrong_acls) / sizeof(wrong_acls[0]); i++)
		config_case_expect(wrong_acls[i][0], wrong_acls[i][1]);
	config_case_expect("'acls': {'a b': {'protocol': 'tcp'}}, 'frontends': []",
		"$.acls['a b']: must be a name: 1 to 63 of the characters A-Z a-z 0-9 _ . : -, "
		"found the string 'a b'\n" FRONTENDS_NONE);
}

static void
test_rules(void)
{
	struct config *c = right(WITH_RULES("{'if': ['a', '!b'], 'action': 'accept'}, "
					    "{'if': 'b', 'action': 'use-backend', "
					    "'backend': 'app'}, "));
	const struct frontend_config *f = &c->frontends[0];

	CU_ASSERT_EQUAL_FATAL(f->rule_count, 3);
	CU_ASSERT_EQUAL(f->rules[0].action, SHUNT_RULE_ACCEPT);
	CU_ASSERT_EQUAL(f->rules[0].literal_count, 2);
	CU_ASSERT_EQUAL(f->rules[0].literals[0], 0);
	CU_ASSERT_EQUAL(f->rules[0].literals[1], 1 | SHUNT_LITERAL_NOT);
	CU_ASSERT_EQUAL(f->rules[1].backend, 0);
	CU_ASSERT_EQUAL(f->rules[2].backend, 1);
	/* Without the frontend's own. */
	CU_ASSERT_EQUAL_FATAL(f->target_count, 1);
	CU_ASSERT_EQUAL(f->targets[0], 1);
	CU_ASSERT_EQUAL(c->rule_count, 3);
	config_destroy(c);
}

#define R "$.frontends[0].rules"

static void
test_wrong_rules(void)
{
	config_case_expect(WITH_RULES("{'if': ['a', '!c', 'd'], 'action': 'drop'}, "
				      "{'action': 'rate-limit', 'if': 'a'}, "
				      "{'if': 'a'}, 7, {'if': 7, 'action': 'drop'}, "
				      "{'if': 'a', 'action': 'drop', 'backend': 'app'}, "
				      "{'if': 'a', 'action': 'use-backend'}, "
				      "{'if': 'a', 'action': 'use-backend', 'backend': 'x'}, "),
		R "[1].rate: missing, but required\n" R "[2].action: missing, but required\n" R
		  "[3]: must be an object, found the number 7\n" R
		  "[5].backend: is for 'action': 'use-backend' only\n" R
		  "[6].backend: missing, but required\n" R
		  "[0].if[1]: there is no ACL 'c' in $.acls\n" R
		  "[0].if[2]: there is no ACL 'd' in $.acls\n" R
		  "[4].if: must be the name of an ACL, or an array of them, found the number 7\n" R
		  "[7].backend: there is no backend 'x'");
	config_case_expect(
		WITH_RULES("{'action': 'rate-limit', 'if': 'a', 'rate': 0, 'burst': 1000001, "
			   "'over': 'queue'}, {'if': 'a', 'action': 'drop', 'rate': 5}, "),
		R "[0].rate: must be a whole number from 1 to 1000000, found the number 0\n" R
		  "[0].burst: must be a whole number from 1 to 1000000, found the number "
		  "1000001\n" R
		  "[0].over: must be one of 'reject', 'drop', found the string 'queue'\n" R
		  "[1].rate: is for 'action': 'rate-limit' only");
	config_case_expect(WITH_RULES("{'action': 'accept'}, "),
		R "[1]: warning: is never reached, and none behind it: rule 1 has no 'if', so it "
		  "always holds");
	config_case_expect("'acls': {'a': {'protocol': 'tcp'}}, " FRONTEND
			   "}], 'backends': [{'name': 'app', 'servers': [{'name': 's1', "
			   "'address': '10.0.0.1:80'}]}]",
		"$.acls.a: warning: no rule uses this ACL");
}

/* A backend that rules lead to must fit the binds, as the frontend's own. */
static void
test_targets(void)
{
	static const char head[] =
		"'frontends': [{'name': 'web', 'bind': '%s'%s, 'default-backend': 'app', 'rules': "
		"[{'action': 'use-backend', 'backend': 'other'}]}], 'backends': [{'name': 'app', "
		"'forward': 'dr', 'servers': [{'name': 's1', 'address': '10.0.0.1', 'check': "
		"false}]}, {'name': 'other', 'forward': '%s', 'servers': [{'name': 'o1', "
		"'address': '%s', 'check': false}]}]";
	static const struct {
		const char *bind, *more, *forward, *server, *expected;
	} cases[] = {
		{ "198.51.100.1:80", "", "nat", "10.0.0.3:8080", "" },
		{ "198.51.100.1:80", "", "dr", "10.0.0.3", "" },
		{ "198.51.100.1:80", "", "nat", "[2001:db8::3]:80",
			"$.frontends[0].bind: is IPv4, but server 'o1' of backend 'other' is IPv6, "
			"and 'nat' keeps the family: make one frontend and one backend for each, "
			"or let 'forward' be 'fullnat' or 'tunnel'" },
		{ "198.51.100.1:80", "", "dr", "10.0.0.3:8080",
			"$.frontends[0].bind: has port 80, but server 'o1' of backend 'other' has "
			"8080, and 'dr' keeps the port: both must have the same, or the server "
			"none" },
		{ "198.51.100.1:80-81", "", "nat", "10.0.0.3:8080",
			"$.frontends[0].bind: has several ports, but server 'o1' of backend "
			"'other' has the one port 8080, where a client's connections to two of "
			"them could not be told apart: write the server's address without a port, "
			"and each port is kept" },
		{ "198.51.100.1:80", ", 'flow-mode': 'stateless'", "dr", "10.0.0.3",
			"$.frontends[0].flow-mode: 'stateless' and 'rules' do not go together: a "
			"verdict is taken once for a flow, and this mode stores none" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char members[2048];

		snprintf(members, sizeof(members), head, cases[i].bind, cases[i].more,
			cases[i].forward, cases[i].server);
		config_case_expect(members, cases[i].expected);
	}
}

/* A file beside the configuration's, with all that such files have. */
static void
test_files(void)
{
	char directory[] = "/tmp/shunt-rules-XXXXXX", path[64], list[64];
	struct json_errors *errors = json_errors_create();
	struct config *config;
	struct shunt_addr in = { .bytes = { [10] = 0xff, 0xff, 192, 0, 2, 200 } }, out = in;
	char *text = case_text("{" PORTS SECRET "%s}",
		WITH_ACL("{'src': '203.0.113.1', "
			 "'src-file': 'list.txt'}"));
	FILE *file;

	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/shunt.json", directory);
	snprintf(list, sizeof(list), "%s/list.txt", directory);
	file = fopen(path, "w");
	fputs(text, file);
	fclose(file);
	file = fopen(list, "w");
	fputs("# ours\n\n 192.0.2.128/25 # half\r\n2001:db8::/32;v6\n192.0.2.130\n198.51.100.0/24",
		file);
	fclose(file);
	config = config_load(path, errors);
	CU_ASSERT_PTR_NOT_NULL_FATAL(config);
	CU_ASSERT_EQUAL(config->acls[0].src->v4_count, 3);
	CU_ASSERT_EQUAL(config->acls[0].src->v6_count, 1);
	CU_ASSERT(prefix_set_has(config->acls[0].src, &in));
	out.bytes[15] = 100;
	CU_ASSERT(!prefix_set_has(config->acls[0].src, &out));
	config_destroy(config);
	file = fopen(list, "a");
	fputs("\n192.0.2.0/240\n", file);
	fclose(file);
	CU_ASSERT_PTR_NULL(config_load(path, errors));
	CU_ASSERT_EQUAL_FATAL(json_errors_count(errors), 1);
	CU_ASSERT_PTR_NOT_NULL(
		strstr(json_errors_get(errors, 0)->message, "list.txt: line 7 must"));
	json_errors_destroy(errors);
	free(text);
	unlink(path);
	unlink(list);
	rmdir(directory);
}

/* The same prefixes, in whatever order, are one set. */
static void
test_sets(void)
{
	struct config *c =
		right("'acls': {'a': {'src': ['192.0.2.0/24', '10.0.0.0/8']}, 'b': {'dst': "
		      "['10.0.0.0/8', '10.1.0.0/16', '192.0.2.0/24']}, 'c': {'src': "
		      "'10.0.0.0/8'}}, " FRONTEND
		      ", 'rules': [{'if': ['a', 'b', 'c'], 'action': 'use-backend', 'backend': "
		      "'other'}]}]" BACKENDS);

	CU_ASSERT_EQUAL(c->sets.count, 2);
	CU_ASSERT_PTR_EQUAL(c->acls[0].src, c->acls[1].dst);
	CU_ASSERT_EQUAL(c->sets.prefix_count, 3);
	config_destroy(c);
}

/* Where there are no backends an ACL cannot name one either. */
static void
test_no_backends(void)
{
	config_case_expect("'acls': {'a': {'healthy': 'x'}, 'b': {'sessions': {'backend': 'y', "
			   "'min': 1}}}, 'frontends': [], 'backends': []",
		"$.frontends: warning: no frontends: nothing is balanced\n"
		"$.acls.a.healthy: there is no backend 'x'\n"
		"$.acls.b.sessions.backend: there is no backend 'y'\n"
		"$.acls.a: warning: no rule uses this ACL\n"
		"$.acls.b: warning: no rule uses this ACL");
	/* A list that came out empty is not "always". */
	config_case_expect(WITH_RULES("{'if': [], 'action': 'drop'}, "),
		"$.frontends[0].rules[0].if: names no ACL: leave 'if' out where a rule is always "
		"to hold");
}

static const struct unit_test tests[] = {
	{ "no backends, no ACL", test_no_backends },
	{ "ACLs", test_acls },
	{ "wrong ACLs", test_wrong_acls },
	{ "rules", test_rules },
	{ "wrong rules", test_wrong_rules },
	{ "backends that rules lead to", test_targets },
	{ "files of prefixes", test_files },
	{ "sets", test_sets },
};

UNIT_MAIN("config_rules", tests)
