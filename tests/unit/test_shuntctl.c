/* SPDX-License-Identifier: BSD-3-Clause */
/* shuntctl: its tables, its words, its client against servers that misbehave, its exit status. */
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shunt/api.h"
#include "capture.h"
#include "client.h"
#include "format.h"
#include "request.h"
#include "table.h"
#include "unit.h"

static void
check_format(unsigned int command, const char *json, const char *wanted)
{
	json_t *data = json_loads(json, JSON_DECODE_ANY, NULL);
	struct capture out;

	CU_ASSERT_PTR_NOT_NULL_FATAL(data);
	capture_open(&out);
	CU_ASSERT_EQUAL(format_data(command, data, out.stream), 0);
	CU_ASSERT_STRING_EQUAL(capture_text(&out), wanted);
	if (strcmp(out.text, wanted) != 0)
		fprintf(stderr, "wanted:\n%s\ngot:\n%s\n", wanted, out.text);
	capture_close(&out);
	json_decref(data);
}

static void
test_tables(void)
{
	check_format(SHUNT_CMD_SHOW_INFO,
		"{\"version\": \"1.2.3\", \"generation\": 7, \"uptime_s\": 192, \"memory\": {"
		" \"flow_table_bytes\": 1300, \"flow_table_ipv6_bytes\": 900000000},"
		" \"dataplane_connected\": true, \"workers\": ["
		"  {\"lcore\": 1, \"generation\": 7, \"rx_packets\": 123456, \"tx_packets\": 9,"
		"   \"drops\": 0, \"flows\": 5, \"flows_max\": 1048576}]}",
		"version      1.2.3\n"
		"generation   7\n"
		"uptime       3m12s\n"
		"dataplane    connected\n"
		"flow tables  1.3 KB, IPv6 900 MB\n"
		"\n"
		"lcore  generation  rx packets  tx packets  drops  flows  flows max\n"
		"    1           7      123456           9      0      5    1048576\n");
	check_format(SHUNT_CMD_SHOW_STAT,
		"[{\"type\": \"server\", \"proxy\": \"app\", \"name\": \"a-long-name\","
		"  \"status\": \"up\", \"weight\": 10, \"sessions\": 1, \"sessions_total\": 22,"
		"  \"in_packets\": 333, \"in_bytes\": 4444, \"out_packets\": 5, \"out_bytes\": 0},"
		" {\"weight\": 1, \"sessions\": 2, \"flow_mode\": \"stateless\"}]",
		"proxy  name         status  weight  sessions  total  in packets      in  "
		"out packets  out  maxconn  refused\n"
		"app    a-long-name  up          10         1     22         333  4.4 KB  "
		"          5  0 B        -        -\n"
		"-      -            -            1         -      -           -       -  "
		"          -    -        -        -\n");
	check_format(SHUNT_CMD_SHOW_DROPS, "{\"ttl\": 3, \"land\": 0, \"new-reason\": 12345}",
		"reason      packets\n"
		"ttl               3  TTL or hop limit used up\n"
		"new-reason    12345\n");
	check_format(SHUNT_CMD_SHOW_DROPS, "{\"ttl\": 0}", "no packet has been dropped\n");
	check_format(SHUNT_CMD_SHOW_TOP_SOURCES_N,
		"[{\"network\": \"192.0.2.0/24\", \"frontend\": \"web\", \"sessions\": 5,"
		"  \"maxconn\": 10, \"rate\": 3, \"rate_limit\": null, \"refused\": 7}]",
		"network       frontend  sessions  maxconn  new a second  rate limit  refused\n"
		"192.0.2.0/24  web              5       10             3           -        7\n");
	check_format(SHUNT_CMD_SHOW_SERVERS, "[]", "no servers\n");
	check_format(SHUNT_CMD_SHOW_WORKERS, "[]", "no workers: the dataplane is not connected\n");
	check_format(SHUNT_CMD_LOOKUP,
		"{\"action\": \"forward\", \"frontend\": \"web\", \"backend\": \"app\","
		" \"server\": null, \"reason\": \"round robin\", \"candidates\": [\"s1\", \"s2\"]}",
		"action      forward\n"
		"frontend    web\n"
		"backend     app\n"
		"server      -\n"
		"reason      round robin\n"
		"candidates  s1\n"
		"            s2\n");
	check_format(SHUNT_CMD_LOOKUP_BOTH,
		"{\"action\": \"reject\", \"frontend\": \"web\", \"rule\": \"rule 1 of frontend "
		"web\","
		" \"note\": \"assumed\"}",
		"action    reject\nfrontend  web\nbackend   -\nserver    -\nreason    -\n"
		"rule      rule 1 of frontend web\nnote      assumed\n");
	check_format(SHUNT_CMD_SHOW_RULES,
		"[{\"frontend\": \"web\", \"rule\": 1, \"action\": \"use-backend\", \"backend\": "
		"\"app\", \"if\": [\"a\", \"!b\"], \"hits\": 12}]",
		"frontend  rule  action       backend  if    hits\n"
		"web          1  use-backend  app      a !b    12\n");
	check_format(SHUNT_CMD_SHOW_RULES, "[]", "no rules\n");
}

static void
test_events(void)
{
	check_format(SHUNT_CMD_SHOW_EVENTS_N,
		"[{\"time\": \"12Z\", \"server\": \"s1\", \"to\": \"drain\"}]",
		"time  backend  server  from  to     why\n12Z   -        s1      -     drain  -\n");
}

/* Whatever is behind the socket: nothing is believed, nothing crashes, nothing reaches a tty. */
static void
test_weird_data(void)
{
	static const char *const data[] = { "null", "1", "\"text\"", "[]", "{}", "[1, null, []]",
		"[{\"server\": {\"a\": [1]}, \"weight\": \"x\", \"in_bytes\": -1}]",
		"{\"workers\": 5, \"uptime_s\": \"x\", \"version\": null}",
		"{\"workers\": [5, {\"lcore\": -1}], \"candidates\": [{}]}", "[[[[[[]]]]]]" };
	struct capture out;

	capture_open(&out);
	for (size_t i = 0; i < sizeof(data) / sizeof(*data); i++) {
		json_t *value = json_loads(data[i], JSON_DECODE_ANY, NULL);

		for (unsigned int command = 0; command <= SHUNT_CMD_COUNT; command++)
			CU_ASSERT_EQUAL(format_data(command, value, out.stream), 0);
		CU_ASSERT_EQUAL(format_json(value, out.stream), 0);
		json_decref(value);
	}
	capture_close(&out);
	check_format(SHUNT_CMD_LOOKUP, "{\"action\": \"\\u001b[2J\\u009b1m\\u007f\\n\"}",
		"action    ?[2J??1m??\n"
		"frontend  -\nbackend   -\nserver    -\nreason    -\n");
}

static void
test_table_alignment(void)
{
	struct table *table = table_create(3);
	struct capture out;

	capture_open(&out);
	table_align_right(table, 1);
	table_cell(table, "name");
	table_cell(table, "n");
	table_cell(table, "");
	table_cell(table, "\xc3\xa4\xc3\xb6"); /* two characters, four bytes */
	table_cell(table, "1000");
	table_cell(table, "end");
	CU_ASSERT_EQUAL(table_print(table, 2, out.stream), 0);
	CU_ASSERT_STRING_EQUAL(capture_text(&out),
		"  name     n\n"
		"  \xc3\xa4\xc3\xb6    1000  end\n");
	table_destroy(table);
	capture_close(&out);
}

static void
test_units(void)
{
	static const struct {
		uint64_t value;
		const char *text;
	} bytes[] = { { 0, "0 B" }, { 999, "999 B" }, { 1000, "1.0 KB" }, { 1549, "1.5 KB" },
		{ 9949, "9.9 KB" }, { 9951, "10 KB" }, { 999499, "999 KB" }, { 999500, "1.0 MB" },
		{ 12345678, "12 MB" }, { 5000000000, "5.0 GB" }, { UINT64_MAX, "18 EB" } },
	  ages[] = { { 0, "0s" }, { 59, "59s" }, { 60, "1m00s" }, { 3599, "59m59s" },
		  { 3600, "1h00m" }, { 86399, "23h59m" }, { 86400, "1d0h" }, { 183600, "2d3h" } };
	char text[FORMAT_TEXT_SIZE];

	for (size_t i = 0; i < sizeof(bytes) / sizeof(*bytes); i++) {
		format_bytes(bytes[i].value, text);
		CU_ASSERT_STRING_EQUAL(text, bytes[i].text);
	}
	for (size_t i = 0; i < sizeof(ages) / sizeof(*ages); i++) {
		format_age(ages[i].value, text);
		CU_ASSERT_STRING_EQUAL(text, ages[i].text);
	}
	format_age(UINT64_MAX, text);
}

/* Splits a line at blanks and parses it. The request, or NULL and what was said in `errors`. */
static json_t *
parse(const char *line, struct capture *errors)
{
	char *copy = strdup(line), *words[16], *state = NULL;
	json_t *args = NULL, *request = NULL;
	unsigned int command;
	int count = 0;

	for (char *w = strtok_r(copy, " ", &state); w && count < 16;
		w = strtok_r(NULL, " ", &state))
		words[count++] = w;
	command = request_parse(count, words, &args, errors->stream);
	if (command < SHUNT_CMD_COUNT)
		request = request_create(command, args);
	else
		CU_ASSERT_PTR_NULL(args);
	fflush(errors->stream);
	free(copy);
	return request;
}

static void
test_words(void)
{
	static const struct {
		const char *line;
		const char *request;
	} cases[] = {
		{ "show info", "{\"command\": \"show info\", \"args\": {}}" },
		{ "reload", "{\"command\": \"reload\", \"args\": {}}" },
		{ "set server app/s1 state drain",
			"{\"command\": \"set server\", \"args\": {\"server\": \"app/s1\", "
			"\"state\": \"drain\"}}" },
		{ "shutdown sessions server app/s1",
			"{\"command\": \"shutdown sessions\", \"args\": {\"server\": "
			"\"app/s1\"}}" },
		{ "set server app/s1 weight 20",
			"{\"command\": \"set server\", \"args\": {\"server\": \"app/s1\", "
			"\"weight\": 20}}" },
		{ "lookup udp 192.0.2.1:7 [2001:db8::1]:53",
			"{\"command\": \"lookup\", \"args\": {\"protocol\": \"udp\", "
			"\"client\": \"192.0.2.1:7\", \"address\": \"[2001:db8::1]:53\"}}" },
		{ "check shunt.json",
			"{\"command\": \"check\", \"args\": {\"file\": "
			"\"shunt.json\"}}" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct capture errors;
		json_t *request, *wanted = json_loads(cases[i].request, 0, NULL);

		capture_open(&errors);
		request = parse(cases[i].line, &errors);
		CU_ASSERT_TRUE(json_equal(request, wanted));
		CU_ASSERT_STRING_EQUAL(capture_text(&errors), "");
		json_decref(request);
		json_decref(wanted);
		capture_close(&errors);
	}
}

static void
test_wrong_words(void)
{
	static const struct {
		const char *line;
		const char *error;
	} cases[] = {
		{ "show", "usage: shuntctl show stat\n" },
		{ "show server", "did you mean \"show servers\"?" },
		{ "shwo info", "did you mean \"show info\"?" },
		{ "relaod", "did you mean \"reload\"?" },
		{ "entirely different words", "--help" },
		{ "show info now", "usage: shuntctl show info\n" },
		{ "set server", "usage: shuntctl set server BACKEND/SERVER weight N\n" },
		{ "set server app/s1 stat drain", "state ready|drain|maint" },
		{ "set server app/s1 state gone", "state: one of ready|drain|maint, not: gone" },
		{ "set server app/s1 state r", "state: one of" },
		{ "set server app/s1 state drain|maint", "state: one of" },
		{ "set server app/s1 weight many", "weight: not a whole number: many" },
		{ "set server app/s1 weight 5x", "not a whole number" },
		{ "set server app/s1 weight 99999999999999999999", "not a whole number" },
		{ "set server \xff/s1 state drain", "not UTF-8" },
		{ "lookup sctp 192.0.2.1:7 192.0.2.2:53", "one of tcp|udp" },
		{ "lookup tcp 192.0.2.1:7", "usage: shuntctl lookup tcp|udp CLIENT:PORT" },
		{ "\x1b[2Jshow", "unknown command \"?[2Jshow\"" },
	};
	char long_word[1000];
	struct capture errors;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		capture_open(&errors);
		CU_ASSERT_PTR_NULL(parse(cases[i].line, &errors));
		CU_ASSERT_PTR_NOT_NULL(strstr(capture_text(&errors), cases[i].error));
		if (!strstr(errors.text, cases[i].error))
			fprintf(stderr, "%s: %s", cases[i].line, errors.text);
		capture_close(&errors);
	}
	memset(long_word, 'x', sizeof(long_word) - 1);
	long_word[sizeof(long_word) - 1] = '\0';
	capture_open(&errors);
	CU_ASSERT_PTR_NULL(parse(long_word, &errors));
	capture_close(&errors);
}

/* Each command stands in the help and in the completion script, which bash can read. */
static void
test_help_and_completion(void)
{
	struct capture help, script;
	FILE *bash;

	capture_open(&help);
	capture_open(&script);
	CU_ASSERT_EQUAL(request_print_commands(help.stream), 0);
	request_print_completion(script.stream);
	capture_text(&help);
	capture_text(&script);
	for (unsigned int i = 0; i < SHUNT_CMD_COUNT; i++) {
		CU_ASSERT_PTR_NOT_NULL(strstr(help.text, shunt_command(i)->name));
		CU_ASSERT_PTR_NOT_NULL(strstr(help.text, shunt_command(i)->help));
	}
	CU_ASSERT_PTR_NULL(strchr(help.text, '%'));
	bash = popen("bash -s >/dev/null", "w");
	CU_ASSERT_PTR_NOT_NULL_FATAL(bash);
	fputs(script.text, bash);
	fputs("COMP_WORDS=(shuntctl set server app/s1 state d); COMP_CWORD=5; _shuntctl\n"
	      "[[ ${COMPREPLY[*]} == drain ]] || exit 1\n"
	      "COMP_WORDS=(shuntctl s); COMP_CWORD=1; _shuntctl\n"
	      "[[ ${COMPREPLY[*]} == *show*set* ]] || exit 1\n",
		bash);
	CU_ASSERT_EQUAL(pclose(bash), 0);
	capture_close(&help);
	capture_close(&script);
}

/*
 * The client
 */

/* A server for one connection: reads a line, or not, answers with given bytes and closes. */
struct peer {
	char dir[32];
	char path[64];
	int listener;
	pthread_t thread;
	bool reads;
	bool lingers; /* keeps the connection until the client has gone */
	const char *answer;
	size_t length;
};

static void *
peer_run(void *context)
{
	struct peer *peer = context;
	int fd = accept(peer->listener, NULL, NULL);
	char bytes[4096];
	ssize_t got = 1;

	while (peer->reads && got > 0) {
		got = recv(fd, bytes, sizeof(bytes), 0);
		if (got > 0 && memchr(bytes, '\n', (size_t)got))
			break;
	}
	for (size_t sent = 0; sent < peer->length;) {
		ssize_t n = send(fd, peer->answer + sent, peer->length - sent, MSG_NOSIGNAL);

		if (n < 0)
			break;
		sent += (size_t)n;
	}
	while (peer->lingers && recv(fd, bytes, sizeof(bytes), 0) > 0)
		;
	close(fd);
	return NULL;
}

static void
peer_open(struct peer *peer, const char *answer, size_t length)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };

	memset(peer, 0, sizeof(*peer));
	peer->answer = answer;
	peer->length = length;
	peer->reads = true;
	snprintf(peer->dir, sizeof(peer->dir), "/tmp/shuntctl-XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(peer->dir));
	snprintf(peer->path, sizeof(peer->path), "%s/" SHUNT_API_SOCKET, peer->dir);
	snprintf(name.sun_path, sizeof(name.sun_path), "%s", peer->path);
	peer->listener = socket(AF_UNIX, SOCK_STREAM, 0);
	CU_ASSERT_EQUAL_FATAL(bind(peer->listener, (struct sockaddr *)&name, sizeof(name)), 0);
	CU_ASSERT_EQUAL_FATAL(listen(peer->listener, 1), 0);
}

static void
peer_start(struct peer *peer)
{
	CU_ASSERT_EQUAL_FATAL(pthread_create(&peer->thread, NULL, peer_run, peer), 0);
}

static void
peer_close(struct peer *peer)
{
	pthread_join(peer->thread, NULL);
	close(peer->listener);
	unlink(peer->path);
	CU_ASSERT_EQUAL(rmdir(peer->dir), 0);
}

static json_t *
ask(const char *run_dir, unsigned int timeout_ms, char error[256])
{
	json_t *request = request_create(SHUNT_CMD_SHOW_INFO, json_object());
	json_t *answer;

	error[0] = '\0';
	answer = client_ask(run_dir, request, timeout_ms, error, 256);
	json_decref(request);
	return answer;
}

static void
test_client_answers(void)
{
	static const struct {
		const char *answer;
		const char *error; /* NULL: it is a good one */
	} cases[] = {
		{ "{\"ok\": true, \"data\": 1}\n", NULL },
		{ "{\"ok\": false}\nmore", NULL },
		{ "", "without an answer" },
		{ "{\"ok\": true", "without an answer" },
		{ "\n", "not understood" },
		{ "[]\n", "not understood" },
		{ "{}\n", "not understood" },
		{ "{\"ok\": 1}\n", "not understood" },
		{ "HTTP/1.1 400 Bad Request\r\n", "not understood" },
		{ "\xff\xfe\n", "not understood" },
	};
	char error[256];

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct peer peer;
		json_t *answer;

		peer_open(&peer, cases[i].answer, strlen(cases[i].answer));
		peer.reads = i % 2; /* being turned away without having been heard is the same */
		peer_start(&peer);
		answer = ask(peer.dir, 5000, error);
		CU_ASSERT_EQUAL(answer == NULL, cases[i].error != NULL);
		CU_ASSERT_PTR_NOT_NULL(strstr(error, cases[i].error ? cases[i].error : ""));
		json_decref(answer);
		peer_close(&peer);
	}
}

static void
test_client_long_answer(void)
{
	const size_t length = 4u << 20;
	char *answer = malloc(length), error[256];
	struct peer peer;
	json_t *value;

	CU_ASSERT_PTR_NOT_NULL_FATAL(answer);
	memset(answer, 'x', length);
	memcpy(answer, "{\"ok\":true,\"data\":\"", 19);
	memcpy(answer + length - 3, "\"}\n", 3);
	peer_open(&peer, answer, length);
	peer_start(&peer);
	value = ask(peer.dir, 5000, error);
	CU_ASSERT_EQUAL(json_string_length(json_object_get(value, "data")), length - 22);
	json_decref(value);
	peer_close(&peer);
	free(answer);
}

static void
test_client_unreachable(void)
{
	char error[256], long_dir[300];
	struct peer peer;

	CU_ASSERT_PTR_NULL(ask("/nonexistent", 1000, error));
	CU_ASSERT_PTR_NOT_NULL(strstr(error,
		"cannot reach shunt-control at "
		"/nonexistent/control.sock: is it running?"));
	memset(long_dir, 'd', sizeof(long_dir) - 1);
	long_dir[sizeof(long_dir) - 1] = '\0';
	CU_ASSERT_PTR_NULL(ask(long_dir, 1000, error));
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "cannot reach"));

	peer_open(&peer, "{", 1); /* begins to answer and goes silent */
	peer.lingers = true;
	peer_start(&peer);
	CU_ASSERT_PTR_NULL(ask(peer.dir, 50, error));
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "no answer from shunt-control within 0.05 s"));
	peer_close(&peer);
}

/*
 * The program
 */

static int
run(const char *format, const char *dir, char *output, size_t size)
{
	char command[512], arguments[256];
	size_t length;
	FILE *pipe;
	int status;

	snprintf(arguments, sizeof(arguments), format, dir);
	snprintf(command, sizeof(command), "%s %s 2>&1", SHUNTCTL, arguments);
	pipe = popen(command, "r");
	CU_ASSERT_PTR_NOT_NULL_FATAL(pipe);
	length = fread(output, 1, size - 1, pipe);
	output[length] = '\0';
	status = pclose(pipe);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
check_run(const char *answer, const char *arguments, int status, const char *wanted)
{
	char output[8192];
	struct peer peer;

	peer_open(&peer, answer, strlen(answer));
	peer_start(&peer);
	CU_ASSERT_EQUAL(run(arguments, peer.dir, output, sizeof(output)), status);
	CU_ASSERT_STRING_EQUAL(output, wanted);
	peer_close(&peer);
}

static void
test_program_answers(void)
{
	check_run("{\"ok\":true,\"generation\":7}\n", "-r %s reload", 0,
		"generation 7, acknowledged by all workers\n");
	check_run("{\"ok\":true,\"generation\":7}\n", "reload -j --run-dir %s", 0,
		"{\n  \"ok\": true,\n  \"generation\": 7\n}\n");
	check_run("{\"ok\":true,\"generation\":7,\"warning\":\"not connected\"}\n",
		"-r %s set server app/s1 weight 3", 0, "shuntctl: warning: not connected\n");
	check_run("{\"ok\":false,\"error\":\"no server\"}\n", "-r %s set server a/b state drain", 1,
		"shuntctl: no server\n");
	check_run(
		"{\"ok\":false}\n", "-r %s show info", 1, "shuntctl: refused, without a reason\n");
	check_run("{\"ok\":false,\"error\":\"1 error\",\"file\":\"/etc/f.json\","
		  "\"errors\":[\"$.a: wrong\",5]}\n",
		"-r %s reload", 1, "/etc/f.json: $.a: wrong\nshuntctl: 1 error\n");
	check_run("{\"ok\":true}\n", "-r %s reload", 1,
		"shuntctl: half an answer; is shunt-control of another version?\n");
	check_run("{\"ok\":true,\"data\":{\"ttl\":0}}\n", "-j -r %s show drops", 0,
		"{\n  \"ttl\": 0\n}\n");
	check_run("{\"ok\":true,\"data\":{\"ttl\":0}}\n", "-r %s show drops", 0,
		"no packet has been dropped\n");
}

static void
test_program_usage(void)
{
	char output[8192];

	CU_ASSERT_EQUAL(run("--help", "", output, sizeof(output)), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "set server BACKEND/SERVER state ready|drain|maint"));
	CU_ASSERT_EQUAL(run("help", "", output, sizeof(output)), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "--run-dir"));
	CU_ASSERT_EQUAL(run("--version", "", output, sizeof(output)), 0);
	CU_ASSERT_STRING_EQUAL(output, "shuntctl " SHUNT_VERSION "\n");
	CU_ASSERT_EQUAL(run("", "", output, sizeof(output)), 2);
	CU_ASSERT_EQUAL(run("--nonsense show info", "", output, sizeof(output)), 2);
	CU_ASSERT_EQUAL(run("show nonsense", "", output, sizeof(output)), 2);
	CU_ASSERT_EQUAL(run("--completion zsh", "", output, sizeof(output)), 2);
	CU_ASSERT_EQUAL(run("-r /nonexistent show info", "", output, sizeof(output)), 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "is it running?"));
}

static void
test_program_check(void)
{
	char dir[] = "/tmp/shuntctl-XXXXXX", path[64], output[8192];
	FILE *file;

	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/shunt.json", dir);
	file = fopen(path, "w");
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	fputs("{ \"frontend\": [] }", file);
	fclose(file);
	CU_ASSERT_EQUAL(run("check %s", path, output, sizeof(output)), 1);
	CU_ASSERT_EQUAL(strncmp(output, path, strlen(path)), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(output, ": $"));
	CU_ASSERT_EQUAL(run("-j check %s", path, output, sizeof(output)), 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "\"path\": \"$"));
	unlink(path);
	CU_ASSERT_EQUAL(run("check %s", path, output, sizeof(output)), 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "No such file"));
	rmdir(dir);
}

static const struct unit_test tests[] = {
	{ "tables", test_tables },
	{ "changes as a table", test_events },
	{ "weird data", test_weird_data },
	{ "alignment", test_table_alignment },
	{ "units", test_units },
	{ "words to requests", test_words },
	{ "wrong words", test_wrong_words },
	{ "help and completion", test_help_and_completion },
	{ "answers, good and bad", test_client_answers },
	{ "a long answer", test_client_long_answer },
	{ "nobody answers", test_client_unreachable },
	{ "the program's answers", test_program_answers },
	{ "the program's usage", test_program_usage },
	{ "the program checks a file", test_program_check },
};

UNIT_MAIN("shuntctl", tests)
