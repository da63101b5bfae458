/* SPDX-License-Identifier: Apache-2.0 */
/* Test vectors of public-key cryptography: bytes from their texts, keys from their coordinates. */
#ifndef NEC_TESTS_UNIT_CRYPTO_DATA_H
#define NEC_TESTS_UNIT_CRYPTO_DATA_H

#include "test.h"

#include <errno.h>
#include <openssl/x509.h>
#include <string.h>

#include "base/dynlib.h"
#include "base/files.h"
#include "base/hex.h"
#include "base/json.h"
#include "base/key.h"

#define KEYS NEC_TEST_DATA "/keys/"

/* The product reads public keys from certificates only. */
#define CRYPTO_DATA_SYMBOLS(X) X(d2i_PUBKEY) X(OpenSSL_version_num)
NEC_DYNLIB_DECLARE(crypto_data, CRYPTO_DATA_SYMBOLS)
NEC_DYNLIB_DEFINE(crypto_data, CRYPTO_DATA_SYMBOLS, "libcrypto.so.3", "libssl3")

static inline cJSON *load_json(const char *path)
{
	cleanup_buffer struct nec_buffer text = { 0 };
	cJSON *tree = NULL;

	assert_int_equal(nec_file_read_all(path, 1 << 20, &text, NULL), 0);
	assert_int_equal(nec_json_parse((const char *)text.data, text.size, &tree, NULL), 0);
	return tree;
}

static inline const char *text_of(const cJSON *object, const char *key)
{
	const char *text = NULL;

	if (!nec_json_get_string(object, key, &text))
		fail_msg("no string \"%s\"", key);
	return text;
}

/* Replaces the contents of @to, in a block of exactly that size. */
static inline void bytes_of_hex(const char *hex, struct nec_buffer *to)
{
	size_t size = strlen(hex) / 2;

	nec_buffer_free(to);
	to->data = malloc(size ? size : 1);
	to->size = size;
	assert_true(nec_hex_decode(hex, to->data, size));
}

/* A public key from a SubjectPublicKeyInfo. */
static inline void key_of_spki(const struct nec_buffer *der, struct nec_key *ret)
{
	const uint8_t *at = der->data;
	void *pkey;

	assert_int_equal(nec_crypto_data_load(NULL), 0);
	pkey = (*nec_crypto_data_symbols.d2i_PUBKEY)(NULL, &at, (long)der->size);
	assert_non_null(pkey);
	/* Loads libcrypto for the product as well. */
	assert_int_equal(nec_key_signature_from_der(nec_curve_by_cose(-7), at, 0, NULL, NULL),
			 -EBADMSG);
	assert_int_equal(nec_key_adopt(pkey, "vector", NEC_E_CERTIFICATE, ret, NULL), 0);
}

#endif
