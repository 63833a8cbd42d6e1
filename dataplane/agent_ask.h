/* SPDX-License-Identifier: BSD-3-Clause */
/* What the agent asks the workers, who are not interrupted by it. Agent. */
#ifndef DATAPLANE_AGENT_ASK_H
#define DATAPLANE_AGENT_ASK_H

#include "agent.h"
#include "generation.h"
#include "shunt/session.h"

/* Where the workers are in time; good for as long as the settings. */
struct gen_moment agent_moment(const struct agent_settings *settings);

/*
 * Why a limit would refuse a new session of this client to the service now, or SHUNT_DROP_NONE.
 * generation: the running one, or NULL.
 */
enum shunt_drop agent_ask_limit(const struct agent_settings *settings,
	const struct generation *generation, const struct shunt_flow_query *query);

/*
 * Writes the client networks nearest to their limits, as many as have room in so many bytes;
 * returns how many. generation: the running one, or NULL. -ENOMEM.
 */
int agent_top_sources(const struct agent_settings *settings, const struct generation *generation,
	void *room, uint64_t bytes);

/* The server (id) of a flow, or 0: nobody has it. generation: the running one, or NULL. -EINVAL. */
int agent_find_flow(const struct agent_settings *settings, const struct generation *generation,
	const struct shunt_flow_query *query);

#endif
