/* SPDX-License-Identifier: BSD-3-Clause */
#include "show.h"

#include <stdio.h>
#include <unistd.h>

#include "flow_mode.h"
#include "jsonfile.h"
#include "publish.h"
#include "state.h"
#include "trackers.h"

/* The sums over all workers that show servers and show stat print. */
struct traffic {
	uint64_t sessions;
	uint64_t sessions_total;
	uint64_t in_packets;
	uint64_t in_bytes;
	uint64_t out_packets;
	uint64_t out_bytes;
	uint64_t refused;	 /* frontends only */
	uint64_t syn_unanswered; /* servers only, as the next */
	uint64_t syn_refused;
};

static const struct shunt_stats *
stats_of(const struct control *control)
{
	return control->publish ? publish_stats(control->publish) : NULL;
}

static uint32_t
worker_count(const struct shunt_stats *stats)
{
	if (!stats)
		return 0;
	return stats->worker_count < SHUNT_MAX_WORKERS ? stats->worker_count : SHUNT_MAX_WORKERS;
}

static void
traffic_add(struct traffic *sum, const struct traffic *part)
{
	sum->sessions += part->sessions;
	sum->sessions_total += part->sessions_total;
	sum->in_packets += part->in_packets;
	sum->in_bytes += part->in_bytes;
	sum->out_packets += part->out_packets;
	sum->out_bytes += part->out_bytes;
	sum->refused += part->refused;
	sum->syn_unanswered += part->syn_unanswered;
	sum->syn_refused += part->syn_refused;
}

static struct traffic
server_traffic(const struct shunt_stats *stats, uint32_t id)
{
	struct traffic sum = { 0 };

	if (!id || id >= SHUNT_MAX_SERVERS)
		return sum;
	for (uint32_t i = 0; i < worker_count(stats); i++) {
		const struct shunt_server_stats *s = &shunt_stats_servers(stats, i)[id];
		struct traffic part = { s->sessions, s->sessions_total, s->in_packets, s->in_bytes,
			s->out_packets, s->out_bytes, 0, s->syn_unanswered, s->syn_refused };

		traffic_add(&sum, &part);
	}
	return sum;
}

/* A removed server is there as long as somebody is connected to it, so that operators can wait. */
static bool
is_shown(const struct server *server, const struct shunt_stats *stats)
{
	return !server->removed || server->hold_ms > 0 ||
		server_traffic(stats, server->id).sessions > 0;
}

static uint16_t
server_weight(const struct server *server)
{
	return server->removed ? 0 : server->weight;
}

static struct traffic
service_traffic(const struct shunt_stats *stats, uint32_t id)
{
	struct traffic sum = { 0 };

	if (!id || id >= SHUNT_MAX_SERVICES)
		return sum;
	for (uint32_t i = 0; i < worker_count(stats); i++) {
		const struct shunt_service_stats *s = &shunt_stats_services(stats, i)[id];
		struct traffic part = { s->sessions, s->sessions_total, s->in_packets, s->in_bytes,
			s->out_packets, s->out_bytes, s->refused, 0, 0 };

		traffic_add(&sum, &part);
	}
	return sum;
}

static uint64_t
worker_drops(const struct shunt_worker_stats *worker)
{
	uint64_t drops = 0;

	for (unsigned int i = 1; i < SHUNT_DROP_COUNT; i++)
		drops += worker->drops[i];
	return drops;
}

static int
set_count(json_t *object, const char *key, uint64_t value)
{
	return json_object_set_new(object, key, json_integer((json_int_t)value));
}

static int
set_text(json_t *object, const char *key, const char *value)
{
	return json_object_set_new(object, key, json_string(value));
}

/* flow_mode: of stateless flows only those that are stored are sessions. */
static int
set_traffic(json_t *object, const struct traffic *traffic, enum flow_mode flow_mode)
{
	return set_count(object, "sessions", traffic->sessions) |
		set_count(object, "sessions_total", traffic->sessions_total) |
		set_count(object, "in_packets", traffic->in_packets) |
		set_count(object, "in_bytes", traffic->in_bytes) |
		set_count(object, "out_packets", traffic->out_packets) |
		set_count(object, "out_bytes", traffic->out_bytes) |
		set_text(object, "flow_mode", flow_mode_name(flow_mode));
}

/* The value, or NULL (and the value released) if a part of it could not be made. */
static json_t *
whole(json_t *value, int failed)
{
	if (!failed)
		return value;
	json_decref(value);
	return NULL;
}

static json_t *
info_worker(const struct shunt_worker_stats *worker)
{
	json_t *object = json_object();
	int failed;

	failed = set_count(object, "lcore", worker->lcore) |
		set_count(object, "generation", worker->generation) |
		set_count(object, "rx_packets", worker->rx_packets) |
		set_count(object, "tx_packets", worker->tx_packets) |
		set_count(object, "drops", worker_drops(worker)) |
		set_count(object, "flows", worker->flows) |
		set_count(object, "flows_max", worker->flows_max) |
		set_count(object, "half_open", worker->half_open) |
		set_count(object, "half_open_max", worker->half_open_max) |
		set_count(object, "flow_table_ipv4_bytes", worker->flow_v4_bytes) |
		set_count(object, "flow_table_ipv6_bytes", worker->flow_v6_bytes) |
		set_count(object, "source_port_bytes", worker->source_port_bytes) |
		set_count(object, "cookie_flow_bytes", worker->cookie_flow_bytes);
	return whole(object, failed);
}

/* Of this process, in physical memory; 0 if the kernel does not say. */
static uint64_t
rss_bytes(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	unsigned long pages = 0;

	if (!file)
		return 0;
	if (fscanf(file, "%*u %lu", &pages) != 1)
		pages = 0;
	fclose(file);
	return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static int
set_dataplane_memory(json_t *memory, const struct shunt_stats *stats)
{
	uint64_t v4 = 0, v6 = 0, ports = 0, cookies = 0;

	if (!stats)
		return 0;
	for (uint32_t i = 0; i < worker_count(stats); i++) {
		const struct shunt_worker_stats *w = shunt_stats_worker(stats, i);

		v4 += w->flow_v4_bytes;
		v6 += w->flow_v6_bytes;
		ports += w->source_port_bytes;
		cookies += w->cookie_flow_bytes;
	}
	return set_count(memory, "flow_table_bytes", v4 + v6) |
		set_count(memory, "flow_table_ipv4_bytes", v4) |
		set_count(memory, "flow_table_ipv6_bytes", v6) |
		set_count(memory, "source_port_bytes", ports) |
		set_count(memory, "cookie_flow_bytes", cookies) |
		set_count(memory, "generation_bytes",
			stats->table_bytes + stats->service_bytes + stats->server_bytes +
				stats->rule_bytes) |
		set_count(memory, "generation_table_bytes", stats->table_bytes) |
		set_count(memory, "generation_service_bytes", stats->service_bytes) |
		set_count(memory, "generation_server_bytes", stats->server_bytes) |
		set_count(memory, "generation_rule_bytes", stats->rule_bytes);
}

static json_t *
info_memory(const struct control *control)
{
	json_t *memory = json_object();
	int failed;

	failed = set_dataplane_memory(memory, stats_of(control)) |
		set_count(memory, "control_rss_bytes", rss_bytes()) |
		set_count(memory, "control_table_bytes",
			control->publish ? publish_table_bytes(control->publish) : 0);
	return whole(memory, failed);
}

json_t *
show_info(const struct control *control)
{
	const struct shunt_stats *stats = stats_of(control);
	bool connected = control->publish && publish_connected(control->publish);
	uint64_t generation = control->publish ? publish_generation(control->publish) : 0;
	uint64_t uptime_ms = loop_now_ms(control->loop) - control->started_ms;
	json_t *info = json_object(), *workers = json_array();
	int failed;

	failed = set_text(info, "version", SHUNT_VERSION) |
		set_count(info, "generation", generation) |
		set_count(info, "uptime_s", uptime_ms / 1000) |
		json_object_set_new(info, "dataplane_connected", json_boolean(connected)) |
		json_object_set_new(info, "memory", info_memory(control)) |
		json_object_set_new(info, "loop", show_loop(control));
	for (uint32_t i = 0; i < worker_count(stats); i++)
		failed |= json_array_append_new(workers, info_worker(shunt_stats_worker(stats, i)));
	failed |= json_object_set_new(info, "workers", workers);
	return whole(info, failed);
}

json_t *
show_workers(const struct control *control)
{
	const struct shunt_stats *stats = stats_of(control);
	json_t *workers = json_array();
	int failed = !workers;

	for (uint32_t i = 0; i < worker_count(stats); i++) {
		const struct shunt_worker_stats *w = shunt_stats_worker(stats, i);
		json_t *object = info_worker(w);
		double idle = w->loops ? (double)w->idle_loops / (double)w->loops : 0;
		double share = w->rx_packets ? (double)w->handed_over / (double)w->rx_packets : 0;

		failed |= set_count(object, "rx_bytes", w->rx_bytes) |
			set_count(object, "tx_bytes", w->tx_bytes) |
			set_count(object, "flows_created", w->flows_created) |
			set_count(object, "flows_expired", w->flows_expired) |
			set_count(object, "handed_over", w->handed_over) |
			set_count(object, "tx_handed_over", w->tx_handed_over) |
			json_object_set_new(
				object, "handed_over_share", json_real(share > 1 ? 1 : share)) |
			set_count(object, "untracked", w->untracked) |
			set_count(object, "half_open_over", w->half_open_over) |
			set_count(object, "syn_cookies_sent", w->syn_cookies_sent) |
			set_count(object, "syn_cookies_accepted", w->syn_cookies_accepted) |
			set_count(object, "cookie_flows", w->cookie_flows) |
			set_count(object, "exceptions", w->exceptions) |
			set_count(object, "sources_evicted", w->sources_evicted) |
			set_count(object, "icmp_sent", w->icmp_sent) |
			set_count(object, "tcp_challenges", w->tcp_challenges) |
			set_count(object, "tcp_resets", w->tcp_resets) |
			set_count(object, "flows_reset", w->flows_reset) |
			set_count(object, "sleeps", w->sleeps) |
			set_count(object, "punted", w->punted) |
			set_count(object, "injected", w->injected) |
			json_object_set_new(object, "idle", json_real(idle > 1 ? 1 : idle)) |
			json_array_append_new(workers, object);
	}
	return whole(workers, failed);
}

json_t *
show_drops(const struct control *control)
{
	const struct shunt_stats *stats = stats_of(control);
	json_t *drops = json_object();
	int failed = !drops;

	for (unsigned int reason = 1; reason < SHUNT_DROP_COUNT; reason++) {
		uint64_t count = 0;

		for (uint32_t i = 0; i < worker_count(stats); i++)
			count += shunt_stats_worker(stats, i)->drops[reason];
		failed |= set_count(drops, shunt_drop_name(reason), count);
	}
	return whole(drops, failed);
}

static const char *
admin_name(uint8_t admin)
{
	static const char *const names[SHUNT_ADMIN_COUNT] = {
		[SHUNT_ADMIN_READY] = "ready",
		[SHUNT_ADMIN_DRAIN] = "drain",
		[SHUNT_ADMIN_MAINT] = "maint",
	};

	return admin < SHUNT_ADMIN_COUNT ? names[admin] : "";
}

static const char *
health_name(uint8_t health)
{
	static const char *const names[SHUNT_HEALTH_COUNT] = {
		[SHUNT_HEALTH_UP] = "up",
		[SHUNT_HEALTH_DOWN] = "down",
		[SHUNT_HEALTH_NO_CHECK] = "no-check",
	};

	return health < SHUNT_HEALTH_COUNT ? names[health] : "";
}

/* Clocks may be set back: never a negative age. */
static uint64_t
age_s(uint64_t since_ms)
{
	uint64_t now_ms = state_wall_ms();

	return since_ms && now_ms > since_ms ? (now_ms - since_ms) / 1000 : 0;
}

static int
set_agent(json_t *object, const struct server *server)
{
	const struct check_report *report = server->agent ? &server->agent->report : NULL;
	char last[CHECK_TEXT_SIZE + 64] = "";

	if (report)
		check_report_text(report, last, sizeof(last));
	return set_text(object, "agent_status", report ? check_status_name(report->status) : "") |
		set_text(object, "last_agent", last);
}

static json_t *
show_server(const struct control *control, const struct server *server, enum flow_mode flow_mode)
{
	const struct shunt_stats *stats = stats_of(control);
	struct traffic traffic = server_traffic(stats, server->id);
	bool checked = server->config.check.enabled && !server->removed;
	uint64_t held_ms = checked ? flap_held_ms(&server->flap, &server->config.check.flap,
					     loop_now_ms(control->loop))
				   : 0;
	char address[JSON_ENDPOINT_TEXT_SIZE], last[CHECK_TEXT_SIZE + 64] = "";
	char tracks[2 * SHUNT_NAME_SIZE] = "";
	json_t *object = json_object();
	int failed;

	if (checked)
		check_report_text(&server->report, last, sizeof(last));
	if (server->tracked) {
		trackers_path(server->tracked, tracks, sizeof(tracks));
		snprintf(last, sizeof(last), "tracks %s", tracks);
	}
	json_server_endpoint_text(&server->config.address, server->config.port_be, address);
	failed = set_text(object, "backend", server->backend->config.name) |
		set_text(object, "server", server->config.name) |
		set_text(object, "address", address) |
		set_count(object, "weight", server_weight(server)) |
		set_text(object, "state", server_state_name(server)) |
		set_text(object, "admin", admin_name(server->admin)) |
		set_text(object, "health", health_name(server->health.verdict)) |
		set_traffic(object, &traffic, flow_mode) |
		set_count(object, "syn_unanswered", traffic.syn_unanswered) |
		set_count(object, "syn_refused", traffic.syn_refused) |
		set_count(object, "check_fail", server->check_fail) |
		set_count(object, "check_down", server->check_down) |
		set_count(object, "check_error", server->check_error) |
		set_count(object, "check_hurried", server->check_hurried) |
		set_count(object, "last_change_s", age_s(server->changed_ms)) |
		set_text(object, "check_status",
			checked ? check_status_name(server->report.status) : "") |
		set_count(object, "check_code", checked ? server->report.code : 0) |
		set_count(object, "check_duration_us", checked ? server->report.duration_us : 0) |
		set_text(object, "last_check", last) | set_count(object, "hold_ms", held_ms) |
		set_text(object, "tracks", tracks) | set_agent(object, server);
	return whole(object, failed);
}

json_t *
show_servers(const struct control *control)
{
	const struct shunt_stats *stats = stats_of(control);
	json_t *servers = json_array();
	int failed = !servers;

	for (size_t i = 0; i < control->backend_count && !failed; i++) {
		const struct backend *backend = control->backends[i];
		enum flow_mode flow_mode = flow_mode_of(control, backend);

		for (size_t j = 0; j < backend_all_count(backend); j++) {
			const struct server *server = backend_any(backend, j);

			if (is_shown(server, stats))
				failed |= json_array_append_new(
					servers, show_server(control, server, flow_mode));
		}
	}
	return whole(servers, failed);
}

static int
append_stat(json_t *rows, const char *type, const char *proxy, const char *name, const char *status,
	uint64_t weight, const struct traffic *traffic, enum flow_mode flow_mode)
{
	json_t *row = json_object();
	int failed;

	failed = set_text(row, "type", type) | set_text(row, "proxy", proxy) |
		set_text(row, "name", name) | set_text(row, "status", status) |
		set_count(row, "weight", weight) | set_traffic(row, traffic, flow_mode);
	return json_array_append_new(rows, whole(row, failed));
}

/* What only frontends have, to the row appended last. */
static int
add_limits(json_t *rows, const struct shunt_limit *limit, uint64_t refused)
{
	json_t *row = json_array_get(rows, json_array_size(rows) - 1);

	return set_count(row, "refused", refused) |
		json_object_set_new(row, "maxconn",
			limit->maxconn ? json_integer(limit->maxconn) : json_null());
}

/* The services of a frontend, its bind lines, stand one after the other in the state. */
static int
append_frontends(json_t *rows, const struct control *control, const struct shunt_stats *stats)
{
	int failed = 0;
	size_t i = 0;

	while (i < control->service_count) {
		const struct shunt_limit *limit = &control->services[i].limit;
		const char *name = control->services[i].frontend;
		enum flow_mode flow_mode =
			control->services[i].stateless ? FLOW_MODE_STATELESS : FLOW_MODE_STATEFUL;
		struct traffic sum = { 0 };

		for (; i < control->service_count && !strcmp(control->services[i].frontend, name);
			i++) {
			struct traffic part = service_traffic(stats, control->services[i].id);

			traffic_add(&sum, &part);
		}
		failed |=
			append_stat(rows, "frontend", name, "FRONTEND", "open", 0, &sum, flow_mode);
		failed |= add_limits(rows, limit, sum.refused);
	}
	return failed;
}

/* Servers first, then their sum, as HAProxy does. The weight is that of servers that are used. */
static int
append_backend(json_t *rows, const struct control *control, const struct backend *backend,
	const struct shunt_stats *stats)
{
	enum flow_mode flow_mode = flow_mode_of(control, backend);
	const char *name = backend->config.name;
	struct traffic sum = { 0 };
	uint64_t weight = 0;
	int failed = 0;

	for (size_t i = 0; i < backend_all_count(backend); i++) {
		const struct server *server = backend_any(backend, i);
		struct traffic traffic = server_traffic(stats, server->id);

		if (!is_shown(server, stats))
			continue;
		traffic_add(&sum, &traffic);
		if (server_state(server) == SHUNT_SERVER_UP)
			weight += server->weight;
		failed |= append_stat(rows, "server", name, server->config.name,
			server_state_name(server), server_weight(server), &traffic, flow_mode);
	}
	failed |= append_stat(
		rows, "backend", name, "BACKEND", weight ? "up" : "down", weight, &sum, flow_mode);
	return failed;
}

json_t *
show_stat(const struct control *control)
{
	const struct shunt_stats *stats = stats_of(control);
	json_t *rows = json_array();
	int failed = !rows;

	failed |= append_frontends(rows, control, stats);
	for (size_t i = 0; i < control->backend_count && !failed; i++)
		failed |= append_backend(rows, control, control->backends[i], stats);
	return whole(rows, failed);
}
