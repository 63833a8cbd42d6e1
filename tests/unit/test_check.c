/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests and verdicts of checks: bytes in, verdict out. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "check_bed.h"

static struct check_talk
http(void)
{
	static char get[] = "GET", root[] = "/", version[] = "1.1";

	return (struct check_talk){
		.type = CHECK_HTTP,
		.method = get,
		.path = root,
		.version = version,
		.status_count = 1,
		.statuses = { { 200, 399 } },
	};
}

static struct check_report
judge(const struct check_talk *talk, const char *answer, bool ended)
{
	return judge_bytes(talk, answer, strlen(answer), ended);
}

struct http_case {
	const char *answer;
	bool ended;
	uint8_t status;
	uint16_t code;
	const char *text;
};

static void
run_cases(const struct check_talk *talk, const struct http_case *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct check_report report = judge(talk, cases[i].answer, cases[i].ended);

		CU_ASSERT_EQUAL(report.status, cases[i].status);
		CU_ASSERT_EQUAL(report.code, cases[i].code);
		if (cases[i].text)
			CU_ASSERT_STRING_EQUAL(report.text, cases[i].text);
	}
}

static void
http_status(void)
{
	static const struct http_case cases[] = {
		{ "HTTP/1.1 200 OK\r\n", false, CHECK_L7OK, 200, "" },
		{ "HTTP/1.0 399\r\n", false, CHECK_L7OK, 399, "" },
		{ "HTTP/1.1 200\n", false, CHECK_L7OK, 200, "" },
		{ "HTTP/1.1 503 Service Unavailable\r\n", false, CHECK_L7STS, 503,
			"HTTP 503, expected 200-399" },
		{ "HTTP/1.1 400\r", false, CHECK_L7STS, 400, "HTTP 400, expected 200-399" },
		{ "HTTP/1.1 000 \r\n", false, CHECK_L7RSP, 0,
			"not an HTTP/1 answer: \"HTTP/1.1 000 \"" },
		{ "HTTP/1.1 099 \r\n", true, CHECK_L7RSP, 0, NULL },
		{ "HTTP/1.1 1000 \r\n", false, CHECK_L7RSP, 0, NULL },
		{ "HTTP/1.1 20 OK\r\n", false, CHECK_L7RSP, 0, NULL },
		{ "HTTP/1.1 200OK\r\n", false, CHECK_L7RSP, 0, NULL },
		{ "HTTP/1.1  200 OK\r\n", false, CHECK_L7RSP, 0, NULL },
		{ "HTTP/1.x 200 OK\r\n", false, CHECK_L7RSP, 0, NULL },
		{ "HTTP/2 200 OK\r\n", false, CHECK_L7RSP, 0, NULL },
		{ "SSH-2.0-OpenSSH_9.2\r\n", false, CHECK_L7RSP, 0,
			"not an HTTP/1 answer: \"SSH-2.0-OpenSSH_9.2\"" },
		{ "H", true, CHECK_L7RSP, 0, "not an HTTP/1 answer: \"H\"" },
		{ "HTTP/1.1 200", true, CHECK_L7RSP, 0, NULL },
		{ "", true, CHECK_L7RSP, 0, "the connection ended without answer" },
	};
	const struct check_talk talk = http();

	run_cases(&talk, cases, sizeof(cases) / sizeof(cases[0]));
	CU_ASSERT_EQUAL(judge_bytes(&talk, "HTTP/1.1 200\0\r\n", 15, false).status, CHECK_L7RSP);
}

/* Wherever an answer is cut, nothing is said too early, and nothing else than of the whole. */
static void
http_cut(void)
{
	static const char good[] = "HTTP/1.1 200 OK\r\n";
	static const char bad[] = "HTTP/1.1 503 No\r\n";
	const struct check_talk talk = http();

	for (size_t n = 0; n < sizeof(good); n++) {
		CU_ASSERT_EQUAL(
			judge_bytes(&talk, good, n, false).status, n < 13 ? UNDECIDED : CHECK_L7OK);
		CU_ASSERT_EQUAL(
			judge_bytes(&talk, bad, n, false).status, n < 13 ? UNDECIDED : CHECK_L7STS);
		CU_ASSERT_EQUAL(judge_bytes(&talk, good, n, true).status,
			n < 13 ? CHECK_L7RSP : CHECK_L7OK);
	}
}

static void
http_statuses(void)
{
	struct check_talk talk = http();
	struct check_report report;

	talk.status_count = 2;
	talk.statuses[0] = (struct check_statuses){ 204, 204 };
	talk.statuses[1] = (struct check_statuses){ 301, 302 };
	CU_ASSERT_EQUAL(judge(&talk, "HTTP/1.1 204 \r\n", false).status, CHECK_L7OK);
	CU_ASSERT_EQUAL(judge(&talk, "HTTP/1.1 302 \r\n", false).status, CHECK_L7OK);
	report = judge(&talk, "HTTP/1.1 200 \r\n", false);
	CU_ASSERT_EQUAL(report.status, CHECK_L7STS);
	CU_ASSERT_STRING_EQUAL(report.text, "HTTP 200, expected 204, 301-302");
	/* More than a text has room for. */
	talk.status_count = CHECK_MAX_STATUSES;
	for (int i = 0; i < CHECK_MAX_STATUSES; i++)
		talk.statuses[i] = (struct check_statuses){ 500, 599 };
	report = judge(&talk, "HTTP/1.1 200 \r\n", false);
	CU_ASSERT_EQUAL(strlen(report.text), CHECK_TEXT_SIZE - 1);
}

static void
http_interim(void)
{
#define HINTS "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"
	static const struct http_case cases[] = {
		{ HINTS "HTTP/1.1 200 OK\r\n\r\nready", false, CHECK_L7OK, 200, "" },
		{ HINTS HINTS "HTTP/1.1 200 OK\r\n\r\nready", false, CHECK_L7OK, 200, "" },
		{ HINTS "HTTP/1.1 503 No\r\n", false, CHECK_L7STS, 503, NULL },
		{ HINTS, false, UNDECIDED, 0, "" },
		{ HINTS "HTTP/1.1", false, UNDECIDED, 0, "" },
		{ HINTS, true, CHECK_L7RSP, 0, "the connection ended without answer" },
		{ "HTTP/1.1 100 Continue\r\n", false, UNDECIDED, 0, "" },
		{ "HTTP/1.1 100 Continue\r\n", true, CHECK_L7STS, 100, NULL },
		{ "HTTP/1.1 101 Switching\r\n", false, CHECK_L7STS, 101, NULL },
		{ HINTS "ready", true, CHECK_L7RSP, 0, "not an HTTP/1 answer: \"ready\"" },
	};
	struct check_talk talk = http();

	talk.expect = (char[]){ "ready" };
	run_cases(&talk, cases, sizeof(cases) / sizeof(cases[0]));
	talk.expect = NULL;
	talk.statuses[0].first = 103;
	CU_ASSERT_EQUAL(judge(&talk, HINTS, false).code, 103);
}

static void
http_body(void)
{
#define HEAD "HTTP/1.1 200 OK\r\nServer: ready\r\n"
	static const struct http_case cases[] = {
		{ HEAD "\r\nI am ready", false, CHECK_L7OK, 200, "" },
		{ "HTTP/1.1 200 OK\n\nready", false, CHECK_L7OK, 200, "" },
		/* Headers are no body. */
		{ HEAD, false, UNDECIDED, 200, "" },
		{ HEAD, true, CHECK_L7RSP, 200, NULL },
		{ HEAD "\r\nread", false, UNDECIDED, 200, "" },
		{ HEAD "\r\nread", true, CHECK_L7RSP, 200, "expected \"ready\", got \"read\"" },
		{ HEAD "\r\n", true, CHECK_L7RSP, 200, "expected \"ready\", got nothing" },
		/* The status comes first. */
		{ "HTTP/1.1 500 No\r\n\r\nready", true, CHECK_L7STS, 500, NULL },
	};
	struct check_talk talk = http();

	talk.expect = (char[]){ "ready" };
	run_cases(&talk, cases, sizeof(cases) / sizeof(cases[0]));
}

static void
http_chunked(void)
{
#define CHUNKED "HTTP/1.1 200 OK\r\nX: y\r\ntransfer-Encoding: gzip, Chunked\r\n\r\n"
	static const struct http_case cases[] = {
		{ CHUNKED "5\r\nready\r\n0\r\n\r\n", false, CHECK_L7OK, 200, "" },
		{ CHUNKED "2\r\nre\r\n3;x=y\r\nady\r\n", false, CHECK_L7OK, 200, "" },
		{ CHUNKED "2\nre\n03\nady\n", false, CHECK_L7OK, 200, "" },
		{ CHUNKED "A\r\n..........\r\n5\r\nready", false, CHECK_L7OK, 200, "" },
		{ CHUNKED "a\r\nready", false, CHECK_L7OK, 200, "" },
		{ CHUNKED "2\r\nre\r\n", false, UNDECIDED, 200, "" },
		{ CHUNKED "2\r\nre\r\n0\r\n\r\n", true, CHECK_L7RSP, 200, NULL },
		/* Sizes that are none, or of no chunk that can be. */
		{ CHUNKED "ffffffffffffffffffffffffffffffff\r\nready", true, CHECK_L7OK, 200, "" },
		{ CHUNKED "80000000\r\nready", true, CHECK_L7OK, 200, "" },
		{ CHUNKED "-1\r\nready", true, CHECK_L7RSP, 200, NULL },
		{ CHUNKED "\r\nready", true, CHECK_L7RSP, 200, NULL },
		{ CHUNKED "0\r\nready", true, CHECK_L7RSP, 200, NULL },
		{ CHUNKED "Z\r\nready", true, CHECK_L7RSP, 200, NULL },
		{ CHUNKED "5", true, CHECK_L7RSP, 200, "expected \"ready\", got nothing" },
		{ CHUNKED "", true, CHECK_L7RSP, 200, NULL },
	};
	struct check_talk talk = http();

	talk.expect = (char[]){ "ready" };
	run_cases(&talk, cases, sizeof(cases) / sizeof(cases[0]));
	/* The frames are in the way only where there are some. */
	CU_ASSERT_EQUAL(
		judge(&talk, "HTTP/1.1 200 \r\n\r\n2\r\nre\r\n3\r\nady", true).status, CHECK_L7RSP);
}

/* What has come up to the limit is all there will be. */
static void
full(void)
{
	struct check_talk talk = http();
	struct check_talk tcp = { .expect = (char[]){ "ready" } };
	char *bytes = malloc(CHECK_ANSWER_MAX);

	memset(bytes, 'x', CHECK_ANSWER_MAX);
	CU_ASSERT_EQUAL(judge_bytes(&tcp, bytes, CHECK_ANSWER_MAX - 1, false).status, UNDECIDED);
	CU_ASSERT_EQUAL(judge_bytes(&tcp, bytes, CHECK_ANSWER_MAX, false).status, CHECK_L7RSP);
	memcpy(bytes, "HTTP/1.1 200 OK\r\n", 17);
	talk.expect = (char[]){ "ready" };
	CU_ASSERT_EQUAL(judge_bytes(&talk, bytes, CHECK_ANSWER_MAX - 1, false).status, UNDECIDED);
	CU_ASSERT_EQUAL(judge_bytes(&talk, bytes, CHECK_ANSWER_MAX, false).status, CHECK_L7RSP);
	memcpy(bytes + CHECK_ANSWER_MAX - 9, "\r\n\r\nready", 9);
	CU_ASSERT_EQUAL(judge_bytes(&talk, bytes, CHECK_ANSWER_MAX, false).status, CHECK_L7OK);
	free(bytes);
}

static struct check_regex *
regex(const char *pattern)
{
	char error[64];
	struct check_regex *made = check_regex_create(pattern, error, sizeof(error));

	CU_ASSERT_PTR_NOT_NULL_FATAL(made);
	return made;
}

static void
tcp(void)
{
	struct check_talk talk = { 0 };
	struct check_report report;

	CU_ASSERT_EQUAL(judge(&talk, "", false).status, CHECK_L4OK);
	talk.expect = (char[]){ "+PONG" };
	CU_ASSERT_EQUAL(judge(&talk, "+PON", false).status, UNDECIDED);
	CU_ASSERT_EQUAL(judge(&talk, "junk +PONG\r\n", false).status, CHECK_L7OK);
	report = judge(&talk, "-ERR\r\n", true);
	CU_ASSERT_EQUAL(report.status, CHECK_L7RSP);
	CU_ASSERT_STRING_EQUAL(report.text, "expected \"+PONG\", got \"-ERR\"");
	CU_ASSERT_STRING_EQUAL(judge(&talk, "", true).text, "expected \"+PONG\", got nothing");
	/* Both, so both must be there. */
	talk.regex = regex("^\\d+ ok$");
	CU_ASSERT_EQUAL(judge(&talk, "+PONG", false).status, UNDECIDED);
	report = judge(&talk, "+PONG", true);
	CU_ASSERT_STRING_EQUAL(report.text, "expected \"^\\d+ ok$\", got \"+PONG\"");
	check_regex_destroy(talk.regex);
	talk.regex = regex("PO.*\\d+ ok");
	CU_ASSERT_EQUAL(judge(&talk, "+PONG\r\n12 ok", false).status, CHECK_L7OK);
	report = judge(&talk, "PO 12 ok", true);
	CU_ASSERT_STRING_EQUAL(report.text, "expected \"+PONG\", got \"PO 12 ok\"");
	check_regex_destroy(talk.regex);
}

static void
hostile_bytes(void)
{
	static const char bytes[] = "\0\x1b[2J\xff\x7f\n\"x\0y";
	struct check_talk talk = { .expect = (char[]){ "\x1b[31m" } };
	struct check_report report = judge_bytes(&talk, bytes, sizeof(bytes) - 1, true);

	CU_ASSERT_STRING_EQUAL(report.text, "expected \".[31m\", got \"..[2J...\"x.y\"");
	talk.expect = NULL;
	talk.regex = regex("x\\x00y$");
	CU_ASSERT_EQUAL(judge_bytes(&talk, bytes, sizeof(bytes) - 1, false).status, CHECK_L7OK);
	check_regex_destroy(talk.regex);
}

/* Whatever pattern and answer: the loop is not held up. */
static void
catastrophic(void)
{
	static const char *const patterns[] = { "(a+)+$", "a.*[xy]", "a.*?[xy]", "(a|aa)+$",
		"(?:a.?)*[xy]", "(.*)*[xy]", "a+b+[xy]", "(a+a+)+[xy]", "(?=(a+))\\1[xy]",
		"([ab]*?){3}[xy]" };
	struct check_talk talk = { 0 };
	char *bytes = malloc(CHECK_ANSWER_MAX);
	clock_t began;

	memset(bytes, 'a', CHECK_ANSWER_MAX);
	bytes[CHECK_ANSWER_MAX - 1] = 'b';
	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
		talk.regex = regex(patterns[i]);
		began = clock();
		CU_ASSERT_EQUAL(
			judge_bytes(&talk, bytes, CHECK_ANSWER_MAX, true).status, CHECK_L7RSP);
		began = clock() - began;
		CU_ASSERT_TRUE(began < CLOCKS_PER_SEC / 2);
		if (getenv("SHOW_TIMES"))
			printf("%s: %.1f ms\n", patterns[i], began * 1000.0 / CLOCKS_PER_SEC);
		check_regex_destroy(talk.regex);
	}
	free(bytes);
}

static void
bad_regex(void)
{
	char error[80];

	CU_ASSERT_PTR_NULL(check_regex_create("a(b", error, sizeof(error)));
	CU_ASSERT_STRING_EQUAL(error, "missing closing parenthesis (at character 3)");
	CU_ASSERT_PTR_NULL(check_regex_create("\\C", error, sizeof(error)));
	check_regex_destroy(NULL);
}

static void
expect_request(const struct check_talk *talk, const char *host, const char *wanted)
{
	size_t length = 0;
	char *request = check_request(talk, host, &length);

	CU_ASSERT_PTR_NOT_NULL_FATAL(request);
	CU_ASSERT_EQUAL(length, strlen(wanted));
	CU_ASSERT_EQUAL(memcmp(request, wanted, length), 0);
	free(request);
}

static void
requests(void)
{
	struct check_talk talk = http();

	expect_request(&talk, "[2001:db8::1]:8080",
		"GET / HTTP/1.1\r\nHost: [2001:db8::1]:8080\r\nUser-Agent: shunt\r\n"
		"Connection: close\r\n\r\n");
	talk.method = (char[]){ "HEAD" };
	talk.path = (char[]){ "/up?x=%20" };
	talk.version = (char[]){ "1.0" };
	talk.host = (char[]){ "www.example.org" };
	talk.headers = (char[]){ "X-A: 1\r\nX-B: 2\r\n" };
	expect_request(&talk, "10.0.0.1:80",
		"HEAD /up?x=%20 HTTP/1.0\r\nHost: www.example.org\r\nUser-Agent: shunt\r\n"
		"X-A: 1\r\nX-B: 2\r\nConnection: close\r\n\r\n");
	talk = (struct check_talk){ 0 };
	expect_request(&talk, "10.0.0.1:80", "");
	talk.send = (char[]){ "PING\r\n" };
	talk.send_length = 6;
	expect_request(&talk, "10.0.0.1:80", "PING\r\n");
}

static void
reports(void)
{
	struct check_report report = { .duration_us = 1234 };
	char out[CHECK_TEXT_SIZE + 64];

	check_report_text(&report, out, sizeof(out));
	CU_ASSERT_STRING_EQUAL(out, "INI");
	report.status = CHECK_L4OK;
	check_report_text(&report, out, sizeof(out));
	CU_ASSERT_STRING_EQUAL(out, "L4OK in 1.2 ms");
	report.status = CHECK_L7STS;
	report.code = 503;
	snprintf(report.text, sizeof(report.text), "HTTP 503, expected 200-399");
	check_report_text(&report, out, sizeof(out));
	CU_ASSERT_STRING_EQUAL(out, "L7STS 503 in 1.2 ms: HTTP 503, expected 200-399");
	check_report_text(&report, out, 10);
	CU_ASSERT_STRING_EQUAL(out, "L7STS 503");
	CU_ASSERT_STRING_EQUAL(check_status_name(CHECK_STATUS_COUNT), "");
}

/* Two talks with every field, and what makes them differ. */
static void
equal_and_copy(void)
{
	static char another[] = "other", bytes[] = "a\0c";
	struct check_talk talk = http(), other, *copy;

	talk.host = (char[]){ "h" };
	talk.headers = (char[]){ "A: b\r\n" };
	talk.user = (char[]){ "u" };
	talk.password = (char[]){ "p" };
	talk.database = (char[]){ "d" };
	talk.writable = true;
	talk.send = (char[]){ "a\0b" };
	talk.send_length = 3;
	talk.expect = (char[]){ "e" };
	talk.regex = regex("r+");
	copy = check_talk_copy(&talk);
	CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
	CU_ASSERT_TRUE(check_talk_equal(&talk, copy));
	CU_ASSERT_TRUE(copy->regex != talk.regex && copy->send != talk.send);
	for (int i = 0; i < 15; i++) {
		char **texts[] = { &other.method, &other.path, &other.version, &other.host,
			&other.headers, &other.expect, &other.user, &other.password,
			&other.database };

		other = talk;
		if (i < 9)
			*texts[i] = i % 2 ? NULL : another;
		other.type = i == 9 ? CHECK_TCP : other.type;
		other.send = i == 10 ? bytes : other.send;
		other.send_length -= i == 11;
		other.regex = i == 12 ? NULL : other.regex;
		other.statuses[0].last += i == 13;
		other.writable ^= i == 14;
		CU_ASSERT_FALSE(check_talk_equal(copy, &other));
		CU_ASSERT_FALSE(check_talk_equal(&other, copy));
	}
	CU_ASSERT_FALSE(check_talk_equal(copy, NULL));
	CU_ASSERT_TRUE(check_talk_equal(NULL, NULL));
	check_talk_destroy(copy);
	check_regex_destroy(talk.regex);
	copy = check_talk_copy(NULL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
	CU_ASSERT_EQUAL(copy->type, CHECK_TCP);
	check_talk_destroy(copy);
	check_talk_destroy(NULL);
}

struct agent_case {
	const char *answer;
	uint8_t status; /* when it has ended */
	struct check_agent said;
	const char *text;
};

static void
agent_words(void)
{
	static const struct agent_case cases[] = {
		{ "up\n", CHECK_L7OK, { CHECK_AGENT_UP, 0, 0 }, "it says up" },
		{ "75%\r\n", CHECK_L7OK, { CHECK_AGENT_WEIGHT, 75, 0 }, "it says 75%" },
		{ "0%\n", CHECK_L7OK, { CHECK_AGENT_WEIGHT, 0, 0 }, "it says 0%" },
		{ "maxconn:30 ready,UP\t50%\ndown", CHECK_L7OK,
			{ CHECK_AGENT_MAXCONN | CHECK_AGENT_READY | CHECK_AGENT_UP |
					CHECK_AGENT_WEIGHT,
				50, 30 },
			"it says maxconn:30 ready,UP.50%" },
		{ "drain\n", CHECK_L7OK, { CHECK_AGENT_DRAIN, 0, 0 }, "it says drain" },
		{ "maint extra\n", CHECK_L7OK, { CHECK_AGENT_MAINT, 0, 0 }, "it says maint extra" },
		{ "down# the disk is full\n", CHECK_L7STS, { CHECK_AGENT_DOWN, 0, 0 },
			"the disk is full" },
		{ "failed 10% #\n", CHECK_L7STS, { CHECK_AGENT_DOWN | CHECK_AGENT_WEIGHT, 10, 0 },
			"it says failed 10% " },
		{ "stopped\n", CHECK_L7STS, { CHECK_AGENT_DOWN, 0, 0 }, "it says stopped" },
		{ "up", CHECK_L7OK, { CHECK_AGENT_UP, 0, 0 }, "it says up" },
		{ "# up\n", CHECK_L7RSP, { 0, 0, 0 }, "not an agent's answer: \"# up\"" },
		{ "\n", CHECK_L7RSP, { 0, 0, 0 }, "not an agent's answer: \"\"" },
		{ "", CHECK_L7RSP, { 0, 0, 0 }, "the connection ended without answer" },
		{ "uptime\n", CHECK_L7RSP, { 0, 0, 0 }, NULL },
		{ "%\n", CHECK_L7RSP, { 0, 0, 0 }, NULL },
		{ "7x%\n", CHECK_L7RSP, { 0, 0, 0 }, NULL },
		{ "-5%\n", CHECK_L7RSP, { 0, 0, 0 }, NULL },
		{ "25601%\n", CHECK_L7RSP, { 0, 0, 0 }, NULL },
		{ "maxconn:\n", CHECK_L7RSP, { 0, 0, 0 }, NULL },
		{ "maxconn:4294967296\n", CHECK_L7RSP, { 0, 0, 0 }, NULL },
		{ "maxconn:4294967295\n", CHECK_L7OK, { CHECK_AGENT_MAXCONN, 0, UINT32_MAX },
			NULL },
		{ "HTTP/1.1 400 Bad Request\r\n", CHECK_L7RSP, { 0, 0, 0 }, NULL },
	};
	const struct check_talk talk = { .type = CHECK_AGENT };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct agent_case *c = &cases[i];
		struct check_report report = judge(&talk, c->answer, true);
		bool line = strpbrk(c->answer, "\r\n") != NULL;

		CU_ASSERT_EQUAL(report.status, c->status);
		CU_ASSERT_EQUAL(report.agent.words, c->said.words);
		CU_ASSERT_EQUAL(report.agent.percent, c->said.percent);
		CU_ASSERT_EQUAL(report.agent.maxconn, c->said.maxconn);
		if (c->text)
			CU_ASSERT_STRING_EQUAL(report.text, c->text);
		/* The line's end is enough, and needed as long as more may come. */
		CU_ASSERT_EQUAL(
			judge(&talk, c->answer, false).status, line ? c->status : UNDECIDED);
	}
	/* Without an end in sight it is none. */
	CU_ASSERT_EQUAL(judge_bytes(&talk, "\0up\n", 4, true).status, CHECK_L7RSP);
}

static const struct unit_test tests[] = {
	{ "what an agent says", agent_words },
	{ "HTTP: statuses", http_status },
	{ "HTTP: cut anywhere", http_cut },
	{ "HTTP: which statuses are good", http_statuses },
	{ "HTTP: answers before the answer", http_interim },
	{ "HTTP: bodies", http_body },
	{ "HTTP: chunked bodies", http_chunked },
	{ "full", full },
	{ "TCP: texts and regular expressions", tcp },
	{ "bytes that are not printable", hostile_bytes },
	{ "regular expressions without end", catastrophic },
	{ "regular expressions that are none", bad_regex },
	{ "requests", requests },
	{ "reports", reports },
	{ "equal, copied", equal_and_copy },
};

UNIT_MAIN("check", tests)
