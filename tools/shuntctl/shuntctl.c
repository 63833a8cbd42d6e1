/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * shuntctl: the command line of Shunt. Turns words into a request for shunt-control, and the
 * answer into a table, or into JSON with -j. Exit status: 0 done, 1 refused or not possible, 2 no
 * such command.
 */
#include <getopt.h>
#include <string.h>

#include "config.h"
#include "jsonfile.h"
#include "shunt/api.h"
#include "client.h"
#include "format.h"
#include "request.h"
#include "table.h"

#define EXIT_REFUSED 1
#define EXIT_USAGE   2

struct options {
	const char *run_dir;
	bool json;
};

enum {
	OPTION_COMPLETION = 256
};

static void
print_help(FILE *out)
{
	fputs("usage: shuntctl [--run-dir DIR] [-j] COMMAND\n\ncommands:\n", out);
	request_print_commands(out);
	fputs("\noptions:\n"
	      "  -r, --run-dir DIR  where shunt-control has its socket (" SHUNT_RUN_DIR_DEFAULT
	      ")\n"
	      "  -j, --json         print JSON, for scripts\n"
	      "  -h, --help         this text\n"
	      "  -V, --version      the version of shuntctl\n"
	      "  --completion bash  a script that completes commands in bash\n"
	      "\nexit status: 0 done, 1 refused (standard error says why), 2 no such command\n",
		out);
}

static int
print_completion(const char *shell)
{
	if (strcmp(shell, "bash") != 0) {
		fputs("shuntctl: --completion knows bash only\n", stderr);
		return EXIT_USAGE;
	}
	request_print_completion(stdout);
	return 0;
}

/* True: go on with the words from optind; false: *status says how to exit. */
static bool
read_options(int argc, char **argv, struct options *options, int *status)
{
	static const struct option known[] = {
		{ "run-dir", required_argument, NULL, 'r' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ "completion", required_argument, NULL, OPTION_COMPLETION },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	*status = 0;
	while ((option = getopt_long(argc, argv, "r:jhV", known, NULL)) != -1) {
		switch (option) {
		case 'r':
			options->run_dir = optarg;
			break;
		case 'j':
			options->json = true;
			break;
		case 'h':
			print_help(stdout);
			return false;
		case 'V':
			puts("shuntctl " SHUNT_VERSION);
			return false;
		case OPTION_COMPLETION:
			*status = print_completion(optarg);
			return false;
		default:
			fputs("shuntctl --help lists the options\n", stderr);
			*status = EXIT_USAGE;
			return false;
		}
	}
	if (optind < argc)
		return true;
	print_help(stderr);
	*status = EXIT_USAGE;
	return false;
}

static json_t *
entries_json(const struct json_errors *errors, bool warnings)
{
	const struct json_error_entry *entry;
	json_t *list = json_array();

	for (size_t i = 0; (entry = json_errors_get(errors, i)); i++) {
		if (entry->warning == warnings)
			json_array_append_new(list,
				json_pack("{s:s, s:s}", "path", entry->path, "message",
					entry->message));
	}
	return list;
}

/*
 * Done here and not by shunt-control, which must not read files on behalf of others. Prints what
 * shunt-control --check does.
 */
static int
run_check(const struct options *options, const char *file)
{
	struct json_errors *errors = json_errors_create();
	struct config *config;
	json_t *data;
	int status;

	if (!errors) {
		fputs("shuntctl: out of memory\n", stderr);
		return EXIT_REFUSED;
	}
	config = config_load(file, errors);
	status = config ? 0 : EXIT_REFUSED;
	if (options->json) {
		data = json_pack("{s:b, s:o, s:o}", "ok", config != NULL, "errors",
			entries_json(errors, false), "warnings", entries_json(errors, true));
		if (!data || format_json(data, stdout) < 0)
			status = EXIT_REFUSED;
		json_decref(data);
	} else {
		json_errors_print(errors, file, stderr);
		if (config)
			printf("%s: configuration is valid\n", file);
	}
	config_destroy(config);
	json_errors_destroy(errors);
	return status;
}

/* "shuntctl: TEXT" on standard error, whatever the text is. */
static void
complain(const char *kind, const json_t *text)
{
	fprintf(stderr, "shuntctl: %s", kind);
	print_safe(json_is_string(text) ? json_string_value(text) : "refused, without a reason",
		stderr);
	fputc('\n', stderr);
}

static void
print_refusal(const json_t *answer)
{
	const json_t *file = json_object_get(answer, "file");
	const json_t *errors = json_object_get(answer, "errors");
	const json_t *line;
	size_t index;

	json_array_foreach (errors, index, line) {
		if (!json_is_string(line))
			continue;
		if (json_is_string(file)) {
			print_safe(json_string_value(file), stderr);
			fputs(": ", stderr);
		}
		print_safe(json_string_value(line), stderr);
		fputc('\n', stderr);
	}
	complain("", json_object_get(answer, "error"));
}

static int
print_answer(const struct options *options, unsigned int command, const json_t *answer)
{
	const json_t *data = json_object_get(answer, "data");
	const json_t *warning = json_object_get(answer, "warning");
	const json_t *generation = json_object_get(answer, "generation");
	int result = 0;

	if (!json_is_true(json_object_get(answer, "ok"))) {
		print_refusal(answer);
		return EXIT_REFUSED;
	}
	if (!data && !json_is_integer(generation)) {
		fputs("shuntctl: half an answer; is shunt-control of another version?\n", stderr);
		return EXIT_REFUSED;
	}
	if (warning)
		complain("warning: ", warning);
	if (options->json)
		result = format_json(data ? data : answer, stdout);
	else if (data)
		result = format_data(command, data, stdout);
	else if (!warning)
		printf("generation %" JSON_INTEGER_FORMAT ", acknowledged by all workers\n",
			json_integer_value(generation));
	if (result == 0 && fflush(stdout) == 0)
		return 0;
	fputs("shuntctl: cannot write the answer\n", stderr);
	return EXIT_REFUSED;
}

static int
run_request(const struct options *options, unsigned int command, json_t *args)
{
	json_t *request = request_create(command, args);
	json_t *answer;
	char error[512] = "out of memory";
	int status;

	answer = request
		? client_ask(options->run_dir, request, CLIENT_TIMEOUT_MS, error, sizeof(error))
		: NULL;
	json_decref(request);
	if (!answer) {
		fputs("shuntctl: ", stderr);
		print_safe(error, stderr);
		fputc('\n', stderr);
		return EXIT_REFUSED;
	}
	status = print_answer(options, command, answer);
	json_decref(answer);
	return status;
}

int
main(int argc, char **argv)
{
	struct options options = { .run_dir = SHUNT_RUN_DIR_DEFAULT };
	json_t *args = NULL;
	unsigned int command;
	int status;

	if (!read_options(argc, argv, &options, &status))
		return status;
	command = request_parse(argc - optind, argv + optind, &args, stderr);
	if (command == SHUNT_CMD_COUNT)
		return EXIT_USAGE;
	if (command == SHUNT_CMD_HELP && !options.json) {
		json_decref(args);
		print_help(stdout);
		return 0;
	}
	if (command == SHUNT_CMD_CHECK) {
		status = run_check(&options, json_string_value(json_object_get(args, "file")));
		json_decref(args);
		return status;
	}
	return run_request(&options, command, args);
}
