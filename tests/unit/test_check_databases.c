/* SPDX-License-Identifier: BSD-3-Clause */
/* What probes say to databases, and what they make of the answers, byte by byte. */
#include "answer_case.h"

static void
redis(void)
{
	static const struct answer_case cases[] = {
		{ BYTES("+PONG\r\n"), false, CHECK_L7OK, false, "" },
		{ BYTES("+PONG\r\n"), true, CHECK_L7OK, false, "" },
		{ BYTES("+PONG"), true, CHECK_L7RSP, false,
			"not a Redis server's answer: \"+PONG\"" },
		{ BYTES("+PONGO\r\n"), false, CHECK_L7RSP, false, NULL },
		{ BYTES("+OK\r\n"), false, CHECK_L7RSP, false,
			"not a Redis server's answer: \"+OK\"" },
		{ BYTES("-LOADING Redis is loading the dataset in memory\r\n"), false, CHECK_L7STS,
			true, "PING: LOADING Redis is loading the dataset in memory" },
		{ BYTES("-MASTERDOWN Link with MASTER is down\r\n"), false, CHECK_L7STS, true,
			NULL },
		{ BYTES("-BUSY Redis is busy running a script.\r\n"), false, CHECK_L7STS, true,
			NULL },
		{ BYTES("-ERR max number of clients reached\r\n"), true, CHECK_L7STS, true,
			"PING: ERR max number of clients reached" },
		{ BYTES("-NOAUTH Authentication required.\r\n"), false, CHECK_L7STS, false,
			"PING: NOAUTH Authentication required." },
		{ BYTES("-\r\n"), false, CHECK_L7STS, false, "PING: " },
		{ BYTES("-\n"), false, CHECK_L7STS, false, "PING: " },
		{ BYTES("-ERR \x1b[2J\0\xff\r\n"), false, CHECK_L7STS, false, "PING: ERR .[2J.." },
		{ BYTES("$4\r\nPONG\r\n"), false, CHECK_L7RSP, false, NULL },
		{ BYTES("HTTP/1.1 400 Bad Request\r\n"), false, CHECK_L7RSP, false, NULL },
		{ BYTES("\0"), false, CHECK_L7RSP, false, "not a Redis server's answer: \".\"" },
		{ BYTES(""), true, CHECK_L7RSP, false, "the connection ended without answer" },
		{ BYTES("+PON"), false, UNDECIDED, false, "" },
	};
	const struct check_talk talk = { .type = CHECK_REDIS };
	char *line = malloc(CHECK_ANSWER_MAX);

	JUDGE_ALL(&talk, cases);
	expect_request(&talk, BYTES("*1\r\n$4\r\nPING\r\n"));
	/* A line without end, and one that is more than a text holds. */
	memset(line, 'x', CHECK_ANSWER_MAX);
	line[0] = '-';
	CU_ASSERT_EQUAL(judge(&talk, line, CHECK_ANSWER_MAX - 1, false).status, UNDECIDED);
	CU_ASSERT_EQUAL(judge(&talk, line, CHECK_ANSWER_MAX, false).status, CHECK_L7RSP);
	line[CHECK_ANSWER_MAX - 1] = '\n';
	CU_ASSERT_EQUAL(judge(&talk, line, CHECK_ANSWER_MAX, false).status, CHECK_L7STS);
	free(line);
}

static void
redis_login(void)
{
	static const struct answer_case cases[] = {
		{ BYTES("+OK\r\n+PONG\r\n"), false, CHECK_L7OK, false, "" },
		{ BYTES("+OK\r\n"), false, UNDECIDED, false, "" },
		{ BYTES("+OK\r\n"), true, CHECK_L7RSP, false, NULL },
		{ BYTES("+PONG\r\n+PONG\r\n"), false, CHECK_L7RSP, false, NULL },
		{ BYTES("+OK\r\n-LOADING wait\r\n"), false, CHECK_L7STS, true,
			"PING: LOADING wait" },
		{ BYTES("-WRONGPASS invalid username-password pair or user is disabled.\r\n"
			"-NOAUTH Authentication required.\r\n"),
			false, CHECK_L7STS, false,
			"AUTH: WRONGPASS invalid username-password pair or user is disabled." },
		{ BYTES("-ERR max number of clients reached\r\n"), true, CHECK_L7STS, true,
			"AUTH: ERR max number of clients reached" },
	};
	struct check_talk talk = { .type = CHECK_REDIS, .password = (char[]){ "a b\"" } };

	JUDGE_ALL(&talk, cases);
	expect_request(&talk, BYTES("*2\r\n$4\r\nAUTH\r\n$4\r\na b\"\r\n*1\r\n$4\r\nPING\r\n"));
	talk.user = (char[]){ "probe" };
	expect_request(&talk,
		BYTES("*3\r\n$4\r\nAUTH\r\n$5\r\nprobe\r\n$4\r\na b\"\r\n*1\r\n$4\r\nPING\r\n"));
}

static void
postgres(void)
{
	static const struct answer_case cases[] = {
		{ BYTES(R_MD5), false, CHECK_L7OK, false, "" },
		{ BYTES("R\0\0\0\x17\0\0\0\nSCRAM-SHA-256\0\0"), false, CHECK_L7OK, false, "" },
		/* Let in at once: whether there is room comes behind that. */
		{ BYTES(R_OK), false, UNDECIDED, false, "" },
		{ BYTES(R_OK), true, CHECK_L7OK, false, "" },
		{ BYTES(R_OK "S"), false, CHECK_L7OK, false, "" },
		{ BYTES(R_OK "Z\0\0\0\5I"), false, CHECK_L7OK, false, "" },
		{ BYTES(R_OK FATAL("53300")), false, CHECK_L7STS, true, "SQLSTATE 53300: oh no" },
		{ BYTES(FATAL("57P03")), false, CHECK_L7STS, true, "SQLSTATE 57P03: oh no" },
		{ BYTES(FATAL("53300")), true, CHECK_L7STS, true, "SQLSTATE 53300: oh no" },
		{ BYTES(FATAL("57P01")), false, CHECK_L7STS, false, "SQLSTATE 57P01: oh no" },
		{ BYTES(FATAL("57P02")), false, CHECK_L7STS, false, "SQLSTATE 57P02: oh no" },
		{ BYTES(FATAL("XX000")), false, CHECK_L7STS, false, "SQLSTATE XX000: oh no" },
		{ BYTES(FATAL("28000")), false, CHECK_L7OK, false, "" },
		{ BYTES(FATAL("28P01")), false, CHECK_L7OK, false, "" },
		{ BYTES(FATAL("3D000")), false, CHECK_L7OK, false, "" },
		{ BYTES("E\0\0\0\x0c"
			"C57P03\0\0"),
			false, CHECK_L7STS, true, "SQLSTATE 57P03: no message" },
	};
	const struct check_talk talk = { .type = CHECK_POSTGRES };

	JUDGE_ALL(&talk, cases);
}

static void
postgres_hostile(void)
{
	static const struct answer_case cases[] = {
		{ BYTES(""), true, CHECK_L7RSP, false, "the connection ended without answer" },
		{ BYTES("R"), false, UNDECIDED, false, "" },
		{ BYTES("R"), true, CHECK_L7RSP, false, NULL },
		{ BYTES("N"), false, CHECK_L7RSP, false, NULL },
		{ BYTES("HTTP/1.1 400"), false, CHECK_L7RSP, false,
			"not a PostgreSQL server's answer: \"HTTP/1.1 400\"" },
		/* Lengths: less than their own, none, too much, all bits. */
		{ BYTES("R\0\0\0\7\0\0\0"), false, CHECK_L7RSP, false, NULL },
		{ BYTES("R\0\0\0\0\0\0\0\5"), false, CHECK_L7RSP, false, NULL },
		{ BYTES("R\xff\xff\xff\xff\0\0\0\5"), false, CHECK_L7RSP, false, NULL },
		{ BYTES("E\0\0\0\3"), false, CHECK_L7RSP, false, NULL },
		{ BYTES("E\0\0\x40\0"), false, CHECK_L7RSP, false, NULL },
		{ BYTES("E\0\0\x3f\xff"), false, UNDECIDED, false, "" },
		{ BYTES("E\x7f\xff\xff\xff"
			"C57P03\0"),
			false, CHECK_L7RSP, false, NULL },
		{ BYTES(R_OK "E\xff\xff\xff\xff"), false, CHECK_L7RSP, false, NULL },
		/* Fields: none, no end, no state, states that are none. */
		{ BYTES("E\0\0\0\4"), false, CHECK_L7RSP, false, NULL },
		{ BYTES("E\0\0\0\5\0"), false, CHECK_L7RSP, false, NULL },
		{ BYTES("E\0\0\0\x0a"
			"C57P03"
			"\0"),
			false, CHECK_L7RSP, false, NULL },
		{ BYTES("E\0\0\0\x0cMoh no\0\0"), false, CHECK_L7RSP, false, NULL },
		{ BYTES("E\0\0\0\x0d"
			"C57P033\0\0"),
			false, CHECK_L7RSP, false, NULL },
		{ BYTES("E\0\0\0\x0c"
			"C57p03\0\0"),
			false, CHECK_L7RSP, false, NULL },
		/* As servers older than the protocol, or without memory, say it. */
		{ BYTES("Eout of memory\n\0"), true, CHECK_L7RSP, false,
			"not a PostgreSQL server's answer: \"Eout of memory..\"" },
		{ BYTES("E\0\0\0\x18SFATAL\0C57P03\0Moh"), true, CHECK_L7RSP, false, NULL },
	};
	const struct check_talk talk = { .type = CHECK_POSTGRES };

	JUDGE_ALL(&talk, cases);
}

static void
postgres_request(void)
{
	struct check_talk talk = { .type = CHECK_POSTGRES, .user = (char[]){ "shunt" } };

	expect_request(&talk, BYTES("\0\0\0\x14\0\3\0\0user\0shunt\0\0"));
	talk.database = (char[]){ "shop" };
	expect_request(&talk, BYTES("\0\0\0\x22\0\3\0\0user\0shunt\0database\0shop\0\0"));
}

static void
mysql(void)
{
	static const struct answer_case cases[] = {
		{ BYTES(GREETING), false, CHECK_L7OK, false, "" },
		{ BYTES(TOO_MANY), true, CHECK_L7STS, true, "error 1040: Too many connections" },
		{ BYTES("\x1d\0\0\0\xff\x10\x04#08004Too many connections"), false, CHECK_L7STS,
			true, "error 1040: Too many connections" },
		{ BYTES("\x0a\0\0\0\xff\x69\x04"
			"blocked"),
			false, CHECK_L7STS, false, "error 1129: blocked" },
		{ BYTES("\3\0\0\0\xff\x10\x04"), false, CHECK_L7STS, true, "error 1040: " },
		/* Errors without code, greetings of other versions and without version. */
		{ BYTES("\2\0\0\0\xff\x10"), false, CHECK_L7RSP, false, NULL },
		{ BYTES("\3\0\0\0\x09"
			"5\0"),
			false, CHECK_L7RSP, false, NULL },
		{ BYTES("\3\0\0\0\n10"), false, CHECK_L7RSP, false, NULL },
		/* Lengths and numbers. */
		{ BYTES("\0\0\0\0"), false, CHECK_L7RSP, false, NULL },
		{ BYTES("\xff\xff\xff\0\n"), false, CHECK_L7RSP, false, NULL },
		{ BYTES("\xfc\x3f\0\0\n"), false, UNDECIDED, false, "" },
		{ BYTES("\xfd\x3f\0\0\n"), false, CHECK_L7RSP, false, NULL },
		{ BYTES("\x0b\0\0\1\n10.11.6\0xy"), false, CHECK_L7RSP, false, NULL },
		{ BYTES("\x0b\0\0\0\n10.11"), true, CHECK_L7RSP, false, NULL },
		{ BYTES("SSH-2.0-x\r\n"), false, CHECK_L7RSP, false,
			"not a MySQL server's answer: \"SSH-2.0-x\"" },
		{ BYTES(""), true, CHECK_L7RSP, false, "the connection ended without answer" },
	};
	const struct check_talk talk = { .type = CHECK_MYSQL };

	JUDGE_ALL(&talk, cases);
	CU_ASSERT_EQUAL(judge(&talk, BYTES(TOO_MANY), false).code, 1040);
	CU_ASSERT_EQUAL(judge(&talk, BYTES(GREETING), false).code, 0);
	expect_request(&talk, BYTES(""));
}

static void
mysql_login(void)
{
	static const struct answer_case cases[] = {
		{ BYTES(GREETING), false, UNDECIDED, false, "" },
		{ BYTES(GREETING), true, CHECK_L7RSP, false, NULL },
		{ BYTES(GREETING LOGGED_IN), false, CHECK_L7OK, false, "" },
		{ BYTES(GREETING DENIED), false, CHECK_L7STS, false, "error 1045: denied" },
		{ BYTES(GREETING USER_FULL), false, CHECK_L7STS, true, "error 1203: many" },
		{ BYTES(GREETING OTHER_LOGIN), false, CHECK_L7STS, false,
			"the user has no empty password by mysql_native_password, but "
			"caching_sha2_password" },
		{ BYTES(GREETING "\1\0\0\2\xfe"), false, CHECK_L7STS, false, NULL },
		{ BYTES(GREETING "\1\0\0\2\1"), false, CHECK_L7RSP, false, NULL },
		{ BYTES(GREETING "\0\0\0\2"), false, CHECK_L7RSP, false, NULL },
		{ BYTES(GREETING GREETING), false, CHECK_L7RSP, false, NULL },
		{ BYTES(TOO_MANY), false, CHECK_L7STS, true, NULL },
	};
	const struct check_talk talk = { .type = CHECK_MYSQL, .user = (char[]){ "probe" } };

	JUDGE_ALL(&talk, cases);
	expect_request(&talk,
		BYTES("\x3d\0\0\1\1\x82\x08\0\0\x40\0\0\x21\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
		      "\0"
		      "\0\0probe\0\0mysql_native_password\0\1\0\0\0\1"));
}

static const struct unit_test tests[] = {
	{ "redis", redis },
	{ "redis: with a password", redis_login },
	{ "postgres", postgres },
	{ "postgres: lengths and fields that are none", postgres_hostile },
	{ "postgres: requests", postgres_request },
	{ "mysql", mysql },
	{ "mysql: with a user", mysql_login },
};

UNIT_MAIN("check_databases", tests)
