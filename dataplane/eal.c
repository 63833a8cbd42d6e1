/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>

#define LOG_SUBSYSTEM "eal"
#include "eal.h"
#include "flow.h"
#include "hop.h"
#include "port.h"
#include "shunt/log.h"
#include "source_ports.h"
#include "track_cookie.h"
#include "track.h"

#define MAX_ARGS    (20 + 2 * SHUNT_MAX_PORTS)
#define SLACK_BYTES (96ull << 20) /* generations, rings, the EAL's own */
/* The largest configurations: 65,535 servers with tables as large as can be, three times. */
#define SLACK_PAGES_BYTES (640ull << 20)

/* An entry's share of a 64-byte bucket. */
#define FLOW_V4_BYTES 16
#define FLOW_V6_BYTES 32

#define FILTER_NAME "xdp_filter.bpf.o"

/*
 * What the ports' buffers and the workers' tables take. Of ordinary pages there is never more than
 * is set aside at the start, where hugepages may be added later.
 */
static uint64_t
needed_bytes(const struct settings *settings, bool huge)
{
	uint64_t flows = settings->flow_table_size;
	uint64_t worker = flows * 100 * FLOW_V4_BYTES / FLOW_MAX_LOAD_PERCENT +
		flows * 100 * FLOW_V6_BYTES / FLOW_MAX_LOAD_PERCENT_V6 + sizeof(struct hop_table) +
		TRACK_UNTRACKED_COUNT * sizeof(struct track_untracked) +
		cookie_flows_bytes(settings->flow_table_size) + sizeof(struct track_cookies);

	if (settings->memory_size_bytes)
		return settings->memory_size_bytes;
	/* A configuration may come to have full NAT; what is not touched by then costs nothing. */
	if (!huge)
		worker += source_ports_bytes(settings->flow_table_size);
	return (huge ? SLACK_BYTES : SLACK_PAGES_BYTES) +
		source_table_bytes(settings->source_table_size) +
		port_mbuf_bytes(port_mbuf_count(settings)) + settings->worker_count * worker;
}

static uint64_t
free_hugepage_bytes(void)
{
	static const struct {
		const char *path;
		uint64_t bytes;
	} sizes[] = {
		{ "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", 2ull << 20 },
		{ "/sys/kernel/mm/hugepages/hugepages-1048576kB/free_hugepages", 1ull << 30 },
	};
	uint64_t total = 0;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		FILE *file = fopen(sizes[i].path, "re");
		unsigned long pages = 0;

		if (!file)
			continue;
		if (fscanf(file, "%lu", &pages) == 1)
			total += pages * sizes[i].bytes;
		fclose(file);
	}
	return total;
}

/* 1: hugepages, 0: ordinary pages, or -ENOMEM (logged). */
static int
choose_memory(const struct settings *settings, uint64_t needed)
{
	uint64_t available = free_hugepage_bytes();

	if (settings->memory == SETTINGS_MEMORY_PAGES)
		return 0;
	if (available >= needed)
		return 1;
	if (settings->memory == SETTINGS_MEMORY_HUGEPAGES) {
		log_error("%lu MB of hugepages are needed and %lu MB are free; reserve more (echo "
			  "%lu > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages) or set "
			  "dataplane.memory to \"pages\"",
			needed >> 20, available >> 20, (needed >> 21) + 1);
		return -ENOMEM;
	}
	log_info("using ordinary pages: %lu MB of hugepages are needed and %lu MB are free",
		needed >> 20, available >> 20);
	return 0;
}

int
eal_start(const struct settings *settings)
{
	const char *args[MAX_ARGS];
	char memory[32], main_lcore[32];
	uint64_t needed = needed_bytes(settings, true);
	int count = 0, huge = choose_memory(settings, needed), result;
	bool pci = false;

	if (huge < 0)
		return huge;
	if (!huge)
		needed = needed_bytes(settings, false);
	snprintf(memory, sizeof(memory), "%lu", (needed >> 20) + 1);
	snprintf(main_lcore, sizeof(main_lcore), "%u", settings->main_lcore);
	args[count++] = "shunt-dataplane";
	args[count++] = "--lcores";
	args[count++] = settings->lcores;
	args[count++] = "--main-lcore";
	args[count++] = main_lcore;
	args[count++] = "--no-telemetry";
	args[count++] = "--log-level=*:warning";
	/* At its start it warns of every size of hugepages that a machine has none of. */
	args[count++] = "--log-level=lib.eal:error";
	args[count++] = "-m";
	args[count++] = memory;
	/* Either way no files are left behind; the EAL refuses --in-memory without hugepages. */
	args[count++] = huge ? "--in-memory" : "--no-shconf";
	if (!huge)
		args[count++] = "--no-huge";
	for (size_t i = 0; i < settings->port_count; i++) {
		if (!settings->ports[i].pci || settings->ports[i].interface[0])
			continue;
		args[count++] = "-a";
		args[count++] = settings->ports[i].device;
		pci = true;
	}
	if (!pci) {
		args[count++] = "--no-pci";
		args[count++] = "--iova-mode=va"; /* no device here knows physical addresses */
	}
	/* The EAL keeps the pointers and may move them about, but writes to no string. */
	result = rte_eal_init(count, (char **)(uintptr_t)args);
	if (result < 0) {
		log_error("DPDK did not start: %s", rte_strerror(rte_errno));
		return rte_errno > 0 ? -rte_errno : -EIO; /* not every failure sets it */
	}
	rte_log_set_level_pattern("lib.eal", RTE_LOG_WARNING);
	return 0;
}

int
eal_find_filter(const struct settings *settings, char *path, size_t size)
{
	char executable[SETTINGS_PATH_SIZE];
	bool needed = false;
	ssize_t n;

	path[0] = '\0';
	for (size_t i = 0; i < settings->port_count; i++)
		needed |= settings->ports[i].interface[0] != '\0';
	if (!needed)
		return 0;
	if (settings->xdp_filter[0]) {
		snprintf(path, size, "%s", settings->xdp_filter);
	} else {
		n = readlink("/proc/self/exe", executable, sizeof(executable) - 1);
		executable[n > 0 ? n : 0] = '\0';
		if (strrchr(executable, '/'))
			*strrchr(executable, '/') = '\0';
		snprintf(path, size, "%s/" FILTER_NAME, executable);
		if (access(path, R_OK) < 0)
			snprintf(path, size, "%s/" FILTER_NAME, SHUNT_FILTER_DIR);
	}
	if (access(path, R_OK) == 0)
		return 0;
	log_error("the XDP filter is not at %s: %s; set dataplane.xdp-filter to its place", path,
		strerror(errno));
	return -ENOENT;
}
