/* SPDX-License-Identifier: BSD-3-Clause */
/* The API's socket: who gets in, and what hostile, slow and leaving clients can do to others. */
#include <grp.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "api_fixture.h"

#define HELP "{\"command\": \"help\"}"
#define SET \
	"{\"command\": \"set server\", \"args\": {\"server\": \"app/s1\", \"state\": \"drain\"}}"

static void
test_socket_file(void)
{
	struct fixture f;
	struct stat file;
	struct api_server *newer;
	int fd;

	fixture_open(&f);
	fd = open(f.socket_path, O_CREAT | O_WRONLY, 0600); /* left by a process that was killed */
	close(fd);
	f.control.api = api_server_create(&f.control);
	CU_ASSERT_PTR_NOT_NULL_FATAL(f.control.api);
	CU_ASSERT_EQUAL(stat(f.socket_path, &file), 0);
	CU_ASSERT_TRUE(S_ISSOCK(file.st_mode));
	CU_ASSERT_EQUAL(file.st_mode & 07777, 0660);

	newer = api_server_create(&f.control);
	CU_ASSERT_PTR_NOT_NULL_FATAL(newer);
	api_server_destroy(f.control.api); /* leaves the newer one's socket alone */
	f.control.api = newer;
	fd = fixture_connect(&f);
	CU_ASSERT_TRUE(fixture_ok(fixture_ask(&f, fd, HELP)));
	close(fd);

	api_server_destroy(f.control.api);
	f.control.api = NULL;
	CU_ASSERT_EQUAL(stat(f.socket_path, &file), -1);
	fixture_close(&f);
}

static void
test_no_directory(void)
{
	char long_dir[200];
	struct fixture f;

	fixture_open(&f);
	f.control.run_dir = "/nonexistent/shunt";
	CU_ASSERT_PTR_NULL(api_server_create(&f.control));
	CU_ASSERT_EQUAL(errno, ENOENT);
	/* A directory that is there, but whose name leaves no room for the socket's. */
	memset(long_dir, '/', sizeof(long_dir));
	memcpy(long_dir, f.dir, strlen(f.dir));
	long_dir[sizeof(long_dir) - 1] = '\0';
	f.control.run_dir = long_dir;
	CU_ASSERT_PTR_NULL(api_server_create(&f.control));
	CU_ASSERT_EQUAL(errno, ENAMETOOLONG);
	fixture_close(&f);
}

static void
test_fragments(void)
{
	static const char request[] = SET "\r\n";
	struct fixture f;
	int fd;

	fixture_start(&f);
	fd = fixture_connect(&f);
	for (size_t cut = 1; cut < sizeof(request) - 1; cut++) {
		fixture_send(&f, fd, request, cut);
		CU_ASSERT_TRUE(fixture_is_quiet(&f, fd));
		fixture_send(&f, fd, request + cut, sizeof(request) - 1 - cut);
		CU_ASSERT_TRUE(fixture_ok(fixture_receive(&f, fd)));
	}
	for (size_t i = 0; i < sizeof(request) - 1; i++) {
		fixture_send(&f, fd, request + i, 1);
		fixture_turn(&f);
	}
	CU_ASSERT_TRUE(fixture_ok(fixture_receive(&f, fd)));
	CU_ASSERT_TRUE(fixture_is_quiet(&f, fd));
	close(fd);
	fixture_close(&f);
}

static void
test_pipelining(void)
{
	char request[64], wanted[64];
	struct fixture f;
	int fd;

	fixture_start(&f);
	fd = fixture_connect(&f);
	for (int i = 0; i < 500; i++) {
		snprintf(request, sizeof(request), "{\"command\": \"number %d\"}\n\n \t\r\n", i);
		fixture_send_text(&f, fd, request);
	}
	for (int i = 0; i < 500; i++) {
		snprintf(wanted, sizeof(wanted), "\"number %d\"", i);
		CU_ASSERT_PTR_NOT_NULL(strstr(fixture_error(fixture_receive(&f, fd)), wanted));
	}
	CU_ASSERT_TRUE(fixture_is_quiet(&f, fd));
	close(fd);
	fixture_close(&f);
}

/* Many requests in one send: the kernel counts small ones by what they take, not what they hold. */
static void
send_many(struct fixture *f, int fd, const char *request, size_t count)
{
	static char bytes[SHUNT_API_MAX_LINE];
	size_t length = strlen(request);

	CU_ASSERT_TRUE_FATAL(count * length <= sizeof(bytes));
	for (size_t i = 0; i < count; i++)
		memcpy(bytes + i * length, request, length);
	fixture_send(f, fd, bytes, count * length);
}

/* A client that sends a lot of requests at once gets no more turns than others. */
static void
test_pipelining_is_fair(void)
{
	struct fixture f;
	int greedy, modest;

	fixture_start(&f);
	greedy = fixture_connect(&f);
	modest = fixture_connect(&f);
	fixture_turn(&f);
	send_many(&f, greedy, "{\"command\": \"x\"}\n", 1000);
	fixture_turn(&f);
	fixture_send_text(&f, modest, "{\"command\": \"x\"}\n");
	fixture_turns(&f, 3);
	CU_ASSERT_TRUE(recv(modest, (char[1]){ 0 }, 1, 0) == 1);
	close(greedy);
	close(modest);
	fixture_close(&f);
}

static void
check_refused(struct fixture *f, const void *bytes, size_t length)
{
	int fd = fixture_connect(f);
	json_t *answer;

	fixture_send(f, fd, bytes, length);
	fixture_send(f, fd, "\n", 1);
	answer = fixture_receive(f, fd);
	CU_ASSERT_TRUE(strlen(fixture_error(answer)) > 0);
	CU_ASSERT_TRUE(fixture_is_closed(f, fd));
	close(fd);
}

static void
test_garbage(void)
{
	static const char *const texts[] = { "{", "}", "[]", "1", "null", "\"text\"",
		"GET / HTTP/1.1", "{} {}", "{\"command\": \"help\", \"command\": \"help\"}",
		"{\"command\": \"\\u0000\"}", "{\"command\": \"\xff\xfe\"}",
		"{\"command\": \"\xed\xa0\x80\"}", "{\"command\": 1e999}",
		"\xef\xbb\xbf{\"command\": \"help\"}", "show info" };
	static char nested[SHUNT_API_MAX_LINE - 1];
	struct fixture f;
	int fd;

	fixture_start(&f);
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		check_refused(&f, texts[i], strlen(texts[i]));
	check_refused(&f, "\0", 1);
	check_refused(&f, "{\"command\": \"he\0lp\"}", 20);
	memset(nested, '[', sizeof(nested));
	check_refused(&f, nested, sizeof(nested));
	for (size_t i = 0; i + 5 < sizeof(nested); i += 5)
		memcpy(nested + i, "{\"a\":", 5);
	check_refused(&f, nested, sizeof(nested));
	fd = fixture_connect(&f);
	CU_ASSERT_TRUE(fixture_ok(fixture_ask(&f, fd, HELP)));
	close(fd);
	fixture_close(&f);
}

/* Objects that are no requests are refused, and the connection goes on. */
static void
test_no_request(void)
{
	static const char *const texts[] = { "{}", "{\"command\": 1}", "{\"args\": {}}",
		"{\"command\": \"help\", \"args\": []}", "{\"command\": \"help\", \"args\": null}",
		"{\"command\": \"help\", \"more\": 1}", "{\"command\": \"\"}",
		"{\"command\": \"check\", \"args\": {\"file\": \"/etc/shadow\"}}",
		"{\"command\": \"show\"}", "{\"command\": \"help\", \"args\": {\"x\": 1}}" };
	struct fixture f;
	int fd;

	fixture_start(&f);
	fd = fixture_connect(&f);
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		CU_ASSERT_TRUE(strlen(fixture_error(fixture_ask(&f, fd, texts[i]))) > 0);
	CU_ASSERT_TRUE(fixture_ok(fixture_ask(&f, fd, HELP)));
	close(fd);
	fixture_close(&f);
}

static void
test_long_lines(void)
{
	static char line[SHUNT_API_MAX_LINE + 1];
	struct fixture f;
	int fd;

	fixture_start(&f);
	fd = fixture_connect(&f);
	memset(line, ' ', sizeof(line));
	memcpy(line, HELP, strlen(HELP));
	line[SHUNT_API_MAX_LINE - 1] = '\n'; /* just short enough */
	fixture_send(&f, fd, line, SHUNT_API_MAX_LINE);
	CU_ASSERT_TRUE(fixture_ok(fixture_receive(&f, fd)));
	line[SHUNT_API_MAX_LINE - 1] = ' ';
	line[SHUNT_API_MAX_LINE] = '\n';
	fixture_send(&f, fd, line, sizeof(line));
	CU_ASSERT_PTR_NOT_NULL(strstr(fixture_error(fixture_receive(&f, fd)), "too long"));
	CU_ASSERT_TRUE(fixture_is_closed(&f, fd));
	close(fd);
	fixture_close(&f);
}

/* One client never reads its answers: others are served, and it is dropped after its deadline. */
static void
test_slow_reader(void)
{
	struct fixture f;
	int slow, other;

	fixture_start(&f);
	slow = fixture_connect(&f);
	other = fixture_connect(&f);
	send_many(&f, slow, HELP "\n", 2000);
	fixture_turns(&f, 500);
	CU_ASSERT_TRUE(fixture_ok(fixture_ask(&f, other, HELP)));
	clock_skip_ms += SHUNT_API_READ_TIMEOUT_MS - 1000;
	CU_ASSERT_TRUE(fixture_ok(fixture_ask(&f, other, HELP)));
	CU_ASSERT_TRUE(send(slow, "\n", 1, MSG_NOSIGNAL) == 1);
	clock_skip_ms += 1001;
	fixture_turns(&f, 3);
	CU_ASSERT_TRUE(send(slow, "\n", 1, MSG_NOSIGNAL) < 0 && errno != EAGAIN);
	CU_ASSERT_TRUE(fixture_ok(fixture_ask(&f, other, HELP)));
	close(slow);
	close(other);
	fixture_close(&f);
}

/* Sending a byte now and then does not keep a connection: a request has to be finished. */
static void
test_idle(void)
{
	struct fixture f;
	int silent, dripping;

	fixture_start(&f);
	silent = fixture_connect(&f);
	dripping = fixture_connect(&f);
	fixture_turn(&f);
	for (int i = 0; i < 5; i++) {
		clock_skip_ms += SHUNT_API_IDLE_TIMEOUT_MS / 6;
		fixture_send_text(&f, dripping, "{");
		CU_ASSERT_TRUE(fixture_is_quiet(&f, dripping));
		CU_ASSERT_TRUE(fixture_is_quiet(&f, silent));
	}
	clock_skip_ms += SHUNT_API_IDLE_TIMEOUT_MS / 6 + 1;
	CU_ASSERT_TRUE(fixture_is_closed(&f, silent));
	CU_ASSERT_TRUE(fixture_is_closed(&f, dripping));
	close(silent);
	close(dripping);
	fixture_close(&f);
}

static void
test_many_clients(void)
{
	int clients[SHUNT_API_MAX_CLIENTS], extra;
	struct fixture f;

	fixture_start(&f);
	for (size_t i = 0; i < SHUNT_API_MAX_CLIENTS; i++) {
		clients[i] = fixture_connect(&f);
		fixture_turn(&f);
	}
	extra = fixture_connect(&f);
	CU_ASSERT_PTR_NOT_NULL(strstr(fixture_error(fixture_receive(&f, extra)), "too many"));
	CU_ASSERT_TRUE(fixture_is_closed(&f, extra));
	close(extra);
	for (size_t i = 0; i < SHUNT_API_MAX_CLIENTS; i++)
		CU_ASSERT_TRUE(fixture_ok(fixture_ask(&f, clients[i], HELP)));
	close(clients[7]);
	fixture_turn(&f);
	clients[7] = fixture_connect(&f);
	CU_ASSERT_TRUE(fixture_ok(fixture_ask(&f, clients[7], HELP)));
	for (size_t i = 0; i < SHUNT_API_MAX_CLIENTS; i++)
		close(clients[i]);
	fixture_close(&f);
}

/* Answers come in order, even if the first has to wait and the second is ready. */
static void
test_order_while_waiting(void)
{
	struct fixture f;
	json_t *answer;
	int fd, other;

	fixture_start(&f);
	f.publish.holds = true;
	fd = fixture_connect(&f);
	other = fixture_connect(&f);
	fixture_send_text(&f, fd, SET "\n" HELP "\n");
	CU_ASSERT_TRUE(fixture_is_quiet(&f, fd));
	CU_ASSERT_TRUE(fixture_ok(fixture_ask(&f, other, HELP)));
	clock_skip_ms += SHUNT_API_IDLE_TIMEOUT_MS + 1; /* waiting is not idling */
	CU_ASSERT_TRUE(fixture_is_quiet(&f, fd));
	fixture_acknowledge(&f.publish, 0, -1);
	answer = fixture_receive(&f, fd);
	CU_ASSERT_EQUAL(json_integer_value(json_object_get(answer, "generation")), 1);
	json_decref(answer);
	answer = fixture_receive(&f, fd);
	CU_ASSERT_TRUE(json_is_array(json_object_get(answer, "data")));
	json_decref(answer);
	close(fd);
	close(other);
	fixture_close(&f);
}

static void
test_leaving_while_waiting(void)
{
	struct fixture f;
	int fd;

	fixture_start(&f);
	f.publish.holds = true;
	fd = fixture_connect(&f);
	fixture_send_text(&f, fd, SET "\n");
	fixture_turns(&f, 3);
	CU_ASSERT_PTR_NOT_NULL(f.publish.waiters);
	close(fd);
	fixture_turns(&f, 3);
	CU_ASSERT_PTR_NULL(f.publish.waiters);
	CU_ASSERT_EQUAL(f.publish.cancelled, 1);
	CU_ASSERT_EQUAL(f.servers[0]->admin, SHUNT_ADMIN_DRAIN); /* what is done stays done */
	fd = fixture_connect(&f);
	fixture_send_text(&f, fd, SET "\n");
	fixture_turns(&f, 3);
	CU_ASSERT_PTR_NOT_NULL(f.publish.waiters);
	fixture_close(&f); /* with a client waiting */
	CU_ASSERT_EQUAL(f.publish.cancelled, 2);
	close(fd);
}

/* echo '...' | socat: the client has closed its half and still wants the answers. */
static void
test_half_closed(void)
{
	struct fixture f;
	int fd;

	fixture_start(&f);
	fd = fixture_connect(&f);
	fixture_send_text(&f, fd, HELP "\n" SET "\n{\"command\": \"he");
	shutdown(fd, SHUT_WR);
	CU_ASSERT_TRUE(fixture_ok(fixture_receive(&f, fd)));
	CU_ASSERT_TRUE(fixture_ok(fixture_receive(&f, fd)));
	CU_ASSERT_TRUE(fixture_is_closed(&f, fd));
	close(fd);
	fixture_close(&f);
}

/* In a child: connects as another user, and exits with what came back: 1 refused, 2 welcome. */
static void
be_stranger(const struct fixture *f, gid_t group)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	char answer[512] = "";
	int fd;

	snprintf(name.sun_path, sizeof(name.sun_path), "%s", f->socket_path);
	alarm(5);
	if (setgroups(group ? 1 : 0, &group) < 0 || setresgid(65534, 65534, 65534) < 0 ||
		setresuid(65534, 65534, 65534) < 0)
		_exit(3);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (connect(fd, (struct sockaddr *)&name, sizeof(name)) < 0)
		_exit(4);
	if (send(fd, HELP "\n", strlen(HELP) + 1, MSG_NOSIGNAL) < 0 && errno != EPIPE)
		_exit(5);
	if (recv(fd, answer, sizeof(answer) - 1, 0) <= 0)
		_exit(6);
	_exit(strstr(answer, "not allowed") ? 1 : 2);
}

static int
ask_stranger(struct fixture *f, gid_t group)
{
	pid_t child = fork();
	int status = 0;

	if (child == 0)
		be_stranger(f, group);
	for (int i = 0; i < 6000 && waitpid(child, &status, WNOHANG) == 0; i++) {
		fixture_turn(f);
		usleep(1000); /* another process is to be waited for */
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
test_strangers(void)
{
	const gid_t group = 54321;
	struct fixture f;
	struct stat file;

	fixture_open(&f);
	if (geteuid() == 0) {
		CU_ASSERT_EQUAL(chown(f.dir, (uid_t)-1, group), 0);
		CU_ASSERT_EQUAL(chmod(f.dir, 0750), 0);
		f.control.api = api_server_create(&f.control);
		CU_ASSERT_EQUAL(stat(f.socket_path, &file), 0);
		CU_ASSERT_EQUAL(file.st_gid, group);
		CU_ASSERT_EQUAL(ask_stranger(&f, 0), 4); /* the directory's mode */
		CU_ASSERT_EQUAL(ask_stranger(&f, group), 2);
		/* Even if somebody opens the files, who is not named is not served. */
		CU_ASSERT_EQUAL(chmod(f.dir, 0755), 0);
		CU_ASSERT_EQUAL(chmod(f.socket_path, 0666), 0);
		CU_ASSERT_EQUAL(ask_stranger(&f, 0), 1);
		CU_ASSERT_EQUAL(ask_stranger(&f, 54322), 1);
		CU_ASSERT_EQUAL(ask_stranger(&f, group), 2);
	}
	fixture_close(&f);
}

static void
test_out_of_descriptors(void)
{
	struct rlimit limit, low;
	struct fixture f;
	int fd, last;

	fixture_start(&f);
	fd = fixture_connect(&f);
	last = dup(0); /* the lowest that is free: what accept() would get */
	close(last);
	CU_ASSERT_EQUAL(getrlimit(RLIMIT_NOFILE, &limit), 0);
	low = limit;
	low.rlim_cur = (rlim_t)last;
	CU_ASSERT_EQUAL(setrlimit(RLIMIT_NOFILE, &low), 0);
	fixture_turns(&f, 3);
	CU_ASSERT_EQUAL(setrlimit(RLIMIT_NOFILE, &limit), 0);
	fixture_send_text(&f, fd, HELP "\n");
	CU_ASSERT_TRUE(fixture_is_quiet(&f, fd)); /* it looks away for a while */
	clock_skip_ms += 1000;
	CU_ASSERT_TRUE(fixture_ok(fixture_receive(&f, fd)));
	close(fd);
	fixture_close(&f);
}

static const struct unit_test tests[] = {
	{ "socket file is made, replaced and removed", test_socket_file },
	{ "no directory", test_no_directory },
	{ "requests cut at every byte", test_fragments },
	{ "pipelined requests are answered in order", test_pipelining },
	{ "a pipelining client does not hold up others", test_pipelining_is_fair },
	{ "garbage is refused", test_garbage },
	{ "objects that are no requests", test_no_request },
	{ "long lines", test_long_lines },
	{ "slow reader", test_slow_reader },
	{ "idle clients", test_idle },
	{ "many clients", test_many_clients },
	{ "order while waiting", test_order_while_waiting },
	{ "leaving while waiting", test_leaving_while_waiting },
	{ "half-closed", test_half_closed },
	{ "strangers", test_strangers },
	{ "out of descriptors", test_out_of_descriptors },
};

UNIT_MAIN("api_server", tests)
