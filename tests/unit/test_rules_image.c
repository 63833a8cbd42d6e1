/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From the file to the workers: what the dataplane finds by the image's pieces is what control
 * finds in the file. And what becomes of counters and conditions.
 */
#include "acl.h"
#include "compile_setup.h"
#include "conditions.h"
#include "jsonfile.h"
#include "judge.h"
#include "objects_helper.h"
#include "publish.h"
#include "rules_impl.h"

/* In place of a dataplane. */
static struct shunt_stats *stats;
static struct shunt_port_info ports[2] = { { .name = "lan" }, { .name = "wan" } };
static char publish_object;

uint32_t
publish_ports(const struct publish *publish, const struct shunt_port_info **result)
{
	(void)publish;
	*result = ports;
	return 2;
}

const struct shunt_stats *
publish_stats(const struct publish *publish)
{
	(void)publish;
	return stats;
}

void
publish_schedule_server(struct publish *publish, struct server *server)
{
	(void)publish;
	(void)server;
}

const struct image *
publish_image(const struct publish *publish)
{
	(void)publish;
	return NULL;
}

static struct shunt_stats *
make_stats(void)
{
	struct shunt_stats *made = calloc(1, shunt_stats_bytes(2));

	made->worker_count = 2;
	made->workers_offset = sizeof(*made);
	made->services_offset = made->workers_offset + 2 * sizeof(struct shunt_worker_stats);
	made->servers_offset =
		made->services_offset + 2 * SHUNT_MAX_SERVICES * sizeof(struct shunt_service_stats);
	made->hits_offset =
		made->servers_offset + 2ull * SHUNT_MAX_SERVERS * sizeof(struct shunt_server_stats);
	return made;
}

#define HEAD                                                                              \
	"{'dataplane': {'ports': [{'name': 'wan', 'interface': 'wan0'}, {'name': 'lan', " \
	"'interface': 'lan0'}]}, 'acls': {"
#define BACKENDS                                                                                 \
	"], 'backends': [{'name': 'app', 'servers': [{'name': 's1', 'address': '10.0.0.1:80', "  \
	"'check': false}, {'name': 's2', 'address': '10.0.0.2:80', 'check': false}]}, {'name': " \
	"'other', 'servers': [{'name': 'o', 'address': '10.0.0.3:80', 'check': false}]}]}"

/* Text grows in here, with ' for ". */
static char text[1 << 20];
static size_t text_length;

static void __attribute__((format(printf, 1, 2))) say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	text_length +=
		(size_t)vsnprintf(text + text_length, sizeof(text) - text_length, format, args);
	va_end(args);
}

static struct config *
load(void)
{
	struct json_errors *errors = json_errors_create();
	struct config *config;

	for (size_t i = 0; i < text_length; i++) {
		if (text[i] == '\'')
			text[i] = '"';
	}
	config = config_load_text(text, text_length, errors);
	if (!config)
		json_errors_print(errors, "test", stdout);
	json_errors_destroy(errors);
	CU_ASSERT_PTR_NOT_NULL_FATAL(config);
	text_length = 0;
	return config;
}

static void
apply(struct setup *s)
{
	CU_ASSERT_EQUAL_FATAL(state_apply(&s->control, load()), 0);
}

static void
open_setup(struct setup *s)
{
	kernel.known = false;
	kernel.local_count = 0;
	*s = (struct setup){ .compiler = compiler_create() };
	s->control.netlink = (struct netlink *)(void *)&kernel;
	s->control.publish = (struct publish *)(void *)&publish_object;
}

static uint64_t seed = 42;

static uint32_t
below(uint32_t end)
{
	return (uint32_t)(helper_random(&seed) >> 33) % end;
}

static void
say_prefixes(const char *key)
{
	say("'%s': [", key);
	for (uint32_t i = below(4) + 1; i; i--) {
		uint32_t bits = 20 + below(13);
		uint32_t address =
			(0xc0000200u + below(1024)) & ~(uint32_t)((1ull << (32 - bits)) - 1);

		if (below(4))
			say("'%u.%u.%u.%u/%u'%s", address >> 24, address >> 16 & 255,
				address >> 8 & 255, address & 255, bits, i > 1 ? "," : "],");
		else
			say("'2001:db8:%x::/48'%s", below(3), i > 1 ? "," : "],");
	}
}

static void
say_acl(uint32_t number)
{
	static const char *const more[] = { "'protocol': 'tcp'", "'protocol': ['udp', 'tcp']",
		"'src-port': ['1-3', 5]", "'dst-port': [80, '82-90']", "'interface': 'wan'",
		"'interface': ['lan', 'wan']", "'weekday': 'tue'",
		"'payload': {'offset': 1, 'bytes': '01', 'mask': '03'}",
		"'server-count': {'backend': 'app', 'min': 2}" };

	say("'a%u': {", number);
	if (below(2))
		say_prefixes("src");
	if (below(4) == 0)
		say_prefixes("dst");
	say("%s},", more[below(sizeof(more) / sizeof(more[0]))]);
}

/* Rules of two frontends, of both families and protocols. */
static void
say_random(uint32_t acls, uint32_t rules)
{
	say(HEAD);
	for (uint32_t i = 0; i < acls; i++)
		say_acl(i);
	say("'last': {'protocol': 'tcp'}}, 'frontends': [");
	for (int f = 0; f < 2; f++) {
		say("%s{'name': 'f%d', 'bind': '198.51.100.1:%d', 'protocol': '%s', "
		    "'default-backend': 'app', 'rules': [",
			f ? "," : "", f, 80 + f, f ? "udp" : "tcp");
		for (uint32_t i = 0; i < rules; i++) {
			static const char *const actions[] = { "'accept'", "'drop'", "'reject'",
				"'use-backend', 'backend': 'other'",
				"'use-backend', 'backend': 'app'" };

			say("{'if': ['%sa%u', '%sa%u'], 'action': %s}%s", below(3) ? "" : "!",
				below(acls), below(3) ? "" : "!", below(acls), actions[below(5)],
				i + 1 < rules ? "," : "]}");
		}
	}
	say(BACKENDS);
}

static int
put_piece(void *context, uint32_t kind, uint32_t id, const void *bytes, size_t length)
{
	if (kind >= SHUNT_KIND_PREFIXES)
		helper_put(context, kind, id, bytes, length);
	return 0;
}

/* As the agent would have it. */
static struct acl *
build(const struct image *image)
{
	struct object_store *objects = object_store_create();
	struct acl_error error;
	struct acl *acl = NULL;

	image_diff(NULL, image, put_piece, objects);
	CU_ASSERT_EQUAL_FATAL(acl_create(objects, &acl, &error), 0);
	object_store_destroy(objects);
	return acl;
}

static bool
same_verdict(const struct setup *s, const struct acl *acl, size_t frontend)
{
	static const char *const names[] = { "lan", "wan" };
	const struct frontend_config *config = &s->control.config->frontends[frontend];
	uint8_t payload[4] = { 0, (uint8_t)below(4), 0, 0 };
	uint32_t client = htonl(0xc0000200u + below(1200));
	bool v4 = below(4);
	struct judge_packet p = {
		.source = v4 ? shunt_addr_from_v4(&client)
			     : (struct shunt_addr){ { 0x20, 1, 0xd, 0xb8, 0, (uint8_t)below(4) } },
		.destination = v4 ? helper_addr("198.51.100.1") : helper_addr("2001:db8::1"),
		.source_port = (uint16_t)below(7),
		.destination_port = (uint16_t)(80 + frontend),
		.protocol = frontend ? SHUNT_UDP : SHUNT_TCP,
		.payload = payload,
		.payload_bytes = below(4) + 1,
	};
	struct acl_packet q = {
		.source = p.source.bytes + (v4 ? 12 : 0),
		.destination = p.destination.bytes + (v4 ? 12 : 0),
		.payload = frontend ? payload : NULL,
		.payload_bytes = frontend ? (uint32_t)p.payload_bytes : 0,
		.source_port = p.source_port,
		.destination_port = p.destination_port,
		.version = v4 ? 4 : 6,
		.protocol = p.protocol,
		.port = (uint8_t)below(2),
	};
	struct acl_verdict verdict;
	bool assumed;
	size_t index;

	p.interface = names[q.port];
	index = judge(&s->control, &s->control.services[frontend], &p, &assumed);
	verdict = acl_judge(acl, rules_truth(&s->control)->words, (uint32_t)frontend + 1, &q);
	if (assumed)
		return false;
	if (index == SIZE_MAX)
		return verdict.counter == ACL_NO_RULE;
	return verdict.action == config->rules[index].action &&
		verdict.counter ==
		s->control.rules->counters[index + frontend * config->rule_count].counter &&
		verdict.backend ==
		(config->rules[index].backend == SIZE_MAX
				? 0
				: s->control.backends[config->rules[index].backend]->id);
}

static void
test_same(void)
{
	unsigned int wrong = 0;

	for (int round = 0; round < 60; round++) {
		struct setup s;
		struct image *image;
		struct acl *acl;

		open_setup(&s);
		say_random(3 + below(20), 1 + below(60));
		apply(&s);
		image = compile(&s);
		acl = build(image);
		for (int i = 0; i < 400; i++)
			wrong += !same_verdict(&s, acl, (size_t)i % 2);
		acl_destroy(acl);
		image_destroy(image);
		setup_destroy(&s);
	}
	CU_ASSERT_EQUAL(wrong, 0);
}

/* rules: what stands in the array. */
static void
say_rules(const char *rules)
{
	say(HEAD "'a': {'protocol': 'tcp'}, 'b': {'protocol': 'udp'}, 'c': {'weekday': 'mon'}}, "
		 "'frontends': [{'name': 'web', 'bind': '198.51.100.1:80', 'default-backend': "
		 "'app', 'rules': [%s]}" BACKENDS,
		rules);
}

#define DROP_A	 "{'if': 'a', 'action': 'drop'}"
#define DROP_B	 "{'if': 'b', 'action': 'drop'}"
#define ACCEPT_A "{'if': 'a', 'action': 'accept'}"

static void
hit(const struct setup *s, size_t number, uint32_t worker, uint64_t times)
{
	shunt_stats_hits(stats, worker)[s->control.rules->counters[number].counter] += times;
}

static uint64_t
hits(const struct setup *s, size_t number)
{
	return rules_hits(&s->control, number, stats);
}

/* A rule keeps its hits through reloads, wherever it stands then, and over a restart of control. */
static void
test_counters(void)
{
	struct setup s, restarted;
	struct image *image, *again;

	stats = make_stats();
	open_setup(&s);
	say_rules(DROP_A "," DROP_B "," DROP_A);
	apply(&s);
	image_destroy(compile(&s));
	hit(&s, 0, 0, 5);
	hit(&s, 0, 1, 2);
	hit(&s, 1, 1, 1);
	CU_ASSERT_EQUAL(hits(&s, 0), 7);
	CU_ASSERT_EQUAL(hits(&s, 1), 1);
	CU_ASSERT_EQUAL(hits(&s, 2), 0);
	say_rules(ACCEPT_A "," DROP_B "," DROP_A);
	apply(&s);
	image = compile(&s);
	CU_ASSERT_EQUAL(hits(&s, 0), 0);
	CU_ASSERT_EQUAL(hits(&s, 1), 1);
	CU_ASSERT_EQUAL(hits(&s, 2), 7);
	hit(&s, 0, 0, 3);

	open_setup(&restarted);
	say_rules(ACCEPT_A "," DROP_B "," DROP_A);
	apply(&restarted);
	CU_ASSERT_EQUAL(compiler_adopt(restarted.compiler, &restarted.control, image), 0);
	again = compile(&restarted);
	CU_ASSERT(image_equal(image, again));
	CU_ASSERT_EQUAL(hits(&restarted, 0), 3);
	CU_ASSERT_EQUAL(hits(&restarted, 2), 7);
	image_destroy(image);
	image_destroy(again);
	setup_destroy(&s);
	setup_destroy(&restarted);
	free(stats);
	stats = NULL;
}

/* A counter that had another rule's hits begins anew. */
static void
test_used_counter(void)
{
	struct setup s;
	struct image *image;

	stats = make_stats();
	for (uint32_t i = 0; i < SHUNT_MAX_RULES; i++)
		shunt_stats_hits(stats, 0)[i] = i + 1;
	open_setup(&s);
	say_rules(DROP_A);
	apply(&s);
	image = compile(&s);
	CU_ASSERT_EQUAL(hits(&s, 0), 0);
	hit(&s, 0, 1, 4);
	CU_ASSERT_EQUAL(hits(&s, 0), 4);
	/* Another dataplane, whose counters are zero. */
	memset(shunt_stats_hits(stats, 0), 0, SHUNT_MAX_RULES * sizeof(uint64_t));
	memset(shunt_stats_hits(stats, 1), 0, SHUNT_MAX_RULES * sizeof(uint64_t));
	rules_restart(&s.control);
	image_destroy(image);
	image = compile(&s);
	hit(&s, 0, 0, 2);
	CU_ASSERT_EQUAL(hits(&s, 0), 2);
	image_destroy(image);
	setup_destroy(&s);
	free(stats);
	stats = NULL;
}

/* Nothing but what holds is sent when a server goes, or sessions come. */
static void
test_truth(void)
{
	struct setup s;
	struct image *image, *next;
	struct difference d;

	stats = make_stats();
	open_setup(&s);
	say(HEAD "'weak': {'server-count': {'backend': 'app', 'max': 1}}, 'up': {'healthy': "
		 "'app'}, 'full': {'sessions': {'backend': 'app', 'min': 10}}, 'one': {'sessions': "
		 "{'backend': 'app', 'server': 's2', 'min': 5, 'max': 8}}}, "
		 "'frontends': [{'name': 'web', 'bind': '198.51.100.1:80', 'default-backend': "
		 "'app', 'rules': [{'if': ['weak', 'up', 'full', 'one'], 'action': "
		 "'use-backend', 'backend': 'other'}]}" BACKENDS);
	apply(&s);
	image = compile(&s);
	CU_ASSERT_EQUAL(rules_truth(&s.control)->words[0], 1 << 2);
	CU_ASSERT(!rules_truth_has_changed(&s.control));
	server_set_admin(state_find_server(&s.control, "app/s1"), SHUNT_ADMIN_DRAIN);
	s.control.backends[0]->changed = s.control.backends[0]->servers[0]->changed = true;
	CU_ASSERT(rules_truth_has_changed(&s.control));
	next = image_clone(image);
	CU_ASSERT_EQUAL(compiler_update(s.compiler, &s.control, next), 0);
	CU_ASSERT_EQUAL(rules_truth(&s.control)->words[0], 1 << 1 | 1 << 2);
	d = difference(image, next);
	CU_ASSERT_EQUAL(d.counts[SHUNT_KIND_TRUTH], 1);
	CU_ASSERT_EQUAL(d.counts[SHUNT_KIND_RULES] + d.counts[SHUNT_KIND_ACLS], 0);
	for (uint32_t w = 0; w < 2; w++)
		shunt_stats_servers(stats, w)[s.control.backends[0]->servers[w]->id].sessions =
			5 + w;
	CU_ASSERT(rules_truth_has_changed(&s.control));
	CU_ASSERT_EQUAL(compiler_update(s.compiler, &s.control, next), 0);
	CU_ASSERT_EQUAL(rules_truth(&s.control)->words[0], 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4);
	image_destroy(image);
	image_destroy(next);
	setup_destroy(&s);
	free(stats);
	stats = NULL;
}

static void
check_time(const struct setup *s, int weekday, int hour, int minute, uint64_t expected)
{
	struct tm now = { .tm_wday = weekday, .tm_hour = hour, .tm_min = minute };
	struct shunt_truth truth;

	conditions_evaluate(&s->control, &now, NULL, &truth);
	CU_ASSERT_EQUAL(truth.words[0], expected);
}

static void
test_times(void)
{
	struct setup s;

	open_setup(&s);
	say(HEAD "'day': {'time': ['08:00-12:00', '13:00-18:00']}, 'night': {'time': "
		 "'22:00-06:00'}, 'work': {'weekday': 'mon-fri', 'time': '00:00-24:00'}, 'end': "
		 "{'weekday': ['fri-sat', 'sun']}}, 'frontends': [{'name': 'web', 'bind': "
		 "'198.51.100.1:80', 'default-backend': 'app', 'rules': [{'if': ['day', 'night', "
		 "'work', 'end'], 'action': 'use-backend', 'backend': 'other'}]}" BACKENDS);
	apply(&s);
	check_time(&s, 1, 7, 59, 1 << 3);
	check_time(&s, 1, 8, 0, 1 << 3 | 1 << 1);
	check_time(&s, 1, 12, 0, 1 << 3);
	check_time(&s, 1, 17, 59, 1 << 3 | 1 << 1);
	check_time(&s, 5, 22, 0, 1 << 2 | 1 << 3 | 1 << 4);
	check_time(&s, 6, 5, 59, 1 << 2 | 1 << 4);
	check_time(&s, 0, 6, 0, 1 << 4);
	check_time(&s, 4, 23, 59, 1 << 2 | 1 << 3);
	setup_destroy(&s);
}

/* More than one piece of each kind; and what was made once is shared. */
static void
test_pieces(void)
{
	struct setup s;
	struct image *image, *next;
	struct difference d;
	struct acl *acl;

	open_setup(&s);
	say(HEAD "'a': {'src': [");
	for (uint32_t i = 0; i < 40000; i++)
		say("'10.%u.%u.%u'%s", i >> 15, i >> 7 & 255, i % 128 * 2, i < 39999 ? "," : "]},");
	for (uint32_t i = 0; i < 4100; i++)
		say("'b%u': {'src-port': %u}%s", i, i, i < 4099 ? "," : "}, 'frontends': [{");
	say("'name': 'web', 'bind': '198.51.100.1:80', 'default-backend': 'other', 'rules': [");
	for (uint32_t i = 0; i < 4100; i++)
		say("{'if': ['a', 'b%u'], 'action': 'drop'}%s", i, i < 4099 ? "," : "]}");
	say(BACKENDS);
	apply(&s);
	image = compile(&s);
	d = difference(NULL, image);
	CU_ASSERT_EQUAL(d.counts[SHUNT_KIND_PREFIXES], 2);
	CU_ASSERT_EQUAL(d.counts[SHUNT_KIND_ACLS], 2);
	CU_ASSERT_EQUAL(d.counts[SHUNT_KIND_RULES], 2);
	acl = build(image);
	for (uint32_t port = 0; port < 4200; port += 100) {
		const uint8_t in[4] = { 10, 1, 0, 254 };
		const struct acl_packet p = { .source = in,
			.destination = in,
			.version = 4,
			.source_port = (uint16_t)port,
			.protocol = SHUNT_TCP };

		CU_ASSERT_EQUAL(acl_judge(acl, rules_truth(&s.control)->words, 1, &p).action,
			port < 4100 ? SHUNT_RULE_DROP : SHUNT_RULE_ACCEPT);
	}
	next = compile(&s);
	CU_ASSERT_PTR_EQUAL(image_get(image, SHUNT_KIND_PREFIXES, 1, NULL),
		image_get(next, SHUNT_KIND_PREFIXES, 1, NULL));
	acl_destroy(acl);
	image_destroy(image);
	image_destroy(next);
	setup_destroy(&s);
}

static const struct unit_test tests[] = {
	{ "the same verdicts", test_same },
	{ "counters", test_counters },
	{ "counters that were used before", test_used_counter },
	{ "what holds", test_truth },
	{ "times", test_times },
	{ "many pieces", test_pieces },
};

UNIT_MAIN("rules_image", tests)
