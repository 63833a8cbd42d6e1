/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A control session: how a shunt-control process talks to shunt-dataplane.
 *
 * Control connects to RUN_DIR/dataplane.sock (SOCK_SEQPACKET). The dataplane answers with one
 * struct shunt_hello and two descriptors: the session memfd (made for this session alone, mapped
 * read-write) and the counters' memfd (stats.h, sealed against writing). The socket stays open as
 * doorbell: a datagram of one byte, either way, means "look at your ring". When it closes, the
 * dataplane unmaps the session and forgets what was not committed; the newest session wins, and
 * closes the one before. So a process that is killed, or stopped and continued, can leave nothing
 * half done.
 *
 * Session memory, by the offsets in the hello:
 *   to_dataplane	struct rte_ring, SHUNT_RING_COUNT elements of struct shunt_msg, SP/SC
 *   to_control		struct rte_ring, the same
 *   area		SHUNT_AREA_BYTES for control to place objects in (8-byte aligned)
 *   running		the objects of the running generation at the session's start: a row of
 *			struct shunt_object_header, each followed by its bytes, padded to 8
 *
 * Elements are values, never pointers. The dataplane trusts nothing in here: it keeps its own ring
 * indices and masks, and copies each object before it looks at it. An object's place in the area
 * may be used again once the dataplane has taken the message behind its PUT from the ring: when it
 * has taken the PUT alone, it may still be copying.
 *
 * One transaction is under way at a time: control sends BEGIN ... COMMIT and waits for the answer
 * DONE, which comes when every worker has acknowledged the new generation (or with the reason for
 * refusing it; then nothing has changed). LATE may come before DONE, once a transaction.
 */
#ifndef SHUNT_SESSION_H
#define SHUNT_SESSION_H

#include "table.h"

#define SHUNT_SESSION_MAGIC   0x53484e54u /* "SHNT" */
#define SHUNT_SESSION_VERSION 8		  /* of session.h, table.h and stats.h together */

#define SHUNT_RING_COUNT 4096u /* slots; one less is usable */
#define SHUNT_AREA_BYTES (64u << 20)

struct shunt_hello {
	uint32_t magic;
	uint32_t version;
	uint64_t memory_bytes; /* size of the session memfd */
	uint64_t to_dataplane_offset;
	uint64_t to_control_offset;
	uint64_t area_offset;
	uint64_t running_offset;
	uint64_t running_bytes;
	uint64_t generation; /* running now; 0: none yet */
	uint64_t stats_bytes;
	uint32_t pid;
	uint32_t port_count;
	struct shunt_port_info {
		char name[SHUNT_NAME_SIZE];
		char interface[16]; /* the kernel twin, empty if there is none */
		struct shunt_mac mac;
		uint8_t pad[2];
	} ports[SHUNT_MAX_PORTS];
};

struct shunt_object_header {
	uint32_t kind; /* enum shunt_kind */
	uint32_t id;
	uint64_t length; /* bytes, without this header and the padding */
};

enum shunt_op {
	/* control to dataplane */
	SHUNT_OP_BEGIN = 1,   /* generation: the one this change starts from */
	SHUNT_OP_PUT = 2,     /* kind, id, offset (in the area), length */
	SHUNT_OP_DELETE = 3,  /* kind, id */
	SHUNT_OP_COMMIT = 4,  /* generation: the new one, greater than the running one by 1..2^32 */
	SHUNT_OP_FLOW = 5,    /* offset of a struct shunt_flow_query in the area */
	SHUNT_OP_SOURCES = 6, /* offset in the area, length: room for the answer's rows */
	/* dataplane to control */
	SHUNT_OP_DONE = 16, /* generation, result; kind and id of the object at fault */
	SHUNT_OP_LATE = 17, /* generation; id: the first worker that has not acknowledged */
	/* result: server id, 0 for no flow, or -errno; kind: enum shunt_drop: why a limit would
	 * refuse a new one now, or 0 */
	SHUNT_OP_FLOW_ANSWER = 18,
	/* result: rows of struct shunt_source_row written where the question said, or -errno */
	SHUNT_OP_SOURCES_ANSWER = 19,
};

struct shunt_msg {
	uint32_t op; /* enum shunt_op */
	uint32_t kind;
	uint32_t id;
	int32_t result; /* 0 or -errno */
	uint64_t length;
	uint64_t offset;
	uint64_t generation;
};

/* Which server does this client's flow to this service have? */
struct shunt_flow_query {
	struct shunt_addr client;
	uint16_t client_port_be;
	uint16_t range_port_be; /* the service's, if it has several; else 0 */
	uint32_t service;	/* id */
};

/* A client network that limits know. */
struct shunt_source_row {
	struct shunt_addr network;
	uint32_t limit;	   /* id */
	uint32_t sessions; /* now */
	uint32_t rate;	   /* new ones a second, refused ones too */
	uint8_t bits;	   /* of the prefix: of 32, or of 128 */
	uint8_t pad[3];
	uint64_t refused;
};

static_assert(sizeof(struct shunt_source_row) == 40, "image layout");
static_assert(sizeof(struct shunt_msg) == 40, "ring element");
static_assert(sizeof(struct shunt_object_header) == 16, "image layout");
static_assert(sizeof(struct shunt_flow_query) == 24, "image layout");
static_assert(sizeof(struct shunt_acls) + SHUNT_ACLS_A_PIECE * sizeof(struct shunt_acl) +
			SHUNT_MAX_PIECE_PARTS *
				(sizeof(struct shunt_match) + sizeof(struct shunt_port_range)) <
		SHUNT_AREA_BYTES,
	"and so does the greatest piece of ACLs");
static_assert(SHUNT_MAX_OBJECT_BYTES < SHUNT_AREA_BYTES, "the greatest object fits the area");

#endif
