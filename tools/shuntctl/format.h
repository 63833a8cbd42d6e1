/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the answers of shunt-control look like to people. Data that is not what a command promises
 * (a control process of another version, or something else behind the socket) is shown as far as
 * it can be, never trusted.
 */
#ifndef SHUNTCTL_FORMAT_H
#define SHUNTCTL_FORMAT_H

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

/* Indented JSON and a newline. 0 or -ENOMEM. */
int format_json(const json_t *data, FILE *out);

/* The data of a command (enum shunt_command_id) as tables. 0 or -ENOMEM. */
int format_data(unsigned int command, const json_t *data, FILE *out);

#define FORMAT_TEXT_SIZE 32
/* "999 B", "1.5 KB", "20 MB": powers of 1000. */
void format_bytes(uint64_t bytes, char text[FORMAT_TEXT_SIZE]);
/* "59s", "3m12s", "4h05m", "2d3h". */
void format_age(uint64_t seconds, char text[FORMAT_TEXT_SIZE]);

#endif
