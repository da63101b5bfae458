/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-384 and SHA-256 by libcrypto, and the one place where libcrypto is loaded. */
#include "base/crypto.h"

#include <stdio.h>

#include "base/error.h"
#include "base/openssl.h"

NEC_DYNLIB_DEFINE(openssl, NEC_OPENSSL_SYMBOLS, "libcrypto.so.3", "libssl3")

int nec_openssl_error(nec_error *err, enum nec_error_code code, int result, const char *format, ...)
{
	const char *reason = OPENSSL(ERR_reason_error_string)(OPENSSL(ERR_peek_last_error)());
	char text[512];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	OPENSSL(ERR_clear_error)();
	if (!reason)
		return nec_error_set(err, code, result, "%s", text);
	return nec_error_set(err, code, result, "%s (OpenSSL: %s)", text, reason);
}

/* What both hashes are made of. OpenSSL's types stay in this file, so a state is a void pointer. */
static int hash_init(void **state, bool *failed, const EVP_MD *(*type)(void), nec_error *err)
{
	*state = OPENSSL(EVP_MD_CTX_new)();
	if (!*state)
		return nec_error_no_memory(err);
	*failed = OPENSSL(EVP_DigestInit_ex)(*state, type(), NULL) != 1;
	return 0;
}

static void hash_update(void *state, bool *failed, const void *data, size_t size)
{
	if (!*failed)
		*failed = OPENSSL(EVP_DigestUpdate)(state, data, size) != 1;
}

static int hash_final(void *state, bool failed, uint8_t *digest, const char *name, nec_error *err)
{
	if (failed || OPENSSL(EVP_DigestFinal_ex)(state, digest, NULL) != 1)
		return nec_error_set(err, NEC_E_SYSTEM, -EIO,
				     "OpenSSL failed to compute %s; is it disabled in its "
				     "configuration?",
				     name);
	return 0;
}

static void hash_free(void *state)
{
	if (state)
		OPENSSL(EVP_MD_CTX_free)(state);
}

int nec_sha384_init(struct nec_sha384 *sha, nec_error *err)
{
	int r;

	*sha = (struct nec_sha384){ 0 };
	r = nec_openssl_load(err);
	return r < 0 ? r : hash_init(&sha->state, &sha->failed, &OPENSSL(EVP_sha384), err);
}

void nec_sha384_update(struct nec_sha384 *sha, const void *data, size_t size)
{
	hash_update(sha->state, &sha->failed, data, size);
}

int nec_sha384_copy(struct nec_sha384 *to, const struct nec_sha384 *from, nec_error *err)
{
	*to = (struct nec_sha384){ .state = OPENSSL(EVP_MD_CTX_new)() };
	if (!to->state)
		return nec_error_no_memory(err);
	to->failed = from->failed || OPENSSL(EVP_MD_CTX_copy_ex)(to->state, from->state) != 1;
	return 0;
}

int nec_sha384_final(struct nec_sha384 *sha, uint8_t digest[NEC_SHA384_SIZE], nec_error *err)
{
	return hash_final(sha->state, sha->failed, digest, "SHA-384", err);
}

void nec_sha384_free(struct nec_sha384 *sha)
{
	hash_free(sha->state);
	*sha = (struct nec_sha384){ 0 };
}

int nec_sha384_digest(const void *data, size_t size, uint8_t digest[NEC_SHA384_SIZE],
		      nec_error *err)
{
	cleanup_sha384 struct nec_sha384 sha = { 0 };
	int r = nec_sha384_init(&sha, err);

	if (r < 0)
		return r;
	nec_sha384_update(&sha, data, size);
	return nec_sha384_final(&sha, digest, err);
}

int nec_sha256_init(struct nec_sha256 *sha, nec_error *err)
{
	int r;

	*sha = (struct nec_sha256){ 0 };
	r = nec_openssl_load(err);
	return r < 0 ? r : hash_init(&sha->state, &sha->failed, &OPENSSL(EVP_sha256), err);
}

void nec_sha256_update(struct nec_sha256 *sha, const void *data, size_t size)
{
	hash_update(sha->state, &sha->failed, data, size);
}

int nec_sha256_final(struct nec_sha256 *sha, uint8_t digest[NEC_SHA256_SIZE], nec_error *err)
{
	return hash_final(sha->state, sha->failed, digest, "SHA-256", err);
}

void nec_sha256_free(struct nec_sha256 *sha)
{
	hash_free(sha->state);
	*sha = (struct nec_sha256){ 0 };
}

int nec_sha256_digest(const void *data, size_t size, uint8_t digest[NEC_SHA256_SIZE],
		      nec_error *err)
{
	cleanup_sha256 struct nec_sha256 sha = { 0 };
	int r = nec_sha256_init(&sha, err);

	if (r < 0)
		return r;
	nec_sha256_update(&sha, data, size);
	return nec_sha256_final(&sha, digest, err);
}
