/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>

#include "conditions.h"
#include "publish.h"
#include "rules_impl.h"

static const uint32_t kinds[] = { SHUNT_KIND_PREFIXES, SHUNT_KIND_ACLS, SHUNT_KIND_RULES };

uint32_t
rules_row(const struct config *config, size_t frontend)
{
	uint32_t row = 0;

	if (config->frontends[frontend].rule_count == 0)
		return 0;
	for (size_t i = 0; i <= frontend; i++)
		row += config->frontends[i].rule_count > 0;
	return row;
}

struct rules *
rules_of(struct control *control)
{
	if (!control->rules)
		control->rules = calloc(1, sizeof(*control->rules));
	return control->rules;
}

/* Of the dataplane that is there, or was there last. */
static uint32_t
get_ports(const struct control *control, char names[SHUNT_MAX_PORTS][SHUNT_NAME_SIZE])
{
	const struct shunt_port_info *ports = NULL;
	uint32_t count = control->publish ? publish_ports(control->publish, &ports) : 0;

	memset(names, 0, SHUNT_MAX_PORTS * sizeof(names[0]));
	for (uint32_t i = 0; i < count; i++)
		memcpy(names[i], ports[i].name, sizeof(names[i]));
	return count;
}

/* Would the pieces be made the same? */
static bool
are_good(const struct control *control)
{
	const struct rules *r = control->rules;
	char ports[SHUNT_MAX_PORTS][SHUNT_NAME_SIZE];

	if (!r->image || r->serial != control->config->serial ||
		r->backend_count != control->backend_count)
		return false;
	for (size_t i = 0; i < r->backend_count; i++) {
		if (r->backend_ids[i] != control->backends[i]->id)
			return false;
	}
	return get_ports(control, ports) == r->port_count &&
		memcmp(ports, r->ports, sizeof(ports)) == 0;
}

static int
make(struct control *control)
{
	struct rules *r = control->rules;
	uint32_t *ids = calloc(control->backend_count + 1, sizeof(*ids));
	struct image *image = image_create();
	int rc = ids && image ? 0 : -ENOMEM;

	r->port_count = get_ports(control, r->ports);
	for (size_t i = 0; ids && i < control->backend_count; i++)
		ids[i] = control->backends[i]->id;
	if (rc == 0)
		rc = rules_give_counters(control);
	if (rc == 0 && control->config->rule_count > 0) {
		rc = rules_make_prefixes(control->config, image);
		if (rc == 0)
			rc = rules_make_acls(control->config, r, image);
		if (rc == 0)
			rc = rules_make_rules(control, image);
	}
	if (rc < 0) {
		free(ids);
		image_destroy(image);
		return rc;
	}
	image_destroy(r->image);
	free(r->backend_ids);
	r->image = image;
	r->backend_ids = ids;
	r->backend_count = control->backend_count;
	r->serial = control->config->serial;
	return 0;
}

int
rules_put(struct control *control, struct image *image)
{
	int rc = 0;

	if (!control->config)
		return 0;
	if (!rules_of(control))
		return -ENOMEM;
	if (!are_good(control))
		rc = make(control);
	for (size_t i = 0; rc == 0 && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		rc = image_share(image, control->rules->image, kinds[i]);
	return rc;
}

static void
evaluate(const struct control *control, struct shunt_truth *truth)
{
	time_t seconds = time(NULL);
	struct tm now;

	localtime_r(&seconds, &now);
	conditions_evaluate(
		control, &now, control->publish ? publish_stats(control->publish) : NULL, truth);
}

int
rules_put_truth(struct control *control, struct image *image)
{
	if (!control->config || control->config->truth_count == 0)
		return 0;
	if (!rules_of(control))
		return -ENOMEM;
	evaluate(control, &control->rules->truth);
	return image_put(
		image, SHUNT_KIND_TRUTH, 1, &control->rules->truth, sizeof(control->rules->truth));
}

bool
rules_truth_has_changed(const struct control *control)
{
	struct shunt_truth truth;

	if (!control->config || control->config->truth_count == 0 || !control->rules)
		return false;
	evaluate(control, &truth);
	return memcmp(&truth, &control->rules->truth, sizeof(truth)) != 0;
}

const struct shunt_truth *
rules_truth(const struct control *control)
{
	static const struct shunt_truth none;

	return control->rules ? &control->rules->truth : &none;
}

void
rules_destroy(struct control *control)
{
	struct rules *r = control->rules;

	if (!r)
		return;
	image_destroy(r->image);
	free(r->backend_ids);
	free(r->counters);
	free(r->known);
	free(r);
	control->rules = NULL;
}
