/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "settings.h"
#include "xdp_guard.h"

#define GUARD_PROGRAM "shunt_guard"
#define GUARD_OBJECT  "xdp_guard.bpf.o"

/* With the program's name, what tells a stale guard from the filters of others. */
#define GUARD_HANDLE   0x5368756e
#define GUARD_PRIORITY 1

struct xdp_guard {
	int ifindex;
	bool made_hook;
};

static const struct bpf_tc_hook ingress = {
	.sz = sizeof(ingress),
	.attach_point = BPF_TC_INGRESS,
};

static const struct bpf_tc_opts place = {
	.sz = sizeof(place),
	.handle = GUARD_HANDLE,
	.priority = GUARD_PRIORITY,
};

static bool
is_guard(uint32_t program)
{
	struct bpf_prog_info info = { 0 };
	uint32_t bytes = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(program);
	bool same;

	if (fd < 0)
		return false;
	same = bpf_obj_get_info_by_fd(fd, &info, &bytes) == 0 &&
		strcmp(info.name, GUARD_PROGRAM) == 0;
	close(fd);
	return same;
}

void
xdp_guard_clear_stale(int ifindex)
{
	/* That there is no qdisc is what libbpf meets nearly always, and would print as an error.
	 */
	libbpf_print_fn_t print = libbpf_set_print(NULL);
	struct bpf_tc_hook hook = ingress;
	struct bpf_tc_opts opts = place;

	hook.ifindex = ifindex;
	/* The qdisc stays: it does nothing by itself, and others may use it by now. */
	if (bpf_tc_query(&hook, &opts) == 0 && is_guard(opts.prog_id))
		bpf_tc_detach(&hook, &place);
	libbpf_set_print(print);
}

static int
create_hook(struct xdp_guard *guard)
{
	libbpf_print_fn_t print = libbpf_set_print(NULL); /* -EEXIST is no error here */
	struct bpf_tc_hook hook = ingress;
	int result;

	hook.ifindex = guard->ifindex;
	result = bpf_tc_hook_create(&hook);
	libbpf_set_print(print);
	guard->made_hook = result == 0;
	return result == -EEXIST ? 0 : result;
}

static int
load(struct bpf_object *object, const struct xdp_guard_map *maps, size_t count)
{
	int result = 0;

	for (size_t i = 0; i < count && result == 0; i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(object, maps[i].name);

		result = map ? bpf_map__reuse_fd(map, maps[i].fd) : -ENOENT;
	}
	return result < 0 ? result : bpf_object__load(object);
}

static int
attach(const struct xdp_guard *guard, const struct bpf_object *object)
{
	const struct bpf_program *program = bpf_object__find_program_by_name(object, GUARD_PROGRAM);
	struct bpf_tc_hook hook = ingress;
	struct bpf_tc_opts opts = place;

	if (!program)
		return -ENOENT;
	hook.ifindex = guard->ifindex;
	opts.prog_fd = bpf_program__fd(program);
	return bpf_tc_attach(&hook, &opts);
}

static void
destroy_hook(const struct xdp_guard *guard)
{
	struct bpf_tc_hook hook = ingress;

	if (!guard->made_hook)
		return;
	hook.ifindex = guard->ifindex;
	hook.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS; /* both: the qdisc itself */
	bpf_tc_hook_destroy(&hook);
}

struct xdp_guard *
xdp_guard_create(int ifindex, const char *filter, const struct xdp_guard_map *maps, size_t count)
{
	const char *slash = strrchr(filter, '/');
	struct xdp_guard *guard = calloc(1, sizeof(*guard));
	char path[SETTINGS_PATH_SIZE + sizeof(GUARD_OBJECT)];
	struct bpf_object *object;
	int result;

	if (!guard)
		return NULL;
	guard->ifindex = ifindex;
	snprintf(path, sizeof(path), "%.*s" GUARD_OBJECT, slash ? (int)(slash + 1 - filter) : 0,
		filter);
	object = bpf_object__open_file(path, NULL);
	result = object ? load(object, maps, count) : -errno;
	if (result == 0)
		result = create_hook(guard);
	if (result == 0) {
		result = attach(guard, object);
		if (result < 0)
			destroy_hook(guard);
	}
	bpf_object__close(object); /* what is attached lives on in the kernel */
	if (result == 0)
		return guard;
	free(guard);
	errno = -result;
	return NULL;
}

void
xdp_guard_destroy(struct xdp_guard *guard)
{
	struct bpf_tc_hook hook = ingress;

	if (!guard)
		return;
	hook.ifindex = guard->ifindex;
	bpf_tc_detach(&hook, &place);
	destroy_hook(guard);
	free(guard);
}
