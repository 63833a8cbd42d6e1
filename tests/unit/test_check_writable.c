/* SPDX-License-Identifier: BSD-3-Clause */
/* Checks with "writable": which databases take writes, by what they say, byte by byte. */
#include "answer_case.h"

#define STANDBY_OFF "S\0\0\0\x17in_hot_standby\0off\0"
#define STANDBY_ON  "S\0\0\0\x16in_hot_standby\0on\0"
#define READ_ONLY_OFF \
	"S\0\0\0\x26" \
	"default_transaction_read_only\0off\0"
#define READ_ONLY_ON  \
	"S\0\0\0\x25" \
	"default_transaction_read_only\0on\0"
#define VERSION                         \
	"S\0\0\0\x17server_version\x00" \
	"9.6\0"
#define KEY    "K\0\0\0\x0cpid!key!"
#define NOTICE "N\0\0\0\x11SWARNING\0Mx\0\0"
#define READY  "Z\0\0\0\5I"

static void
postgres_writable(void)
{
	static const struct answer_case cases[] = {
		{ BYTES(R_OK STANDBY_OFF READ_ONLY_OFF KEY READY), false, CHECK_L7OK, false, "" },
		{ BYTES(R_OK NOTICE READ_ONLY_OFF VERSION STANDBY_OFF NOTICE READY), true,
			CHECK_L7OK, false, "" },
		{ BYTES(R_OK STANDBY_ON READ_ONLY_OFF KEY READY), false, CHECK_L7STS, false,
			"read-only: in_hot_standby is on" },
		{ BYTES(R_OK STANDBY_OFF READ_ONLY_ON KEY READY), false, CHECK_L7STS, false,
			"read-only: default_transaction_read_only is on" },
		{ BYTES(R_OK STANDBY_ON READ_ONLY_ON READY), false, CHECK_L7STS, false,
			"read-only: in_hot_standby is on" },
		/* Until it is ready it may say so again. */
		{ BYTES(R_OK STANDBY_ON READ_ONLY_OFF STANDBY_OFF READY), false, CHECK_L7OK, false,
			"" },
		{ BYTES(R_OK STANDBY_OFF READ_ONLY_OFF STANDBY_ON READY), false, CHECK_L7STS, false,
			"read-only: in_hot_standby is on" },
		{ BYTES(R_OK STANDBY_OFF READ_ONLY_OFF KEY), false, UNDECIDED, false, "" },
		{ BYTES(R_OK STANDBY_OFF READ_ONLY_OFF KEY), true, CHECK_L7RSP, false, NULL },
		{ BYTES(R_OK STANDBY_OFF READ_ONLY_OFF KEY "Z\0\0\0\5"), true, CHECK_L7RSP, false,
			NULL },
		/* Servers before 14, and what says half of it. */
		{ BYTES(R_OK VERSION KEY READY), false, CHECK_L7STS, false,
			"does not say if it is read-only: \"writable\" needs PostgreSQL 14 or "
			"later" },
		{ BYTES(R_OK STANDBY_OFF READY), false, CHECK_L7STS, false, NULL },
		{ BYTES(R_OK READ_ONLY_OFF READY), false, CHECK_L7STS, false, NULL },
		{ BYTES(R_OK READ_ONLY_ON READY), false, CHECK_L7STS, false,
			"read-only: default_transaction_read_only is on" },
		/* Who is not let in learns nothing. */
		{ BYTES(R_MD5), false, CHECK_L7STS, false,
			"wants a password: \"writable\" needs a user that is let in without one "
			"(trust)" },
		{ BYTES("R\0\0\0\x17\0\0\0\nSCRAM-SHA-256\0\0"), true, CHECK_L7STS, false, NULL },
		{ BYTES(FATAL("28000")), false, CHECK_L7STS, false, "SQLSTATE 28000: oh no" },
		{ BYTES(R_OK FATAL("28P01")), false, CHECK_L7STS, false, "SQLSTATE 28P01: oh no" },
		{ BYTES(R_OK FATAL("3D000")), true, CHECK_L7STS, false, "SQLSTATE 3D000: oh no" },
		{ BYTES(FATAL("57P03")), false, CHECK_L7STS, true, "SQLSTATE 57P03: oh no" },
		{ BYTES(R_OK FATAL("53300")), true, CHECK_L7STS, true, "SQLSTATE 53300: oh no" },
		{ BYTES(R_OK STANDBY_OFF READ_ONLY_OFF FATAL("57P01")), false, CHECK_L7STS, false,
			"SQLSTATE 57P01: oh no" },
	};
	struct check_talk talk = { .type = CHECK_POSTGRES, .user = (char[]){ "shunt" } };

	talk.writable = true;
	JUDGE_ALL(&talk, cases);
	expect_request(&talk, BYTES("\0\0\0\x14\0\3\0\0user\0shunt\0\0X\0\0\0\4"));
	talk.database = (char[]){ "shop" };
	expect_request(&talk, BYTES("\0\0\0\x22\0\3\0\0user\0shunt\0database\0shop\0\0X\0\0\0\4"));
}

static void
postgres_writable_hostile(void)
{
	static const struct answer_case cases[] = {
		{ BYTES(""), true, CHECK_L7RSP, false, "the connection ended without answer" },
		{ BYTES("\0"), false, CHECK_L7RSP, false, NULL },
		{ BYTES("SSH-2.0-x\r\n"), false, CHECK_L7RSP, false,
			"not a PostgreSQL server's answer: \"SSH-2.0-x\"" },
		/* What may not come yet, or not again. */
		{ BYTES("Z"), false, CHECK_L7RSP, false, NULL },
		{ BYTES(STANDBY_OFF READ_ONLY_OFF READY), false, CHECK_L7RSP, false, NULL },
		{ BYTES(NOTICE), false, CHECK_L7RSP, false, NULL },
		{ BYTES(R_OK R_OK), false, CHECK_L7RSP, false, NULL },
		{ BYTES(R_OK R_MD5), false, CHECK_L7RSP, false, NULL },
		{ BYTES(R_OK "T"), false, CHECK_L7RSP, false, NULL },
		{ BYTES(R_OK "\0"), false, CHECK_L7RSP, false, NULL },
		/* Lengths: less than their own, less or more than they must be, too much. */
		{ BYTES("R\0\0\0\4"), false, CHECK_L7RSP, false, NULL },
		{ BYTES("R\0\0\0\7\0\0\0"), false, CHECK_L7RSP, false, NULL },
		{ BYTES("R\0\0\0\x09\0\0\0\0\0"), false, CHECK_L7RSP, false, NULL },
		{ BYTES("R\xff\xff\xff\xff\0\0\0\0"), false, CHECK_L7RSP, false, NULL },
		{ BYTES(R_OK "S\0\0\0\3"), false, CHECK_L7RSP, false, NULL },
		{ BYTES(R_OK "N\0\0\0\0"), false, CHECK_L7RSP, false, NULL },
		{ BYTES(R_OK "K\0\0\x40\0"), false, CHECK_L7RSP, false, NULL },
		{ BYTES(R_OK "K\0\0\x3f\xff"), false, UNDECIDED, false, "" },
		{ BYTES(R_OK "S\x7f\xff\xff\xff"), false, CHECK_L7RSP, false, NULL },
		{ BYTES(R_OK "Z\0\0\0\4"), false, CHECK_L7RSP, false, NULL },
		{ BYTES(R_OK "Z\0\0\0\6II"), false, CHECK_L7RSP, false, NULL },
		{ BYTES(R_OK STANDBY_OFF READ_ONLY_OFF "Z\0\0\0\5E"), false, CHECK_L7RSP, false,
			NULL },
		/* Parameters: none, without name, value or end, with more, with other values. */
		{ BYTES(R_OK "S\0\0\0\4"), false, CHECK_L7RSP, false, NULL },
		{ BYTES(R_OK "S\0\0\0\5\0"), false, CHECK_L7RSP, false, NULL },
		{ BYTES(R_OK "S\0\0\0\6\0\0"), false, UNDECIDED, false, "" },
		{ BYTES(R_OK "S\0\0\0\x12in_hot_standby"), false, CHECK_L7RSP, false, NULL },
		{ BYTES(R_OK "S\0\0\0\x13in_hot_standby\0"), false, CHECK_L7RSP, false, NULL },
		{ BYTES(R_OK "S\0\0\0\x16in_hot_standby\0off"), false, CHECK_L7RSP, false, NULL },
		{ BYTES(R_OK "S\0\0\0\x18in_hot_standby\0off\0\0"), false, CHECK_L7RSP, false,
			NULL },
		{ BYTES(R_OK "S\0\0\0\x16in_hot_standby\0no\0"), false, CHECK_L7RSP, false, NULL },
		{ BYTES(R_OK "S\0\0\0\x14in_hot_standby\0\0"), false, CHECK_L7RSP, false, NULL },
		{ BYTES(R_OK "S\0\0\0\x16in_hot_standbY\0on\0" READ_ONLY_OFF READY), false,
			CHECK_L7STS, false, NULL },
		{ BYTES(R_OK "E\0\0\0\5\0"), false, CHECK_L7RSP, false, NULL },
	};
	const struct check_talk talk = { .type = CHECK_POSTGRES, .writable = true };
	char *much = malloc(CHECK_ANSWER_MAX);

	JUDGE_ALL(&talk, cases);
	/* Notices without end. */
	CU_ASSERT_PTR_NOT_NULL_FATAL(much);
	memcpy(much, R_OK, 9);
	for (size_t i = 9; i < CHECK_ANSWER_MAX; i++)
		much[i] = "N\0\0\0\4"[(i - 9) % 5];
	CU_ASSERT_EQUAL(judge(&talk, much, CHECK_ANSWER_MAX - 1, false).status, UNDECIDED);
	CU_ASSERT_EQUAL(judge(&talk, much, CHECK_ANSWER_MAX, false).status, CHECK_L7RSP);
	free(much);
}

/* "def", four names that are empty, its own; and what kind of column it is. */
#define COLUMN_OF(name_size, name) \
	"\3def\0\0\0\0" name_size name "\x0c\x3f\0\1\0\0\0\x08\x80\0\0\0\0"
#define ONE_COLUMN  "\1\0\0\1\1"
#define COLUMN	    "\x28\0\0\2" COLUMN_OF("\x12", "@@global.read_only")
#define EOF_3	    "\5\0\0\3\xfe\0\0\2\0"
#define EOF_5	    "\5\0\0\5\xfe\0\0\2\0"
#define LOGIN	    GREETING LOGGED_IN
#define RESULT(row) LOGIN ONE_COLUMN COLUMN EOF_3 row EOF_5

static void
mysql_writable(void)
{
	static const struct answer_case cases[] = {
		{ BYTES(RESULT("\2\0\0\4\1\x30")), false, CHECK_L7OK, false, "" },
		{ BYTES(RESULT("\2\0\0\4\1\x30")), true, CHECK_L7OK, false, "" },
		{ BYTES(RESULT("\4\0\0\4\3OFF")), false, CHECK_L7OK, false, "" },
		{ BYTES(RESULT("\2\0\0\4\1\x31")), false, CHECK_L7STS, false,
			"read-only: read_only is 1" },
		{ BYTES(RESULT("\3\0\0\4\2ON")), false, CHECK_L7STS, false,
			"read-only: read_only is ON" },
		{ BYTES(RESULT("\x0e\0\0\4\x0dNO_LOCK_ADMIN")), false, CHECK_L7STS, false,
			"read-only: read_only is NO_LOCK_ADMIN" },
		{ BYTES(RESULT("\3\0\0\4\2\x30\x30")), false, CHECK_L7STS, false, NULL },
		/* Before it has answered it has not answered. */
		{ BYTES(LOGIN), false, UNDECIDED, false, "" },
		{ BYTES(LOGIN), true, CHECK_L7RSP, false, NULL },
		{ BYTES(LOGIN ONE_COLUMN COLUMN EOF_3 "\2\0\0\4\1\x30"), true, CHECK_L7RSP, false,
			NULL },
		/* Errors, at any place. */
		{ BYTES(TOO_MANY), true, CHECK_L7STS, true, "error 1040: Too many connections" },
		{ BYTES(GREETING DENIED), true, CHECK_L7STS, false, "error 1045: denied" },
		{ BYTES(GREETING OTHER_LOGIN), false, CHECK_L7STS, false, NULL },
		{ BYTES(LOGIN "\x0d\0\0\1\xff\x1c\7#HY000oops"), false, CHECK_L7STS, false,
			"error 1820: oops" },
		{ BYTES(LOGIN ONE_COLUMN COLUMN EOF_3 "\x0d\0\0\4\xff\x25\5#70100oops"), false,
			CHECK_L7STS, false, "error 1317: oops" },
		{ BYTES(LOGIN ONE_COLUMN COLUMN EOF_3 "\2\0\0\4\1\x30\2\0\0\5\xff\1"), false,
			CHECK_L7RSP, false, NULL },
	};
	struct check_talk talk = { .type = CHECK_MYSQL, .user = (char[]){ "probe" } };

	talk.writable = true;
	JUDGE_ALL(&talk, cases);
	CU_ASSERT_EQUAL(judge(&talk, BYTES(LOGIN "\3\0\0\1\xff\x1c\7"), false).code, 1820);
	expect_request(&talk,
		BYTES("\x3d\0\0\1\1\x82\x08\0\0\x40\0\0\x21\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
		      "\0"
		      "\0\0probe\0\0mysql_native_password\0"
		      "\x1a\0\0\0\3SELECT @@global.read_only\1\0\0\0\1"));
}

static void
mysql_writable_hostile(void)
{
	static const struct answer_case cases[] = {
		/* No result, another's, more columns than one, a file that it wants of us. */
		{ BYTES(LOGIN "\7\0\0\1\0\0\0\2\0\0\0"), false, CHECK_L7RSP, false, NULL },
		{ BYTES(LOGIN "\1\0\0\1\2"), false, CHECK_L7RSP, false, NULL },
		{ BYTES(LOGIN "\1\0\0\1\0"), false, CHECK_L7RSP, false, NULL },
		{ BYTES(LOGIN "\2\0\0\1\1\1"), false, CHECK_L7RSP, false, NULL },
		{ BYTES(LOGIN "\7\0\0\1\xfb/etc/x"), false, CHECK_L7RSP, false, NULL },
		{ BYTES(LOGIN "\0\0\0\1"), false, CHECK_L7RSP, false, NULL },
		{ BYTES(LOGIN "\xff\xff\xff\1\1"), false, CHECK_L7RSP, false, NULL },
		{ BYTES(LOGIN "\1\0\0\3\1"), false, CHECK_L7RSP, false, NULL },
		{ BYTES(LOGIN ONE_COLUMN "\x28\0\0\3" COLUMN_OF("\x12", "@@global.read_only")),
			false, CHECK_L7RSP, false, NULL },
		/* Definitions: cut, of too long a text, with more or less behind the texts. */
		{ BYTES(LOGIN ONE_COLUMN "\1\0\0\2\3"), false, CHECK_L7RSP, false, NULL },
		{ BYTES(LOGIN ONE_COLUMN "\4\0\0\2\3def"), false, CHECK_L7RSP, false, NULL },
		{ BYTES(LOGIN ONE_COLUMN "\x28\0\0\2" COLUMN_OF("\x13", "@@global.read_only")),
			false, CHECK_L7RSP, false, NULL },
		{ BYTES(LOGIN ONE_COLUMN "\x28\0\0\2" COLUMN_OF("\xfa", "@@global.read_only")),
			false, CHECK_L7RSP, false, NULL },
		{ BYTES(LOGIN ONE_COLUMN "\x28\0\0\2" COLUMN_OF("\xfc", "@@global.read_only")),
			false, CHECK_L7RSP, false, NULL },
		{ BYTES(LOGIN ONE_COLUMN "\x29\0\0\2" COLUMN_OF("\x12", "@@global.read_only") "\0"),
			false, CHECK_L7RSP, false, NULL },
		{ BYTES(LOGIN ONE_COLUMN "\x0b\0\0\2\3def\0\0\0\0\0\x0c\0"), false, CHECK_L7RSP,
			false, NULL },
		{ BYTES(LOGIN ONE_COLUMN "\x16\0\0\2\3def\0\0\0\0\0\x0d\0\0\0\0\0\0\0\0\0\0\0\0"),
			false, CHECK_L7RSP, false, NULL },
		/* Ends that are none. */
		{ BYTES(LOGIN ONE_COLUMN COLUMN "\2\0\0\3\1\x30"), false, CHECK_L7RSP, false,
			NULL },
		{ BYTES(LOGIN ONE_COLUMN COLUMN "\1\0\0\3\xfe"), false, CHECK_L7RSP, false, NULL },
		{ BYTES(LOGIN ONE_COLUMN COLUMN EOF_3 "\5\0\0\4\xfe\0\0\2\0"), false, CHECK_L7RSP,
			false, NULL },
	};
	const struct check_talk talk = {
		.type = CHECK_MYSQL, .user = (char[]){ "probe" }, .writable = true
	};

	JUDGE_ALL(&talk, cases);
}

static void
mysql_writable_values(void)
{
	static const struct answer_case cases[] = {
		/* Values: NULL, none, cut, with more behind it, no word, too long a one. */
		{ BYTES(RESULT("\1\0\0\4\xfb")), false, CHECK_L7RSP, false, NULL },
		{ BYTES(RESULT("\1\0\0\4\0")), false, CHECK_L7RSP, false, NULL },
		{ BYTES(RESULT("\2\0\0\4\2\x30")), false, CHECK_L7RSP, false, NULL },
		{ BYTES(RESULT("\3\0\0\4\1\x30\x30")), false, CHECK_L7RSP, false, NULL },
		{ BYTES(RESULT("\3\0\0\4\2\x30\n")), false, CHECK_L7RSP, false, NULL },
		{ BYTES(RESULT("\3\0\0\4\2\x30\0")), false, CHECK_L7RSP, false, NULL },
		{ BYTES(RESULT("\4\0\0\4\xfc\1\0\x30")), false, CHECK_L7RSP, false, NULL },
		{ BYTES(RESULT("\x21\0\0\4\x20"
			       "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")),
			false, CHECK_L7RSP, false, NULL },
		/* A row more. */
		{ BYTES(LOGIN ONE_COLUMN COLUMN EOF_3 "\2\0\0\4\1\x30\2\0\0\5\1\x31"), false,
			CHECK_L7RSP, false, NULL },
	};
	const struct check_talk talk = {
		.type = CHECK_MYSQL, .user = (char[]){ "probe" }, .writable = true
	};

	JUDGE_ALL(&talk, cases);
}

static const struct unit_test tests[] = {
	{ "postgres", postgres_writable },
	{ "postgres: bytes that do not say", postgres_writable_hostile },
	{ "mysql", mysql_writable },
	{ "mysql: bytes that do not say", mysql_writable_hostile },
	{ "mysql: values that do not say", mysql_writable_values },
};

UNIT_MAIN("check_writable", tests)
