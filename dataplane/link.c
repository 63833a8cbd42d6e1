/* SPDX-License-Identifier: BSD-3-Clause */
#include "link.h"

#include "fields.h"
#include "shunt/table.h"

enum {
	TAGS_AT = 12,	   /* behind both addresses */
	PRIORITY = 0xf000, /* of a tag's second word: priority and drop eligibility */
};

/* A frame that comes without tags and leaves with two gets the priority 0 in both. */
uint32_t
link_priorities(const struct pkt *p)
{
	const uint8_t *tag = p->data + LINK_ETHERNET_BYTES;
	uint32_t outer, inner;

	if (p->l3_offset == LINK_ETHERNET_BYTES)
		return 0;
	outer = field_load_be16(tag) & PRIORITY;
	inner = p->l3_offset == LINK_ETHERNET_BYTES + LINK_TAG_BYTES
		? outer
		: field_load_be16(tag + LINK_TAG_BYTES) & PRIORITY;
	return outer << 16 | inner;
}

void
link_put_tags(uint8_t *frame, const struct link *link, uint32_t priorities, uint16_t ethertype)
{
	uint8_t *at = frame + TAGS_AT;

	for (int i = 0; i < LINK_MAX_TAGS && link->vlan[i]; i++) {
		bool service = link->vlan[i] & SHUNT_VLAN_S_TAG;

		field_store_be16(at, service ? ETHERTYPE_S_TAG : ETHERTYPE_C_TAG);
		field_store_be16(at + 2, (priorities >> 16) | (link->vlan[i] & SHUNT_VLAN_ID));
		at += LINK_TAG_BYTES;
		priorities <<= 16;
	}
	field_store_be16(at, ethertype);
}

void
link_retag(struct pkt *p, const struct link *link)
{
	uint16_t ethertype = field_load_be16(p->data + p->l3_offset - 2);
	uint32_t priorities = link_priorities(p);
	int grow = (int)link_header_bytes(link) - p->l3_offset;

	if (grow > p->headroom) {
		p->drop = SHUNT_DROP_HEADROOM;
		return;
	}
	p->data -= grow;
	p->bytes += (uint32_t)grow;
	p->headroom = (uint16_t)(p->headroom - grow);
	p->l3_offset = (uint16_t)(p->l3_offset + grow);
	if (p->l4_offset) /* a later fragment has no such header */
		p->l4_offset = (uint16_t)(p->l4_offset + grow);
	if (p->kind == PKT_ICMP_ERROR) {
		p->inner_l3_offset = (uint16_t)(p->inner_l3_offset + grow);
		p->inner_l4_offset = (uint16_t)(p->inner_l4_offset + grow);
	}
	link_put_tags(p->data, link, priorities, ethertype);
}

static uint32_t
ids_of(const uint16_t vlan[2])
{
	return (uint32_t)(vlan[0] & SHUNT_VLAN_ID) << 16 | (vlan[1] & SHUNT_VLAN_ID);
}

void
link_check_vlan(struct pkt *const *pkts, unsigned int n, const uint16_t vlan[2])
{
	if (!vlan[0])
		return;
	for (unsigned int i = 0; i < n; i++) {
		if (!pkts[i]->drop && ids_of(pkts[i]->vlan) != ids_of(vlan))
			pkts[i]->drop = SHUNT_DROP_VLAN;
	}
}
