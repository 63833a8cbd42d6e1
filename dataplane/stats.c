/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "stats.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010 /* Linux 5.1 */
#endif

struct shunt_stats *
stats_create(uint32_t workers, int *fd)
{
	uint64_t bytes = shunt_stats_bytes(workers);
	struct shunt_stats *stats = MAP_FAILED;
	struct timespec now;

	*fd = memfd_create("shunt-stats", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (*fd < 0)
		return NULL;
	if (ftruncate(*fd, (off_t)bytes) == 0)
		stats = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	if (stats == MAP_FAILED ||
		fcntl(*fd, F_ADD_SEALS,
			F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) < 0) {
		int reason = errno;

		if (stats != MAP_FAILED)
			munmap(stats, bytes);
		close(*fd);
		errno = reason;
		return NULL;
	}
	clock_gettime(CLOCK_REALTIME, &now);
	stats->magic = SHUNT_STATS_MAGIC;
	stats->version = SHUNT_SESSION_VERSION;
	stats->worker_count = workers;
	stats->pid = (uint32_t)getpid();
	stats->started_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
	stats->workers_offset = sizeof(*stats);
	stats->services_offset =
		stats->workers_offset + workers * sizeof(struct shunt_worker_stats);
	stats->servers_offset = stats->services_offset +
		(uint64_t)workers * SHUNT_MAX_SERVICES * sizeof(struct shunt_service_stats);
	stats->hits_offset = stats->servers_offset +
		(uint64_t)workers * SHUNT_MAX_SERVERS * sizeof(struct shunt_server_stats);
	return stats;
}

void
stats_destroy(struct shunt_stats *stats)
{
	munmap(stats, shunt_stats_bytes(stats->worker_count));
}
