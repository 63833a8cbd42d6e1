/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"

FILE *
file_open(const char *path, size_t max_bytes, char *problem, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	FILE *file = NULL;
	struct stat info;

	if (fd < 0 || fstat(fd, &info) < 0) {
		snprintf(problem, size, "cannot be read: %s", strerror(errno));
	} else if (!S_ISREG(info.st_mode)) {
		snprintf(problem, size, "is no regular file");
	} else if ((size_t)info.st_size > max_bytes) {
		snprintf(problem, size, "is larger than the limit of %zu bytes", max_bytes);
	} else {
		file = fdopen(fd, "re");
		if (!file)
			snprintf(problem, size, "out of memory");
	}
	if (fd >= 0 && !file)
		close(fd);
	return file;
}
