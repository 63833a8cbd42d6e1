/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One line an event on standard error: time (UTC, ms), level, subsystem, message. One write(2) a
 * line, so that lines of different threads do not mix. Not for workers.
 *
 * A file that logs defines LOG_SUBSYSTEM before it includes this.
 */
#ifndef SHUNT_LOG_H
#define SHUNT_LOG_H

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static inline void __attribute__((format(printf, 3, 4)))
log_line(const char *level, const char *subsystem, const char *format, ...)
{
	char line[1024];
	struct timespec now;
	struct tm utc;
	va_list args;
	size_t used;
	int n;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	used = strftime(line, sizeof(line), "%Y-%m-%dT%H:%M:%S", &utc);
	n = snprintf(line + used, sizeof(line) - used, ".%03ldZ %-5s %s: ", now.tv_nsec / 1000000,
		level, subsystem);
	used += n > 0 ? (size_t)n : 0;
	va_start(args, format);
	n = vsnprintf(line + used, sizeof(line) - used - 1, format, args);
	va_end(args);
	used += n > 0 ? (size_t)n : 0;
	if (used > sizeof(line) - 2)
		used = sizeof(line) - 2;
	line[used++] = '\n';
	if (write(STDERR_FILENO, line, used) < 0)
		return; /* nowhere left to complain */
}

#define log_error(...) log_line("error", LOG_SUBSYSTEM, __VA_ARGS__)
#define log_warn(...)  log_line("warn", LOG_SUBSYSTEM, __VA_ARGS__)
#define log_info(...)  log_line("info", LOG_SUBSYSTEM, __VA_ARGS__)

#endif
