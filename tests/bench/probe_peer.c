/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The other end of many probes, and what the same connections cost a program that does nothing
 * else. All addresses of the host are one server each.
 *
 *   probe_peer listen FIRST LAST tcp|http	at these ports: tcp waits for the client's FIN, http
 *						answers a request with 200 first
 *   probe_peer floor PORT SERVERS RATE SECONDS bare|polite
 *						connects to 10.1.0.1 and so on: bare closes at once,
 *						polite says FIN and waits for the other's
 *
 * listen prints what it saw as a JSON object when SIGTERM comes, counted from the start or the last
 * SIGUSR1 on; floor prints its processor time.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SLICE_MS    100
#define MAX_SLICES  1200
#define FOLD	    10 /* slices of an interval of a second */
#define MAX_SERVERS 65536
#define MAX_BATCH   1000
#define BATCH	    256

static struct {
	int epoll_fd;
	unsigned int first_port;
	bool http;
	uint64_t start_ms;
	uint64_t accepted, resets, open, open_most;
	unsigned int slices[MAX_SLICES];
	/* By the last 16 bits of the address, and the port. */
	unsigned int servers[MAX_SERVERS];
} peer;

static volatile sig_atomic_t signalled;

static void
on_signal(int number)
{
	signalled = number;
}

static uint64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static int
die(const char *what)
{
	perror(what);
	exit(1);
}

static void
count(int fd)
{
	struct sockaddr_in own = { 0 };
	socklen_t length = sizeof(own);
	uint64_t slice = (now_ms() - peer.start_ms) / SLICE_MS;
	uint32_t server;

	getsockname(fd, (struct sockaddr *)&own, &length);
	server = ntohl(own.sin_addr.s_addr) + ntohs(own.sin_port) - peer.first_port;
	peer.servers[server % MAX_SERVERS]++;
	if (slice < MAX_SLICES)
		peer.slices[slice]++;
	peer.accepted++;
	if (++peer.open > peer.open_most)
		peer.open_most = peer.open;
}

static void
take(int listener)
{
	struct epoll_event event = { .events = EPOLLIN };
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
		count(fd);
		event.data.fd = fd;
		if (epoll_ctl(peer.epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
			die("epoll_ctl");
	}
}

static void
serve(int fd)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
	int error = 0;
	socklen_t length = sizeof(error);
	char bytes[2048];
	ssize_t n = recv(fd, bytes, sizeof(bytes), 0);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n > 0) {
		if (peer.http && send(fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL) < 0)
			peer.resets++;
		return;
	}
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
	peer.resets += n < 0 || error;
	peer.open--;
	close(fd);
}

static void
reset_counts(void)
{
	peer.accepted = peer.resets = 0;
	peer.open_most = peer.open;
	memset(peer.slices, 0, sizeof(peer.slices));
	memset(peer.servers, 0, sizeof(peer.servers));
	peer.start_ms = now_ms();
}

/*
 * How many connections fell into each tenth of a second, over all whole seconds: the busiest one's
 * share of the mean one's. What a moment brings together because this machine stood still counts
 * for little in that.
 */
static double
busiest_tenth(uint64_t whole)
{
	unsigned int folded[FOLD] = { 0 }, busiest = 0, all = 0;

	for (uint64_t i = 0; i < whole / FOLD * FOLD && i < MAX_SLICES; i++) {
		folded[i % FOLD] += peer.slices[i];
		all += peer.slices[i];
	}
	for (unsigned int i = 0; i < FOLD; i++)
		busiest = folded[i] > busiest ? folded[i] : busiest;
	return all ? (double)busiest * FOLD / all : 0;
}

static void
print_counts(void)
{
	uint64_t ms = now_ms() - peer.start_ms, whole = ms / SLICE_MS;
	unsigned int servers = 0, least = UINT32_MAX, most = 0, busiest = 0;

	for (int i = 0; i < MAX_SERVERS; i++) {
		if (!peer.servers[i])
			continue;
		servers++;
		least = peer.servers[i] < least ? peer.servers[i] : least;
		most = peer.servers[i] > most ? peer.servers[i] : most;
	}
	for (uint64_t i = 0; i < whole && i < MAX_SLICES; i++)
		busiest = peer.slices[i] > busiest ? peer.slices[i] : busiest;
	printf("{\"ms\": %lu, \"accepted\": %lu, \"resets\": %lu, \"open_most\": %lu, "
	       "\"servers\": %u, \"least\": %u, \"most\": %u, \"busiest_tenth\": %.2f, "
	       "\"busiest_slice\": %u, \"mean_slice\": %.1f}\n",
		(unsigned long)ms, (unsigned long)peer.accepted, (unsigned long)peer.resets,
		(unsigned long)peer.open_most, servers, servers ? least : 0, most,
		busiest_tenth(whole), busiest,
		whole ? (double)peer.accepted * SLICE_MS / (double)ms : 0);
}

static bool
is_listener(int fd)
{
	int listens = 0;
	socklen_t length = sizeof(listens);

	getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &length);
	return listens;
}

static void
open_listeners(unsigned int first, unsigned int last, int *highest)
{
	struct sockaddr_in any = { .sin_family = AF_INET };
	struct epoll_event event = { .events = EPOLLIN };

	for (unsigned int port = first; port <= last; port++) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;

		any.sin_port = htons((uint16_t)port);
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		if (bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0 || listen(fd, 65535) < 0)
			die("listen");
		event.data.fd = *highest = fd;
		epoll_ctl(peer.epoll_fd, EPOLL_CTL_ADD, fd, &event);
	}
}

static int
run_listen(char **argv)
{
	struct epoll_event events[BATCH];
	int lowest, highest = 0, n;

	peer.epoll_fd = lowest = epoll_create1(0);
	peer.first_port = (unsigned int)atoi(argv[2]);
	peer.http = strcmp(argv[4], "http") == 0;
	open_listeners(peer.first_port, (unsigned int)atoi(argv[3]), &highest);
	reset_counts();
	while (signalled != SIGTERM) {
		if (signalled == SIGUSR1) {
			signalled = 0;
			reset_counts();
		}
		n = epoll_wait(peer.epoll_fd, events, BATCH, 100);
		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;

			if (fd > lowest && fd <= highest && is_listener(fd))
				take(fd);
			else
				serve(fd);
		}
	}
	print_counts();
	return 0;
}

/* One batch: connections to the next servers, ended in one way or the other. */
static void
connect_batch(uint32_t *next, uint32_t servers, int port, unsigned int batch, bool polite)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fds[MAX_BATCH];
	char byte;

	for (unsigned int i = 0; i < batch; i++, *next = (*next + 1) % servers) {
		to.sin_addr.s_addr = htonl(0x0a010001 + *next);
		fds[i] = socket(AF_INET, SOCK_STREAM, 0);
		if (fds[i] < 0 || connect(fds[i], (struct sockaddr *)&to, sizeof(to)) < 0)
			die("connect");
		if (polite)
			shutdown(fds[i], SHUT_WR);
		else
			close(fds[i]);
	}
	for (unsigned int i = 0; polite && i < batch; i++) {
		recv(fds[i], &byte, 1, 0);
		close(fds[i]);
	}
}

static double
seconds(struct timeval time)
{
	return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static int
run_floor(char **argv)
{
	uint32_t servers = (uint32_t)atoi(argv[3]), next = 0;
	uint64_t rate = (uint64_t)atoll(argv[4]), length_ms = (uint64_t)atoll(argv[5]) * 1000;
	uint64_t start_ms = now_ms(), passed_ms, made = 0, due;
	struct timespec pause = { .tv_nsec = 1000000 };
	struct rusage usage;

	while ((passed_ms = now_ms() - start_ms) < length_ms) {
		due = passed_ms * rate / 1000 - made;
		due = due < MAX_BATCH ? due : MAX_BATCH;
		connect_batch(&next, servers, atoi(argv[2]), (unsigned int)due,
			strcmp(argv[6], "polite") == 0);
		made += due;
		nanosleep(&pause, NULL);
	}
	getrusage(RUSAGE_SELF, &usage);
	printf("{\"made\": %lu, \"ms\": %lu, \"user_s\": %.3f, \"system_s\": %.3f}\n",
		(unsigned long)made, (unsigned long)passed_ms, seconds(usage.ru_utime),
		seconds(usage.ru_stime));
	return 0;
}

int
main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct rlimit limit;

	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGUSR1, &action, NULL);
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (argc == 5 && strcmp(argv[1], "listen") == 0)
		return run_listen(argv);
	if (argc == 7 && strcmp(argv[1], "floor") == 0)
		return run_floor(argv);
	fputs("usage: probe_peer listen FIRST LAST tcp|http\n"
	      "       probe_peer floor PORT SERVERS RATE SECONDS bare|polite\n",
		stderr);
	return 2;
}
