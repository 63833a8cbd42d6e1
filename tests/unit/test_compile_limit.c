/* SPDX-License-Identifier: BSD-3-Clause */
/* Limits in the image: one a frontend, with an id that it keeps. */
#include "compile_setup.h"

static const struct shunt_limit limit = {
	.maxconn = 10,
	.source_rate = 5,
	.source_burst = 5,
	.source_prefix = 32,
	.source_prefix_v6 = 64,
};

static const struct shunt_service *
get_service(const struct setup *s, const struct image *image, size_t index)
{
	return get(image, SHUNT_KIND_SERVICE, s->control.services[index].id,
		sizeof(struct shunt_service));
}

static void
test_image(void)
{
	const struct shunt_limit *object;
	struct image *image;
	struct setup s;

	setup_create(&s, SERVERS);
	image = compile(&s);
	CU_ASSERT_EQUAL(get_service(&s, image, 0)->limit, 0);
	CU_ASSERT_PTR_NULL(image_get(image, SHUNT_KIND_LIMIT, 1, NULL));
	image_destroy(image);

	s.control.services[1].limit = limit;
	image = compile(&s);
	CU_ASSERT_EQUAL(get_service(&s, image, 0)->limit, 0);
	CU_ASSERT_EQUAL(get_service(&s, image, 1)->limit, s.control.services[1].limit_id);
	object = get(image, SHUNT_KIND_LIMIT, s.control.services[1].limit_id, sizeof(*object));
	CU_ASSERT_EQUAL(object->maxconn, 10);
	CU_ASSERT_EQUAL(object->source_rate, 5);
	CU_ASSERT_STRING_EQUAL(object->frontend, s.control.services[1].frontend);
	image_destroy(image);

	/* Two binds of one frontend have one between them. */
	s.control.services[0].limit = limit;
	memcpy(s.control.services[0].frontend, s.control.services[1].frontend,
		sizeof(s.control.services[0].frontend));
	image = compile(&s);
	CU_ASSERT_EQUAL(get_service(&s, image, 0)->limit, get_service(&s, image, 1)->limit);
	CU_ASSERT_NOT_EQUAL(get_service(&s, image, 0)->limit, 0);
	image_destroy(image);
	setup_destroy(&s);
}

/* A restart of control gives the limits the ids they have, so that nothing is counted anew. */
static void
test_adopted(void)
{
	struct image *running, *after;
	struct setup a, b;

	setup_create(&a, SERVERS);
	a.control.services[0].limit = limit;
	image_destroy(compile(&a));
	a.control.services[1].limit = limit;
	image_destroy(compile(&a));
	a.control.services[0].limit = (struct shunt_limit){ 0 };
	running = compile(&a);
	CU_ASSERT_NOT_EQUAL(a.control.services[1].limit_id, 1);

	setup_create(&b, SERVERS);
	b.control.services[1].limit = limit;
	CU_ASSERT_EQUAL_FATAL(compiler_adopt(b.compiler, &b.control, running), 0);
	after = compile(&b);
	CU_ASSERT_TRUE(image_equal(running, after));
	image_destroy(running);
	image_destroy(after);
	setup_destroy(&a);
	setup_destroy(&b);
}

static const struct unit_test tests[] = {
	{ "limits in the image", test_image },
	{ "limits adopted", test_adopted },
};

UNIT_MAIN("compile_limit", tests)
