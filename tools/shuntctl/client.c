/* SPDX-License-Identifier: BSD-3-Clause */
#include "client.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "shunt/api.h"

#define FIRST_ROOM 65536

struct exchange {
	int fd;
	uint64_t deadline_ms; /* CLOCK_MONOTONIC */
	char *answer;
	size_t length;
	size_t room;
};

static uint64_t
clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Waits until the socket is ready or the deadline has passed. 0 or -errno. */
static int
wait_ready(const struct exchange *exchange, short events)
{
	struct pollfd ready = { .fd = exchange->fd, .events = events };
	uint64_t now_ms = clock_ms();
	int count;

	if (now_ms >= exchange->deadline_ms)
		return -ETIMEDOUT;
	count = poll(&ready, 1, (int)(exchange->deadline_ms - now_ms));
	if (count < 0)
		return errno == EINTR ? 0 : -errno;
	return count ? 0 : -ETIMEDOUT;
}

static int
send_all(const struct exchange *exchange, const char *text, size_t length)
{
	int result;

	while (length) {
		ssize_t sent = send(exchange->fd, text, length, MSG_NOSIGNAL);

		if (sent >= 0) {
			text += sent;
			length -= (size_t)sent;
			continue;
		}
		/* Turned away: the reason can still be read. */
		if (errno == EPIPE || errno == ECONNRESET)
			return 0;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		result = wait_ready(exchange, POLLOUT);
		if (result)
			return result;
	}
	return 0;
}

/* Reads up to the end of the line. 0 or -errno; -ENODATA if the peer closed before. */
static int
receive_line(struct exchange *exchange)
{
	ssize_t got;
	int result;

	for (;;) {
		if (exchange->length == exchange->room) {
			size_t room = exchange->room ? exchange->room * 2 : FIRST_ROOM;
			char *answer =
				room <= CLIENT_MAX_ANSWER ? realloc(exchange->answer, room) : NULL;

			if (!answer)
				return room <= CLIENT_MAX_ANSWER ? -ENOMEM : -EMSGSIZE;
			exchange->answer = answer;
			exchange->room = room;
		}
		got = recv(exchange->fd, exchange->answer + exchange->length,
			exchange->room - exchange->length, 0);
		if (got > 0) {
			char *start = exchange->answer + exchange->length;
			char *end = memchr(start, '\n', (size_t)got);

			exchange->length += (size_t)got;
			if (!end)
				continue;
			exchange->length = (size_t)(end - exchange->answer);
			return 0;
		}
		if (got == 0 || errno == ECONNRESET)
			return -ENODATA;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		result = wait_ready(exchange, POLLIN);
		if (result)
			return result;
	}
}

/* A connected non-blocking socket, or -errno. */
static int
connect_to(const char *run_dir)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd, error;

	if ((size_t)snprintf(name.sun_path, sizeof(name.sun_path), "%s/" SHUNT_API_SOCKET,
		    run_dir) >= sizeof(name.sun_path))
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&name, sizeof(name)) == 0)
		return fd;
	error = errno;
	close(fd);
	return -error;
}

static const char *
connect_hint(int error)
{
	switch (error) {
	case ENOENT:
	case ECONNREFUSED:
		return "is it running?";
	case EACCES:
	case EPERM:
		return "are you root or in its group?";
	case EAGAIN:
		return "it does not take connections; is it stopped or overloaded?";
	default:
		return "is --run-dir right?";
	}
}

static json_t *
parse_answer(const struct exchange *exchange, char *error, size_t error_size)
{
	json_t *answer = json_loadb(exchange->answer, exchange->length, 0, NULL);

	if (json_is_object(answer) && json_is_boolean(json_object_get(answer, "ok")))
		return answer;
	json_decref(answer);
	snprintf(error, error_size,
		"the answer is not understood; is shunt-control of another version?");
	return NULL;
}

static void
explain(int result, unsigned int timeout_ms, char *error, size_t error_size)
{
	if (result == -ETIMEDOUT)
		snprintf(error, error_size,
			"no answer from shunt-control within %g s; a change may still be under way",
			timeout_ms / 1000.0);
	else if (result == -ENODATA)
		snprintf(error, error_size,
			"shunt-control closed the connection without an answer; see its log");
	else if (result == -EMSGSIZE)
		snprintf(error, error_size, "the answer is longer than %u MiB",
			CLIENT_MAX_ANSWER >> 20);
	else
		snprintf(error, error_size, "cannot talk to shunt-control: %s", strerror(-result));
}

json_t *
client_ask(const char *run_dir, const json_t *request, unsigned int timeout_ms, char *error,
	size_t error_size)
{
	struct exchange exchange = { .deadline_ms = clock_ms() + timeout_ms };
	char *line = json_dumps(request, JSON_COMPACT);
	json_t *answer = NULL;
	size_t length;
	int result;

	if (!line) {
		snprintf(error, error_size, "out of memory");
		return NULL;
	}
	exchange.fd = connect_to(run_dir);
	if (exchange.fd < 0) {
		snprintf(error, error_size,
			"cannot reach shunt-control at %s/" SHUNT_API_SOCKET ": %s (%s)", run_dir,
			connect_hint(-exchange.fd), strerror(-exchange.fd));
		free(line);
		return NULL;
	}
	length = strlen(line) + 1;
	line[length - 1] = '\n';
	result = send_all(&exchange, line, length);
	if (!result)
		result = receive_line(&exchange);
	if (!result)
		answer = parse_answer(&exchange, error, error_size);
	else
		explain(result, timeout_ms, error, error_size);
	close(exchange.fd);
	free(exchange.answer);
	free(line);
	return answer;
}
