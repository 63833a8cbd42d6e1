/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * shunt-dataplane: the packet process. Start order: settings, run directory, EAL, counters, ports,
 * kernel twins, workers, agent; stop order is the reverse.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_random.h>
#include <rte_version.h>

#define LOG_SUBSYSTEM "main"
#include "agent.h"
#include "eal.h"
#include "jsonfile.h"
#include "limit.h"
#include "port.h"
#include "probe_via.h"
#include "shunt/log.h"
#include "stats.h"
#include "twin.h"
#include "worker.h"
#include "xdp.h"

#define LOCK_TRIES  20 /* a process that was just killed takes a moment to be gone */
#define LOCK_TRY_MS 100

struct options {
	const char *config;
	const char *run_dir;
};

static void
usage(FILE *out)
{
	fprintf(out,
		"Usage: shunt-dataplane -c FILE [--run-dir DIR]\n"
		"The packet process: forwards what shunt-control tells it to.\n\n"
		"  -c, --config FILE  configuration; its dataplane section is read\n"
		"      --run-dir DIR  where the session socket is (" SHUNT_RUN_DIR_DEFAULT ")\n"
		"  -h, --help         this text\n"
		"  -V, --version      the version\n");
}

/* Returns -1 to go on, or the exit code. */
static int
parse_options(int argc, char **argv, struct options *options)
{
	static const struct option longs[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "run-dir", required_argument, NULL, 'r' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ 0 },
	};
	int option;

	*options = (struct options){ .run_dir = SHUNT_RUN_DIR_DEFAULT };
	while ((option = getopt_long(argc, argv, "c:hV", longs, NULL)) != -1) {
		if (option == 'c') {
			options->config = optarg;
		} else if (option == 'r') {
			options->run_dir = optarg;
		} else if (option == 'h') {
			usage(stdout);
			return 0;
		} else if (option == 'V') {
			printf("shunt-dataplane %s, %s\n", SHUNT_VERSION, rte_version());
			return 0;
		} else {
			usage(stderr);
			return 2;
		}
	}
	if (!options->config || optind < argc) {
		usage(stderr);
		return 2;
	}
	return -1;
}

static struct settings *
load_settings(const char *path)
{
	struct json_errors *errors = json_errors_create();
	struct settings *settings = errors ? settings_load(path, errors) : NULL;

	if (errors)
		json_errors_print(errors, path, stderr);
	json_errors_destroy(errors);
	return settings;
}

/*
 * Makes the run directory and locks it while this process lives. A second one would take the
 * first one's filter off the interfaces and its socket out of the directory before it noticed
 * that the queues are in use. The lock's descriptor, or -1 (logged).
 */
static int
take_run_dir(const char *run_dir)
{
	const struct timespec pause = { .tv_nsec = LOCK_TRY_MS * 1000000l };
	char path[SETTINGS_PATH_SIZE];
	int fd;

	if (mkdir(run_dir, 0750) < 0 && errno != EEXIST) {
		log_error("run directory %s: %s", run_dir, strerror(errno));
		return -1;
	}
	snprintf(path, sizeof(path), "%s/dataplane.lock", run_dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0) {
		log_error("%s: %s", path, strerror(errno));
		return -1;
	}
	for (int i = 0; i < LOCK_TRIES; i++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return fd;
		nanosleep(&pause, NULL);
	}
	log_error("another shunt-dataplane runs with run directory %s; stop it first", run_dir);
	close(fd);
	return -1;
}

/* From here on signals come through the agent's descriptor; threads inherit the mask. */
static void
block_signals(void)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* What has been opened, in this order; closed in the reverse. */
struct parts {
	struct shunt_stats *stats;
	int stats_fd;
	struct xdp *xdp;
	struct ports ports;
	struct twin *twin;
	struct probe_via *probe_via;
	struct limiter *limiter;
};

static int
run_agent(const struct options *options, const struct settings *settings, const struct parts *parts)
{
	uint32_t count = (uint32_t)settings->worker_count;
	struct worker *workers[SHUNT_MAX_WORKERS];
	const struct worker_settings worker_settings = {
		.ports = &parts->ports,
		.twin_rings = twin_rings(parts->twin),
		.stats = parts->stats,
		.flow_capacity = settings->flow_table_size,
		.half_open_max = settings->half_open_max,
		.sleeps = settings->idle == SETTINGS_IDLE_ADAPTIVE,
		.owner_seed = rte_rand(),
		.limiter = parts->limiter,
	};
	const struct agent_settings agent_settings = {
		.run_dir = options->run_dir,
		.ports = &parts->ports,
		.workers = workers,
		.worker_count = count,
		.stats = parts->stats,
		.stats_fd = parts->stats_fd,
		.xdp = parts->xdp,
		.probe_via = parts->probe_via,
		.limiter = parts->limiter,
		.owner_seed = worker_settings.owner_seed,
	};
	struct agent *agent;
	int result = workers_create(workers, settings->worker_lcores, count, &worker_settings);

	if (result < 0) {
		log_error("no memory for %u workers with flow tables of %u flows", count,
			settings->flow_table_size);
		return result;
	}
	agent = agent_create(&agent_settings);
	if (agent) {
		result = twin_start(parts->twin);
		if (result == 0)
			result = workers_launch(workers, count);
		if (result == 0) {
			log_info("%u workers ready", count);
			result = agent_run(agent);
		}
		agent_destroy(agent);
	} else {
		result = -EIO;
	}
	workers_destroy(workers, count);
	return result;
}

/* With the ports open. */
static int
run_ports(const struct options *options, const struct settings *settings, const char *filter,
	struct parts *parts)
{
	const uint64_t seed[2] = { rte_rand(), rte_rand() };
	int result = twin_create(&parts->twin, settings, &parts->ports);

	if (result == 0) {
		parts->probe_via = probe_via_create(settings, filter);
		parts->limiter =
			limiter_create(rte_get_tsc_hz(), settings->source_table_size, seed);
		result = parts->probe_via && parts->limiter ? run_agent(options, settings, parts)
							    : -ENOMEM;
		limiter_destroy(parts->limiter);
		probe_via_destroy(parts->probe_via);
	}
	twin_destroy(parts->twin);
	return result;
}

static int
run(const struct options *options, const struct settings *settings)
{
	char filter[SETTINGS_PATH_SIZE];
	struct parts parts = { 0 };
	int result;

	parts.stats = stats_create((uint32_t)settings->worker_count, &parts.stats_fd);
	if (!parts.stats) {
		log_error("no memory for the counters: %s", strerror(errno));
		return -errno;
	}
	parts.xdp = xdp_create();
	result = parts.xdp ? eal_find_filter(settings, filter, sizeof(filter)) : -ENOMEM;
	if (result == 0)
		result = ports_open(&parts.ports, settings, filter, parts.xdp);
	if (result == 0) {
		result = run_ports(options, settings, filter, &parts);
		ports_close(&parts.ports);
	}
	xdp_destroy(parts.xdp);
	stats_destroy(parts.stats);
	close(parts.stats_fd);
	return result;
}

int
main(int argc, char **argv)
{
	struct options options;
	struct settings *settings;
	int result = parse_options(argc, argv, &options), lock;

	if (result >= 0)
		return result;
	settings = load_settings(options.config);
	if (!settings)
		return 1;
	lock = take_run_dir(options.run_dir);
	if (lock < 0) {
		settings_destroy(settings);
		return 1;
	}
	block_signals();
	result = eal_start(settings);
	if (result == 0) {
		result = run(&options, settings);
		rte_eal_cleanup();
	}
	settings_destroy(settings);
	close(lock);
	return result < 0 ? 1 : 0;
}
