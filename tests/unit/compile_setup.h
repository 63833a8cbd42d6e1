/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the tests of compile.c share: a state with a compiler, and a kernel's view as they like it.
 * It defines what netlink.c would, so it is for one file of a program.
 */
#ifndef TESTS_COMPILE_SETUP_H
#define TESTS_COMPILE_SETUP_H

#include "compile.h"
#include "model.h"
#include "netlink.h"
#include "unit.h"

#define SERVERS "app s1=10.0.0.1*10 s2=10.0.0.2*20 b1=10.0.0.8! b2=10.0.0.9! | api s1=10.0.1.1"

/* In place of the kernel's view: what the tests say. */
static struct {
	bool known;
	uint8_t mac;		  /* of 10.0.0.0/24, that and the next one of all others */
	struct shunt_addr source; /* preferred for all */
	struct shunt_addr locals[4];
	size_t local_count;
} kernel;

bool
netlink_nexthop(const struct netlink *netlink, const struct shunt_addr *address,
	struct shunt_nexthop *nexthop)
{
	(void)netlink;
	memset(nexthop, 0xee, sizeof(*nexthop)); /* padding as it may come */
	nexthop->port = 1;
	nexthop->mac = (struct shunt_mac){ { 2, 0, 0, 0, 0, kernel.mac } };
	nexthop->mac.bytes[5] = (uint8_t)(kernel.mac + (address->bytes[14] != 0));
	nexthop->source = kernel.source;
	return kernel.known;
}

size_t
netlink_locals(const struct netlink *netlink, struct shunt_addr *locals, size_t max)
{
	(void)netlink;
	CU_ASSERT(kernel.local_count <= max);
	memcpy(locals, kernel.locals, kernel.local_count * sizeof(*locals));
	return kernel.local_count;
}

void
netlink_update(struct netlink *netlink)
{
	(void)netlink;
}

struct setup {
	struct control control;
	struct compiler *compiler;
};

static inline void
setup_create(struct setup *s, const char *model)
{
	kernel.known = true;
	kernel.mac = 0x10;
	kernel.source = model_address("10.0.0.254");
	kernel.local_count = 0;
	*s = (struct setup){ .compiler = compiler_create() };
	/* Never looked into: it only has to be there. */
	s->control.netlink = (struct netlink *)(void *)&kernel;
	CU_ASSERT_PTR_NOT_NULL_FATAL(s->compiler);
	CU_ASSERT_EQUAL_FATAL(model_apply(&s->control, model), 0);
}

static inline void
setup_destroy(struct setup *s)
{
	state_destroy(&s->control);
	compiler_destroy(s->compiler);
}

static inline struct image *
compile(struct setup *s)
{
	struct image *image = image_create();

	CU_ASSERT_EQUAL_FATAL(compiler_compile(s->compiler, &s->control, image), 0);
	return image;
}

static inline const void *
get(const struct image *image, uint32_t kind, uint32_t id, size_t expected)
{
	size_t length = 0;
	const void *bytes = image_get(image, kind, id, &length);

	CU_ASSERT_PTR_NOT_NULL_FATAL(bytes);
	if (expected)
		CU_ASSERT_EQUAL_FATAL(length, expected);
	return bytes;
}

static inline const struct shunt_server *
get_server(const struct setup *s, const struct image *image, const char *path)
{
	return get(image, SHUNT_KIND_SERVER, state_find_server(&s->control, path)->id,
		sizeof(struct shunt_server));
}

static inline const struct shunt_backend *
get_backend(const struct setup *s, const struct image *image, const char *name)
{
	const struct backend *backend = state_find_backend(&s->control, name);
	const struct shunt_backend *object = get(image, SHUNT_KIND_BACKEND, backend->id, 0);
	size_t length;

	image_get(image, SHUNT_KIND_BACKEND, backend->id, &length);
	CU_ASSERT_EQUAL_FATAL(length, shunt_backend_bytes(object));
	return object;
}

static inline const struct shunt_member *
members(const struct shunt_backend *backend)
{
	return (const void *)(backend + 1);
}

static inline const uint16_t *
slots(const struct shunt_backend *backend)
{
	return (const void *)(members(backend) + backend->member_count);
}

static inline int
count_object(void *context, uint32_t kind, uint32_t id, const void *bytes, size_t length)
{
	size_t *counts = context;

	(void)id;
	(void)length;
	counts[bytes ? kind : 0]++;
	return 0;
}

/* How many objects are put, by kind; [0]: deleted. */
struct difference {
	size_t counts[SHUNT_KIND_END];
};

static inline struct difference
difference(const struct image *from, const struct image *to)
{
	struct difference d = { 0 };

	image_diff(from, to, count_object, d.counts);
	return d;
}

#endif
