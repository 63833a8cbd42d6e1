/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>

#include "jsonfile.h"
#include "netlink.h"
#include "publish.h"
#include "state.h"

#define LOG_SUBSYSTEM "config"
#include "shunt/log.h"

static void
log_entries(const char *file, const struct json_errors *errors)
{
	const struct json_error_entry *entry;

	for (size_t i = 0; (entry = json_errors_get(errors, i)); i++) {
		if (entry->warning)
			log_warn("%s: %s: %s", file, entry->path, entry->message);
		else
			log_error("%s: %s: %s", file, entry->path, entry->message);
	}
}

int
control_reload(struct control *control, struct json_errors **errors)
{
	struct json_errors *found = json_errors_create();
	struct config *config;
	int status;

	*errors = NULL;
	if (!found)
		return -ENOMEM;
	config = config_load(control->config_path, found);
	log_entries(control->config_path, found);
	if (!config) {
		log_error("%s: not reloaded, what was running goes on; errors: %zu",
			control->config_path, json_errors_count(found));
		*errors = found;
		return -EINVAL;
	}
	json_errors_destroy(found);
	status = state_apply(control, config);
	if (status < 0) {
		log_error("%s: not reloaded, what was running goes on: out of memory",
			control->config_path);
		config_destroy(config);
		return status;
	}
	if (observe_watch(control) < 0)
		log_warn("out of memory: servers are not observed until the next reload");
	netlink_update(control->netlink);
	publish_schedule(control->publish);
	return 0;
}
