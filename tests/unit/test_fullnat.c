/* SPDX-License-Identifier: BSD-3-Clause */
/* Full NAT through the whole packet path, against checksums computed anew. */
#include "fullnat.h"
#include "path.h"
#include "tcp_option.h"

static void
open_full(struct path *path, uint8_t version, uint8_t sources, uint32_t capacity)
{
	path_open(path, version, SHUNT_SOURCE, capacity);
	path->forward = SHUNT_FULLNAT;
	path->sources = sources;
	path_publish(path);
}

static unsigned int
bytes_of(const struct path *path)
{
	return path->version == 4 ? 4 : 16;
}

/* The source (0) or destination (1) in an IP header. */
static uint8_t *
address_in(uint8_t *ip, unsigned int end)
{
	return ip[0] >> 4 == 4 ? ip + 12 + 4 * end : ip + 8 + 16 * end;
}

static bool
address_is(const struct path *path, uint8_t *ip, unsigned int end, const char *text)
{
	struct shunt_addr a = helper_addr(text);

	return memcmp(address_in(ip, end), a.bytes + (path->version == 4 ? 12 : 0),
		       bytes_of(path)) == 0;
}

/* Which source a packet has got; 0: none. */
static uint32_t
source_of(const struct path *path, struct result *r)
{
	for (uint32_t id = 1; id <= path->sources; id++) {
		if (address_is(path, r->frame + 14, 0, source_address(path, id)))
			return id;
	}
	return 0;
}

static bool
checksums_are_right(const struct result *r)
{
	const uint8_t *ip = r->frame + 14, *l4 = r->frame + r->p.l4_offset;
	size_t bytes = r->p.bytes - r->p.l4_offset;

	if (r->p.version == 4 && frame_get16(ip + 10) != frame_ip4_checksum(ip))
		return false;
	return frame_get16(l4 + frame_checksum_offset(r->p.protocol)) ==
		frame_l4_checksum(ip, l4, r->p.protocol, bytes);
}

/* What a server sends to a source address. */
static struct result
answer_from(struct path *path, uint8_t protocol, uint32_t server, uint32_t source, uint16_t port,
	uint8_t flags)
{
	struct frame_spec spec = frame_default(path->version, protocol);
	struct shunt_addr from = helper_addr(server_address(path, server));
	struct shunt_addr to = helper_addr(source_address(path, source));
	unsigned int skip = path->version == 4 ? 12 : 0;
	struct result r;

	memcpy(spec.src, from.bytes + skip, bytes_of(path));
	memcpy(spec.dst, to.bytes + skip, bytes_of(path));
	spec.sport = (uint16_t)(SERVER_PORT_BASE + server);
	spec.dport = port;
	spec.flags = flags;
	path_run(path, &r, 1, frame_build(r.frame, &spec));
	return r;
}

static struct result
answer(struct path *path, struct result *request, uint8_t flags)
{
	return answer_from(path, request->p.protocol, request->p.server, source_of(path, request),
		request->p.source_port, flags);
}

static uint32_t
live(const struct path *path)
{
	return source_ports_live(path->tracker->ports);
}

static void
sweep(struct path *path)
{
	for (int i = 0; i < 2000; i++)
		track_sweep(path->tracker, 64, path->tick);
}

static void
both_ways(uint8_t version, uint8_t protocol)
{
	uint8_t client[16];
	struct path path;
	struct result r, back;

	open_full(&path, version, 2, CAPACITY);
	for (uint32_t c = 1; c < 200; c++) {
		r = request(&path, protocol, c, 40000, PKT_SYN);
		CU_ASSERT_EQUAL_FATAL(r.p.drop, 0);
		CU_ASSERT_NOT_EQUAL(source_of(&path, &r), 0);
		CU_ASSERT_TRUE(
			address_is(&path, r.frame + 14, 1, server_address(&path, r.p.server)));
		CU_ASSERT_EQUAL(frame_get16(r.frame + r.p.l4_offset), r.p.source_port);
		CU_ASSERT_EQUAL(
			frame_get16(r.frame + r.p.l4_offset + 2), SERVER_PORT_BASE + r.p.server);
		CU_ASSERT_TRUE(r.p.source_port >= SHUNT_MIN_SOURCE_PORT);
		CU_ASSERT_TRUE(checksums_are_right(&r));
		CU_ASSERT_EQUAL(r.frame[14 + (version == 4 ? 8 : 7)], 63);
		CU_ASSERT_TRUE(r.p.out_port == 1 && r.frame[5] == 9);
		back = answer(&path, &r, PKT_SYN | PKT_ACK);
		CU_ASSERT_EQUAL_FATAL(back.p.drop, 0);
		client_address(&path, c, client);
		CU_ASSERT_EQUAL(memcmp(address_in(back.frame + 14, 1), client, bytes_of(&path)), 0);
		CU_ASSERT_TRUE(address_is(&path, back.frame + 14, 0, service_address(&path)));
		CU_ASSERT_EQUAL(frame_get16(back.frame + back.p.l4_offset), 80);
		CU_ASSERT_EQUAL(frame_get16(back.frame + back.p.l4_offset + 2), 40000);
		CU_ASSERT_TRUE(checksums_are_right(&back));
		CU_ASSERT_TRUE(back.p.out_port == 0 && back.frame[5] == CLIENT_MAC_BYTE);
		/* The next packet has the same ends. */
		back = request(&path, protocol, c, 40000, PKT_ACK);
		CU_ASSERT_EQUAL(back.p.source_port, r.p.source_port);
		CU_ASSERT_EQUAL(memcmp(address_in(back.frame + 14, 0), address_in(r.frame + 14, 0),
					2 * bytes_of(&path)),
			0);
		CU_ASSERT_EQUAL(frame_get16(back.frame + back.p.l4_offset), r.p.source_port);
	}
	CU_ASSERT_EQUAL(sessions(&path), 199);
	CU_ASSERT_EQUAL(live(&path), 199);
	path_close(&path);
}

static void
test_both_ways(void)
{
	both_ways(4, SHUNT_TCP);
	both_ways(4, SHUNT_UDP);
	both_ways(6, SHUNT_TCP);
	both_ways(6, SHUNT_UDP);
}

/* Runs a client's frame of any kind. */
static struct result
run_spec(struct path *path, const struct frame_spec *spec, int damage)
{
	struct result r;
	size_t bytes = frame_build(r.frame, spec);
	uint8_t *l4 =
		r.frame + bytes - spec->payload_bytes - (spec->protocol == SHUNT_TCP ? 20 : 8);
	uint8_t *at = l4 + frame_checksum_offset(spec->protocol);

	if (damage)
		frame_put16(at, damage < 0 ? 0 : frame_get16(at) ^ (unsigned int)damage);
	path_run(path, &r, 0, bytes);
	return r;
}

static struct frame_spec
client_spec(const struct path *path, uint8_t protocol)
{
	struct frame_spec spec = frame_default(path->version, protocol);
	struct shunt_addr vip = helper_addr(service_address(path));

	memcpy(spec.dst, vip.bytes + (path->version == 4 ? 12 : 0), bytes_of(path));
	return spec;
}

static void
checksums(uint8_t version, uint8_t protocol)
{
	uint8_t payload[100];
	uint64_t state = 3;
	struct path path;
	struct result r;

	open_full(&path, version, 2, CAPACITY);
	for (uint32_t i = 0; i < 2000; i++) {
		struct frame_spec spec = client_spec(&path, protocol);

		frame_random_bytes(&state, payload, sizeof(payload));
		frame_random_bytes(&state, spec.src + 1, version == 4 ? 3 : 15);
		spec.sport = (uint16_t)(1 + frame_random(&state) % 65535);
		spec.payload = payload;
		spec.payload_bytes = frame_random(&state) % sizeof(payload);
		spec.flags = PKT_ACK;
		r = run_spec(&path, &spec, 0);
		CU_ASSERT_EQUAL_FATAL(r.p.drop, 0);
		CU_ASSERT_TRUE(checksums_are_right(&r));
		/* A bad one is not repaired. */
		r = run_spec(&path, &spec, 1 + (int)(frame_random(&state) % 0xfffe));
		CU_ASSERT_EQUAL(r.p.drop, 0);
		CU_ASSERT_FALSE(checksums_are_right(&r));
	}
	path_close(&path);
}

static void
test_checksums(void)
{
	struct path path;
	struct frame_spec spec;
	struct result r;

	checksums(4, SHUNT_TCP);
	checksums(4, SHUNT_UDP);
	checksums(6, SHUNT_TCP);
	checksums(6, SHUNT_UDP);
	/* UDP without a checksum has none afterwards. */
	open_full(&path, 4, 1, CAPACITY);
	spec = client_spec(&path, SHUNT_UDP);
	r = run_spec(&path, &spec, -1);
	CU_ASSERT_EQUAL(r.p.drop, 0);
	CU_ASSERT_EQUAL(frame_get16(r.frame + r.p.l4_offset + 6), 0);
	path_close(&path);
}

/* Only the flow's own server, to the flow's own address and port. */
static void
test_strangers(void)
{
	struct path path;
	struct result r;
	uint32_t other;

	open_full(&path, 4, 2, CAPACITY);
	r = request(&path, SHUNT_TCP, 1, 40000, PKT_SYN);
	other = r.p.server % SERVERS + 1;
	CU_ASSERT_EQUAL(
		answer_from(&path, SHUNT_TCP, other, r.p.source, r.p.source_port, PKT_ACK).p.drop,
		SHUNT_DROP_NO_FLOW);
	CU_ASSERT_EQUAL(
		answer_from(&path, SHUNT_TCP, r.p.server, 3 - r.p.source, r.p.source_port, PKT_ACK)
			.p.drop,
		SHUNT_DROP_NO_FLOW);
	CU_ASSERT_EQUAL(
		answer_from(&path, SHUNT_UDP, r.p.server, r.p.source, r.p.source_port, 0).p.drop,
		SHUNT_DROP_NO_FLOW);
	CU_ASSERT_EQUAL(answer_from(&path, SHUNT_TCP, r.p.server, r.p.source, 80, PKT_ACK).p.drop,
		SHUNT_DROP_NO_FLOW);
	/* To the client itself it is no reply of this mode. */
	CU_ASSERT_EQUAL(reply(&path, SHUNT_TCP, r.p.server, 1, 40000, PKT_ACK).p.drop,
		SHUNT_DROP_NO_SERVICE);
	CU_ASSERT_EQUAL(answer(&path, &r, PKT_ACK).p.drop, 0);
	/* The end of a connection that is not known begins nothing. */
	CU_ASSERT_EQUAL(request(&path, SHUNT_TCP, 2, 40000, PKT_RST).p.drop, SHUNT_DROP_NO_FLOW);
	CU_ASSERT_EQUAL(live(&path), 1);
	path_close(&path);
}

/* A SYN with these options, padded by NOPs. */
static struct result
syn_with(struct path *path, const uint8_t *options, size_t bytes, uint8_t flags)
{
	struct frame_spec spec = client_spec(path, SHUNT_TCP);
	size_t length, padded = (bytes + 3) / 4 * 4;
	uint8_t area[40], *tcp;
	struct result r;

	memset(area, TCP_OPTION_NOP, sizeof(area));
	memcpy(area, options, bytes);
	spec.payload = area;
	spec.payload_bytes = padded;
	length = frame_build(r.frame, &spec);
	tcp = r.frame + length - padded - 20;
	tcp[12] = (uint8_t)((5 + padded / 4) << 4);
	tcp[13] = flags;
	frame_put16(tcp + 16, frame_l4_checksum(r.frame + 14, tcp, SHUNT_TCP, 20 + padded));
	path_run(path, &r, 0, length);
	CU_ASSERT_EQUAL(r.p.drop, 0);
	CU_ASSERT_TRUE(checksums_are_right(&r));
	return r;
}

static void
test_timestamps(void)
{
	static const uint8_t usual[] = { 2, 4, 5, 0xb4, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3,
		3, 7 };
	static const uint8_t odd[] = { 3, 3, 7, 8, 10, 0xde, 0xad, 0xbe, 0xef, 9, 8, 7, 6, 2, 4, 5,
		0xb4 };
	static const uint8_t wrong[] = { 8, 8, 1, 2, 3, 4, 5, 6 };
	static const uint8_t nops[10] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
	struct path path;
	struct result r;
	uint8_t *at;

	open_full(&path, 4, 1, CAPACITY);
	r = syn_with(&path, usual, sizeof(usual), PKT_SYN);
	at = r.frame + r.p.l4_offset + 20;
	CU_ASSERT_EQUAL(memcmp(at, usual, 6), 0);
	CU_ASSERT_EQUAL(memcmp(at + 6, nops, 10), 0);
	CU_ASSERT_EQUAL(memcmp(at + 16, usual + 16, 4), 0);
	r = syn_with(&path, odd, sizeof(odd), PKT_SYN);
	at = r.frame + r.p.l4_offset + 20;
	CU_ASSERT_EQUAL(memcmp(at, odd, 3), 0);
	CU_ASSERT_EQUAL(memcmp(at + 3, nops, 10), 0);
	CU_ASSERT_EQUAL(memcmp(at + 13, odd + 13, 4), 0);
	r = syn_with(&path, wrong, sizeof(wrong), PKT_SYN);
	CU_ASSERT_EQUAL(memcmp(r.frame + r.p.l4_offset + 20, wrong, sizeof(wrong)), 0);
	/* Later segments keep theirs, if they have any. */
	r = syn_with(&path, usual, sizeof(usual), PKT_ACK);
	CU_ASSERT_EQUAL(memcmp(r.frame + r.p.l4_offset + 20, usual, sizeof(usual)), 0);
	path_close(&path);
}

/* Replies follow a client whose router has changed, from the next tick on. */
static void
test_moved_client(void)
{
	struct path path;
	struct frame_spec spec;
	struct result r;
	size_t bytes;

	open_full(&path, 6, 1, CAPACITY);
	r = request(&path, SHUNT_UDP, 1, 40000, 0);
	spec = client_spec(&path, SHUNT_UDP);
	client_address(&path, 1, spec.src);
	path.tick++;
	bytes = frame_build(r.frame, &spec);
	r.frame[11] = 0x55;
	path_run(&path, &r, 0, bytes);
	CU_ASSERT_EQUAL(r.p.drop, 0);
	CU_ASSERT_EQUAL(answer(&path, &r, 0).frame[5], 0x55);
	CU_ASSERT_EQUAL(live(&path), 1);
	path_close(&path);
}

/* Flows up to the capacity of the table; the next one is refused, and costs no port. */
static void
test_table_full(void)
{
	const uint32_t capacity = 256;
	struct path path;
	struct result first, r;
	uint32_t refused = 0;

	open_full(&path, 4, 2, capacity);
	first = request(&path, SHUNT_TCP, 0, 1000, PKT_SYN);
	for (uint32_t c = 1; c < 2000; c++) {
		r = request(&path, SHUNT_TCP, c, 1000, PKT_SYN);
		CU_ASSERT_TRUE(r.p.drop == 0 || r.p.drop == SHUNT_DROP_FLOW_TABLE_FULL);
		refused += r.p.drop != 0;
	}
	CU_ASSERT_EQUAL(refused, 2000 - capacity);
	CU_ASSERT_EQUAL(live(&path), capacity);
	CU_ASSERT_EQUAL(answer(&path, &first, PKT_SYN | PKT_ACK).p.drop, 0);
	CU_ASSERT_EQUAL(path.tracker->stats->untracked, 0);
	CU_ASSERT_EQUAL(sessions(&path), capacity);
	path_close(&path);
}

/* All ports of the one address at the one server. */
static void
test_no_port(void)
{
	uint32_t good = 0, refused = 0;
	struct result first, r;
	struct path path;

	open_full(&path, 4, 1, 100000);
	path.state[2] = path.state[3] = SHUNT_SERVER_DRAIN;
	path_publish(&path);
	first = request(&path, SHUNT_UDP, 0, 1000, 0);
	for (uint32_t c = 1; c < 80000; c++) {
		r = request(&path, SHUNT_UDP, c % 40000, (uint16_t)(1000 + c / 40000), 0);
		good += r.p.drop == 0;
		refused += r.p.drop == SHUNT_DROP_NO_SOURCE_PORT;
	}
	CU_ASSERT_EQUAL(good + refused, 79999);
	/* A port whose bucket is full counts as taken; here that is one in twelve. */
	CU_ASSERT_TRUE(good < SOURCE_PORTS_COUNT && good > SOURCE_PORTS_COUNT / 10 * 9);
	CU_ASSERT_EQUAL(live(&path), good + 1);
	CU_ASSERT_EQUAL(answer(&path, &first, 0).p.drop, 0);
	/* The other protocol has its ports still. */
	CU_ASSERT_EQUAL(request(&path, SHUNT_TCP, 0, 1000, PKT_SYN).p.drop, 0);
	path_close(&path);
}

/* A flow that goes gives its port back; at once, or after the server's TIME_WAIT. */
static void
test_flow_goes(void)
{
	struct source_port *entry;
	struct path path;
	struct result r;
	uint64_t tag;

	open_full(&path, 4, 1, CAPACITY);
	path.state[2] = path.state[3] = SHUNT_SERVER_DRAIN;
	path_publish(&path);
	for (int server_first = 0; server_first < 2; server_first++) {
		r = request(&path, SHUNT_TCP, 1, 1000, PKT_SYN);
		answer(&path, &r, PKT_SYN | PKT_ACK);
		request(&path, SHUNT_TCP, 1, 1000, PKT_ACK);
		if (server_first)
			answer(&path, &r, PKT_FIN | PKT_ACK);
		request(&path, SHUNT_TCP, 1, 1000, PKT_FIN | PKT_ACK);
		if (!server_first)
			answer(&path, &r, PKT_FIN | PKT_ACK);
		tag = source_ports_tag(path.tracker->ports, path.generation->servers[1].address, 4,
			path.generation->servers[1].port_be, SHUNT_TCP);
		entry = source_ports_find(path.tracker->ports, tag, 1, r.p.source_port);
		CU_ASSERT_PTR_NOT_NULL_FATAL(entry);
		path.tick += 20;
		sweep(&path);
		CU_ASSERT_EQUAL(live(&path), 0);
		CU_ASSERT_EQUAL(entry->key != 0, server_first);
		CU_ASSERT_EQUAL(answer(&path, &r, PKT_ACK).p.drop, SHUNT_DROP_NO_FLOW);
	}
	/* A reset that nobody has proved does not end the server's waiting. */
	r = request(&path, SHUNT_TCP, 1, 1000, PKT_SYN);
	entry = source_ports_find(path.tracker->ports, tag, 1, r.p.source_port);
	answer(&path, &r, PKT_FIN | PKT_ACK);
	request(&path, SHUNT_TCP, 1, 1000, PKT_RST);
	path.tick += 20;
	sweep(&path);
	CU_ASSERT_NOT_EQUAL(entry->key, 0);
	path_close(&path);
}

/* A new connection from a closed one's port gets another source port. */
static void
test_port_reuse(void)
{
	struct path path;
	struct result r, again;

	open_full(&path, 6, 1, CAPACITY);
	r = request(&path, SHUNT_TCP, 1, 1000, PKT_SYN);
	answer(&path, &r, PKT_RST);
	again = request(&path, SHUNT_TCP, 1, 1000, PKT_SYN);
	CU_ASSERT_EQUAL(again.p.drop, 0);
	CU_ASSERT_NOT_EQUAL(again.p.source_port, r.p.source_port);
	CU_ASSERT_EQUAL(answer(&path, &r, PKT_ACK).p.drop, SHUNT_DROP_NO_FLOW);
	CU_ASSERT_EQUAL(answer(&path, &again, PKT_SYN | PKT_ACK).p.drop, 0);
	CU_ASSERT_EQUAL(live(&path), 1);
	CU_ASSERT_EQUAL(sessions(&path), 1);
	path_close(&path);
}

/* Ports of flows to a server that is not there any more come back too. */
static void
test_server_goes(void)
{
	struct path path;
	struct result r;

	open_full(&path, 4, 1, CAPACITY);
	for (uint32_t c = 0; c < 300; c++)
		request(&path, SHUNT_UDP, c, 1000, 0);
	CU_ASSERT_EQUAL(live(&path), 300);
	/* Ids stay, endpoints do not: what counts is where the flow's packets go. */
	for (uint32_t id = 1; id <= SERVERS; id++)
		path.generation->servers[id].port_be ^= htons(0x4000);
	path.tick += 100;
	sweep(&path);
	CU_ASSERT_EQUAL(flow_count(path.tracker->flows), 0);
	CU_ASSERT_EQUAL(live(&path), 0);
	CU_ASSERT_EQUAL(path.tracker->stats->source_ports, 0);
	r = request(&path, SHUNT_UDP, 1, 1000, 0);
	CU_ASSERT_EQUAL(r.p.drop, 0);
	path_close(&path);
}

/* A server gets another endpoint: its flows' ports there are others' business, so they get new
 * ones. */
static void
test_endpoint_changes(void)
{
	uint16_t ports[100];
	struct path path;
	struct result r;

	open_full(&path, 4, 1, CAPACITY);
	for (uint32_t c = 0; c < 100; c++)
		ports[c] = request(&path, SHUNT_UDP, c, 1000, 0).p.source_port;
	for (uint32_t id = 1; id <= SERVERS; id++)
		path.generation->servers[id].port_be = htons((uint16_t)(SERVER_PORT_BASE + 9 + id));
	path.tick++;
	for (uint32_t c = 0; c < 100; c++) {
		r = request(&path, SHUNT_UDP, c, 1000, 0);
		CU_ASSERT_EQUAL(r.p.drop, 0);
		CU_ASSERT_NOT_EQUAL(r.p.source_port, ports[c]);
	}
	CU_ASSERT_EQUAL(sessions(&path), 100);
	CU_ASSERT_EQUAL(live(&path), 200);
	sweep(&path);
	CU_ASSERT_EQUAL(live(&path), 100);
	path_close(&path);
}

/* A backend's mode changes under its flows: those of the other mode begin anew. */
static void
test_mode_changes(void)
{
	struct path path;
	struct result r;

	path_open(&path, 4, SHUNT_SOURCE, CAPACITY);
	CU_ASSERT_PTR_NULL(path.tracker->ports);
	r = request(&path, SHUNT_UDP, 1, 1000, 0);
	CU_ASSERT_EQUAL(r.p.source, 0);
	path.forward = SHUNT_FULLNAT;
	path.sources = 1;
	path_publish(&path);
	CU_ASSERT_PTR_NOT_NULL(path.tracker->ports);
	r = request(&path, SHUNT_UDP, 1, 1000, 0);
	CU_ASSERT_EQUAL(r.p.source, 1);
	CU_ASSERT_EQUAL(answer(&path, &r, 0).p.drop, 0);
	CU_ASSERT_EQUAL(live(&path), 1);
	path.forward = SHUNT_NAT;
	path_publish(&path);
	r = request(&path, SHUNT_UDP, 1, 1000, 0);
	CU_ASSERT_EQUAL(r.p.drop, 0);
	CU_ASSERT_EQUAL(r.p.source, 0);
	CU_ASSERT_EQUAL(reply(&path, SHUNT_UDP, r.p.server, 1, 1000, 0).p.drop, 0);
	CU_ASSERT_EQUAL(live(&path), 0);
	CU_ASSERT_EQUAL(sessions(&path), 1);
	path_close(&path);
}

/* Later fragments of both directions know the source, and that the flow is still the same. */
static void
test_recall(void)
{
	struct path path;
	struct result r, back;
	struct pkt p;

	open_full(&path, 4, 2, CAPACITY);
	r = request(&path, SHUNT_UDP, 1, 1000, 0);
	p = r.p;
	track_recall(path.tracker, &p);
	CU_ASSERT_EQUAL(p.drop, 0);
	p.source = 9;
	track_recall(path.tracker, &p);
	CU_ASSERT_EQUAL(p.drop, SHUNT_DROP_NO_SERVER);
	back = answer(&path, &r, 0);
	p = back.p;
	p.client = NULL;
	track_recall(path.tracker, &p);
	CU_ASSERT_EQUAL(p.drop, 0);
	CU_ASSERT_PTR_EQUAL(p.client, p.client_address + 12);
	CU_ASSERT_EQUAL(p.hop, back.p.hop);
	p.client_port_be ^= 1;
	track_recall(path.tracker, &p);
	CU_ASSERT_EQUAL(p.drop, SHUNT_DROP_NO_FLOW);
	path_close(&path);
}

static const struct unit_test tests[] = {
	{ "both ways, families and protocols", test_both_ways },
	{ "checksums", test_checksums },
	{ "strangers", test_strangers },
	{ "timestamps of SYNs", test_timestamps },
	{ "a client that moves", test_moved_client },
	{ "full flow table", test_table_full },
	{ "no port left", test_no_port },
	{ "a flow goes", test_flow_goes },
	{ "SYN on a closed flow", test_port_reuse },
	{ "a server goes", test_server_goes },
	{ "a server's endpoint changes", test_endpoint_changes },
	{ "the mode changes", test_mode_changes },
	{ "fragments", test_recall },
};

UNIT_MAIN("fullnat", tests)
