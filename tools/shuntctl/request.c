/* SPDX-License-Identifier: BSD-3-Clause */
#include "request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "shunt/api.h"
#include "table.h"

/* Longer words and lines are compared by their beginning only. */
#define MAX_TEXT 64

enum match {
	MATCH,
	MATCH_NOT,
	MATCH_BAD_VALUE, /* the words fit, a value does not; it has been said why */
};

/* A word of a syntax taken apart. */
struct syntax_word {
	bool is_argument;
	char key[MAX_TEXT];  /* of an argument */
	char text[MAX_TEXT]; /* what it stands for, or the word itself */
};

static bool
next_word(const char **syntax, struct syntax_word *word)
{
	const char *colon, *text;
	size_t length;

	text = shunt_command_word(syntax, &length);
	if (!text)
		return false;
	word->is_argument = *text == '%';
	word->key[0] = '\0';
	if (word->is_argument && (colon = memchr(text, ':', length))) {
		snprintf(word->key, sizeof(word->key), "%.*s", (int)(colon - text - 1), text + 1);
		length -= (size_t)(colon + 1 - text);
		text = colon + 1;
	}
	snprintf(word->text, sizeof(word->text), "%.*s", (int)length, text);
	return true;
}

/* Is `value` one of "a|b|c"? */
static bool
is_choice(const char *choices, const char *value)
{
	size_t length = strlen(value);

	if (strchr(value, '|'))
		return false;
	for (const char *c = choices; c; c = strchr(c, '|')) {
		c += *c == '|';
		if (!strncmp(c, value, length) && (c[length] == '|' || !c[length]))
			return true;
	}
	return false;
}

/* The value as JSON; NULL: it is none, and it has been said why. */
static json_t *
read_value(const struct syntax_word *word, const char *value, FILE *errors)
{
	json_t *string;

	if (!strcmp(word->text, "N")) {
		char *end;
		long long number;

		errno = 0;
		number = strtoll(value, &end, 10);
		if (*value && !*end && !errno)
			return json_integer(number);
		fprintf(errors, "shuntctl: %s: not a whole number: ", word->key);
	} else if (strchr(word->text, '|') && !is_choice(word->text, value)) {
		fprintf(errors, "shuntctl: %s: one of %s, not: ", word->key, word->text);
	} else {
		string = json_string(value);
		if (string)
			return string;
		fprintf(errors, "shuntctl: %s: not UTF-8: ", word->key);
	}
	print_safe(value, errors);
	fputc('\n', errors);
	return NULL;
}

/*
 * Do the words fit the syntax? The literal words decide first, so that a wrong value is told by
 * the command it is meant for.
 */
static enum match
match_syntax(const char *syntax, int word_count, char *const *words, json_t *args, FILE *errors)
{
	struct syntax_word word;
	const char *rest = syntax;
	int i = 0;

	while (next_word(&rest, &word)) {
		if (i == word_count || (!word.is_argument && strcmp(word.text, words[i]) != 0))
			return MATCH_NOT;
		i++;
	}
	if (i != word_count)
		return MATCH_NOT;
	rest = syntax;
	for (i = 0; next_word(&rest, &word); i++) {
		json_t *value;

		if (!word.is_argument)
			continue;
		value = read_value(&word, words[i], errors);
		if (!value)
			return MATCH_BAD_VALUE;
		json_object_set_new(args, word.key, value);
	}
	return MATCH;
}

/*
 * How many words the name has if the command line begins with it, else 0. *begun: how many words
 * they have in common.
 */
static int
match_name(const char *name, int word_count, char *const *words, int *begun)
{
	struct syntax_word word;

	for (*begun = 0; next_word(&name, &word); ++*begun) {
		if (*begun == word_count || strcmp(word.text, words[*begun]) != 0)
			return 0;
	}
	return *begun;
}

/* Levenshtein's distance, row by row. */
static size_t
distance(const char *a, const char *b)
{
	size_t row[MAX_TEXT + 1], length = strnlen(b, MAX_TEXT);

	for (size_t j = 0; j <= length; j++)
		row[j] = j;
	for (size_t i = 0; a[i]; i++) {
		size_t corner = row[0];

		row[0] = i + 1;
		for (size_t j = 0; j < length; j++) {
			size_t change = corner + (a[i] != b[j]);

			corner = row[j + 1];
			row[j + 1] = change;
			if (row[j] + 1 < row[j + 1])
				row[j + 1] = row[j] + 1;
			if (corner + 1 < row[j + 1])
				row[j + 1] = corner + 1;
		}
	}
	return row[length];
}

/* As many of the words as the name has, in one text. */
static void
join_words(const char *name, int word_count, char *const *words, char text[MAX_TEXT])
{
	struct syntax_word word;

	text[0] = '\0';
	for (int i = 0; i < word_count && next_word(&name, &word); i++) {
		size_t used = strlen(text);

		snprintf(text + used, MAX_TEXT - used, "%s%s", i ? " " : "", words[i]);
	}
}

static const char *
nearest_name(int word_count, char *const *words)
{
	const char *nearest = NULL;
	size_t least = 4; /* further away it is a guess, not a slip of the finger */

	for (unsigned int i = 0; i < SHUNT_CMD_COUNT; i++) {
		const char *name = shunt_command(i)->name;
		char text[MAX_TEXT];
		size_t d;

		join_words(name, word_count, words, text);
		d = distance(text, name);
		if (d < least && d < strlen(name) / 2 + 1) {
			least = d;
			nearest = name;
		}
	}
	return nearest;
}

static void
print_usage(unsigned int command, FILE *out)
{
	const struct shunt_command *info = shunt_command(command);

	fprintf(out, "usage: shuntctl %s%s", info->name, *info->syntax ? " " : "");
	request_print_syntax(info->syntax, out);
	fputc('\n', out);
}

/* The words are no command: says what could have been meant. */
static void
explain(int word_count, char *const *words, FILE *errors)
{
	const char *nearest;
	bool said = false;
	int begun;

	for (unsigned int i = 0; i < SHUNT_CMD_COUNT; i++) {
		bool named = match_name(shunt_command(i)->name, word_count, words, &begun) > 0;

		if (named || (begun && begun == word_count)) {
			print_usage(i, errors);
			said = true;
		}
	}
	if (said)
		return;
	nearest = nearest_name(word_count, words);
	fputs("shuntctl: unknown command \"", errors);
	for (int i = 0; i < word_count; i++) {
		fputs(i ? " " : "", errors);
		print_safe(words[i], errors);
	}
	if (nearest)
		fprintf(errors, "\"; did you mean \"%s\"?\n", nearest);
	else
		fputs("\"; shuntctl --help lists the commands\n", errors);
}

unsigned int
request_parse(int word_count, char *const *words, json_t **args, FILE *errors)
{
	for (unsigned int i = 0; i < SHUNT_CMD_COUNT; i++) {
		const struct shunt_command *command = shunt_command(i);
		int begun;
		int length = match_name(command->name, word_count, words, &begun);
		enum match match;

		if (!length)
			continue;
		*args = json_object();
		match = match_syntax(
			command->syntax, word_count - length, words + length, *args, errors);
		if (match == MATCH)
			return i;
		json_decref(*args);
		*args = NULL;
		if (match == MATCH_BAD_VALUE)
			return SHUNT_CMD_COUNT;
	}
	explain(word_count, words, errors);
	return SHUNT_CMD_COUNT;
}

json_t *
request_create(unsigned int command, json_t *args)
{
	return json_pack("{s:s, s:o}", "command", shunt_command(command)->name, "args", args);
}

void
request_print_syntax(const char *syntax, FILE *out)
{
	struct syntax_word word;

	for (bool first = true; next_word(&syntax, &word); first = false)
		fprintf(out, "%s%s", first ? "" : " ", word.text);
}

int
request_print_commands(FILE *out)
{
	struct table *table = table_create(2);
	int result;

	if (!table)
		return -ENOMEM;
	for (unsigned int i = 0; i < SHUNT_CMD_COUNT; i++) {
		const struct shunt_command *command = shunt_command(i);
		const char *syntax = command->syntax;
		struct syntax_word word;
		char line[2 * MAX_TEXT];
		size_t used = (size_t)snprintf(line, sizeof(line), "%s", command->name);

		while (used < sizeof(line) && next_word(&syntax, &word))
			used += (size_t)snprintf(
				line + used, sizeof(line) - used, " %s", word.text);
		table_cell(table, line);
		table_cell(table, command->help);
	}
	result = table_print(table, 2, out);
	table_destroy(table);
	return result;
}

/* One line for each word of a command: what may follow the words before it. */
static void
print_completion_line(const char *before, const struct syntax_word *word, FILE *out)
{
	if (word->is_argument && !strcmp(word->text, "FILE")) {
		fprintf(out, "\t[[ $line == \"%s\" ]] && COMPREPLY+=($(compgen -f -- \"$now\"))\n",
			before);
		return;
	}
	if (word->is_argument && !strchr(word->text, '|'))
		return;
	fprintf(out, "\t[[ $line == \"%s\" ]] && words+=\" ", before);
	for (const char *c = word->text; *c; c++)
		fputc(*c == '|' ? ' ' : *c, out);
	fputs("\"\n", out);
}

void
request_print_completion(FILE *out)
{
	fputs("# bash completion of shuntctl: source <(shuntctl --completion bash)\n"
	      "_shuntctl()\n{\n\tlocal words= now=${COMP_WORDS[COMP_CWORD]}\n"
	      "\tlocal line=\"${COMP_WORDS[*]:1:COMP_CWORD-1}\"\n\n\tCOMPREPLY=()\n",
		out);
	for (unsigned int i = 0; i < SHUNT_CMD_COUNT; i++) {
		const char *parts[] = { shunt_command(i)->name, shunt_command(i)->syntax };
		char before[2 * MAX_TEXT] = "";

		for (size_t part = 0; part < 2; part++) {
			const char *rest = parts[part];
			struct syntax_word word;

			while (next_word(&rest, &word)) {
				size_t used = strlen(before);

				print_completion_line(before, &word, out);
				snprintf(before + used, sizeof(before) - used, "%s%s",
					used ? " " : "", word.is_argument ? "\"*\"" : word.text);
			}
		}
	}
	fputs("\tCOMPREPLY+=($(compgen -W \"$words\" -- \"$now\"))\n}\n"
	      "complete -F _shuntctl shuntctl\n",
		out);
}
