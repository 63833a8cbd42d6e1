/* SPDX-License-Identifier: BSD-3-Clause */
#include "flow_mode.h"

#include "state.h"

enum flow_mode
flow_mode_of(const struct control *control, const struct backend *backend)
{
	bool stateless = false, stateful = false;

	for (size_t i = 0; i < control->service_count; i++) {
		if (!state_leads(control, &control->services[i], backend))
			continue;
		stateless |= control->services[i].stateless;
		stateful |= !control->services[i].stateless;
	}
	if (!stateless)
		return FLOW_MODE_STATEFUL;
	return stateful ? FLOW_MODE_MIXED : FLOW_MODE_STATELESS;
}

const char *
flow_mode_name(enum flow_mode mode)
{
	switch (mode) {
	case FLOW_MODE_STATELESS:
		return "stateless";
	case FLOW_MODE_MIXED:
		return "mixed";
	default:
		return "stateful";
	}
}

static uint32_t
longer(uint32_t a_ms, uint32_t b_ms)
{
	return a_ms > b_ms ? a_ms : b_ms;
}

uint32_t
flow_mode_silence_ms(const struct control *control, const struct backend *backend)
{
	uint32_t longest_ms = 0;

	for (size_t i = 0; i < control->service_count; i++) {
		const struct service *service = &control->services[i];
		const struct timeout_config *timeout = &service->timeout;

		if (service->backend == backend && service->stateless)
			longest_ms = longer(longest_ms,
				service->protocol == SHUNT_UDP
					? timeout->udp_ms
					: longer(timeout->established_ms, timeout->fin_ms));
	}
	return longest_ms;
}
