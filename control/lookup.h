/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where would this packet go, and why: answered from the state and from the image the workers
 * run, with the selection code they use.
 */
#ifndef CONTROL_LOOKUP_H
#define CONTROL_LOOKUP_H

#include <jansson.h>

#include "jsonfile.h"
#include "shunt/types.h"

struct control;
struct service;

struct lookup {
	struct shunt_addr client;
	struct shunt_addr address;
	uint16_t client_port_be;
	uint16_t port_be;
	uint8_t protocol;		 /* enum shunt_protocol */
	char interface[SHUNT_NAME_SIZE]; /* "": not given */
	uint8_t payload[256];
	size_t payload_bytes; /* 0: not given */
};

/*
 * Reads the arguments {"protocol": "tcp"|"udp", "client": endpoint, "address": endpoint}, and
 * perhaps "interface": name and "payload": hexadecimal digits. False after adding errors.
 */
bool lookup_parse(struct lookup *lookup, struct json_at args);

/* The service the packet is for; NULL: none. */
const struct service *lookup_service(const struct control *control, const struct lookup *lookup);

/*
 * The answer's data. flow: the id of the server the client's flow has, 0 if it has none or if
 * nobody could be asked. refusal: enum shunt_drop: why a limit would refuse a new flow now, or 0.
 * NULL: out of memory.
 */
json_t *lookup_answer(const struct control *control, const struct lookup *lookup, uint32_t flow,
	uint32_t refusal);

#endif
