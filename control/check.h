/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a probe says to a server once it is connected, and what it makes of the answer. Pure: no
 * socket, no clock, no dice. One file a type: check_tcp.c, check_http.c, and
 * so on.
 *
 * Answers are a server's bytes, and may be anything: they are looked at up to CHECK_ANSWER_MAX,
 * and what of them gets into texts is printable ASCII.
 */
#ifndef CONTROL_CHECK_H
#define CONTROL_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHECK_ANSWER_MAX   16384 /* bytes */
#define CHECK_TEXT_SIZE	   128
#define CHECK_MAX_STATUSES 16

enum check_type {
	CHECK_TCP,
	CHECK_HTTP,
	CHECK_REDIS,
	CHECK_POSTGRES,
	CHECK_MYSQL,
	CHECK_AGENT,
	CHECK_UDP,
	CHECK_DNS,
	CHECK_ICMP,
	CHECK_TYPE_COUNT,
};

/* What carries requests and answers. */
enum check_transport {
	CHECK_STREAM,	/* a TCP connection: the answer is what has been heard so far */
	CHECK_DATAGRAM, /* UDP: a request is one datagram, and each that comes back an answer */
	CHECK_ECHO,	/* ICMP or ICMPv6, the same; there are no ports */
};

/* Results, by the names that HAProxy has for them (check_status of its statistics). */
enum check_status {
	CHECK_INI,     /* none yet */
	CHECK_SOCKERR, /* something is missing here: nothing is said of the server */
	CHECK_L4OK,    /* connected, or not refused, and nothing else was asked */
	CHECK_L4TOUT,  /* no connection, or nothing that answers a datagram, in time */
	CHECK_L4CON,   /* refused, or an ICMP error */
	CHECK_L6OK,    /* the TLS handshake succeeded, and nothing else was asked */
	CHECK_L6TOUT,
	CHECK_L6RSP, /* no TLS, an alert, or a certificate that is not good */
	CHECK_L7OK,
	CHECK_L7TOUT, /* connected, but no whole answer in time */
	CHECK_L7RSP,  /* not an answer as it should be */
	CHECK_L7STS,  /* an answer as it should be, that says no */
	CHECK_STATUS_COUNT,
};

/* What an agent has said, in the words of HAProxy's agent-check; each is there or not. */
enum check_agent_word {
	CHECK_AGENT_WEIGHT = 1 << 0,  /* "75%" */
	CHECK_AGENT_MAXCONN = 1 << 1, /* "maxconn:100" */
	CHECK_AGENT_READY = 1 << 2,
	CHECK_AGENT_DRAIN = 1 << 3,
	CHECK_AGENT_MAINT = 1 << 4,
	CHECK_AGENT_UP = 1 << 5,
	CHECK_AGENT_DOWN = 1 << 6, /* "down", "failed", "stopped" */
};

struct check_agent {
	uint16_t words; /* enum check_agent_word */
	uint16_t percent;
	uint32_t maxconn;
};

struct check_report {
	uint8_t status; /* enum check_status */
	bool soft;	/* it failed, and will pass by itself: starting, or too busy */
	uint16_t code;	/* of the protocol (HTTP's status, MySQL's error, DNS's rcode); 0: none */
	uint32_t duration_us;	    /* from the connect() on */
	char text[CHECK_TEXT_SIZE]; /* why; "": there is nothing to add */
	struct check_agent agent;   /* type agent: what it wants besides */
};

struct check_regex; /* check_match.c */
struct tls_context; /* tls_context.h */

#define CHECK_NAME_MAX 253 /* bytes of a DNS name */

/* TLS beneath a conversation. */
struct check_tls {
	bool verify;
	char *ca_file; /* its path; NULL: the system's certificates */
	char *sni;     /* these two NULL: see check_tls_names() */
	char *verify_host;
	char *alpn;			   /* names with commas between them; NULL: none */
	const struct tls_context *context; /* the configuration's */
};

/* A conversation, as the file describes it. It belongs to the configuration. */
struct check_talk {
	uint8_t type;  /* enum check_type */
	bool tls_word; /* the file's type is `tls` or `https`, which are `tcp` and `http` with TLS
			*/
	struct check_tls *tls; /* NULL: none */
	char *method;	       /* http only, up to headers; NULL elsewhere */
	char *path;
	char *version;
	char *host;    /* NULL: the server's address */
	char *headers; /* lines, each with its CR LF */
	char *send;    /* tcp, agent, udp: what is sent first; NULL: nothing, an empty datagram */
	size_t send_length;
	char *expect; /* in the answer (http: its body); NULL: anything */
	struct check_regex *regex;
	char *user; /* of a database; NULL: none is given */
	char *password;
	char *database;
	bool writable;	     /* postgres, mysql (with a user): a server that is read-only fails */
	char *query;	     /* dns only: a name that check_dns_name() takes */
	uint16_t query_type; /* of IANA's numbers */
	unsigned int status_count; /* http: the ranges of good statuses; dns: the good rcodes */
	struct check_statuses {
		uint16_t first;
		uint16_t last;
	} statuses[CHECK_MAX_STATUSES];
	unsigned int
		soft_count; /* the same of those that are soft failures, if they are not good */
	struct check_statuses soft_statuses[CHECK_MAX_STATUSES];
	struct check_talk *next; /* config's */
};

/*
 * What has come of the answer. Of datagrams it is the last one, whole, with the IPv4 header before
 * it if it was a raw socket that heard it; `bytes` is NULL while there was none.
 */
struct check_answer {
	const char *bytes;
	size_t length;
	bool ended;	     /* nothing more comes */
	const char *request; /* of datagrams: what was sent, as it was sent */
	size_t request_length;
};

/* "L4OK" */
const char *check_status_name(uint8_t status);
static inline bool
check_passed(const struct check_report *report)
{
	return report->status == CHECK_L4OK || report->status == CHECK_L6OK ||
		report->status == CHECK_L7OK;
}
/* "L7STS 503 in 1.2 ms: HTTP 503, expected 200-399"; `out` is cut to its size. */
void check_report_text(const struct check_report *report, char *out, size_t size);

/* Does it depend on the answer? */
static inline bool
check_expects(const struct check_talk *talk)
{
	return (talk->type != CHECK_TCP && talk->type != CHECK_UDP) || talk->expect || talk->regex;
}

/* Is it searched for something? That may take long: a millisecond. */
static inline bool
check_searches(const struct check_talk *talk)
{
	return talk->expect || talk->regex;
}

/* NULL is a connection and no more. */
enum check_transport check_transport(const struct check_talk *talk);

/*
 * What is to be sent, with `host` where the talk has none, which is the server's address and port,
 * an IPv6 address in brackets: to be freed. NULL: out of memory.
 */
char *check_request(const struct check_talk *talk, const char *host, size_t *length);
/*
 * Makes a request the only one of its kind, where a datagram's answer is known by that: ids and
 * data that nobody can foresee. `random` is new for each probe.
 */
#define CHECK_SALT_SIZE 16
void check_salt(const struct check_talk *talk, const uint8_t random[CHECK_SALT_SIZE], char *request,
	size_t length);

/*
 * Is the answer enough for a verdict? Then *report has its status, code and text. What is full or
 * ended always is. A datagram that is not enough is not the answer; another one may be.
 */
bool check_judge(const struct check_talk *talk, const struct check_answer *answer,
	struct check_report *report);

/* Either may be NULL: none. */
bool check_same_text(const char *a, const char *b);
/* Do they say and expect the same? Either may be NULL: nothing. */
bool check_talk_equal(const struct check_talk *a, const struct check_talk *b);
/* NULL: out of memory; one of NULL is empty. */
struct check_talk *check_talk_copy(const struct check_talk *talk);
void check_talk_destroy(struct check_talk *talk);

/* check_tls.c. As of a talk; either may be NULL. */
bool check_tls_equal(const struct check_tls *a, const struct check_tls *b);
/* NULL: out of memory. */
struct check_tls *check_tls_copy(const struct check_tls *tls);
void check_tls_destroy(struct check_tls *tls);
/*
 * What the server is told that is wanted of it ("": nothing), and the name or address that its
 * certificate must have. Where the talk does not say, HTTP's host does; else it is the address.
 */
void check_tls_names(const struct check_talk *talk, const char *address,
	char sni[CHECK_NAME_MAX + 1], char verify_host[CHECK_NAME_MAX + 1]);
/* Letters, digits, hyphens and underscores in labels, and no address. */
bool check_is_dns_name(const char *text);
/* IPv4 or IPv6, without brackets. */
bool check_is_address(const char *text);

/* check_match.c: what answers are searched for. */

/* NULL, and what is wrong with the pattern in `error`. Perl's syntax, by PCRE2. */
struct check_regex *check_regex_create(const char *pattern, char *error, size_t size);
void check_regex_destroy(struct check_regex *regex);
const char *check_regex_pattern(const struct check_regex *regex);
/* Does it have what the talk expects? True if that is nothing. */
bool check_matches(const struct check_talk *talk, const char *bytes, size_t length);
/* Why it does not: `report` is L7RSP and says what was expected, and what came. */
void check_mismatch(const struct check_talk *talk, const char *bytes, size_t length,
	struct check_report *report);
/* As check_judge(), by what is expected alone. */
bool check_expected(const struct check_talk *talk, const struct check_answer *answer,
	struct check_report *report);
/* The first bytes, for people: at most size - 1, what is not printable as '.'. */
void check_excerpt(const char *bytes, size_t length, char *out, size_t size);

/* L7RSP: it is not what `kind` of server ("a Redis server's") would say. Returns true. */
bool
check_foreign(const char *kind, const struct check_answer *answer, struct check_report *report);

/* L4TOUT: no datagram has come. Returns true. */
bool check_silent(struct check_report *report);

/* check_dns.c: for the configuration. */

#define CHECK_DNS_NAME_SIZE 255 /* RFC 1035, 3.1 */
#define CHECK_DNS_RCODE_MAX 15
/*
 * A name ("www.example.org", "." for the root; a dot at the end changes nothing) as it is sent.
 * Returns its length, 0: it is none. Any printable ASCII may be in labels but dots and backslashes.
 */
size_t check_dns_name(const char *text, uint8_t out[CHECK_DNS_NAME_SIZE]);
/* "SERVFAIL"; NULL: it has no name. */
const char *check_dns_rcode_name(unsigned int rcode);

/* One a type; check_request() and check_judge() call them. */
char *check_tcp_request(const struct check_talk *talk, const char *host, size_t *length);
char *check_http_request(const struct check_talk *talk, const char *host, size_t *length);
char *check_redis_request(const struct check_talk *talk, const char *host, size_t *length);
char *check_postgres_request(const struct check_talk *talk, const char *host, size_t *length);
char *check_mysql_request(const struct check_talk *talk, const char *host, size_t *length);
/* check_tcp_request() is also that of agent and udp. */
char *check_dns_request(const struct check_talk *talk, const char *host, size_t *length);
char *check_icmp_request(const struct check_talk *talk, const char *host, size_t *length);
void check_dns_salt(const uint8_t random[CHECK_SALT_SIZE], char *request, size_t length);
void check_icmp_salt(const uint8_t random[CHECK_SALT_SIZE], char *request, size_t length);
bool check_tcp_judge(const struct check_talk *talk, const struct check_answer *answer,
	struct check_report *report);
bool check_http_judge(const struct check_talk *talk, const struct check_answer *answer,
	struct check_report *report);
bool check_redis_judge(const struct check_talk *talk, const struct check_answer *answer,
	struct check_report *report);
bool check_postgres_judge(const struct check_talk *talk, const struct check_answer *answer,
	struct check_report *report);
bool check_mysql_judge(const struct check_talk *talk, const struct check_answer *answer,
	struct check_report *report);
bool check_agent_judge(const struct check_talk *talk, const struct check_answer *answer,
	struct check_report *report);
bool check_udp_judge(const struct check_talk *talk, const struct check_answer *answer,
	struct check_report *report);
bool check_dns_judge(const struct check_talk *talk, const struct check_answer *answer,
	struct check_report *report);
bool check_icmp_judge(const struct check_talk *talk, const struct check_answer *answer,
	struct check_report *report);

#endif
