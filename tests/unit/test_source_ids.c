/* SPDX-License-Identifier: BSD-3-Clause */
/* Full NAT's source addresses in the image: their ids, through reloads and restarts. */
#include "compile_setup.h"

/* Applies `model`, its backends in their order with the addresses of `sources`. */
static void
apply(struct setup *s, const char *model, const char *const sources[])
{
	struct config *config = model_config(model);

	for (size_t i = 0; i < config->backend_count; i++) {
		struct backend_config *backend = &config->backends[i];
		char *copy = strdup(sources[i]), *save = NULL;

		for (char *word = strtok_r(copy, " ", &save); word;
			word = strtok_r(NULL, " ", &save)) {
			backend->forward = SHUNT_FULLNAT;
			backend->sources[backend->source_count++] = model_address(word);
		}
		free(copy);
	}
	CU_ASSERT_EQUAL_FATAL(state_apply(&s->control, config), 0);
}

#define MODEL "app s1=10.0.0.1 | api s1=10.0.1.1"

static uint32_t
id_of(const struct image *image, const char *text)
{
	const struct shunt_addr address = model_address(text);

	for (uint32_t id = 1; id < SHUNT_MAX_SOURCES; id++) {
		const struct shunt_source *source = image_get(image, SHUNT_KIND_SOURCE, id, NULL);

		if (source && shunt_addr_equal(&source->address, &address))
			return id;
	}
	return 0;
}

static void
check_backend(const struct setup *s, const struct image *image, const char *name, size_t count)
{
	const struct shunt_backend *backend = get_backend(s, image, name);

	for (size_t i = 0; i < SHUNT_MAX_BACKEND_SOURCES; i++) {
		CU_ASSERT_EQUAL(backend->sources[i] != 0, i < count);
		if (i > 0 && i < count)
			CU_ASSERT(backend->sources[i] > backend->sources[i - 1]);
		if (i < count)
			get(image, SHUNT_KIND_SOURCE, backend->sources[i],
				sizeof(struct shunt_source));
	}
}

static void
objects(void)
{
	static const char *const sources[] = { "10.0.0.200 10.0.0.201 10.0.0.202",
		"10.0.0.202 10.0.0.200" };
	struct setup s;
	struct image *image;
	struct difference d;

	setup_create(&s, "");
	apply(&s, MODEL, sources);
	image = compile(&s);
	d = difference(NULL, image);
	CU_ASSERT_EQUAL(d.counts[SHUNT_KIND_SOURCE], 3); /* two are shared */
	check_backend(&s, image, "app", 3);
	check_backend(&s, image, "api", 2);
	CU_ASSERT_EQUAL(get_backend(&s, image, "app")->forward, SHUNT_FULLNAT);
	image_destroy(image);
	setup_destroy(&s);
}

static void
reloads(void)
{
	static const char *const first[] = { "10.0.0.200 10.0.0.201 10.0.0.202", "" };
	static const char *const second[] = { "10.0.0.199 10.0.0.202 10.0.0.200", "" };
	struct image *before, *after;
	struct setup s;

	setup_create(&s, "");
	apply(&s, MODEL, first);
	before = compile(&s);
	apply(&s, MODEL, second);
	after = compile(&s);
	check_backend(&s, after, "app", 3);
	CU_ASSERT_EQUAL(id_of(after, "10.0.0.200"), id_of(before, "10.0.0.200"));
	CU_ASSERT_EQUAL(id_of(after, "10.0.0.202"), id_of(before, "10.0.0.202"));
	CU_ASSERT_EQUAL(id_of(after, "10.0.0.201"), 0);
	/* Flows may still name the old one's id: it is not given to the new one. */
	CU_ASSERT_NOT_EQUAL(id_of(after, "10.0.0.199"), id_of(before, "10.0.0.201"));
	image_destroy(after);
	/* The order in the file is nothing to the dataplane. */
	apply(&s, MODEL, (const char *const[]){ "10.0.0.202 10.0.0.201 10.0.0.200", "" });
	after = compile(&s);
	CU_ASSERT_TRUE(image_equal(before, after));
	image_destroy(before);
	image_destroy(after);
	setup_destroy(&s);
}

static void
restart(void)
{
	static const char *const first[] = { "10.0.0.250", "10.0.0.203" };
	static const char *const second[] = { "10.0.0.200 10.0.0.201", "10.0.0.203" };
	struct image *running, *after;
	struct setup a, b;

	setup_create(&a, "");
	apply(&a, MODEL, first);
	image_destroy(compile(&a));
	apply(&a, MODEL, second); /* ids that another order would not give */
	running = compile(&a);
	setup_create(&b, "");
	apply(&b, MODEL, second);
	CU_ASSERT_EQUAL(compiler_adopt(b.compiler, &b.control, running), 0);
	after = compile(&b);
	CU_ASSERT_TRUE(image_equal(running, after));
	image_destroy(running);
	image_destroy(after);
	setup_destroy(&a);
	setup_destroy(&b);
}

/* As many as there may be at a time, over and over. */
static void
all_ids(void)
{
	struct setup s;
	char text[16][300];
	const char *sources[16];
	char model[400] = "";

	setup_create(&s, "");
	for (int round = 0; round < 4; round++) {
		struct image *image;

		model[0] = '\0';
		for (int i = 0; i < 8; i++) {
			snprintf(model + strlen(model), sizeof(model) - strlen(model),
				"%sb%d s=10.1.0.%d", i ? " | " : "", i, i + 1);
			text[i][0] = '\0';
			sources[i] = text[i];
			for (int j = 0; j < SHUNT_MAX_BACKEND_SOURCES; j++)
				snprintf(text[i] + strlen(text[i]), 18, "10.2.%d.%d ", round,
					i * 16 + j);
		}
		apply(&s, model, sources);
		image = compile(&s);
		CU_ASSERT_EQUAL(difference(NULL, image).counts[SHUNT_KIND_SOURCE], 128);
		check_backend(&s, image, "b7", 16);
		image_destroy(image);
	}
	setup_destroy(&s);
}

static const struct unit_test tests[] = {
	{ "objects", objects },
	{ "ids through reloads", reloads },
	{ "ids through a restart", restart },
	{ "ids used again", all_ids },
};

UNIT_MAIN("source_ids", tests)
