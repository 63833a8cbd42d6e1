/* SPDX-License-Identifier: BSD-3-Clause */
#include "rtnl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "shunt/table.h"

/* Part of one answer; 32 KiB is what the kernel itself takes for a piece of a dump. */
#define ANSWER_BYTES 32768
/* Requests here are short: a header and a few addresses. */
#define REQUEST_BYTES	 512
#define ANSWER_TIMEOUT_S 2

struct rtnl {
	struct mnl_socket *socket;
	uint32_t sequence;
	char request[REQUEST_BYTES] __attribute__((aligned(8)));
	char answer[ANSWER_BYTES] __attribute__((aligned(8)));
};

struct rtnl *
rtnl_create(void)
{
	const struct timeval timeout = { .tv_sec = ANSWER_TIMEOUT_S };
	struct rtnl *rtnl = calloc(1, sizeof(*rtnl));
	int error;

	if (!rtnl)
		return NULL;
	rtnl->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!rtnl->socket)
		goto fail;
	if (mnl_socket_bind(rtnl->socket, 0, MNL_SOCKET_AUTOPID) < 0)
		goto fail;
	/* Only a kernel that breaks its word makes us wait. */
	if (setsockopt(mnl_socket_get_fd(rtnl->socket), SOL_SOCKET, SO_RCVTIMEO, &timeout,
		    sizeof(timeout)) < 0)
		goto fail;
	return rtnl;
fail:
	error = errno;
	rtnl_destroy(rtnl);
	errno = error;
	return NULL;
}

void
rtnl_destroy(struct rtnl *rtnl)
{
	if (!rtnl)
		return;
	if (rtnl->socket)
		mnl_socket_close(rtnl->socket);
	free(rtnl);
}

static uint8_t
address_family(const struct shunt_addr *address)
{
	return shunt_addr_is_v4(address) ? AF_INET : AF_INET6;
}

static uint8_t
address_bits(const struct shunt_addr *address)
{
	return shunt_addr_is_v4(address) ? 32 : 128;
}

static void
put_address(struct nlmsghdr *nlh, uint16_t type, const struct shunt_addr *address)
{
	if (shunt_addr_is_v4(address))
		mnl_attr_put(nlh, type, 4, &address->bytes[12]);
	else
		mnl_attr_put(nlh, type, 16, address->bytes);
}

static bool
take_address(uint8_t family, const void *bytes, size_t length, struct shunt_addr *address)
{
	if (family == AF_INET && length == 4) {
		*address = shunt_addr_from_v4(bytes);
		return true;
	}
	if (family == AF_INET6 && length == 16) {
		memcpy(address->bytes, bytes, 16);
		return true;
	}
	return false;
}

static bool
take_attribute(uint8_t family, const struct nlattr *attribute, struct shunt_addr *address)
{
	return take_address(family, mnl_attr_get_payload(attribute),
		mnl_attr_get_payload_len(attribute), address);
}

/* The fixed part of a message of one of two types, or NULL if it is another or too short. */
static const void *
message_body(const struct nlmsghdr *nlh, uint16_t new_type, uint16_t del_type, size_t size)
{
	if (nlh->nlmsg_type != new_type && nlh->nlmsg_type != del_type)
		return NULL;
	if (mnl_nlmsg_get_payload_len(nlh) < size)
		return NULL;
	return mnl_nlmsg_get_payload(nlh);
}

static bool
attribute_u32(const struct nlattr *attribute, uint32_t *value)
{
	if (mnl_attr_get_payload_len(attribute) != sizeof(*value))
		return false;
	memcpy(value, mnl_attr_get_payload(attribute), sizeof(*value));
	return true;
}

/* The id and kind of tag, by IFLA_INFO_DATA of a VLAN interface; 0 if they make no sense. */
static uint16_t
vlan_of_data(const struct nlattr *data)
{
	uint16_t id = 0, protocol = htons(ETH_P_8021Q);
	struct nlattr *attribute;

	mnl_attr_for_each_nested(attribute, data)
	{
		if (mnl_attr_get_payload_len(attribute) != sizeof(uint16_t))
			continue;
		if (mnl_attr_get_type(attribute) == IFLA_VLAN_ID)
			id = mnl_attr_get_u16(attribute);
		else if (mnl_attr_get_type(attribute) == IFLA_VLAN_PROTOCOL)
			protocol = mnl_attr_get_u16(attribute);
	}
	if (id == 0 || id >= SHUNT_VLAN_END)
		return 0;
	return protocol == htons(ETH_P_8021AD) ? id | SHUNT_VLAN_S_TAG : id;
}

/* By IFLA_LINKINFO; 0: it is no VLAN interface. */
static uint16_t
link_vlan(const struct nlattr *info)
{
	static const char kind[] = "vlan";
	struct nlattr *attribute;
	uint16_t vlan = 0;
	bool is_vlan = false;

	mnl_attr_for_each_nested(attribute, info)
	{
		size_t length = mnl_attr_get_payload_len(attribute);

		/* Of a length that has the NUL or has not: kernels differ. */
		if (mnl_attr_get_type(attribute) == IFLA_INFO_KIND)
			is_vlan = length >= 4 && length <= sizeof(kind) &&
				memcmp(mnl_attr_get_payload(attribute), kind, length) == 0;
		if (mnl_attr_get_type(attribute) == IFLA_INFO_DATA)
			vlan = vlan_of_data(attribute);
	}
	return is_vlan ? vlan : 0;
}

bool
rtnl_parse_link(const struct nlmsghdr *nlh, struct rtnl_link *link)
{
	const struct ifinfomsg *body = message_body(nlh, RTM_NEWLINK, RTM_DELLINK, sizeof(*body));
	struct nlattr *attribute;
	bool elsewhere = false;

	/* Bridges send messages of this type about their ports, under their own family. */
	if (!body || body->ifi_family != AF_UNSPEC || body->ifi_index <= 0)
		return false;
	*link = (struct rtnl_link){
		.removed = nlh->nlmsg_type == RTM_DELLINK,
		.index = (uint32_t)body->ifi_index,
		.flags = body->ifi_flags,
	};
	mnl_attr_for_each (attribute, nlh, sizeof(*body)) {
		size_t length = mnl_attr_get_payload_len(attribute);

		if (mnl_attr_get_type(attribute) == IFLA_IFNAME && length > 0 && length <= IFNAMSIZ)
			memcpy(link->name, mnl_attr_get_payload(attribute), length - 1);
		if (mnl_attr_get_type(attribute) == IFLA_LINK &&
			!attribute_u32(attribute, &link->parent))
			link->parent = 0;
		if (mnl_attr_get_type(attribute) == IFLA_LINKINFO)
			link->vlan = link_vlan(attribute);
		if (mnl_attr_get_type(attribute) == IFLA_LINK_NETNSID)
			elsewhere = true; /* the parent's index means nothing here */
	}
	if (elsewhere)
		link->parent = 0;
	return true;
}

bool
rtnl_parse_address(const struct nlmsghdr *nlh, struct rtnl_address *address)
{
	const struct ifaddrmsg *body = message_body(nlh, RTM_NEWADDR, RTM_DELADDR, sizeof(*body));
	struct nlattr *attribute;
	bool local = false, remote = false;

	if (!body)
		return false;
	*address = (struct rtnl_address){
		.removed = nlh->nlmsg_type == RTM_DELADDR,
		.index = body->ifa_index,
		.bits = body->ifa_prefixlen,
	};
	mnl_attr_for_each (attribute, nlh, sizeof(*body)) {
		switch (mnl_attr_get_type(attribute)) {
		case IFA_LOCAL:
			local = take_attribute(body->ifa_family, attribute, &address->address);
			break;
		case IFA_ADDRESS:
			/* The peer's on a point-to-point interface: IFA_LOCAL is ours, if there. */
			if (!local)
				remote = take_attribute(
					body->ifa_family, attribute, &address->address);
			break;
		case IFA_PROTO:
			if (mnl_attr_get_payload_len(attribute) == 1)
				address->proto = mnl_attr_get_u8(attribute);
			break;
		}
	}
	return (local || remote) && address->bits <= address_bits(&address->address);
}

/*
 * A group address or zero is nobody's: such an answer is not to be believed (RFC 1812 section
 * 3.3.2), and the dataplane refuses every generation that holds one. The kernel takes both.
 */
static bool
is_station(const struct shunt_mac *mac)
{
	static const struct shunt_mac zero;

	return !(mac->bytes[0] & 1) && memcmp(mac, &zero, sizeof(zero)) != 0;
}

bool
rtnl_parse_neighbor(const struct nlmsghdr *nlh, struct rtnl_neighbor *neighbor)
{
	const struct ndmsg *body = message_body(nlh, RTM_NEWNEIGH, RTM_DELNEIGH, sizeof(*body));
	struct nlattr *attribute;
	bool found = false;

	if (!body || body->ndm_ifindex <= 0)
		return false;
	*neighbor = (struct rtnl_neighbor){
		.removed = nlh->nlmsg_type == RTM_DELNEIGH,
		.state = body->ndm_state,
		.index = (uint32_t)body->ndm_ifindex,
	};
	mnl_attr_for_each (attribute, nlh, sizeof(*body)) {
		if (mnl_attr_get_type(attribute) == NDA_DST)
			found = take_attribute(body->ndm_family, attribute, &neighbor->address);
		if (mnl_attr_get_type(attribute) == NDA_LLADDR &&
			mnl_attr_get_payload_len(attribute) == sizeof(neighbor->mac)) {
			memcpy(&neighbor->mac, mnl_attr_get_payload(attribute),
				sizeof(neighbor->mac));
			neighbor->has_mac = is_station(&neighbor->mac);
		}
	}
	return found;
}

bool
rtnl_parse_route(const struct nlmsghdr *nlh, struct rtnl_prefix *prefix)
{
	static const uint8_t zeros[16];
	const struct rtmsg *body = message_body(nlh, RTM_NEWROUTE, RTM_DELROUTE, sizeof(*body));
	struct nlattr *attribute;

	if (!body || (body->rtm_flags & RTM_F_CLONED))
		return false;
	/* A default route comes without RTA_DST. */
	if (!take_address(body->rtm_family, zeros, body->rtm_family == AF_INET ? 4 : 16,
		    &prefix->address))
		return false;
	mnl_attr_for_each (attribute, nlh, sizeof(*body)) {
		if (mnl_attr_get_type(attribute) == RTA_DST &&
			!take_attribute(body->rtm_family, attribute, &prefix->address))
			return false;
	}
	if (body->rtm_dst_len > (body->rtm_family == AF_INET ? 32 : 128))
		return false;
	prefix->bits = (uint8_t)(body->rtm_dst_len + (body->rtm_family == AF_INET ? 96 : 0));
	return true;
}

bool
rtnl_prefix_contains(const struct rtnl_prefix *prefix, const struct shunt_addr *address)
{
	unsigned int whole = prefix->bits / 8, rest = prefix->bits % 8;

	if (memcmp(prefix->address.bytes, address->bytes, whole) != 0)
		return false;
	if (rest == 0)
		return true;
	return ((prefix->address.bytes[whole] ^ address->bytes[whole]) >> (8 - rest)) == 0;
}

/*
 * Takes one datagram of the answer apart. 1: more is to come; else 0 or -errno. Messages with
 * another number are late answers to a request that was given up.
 */
static int
read_answer(struct rtnl *rtnl, size_t length, bool *interrupted,
	void (*each)(void *context, const struct nlmsghdr *nlh), void *context)
{
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)rtnl->answer;
	int left = (int)length;

	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
		if (nlh->nlmsg_seq != rtnl->sequence)
			continue;
		if (nlh->nlmsg_flags & NLM_F_DUMP_INTR)
			*interrupted = true;
		if (nlh->nlmsg_type == NLMSG_DONE)
			return *interrupted ? -EINTR : 0;
		if (nlh->nlmsg_type == NLMSG_ERROR) {
			const struct nlmsgerr *error = mnl_nlmsg_get_payload(nlh);

			if (mnl_nlmsg_get_payload_len(nlh) < sizeof(error->error))
				return -EBADMSG;
			return error->error;
		}
		if (each)
			each(context, nlh);
		if (!(nlh->nlmsg_flags & NLM_F_MULTI))
			return 0;
	}
	return 1;
}

/* Sends the request and reads the whole answer. 0 or -errno. */
static int
run(struct rtnl *rtnl, struct nlmsghdr *nlh,
	void (*each)(void *context, const struct nlmsghdr *nlh), void *context)
{
	bool interrupted = false;
	int result;

	nlh->nlmsg_seq = ++rtnl->sequence;
	if (mnl_socket_sendto(rtnl->socket, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	do {
		ssize_t n = mnl_socket_recvfrom(rtnl->socket, rtnl->answer, sizeof(rtnl->answer));

		if (n < 0 && errno == EINTR)
			result = 1;
		else if (n < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		else
			result = read_answer(rtnl, (size_t)n, &interrupted, each, context);
	} while (result > 0);
	return result;
}

static struct nlmsghdr *
request(struct rtnl *rtnl, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(rtnl->request);

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	return nlh;
}

int
rtnl_dump(struct rtnl *rtnl, uint16_t type, void (*each)(void *context, const struct nlmsghdr *nlh),
	void *context)
{
	struct nlmsghdr *nlh = request(rtnl, type, NLM_F_DUMP);

	if (type == RTM_GETLINK)
		mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
	else
		mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifaddrmsg));
	return run(rtnl, nlh, each, context);
}

static void
take_route(void *context, const struct nlmsghdr *nlh)
{
	struct rtnl_route *route = context;
	const struct rtmsg *body = message_body(nlh, RTM_NEWROUTE, RTM_NEWROUTE, sizeof(*body));
	struct nlattr *attribute;
	uint32_t index = 0;

	if (!body)
		return;
	mnl_attr_for_each (attribute, nlh, sizeof(*body)) {
		switch (mnl_attr_get_type(attribute)) {
		case RTA_OIF:
			if (!attribute_u32(attribute, &index))
				return;
			break;
		case RTA_GATEWAY:
			if (!take_attribute(body->rtm_family, attribute, &route->via))
				return;
			break;
		case RTA_PREFSRC:
			if (!take_attribute(body->rtm_family, attribute, &route->source))
				return;
			break;
		case RTA_VIA: { /* a gateway of the other family (RFC 5549) */
			const struct rtvia *via = mnl_attr_get_payload(attribute);
			size_t length = mnl_attr_get_payload_len(attribute);

			if (length < sizeof(*via) ||
				!take_address((uint8_t)via->rtvia_family, via->rtvia_addr,
					length - sizeof(*via), &route->via))
				return;
			break;
		}
		}
	}
	route->local = body->rtm_type == RTN_LOCAL;
	if (body->rtm_type == RTN_UNICAST)
		route->index = index;
}

int
rtnl_get_route(struct rtnl *rtnl, const struct shunt_addr *address, struct rtnl_route *route)
{
	struct nlmsghdr *nlh = request(rtnl, RTM_GETROUTE, 0);
	struct rtmsg *body = mnl_nlmsg_put_extra_header(nlh, sizeof(*body));
	int error;

	body->rtm_family = address_family(address);
	body->rtm_dst_len = address_bits(address);
	put_address(nlh, RTA_DST, address);
	*route = (struct rtnl_route){ .via = *address };
	error = run(rtnl, nlh, take_route, route);
	/* Everything else means unreachable: no route, prohibited, blackhole, IPv6 switched off. */
	if (error == -ETIMEDOUT || error == -ENOBUFS || error == -ENOMEM)
		return error;
	return 0;
}

static void
take_neighbor(void *context, const struct nlmsghdr *nlh)
{
	rtnl_parse_neighbor(nlh, context);
}

static struct nlmsghdr *
neighbor_request(struct rtnl *rtnl, uint16_t type, uint16_t flags, uint8_t neighbor_flags,
	uint32_t index, const struct shunt_addr *address)
{
	struct nlmsghdr *nlh = request(rtnl, type, flags);
	struct ndmsg *body = mnl_nlmsg_put_extra_header(nlh, sizeof(*body));

	body->ndm_family = address_family(address);
	body->ndm_ifindex = (int)index;
	body->ndm_flags = neighbor_flags;
	put_address(nlh, NDA_DST, address);
	return nlh;
}

int
rtnl_get_neighbor(struct rtnl *rtnl, uint32_t index, const struct shunt_addr *address,
	struct rtnl_neighbor *neighbor)
{
	*neighbor = (struct rtnl_neighbor){ .removed = true };
	return run(rtnl, neighbor_request(rtnl, RTM_GETNEIGH, 0, 0, index, address), take_neighbor,
		neighbor);
}

int
rtnl_use_neighbor(struct rtnl *rtnl, uint32_t index, const struct shunt_addr *address)
{
	return run(rtnl,
		neighbor_request(
			rtnl, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_ACK, NTF_USE, index, address),
		NULL, NULL);
}

static struct nlmsghdr *
address_request(struct rtnl *rtnl, uint16_t type, uint16_t flags, uint32_t index,
	const struct shunt_addr *address, uint8_t bits)
{
	struct nlmsghdr *nlh = request(rtnl, type, flags | NLM_F_ACK);
	struct ifaddrmsg *body = mnl_nlmsg_put_extra_header(nlh, sizeof(*body));

	body->ifa_family = address_family(address);
	body->ifa_prefixlen = bits;
	body->ifa_index = index;
	put_address(nlh, IFA_LOCAL, address);
	put_address(nlh, IFA_ADDRESS, address);
	return nlh;
}

int
rtnl_add_address(struct rtnl *rtnl, uint32_t index, const struct shunt_addr *address)
{
	struct nlmsghdr *nlh = address_request(rtnl, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, index,
		address, address_bits(address));

	mnl_attr_put_u8(nlh, IFA_PROTO, RTNL_PROTO_SHUNT);
	if (!shunt_addr_is_v4(address)) {
		/*
		 * A preferred lifetime of 0 keeps the kernel from choosing a balanced address as
		 * the source of its own packets, probes among them (RFC 6724 section 5, rule 3).
		 * IPv4 does not need it: there the interface's first address is preferred.
		 */
		const struct ifa_cacheinfo lifetime = { .ifa_prefered = 0,
			.ifa_valid = UINT32_MAX };

		mnl_attr_put_u32(nlh, IFA_FLAGS, IFA_F_NODAD | IFA_F_NOPREFIXROUTE);
		mnl_attr_put(nlh, IFA_CACHEINFO, sizeof(lifetime), &lifetime);
	}
	return run(rtnl, nlh, NULL, NULL);
}

int
rtnl_remove_address(struct rtnl *rtnl, const struct rtnl_address *address)
{
	return run(rtnl,
		address_request(
			rtnl, RTM_DELADDR, 0, address->index, &address->address, address->bits),
		NULL, NULL);
}

const char *
rtnl_address_text(const struct shunt_addr *address, char *text, size_t size)
{
	const void *bytes = shunt_addr_is_v4(address) ? &address->bytes[12] : address->bytes;

	if (!inet_ntop(address_family(address), bytes, text, (socklen_t)size))
		text[0] = '\0';
	return text;
}
