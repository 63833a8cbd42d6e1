/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What oracle.py writes and oracle_run reads: services, and classes of exchanges. All integers are
 * in host order, all structs packed as they stand; fields that end in _be are as on the wire.
 *
 * A class is a few frames that go in, those that must come out, and how both are varied together:
 * a variable gets a value, the value is put in its places in all frames, and then the operations
 * make all checksums anew.
 */
#ifndef TESTS_ORACLE_STREAM_H
#define TESTS_ORACLE_STREAM_H

#include <stdint.h>

#define ORACLE_MAGIC	 0x4341524fu /* "ORAC" */
#define ORACLE_NAME	 48
#define ORACLE_VAR_BYTES 16
#define ORACLE_PARTS	 6

struct oracle_head {
	uint32_t magic;
	uint32_t services;
	uint32_t classes;
};

/* A service with one server; addresses in the form of struct shunt_addr. */
struct oracle_service {
	uint8_t address[16];
	uint16_t port_be;
	uint8_t protocol;
	uint8_t forward;
	uint8_t encap;
	uint8_t pad;
	uint16_t encap_port_be;
	uint8_t server[16];
	uint16_t server_port_be;
	uint8_t mac[6];
	uint8_t source[16];
};

enum oracle_role {
	ORACLE_IN = 0,	   /* sent, in the order of the buffers */
	ORACLE_OUT = 1,	   /* must come out */
	ORACLE_HIDDEN = 2, /* parts of others are copied from it */
};

/* Behind it: buffers, variables, places, operations, drops, and the bytes of the buffers. */
struct oracle_class {
	char name[ORACLE_NAME];
	uint16_t buffers;
	uint16_t vars;
	uint16_t places;
	uint16_t ops;
	uint16_t drops;
	uint16_t icmp_sent; /* how many of what comes out Shunt has made itself */
	uint16_t deferred;  /* packets that wait in vain, and are dropped some time later */
	uint16_t every;	    /* walked in each so manieth round */
};

struct oracle_buffer {
	uint16_t role; /* enum oracle_role */
	uint16_t port; /* that it comes in or goes out by */
	uint32_t bytes;
};

/* Its value: base, with random bits where mask has ones; counted up instead if `counts`. */
struct oracle_var {
	uint16_t bytes;
	uint16_t counts;
	uint8_t base[ORACLE_VAR_BYTES];
	uint8_t mask[ORACLE_VAR_BYTES];
};

struct oracle_place {
	uint16_t var;
	uint16_t buffer;
	uint16_t offset;
	int16_t add; /* to the value's last byte: a TTL counted down */
};

enum oracle_op_kind {
	ORACLE_SUM = 0,	 /* Internet checksum (RFC 1071) over the parts, into buffer and offset */
	ORACLE_COPY = 1, /* the first part to buffer and offset */
	ORACLE_WILD =
		2, /* the bytes at buffer and offset are not foreseen: parts[0].bytes of them */
};

struct oracle_part {
	uint16_t buffer;
	uint16_t offset;
	uint16_t bytes;
};

struct oracle_op {
	uint8_t kind;	    /* enum oracle_op_kind */
	uint8_t udp;	    /* a sum of 0 is sent as 0xffff */
	uint8_t version;    /* of the pseudo header; 0: none */
	uint8_t protocol;   /* in it */
	uint16_t buffer;    /* of the result */
	uint16_t offset;    /* of the result */
	uint16_t l3_buffer; /* where the addresses of the pseudo header stand */
	uint16_t l3_offset;
	/* SUM: added to the result, which is wrong by this much. WILD: which bits of its first
	 * byte. */
	uint16_t damage;
	uint16_t late; /* done when the frame that came out is known */
	uint16_t part_count;
	struct oracle_part parts[ORACLE_PARTS];
	uint16_t pad;
};

struct oracle_drop {
	char name[24]; /* as shunt_drop_name() */
	uint32_t count;
};

#endif
