/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "compile.h"
#include "session_client.h"
#include "transaction.h"

#define FIRST_ROOM 64

struct transaction_item {
	uint32_t kind;
	uint32_t id;
	const void *bytes; /* of the transaction's image; NULL: to be deleted */
	size_t length;
};

static int
add_item(void *context, uint32_t kind, uint32_t id, const void *bytes, size_t length)
{
	struct transaction *t = context;

	if (t->count == t->room) {
		size_t room = t->room ? 2 * t->room : FIRST_ROOM;
		struct transaction_item *items = reallocarray(t->items, room, sizeof(*items));

		if (!items)
			return -ENOMEM;
		t->items = items;
		t->room = room;
	}
	t->items[t->count++] = (struct transaction_item){ kind, id, bytes, length };
	return 0;
}

int
transaction_prepare(struct transaction *t, const struct image *running, struct image *image)
{
	*t = (struct transaction){ .image = image };
	return image_diff(running, image, add_item, t);
}

int
transaction_compile(struct transaction *t, const struct image *running, struct compiler *compiler,
	struct control *control, bool all)
{
	struct image *image = all ? NULL : image_clone(running);
	int rc = all ? -ENOENT : image ? compiler_update(compiler, control, image) : -ENOMEM;

	if (rc == -ENOENT) {
		image_destroy(image);
		image = image_create();
		rc = image ? compiler_compile(compiler, control, image) : -ENOMEM;
	}
	compiler_unmark(control);
	if (rc == 0)
		return transaction_prepare(t, running, image);
	image_destroy(image);
	return rc;
}

void
transaction_clear(struct transaction *t)
{
	image_destroy(t->image);
	free(t->items);
	*t = (struct transaction){ 0 };
}

static int
send_next(const struct transaction *t, struct session_client *client)
{
	struct shunt_msg msg = { .op = SHUNT_OP_BEGIN, .generation = t->base };
	const struct transaction_item *item;

	if (t->sent == 0)
		return session_client_send(client, &msg);
	if (t->sent > t->count) {
		msg = (struct shunt_msg){ .op = SHUNT_OP_COMMIT, .generation = t->generation };
		return session_client_send(client, &msg);
	}
	item = &t->items[t->sent - 1];
	msg = (struct shunt_msg){ .op = SHUNT_OP_DELETE, .kind = item->kind, .id = item->id };
	if (!item->bytes)
		return session_client_send(client, &msg);
	msg.op = SHUNT_OP_PUT;
	return session_client_send_bytes(client, &msg, item->bytes, item->length);
}

int
transaction_send(struct transaction *t, struct session_client *client)
{
	while (!transaction_is_sent(t)) {
		int rc = send_next(t, client);

		if (rc < 0)
			return rc;
		t->sent++;
	}
	return 0;
}

bool
transaction_is_sent(const struct transaction *t)
{
	return t->sent == t->count + 2;
}

void
transaction_describe(
	const struct transaction *t, uint32_t kind, uint32_t id, char *text, size_t size)
{
	static const char *const kinds[SHUNT_KIND_END] = { "object", "the settings", "next hop",
		"server", "backend", "service", "local address", "source address", "limit",
		"piece of prefixes", "piece of ACLs", "piece of rules", "truth" };
	const void *bytes = image_get(t->image, kind, id, NULL);
	const struct shunt_server *server = bytes;
	const struct shunt_backend *backend = bytes;
	const struct shunt_service *service = bytes;

	if (kind == 0) {
		snprintf(text, size, "the transaction as a whole");
	} else if (bytes && kind == SHUNT_KIND_SERVER) {
		backend = image_get(t->image, SHUNT_KIND_BACKEND, server->backend, NULL);
		snprintf(text, size, "server %s/%s", backend ? backend->name : "?", server->name);
	} else if (bytes && kind == SHUNT_KIND_BACKEND) {
		snprintf(text, size, "backend %s", backend->name);
	} else if (bytes && kind == SHUNT_KIND_SERVICE) {
		snprintf(text, size, "a bind of frontend %s", service->frontend);
	} else {
		snprintf(text, size, "%s %u", kinds[kind < SHUNT_KIND_END ? kind : 0], id);
	}
}
