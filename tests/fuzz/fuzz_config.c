/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libFuzzer target: any bytes as a configuration file, and any bytes in the place of a part of a
 * good one. What is accepted must keep what the rest of shunt-control takes for granted, and what
 * is refused must say why in printable text. A broken invariant aborts.
 *
 *   build-clang/tests/fuzz/fuzz_config -max_total_time=60 CORPUS_DIR config
 */
#include <arpa/inet.h>
#include <stdlib.h>

#include "config.h"
#include "jsonfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static const char good[] =
	"{\"dataplane\":{\"lcores\":\"0@0,(1,2)@1\",\"flow-table-size\":\"64K\",\"ports\":["
	"{\"name\":\"wan\",\"interface\":\"wan0\"},"
	"{\"name\":\"lan\",\"device\":\"0000:3b:00.1\",\"kernel\":\"none\",\"rx-queue-size\":64}]},"
	"\"global\":{\"hash-secret\":\"6c1d0f4e2b9a48d7935e80c2f1a7b364\"},"
	"\"defaults\":{\"timeout\":{\"syn\":\"30s\",\"check\":1000},\"check\":{\"inter\":\"2s\"}},"
	"\"acls\":{\"a\":{\"src\":[\"192.0.2.0/24\",\"2001:db8::/32\"],\"dst-port\":[80,\"81-90\"],"
	"\"time\":\"08:00-18:00\",\"weekday\":\"mon-fri\",\"interface\":\"wan\",\"sessions\":"
	"{\"backend\":\"app\",\"server\":\"s1\",\"min\":1}},\"b\":{\"protocol\":\"udp\","
	"\"payload\":"
	"{\"offset\":2,\"bytes\":\"0a40\",\"mask\":\"ffc0\"},\"healthy\":[\"app\"]}},"
	"\"frontends\":[{\"name\":\"web\",\"bind\":[\"198.51.100.1:80\",\"198.51.100.1:81\"],"
	"\"default-backend\":\"app\",\"announce\":\"none\",\"rules\":[{\"if\":[\"a\",\"!b\"],"
	"\"action\":\"use-backend\",\"backend\":\"app\"},{\"action\":\"drop\"}]},{\"name\":\"w6\","
	"\"bind\":\"[2001:db8::1]:53\",\"protocol\":\"udp\",\"default-backend\":\"b6\"}],"
	"\"backends\":[{\"name\":\"app\",\"balance\":\"rr\",\"check\":{\"rise\":2,\"type\":"
	"\"http\",\"path\":\"/"
	"up\",\"host\":\"h\",\"headers\":{\"a\":\"b\"},\"status\":[200,\"300-399\"],\"expect-"
	"regex\":\"a+\",\"tls\":true,\"sni\":\"a.example\",\"verify-host\":\"10.0.0.1\","
	"\"verify\":\"none\",\"alpn\":\"http/1.1\"},\"servers\":["
	"{\"name\":\"s1\",\"address\":\"10.0.0.1:8080\",\"weight\":10,\"backup\":true},"
	"{\"name\":\"s2\",\"address\":\"10.0.0.2:8080\",\"check\":false,\"agent-check\":{\"port\":"
	"9,"
	"\"inter\":500,\"send\":\"x\",\"address\":\"10.0.0.9\",\"source-address\":\"10.0.0.8\"}},"
	"{\"name\":\"s3\",\"address\":\"10.0.0.3:8080\",\"track\":\"s1\"},{\"name\":\"s4\","
	"\"address\":\"10.0.0.4:8080\",\"track\":\"app/s3\",\"agent-check\":{\"port\":9}},"
	"{\"name\":\"s5\",\"address\":\"10.0.0.5:8080\",\"check\":{\"observe\":{\"share\":30}}}]},"
	"{\"name\":\"b6\",\"check\":{\"type\":\"dns\",\"query\":\"a.b\",\"query-type\":\"A\","
	"\"rcode\":[0,\"NXDOMAIN\"]},\"servers\":[{\"name\":\"s\",\"address\":\"[2001:db8::2]:53\"}"
	"]}],"
	"\"neighbors\":[{\"address\":\"10.0.0.1\",\"mac\":\"02:00:00:00:00:11\",\"port\":\"lan\"}]"
	"}";

static void
must(bool holds)
{
	if (!holds)
		abort();
}

static void
must_be_name(const char *name)
{
	must(name[0] && memchr(name, '\0', SHUNT_NAME_SIZE));
	for (; *name; name++)
		must(*name > 0x20 && *name < 0x7f && *name != '/' && *name != '"');
}

static void
must_be_talk(const struct check_talk *t)
{
	uint8_t name[CHECK_DNS_NAME_SIZE];

	must(t->type == CHECK_HTTP || t->type == CHECK_UDP || check_expects(t) || t->send ||
		t->tls);
	must(!t->tls_word || t->tls);
	if (t->tls) {
		must(t->type == CHECK_TCP || t->type == CHECK_HTTP || t->type == CHECK_REDIS);
		must(t->tls->context && (!t->tls->sni || check_is_dns_name(t->tls->sni)));
		must(!t->tls->alpn || (*t->tls->alpn && strlen(t->tls->alpn) < 256));
	}
	must(!t->send == !t->send_length && t->status_count <= CHECK_MAX_STATUSES);
	if (t->type == CHECK_HTTP) {
		must(t->method && t->path && t->version && t->status_count && !t->send);
		must(!strpbrk(t->method, " \r\n") && !strpbrk(t->path, " \r\n"));
		must(!t->host || !strpbrk(t->host, " \r\n"));
	}
	if (t->type == CHECK_DNS) {
		must(check_dns_name(t->query, name) > 0 && t->query_type && t->status_count);
		for (unsigned int i = 0; i < t->status_count; i++)
			must(t->statuses[i].first <= CHECK_DNS_RCODE_MAX);
	}
}

/* Whom it tracks, at last, is probed; and what is asked has an answer to wait for. */
static void
must_be_probed(const struct config *c, const struct server_config *s)
{
	const struct server_config *end = s;

	for (unsigned int i = 0; end->tracks; i++) {
		must(i < 20 && end->track_backend < c->backend_count);
		must(end->track_server < c->backends[end->track_backend].server_count);
		end = &c->backends[end->track_backend].servers[end->track_server];
	}
	must(!s->tracks || (!s->check.enabled && end->check.enabled));
	must(!s->check.observe.share || s->check.observe.within_ms);
	if (!s->agent)
		return;
	must(s->agent->talk && s->agent->talk->type == CHECK_AGENT && s->agent->port_be);
	must(s->agent->inter_ms && s->agent->timeout_ms && s->agent->rise && s->agent->fall);
	must_be_talk(s->agent->talk);
}

static void
must_be_backend(const struct config *c, const struct backend_config *b)
{
	must_be_name(b->name);
	must(b->algorithm < SHUNT_ALGORITHM_COUNT && b->hash_on < SHUNT_HASH_ON_COUNT);
	must(b->forward < SHUNT_FORWARD_COUNT);
	must((b->forward == SHUNT_FULLNAT) == (b->source_count > 0));
	must(b->source_count <= SHUNT_MAX_BACKEND_SOURCES);
	for (size_t i = 0; i < b->server_count; i++) {
		const struct server_config *s = &b->servers[i];

		must_be_name(s->name);
		must((s->port_be != 0) != s->keeps_port);
		must(s->weight <= SHUNT_MAX_WEIGHT);
		must(s->check.inter_ms && s->check.fastinter_ms && s->check.downinter_ms);
		must(s->check.timeout_ms && s->check.rise && s->check.fall);
		if (s->check.talk)
			must_be_talk(s->check.talk);
		must_be_probed(c, s);
	}
}

static void
must_be_acl(const struct config *c, const struct acl_config *a)
{
	must_be_name(a->name);
	must(a->kinds && !(a->kinds & ~SHUNT_ACL_KINDS));
	must(!(a->kinds & SHUNT_ACL_SRC) == !a->src && !(a->kinds & SHUNT_ACL_DST) == !a->dst);
	must(!(a->kinds & SHUNT_ACL_SRC_PORT) == !a->src_port_count);
	must(!(a->kinds & SHUNT_ACL_DST_PORT) == !a->dst_port_count);
	must(!(a->kinds & SHUNT_ACL_PROTOCOL) == !a->protocols);
	must(!(a->kinds & SHUNT_ACL_INTERFACE) == !a->interface_count);
	must(!(a->kinds & SHUNT_ACL_PAYLOAD) == !a->match_count);
	must(!(a->kinds & SHUNT_ACL_TRUTH) == !a->truth && a->truth <= c->truth_count);
	for (size_t i = 0; i < a->count_count; i++) {
		must(a->counts[i].backend < c->backend_count);
		must(a->counts[i].server == SIZE_MAX ||
			a->counts[i].server < c->backends[a->counts[i].backend].server_count);
	}
}

static void
must_be_rule(const struct config *c, const struct rule_config *r)
{
	must(r->action < SHUNT_RULE_ACTION_COUNT);
	must((r->action == SHUNT_RULE_USE_BACKEND) == (r->backend < c->backend_count));
	for (size_t i = 0; i < r->literal_count; i++)
		must((r->literals[i] & ~SHUNT_LITERAL_NOT) < c->acl_count);
}

static void
must_be_right(const struct config *c)
{
	for (size_t i = 0; i < c->frontend_count; i++) {
		const struct frontend_config *f = &c->frontends[i];

		must_be_name(f->name);
		must(f->protocol == SHUNT_TCP || f->protocol == SHUNT_UDP);
		must(f->timeout.syn_ms && f->timeout.syn_ms <= SHUNT_MAX_TIMEOUT_MS);
		must(f->bind_count > 0 && f->backend < c->backend_count);
		for (size_t j = 0; j < f->rule_count; j++)
			must_be_rule(c, &f->rules[j]);
		for (size_t j = 0; j < f->target_count; j++)
			must(f->targets[j] < c->backend_count && f->targets[j] != f->backend);
		for (size_t j = 0; j < f->bind_count; j++) {
			const struct backend_config *b = &c->backends[f->backend];
			bool v4 = shunt_addr_is_v4(&f->binds[j].address);

			must(f->binds[j].port_be != 0);
			must(ntohs(f->binds[j].port_be) <= ntohs(f->binds[j].last_port_be));
			if (b->forward == SHUNT_TUNNEL || b->forward == SHUNT_FULLNAT)
				continue;
			for (size_t k = 0; k < b->server_count; k++)
				must(shunt_addr_is_v4(&b->servers[k].address) == v4);
		}
	}
	for (size_t i = 0; i < c->acl_count; i++)
		must_be_acl(c, &c->acls[i]);
	for (size_t i = 0; i < c->backend_count; i++)
		must_be_backend(c, &c->backends[i]);
	for (size_t i = 0; i < c->neighbor_count; i++)
		must_be_name(c->neighbors[i].port);
}

static void
must_be_printable(const char *text)
{
	for (; *text; text++)
		must(*text >= 0x20 && *text < 0x7f);
}

static void
load(const char *text, size_t length)
{
	struct json_errors *errors = json_errors_create();
	const struct json_error_entry *entry;
	struct config *config;

	must(errors != NULL);
	config = config_load_text(text, length, errors);
	must((config == NULL) == (json_errors_count(errors) > 0));
	if (config)
		must_be_right(config);
	for (size_t i = 0; (entry = json_errors_get(errors, i)); i++) {
		must_be_printable(entry->path);
		must_be_printable(entry->message);
	}
	config_destroy(config);
	json_errors_destroy(errors);
}

/* The first bytes say which part of the good text the rest takes the place of. */
static void
load_spliced(const uint8_t *data, size_t bytes)
{
	size_t from, cut, length = sizeof(good) - 1;
	char *text;

	if (bytes < 3)
		return;
	from = (data[0] | (size_t)data[1] << 8) % length;
	cut = data[2] < length - from ? data[2] : length - from;
	data += 3;
	bytes -= 3;
	text = malloc(length - cut + bytes);
	must(text != NULL);
	memcpy(text, good, from);
	memcpy(text + from, data, bytes);
	memcpy(text + from + bytes, good + from + cut, length - from - cut);
	load(text, length - cut + bytes);
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	/* A copy of the exact size, so that address sanitizer sees any access past its end. */
	char *text = malloc(bytes ? bytes : 1);

	must(text != NULL);
	/* This system's certificates are many, and its own. */
	setenv("SSL_CERT_FILE", "/nowhere/file", 1);
	setenv("SSL_CERT_DIR", "/nowhere", 1);
	if (bytes)
		memcpy(text, data, bytes);
	load(text, bytes);
	free(text);
	load_spliced(data, bytes);
	return 0;
}
