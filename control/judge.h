/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a frontend's rules say of a packet, found in the plainest way and out of the configuration:
 * for the command line, which asks seldom, and wants to know the rule.
 */
#ifndef CONTROL_JUDGE_H
#define CONTROL_JUDGE_H

#include "config.h"

struct control;
struct service;

struct judge_packet {
	struct shunt_addr source;
	struct shunt_addr destination;
	uint16_t source_port; /* as numbers */
	uint16_t destination_port;
	uint8_t protocol;
	const char *interface;	/* NULL: not known */
	const uint8_t *payload; /* NULL: not known */
	size_t payload_bytes;
};

/*
 * The index of the first rule that holds, by what the workers have last been told of conditions;
 * SIZE_MAX: none. *assumed: an ACL was asked for what is not known, and taken as not holding.
 */
size_t judge(const struct control *control, const struct service *service,
	const struct judge_packet *packet, bool *assumed);

/* "reject if !office", without `if` for a rule that always holds. */
void judge_rule_text(
	const struct config *config, const struct rule_config *rule, char *text, size_t size);
/* "accept", ... */
const char *judge_action_name(uint8_t action);

#endif
