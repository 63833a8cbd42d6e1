/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every limit that more than one process must agree on. A limit is named here once; errors that
 * report one print the number from here.
 */
#ifndef SHUNT_LIMITS_H
#define SHUNT_LIMITS_H

#define SHUNT_VERSION "0.1.0"

/* Dataplane shape. */
#define SHUNT_MAX_WORKERS 64
#define SHUNT_MAX_PORTS	  16

/* Ids run from 1; 0 means "none" everywhere. The maxima below are one past the last id. */
#define SHUNT_MAX_SERVICES 8192 /* 13 bits of a flow's service field, and one past them */
#define SHUNT_MAX_BACKENDS 8192
#define SHUNT_MAX_SERVERS  65536 /* ids fit the uint16_t of a selection slot */
#define SHUNT_MAX_NEXTHOPS 65536
#define SHUNT_MAX_LIMITS   8192 /* a frontend has one or none */
#define SHUNT_MAX_LOCALS   4096 /* the balancer's own addresses */
#define SHUNT_MAX_SOURCES  255	/* full NAT's; 8 bits of a flow's value, of which one is taken */

/* ACLs and rules. Numbers run from 1 where there is a "none", so these too are one past the last.
 */
#define SHUNT_MAX_RULES	   (1u << 17)
#define SHUNT_MAX_ACLS	   (1u << 17)
#define SHUNT_MAX_SETS	   (1u << 18)	      /* of prefixes: two of an ACL at most */
#define SHUNT_MAX_PREFIXES (4u << 20)	      /* in all sets */
#define SHUNT_MAX_ROWS	   SHUNT_MAX_SERVICES /* of rules: a frontend has one */
#define SHUNT_MAX_TRUTHS   4096		      /* ACLs with conditions that control evaluates */
#define SHUNT_MAX_WAYS	   32768	      /* services times backends that they may lead to */
#define SHUNT_MAX_PIECES   (SHUNT_MAX_PREFIXES >> 12) /* objects that these ride in, of a kind */

#define SHUNT_MAX_BACKEND_SOURCES 16 /* source addresses of one backend */

/* Full NAT takes its source ports from here to 65535: none below is one for clients (RFC 6056). */
#define SHUNT_MIN_SOURCE_PORT 1024

/* Names: 63 bytes and a NUL. */
#define SHUNT_NAME_SIZE 64

/* Entries in a backend's selection table (a power of two) and in its round-robin schedule. */
#define SHUNT_MAX_SLOTS	   (1u << 20)
#define SHUNT_MAX_SCHEDULE (1u << 18)

#define SHUNT_MAX_WEIGHT 256

/* SYNs a second that a service may call no flood yet. */
#define SHUNT_MAX_SYN_FLOOD_RATE 100000000

/* What an MSS may be clamped to: every IPv4 host takes 536 (RFC 9293 3.7.1); jumbo frames end it.
 */
#define SHUNT_MIN_MSS 536
#define SHUNT_MAX_MSS 9000

/* Of a frontend's limits: new sessions a second, tokens of a bucket, sessions at a time. */
#define SHUNT_MAX_RATE	    1000000u
#define SHUNT_MAX_BURST	    1000000u
#define SHUNT_MAX_MAXCONN   100000000u
#define SHUNT_MIN_PREFIX    8 /* bits of the clients' networks that limits count */
#define SHUNT_MIN_PREFIX_V6 16

/* Rows of one look at the table of client networks. */
#define SHUNT_MAX_SOURCE_ROWS 1000u

/* Flow ages are kept in 16 bits of two-second ticks, so no timeout may come near 2^16 of them. */
#define SHUNT_FLOW_TICK_MS   2000
#define SHUNT_MAX_TIMEOUT_MS (24u * 3600 * 1000)

/* Configuration file: 65,535 servers, each with a neighbor, indented, are 13 MB. */
#define SHUNT_CONFIG_MAX_BYTES (32u << 20)
#define SHUNT_CONFIG_MAX_DEPTH 16

/* Control API: one JSON line, with its newline. */
#define SHUNT_API_MAX_LINE (64u << 10)

/*
 * The mark (SO_MARK) of a probe through a service: this and the server's id. The dataplane's tc
 * programs carry what has it.
 */
#define SHUNT_PROBE_MARK      0x5e000000u
#define SHUNT_PROBE_MARK_MASK 0xff000000u

#define SHUNT_RUN_DIR_DEFAULT  "/run/shunt"
#define SHUNT_DATAPLANE_SOCKET "dataplane.sock" /* SOCK_SEQPACKET, see session.h */
#define SHUNT_API_SOCKET       "control.sock"	/* SOCK_STREAM, see api.h */

#endif
