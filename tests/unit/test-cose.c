/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto-data.h"

#include <dirent.h>

#include "base/cose.h"

#define VECTORS NEC_TEST_DATA "/cose/"

static const struct nec_cbor_string nothing;

static int value_of_base64url(char c)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	const char *found = strchr(digits, c);

	assert_non_null(found);
	return (int)(found - digits);
}

/* A coordinate, with the zeros in front that its field asks for. */
static void append_coordinate(struct nec_buffer *to, const char *text, size_t field)
{
	uint8_t bytes[80];
	size_t size = 0;
	unsigned int bits = 0;
	unsigned int count = 0;

	for (; *text; text++) {
		bits = bits << 6 | (unsigned int)value_of_base64url(*text);
		count += 6;
		if (count < 8)
			continue;
		count -= 8;
		assert_true(size < sizeof(bytes));
		bytes[size++] = (uint8_t)(bits >> count);
	}
	assert_true(size <= field);
	nec_buffer_append_zeros(to, field - size);
	nec_buffer_append(to, bytes, size);
}

/* A public key from a JSON Web Key. */
static void key_of_jwk(const cJSON *jwk, struct nec_key *ret)
{
	static const struct {
		const char *curve;
		const char *prefix; /* SubjectPublicKeyInfo up to the point's coordinates */
		size_t field;
	} rows[] = {
		{ "P-256", "3059301306072a8648ce3d020106082a8648ce3d03010703420004", 32 },
		{ "P-384", "3076301006072a8648ce3d020106052b8104002203620004", 48 },
		{ "P-521", "30819b301006072a8648ce3d020106052b810400230381860004", 66 },
	};
	const char *curve = text_of(jwk, "crv");

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup_buffer struct nec_buffer prefix = { 0 };
		cleanup_buffer struct nec_buffer spki = { 0 };

		if (strcmp(rows[i].curve, curve) != 0)
			continue;
		bytes_of_hex(rows[i].prefix, &prefix);
		nec_buffer_append(&spki, prefix.data, prefix.size);
		append_coordinate(&spki, text_of(jwk, "x"), rows[i].field);
		append_coordinate(&spki, text_of(jwk, "y"), rows[i].field);
		key_of_spki(&spki, ret);
		return;
	}
	fail_msg("curve %s", curve);
}

static int verify_vector(const char *hex, const cJSON *jwk, const char *external_hex,
			 nec_error *err)
{
	cleanup_buffer struct nec_buffer bytes = { 0 };
	cleanup_buffer struct nec_buffer external = { 0 };
	cleanup_key struct nec_key key = { 0 };
	struct nec_cose_sign1 cose;
	int r;

	bytes_of_hex(hex, &bytes);
	bytes_of_hex(external_hex, &external);
	key_of_jwk(jwk, &key);
	r = nec_cose_decode(bytes.data, bytes.size, "vector", NEC_E_SIGNATURE_FORMAT, &cose, err);
	if (r < 0)
		return r;
	return nec_cose_verify(&cose, &key,
			       &(struct nec_cbor_string){ external.data, external.size }, err);
}

static void check_cose_wg_file(const char *name)
{
	char path[512];
	cleanup_json cJSON *root = NULL;
	const cJSON *sign0;
	const char *external = "";
	bool fails = false;
	nec_error err = NEC_ERROR_INIT;
	int r;

	(void)snprintf(path, sizeof(path), VECTORS "cose-wg/%s", name);
	root = load_json(path);
	sign0 = nec_json_get(nec_json_get(root, "input"), "sign0");
	(void)nec_json_get_string(sign0, "external", &external);
	(void)nec_json_get_bool(root, "fail", &fails);
	/* ES512 with a key on P-256, see tests/data/cose/README.md. */
	if (strcmp(name, "ecdsa-sig-04.json") == 0)
		fails = true;
	r = verify_vector(text_of(nec_json_get(root, "output"), "cbor"), nec_json_get(sign0, "key"),
			  external, &err);
	if ((r < 0) != fails)
		fail_msg("%s: %d %s", name, r, r < 0 ? err.message : "");
}

static void verify__agrees_with_the_working_groups_vectors(void **state)
{
	cleanup_closedir DIR *dir = opendir(VECTORS "cose-wg");
	struct dirent *entry;
	unsigned int count = 0;

	(void)state;
	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		check_cose_wg_file(entry->d_name);
		count++;
	}
	assert_int_equal(count, 13);
}

static void verify__agrees_with_gluecose(void **state)
{
	static const char *const names[] = { "0000", "0001", "0002", "0003" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		cleanup_json cJSON *root = NULL;
		const cJSON *vector;
		const char *external = "";
		char path[512];
		bool good = false;

		(void)snprintf(path, sizeof(path), VECTORS "gluecose/sign1-verify-%s.json",
			       names[i]);
		root = load_json(path);
		vector = nec_json_get(root, "sign1::verify");
		(void)nec_json_get_string(vector, "external", &external);
		assert_true(nec_json_get_bool(vector, "shouldVerify", &good));
		assert_int_equal(
			verify_vector(text_of(nec_json_get(vector, "taggedCOSESign1"), "cborHex"),
				      nec_json_get(root, "key"), external, NULL) == 0,
			good);
	}
}

static void to_be_signed__agrees_with_gluecose(void **state)
{
	static const struct {
		const char *name;
		int64_t algorithm;
	} rows[] = {
		{ "0001", 0 }, /* its protected header has more than the algorithm */
		{ "0002", -35 },
		{ "0003", -36 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup_json cJSON *root = NULL;
		cleanup_buffer struct nec_buffer payload = { 0 };
		cleanup_buffer struct nec_buffer expected = { 0 };
		cleanup_buffer struct nec_buffer made = { 0 };
		const cJSON *vector;
		char path[512];

		(void)snprintf(path, sizeof(path), VECTORS "gluecose/sign1-sign-%s.json",
			       rows[i].name);
		root = load_json(path);
		vector = nec_json_get(root, "sign1::sign");
		assert_int_equal(
			verify_vector(text_of(nec_json_get(vector, "expectedOutput"), "cborHex"),
				      nec_json_get(root, "key"), "", NULL),
			0);
		if (!rows[i].algorithm)
			continue;
		bytes_of_hex(text_of(vector, "payload"), &payload);
		bytes_of_hex(text_of(nec_json_get(vector, "tbsHex"), "cborHex"), &expected);
		nec_cose_put_to_be_signed(&made, nec_curve_by_cose(rows[i].algorithm), &payload);
		assert_int_equal(made.size, expected.size);
		assert_memory_equal(made.data, expected.data, made.size);
	}
}

static void put__is_read_back_and_verifies(void **state)
{
	static const char *const files[] = { KEYS "p256.key", KEYS "p384.key", KEYS "p521.key" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		cleanup_key struct nec_key key = { 0 };
		cleanup_buffer struct nec_buffer payload = { 0 };
		cleanup_buffer struct nec_buffer bytes = { 0 };
		cleanup_buffer struct nec_buffer encoded = { 0 };
		uint8_t signature[NEC_KEY_MAX_SIGNATURE];
		struct nec_cose_sign1 cose;

		nec_buffer_append_text(&payload, "payload");
		assert_int_equal(nec_key_read_private(files[i], &key, NULL), 0);
		nec_cose_put_to_be_signed(&bytes, key.curve, &payload);
		assert_int_equal(nec_key_sign(&key, bytes.data, bytes.size, signature, NULL), 0);
		nec_cose_put(&encoded, key.curve, &payload, signature);
		assert_int_equal(nec_cose_decode(encoded.data, encoded.size, "test",
						 NEC_E_SIGNATURE_FORMAT, &cose, NULL),
				 0);
		assert_true(cose.algorithm_protected);
		assert_int_equal(cose.algorithm, key.curve->cose_algorithm);
		assert_int_equal(nec_cose_verify(&cose, &key, &nothing, NULL), 0);
	}
}

static void decode__says_what_is_wrong(void **state)
{
	static const struct {
		const char *hex;
		const char *message;
	} rows[] = {
		{ "d38443a10126a0404100", "its tag 19 is not that of COSE_Sign1 (18)" },
		{ "8343a10126a040", "it is not an array of 4 fields" },
		{ "8543a10126a040410000", "it is not an array of 4 fields" },
		{ "9f43a10126a0404100ff", "it is not an array of 4 fields" },
		{ "8440a0404100", "it names no algorithm" },
		{ "8443a10126a1012640"
		  "4100",
		  "it names its algorithm twice" },
		{ "8445a201260126a0404100", "it names its algorithm twice" },
		{ "8447a20126028118"
		  "2aa0404100",
		  "critical headers" },
		{ "8443a10126a0f64100", "what it signs is not in it" },
		{ "8444a1012600a0404100", "1 bytes follow its end" },
		{ "8443a10126a040410000", "1 bytes follow its end" },
		{ "8443a10126a08100"
		  "4100",
		  "a byte string is expected, not an array" },
		{ "8444a1016120a0404100", "an integer is expected, not a text string" },
		{ "84a10126a0404100", "a byte string is expected, not a map" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup_buffer struct nec_buffer bytes = { 0 };
		struct nec_cose_sign1 cose;
		nec_error err = NEC_ERROR_INIT;

		bytes_of_hex(rows[i].hex, &bytes);
		assert_int_equal(nec_cose_decode(bytes.data, bytes.size, "it",
						 NEC_E_SIGNATURE_FORMAT, &cose, &err),
				 -EBADMSG);
		assert_int_equal(err.code, NEC_E_SIGNATURE_FORMAT);
		if (!strstr(err.message, rows[i].message))
			fail_msg("%s: \"%s\"", rows[i].hex, err.message);
	}
}

static void decode__refuses_every_truncation(void **state)
{
	cleanup_json cJSON *root = load_json(VECTORS "cose-wg/ecdsa-sig-02.json");
	const char *hex = text_of(nec_json_get(root, "output"), "cbor");
	cleanup_buffer struct nec_buffer whole = { 0 };
	struct nec_cose_sign1 cose;

	(void)state;
	bytes_of_hex(hex, &whole);
	for (size_t size = 0; size < whole.size; size++) {
		cleanup_free uint8_t *exact = malloc(size + 1);

		memcpy(exact, whole.data, size);
		assert_int_equal(
			nec_cose_decode(exact, size, "it", NEC_E_SIGNATURE_FORMAT, &cose, NULL),
			-EBADMSG);
	}
	assert_int_equal(
		nec_cose_decode(whole.data, whole.size, "it", NEC_E_SIGNATURE_FORMAT, &cose, NULL),
		0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(verify__agrees_with_the_working_groups_vectors),
		cmocka_unit_test(verify__agrees_with_gluecose),
		cmocka_unit_test(to_be_signed__agrees_with_gluecose),
		cmocka_unit_test(put__is_read_back_and_verifies),
		cmocka_unit_test(decode__says_what_is_wrong),
		cmocka_unit_test(decode__refuses_every_truncation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
