/* SPDX-License-Identifier: BSD-3-Clause */
#include "commands.h"

#include <errno.h>
#include <stdarg.h>

#include "commands_impl.h"
#include "jsonfile.h"
#include "shunt/api.h"
#include "flow_mode.h"
#include "removed.h"
#include "show.h"
#include "state.h"
#include "trackers.h"

static void
finish(struct command_request *request, json_t *answer)
{
	loop_timer_cancel(request->control->loop, &request->timer);
	request->waiting = COMMAND_WAITS_NOT;
	request->done(request, answer);
}

json_t *
command_error(const char *format, ...)
{
	json_t *text;
	va_list list;

	va_start(list, format);
	text = json_vsprintf(format, list);
	va_end(list);
	return json_pack("{s:b, s:o}", "ok", 0, "error", text);
}

/* Takes the data over; NULL: out of memory. */
static void
finish_data(struct command_request *request, json_t *data)
{
	finish(request, data ? json_pack("{s:b, s:o}", "ok", 1, "data", data) : NULL);
}

/* Data with counters in it: zeros because nobody counts are not to be taken for zeros counted. */
static void
finish_counters(struct command_request *request, json_t *data)
{
	struct publish *publish = request->control->publish;

	if (!data || (publish && publish_connected(publish)))
		finish_data(request, data);
	else
		finish(request,
			json_pack("{s:b, s:o, s:s}", "ok", 1, "data", data, "warning",
				"the dataplane is not connected; its counters are shown as zero"));
}

/* The first thing that is wrong with the arguments. */
static void
finish_refused(struct command_request *request, const struct json_errors *errors)
{
	const struct json_error_entry *entry = json_errors_get(errors, 0);

	if (!entry) {
		finish(request, NULL);
		return;
	}
	/* "$.weight: ..." is the argument "weight". */
	finish(request,
		command_error("%s: %s",
			!strncmp(entry->path, "$.", 2) ? entry->path + 2 : "arguments",
			entry->message));
}

/*
 * Changes
 */

static void
finish_late(struct command_request *request, int worker)
{
	const struct shunt_stats *stats = publish_stats(request->control->publish);
	const unsigned int seconds = SHUNT_API_CHANGE_TIMEOUT_MS / 1000;

	if (worker < 0 || !stats || (uint32_t)worker >= stats->worker_count)
		finish(request,
			command_error("the change is made, but the dataplane has not acknowledged "
				      "it within %u s; it is applied as soon as it can be",
				seconds));
	else
		finish(request,
			command_error("the change is made, but worker %d (lcore %u) has not "
				      "acknowledged it within %u s; it is applied there as soon "
				      "as that worker runs again",
				worker, shunt_stats_worker(stats, (uint32_t)worker)->lcore,
				seconds));
}

static void
finish_change(struct command_request *request, int result, int worker)
{
	struct publish *publish = request->control->publish;
	json_t *answer;

	switch (result) {
	case 0:
	case -ENOTCONN:
		answer = json_pack("{s:b, s:I}", "ok", 1, "generation",
			(json_int_t)(publish ? publish_generation(publish) : 0));
		if (result)
			json_object_set_new(answer, "warning",
				json_string("the dataplane is not connected; the change is applied "
					    "when it is"));
		finish(request, answer);
		break;
	case -ETIMEDOUT:
		finish_late(request, worker);
		break;
	default:
		finish(request,
			command_error("the change is made, but the dataplane did not take it (%s) "
				      "and runs its "
				      "last generation; see the log of shunt-control",
				strerror(-result)));
	}
}

static void
on_acknowledged(struct publish_waiter *waiter, int result, int worker)
{
	finish_change(loop_container(waiter, struct command_request, waiter), result, worker);
}

/*
 * The state has been edited, of this server alone or (NULL) in any way: publish it, and answer when
 * the workers have it.
 */
static void
change_made(struct command_request *request, struct server *server)
{
	struct publish *publish = request->control->publish;
	int result;

	if (!publish) {
		finish_change(request, -ENOTCONN, -1);
		return;
	}
	if (server)
		publish_schedule_server(publish, server);
	else
		publish_schedule(publish);
	request->waiter = (struct publish_waiter){ .done = on_acknowledged };
	request->waiting = COMMAND_WAITS_CHANGE;
	result = publish_wait(publish, &request->waiter, SHUNT_API_CHANGE_TIMEOUT_MS);
	if (result && request->waiting == COMMAND_WAITS_CHANGE)
		finish_change(request, result, -1);
}

/* One of the file; NULL, and an error, if there is none. */
static struct server *
named_server(struct command_request *request, struct json_at args)
{
	struct json_at at = json_at_member(&args, "server");
	struct server *server;
	const char *path;

	if (!json_get_string(at, 2 * SHUNT_NAME_SIZE, &path))
		return NULL;
	server = state_find_server(request->control, path);
	if (server)
		return server;
	if (removed_next(request->control, path, NULL))
		json_at_error(at,
			"\"%s\" has been removed from the file and has but the connections it had; "
			"`shutdown sessions` ends them",
			path);
	else
		json_at_error(
			at, "no server \"%s\"; `show servers` lists them as BACKEND/SERVER", path);
	return NULL;
}

static void
run_set_server_state(struct command_request *request, struct json_at args)
{
	static const struct json_word states[] = {
		{ "ready", SHUNT_ADMIN_READY },
		{ "drain", SHUNT_ADMIN_DRAIN },
		{ "maint", SHUNT_ADMIN_MAINT },
		{ NULL, 0 },
	};
	struct server *server = named_server(request, args);
	const char *was;
	int state;

	if (!server || !json_get_word(json_at_member(&args, "state"), states, &state)) {
		finish_refused(request, args.errors);
		return;
	}
	was = server_state_name(server);
	server_set_admin(server, (enum shunt_admin_state)state);
	events_add(&request->control->events, server, was, "set by command");
	trackers_changed(request->control, server);
	change_made(request, server);
}

static void
run_set_server_weight(struct command_request *request, struct json_at args)
{
	struct server *server = named_server(request, args);
	int64_t weight;

	if (!server ||
		!json_get_int(json_at_member(&args, "weight"), 0, SHUNT_MAX_WEIGHT, &weight)) {
		finish_refused(request, args.errors);
		return;
	}
	server_set_weight(server, (uint16_t)weight);
	change_made(request, server);
}

/* Of a server of the file, else of those of this name that a reload has removed. */
static void
run_shutdown_sessions(struct command_request *request, struct json_at args)
{
	const char *path = json_string_value(json_object_get(args.value, "server"));
	struct server *server = path ? state_find_server(request->control, path) : NULL;
	struct server *removed =
		path && !server ? removed_next(request->control, path, NULL) : NULL;

	if (!removed)
		server = named_server(request, args);
	if (!removed && !server) {
		finish_refused(request, args.errors);
		return;
	}
	if (flow_mode_of(request->control, (server ? server : removed)->backend) ==
		FLOW_MODE_STATELESS) {
		json_at_error(json_at_member(&args, "server"),
			"the sessions of \"%s\" are not known: its frontends are \"stateless\"",
			path);
		finish_refused(request, args.errors);
		return;
	}
	if (server)
		server_shutdown_sessions(server);
	for (; removed; removed = removed_next(request->control, path, removed))
		server_shutdown_sessions(removed);
	change_made(request, NULL);
}

/* Bytes that a message took from a wild file name must not spoil the answer. */
static json_t *
json_text(const char *text)
{
	json_t *string = json_string(text);
	char *copy;

	if (string)
		return string;
	copy = strdup(text);
	if (!copy)
		return NULL;
	for (char *c = copy; *c; c++) {
		if (*c & 0x80)
			*c = '?';
	}
	string = json_string(copy);
	free(copy);
	return string;
}

static json_t *
reload_refused(const struct control *control, const struct json_errors *errors)
{
	const struct json_error_entry *entry;
	json_t *list = json_array(), *line, *file = json_text(control->config_path);
	size_t count = json_errors_count(errors);

	for (size_t i = 0; (entry = json_errors_get(errors, i)); i++) {
		if (entry->warning)
			continue;
		line = json_sprintf("%s: %s", entry->path, entry->message);
		json_array_append_new(list, line ? line : json_text(entry->message));
	}
	return json_pack("{s:b, s:o, s:o, s:o}", "ok", 0, "error",
		json_sprintf("the file has %zu error%s; the last good configuration stays", count,
			count == 1 ? "" : "s"),
		"file", file, "errors", list);
}

static void
run_reload(struct command_request *request, struct json_at args)
{
	struct json_errors *errors = NULL;
	int result = control_reload(request->control, &errors);

	(void)args;
	if (result == 0)
		change_made(request, NULL);
	else if (errors)
		finish(request, reload_refused(request->control, errors));
	else
		finish(request,
			command_error("reload failed: %s; the last good configuration stays",
				strerror(-result)));
	json_errors_destroy(errors);
}

/*
 * Questions
 */

static void
run_show_info(struct command_request *request, struct json_at args)
{
	(void)args;
	finish_data(request, show_info(request->control));
}

static void
run_show_stat(struct command_request *request, struct json_at args)
{
	(void)args;
	finish_counters(request, show_stat(request->control));
}

static void
run_show_servers(struct command_request *request, struct json_at args)
{
	(void)args;
	finish_counters(request, show_servers(request->control));
}

static void
run_show_events(struct command_request *request, struct json_at args)
{
	struct json_at at = json_at_member(&args, "count");
	int64_t count = EVENTS_MAX;

	if (json_at_present(at) && !json_get_int(at, 1, EVENTS_MAX, &count))
		finish_refused(request, args.errors);
	else
		finish_data(request, events_show(&request->control->events, (size_t)count));
}

static void
run_show_probes(struct command_request *request, struct json_at args)
{
	(void)args;
	finish_data(request, show_probes(request->control));
}

static void
run_show_drops(struct command_request *request, struct json_at args)
{
	(void)args;
	finish_counters(request, show_drops(request->control));
}

static void
run_show_rules(struct command_request *request, struct json_at args)
{
	(void)args;
	finish_counters(request, show_rules(request->control));
}

static void
run_show_workers(struct command_request *request, struct json_at args)
{
	(void)args;
	finish_data(request, show_workers(request->control));
}

static void
run_help(struct command_request *request, struct json_at args)
{
	json_t *list = json_array();

	(void)args;
	for (unsigned int i = 0; i < SHUNT_CMD_COUNT; i++) {
		const struct shunt_command *command = shunt_command(i);

		if (command->kind == SHUNT_COMMAND_LOCAL)
			continue;
		if (json_array_append_new(list,
			    json_pack("{s:s, s:s, s:s, s:b}", "command", command->name, "syntax",
				    command->syntax, "help", command->help, "mutates",
				    command->kind == SHUNT_COMMAND_CHANGE)) < 0) {
			json_decref(list);
			list = NULL;
		}
	}
	finish_data(request, list);
}

/*
 * For command_ask.c
 */

void
command_finish(struct command_request *request, json_t *answer)
{
	finish(request, answer);
}

void
command_finish_data(struct command_request *request, json_t *data)
{
	finish_data(request, data);
}

void
command_finish_counters(struct command_request *request, json_t *data)
{
	finish_counters(request, data);
}

void
command_finish_refused(struct command_request *request, const struct json_errors *errors)
{
	finish_refused(request, errors);
}

/*
 * The table, and who is meant by a request
 */

typedef void (*command_function)(struct command_request *request, struct json_at args);

static const command_function functions[SHUNT_CMD_COUNT] = {
	[SHUNT_CMD_SHOW_INFO] = run_show_info,
	[SHUNT_CMD_SHOW_STAT] = run_show_stat,
	[SHUNT_CMD_SHOW_SERVERS] = run_show_servers,
	[SHUNT_CMD_SHOW_EVENTS] = run_show_events,
	[SHUNT_CMD_SHOW_EVENTS_N] = run_show_events,
	[SHUNT_CMD_SHOW_PROBES] = run_show_probes,
	[SHUNT_CMD_SHOW_DROPS] = run_show_drops,
	[SHUNT_CMD_SHOW_WORKERS] = run_show_workers,
	[SHUNT_CMD_SHOW_TOP_SOURCES] = command_show_top_sources,
	[SHUNT_CMD_SHOW_TOP_SOURCES_N] = command_show_top_sources,
	[SHUNT_CMD_SET_SERVER_STATE] = run_set_server_state,
	[SHUNT_CMD_SET_SERVER_WEIGHT] = run_set_server_weight,
	[SHUNT_CMD_SHUTDOWN_SESSIONS] = run_shutdown_sessions,
	[SHUNT_CMD_RELOAD] = run_reload,
	[SHUNT_CMD_SHOW_RULES] = run_show_rules,
	[SHUNT_CMD_LOOKUP] = command_lookup,
	[SHUNT_CMD_LOOKUP_INTERFACE] = command_lookup,
	[SHUNT_CMD_LOOKUP_PAYLOAD] = command_lookup,
	[SHUNT_CMD_LOOKUP_BOTH] = command_lookup,
	[SHUNT_CMD_HELP] = run_help,
};

/* Are the keys of args exactly the arguments of the syntax? */
static bool
takes(const char *syntax, const json_t *args)
{
	const char *word, *colon;
	size_t length, count = 0;

	while ((word = shunt_command_word(&syntax, &length))) {
		char key[32];

		if (*word != '%')
			continue;
		colon = memchr(word, ':', length);
		if (!colon || (size_t)(colon - word) > sizeof(key))
			return false;
		memcpy(key, word + 1, (size_t)(colon - word) - 1);
		key[colon - word - 1] = '\0';
		if (!json_object_get(args, key))
			return false;
		count++;
	}
	return count == json_object_size(args);
}

/* The command's number; SHUNT_CMD_COUNT: none, then *known says whether the name was right. */
static unsigned int
find_command(const char *name, const json_t *args, bool *known)
{
	*known = false;
	for (unsigned int i = 0; i < SHUNT_CMD_COUNT; i++) {
		const struct shunt_command *command = shunt_command(i);

		if (!functions[i] || strcmp(command->name, name) != 0)
			continue;
		*known = true;
		if (takes(command->syntax, args))
			return i;
	}
	return SHUNT_CMD_COUNT;
}

static void
dispatch(
	struct command_request *request, const char *name, json_t *args, struct json_errors *errors)
{
	bool known;
	unsigned int id = find_command(name, args, &known);

	if (id < SHUNT_CMD_COUNT)
		functions[id](request, json_at_root(args, errors));
	else if (known)
		finish(request,
			command_error("\"%s\" does not take these arguments; the command \"help\" "
				      "lists those it takes",
				name));
	else
		finish(request,
			command_error("unknown command \"%s\"; the command \"help\" lists the "
				      "known ones",
				name));
}

void
command_start(struct command_request *request, json_t *object)
{
	struct json_errors *errors = json_errors_create();
	json_t *name = json_object_get(object, "command");
	json_t *given = json_object_get(object, "args");
	json_t *args = given ? json_incref(given) : json_object();

	if (!errors || !args)
		finish(request, NULL);
	else if (!json_is_string(name) || !json_is_object(args) ||
		json_object_size(object) != (given ? 2 : 1))
		finish(request,
			command_error("a request is {\"command\": NAME, \"args\": {...}}; the "
				      "command \"help\" lists the names"));
	else
		dispatch(request, json_string_value(name), args, errors);
	json_decref(args);
	json_errors_destroy(errors);
}

void
command_cancel(struct command_request *request)
{
	struct control *control = request->control;

	if (request->waiting == COMMAND_WAITS_CHANGE)
		publish_wait_cancel(control->publish, &request->waiter);
	else if (request->waiting == COMMAND_WAITS_FLOW)
		publish_flow_query_cancel(control->publish, request);
	request->waiting = COMMAND_WAITS_NOT;
	loop_timer_cancel(control->loop, &request->timer);
}
