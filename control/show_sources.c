/* SPDX-License-Identifier: BSD-3-Clause */
/* The client networks nearest to their limits, as the dataplane has told them. */
#include <stdio.h>

#include "jsonfile.h"
#include "shunt/session.h"
#include "show.h"
#include "state.h"

/* "192.0.2.7", "192.0.2.0/24": the length is left out where it says nothing. */
static void
network_text(const struct shunt_source_row *row, char *text, size_t size)
{
	unsigned int all = shunt_addr_is_v4(&row->network) ? 32 : 128;
	char address[JSON_ADDRESS_TEXT_SIZE];

	json_address_text(&row->network, address);
	if (row->bits < all)
		snprintf(text, size, "%s/%u", address, row->bits);
	else
		snprintf(text, size, "%s", address);
}

static const struct service *
service_with(const struct control *control, uint32_t limit)
{
	for (size_t i = 0; i < control->service_count; i++) {
		if (control->services[i].limit_id == limit)
			return &control->services[i];
	}
	return NULL;
}

/* What the limit itself is, or null: the network is counted, and not limited in this. */
static json_t *
number(uint64_t value)
{
	return value ? json_integer((json_int_t)value) : json_null();
}

json_t *
show_sources(const struct control *control, const struct shunt_source_row *rows, size_t count)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < count; i++) {
		const struct service *service = service_with(control, rows[i].limit);
		char network[JSON_ADDRESS_TEXT_SIZE + 8];

		if (!service)
			continue; /* a reload is on its way */
		network_text(&rows[i], network, sizeof(network));
		if (json_array_append_new(list,
			    json_pack("{s:s, s:s, s:I, s:o, s:I, s:o, s:I}", "network", network,
				    "frontend", service->frontend, "sessions",
				    (json_int_t)rows[i].sessions, "maxconn",
				    number(service->limit.source_maxconn), "rate",
				    (json_int_t)rows[i].rate, "rate_limit",
				    number(service->limit.source_rate), "refused",
				    (json_int_t)rows[i].refused)) < 0) {
			json_decref(list);
			list = NULL;
		}
	}
	return list;
}
