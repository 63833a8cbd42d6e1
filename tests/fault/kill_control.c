/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Kills control processes at random instants of their transactions with a real dataplane, and
 * looks each time at what runs: one whole generation, the old or the new, never a mixture.
 *
 *   kill_control RUN_DIR DATAPLANE_PID KILLS SEED
 *
 * Every object of generation N carries N, so that a mixture shows. Prints "ok    TEXT" or
 * "FAIL  TEXT" for each thing that must hold.
 */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "image.h"
#include "session_client.h"
#include "transaction.h"

#define SERVERS	     300
#define SLOTS	     1024
#define KILL_WITHIN  5000 /* us after the child's start */
#define ATTACH_MS    500
#define ANSWER_MS    5000
#define RSS_SLACK_KB 4096

static bool failed;

static void
say(bool good, const char *text)
{
	printf("%s  %s\n", good ? "ok  " : "FAIL", text);
	failed |= !good;
}

static uint64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Connects and reads the hello. NULL if that takes too long. */
static struct session_client *
attach(const char *run_dir)
{
	uint64_t end = now_ms() + ATTACH_MS;
	char problem[SESSION_PROBLEM_SIZE];
	struct session_client *client = NULL;

	while (now_ms() < end) {
		if (!client && session_client_connect(&client, run_dir, problem) < 0) {
			client = NULL;
			usleep(1000);
			continue;
		}
		struct pollfd ready = { .fd = session_client_fd(client), .events = POLLIN };

		poll(&ready, 1, 10);
		if (session_client_hello(client, problem) == 0)
			return client;
	}
	session_client_destroy(client);
	return NULL;
}

static void
put(struct image *image, uint32_t kind, uint32_t id, const void *bytes, size_t length)
{
	if (image_put(image, kind, id, bytes, length) < 0)
		abort();
}

/* Every server, the backend's table and the service's timeout say which generation they are of. */
static struct image *
image_of(uint64_t number)
{
	struct {
		struct shunt_backend head;
		struct shunt_member members[SERVERS];
		uint16_t slots[SLOTS];
	} backend = { .head = { .member_count = SERVERS, .slot_count = SLOTS, .name = "app" } };
	struct shunt_settings settings = { .hash_secret = "0123456789abcde" };
	struct shunt_service service = { .port_be = 0x5000,
		.last_port_be = 0x5000,
		.protocol = SHUNT_TCP,
		.backend = 1,
		.timeout_syn_ms = (uint32_t)number,
		.timeout_established_ms = 1000,
		.timeout_fin_ms = 1000,
		.timeout_udp_ms = 1000,
		.frontend = "web" };
	struct image *image = image_create();

	if (!image)
		abort();
	service.address = shunt_addr_from_v4((const uint8_t[]){ 198, 51, 100, 10 });
	put(image, SHUNT_KIND_SETTINGS, 1, &settings, sizeof(settings));
	for (uint32_t id = 1; id <= SERVERS; id++) {
		struct shunt_server server = { .port_be = 0x901f, .backend = 1, .name = "s" };

		server.address = shunt_addr_from_v4(
			(const uint8_t[]){ 10, 0, (uint8_t)(id >> 8), (uint8_t)id });
		server.changed_ms = number;
		put(image, SHUNT_KIND_SERVER, id, &server, sizeof(server));
		backend.members[id - 1] = (struct shunt_member){ .server = id, .weight = 1 };
	}
	for (uint32_t i = 0; i < SLOTS; i++)
		backend.slots[i] = (uint16_t)((i + number) % SERVERS);
	put(image, SHUNT_KIND_BACKEND, 1, &backend, sizeof(backend));
	put(image, SHUNT_KIND_SERVICE, 1, &service, sizeof(service));
	return image;
}

static struct image *
running_image(const struct session_client *client)
{
	struct image *image = image_create();

	if (!image ||
		image_parse(image, session_client_running(client),
			session_client_info(client)->running_bytes) < 0)
		abort();
	return image;
}

/* Is what runs, whole, what was sent under the number it has? */
static bool
is_whole(const struct session_client *client)
{
	uint64_t number = session_client_info(client)->generation;
	struct image *running = running_image(client);
	struct image *expected = number ? image_of(number) : image_create();
	bool same = expected && image_equal(running, expected);

	image_destroy(running);
	image_destroy(expected);
	return same;
}

/* Sends the next generation and waits for its DONE. 0 or -errno. */
static int
commit_next(struct session_client *client, struct image **running, uint64_t *number)
{
	struct transaction t = { 0 };
	uint64_t end = now_ms() + ANSWER_MS;
	struct shunt_msg msg = { 0 };

	if (transaction_prepare(&t, *running, image_of(*number + 1)) < 0)
		abort();
	t.base = *number;
	t.generation = *number + 1;
	while (transaction_send(&t, client) == -ENOBUFS && now_ms() < end)
		session_client_ring(client);
	session_client_ring(client);
	while (now_ms() < end && msg.op != SHUNT_OP_DONE) {
		struct pollfd ready = { .fd = session_client_fd(client), .events = POLLIN };

		poll(&ready, 1, 10);
		if (session_client_doorbells(client) < 0)
			return -ECONNRESET;
		while (msg.op != SHUNT_OP_DONE && session_client_receive(client, &msg))
			;
	}
	if (msg.op != SHUNT_OP_DONE || msg.result < 0)
		return msg.op == SHUNT_OP_DONE ? msg.result : -ETIMEDOUT;
	session_client_clear(client);
	image_destroy(*running);
	*running = t.image;
	t.image = NULL;
	transaction_clear(&t);
	++*number;
	return 0;
}

/* What the child does until it is killed. */
static void
control_forever(const char *run_dir)
{
	struct session_client *client = attach(run_dir);
	struct image *running;
	uint64_t number;

	if (!client)
		_exit(1);
	number = session_client_info(client)->generation;
	running = running_image(client);
	while (commit_next(client, &running, &number) == 0)
		;
	_exit(1);
}

static long
rss_kb(pid_t pid)
{
	char path[64];
	long pages = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
	file = fopen(path, "r");
	if (!file)
		return -1;
	if (fscanf(file, "%*d %ld", &pages) != 1)
		pages = -1;
	fclose(file);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static int
descriptors(pid_t pid)
{
	char path[64];
	int count = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	if (!dir)
		return -1;
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

struct tally {
	int attached;
	int whole;
	int backward;
	uint64_t number;
};

static void
kill_one(const char *run_dir, struct tally *tally)
{
	struct session_client *client;
	pid_t child = fork();

	if (child < 0)
		abort();
	if (child == 0)
		control_forever(run_dir);
	usleep((useconds_t)(rand() % KILL_WITHIN));
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	client = attach(run_dir);
	if (!client)
		return;
	tally->attached++;
	tally->whole += is_whole(client);
	tally->backward += session_client_info(client)->generation < tally->number;
	tally->number = session_client_info(client)->generation;
	session_client_destroy(client);
}

int
main(int argc, char **argv)
{
	struct tally tally = { 0 };
	struct session_client *client;
	struct image *running;
	int kills = argc == 5 ? atoi(argv[3]) : 0, fds = 0;
	pid_t dataplane = argc == 5 ? (pid_t)atoi(argv[2]) : 0;
	long rss = 0;
	char text[128];

	if (kills <= 0)
		return 2;
	srand((unsigned int)atoi(argv[4]));
	for (int i = 0; i < kills; i++) {
		kill_one(argv[1], &tally);
		if (i == kills / 3) {
			rss = rss_kb(dataplane);
			fds = descriptors(dataplane);
		}
	}
	snprintf(text, sizeof(text), "%d kills: the dataplane took every new session in time",
		kills);
	say(tally.attached == kills, text);
	snprintf(text, sizeof(text), "what ran was each time one whole generation, %lu in the end",
		(unsigned long)tally.number);
	say(tally.whole == kills && tally.number > 0, text);
	say(tally.backward == 0, "no generation was ever taken back");
	client = attach(argv[1]);
	running = client ? running_image(client) : NULL;
	say(client && commit_next(client, &running, &tally.number) == 0,
		"the workers still acknowledge");
	image_destroy(running);
	session_client_destroy(client);
	usleep(200000);
	say(rss_kb(dataplane) <= rss + RSS_SLACK_KB, "the dataplane's memory has not grown");
	say(descriptors(dataplane) <= fds + 1, "nor its descriptors");
	return failed;
}
