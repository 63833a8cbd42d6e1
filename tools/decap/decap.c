/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * shunt-decap: puts decap.bpf.c on an interface and stays until it is told to end. The program is
 * attached by a BPF link, which goes with its process, however that ends.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <net/if.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "decap.h"
#include "decap_object.h"

#define GUE_PORT 6080

struct options {
	const char *interface;
	unsigned long gue_port;
	struct decap_address sources[DECAP_MAX_SOURCES];
	unsigned int source_count;
};

static void
usage(FILE *out)
{
	fprintf(out,
		"Usage: shunt-decap -i INTERFACE [--gue-port N] [--from ADDRESS]...\n"
		"Takes the tunnel headers (IP in IP, GRE, GUE) off what Shunt sends to this "
		"server,\n"
		"until it gets SIGTERM or SIGINT; then it says how many there were.\n\n"
		"  -i, --interface NAME  where the packets come in\n"
		"  -p, --gue-port N      UDP port of GUE (6080)\n"
		"  -f, --from ADDRESS    take tunnels from this balancer, and drop those of "
		"others;\n"
		"                        may be given again. Without it anybody's are taken\n"
		"  -h, --help            this text\n");
}

static bool
read_address(const char *text, struct decap_address *address)
{
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };

	memcpy(address->bytes, mapped, sizeof(mapped));
	return inet_pton(AF_INET, text, address->bytes + 12) == 1 ||
		inet_pton(AF_INET6, text, address->bytes) == 1;
}

static bool
read_port(const char *text, unsigned long *port)
{
	char *end;

	errno = 0;
	*port = strtoul(text, &end, 10);
	return errno == 0 && end != text && *end == '\0' && *port >= 1 && *port <= 65535;
}

/* Takes one option. False: it is wrong, and has been told. */
static bool
take_option(struct options *options, int option, const char *value)
{
	switch (option) {
	case 'i':
		options->interface = value;
		return true;
	case 'p':
		if (read_port(value, &options->gue_port))
			return true;
		fprintf(stderr, "shunt-decap: %s is no port: use 1 to 65535\n", value);
		return false;
	case 'f':
		if (options->source_count == DECAP_MAX_SOURCES) {
			fprintf(stderr, "shunt-decap: more than %d addresses\n", DECAP_MAX_SOURCES);
			return false;
		}
		if (read_address(value, &options->sources[options->source_count++]))
			return true;
		fprintf(stderr, "shunt-decap: %s is no IPv4 or IPv6 address\n", value);
		return false;
	default:
		usage(stderr);
		return false;
	}
}

/* Returns -1 to go on, or the exit code. */
static int
parse_options(int argc, char **argv, struct options *options)
{
	static const struct option longs[] = {
		{ "interface", required_argument, NULL, 'i' },
		{ "gue-port", required_argument, NULL, 'p' },
		{ "from", required_argument, NULL, 'f' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int option;

	options->gue_port = GUE_PORT;
	while ((option = getopt_long(argc, argv, "i:p:f:h", longs, NULL)) != -1) {
		if (option == 'h') {
			usage(stdout);
			return 0;
		}
		if (!take_option(options, option, optarg))
			return 2;
	}
	if (!options->interface || optind < argc) {
		usage(stderr);
		return 2;
	}
	return -1;
}

/* What the program is told before it is loaded. */
static int
write_settings(struct bpf_object *object, const struct options *options)
{
	const struct decap_settings settings = {
		.gue_port_be = htons((uint16_t)options->gue_port),
		.any_source = options->source_count == 0,
	};
	struct bpf_map *map = bpf_object__find_map_by_name(object, ".rodata");

	return map ? bpf_map__set_initial_value(map, &settings, sizeof(settings)) : -ENOENT;
}

static int
write_sources(const struct bpf_object *object, const struct options *options)
{
	int fd = bpf_object__find_map_fd_by_name(object, "sources");
	unsigned char one = 1;

	for (unsigned int i = 0; i < options->source_count; i++) {
		if (bpf_map_update_elem(fd, &options->sources[i], &one, BPF_ANY) < 0)
			return -errno;
	}
	return 0;
}

static struct bpf_object *
open_program(const struct options *options)
{
	LIBBPF_OPTS(bpf_object_open_opts, open_options, .object_name = "shunt_decap");
	struct bpf_object *object =
		bpf_object__open_mem(decap_object, sizeof(decap_object), &open_options);
	int result = object ? write_settings(object, options) : -errno;

	if (result == 0)
		result = bpf_object__load(object);
	if (result == 0)
		result = write_sources(object, options);
	if (result == 0)
		return object;
	fprintf(stderr,
		"shunt-decap: cannot load the program: %s (it needs CAP_BPF and CAP_NET_ADMIN)\n",
		strerror(-result));
	bpf_object__close(object);
	return NULL;
}

static unsigned long long
read_counter(const struct bpf_object *object, unsigned int counter)
{
	int cpus = libbpf_num_possible_cpus();
	unsigned long long *values = cpus > 0 ? calloc((size_t)cpus, sizeof(*values)) : NULL;
	unsigned long long sum = 0;

	if (values &&
		bpf_map_lookup_elem(bpf_object__find_map_fd_by_name(object, "counters"), &counter,
			values) == 0) {
		for (int i = 0; i < cpus; i++)
			sum += values[i];
	}
	free(values);
	return sum;
}

/* Until SIGTERM or SIGINT. */
static int
serve(const struct bpf_object *object, const struct options *options, const sigset_t *signals)
{
	struct bpf_program *program = bpf_object__find_program_by_name(object, "shunt_decap");
	unsigned int index = if_nametoindex(options->interface);
	struct bpf_link *link;
	int signal;

	if (index == 0) {
		fprintf(stderr, "shunt-decap: there is no interface %s\n", options->interface);
		return 1;
	}
	link = bpf_program__attach_xdp(program, (int)index);
	if (!link) {
		fprintf(stderr, "shunt-decap: cannot attach to %s: %s%s\n", options->interface,
			strerror(errno),
			errno == EBUSY ? " (another XDP program is there: ip link show)" : "");
		return 1;
	}
	printf("taking tunnels off on %s, GUE at port %lu\n", options->interface,
		options->gue_port);
	fflush(stdout);
	sigwait(signals, &signal);
	bpf_link__destroy(link);
	printf("%llu packets taken out, %llu refused\n", read_counter(object, DECAP_TAKEN),
		read_counter(object, DECAP_REFUSED));
	return 0;
}

int
main(int argc, char **argv)
{
	static struct options options;
	int result = parse_options(argc, argv, &options);
	struct bpf_object *object;
	sigset_t signals;

	if (result >= 0)
		return result;
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	object = open_program(&options);
	if (!object)
		return 1;
	result = serve(object, &options, &signals);
	bpf_object__close(object);
	return result;
}
