/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The fast path against the stages that can do everything: the same frames, the same objects, and
 * the same must come of it. Both kinds of passes.
 */
#include "fast_compare.h"
#include "fast_frames.h"
#include "unit.h"

#define WORLDS	       3 /* by the stages alone, by simple passes, by the CPU's best */
#define BURSTS	       1200
#define CAPACITY_FLOWS 4096

struct trial {
	struct scene *scene;
	struct bed_world *worlds[WORLDS];
	unsigned int lagging;
};

static void
trial_open(struct trial *t, uint64_t seed, uint32_t workers, bool with_fullnat, bool with_range)
{
	*t = (struct trial){ 0 };
	t->worlds[0] = bed_world_create(NULL, workers, CAPACITY_FLOWS);
	t->worlds[1] = bed_world_create(fast_passes(true), workers, CAPACITY_FLOWS);
	t->worlds[2] = bed_world_create(fast_passes(false), workers, CAPACITY_FLOWS);
	t->scene = scene_open(seed, with_fullnat, with_range, t->worlds, WORLDS);
	scene_connect(t->scene, t->worlds, WORLDS);
}

static void
trial_close(struct trial *t)
{
	scene_close(t->scene);
	for (unsigned int i = 0; i < WORLDS; i++)
		bed_world_destroy(t->worlds[i]);
}

/* Packets of one flow leave in the order in which they came. */
static bool
is_in_order(const struct bed_world *w, const struct scene_frame *frames)
{
	for (unsigned int i = 0; i < w->in_count; i++) {
		for (unsigned int k = 0; k < i; k++) {
			if (frames[i].flow >= 0 && frames[i].flow == frames[k].flow &&
				w->in[i].fate == BED_SENT && w->in[k].fate == BED_SENT &&
				w->in[i].turn < w->in[k].turn)
				return false;
		}
	}
	return true;
}

/* False: something was not as it should be, and has been printed. */
static bool
trial_burst(struct trial *t, unsigned int n, enum scene_dirt dirt)
{
	static struct scene_frame frames[PKT_BURST];
	uint8_t port = scene_draw_burst(t->scene, t->worlds, WORLDS, n, dirt, frames);
	bool good = true;

	for (unsigned int i = 0; i < WORLDS; i++) {
		bed_walk(t->worlds[i], port);
		good &= is_in_order(t->worlds[i], frames);
	}
	if (good && !compare_passes(t->worlds[1], t->worlds[2])) {
		printf("\n  the passes differ\n");
		good = false;
	}
	for (unsigned int i = 1; i < WORLDS && good; i++)
		good = compare_burst(t->worlds[0], t->worlds[i]) &&
			compare_all_flows(t->worlds[0], t->worlds[i], &t->lagging);
	for (unsigned int i = 0; i < WORLDS; i++)
		bed_clear(t->worlds[i]);
	return good;
}

/* The clock goes on, by little or by much. */
static void
trial_tick(struct trial *t)
{
	static const uint8_t steps[] = { 1, 1, 1, 2, 5, 20, 200 };
	uint16_t step = steps[scene_random(t->scene, sizeof(steps))];

	for (unsigned int i = 0; i < WORLDS; i++) {
		t->worlds[i]->tick += step;
		track_sweep(t->worlds[i]->tracker, 200, t->worlds[i]->tick);
	}
}

static void
check_trial(uint64_t seed, uint32_t workers, bool with_fullnat, bool with_range)
{
	struct trial t;
	unsigned int burst = 0;
	bool good = true;

	trial_open(&t, seed, workers, with_fullnat, with_range);
	for (; burst < BURSTS && good; burst++) {
		enum scene_dirt dirt = scene_random(t.scene, SCENE_DIRTS);

		if (burst % 8 == 7)
			trial_tick(&t);
		if (burst % 20 == 19) {
			scene_change(t.scene);
			scene_publish(t.scene, t.worlds, WORLDS);
		}
		if (burst % 300 == 299)
			scene_connect(t.scene, t.worlds, WORLDS);
		good = trial_burst(&t, 1 + scene_random(t.scene, PKT_BURST), dirt);
	}
	if (!good)
		printf("\n  seed %lu, burst %u, %u workers\n", seed, burst, workers);
	CU_ASSERT_TRUE(good);
	/* It was about something. */
	CU_ASSERT_TRUE(t.worlds[1]->by_fast > BURSTS);
	CU_ASSERT_TRUE(t.worlds[1]->fast_left > BURSTS / 4);
	CU_ASSERT_EQUAL(t.worlds[1]->by_fast, t.worlds[2]->by_fast);
	CU_ASSERT_TRUE(with_fullnat || with_range || t.worlds[1]->by_fast_to_client > BURSTS);
	CU_ASSERT_TRUE(t.lagging > 0);
	trial_close(&t);
}

static void
test_as_the_stages(void)
{
	check_trial(1, 1, false, false);
	check_trial(2, 1, true, false);
	check_trial(3, 1, false, true);
}

static void
test_as_the_stages_with_owners(void)
{
	check_trial(4, 2, false, false);
	check_trial(5, 3, true, true);
}

static const struct unit_test tests[] = {
	{ "as the stages", test_as_the_stages },
	{ "as the stages, with several owners", test_as_the_stages_with_owners },
};

UNIT_MAIN("fast", tests)
