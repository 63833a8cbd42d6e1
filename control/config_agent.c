/* SPDX-License-Identifier: BSD-3-Clause */
/* "agent-check": what a server's agent is asked beside the check. */
#include <arpa/inet.h>
#include <stdlib.h>

#include "config_read.h"

#define AGENT_INTER_MS 2000

/* NULL, and an error: out of memory. */
static struct check_config *
add_agent(struct json_at at, struct config *config, const struct check_config *from)
{
	struct agent_config *agent = calloc(1, sizeof(*agent));

	if (!agent) {
		json_at_error(at, "out of memory");
		return NULL;
	}
	if (from)
		agent->check = *from;
	else
		agent->check = (struct check_config){
			.enabled = true, .inter_ms = AGENT_INTER_MS, .rise = 1, .fall = 1
		};
	agent->next = config->agents;
	config->agents = agent;
	return &agent->check;
}

void
config_read_agent(struct json_at at, uint32_t timeout_ms, struct config *config,
	const struct check_config **agent)
{
	static const char *const keys[] = { "port", "inter", "timeout", "address", "source-address",
		"send", "send-hex", NULL };
	struct json_at port_at = json_at_member(&at, "port");
	struct check_config *own;
	struct check_talk *talk;
	int64_t port;
	bool off;

	if (!config_get_object_or_false(at, keys, &off)) {
		if (off)
			*agent = NULL;
		return;
	}
	own = add_agent(at, config, *agent);
	talk = own ? config_add_talk(at, config, CHECK_AGENT, own->talk) : NULL;
	if (!talk)
		return;
	config_read_send(&at, talk);
	own->talk = talk;
	if (!own->port_be)
		json_at_require(port_at);
	if (json_get_int(port_at, 1, 65535, &port))
		own->port_be = htons((uint16_t)port);
	if (!own->timeout_ms)
		own->timeout_ms = timeout_ms;
	json_get_time_ms(json_at_member(&at, "inter"), CONFIG_INTER_MIN_MS, SHUNT_MAX_TIMEOUT_MS,
		&own->inter_ms);
	json_get_time_ms(json_at_member(&at, "timeout"), 1, SHUNT_MAX_TIMEOUT_MS, &own->timeout_ms);
	own->fastinter_ms = own->downinter_ms = own->inter_ms;
	config_read_probe_address(json_at_member(&at, "address"), &own->address);
	config_read_probe_address(json_at_member(&at, "source-address"), &own->source);
	*agent = own;
}
