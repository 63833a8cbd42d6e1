/* SPDX-License-Identifier: BSD-3-Clause */
#include <dirent.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "files.h"
#include "tls_context.h"

/*
 * What a hostile server may cost. Certificates of a handshake, in bytes (OpenSSL's default too);
 * how many stand between a server's and a trusted one; and no Diffie-Hellman over finite fields,
 * whose group the server chooses: at OpenSSL's limit of 10,000 bits it would take 0.6 s. TLS 1.3's
 * groups are these elliptic curves for the same reason.
 */
#define CERTIFICATES_MAX_BYTES (100l << 10)
#define CHAIN_MAX	       10
#define CIPHERS		       "DEFAULT:!kDHE"
#define GROUPS		       "X25519:P-256:P-384:P-521"

struct tls_context {
	struct tls_context *next;
	bool verify;
	char *ca_file; /* NULL: the system's */
	SSL_CTX *ssl;  /* NULL: there is none, since: */
	char *problem; /* so that what cannot be read is not read again for each check */
};

static unsigned long refused;

static void *
noted(void *memory, size_t bytes)
{
	if (!memory && bytes)
		__atomic_add_fetch(&refused, 1, __ATOMIC_RELAXED);
	return memory;
}

static void *
allocate(size_t bytes, const char *file, int line)
{
	(void)file;
	(void)line;
	return noted(malloc(bytes), bytes);
}

static void *
resize(void *memory, size_t bytes, const char *file, int line)
{
	(void)file;
	(void)line;
	return noted(realloc(memory, bytes), bytes);
}

static void
release(void *memory, const char *file, int line)
{
	(void)file;
	(void)line;
	free(memory);
}

unsigned long
tls_memory_refused(void)
{
	return __atomic_load_n(&refused, __ATOMIC_RELAXED);
}

struct ssl_ctx_st *
tls_context_ssl(const struct tls_context *context)
{
	return context->ssl;
}

/* Verification that is not wanted need not be made. */
static int
accept_any(X509_STORE_CTX *context, void *unused)
{
	(void)context;
	(void)unused;
	return 1;
}

static SSL_CTX *
make_ssl(void)
{
	SSL_CTX *ssl;

	/* Once, before OpenSSL asks for any; later it refuses this, and no harm is done. */
	CRYPTO_set_mem_functions(allocate, resize, release);
	ssl = SSL_CTX_new(TLS_client_method());
	if (!ssl)
		return NULL;
	SSL_CTX_set_options(
		ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_mode(ssl,
		SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
			SSL_MODE_RELEASE_BUFFERS);
	/* Each check is a whole handshake: a resumed session would not see a new certificate. */
	SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_max_cert_list(ssl, CERTIFICATES_MAX_BYTES);
	SSL_CTX_set_verify_depth(ssl, CHAIN_MAX);
	if (SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION) == 1 &&
		SSL_CTX_set_cipher_list(ssl, CIPHERS) == 1 &&
		SSL_CTX_set1_groups_list(ssl, GROUPS) == 1)
		return ssl;
	SSL_CTX_free(ssl);
	return NULL;
}

/* OpenSSL would ask at the terminal, or of standard input, and wait. */
static int
no_password(char *out, int size, int unused, void *context)
{
	(void)out;
	(void)size;
	(void)unused;
	(void)context;
	return -1;
}

/* All of a file's; other things between them are passed over. How many, or -1. */
static int
add_certificates(X509_STORE *store, FILE *file, char *problem, size_t size)
{
	unsigned long error;
	int count = 0;
	X509 *one;

	ERR_clear_error();
	for (; (one = PEM_read_X509_AUX(file, NULL, no_password, NULL)); count++) {
		int added = X509_STORE_add_cert(store, one);

		X509_free(one);
		if (!added)
			break;
	}
	error = ERR_peek_last_error();
	ERR_clear_error();
	if (ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE)
		return count;
	snprintf(problem, size, "certificate %d of it cannot be read: %s", count + 1,
		error ? ERR_reason_error_string(error) : "its end is missing");
	return -1;
}

static int
add_file(X509_STORE *store, const char *path, char *problem, size_t size)
{
	FILE *file = file_open(path, TLS_CA_FILE_MAX_BYTES, problem, size);
	int count;

	if (!file)
		return -1;
	count = add_certificates(store, file, problem, size);
	fclose(file);
	return count;
}

/* Named by a hash and a number, as OpenSSL looks for them; what else is there is not trusted. */
static bool
is_hashed(const char *name)
{
	return strspn(name, "0123456789abcdef") == 8 && name[8] == '.' && name[9] &&
		strspn(name + 9, "0123456789") == strlen(name + 9);
}

static int
add_directory(X509_STORE *store, const char *path)
{
	DIR *directory = opendir(path);
	struct dirent *entry;
	char file[4096], problem[256];
	int count = 0;

	if (!directory)
		return 0;
	while ((entry = readdir(directory))) {
		int added = 0;

		snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
		if (is_hashed(entry->d_name))
			added = add_file(store, file, problem, sizeof(problem));
		count += added > 0 ? added : 0;
	}
	closedir(directory);
	return count;
}

/* What OpenSSL would look up by itself, file by file, while a server waits. */
static bool
add_system(X509_STORE *store, char *problem, size_t size)
{
	const char *file = secure_getenv(X509_get_default_cert_file_env());
	const char *directory = secure_getenv(X509_get_default_cert_dir_env());
	char unused[256];
	int count;

	file = file ? file : X509_get_default_cert_file();
	directory = directory ? directory : X509_get_default_cert_dir();
	count = add_file(store, file, unused, sizeof(unused));
	count = (count > 0 ? count : 0) + add_directory(store, directory);
	if (count == 0)
		snprintf(problem, size,
			"is not given, and this system trusts no certificates (none in %s and %s): "
			"install ca-certificates, or name a file",
			file, directory);
	return count > 0;
}

static bool
add_trust(const struct tls_context *context, char *problem, size_t size)
{
	X509_STORE *store = SSL_CTX_get_cert_store(context->ssl);
	int count;

	if (!context->ca_file)
		return add_system(store, problem, size);
	count = add_file(store, context->ca_file, problem, size);
	if (count == 0)
		snprintf(problem, size, "has no certificate in PEM (BEGIN CERTIFICATE)");
	return count > 0;
}

static bool
is_context(const struct tls_context *context, bool verify, const char *ca_file)
{
	if (context->verify != verify || !verify)
		return context->verify == verify;
	return ca_file && context->ca_file ? strcmp(ca_file, context->ca_file) == 0
					   : !ca_file && !context->ca_file;
}

/* False, and what is wrong. */
static bool
prepare(struct tls_context *context, char *problem, size_t size)
{
	snprintf(problem, size, "out of memory");
	context->ssl = make_ssl();
	if (!context->ssl)
		return false;
	if (context->verify)
		return add_trust(context, problem, size);
	SSL_CTX_set_cert_verify_callback(context->ssl, accept_any, NULL);
	return true;
}

/* NULL: out of memory. */
static struct tls_context *
make_context(bool verify, const char *ca_file, char *problem, size_t size)
{
	struct tls_context *context = calloc(1, sizeof(*context));

	snprintf(problem, size, "out of memory");
	if (!context)
		return NULL;
	context->verify = verify;
	context->ca_file = verify && ca_file ? strdup(ca_file) : NULL;
	if (verify && ca_file && !context->ca_file) {
		free(context);
		return NULL;
	}
	if (prepare(context, problem, size))
		return context;
	ERR_clear_error();
	SSL_CTX_free(context->ssl);
	context->ssl = NULL;
	context->problem = strdup(problem);
	return context;
}

const struct tls_context *
tls_context_get(
	struct tls_context **list, bool verify, const char *ca_file, char *problem, size_t size)
{
	struct tls_context *context;

	for (context = *list; context; context = context->next) {
		if (!is_context(context, verify, ca_file))
			continue;
		if (!context->ssl)
			snprintf(problem, size, "%s",
				context->problem ? context->problem : "out of memory");
		return context->ssl ? context : NULL;
	}
	context = make_context(verify, ca_file, problem, size);
	if (!context)
		return NULL;
	context->next = *list;
	*list = context;
	return context->ssl ? context : NULL;
}

void
tls_contexts_destroy(struct tls_context *list)
{
	struct tls_context *next;

	for (; list; list = next) {
		next = list->next;
		SSL_CTX_free(list->ssl);
		free(list->ca_file);
		free(list->problem);
		free(list);
	}
}
