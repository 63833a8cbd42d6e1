/* SPDX-License-Identifier: BSD-3-Clause */
#define LOG_SUBSYSTEM "api"

#include "api_server.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "shunt/api.h"
#include "shunt/log.h"
#include "commands.h"
#include "state.h"

/* Connections taken in one turn of the loop, and the pause when descriptors have run out. */
#define ACCEPTS_A_TURN	16
#define ACCEPT_PAUSE_MS 200
/* The longest pid, its dot and the NUL, added to the socket's name while it is made. */
#define SUFFIX_SIZE 12

struct client {
	struct api_server *server;
	unsigned int slot; /* in server->clients */
	struct loop_watch watch;
	struct loop_timer timer; /* always set: idle, or not reading */
	struct command_request request;
	bool in_work;	  /* the request has been started and not been answered */
	bool closing;	  /* once the answer is out */
	bool half_closed; /* the client will send no more */

	/* Bytes not yet taken are in[start..end); up to `scanned` there is no end of line. */
	size_t start;
	size_t scanned;
	size_t end;
	char in[SHUNT_API_MAX_LINE];

	char *out; /* the answer being sent, or NULL */
	size_t out_length;
	size_t out_sent;
};

struct api_server {
	struct control *control;
	struct loop_watch listener;
	struct loop_timer pause; /* no descriptors left: accept again then */
	bool starved;		 /* that has been logged */
	gid_t group;		 /* the run directory's: its members may connect */
	dev_t device;		 /* which file the socket is, to remove no other's */
	ino_t inode;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct client *clients[SHUNT_API_MAX_CLIENTS];
};

static void
client_drop(struct client *client)
{
	struct loop *loop = client->server->control->loop;

	if (client->in_work)
		command_cancel(&client->request);
	loop_timer_cancel(loop, &client->timer);
	if (client->watch.fd >= 0) {
		int fd = client->watch.fd;

		loop_unwatch(loop, &client->watch);
		close(fd);
	}
	client->server->clients[client->slot] = NULL;
	free(client->out);
	free(client);
}

/* The end of the first whole line, or NULL. */
static char *
line_end(struct client *client)
{
	char *end = memchr(client->in + client->scanned, '\n', client->end - client->scanned);

	client->scanned = end ? (size_t)(end - client->in) : client->end;
	return end;
}

/*
 * Waits for what comes next. With a request in work that is only the client's leaving, which epoll
 * always tells. With more requests in the buffer it is that the socket can take another answer, so
 * that a client that sends many gets one turn of the loop for each, as everybody.
 */
static void
client_arm(struct client *client)
{
	struct loop *loop = client->server->control->loop;
	uint32_t events = EPOLLIN;

	if (client->in_work)
		events = 0;
	else if (client->out || line_end(client) || client->half_closed)
		events = EPOLLOUT;
	if (events != client->watch.events && loop_watch_events(loop, &client->watch, events) < 0)
		loop_timer_set(loop, &client->timer, 0); /* dropped, but not under the caller */
}

static void
client_answer(struct client *client, json_t *answer)
{
	static const char no_memory[] = "{\"ok\":false,\"error\":\"out of memory\"}";
	char *text = answer ? json_dumps(answer, JSON_COMPACT) : NULL;

	json_decref(answer);
	if (!text)
		text = strdup(no_memory);
	client->in_work = false;
	if (text) {
		client->out = text;
		client->out_length = strlen(text) + 1;
		client->out_sent = 0;
		text[client->out_length - 1] = '\n'; /* where the NUL was: sent as bytes */
	}
	loop_timer_set(client->server->control->loop, &client->timer,
		text ? SHUNT_API_READ_TIMEOUT_MS : 0);
}

static void
on_done(struct command_request *request, json_t *answer)
{
	struct client *client = loop_container(request, struct client, request);

	client_answer(client, answer);
	client_arm(client);
}

/* Answers with an error, after which the connection is closed. */
static void
client_refuse(struct client *client, const char *error)
{
	client->closing = true;
	client_answer(client, command_error("%s", error));
}

static bool
is_blank(const char *text, size_t length)
{
	while (length &&
		(text[length - 1] == ' ' || text[length - 1] == '\t' || text[length - 1] == '\r'))
		length--;
	return length == 0;
}

static void
client_start(struct client *client, const char *line, size_t length)
{
	json_t *object = json_loadb(line, length, JSON_REJECT_DUPLICATES, NULL);

	if (json_is_object(object)) {
		client->in_work = true;
		client->request = (struct command_request){
			.control = client->server->control,
			.done = on_done,
		};
		command_start(&client->request, object);
	} else {
		client_refuse(client,
			object ? "a request is a JSON object" : "the request is not valid JSON");
	}
	json_decref(object);
}

/* Starts the first request in the buffer. False: there is none. */
static bool
client_take(struct client *client)
{
	char *end;

	while ((end = line_end(client))) {
		const char *line = client->in + client->start;
		size_t length = (size_t)(end - line);

		client->start = client->scanned = client->start + length + 1;
		if (!is_blank(line, length)) {
			client_start(client, line, length);
			return true;
		}
	}
	return false;
}

/* Reads once. False: the connection is of no more use. */
static bool
client_read(struct client *client)
{
	ssize_t got;

	memmove(client->in, client->in + client->start, client->end - client->start);
	client->scanned -= client->start;
	client->end -= client->start;
	client->start = 0;
	got = recv(client->watch.fd, client->in + client->end, sizeof(client->in) - client->end,
		MSG_DONTWAIT);
	if (got < 0)
		return errno == EAGAIN || errno == EINTR;
	if (got == 0)
		client->half_closed = true;
	client->end += (size_t)got;
	return true;
}

/* Sends once. False: the connection is done with. */
static bool
client_send(struct client *client)
{
	ssize_t sent = send(client->watch.fd, client->out + client->out_sent,
		client->out_length - client->out_sent, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (sent < 0)
		return errno == EAGAIN || errno == EINTR;
	client->out_sent += (size_t)sent;
	if (client->out_sent < client->out_length)
		return true;
	free(client->out);
	client->out = NULL;
	/* With more requests here, it is again the client's reading that is waited for. */
	loop_timer_set(client->server->control->loop, &client->timer,
		line_end(client) ? SHUNT_API_READ_TIMEOUT_MS : SHUNT_API_IDLE_TIMEOUT_MS);
	return !client->closing;
}

static void
on_client(struct loop_watch *watch, uint32_t events)
{
	struct client *client = loop_container(watch, struct client, watch);

	if (events & (EPOLLHUP | EPOLLERR)) {
		client_drop(client);
		return;
	}
	if (!client->out && !client->in_work && !client_take(client)) {
		if (client->half_closed || !client_read(client)) {
			client_drop(client);
			return;
		}
		if (!client_take(client) && client->end == sizeof(client->in) && !client->start)
			client_refuse(client, "the request is too long");
	}
	if (client->out && !client_send(client)) {
		client_drop(client);
		return;
	}
	client_arm(client);
}

static void
on_client_timer(struct loop_timer *timer, uint64_t now_ms)
{
	struct client *client = loop_container(timer, struct client, timer);

	(void)now_ms;
	/* A request in work has deadlines of its own. */
	if (client->in_work &&
		loop_timer_set(client->server->control->loop, timer, SHUNT_API_IDLE_TIMEOUT_MS) ==
			0)
		return;
	client_drop(client);
}

/* Is the peer in the run directory's group, by one of its supplementary groups? */
static bool
in_peer_groups(int fd, gid_t group)
{
	socklen_t bytes = 0;
	gid_t *groups;
	bool found = false;

	/* Asked with no room, the kernel tells how much is needed. */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &bytes) == 0 || errno != ERANGE)
		return false;
	groups = malloc(bytes);
	if (groups && getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &bytes) == 0) {
		for (size_t i = 0; i < bytes / sizeof(*groups); i++)
			found |= groups[i] == group;
	}
	free(groups);
	return found;
}

/*
 * Root, the user shunt-control runs as, and members of the run directory's group may connect, and
 * whoever may connect may use every command. The socket's mode says the same; this holds even if
 * somebody has changed it.
 */
static bool
peer_allowed(const struct api_server *server, int fd)
{
	struct ucred peer;
	socklen_t length = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0)
		return false;
	return peer.uid == 0 || peer.uid == geteuid() || peer.gid == server->group ||
		in_peer_groups(fd, server->group);
}

static void
turn_away(int fd, const char *error)
{
	json_t *answer = command_error("%s", error);
	char *text = answer ? json_dumps(answer, JSON_COMPACT) : NULL;

	if (text) {
		size_t length = strlen(text) + 1;

		text[length - 1] = '\n';
		if (send(fd, text, length, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			log_warn("client turned away: %s", error);
	}
	free(text);
	json_decref(answer);
	close(fd);
}

static void
client_create(struct api_server *server, int fd)
{
	struct loop *loop = server->control->loop;
	struct client *client;
	unsigned int slot = 0;

	if (!peer_allowed(server, fd)) {
		turn_away(fd,
			"not allowed: be root, the user of shunt-control, or in the group "
			"of the run directory");
		return;
	}
	while (slot < SHUNT_API_MAX_CLIENTS && server->clients[slot])
		slot++;
	if (slot == SHUNT_API_MAX_CLIENTS) {
		turn_away(fd, "too many clients; try again later");
		return;
	}
	client = calloc(1, sizeof(*client));
	if (!client) {
		turn_away(fd, "out of memory");
		return;
	}
	client->server = server;
	client->slot = slot;
	client->watch.fd = -1;
	client->watch.on_event = on_client;
	client->timer.on_timer = on_client_timer;
	if (loop_timer_set(loop, &client->timer, SHUNT_API_IDLE_TIMEOUT_MS) < 0 ||
		loop_watch(loop, &client->watch, fd, EPOLLIN) < 0) {
		loop_timer_cancel(loop, &client->timer);
		free(client);
		turn_away(fd, "out of memory");
		return;
	}
	server->clients[slot] = client;
}

/* Without descriptors the listener would be ready for ever: look away for a moment. */
static void
accept_later(struct api_server *server)
{
	struct loop *loop = server->control->loop;

	if (!server->starved)
		log_warn("cannot accept clients: %s", strerror(errno));
	server->starved = true;
	if (loop_timer_set(loop, &server->pause, ACCEPT_PAUSE_MS) == 0)
		loop_watch_events(loop, &server->listener, 0);
}

static void
on_pause_over(struct loop_timer *timer, uint64_t now_ms)
{
	struct api_server *server = loop_container(timer, struct api_server, pause);

	(void)now_ms;
	loop_watch_events(server->control->loop, &server->listener, EPOLLIN);
}

static void
on_listener(struct loop_watch *watch, uint32_t events)
{
	struct api_server *server = loop_container(watch, struct api_server, listener);

	(void)events;
	for (int i = 0; i < ACCEPTS_A_TURN; i++) {
		int fd = accept4(watch->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			server->starved = false;
			client_create(server, fd);
		} else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
			errno == ENOMEM) {
			accept_later(server);
			return;
		} else if (errno == EAGAIN) {
			return;
		}
	}
}

/* Lets the run directory's group in, where the socket's file was made with another group. */
static void
share_with_group(const struct api_server *server, const char *path)
{
	struct stat file;

	if (stat(path, &file) == 0 && file.st_gid != server->group &&
		chown(path, (uid_t)-1, server->group) < 0)
		log_warn("%s: cannot give it to group %u: %s; members cannot connect", path,
			(unsigned int)server->group, strerror(errno));
}

/* Makes the socket at `name`, ready for clients. A descriptor or -errno. */
static int
listen_at(const struct api_server *server, const struct sockaddr_un *name)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	mode_t mask;
	int error;

	if (fd < 0)
		return -errno;
	unlink(name->sun_path);
	mask = umask(0117); /* 0660 from the first moment, not after a chmod() */
	error = bind(fd, (const struct sockaddr *)name, sizeof(*name)) < 0 ? errno : 0;
	umask(mask);
	if (!error && listen(fd, SHUNT_API_MAX_CLIENTS) < 0)
		error = errno;
	if (!error) {
		share_with_group(server, name->sun_path);
		return fd;
	}
	close(fd);
	return -error;
}

/* A descriptor that listens at server->path, or -errno. */
static int
listen_in_place(struct api_server *server)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	struct stat file;
	int fd, error;

	if (strlen(server->path) + SUFFIX_SIZE > sizeof(name.sun_path))
		return -ENAMETOOLONG;
	snprintf(name.sun_path, sizeof(name.sun_path), "%.*s.%d",
		(int)(sizeof(name.sun_path) - SUFFIX_SIZE), server->path, (int)getpid());
	fd = listen_at(server, &name);
	if (fd < 0)
		return fd;
	if (stat(name.sun_path, &file) < 0 || rename(name.sun_path, server->path) < 0) {
		error = errno;
		unlink(name.sun_path);
		close(fd);
		return -error;
	}
	server->device = file.st_dev;
	server->inode = file.st_ino;
	return fd;
}

struct api_server *
api_server_create(struct control *control)
{
	struct api_server *server = calloc(1, sizeof(*server));
	struct stat directory;
	int fd, error;

	if (!server)
		return NULL;
	server->control = control;
	server->listener.fd = -1;
	server->listener.on_event = on_listener;
	server->pause.on_timer = on_pause_over;
	if (stat(control->run_dir, &directory) < 0) {
		error = errno;
		goto free_server;
	}
	server->group = directory.st_gid;
	if ((size_t)snprintf(server->path, sizeof(server->path), "%s/" SHUNT_API_SOCKET,
		    control->run_dir) >= sizeof(server->path)) {
		error = ENAMETOOLONG;
		goto free_server;
	}
	fd = listen_in_place(server);
	if (fd < 0) {
		error = -fd;
		goto free_server;
	}
	error = -loop_watch(control->loop, &server->listener, fd, EPOLLIN);
	if (!error)
		return server;
	unlink(server->path);
	close(fd);
free_server:
	log_error(
		"cannot listen at %s/" SHUNT_API_SOCKET ": %s", control->run_dir, strerror(error));
	free(server);
	errno = error;
	return NULL;
}

void
api_server_destroy(struct api_server *server)
{
	struct stat file;
	int fd;

	if (!server)
		return;
	for (unsigned int i = 0; i < SHUNT_API_MAX_CLIENTS; i++) {
		if (server->clients[i])
			client_drop(server->clients[i]);
	}
	loop_timer_cancel(server->control->loop, &server->pause);
	fd = server->listener.fd;
	loop_unwatch(server->control->loop, &server->listener);
	if (stat(server->path, &file) == 0 && file.st_dev == server->device &&
		file.st_ino == server->inode)
		unlink(server->path);
	close(fd);
	free(server);
}
