/* SPDX-License-Identifier: BSD-3-Clause */
/* From the words of a command line to a request, by the table of shunt/api.h. */
#ifndef SHUNTCTL_REQUEST_H
#define SHUNTCTL_REQUEST_H

#include <jansson.h>
#include <stdio.h>

/*
 * The command (enum shunt_command_id) that the words mean, and its arguments as a new object in
 * *args. SHUNT_CMD_COUNT if they mean none; then what is wrong, and what would be right, has been
 * written to `errors`.
 */
unsigned int request_parse(int word_count, char *const *words, json_t **args, FILE *errors);

/* {"command": ..., "args": ...}; takes args over. NULL: out of memory. */
json_t *request_create(unsigned int command, json_t *args);

/* A syntax as people read it: "%server:BACKEND/SERVER state" is "BACKEND/SERVER state". */
void request_print_syntax(const char *syntax, FILE *out);

/* The table of commands, for --help. 0 or -ENOMEM. */
int request_print_commands(FILE *out);

/* A script for bash that completes commands. */
void request_print_completion(FILE *out);

#endif
