/* SPDX-License-Identifier: BSD-3-Clause */
/* What stands between a client's packet and a new flow. */
#include "track_impl.h"

const struct gen_backend *
track_admit(struct tracker *t, struct pkt *p, const struct gen_backend *backend)
{
	if (t->generation->services[p->service].rules) {
		backend = track_rules(t, p, backend);
		if (p->drop)
			return NULL;
	}
	if (!backend || backend->member_count == 0) {
		p->drop = SHUNT_DROP_NO_SERVER;
		return NULL;
	}
	return backend;
}
