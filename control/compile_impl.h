/* SPDX-License-Identifier: BSD-3-Clause */
/* What a compiler keeps: compile.c and adopt.c share it; nobody else needs it. */
#ifndef CONTROL_COMPILE_IMPL_H
#define CONTROL_COMPILE_IMPL_H

#include <string.h>

#include "compile.h"
#include "shunt/table.h"

/* Who an object is, whatever its id: names NUL-padded, no other padding. */
struct server_key {
	char backend[SHUNT_NAME_SIZE];
	char name[SHUNT_NAME_SIZE];
	struct shunt_addr address;
	uint16_t port_be;
};

struct service_key {
	struct shunt_addr address;
	uint16_t port_be;
	uint16_t last_port_be;
	uint16_t protocol;
};

struct backend_key {
	char name[SHUNT_NAME_SIZE];
};

struct limit_key {
	char frontend[SHUNT_NAME_SIZE];
};

static_assert(sizeof(struct server_key) == 2 * SHUNT_NAME_SIZE + 18, "no padding");
static_assert(sizeof(struct service_key) == 22, "no padding");

/* The way to a server. */
struct way {
	bool known;
	bool adopted; /* not the kernel's word, but that of the process before */
	struct shunt_nexthop nexthop;
};

struct compiler {
	struct ids *nexthops;
	struct ids *servers;
	struct ids *backends;
	struct ids *services;
	struct ids *locals;
	struct ids *sources;
	struct ids *limits;
	struct tables *tables;
	struct shunt_addr *local_addresses; /* scratch */
	struct way *last;		    /* known of each server, by id; NULL: of none */
};

/* `to` is zeroed. */
static inline void
compile_copy_name(char to[SHUNT_NAME_SIZE], const char from[SHUNT_NAME_SIZE])
{
	memcpy(to, from, strnlen(from, SHUNT_NAME_SIZE - 1));
}

#endif
