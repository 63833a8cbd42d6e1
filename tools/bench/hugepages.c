/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "hugepages.h"

#define FOLDER "/sys/kernel/mm/hugepages/hugepages-2048kB/"

static int
read_count(const char *path, unsigned long *count)
{
	FILE *file = fopen(path, "re");
	int fields;

	if (!file)
		return -errno;
	fields = fscanf(file, "%lu", count);
	fclose(file);
	return fields == 1 ? 0 : -EIO;
}

static int
write_count(unsigned long count)
{
	FILE *file = fopen(FOLDER "nr_hugepages", "we");
	int result = 0;

	if (!file)
		return -errno;
	if (fprintf(file, "%lu", count) < 0)
		result = -EIO;
	if (fclose(file) != 0)
		result = -errno;
	return result;
}

int
hugepages_reserve(struct hugepages *h, uint32_t megabytes)
{
	unsigned long needed = megabytes / 2 + 1, available = 0;
	int result = read_count(FOLDER "nr_hugepages", &h->before);

	h->during = h->before;
	if (result == 0)
		result = read_count(FOLDER "free_hugepages", &available);
	if (result == 0 && available < needed) {
		h->during = h->before + needed - available;
		result = write_count(h->during);
		read_count(FOLDER "free_hugepages", &available);
	}
	if (result == 0 && available >= needed)
		return 0;
	fprintf(stderr,
		"shunt-bench: %lu hugepages of 2 MB are needed and %lu are free%s%s; reserve them "
		"as root: echo %lu > " FOLDER "nr_hugepages\n",
		needed, available, result < 0 ? ": " : "", result < 0 ? strerror(-result) : "",
		h->before + needed);
	hugepages_release(h);
	return result < 0 ? result : -ENOMEM;
}

void
hugepages_release(const struct hugepages *h)
{
	if (h->during != h->before)
		write_count(h->before);
}
