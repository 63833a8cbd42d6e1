/* SPDX-License-Identifier: BSD-3-Clause */
/* What a probe has come to, and who is told. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "probe_impl.h"
#include "publish.h"
#include "server_agent.h"
#include "state.h"
#include "trackers.h"

#define LOG_SUBSYSTEM "probe"
#include "shunt/log.h"

#define PROBE_LOG_MS 10000 /* local errors are logged this often at most */

uint64_t
probe_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

struct check_report
probe_report_begin(const struct probe *probe, enum check_status status)
{
	return (struct check_report){
		.status = status,
		.duration_us = (uint32_t)(probe_now_us() - probe->started_us),
	};
}

void
probe_report_say(struct check_report *report, int error)
{
	snprintf(report->text, sizeof(report->text), "%s", strerror(error));
	report->text[0] = (char)tolower((unsigned char)report->text[0]); /* it ends a sentence */
}

static void
note_result(struct control *control, struct server *server, const struct check_report *report)
{
	const char *was = server_state_name(server);
	char why[CHECK_TEXT_SIZE + 64];

	if (server_probed(server, report, loop_now_ms(control->loop))) {
		publish_schedule_server(control->publish, server);
		check_report_text(report, why, sizeof(why));
		events_add(&control->events, server, was, why);
		trackers_changed(control, server);
	}
	server_agent_apply(control, server, &report->agent);
}

void
probe_report(struct probe *probe, const struct check_report *report)
{
	struct control *control = probe->prober->control;
	struct probe *member = probe;

	probe_stats_result(&control->probes, report);
	for (; member; member = prober_next_member(probe, member)) {
		if (member->agent)
			server_agent_probed(control, member->server, report);
		else
			note_result(control, member->server, report);
	}
}

/* What an operator can do about it. */
static const char *
remedy(const struct probe *probe, int error)
{
	bool via = probe_check(probe)->via_service;

	if (error == EMFILE)
		return "; raise the limit on open files";
	/* A socket that was never opened; later it is a rule of the firewall that forbids. */
	if (error == EPERM && probe->watch.fd < 0 &&
		check_transport(probe_check(probe)->talk) == CHECK_ECHO)
		return "; \"icmp\" needs its group in net.ipv4.ping_group_range, or CAP_NET_RAW";
	if (via && error == EPERM)
		return "; a probe through the service needs CAP_NET_ADMIN";
	if (via && error == ENOTCONN)
		return "; a probe through the service needs the dataplane";
	if (via && error == EOPNOTSUPP)
		return "; through the service it needs a kernel interface on the way, and tc "
		       "programs: see the dataplane's log";
	return "";
}

static void
log_missing(const struct probe *probe, int error)
{
	struct prober *prober = probe->prober;
	const struct server *server = probe->server;
	uint64_t now_ms = loop_now_ms(prober->loop);

	prober->unlogged++;
	if (prober->logged_ms != 0 && now_ms - prober->logged_ms < PROBE_LOG_MS)
		return;
	log_warn("%s/%s could not be probed from here, nothing is held against it: %s%s "
		 "(such errors since the last message: %lu)",
		server->backend->config.name, server->config.name, strerror(error),
		remedy(probe, error), (unsigned long)prober->unlogged);
	prober->logged_ms = now_ms;
	prober->unlogged = 0;
}

void
probe_report_error(struct probe *probe, int error)
{
	struct check_report report = probe_report_begin(probe, CHECK_SOCKERR);
	struct probe *member = probe;
	size_t length;

	probe_report_say(&report, error);
	length = strlen(report.text);
	snprintf(report.text + length, sizeof(report.text) - length, "%s", remedy(probe, error));
	probe_stats_result(&probe->prober->control->probes, &report);
	for (; member; member = prober_next_member(probe, member)) {
		member->server->check_error++;
		*(member->agent ? &member->server->agent->report : &member->server->report) =
			report;
	}
	log_missing(probe, error);
}
