/* SPDX-License-Identifier: BSD-3-Clause */
/* Files that the configuration names. */
#ifndef CONTROL_FILES_H
#define CONTROL_FILES_H

#include <stddef.h>
#include <stdio.h>

/*
 * For reading, and only if it is a regular file, which nothing waits for, of at most max_bytes.
 * NULL, and "cannot be read: ..." or the like in `problem`.
 */
FILE *file_open(const char *path, size_t max_bytes, char *problem, size_t size);

#endif
