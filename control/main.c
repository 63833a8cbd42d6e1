/* SPDX-License-Identifier: BSD-3-Clause */
/* shunt-control: options, start order, signals. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api_server.h"
#include "jsonfile.h"
#include "netlink.h"
#include "publish.h"
#include "removed.h"
#include "rules.h"
#include "state.h"

#define LOG_SUBSYSTEM "main"
#include "shunt/log.h"

enum {
	EXIT_USAGE = 2,
};

static const char usage[] =
	"usage: shunt-control -c FILE [--run-dir DIR] [--check]\n"
	"\n"
	"Probes the servers that FILE names and tells shunt-dataplane where to send traffic.\n"
	"Runs in the foreground and logs to standard error.\n"
	"\n"
	"  -c, --config FILE  the configuration, JSON\n"
	"      --run-dir DIR  where the sockets are (default " SHUNT_RUN_DIR_DEFAULT ")\n"
	"      --check        only check FILE: print every error, exit 0 (valid) or 1\n"
	"  -h, --help         print this and exit\n"
	"      --version      print the version and exit\n"
	"\n"
	"SIGHUP reloads FILE; SIGTERM and SIGINT stop, traffic goes on as it is.\n";

struct options {
	const char *config_path;
	const char *run_dir;
	bool check;
};

struct signals {
	struct loop_watch watch;
	struct control *control;
};

/* Returns -1 to go on, or the exit status. */
static int
parse_options(int argc, char **argv, struct options *options)
{
	enum {
		RUN_DIR = 256,
		CHECK,
		VERSION
	};
	static const struct option longs[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "run-dir", required_argument, NULL, RUN_DIR },
		{ "check", no_argument, NULL, CHECK },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, VERSION },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "c:h", longs, NULL)) != -1) {
		switch (option) {
		case 'c':
			options->config_path = optarg;
			break;
		case RUN_DIR:
			options->run_dir = optarg;
			break;
		case CHECK:
			options->check = true;
			break;
		case 'h':
			fputs(usage, stdout);
			return EXIT_SUCCESS;
		case VERSION:
			puts("shunt-control " SHUNT_VERSION);
			return EXIT_SUCCESS;
		default: /* getopt_long() has said what is wrong */
			fputs("try: shunt-control --help\n", stderr);
			return EXIT_USAGE;
		}
	}
	if (optind < argc)
		fprintf(stderr, "shunt-control: unexpected argument: %s\n", argv[optind]);
	else if (!options->config_path)
		fputs("shunt-control: no configuration given: -c FILE\n", stderr);
	else
		return -1;
	fputs("try: shunt-control --help\n", stderr);
	return EXIT_USAGE;
}

/* NULL: what is wrong has been printed. */
static struct config *
load(const char *path)
{
	struct json_errors *errors = json_errors_create();
	struct config *config;

	if (!errors) {
		log_error("out of memory");
		return NULL;
	}
	config = config_load(path, errors);
	json_errors_print(errors, path, stderr);
	json_errors_destroy(errors);
	return config;
}

static int
check(const char *path)
{
	struct config *config = load(path);

	if (!config)
		return EXIT_FAILURE;
	config_destroy(config);
	printf("%s: configuration is valid\n", path);
	return EXIT_SUCCESS;
}

static int
make_run_dir(const char *path)
{
	struct stat info;
	int error = 0;

	if (mkdir(path, 0750) < 0)
		error = errno;
	if (error == EEXIST)
		error = stat(path, &info) == 0 && S_ISDIR(info.st_mode) ? 0 : ENOTDIR;
	if (error)
		log_error("cannot make the run directory %s: %s; give another with --run-dir", path,
			strerror(error));
	return -error;
}

/* Every probe under way has a descriptor: as many as the hard limit allows. */
static void
raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		log_warn("cannot raise the limit on open files: %s", strerror(errno));
}

static void
on_signal(struct loop_watch *watch, uint32_t events)
{
	struct signals *signals = loop_container(watch, struct signals, watch);
	struct json_errors *errors = NULL;
	struct signalfd_siginfo info;

	(void)events;
	if (read(watch->fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	if (info.ssi_signo == SIGHUP) {
		log_info("SIGHUP: reloading %s", signals->control->config_path);
		control_reload(signals->control, &errors); /* logs what is wrong */
		json_errors_destroy(errors);
		return;
	}
	log_info("%s: stopping; the dataplane goes on with what it has",
		info.ssi_signo == SIGINT ? "SIGINT" : "SIGTERM");
	loop_stop(signals->control->loop);
}

/* Before anything else, so that a SIGHUP sent to a process that is still starting ends nothing. */
static void
signals_block(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGHUP);
	sigprocmask(SIG_BLOCK, set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* Signals are read from a descriptor, so that they come in turn with everything else. */
static int
signals_open(struct signals *signals, struct control *control, const sigset_t *set)
{
	int status;
	int fd = signalfd(-1, set, SFD_NONBLOCK | SFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	*signals = (struct signals){ .watch = { .fd = -1, .on_event = on_signal },
		.control = control };
	status = loop_watch(control->loop, &signals->watch, fd, EPOLLIN);
	if (status < 0)
		close(fd);
	return status;
}

/*
 * In order: the state, so that there is something to adopt health for; the API, which takes over
 * the socket's name from an instance that is still there; the kernel's view, which the first image
 * needs; last the dataplane, which is adopted before the loop runs and the first probe starts.
 */
static int
start(struct control *control, struct config *config)
{
	if (state_apply(control, config) < 0) {
		config_destroy(config);
		log_error("out of memory");
		return -ENOMEM;
	}
	control->api = api_server_create(control);
	if (!control->api)
		return -EIO; /* it has said why */
	control->netlink = netlink_create(control);
	if (!control->netlink) {
		log_error("cannot listen to the kernel's network (netlink): %s", strerror(errno));
		return -EIO;
	}
	control->publish = publish_create(control);
	if (!control->publish) {
		log_error("cannot prepare for the dataplane: %s", strerror(errno));
		return -EIO;
	}
	if (removed_watch(control) < 0 || rules_watch(control) < 0 || observe_watch(control) < 0) {
		log_error("out of memory");
		return -ENOMEM;
	}
	return 0;
}

/* The balanced addresses stay on the interfaces: the dataplane still forwards to them. */
static void
stop(struct control *control)
{
	if (control->api)
		api_server_destroy(control->api);
	control->api = NULL;
	if (control->publish)
		publish_destroy(control->publish);
	control->publish = NULL;
	if (control->netlink)
		netlink_destroy(control->netlink, true);
	control->netlink = NULL;
	state_destroy(control);
}

static int
run(struct control *control, struct config *config, const sigset_t *signal_set)
{
	struct signals signals;
	int status;

	control->loop = loop_create();
	status = control->loop ? signals_open(&signals, control, signal_set) : -errno;
	if (status < 0) {
		log_error("cannot start the event loop: %s", strerror(-status));
		loop_destroy(control->loop);
		config_destroy(config);
		return EXIT_FAILURE;
	}
	control->started_ms = loop_now_ms(control->loop);
	status = start(control, config);
	if (status == 0) {
		log_info("shunt-control " SHUNT_VERSION " runs, pid %d, %s, %s", (int)getpid(),
			control->config_path, control->run_dir);
		status = loop_run(control->loop);
		if (status < 0)
			log_error("the event loop failed: %s", strerror(-status));
	}
	stop(control);
	close(signals.watch.fd);
	loop_destroy(control->loop);
	return status < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int
main(int argc, char **argv)
{
	struct options options = { .run_dir = SHUNT_RUN_DIR_DEFAULT };
	struct control control = { 0 };
	struct config *config;
	sigset_t signal_set;
	int status = parse_options(argc, argv, &options);

	if (status >= 0)
		return status;
	if (options.check)
		return check(options.config_path);
	signals_block(&signal_set);
	config = load(options.config_path);
	if (!config)
		return EXIT_FAILURE;
	if (make_run_dir(options.run_dir) < 0) {
		config_destroy(config);
		return EXIT_FAILURE;
	}
	raise_descriptor_limit();
	control.config_path = options.config_path;
	control.run_dir = options.run_dir;
	return run(&control, config, &signal_set);
}
