/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto-data.h"

#include <sys/stat.h>

static const char sample[] = "sample";
static const char *const curve_files[] = { KEYS "p256.key", KEYS "p384.key", KEYS "p521.key" };

/* Runs one Wycheproof test; its signature is r and s, or DER when @der. */
static bool accepts(const struct nec_key *key, const cJSON *test, bool der)
{
	cleanup_buffer struct nec_buffer message = { 0 };
	cleanup_buffer struct nec_buffer signature = { 0 };
	uint8_t raw[NEC_KEY_MAX_SIGNATURE];

	bytes_of_hex(text_of(test, "msg"), &message);
	bytes_of_hex(text_of(test, "sig"), &signature);
	if (!der)
		return nec_key_verify(key, message.data, message.size, signature.data,
				      signature.size, NULL) == 0;
	return nec_key_signature_from_der(key->curve, signature.data, signature.size, raw, NULL) ==
		       0 &&
	       nec_key_verify(key, message.data, message.size, raw, key->curve->signature_bytes,
			      NULL) == 0;
}

static unsigned int run_group(const cJSON *group, const char *file, bool der)
{
	cleanup_buffer struct nec_buffer spki = { 0 };
	cleanup_key struct nec_key key = { 0 };
	unsigned int count = 0;
	const cJSON *test;

	bytes_of_hex(text_of(group, "publicKeyDer"), &spki);
	key_of_spki(&spki, &key);
	cJSON_ArrayForEach (test, nec_json_get(group, "tests")) {
		bool valid = strcmp(text_of(test, "result"), "valid") == 0;

		if (accepts(&key, test, der) != valid)
			fail_msg("%s: \"%s\" should be %s", file, text_of(test, "comment"),
				 text_of(test, "result"));
		count++;
	}
	return count;
}

static void verify__agrees_with_wycheproof(void **state)
{
	static const struct {
		const char *file;
		bool der;
		unsigned int count;
	} rows[] = {
		{ "ecdsa_secp256r1_sha256_p1363_test.json", false, 262 },
		{ "ecdsa_secp384r1_sha384_p1363_test.json", false, 280 },
		{ "ecdsa_secp521r1_sha512_p1363_test.json", false, 318 },
		{ "ecdsa_secp384r1_sha384_test.json", true, 504 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup_json cJSON *root = NULL;
		unsigned int count = 0;
		const cJSON *group;
		char path[512];

		(void)snprintf(path, sizeof(path), NEC_TEST_DATA "/ecdsa/%s", rows[i].file);
		root = load_json(path);
		cJSON_ArrayForEach (group, nec_json_get(root, "testGroups"))
			count += run_group(group, rows[i].file, rows[i].der);
		assert_int_equal(count, rows[i].count);
	}
}

static void sign__verifies_on_all_three_curves(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(curve_files); i++) {
		cleanup_key struct nec_key key = { 0 };
		uint8_t signature[NEC_KEY_MAX_SIGNATURE];
		size_t size;

		assert_int_equal(nec_key_read_private(curve_files[i], &key, NULL), 0);
		size = key.curve->signature_bytes;
		assert_int_equal(nec_key_sign(&key, sample, 6, signature, NULL), 0);
		assert_int_equal(nec_key_verify(&key, sample, 6, signature, size, NULL), 0);
		assert_int_equal(nec_key_verify(&key, sample, 5, signature, size, NULL), -EBADMSG);
		assert_int_equal(nec_key_verify(&key, sample, 6, signature, size - 1, NULL),
				 -EBADMSG);
		for (size_t byte = 0; byte < size; byte += 7) {
			signature[byte] ^= 1;
			assert_int_equal(nec_key_verify(&key, sample, 6, signature, size, NULL),
					 -EBADMSG);
			signature[byte] ^= 1;
		}
	}
}

/* RFC 6979, A.2.5, SHA-256, "sample". */
static void sign__uses_the_fixed_nonce_where_libcrypto_has_it(void **state)
{
	static const char expected[] =
		"efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
		"f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8";
	cleanup_key struct nec_key key = { 0 };
	uint8_t signatures[2][NEC_KEY_MAX_SIGNATURE];
	char text[2 * 64 + 1];

	(void)state;
	assert_int_equal(nec_crypto_data_load(NULL), 0);
	assert_int_equal(nec_key_read_private(KEYS "rfc6979-p256.key", &key, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(signatures); i++) {
		assert_int_equal(nec_key_sign(&key, sample, 6, signatures[i], NULL), 0);
		assert_int_equal(nec_key_verify(&key, sample, 6, signatures[i], 64, NULL), 0);
	}
	/* OpenSSL 3.2 is the first that has it. */
	if ((*nec_crypto_data_symbols.OpenSSL_version_num)() < 0x30200000) {
		assert_memory_not_equal(signatures[0], signatures[1], 64);
		return;
	}
	nec_hex_encode(signatures[0], 64, text);
	assert_string_equal(text, expected);
}

static void read__takes_both_pem_forms_as_the_same_key(void **state)
{
	cleanup_key struct nec_key pkcs8 = { 0 };
	cleanup_key struct nec_key sec1 = { 0 };
	cleanup_key struct nec_key other = { 0 };

	(void)state;
	assert_int_equal(nec_key_read_private(KEYS "p384.key", &pkcs8, NULL), 0);
	assert_int_equal(nec_key_read_private(KEYS "p384-sec1.key", &sec1, NULL), 0);
	assert_int_equal(nec_key_read_private(KEYS "expired.key", &other, NULL), 0);
	assert_true(nec_key_equal(&pkcs8, &sec1));
	assert_false(nec_key_equal(&pkcs8, &other));
	assert_string_equal(pkcs8.curve->name, "P-384");
}

static void read__says_what_is_wrong_with_a_key(void **state)
{
	static const struct {
		const char *file;
		enum nec_error_code code;
		const char *message;
	} rows[] = {
		{ KEYS "missing.key", NEC_E_FILE_OPEN, "cannot open" },
		{ KEYS "p384.pem", NEC_E_PRIVATE_KEY, "holds no PEM private key" },
		{ KEYS "encrypted.key", NEC_E_PRIVATE_KEY, "is encrypted with a passphrase" },
		{ KEYS "encrypted-sec1.key", NEC_E_PRIVATE_KEY, "is encrypted with a passphrase" },
		{ KEYS "rsa.key", NEC_E_PRIVATE_KEY, "the key is RSA, not one on P-256" },
		{ KEYS "k1.key", NEC_E_PRIVATE_KEY, "the key is EC secp256k1, not one on P-256" },
		{ "/dev/zero", NEC_E_PRIVATE_KEY, "bytes or more: not a private key" },
		{ "/dev/null", NEC_E_PRIVATE_KEY, "holds no PEM private key" },
		{ "/", NEC_E_FILE_READ, "cannot read /" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct nec_key key = { 0 };
		nec_error err = NEC_ERROR_INIT;

		assert_true(nec_key_read_private(rows[i].file, &key, &err) < 0);
		assert_int_equal(err.code, rows[i].code);
		if (!strstr(err.message, rows[i].message))
			fail_msg("%s: \"%s\"", rows[i].file, err.message);
		assert_null(key.state);
	}
}

static void read__takes_a_pipe(void **state)
{
	cleanup_buffer struct nec_buffer text = { 0 };
	cleanup_key struct nec_key key = { 0 };
	char path[32];
	int pipes[2];

	(void)state;
	assert_int_equal(nec_file_read_all(KEYS "p521.key", 4096, &text, NULL), 0);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(write(pipes[1], text.data, text.size), text.size);
	(void)close(pipes[1]);
	(void)snprintf(path, sizeof(path), "/dev/fd/%d", pipes[0]);
	assert_int_equal(nec_key_read_private(path, &key, NULL), 0);
	(void)close(pipes[0]);
	assert_string_equal(key.curve->name, "P-521");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(verify__agrees_with_wycheproof),
		cmocka_unit_test(sign__verifies_on_all_three_curves),
		cmocka_unit_test(sign__uses_the_fixed_nonce_where_libcrypto_has_it),
		cmocka_unit_test(read__takes_both_pem_forms_as_the_same_key),
		cmocka_unit_test(read__says_what_is_wrong_with_a_key),
		cmocka_unit_test(read__takes_a_pipe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
