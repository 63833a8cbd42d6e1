/* SPDX-License-Identifier: BSD-3-Clause */
/* The table "What goes with what" of config/README.md: every key in every forwarding mode. */
#include "config_case.h"

enum {
	MODES = 4,
};

static const struct {
	const char *name;
	const char *key;   /* without which the mode is refused */
	const char *needs; /* with a value */
} modes[MODES] = {
	{ "nat", "-", "" },
	{ "fullnat", "'source-addresses'",
		"'source-addresses': ['10.0.0.200', '2001:db8:2::200']," },
	{ "dr", "-", "" },
	{ "tunnel", "'encap'", "'encap': 'gue'," },
};

#define S4	  "'address': '10.0.0.1:80'"
#define S4_BARE	  "'address': '10.0.0.1'"
#define ONE	  "'198.51.100.1:80'"
#define RANGE	  "'198.51.100.1:80-89'"
#define V6	  "'[2001:db8::1]:80'"
#define STATELESS ", 'flow-mode': 'stateless'"

/* A line of the table; `right` in the order of the modes. */
static const struct {
	const char *bind;
	const char *backend; /* keys */
	const char *server;
	const char *right;
} lines[] = {
	{ ONE, "", S4, "yyyy" },
	{ ONE, "'source-addresses': ['10.0.0.200'],", S4, "nynn" },
	{ ONE, "'encap': 'gue',", S4, "nnny" },
	{ ONE, "'encap-port': 6080,", S4, "nnny" },
	{ ONE, "'mss-clamp': 1400,", S4, "nnyy" },
	{ ONE, "'on-marked-down': 'shutdown-sessions',", S4, "yyyy" },
	{ ONE, "'check': {'via': 'service'},", S4, "nnyy" },
	{ ONE, "'check': {'via': 'service'},", S4_BARE, "nnyy" },
	{ RANGE, "'check': {'via': 'service'},", S4_BARE, "nnyy" },
	{ ONE, "'check': {'via': 'service', 'port': 81},", S4, "nnnn" },
	{ ONE, "'check': {'port': 81},", S4, "yyyy" },
	{ V6, "", S4, "nyny" },
	{ ONE, "", "'address': '10.0.0.1:8080'", "yynn" },
	{ ONE, "", S4_BARE, "yyyy" },
	{ RANGE, "", S4, "nyyy" },
	{ RANGE, "", S4_BARE, "nnnn" }, /* where shall it be probed? */
	{ RANGE, "'check': {'port': 81},", S4_BARE, "yyyy" },
	{ "'198.51.100.1:*'", "'check': false,", S4_BARE, "yyyy" },
	{ ONE ", 'flow-mode': 'stateful'", "", S4, "yyyy" },
	{ ONE STATELESS, "", S4, "nnyy" },
	{ ONE STATELESS, "'balance': 'mh', 'hash-on': 'connection',", S4, "nnyy" },
	{ RANGE STATELESS, "'check': {'port': 81},", S4_BARE, "nnyy" },
	{ ONE ", 'syn-cookies': 'always'", "", S4, "yynn" },
	{ ONE ", 'syn-cookies': 'auto'", "", S4, "yynn" },
	{ ONE ", 'syn-cookies': 'never'", "", S4, "yyyy" },
	{ ONE ", 'syn-flood-rate': 1000", "", S4, "yynn" },
	{ V6 STATELESS, "", "'address': '[2001:db8:1::1]:80'", "nnyy" },
};

static void
check_line(size_t line, size_t mode)
{
	const char *needs = strstr(lines[line].backend, modes[mode].key) ? "" : modes[mode].needs;
	bool want = lines[line].right[mode] == 'y', is;
	char *text = case_text("{" PORTS SECRET
			       "'frontends': [{'name': 'f', 'bind': %s, 'default-backend': 'b'}],"
			       "'backends': [{'name': 'b', 'forward': '%s', %s %s "
			       "'servers': [{'name': 's', %s}]}]}",
		lines[line].bind, modes[mode].name, needs, lines[line].backend, lines[line].server);
	struct json_errors *errors = json_errors_create();
	struct config *config = config_load_text(text, strlen(text), errors);

	is = config != NULL;
	CU_ASSERT_EQUAL(is, want);
	if (is != want) {
		printf("\nline %zu, %s: %s\n%s\n", line, modes[mode].name,
			is ? "is accepted" : "is refused", text);
		json_errors_print(errors, "errors", stdout);
	}
	/* One mistake gives one error. */
	CU_ASSERT_TRUE(is || json_errors_count(errors) == 1);
	config_destroy(config);
	json_errors_destroy(errors);
	free(text);
}

static void
all_lines(void)
{
	for (size_t line = 0; line < sizeof(lines) / sizeof(*lines); line++) {
		for (size_t mode = 0; mode < MODES; mode++)
			check_line(line, mode);
	}
}

/* Keys of a frontend, by its protocol; whatever the mode is. */
static void
protocols(void)
{
	config_case_expect("'frontends': [{'name': 'f', 'bind': " ONE ", 'protocol': 'udp', "
			   "'on-timeout': 'reset', 'default-backend': 'b'}], 'backends': "
			   "[{'name': 'b', 'servers': [{'name': 's', " S4 "}]}]",
		"$.frontends[0].on-timeout: 'reset' is for 'protocol': 'tcp' only\n" PROBED_BY_TCP(
			"0", "b"));
	/* The same port of both protocols; a probe through a UDP service is TCP. */
	config_case_expect("'frontends': [{'name': 'f', 'bind': " ONE ", 'protocol': 'udp', "
			   "'default-backend': 'b'}, {'name': 'g', 'bind': " ONE
			   ", 'on-timeout': 'reset', 'default-backend': 'b'}], 'backends': "
			   "[{'name': 'b', 'forward': 'dr', 'on-marked-down': 'shutdown-sessions',"
			   "'check': {'via': 'service'}, 'servers': [{'name': 's', " S4 "}]}]",
		"");
	/* Unknown keys, at each level. */
	config_case_expect("'frontends': [{'name': 'f', 'bind': " ONE ", 'on-marked-down': 'keep', "
			   "'default-backend': 'b'}], 'backends': [{'name': 'b', 'on-timeout': "
			   "'reset', 'servers': [{'name': 's', 'on-marked-down': 'keep', " S4
			   ", 'check': {'vai': 'service'}}]}]",
		"$.frontends[0].on-marked-down: unknown key; the keys here are: name, bind, "
		"protocol, timeout, default-backend, announce, on-timeout, flow-mode, "
		"syn-cookies, syn-flood-rate, maxconn, rate-limit, source-limit, on-limit, rules\n"
		"$.backends[0].on-timeout: unknown key; the keys here are: name, balance, hash-on, "
		"forward, check, servers, source-addresses, encap, encap-port, mss-clamp, "
		"on-marked-down, default-server, source-prefix, source-prefix6, "
		"hash-balance-factor, on-maxconn, allbackups, quorum, hysteresis, panic-threshold, "
		"persistence\n"
		"$.backends[0].servers[0].on-marked-down: unknown key; the keys here are: name, "
		"address, weight, backup, check, maxconn, slowstart, track, agent-check\n"
		"$.backends[0].servers[0].check.vai: unknown key; the keys here are: type, inter, "
		"fastinter, downinter, timeout, rise, fall, soft-fall, keep-last, init-state, "
		"flap-hold, observe, port, via, address, source-address, send, send-hex, expect, "
		"expect-regex, method, path, version, host, headers, status, soft-status, user, "
		"password, database, writable, query, query-type, rcode, tls, sni, verify, "
		"ca-file, "
		"verify-host, alpn");
}

static void
flow_modes(void)
{
	config_case_expect("'frontends': [{'name': 'f', 'bind': " ONE STATELESS
			   ", 'default-backend': 'b'}], 'backends': [{'name': 'b', 'balance': "
			   "'leastconn', 'servers': [{'name': 's', " S4 "}]}]",
		"$.frontends[0].flow-mode: 'stateless' needs 'forward': 'dr' or 'tunnel', but "
		"backend 'b' has 'nat'\n"
		"$.frontends[0].flow-mode: 'stateless' needs 'balance': 'source', but backend 'b' "
		"has 'leastconn'");
	config_case_expect("'frontends': [{'name': 'f', 'bind': " ONE STATELESS
			   ", 'on-timeout': 'reset', 'default-backend': 'b'}, {'name': 'g', "
			   "'bind': '198.51.100.2:80', 'flow-mode': 'none', 'default-backend': "
			   "'b'}], 'backends': [{'name': 'b', 'forward': 'dr', 'balance': 'wrr', "
			   "'servers': [{'name': 's', " S4 "}]}]",
		"$.frontends[0].on-timeout: 'reset' needs 'flow-mode': 'stateful': of a stateless "
		"flow nobody knows when it has been idle\n"
		"$.frontends[1].flow-mode: must be one of 'stateful', 'stateless', found the "
		"string 'none'\n"
		"$.frontends[0].flow-mode: 'stateless' needs 'balance': 'source', but backend 'b' "
		"has 'roundrobin'");
}

static void
cookies(void)
{
	config_case_expect(
		"'frontends': [{'name': 'f', 'bind': " ONE ", 'syn-cookies': 'yes', "
		"'syn-flood-rate': 0, 'default-backend': 'b'}, {'name': 'g', 'protocol': 'udp', "
		"'bind': '198.51.100.2:80', 'syn-cookies': 'auto', 'default-backend': 'b'}, "
		"{'name': 'h', 'bind': '198.51.100.3:80', 'syn-cookies': 'never', "
		"'syn-flood-rate': 5, 'default-backend': 'b'}, {'name': 'i', 'bind': "
		"'198.51.100.4:80', 'syn-cookies': 'always', 'default-backend': 'd'}], "
		"'backends': [{'name': 'b', 'servers': [{'name': 's', " S4 "}]}, "
		"{'name': 'd', 'forward': 'dr', 'servers': [{'name': 's', " S4 "}]}]",
		"$.frontends[0].syn-cookies: must be one of 'auto', 'always', 'never', found the "
		"string 'yes'\n"
		"$.frontends[0].syn-flood-rate: must be a whole number from 1 to 100000000, found "
		"the number 0\n"
		"$.frontends[1].syn-cookies: is for 'protocol': 'tcp' only\n"
		"$.frontends[2].syn-flood-rate: says when 'syn-cookies': 'auto' begins, for "
		"'protocol': 'tcp' only\n"
		"$.frontends[3].syn-cookies: needs 'forward': 'nat' or 'fullnat', but backend 'd' "
		"has 'dr': there a flood of SYNs is forwarded by the hash");
}

static const struct unit_test tests[] = {
	{ "SYN cookies", cookies },
	{ "flow modes", flow_modes },
	{ "keys by mode", all_lines },
	{ "keys by protocol and level", protocols },
};

UNIT_MAIN("config_modes", tests)
