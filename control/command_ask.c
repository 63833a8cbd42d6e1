/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands that the dataplane has to be asked for: where a flow goes, and what limits count. */
#include <errno.h>

#include "commands_impl.h"
#include "jsonfile.h"
#include "show.h"
#include "state.h"

/* The dataplane looks a flow up between two turns of its workers; this is ample. */
#define FLOW_TIMEOUT_MS 2000
/* Only one flow can be asked for at a time; another request's takes well under this. */
#define FLOW_TURN_MS 5
/* Client networks shown if nobody says how many. */
#define TOP_SOURCES 10

/* Nobody can be asked. */
static void
finish_unasked(struct command_request *request)
{
	if (request->rows)
		command_finish_counters(request, json_array());
	else
		command_finish_data(
			request, lookup_answer(request->control, &request->lookup, 0, 0));
}

static void
on_flow(void *context, int server)
{
	struct command_request *request = context;

	command_finish_data(request,
		lookup_answer(request->control, &request->lookup, server > 0 ? (uint32_t)server : 0,
			publish_flow_refusal(request->control->publish)));
}

static void
on_sources(void *context, int count)
{
	struct command_request *request = context;

	command_finish_counters(request,
		show_sources(request->control, publish_sources(request->control->publish),
			count > 0 ? (size_t)count : 0));
}

static int
ask_dataplane(struct command_request *request, const struct shunt_flow_query *query)
{
	struct publish *publish = request->control->publish;

	request->waiting = COMMAND_WAITS_FLOW;
	if (request->rows)
		return publish_sources_query(publish, request->rows, on_sources, request);
	return publish_flow_query(publish, query, on_flow, request);
}

/* Asks, or waits for its turn to ask. */
static void
ask_flow(struct command_request *request)
{
	struct control *control = request->control;
	const struct service *service = lookup_service(control, &request->lookup);
	uint64_t now_ms = loop_now_ms(control->loop);
	struct shunt_flow_query query = {
		.client = request->lookup.client,
		.client_port_be = request->lookup.client_port_be,
	};
	uint64_t delay_ms;
	int result;

	if ((!request->rows && (!service || !service->id)) || !control->publish ||
		!publish_connected(control->publish)) {
		finish_unasked(request);
		return;
	}
	query.service = service ? service->id : 0;
	if (service && service->port_be != service->last_port_be)
		query.range_port_be = request->lookup.port_be;
	result = ask_dataplane(request, &query);
	if (request->waiting == COMMAND_WAITS_NOT)
		return; /* answered within the call */
	if (result == 0) {
		delay_ms = request->deadline_ms > now_ms ? request->deadline_ms - now_ms : 0;
	} else if (result == -EBUSY && now_ms < request->deadline_ms) {
		request->waiting = COMMAND_WAITS_TURN;
		delay_ms = FLOW_TURN_MS;
	} else if (result == -ENOTCONN) {
		finish_unasked(request);
		return;
	} else {
		command_finish(request,
			command_error("the dataplane could not be asked: %s", strerror(-result)));
		return;
	}
	if (loop_timer_set(control->loop, &request->timer, delay_ms) < 0) {
		command_cancel(request);
		command_finish(request, NULL);
	}
}

static void
on_flow_timer(struct loop_timer *timer, uint64_t now_ms)
{
	struct command_request *request = loop_container(timer, struct command_request, timer);

	(void)now_ms;
	if (request->waiting == COMMAND_WAITS_TURN) {
		ask_flow(request);
		return;
	}
	command_cancel(request);
	command_finish(request,
		command_error("the dataplane did not say within %d ms what it was asked",
			FLOW_TIMEOUT_MS));
}

static void
start_asking(struct command_request *request)
{
	request->deadline_ms = loop_now_ms(request->control->loop) + FLOW_TIMEOUT_MS;
	request->timer.on_timer = on_flow_timer;
	ask_flow(request);
}

void
command_lookup(struct command_request *request, struct json_at args)
{
	if (!lookup_parse(&request->lookup, args)) {
		command_finish_refused(request, args.errors);
		return;
	}
	start_asking(request);
}

void
command_show_top_sources(struct command_request *request, struct json_at args)
{
	int64_t count = TOP_SOURCES;

	if (json_at_present(json_at_member(&args, "count")) &&
		!json_get_int(json_at_member(&args, "count"), 1, SHUNT_MAX_SOURCE_ROWS, &count)) {
		command_finish_refused(request, args.errors);
		return;
	}
	request->rows = (uint32_t)count;
	start_asking(request);
}
