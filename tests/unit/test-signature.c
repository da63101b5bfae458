/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto-data.h"
#include "eif-data.h"

#include "image/signature.h"

/* 2026-09-21, when all certificates of the test images but the expired one are valid. */
static const int64_t now = 1790000000;

/* The data of an image's signature section. */
static void load_section(const char *file, struct nec_buffer *to)
{
	const struct nec_eif_section *section;
	cleanup_eif nec_eif *eif = NULL;
	char path[512];

	(void)snprintf(path, sizeof(path), EIF_DATA "%s", file);
	assert_int_equal(nec_eif_open(NULL, path, &eif, NULL), 0);
	section = nec_eif_find_section(eif, NEC_EIF_SIGNATURE);
	assert_non_null(section);
	assert_int_equal(nec_eif_read_whole(eif, section, NEC_EIF_MAX_SIGNATURE, to, NULL), 0);
}

static nec_signature *decode_file(const char *file)
{
	cleanup_buffer struct nec_buffer section = { 0 };
	nec_signature *signature = NULL;

	load_section(file, &section);
	assert_int_equal(nec_signature_decode(section.data, section.size, &signature, NULL), 0);
	return signature;
}

static void check_certificate(const struct nec_certificate_info *info, const cJSON *expected)
{
	const cJSON *names = nec_json_get(expected, "IssuerName");
	size_t i = 0;

	assert_string_equal(info->algorithm, text_of(expected, "Algorithm"));
	assert_string_equal(info->not_before, text_of(expected, "NotBefore"));
	assert_string_equal(info->not_after, text_of(expected, "NotAfter"));
	assert_string_equal(info->signature, text_of(expected, "Signature"));
	for (const cJSON *name = names->child; name; name = name->next, i++) {
		assert_true(i < info->issuer_count);
		assert_string_equal(info->issuer[i].name, name->string);
		assert_string_equal(info->issuer[i].value, name->valuestring);
	}
	assert_int_equal(i, info->issuer_count);
}

static void check_info(const nec_signature *signature, const cJSON *row)
{
	const struct nec_signature_info *info = nec_signature_get_info(signature);
	const cJSON *expected = nec_json_get(row, "signature");
	cleanup_buffer struct nec_buffer header = { 0 };

	bytes_of_hex(text_of(expected, "cose_protected_hex"), &header);
	assert_int_equal(signature->cose.protected_header.size, header.size);
	assert_memory_equal(signature->cose.protected_header.data, header.data, header.size);
	assert_int_equal(signature->cose.signature.size,
			 json_u64(expected, "cose_signature_bytes"));
	assert_int_equal(info->entry_count, 1);
	assert_false(info->has_private_key);
	assert_true(info->has_value);
	assert_int_equal(info->register_index, 0);
	assert_hex(info->register_value, NEC_PCR_SIZE, text_of(expected, "signed_value"));
	assert_hex(info->pcr8, NEC_PCR_SIZE, text_of(nec_json_get(row, "pcrs"), "PCR8"));
}

/* AWS's describe (steps 1 to 4) and launch (1 to 3 and 5) against our checks, one by one. */
static void check_verdicts(const nec_signature *signature, const cJSON *row)
{
	const cJSON *aws = nec_json_get(row, "aws_reader");
	uint8_t pcr0[NEC_PCR_SIZE];
	const char *launch = "";
	bool pcr0_good = false;
	bool readable = nec_json_get_bool(aws, "signature_check", &pcr0_good);
	int key = nec_signature_check_key(signature, NULL);
	int dates = nec_signature_check_dates(signature, now, NULL);
	int value;

	assert_true(nec_hex_decode(text_of(nec_json_get(row, "pcrs"), "PCR0"), pcr0, sizeof(pcr0)));
	value = nec_signature_check_pcr0(signature, pcr0, NULL);
	assert_int_equal(nec_signature_check_algorithm(signature, NULL), 0);
	assert_int_equal(key == 0, readable);
	if (!readable)
		return;
	(void)nec_json_get_string(aws, "verify", &launch);
	assert_int_equal(value == 0, pcr0_good);
	assert_int_equal(dates == 0, strcmp(launch, "Ok(())") == 0);
	assert_int_equal(nec_signature_verify(signature, pcr0, now, NULL),
			 value < 0 ? value : dates);
	check_certificate(&nec_signature_get_info(signature)->certificate,
			  nec_json_get(aws, "signing_certificate"));
}

static void decode__agrees_with_expected_json(void **state)
{
	cleanup_json cJSON *rows = eif_expected();
	unsigned int count = 0;
	const cJSON *row;

	(void)state;
	cJSON_ArrayForEach (row, rows) {
		cleanup_signature nec_signature *signature = NULL;

		if (!nec_json_get(row, "signature"))
			continue;
		signature = decode_file(json_string(row, "file"));
		check_info(signature, row);
		check_verdicts(signature, row);
		count++;
	}
	assert_int_equal(count, 9);
}

static void read_signature__tells_signed_from_unsigned(void **state)
{
	cleanup_eif nec_eif *eif = NULL;
	cleanup_eif nec_eif *unsigned_eif = NULL;
	cleanup_signature nec_signature *signature = NULL;
	nec_signature *none = NULL;

	(void)state;
	assert_int_equal(nec_eif_open(NULL, EIF_DATA "x86-signed-p256.eif", &eif, NULL), 0);
	assert_int_equal(nec_eif_read_signature(eif, &signature, NULL), 1);
	assert_int_equal(nec_signature_get_info(signature)->algorithm, -7);
	assert_int_equal(nec_eif_open(NULL, EIF_DATA "x86-2rd.eif", &unsigned_eif, NULL), 0);
	assert_int_equal(nec_eif_read_signature(unsigned_eif, &none, NULL), 0);
	assert_null(none);
}

/* What AWS's tools wrote, taken apart and put together again. */
static void encoding__equals_that_of_aws(void **state)
{
	static const char *const files[] = { "x86-signed-p256.eif", "x86-signed-p384.eif",
					     "arm64-signed-p521.eif" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		cleanup_buffer struct nec_buffer section = { 0 };
		cleanup_buffer struct nec_buffer payload = { 0 };
		cleanup_buffer struct nec_buffer cose = { 0 };
		cleanup_buffer struct nec_buffer again = { 0 };
		cleanup_signature nec_signature *signature = decode_file(files[i]);

		load_section(files[i], &section);
		nec_signature_put_payload(&payload, signature->info.register_value);
		assert_int_equal(payload.size, signature->cose.payload.size);
		assert_memory_equal(payload.data, signature->cose.payload.data, payload.size);
		nec_cose_put(&cose, nec_curve_by_cose(signature->cose.algorithm), &payload,
			     signature->cose.signature.data);
		nec_signature_put_section(&again, &signature->pem, &cose);
		assert_int_equal(again.size, section.size);
		assert_memory_equal(again.data, section.data, section.size);
	}
}

/* A section put together by hand; @bytes: byte strings instead of arrays of integers. */
struct parts {
	unsigned int entries;
	unsigned int certificates; /* how often that key stands in the entry */
	unsigned int signatures;
	bool bytes;
	bool indefinite;
	bool extra_key;
	bool trailing;
};

static void put_bytes(struct nec_buffer *to, const struct nec_buffer *value, bool bytes)
{
	if (bytes)
		nec_cbor_put_bytes(to, value->data, value->size);
	else
		nec_cbor_put_byte_array(to, value->data, value->size);
}

static void put_entry(struct nec_buffer *to, const struct parts *parts,
		      const nec_signature *signature)
{
	unsigned int pairs = parts->certificates + parts->signatures + parts->extra_key;

	if (parts->indefinite)
		nec_buffer_append_u8(to, 0xbf);
	else
		nec_cbor_put_map(to, pairs);
	for (unsigned int i = 0; i < parts->signatures; i++) {
		nec_cbor_put_text(to, "signature");
		put_bytes(to, &signature->encoded, parts->bytes);
	}
	if (parts->extra_key) {
		nec_cbor_put_text(to, "comment");
		nec_cbor_put_null(to);
	}
	for (unsigned int i = 0; i < parts->certificates; i++) {
		nec_cbor_put_text(to, "signing_certificate");
		put_bytes(to, &signature->pem, parts->bytes);
	}
	if (parts->indefinite)
		nec_buffer_append_u8(to, 0xff);
}

static int decode_parts(const struct parts *parts, nec_error *err)
{
	cleanup_signature nec_signature *source = decode_file("x86-signed-p256.eif");
	cleanup_signature nec_signature *signature = NULL;
	cleanup_buffer struct nec_buffer section = { 0 };
	int r;

	if (parts->indefinite)
		nec_buffer_append_u8(&section, 0x9f);
	else
		nec_cbor_put_array(&section, parts->entries);
	for (unsigned int i = 0; i < parts->entries; i++)
		put_entry(&section, parts, source);
	if (parts->indefinite)
		nec_buffer_append_u8(&section, 0xff);
	if (parts->trailing)
		nec_cbor_put_null(&section);
	r = nec_signature_decode(section.data, section.size, &signature, err);
	if (r == 0) {
		assert_int_equal(nec_signature_get_info(signature)->entry_count, parts->entries);
		assert_int_equal(nec_signature_check_key(signature, err), 0);
	}
	return r;
}

static void decode__takes_every_allowed_form(void **state)
{
	static const struct parts rows[] = {
		{ .entries = 1, .certificates = 1, .signatures = 1 },
		{ .entries = 1, .certificates = 1, .signatures = 1, .bytes = true },
		{ .entries = 1, .certificates = 1, .signatures = 1, .indefinite = true },
		{ .entries = 1, .certificates = 1, .signatures = 1, .extra_key = true },
		{ .entries = 3, .certificates = 1, .signatures = 1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(decode_parts(&rows[i], NULL), 0);
}

static void decode__says_what_is_wrong(void **state)
{
	static const struct {
		struct parts parts;
		const char *message;
	} rows[] = {
		{ { .entries = 0 }, "signature section: it has no entry" },
		{ { .entries = 0, .indefinite = true }, "signature section: it has no entry" },
		{ { .entries = 1, .signatures = 1 }, "key \"signing_certificate\" is missing" },
		{ { .entries = 1, .certificates = 1 }, "key \"signature\" is missing" },
		{ { .entries = 1, .certificates = 2, .signatures = 1 },
		  "key \"signing_certificate\" is repeated" },
		{ { .entries = 1, .certificates = 1, .signatures = 2 },
		  "key \"signature\" is repeated" },
		{ { .entries = 1, .certificates = 1, .signatures = 1, .trailing = true },
		  "1 bytes follow its end" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		nec_error err = NEC_ERROR_INIT;

		assert_int_equal(decode_parts(&rows[i].parts, &err), -EBADMSG);
		assert_int_equal(err.code, NEC_E_SIGNATURE_FORMAT);
		if (!strstr(err.message, rows[i].message))
			fail_msg("row %zu: \"%s\"", i, err.message);
	}
}

static void decode__refuses_every_truncation(void **state)
{
	cleanup_buffer struct nec_buffer section = { 0 };

	(void)state;
	load_section("x86-signed-p256.eif", &section);
	for (size_t size = 0; size < section.size; size++) {
		cleanup_free uint8_t *exact = malloc(size + 1);
		nec_signature *signature = NULL;

		memcpy(exact, section.data, size);
		assert_int_equal(nec_signature_decode(exact, size, &signature, NULL), -EBADMSG);
		assert_null(signature);
	}
}

/* A good signature whose algorithm could be changed without breaking it. */
static void decode__wants_the_algorithm_protected(void **state)
{
	cleanup_signature nec_signature *source = decode_file("x86-signed-p384.eif");
	cleanup_buffer struct nec_buffer cose = { 0 };
	cleanup_buffer struct nec_buffer section = { 0 };
	nec_signature *signature = NULL;
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	nec_cbor_put_array(&cose, 4);
	nec_cbor_put_bytes(&cose, "", 0);
	nec_cbor_put_map(&cose, 1);
	nec_cbor_put_int(&cose, 1);
	nec_cbor_put_int(&cose, source->cose.algorithm);
	nec_cbor_put_bytes(&cose, source->cose.payload.data, source->cose.payload.size);
	nec_cbor_put_bytes(&cose, source->cose.signature.data, source->cose.signature.size);
	nec_signature_put_section(&section, &source->pem, &cose);
	assert_int_equal(nec_signature_decode(section.data, section.size, &signature, &err),
			 -EBADMSG);
	assert_int_equal(err.code, NEC_E_SIGNATURE_FORMAT);
	assert_string_equal(err.message, "signature: its algorithm is not in the protected header");
}

static void decode__caps_the_size(void **state)
{
	cleanup_free uint8_t *zeros = calloc(1, NEC_EIF_MAX_SIGNATURE + 1);
	nec_signature *signature = NULL;
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	assert_int_equal(nec_signature_decode(zeros, NEC_EIF_MAX_SIGNATURE + 1, &signature, &err),
			 -EFBIG);
	assert_int_equal(err.code, NEC_E_TOO_LARGE);
}

static void decode_pem(const char *path, nec_signature **ret)
{
	cleanup_signature nec_signature *source = decode_file("x86-signed-p384.eif");
	cleanup_buffer struct nec_buffer section = { 0 };
	cleanup_buffer struct nec_buffer pem = { 0 };

	assert_int_equal(nec_file_read_all(path, 1 << 20, &pem, NULL), 0);
	nec_signature_put_section(&section, &pem, &source->encoded);
	assert_int_equal(nec_signature_decode(section.data, section.size, ret, NULL), 0);
}

static void checks__say_which_of_them_failed(void **state)
{
	uint8_t zeros[NEC_PCR_SIZE] = { 0 };
	cleanup_signature nec_signature *good = decode_file("x86-signed-p384.eif");
	cleanup_signature nec_signature *mismatch = decode_file("x86-signed-certmismatch.eif");
	cleanup_signature nec_signature *rsa = NULL;
	cleanup_signature nec_signature *p256 = NULL;
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	assert_int_equal(nec_signature_check_key(mismatch, &err), -EBADMSG);
	assert_int_equal(err.code, NEC_E_SIGNATURE_INVALID);
	assert_int_equal(nec_signature_check_pcr0(good, zeros, &err), -EBADMSG);
	assert_int_equal(err.code, NEC_E_SIGNATURE_PCR0);
	assert_string_equal(err.message, "the signed PCR0 is not the measured one");
	assert_int_equal(nec_signature_check_dates(good, 0, &err), -EKEYEXPIRED);
	assert_int_equal(err.code, NEC_E_CERTIFICATE_DATES);
	assert_string_equal(err.message,
			    "the certificate is not valid before Jan  1 00:00:00 2024 GMT");
	assert_int_equal(nec_signature_check_dates(good, INT64_MAX, &err), -EKEYEXPIRED);
	assert_string_equal(err.message,
			    "the certificate was valid until Dec 27 00:00:00 2043 GMT");
	decode_pem(KEYS "rsa.pem", &rsa);
	assert_int_equal(nec_signature_check_algorithm(rsa, &err), -EINVAL);
	assert_int_equal(err.code, NEC_E_CERTIFICATE);
	decode_pem(KEYS "p256.pem", &p256);
	assert_int_equal(nec_signature_check_algorithm(p256, &err), -EBADMSG);
	assert_int_equal(err.code, NEC_E_SIGNATURE_INVALID);
	assert_string_equal(err.message,
			    "the signature names algorithm -35, a key on P-256 makes -7");
	assert_int_equal(nec_signature_check_key(p256, &err), -EBADMSG);
	assert_int_equal(nec_signature_verify(p256, zeros, now, &err), -EBADMSG);
	assert_int_equal(err.code, NEC_E_SIGNATURE_INVALID);
}

static void dates__are_inclusive(void **state)
{
	cleanup_signature nec_signature *signature = decode_file("x86-signed-p384.eif");
	const struct nec_certificate_info *info = &nec_signature_get_info(signature)->certificate;

	(void)state;
	assert_true(info->not_before_seconds == 1704067200);
	assert_int_equal(nec_signature_check_dates(signature, info->not_before_seconds, NULL), 0);
	assert_int_equal(nec_signature_check_dates(signature, info->not_before_seconds - 1, NULL),
			 -EKEYEXPIRED);
	assert_int_equal(nec_signature_check_dates(signature, info->not_after_seconds, NULL), 0);
	assert_int_equal(nec_signature_check_dates(signature, info->not_after_seconds + 1, NULL),
			 -EKEYEXPIRED);
}

/* Signs @payload with the key on P-384 and checks it against a PCR0 of zeros. */
static int check_payload(const struct nec_buffer *payload, nec_error *err)
{
	cleanup_key struct nec_key key = { 0 };
	cleanup_buffer struct nec_buffer bytes = { 0 };
	cleanup_buffer struct nec_buffer cose = { 0 };
	cleanup_buffer struct nec_buffer pem = { 0 };
	cleanup_buffer struct nec_buffer section = { 0 };
	cleanup_signature nec_signature *signature = NULL;
	uint8_t raw[NEC_KEY_MAX_SIGNATURE];
	uint8_t zeros[NEC_PCR_SIZE] = { 0 };

	assert_int_equal(nec_key_read_private(KEYS "p384.key", &key, NULL), 0);
	assert_int_equal(nec_file_read_all(KEYS "p384.pem", 1 << 20, &pem, NULL), 0);
	nec_cose_put_to_be_signed(&bytes, key.curve, payload);
	assert_int_equal(nec_key_sign(&key, bytes.data, bytes.size, raw, NULL), 0);
	nec_cose_put(&cose, key.curve, payload, raw);
	nec_signature_put_section(&section, &pem, &cose);
	assert_int_equal(nec_signature_decode(section.data, section.size, &signature, NULL), 0);
	assert_int_equal(nec_signature_check_key(signature, NULL), 0);
	return nec_signature_check_pcr0(signature, zeros, err);
}

static void check_pcr0__compares_encodings_as_aws_does(void **state)
{
	static const struct {
		const char *payload; /* with room for the register's 48 bytes at its end */
		size_t zeros;
		int result;
		const char *message;
	} rows[] = {
		{ "a26e72656769737465725f696e646578006e72656769737465725f76616c75659830", 48, 0,
		  "" },
		{ "a26e72656769737465725f696e646578006e72656769737465725f76616c75655830", 48,
		  -EBADMSG, "in another encoding" },
		{ "a26e72656769737465725f696e646578016e72656769737465725f76616c75659830", 48,
		  -EBADMSG, "what is signed is PCR1, not PCR0" },
		{ "a26e72656769737465725f696e646578006e72656769737465725f76616c7565982f", 47,
		  -EBADMSG, "what is signed is not a register" },
		{ "a26e72656769737465725f696e646578006e72656769737465725f696e64657800", 0, -EBADMSG,
		  "what is signed is not a register" },
		{ "6568656c6c6f", 0, -EBADMSG, "what is signed is not a register" },
		{ "", 0, -EBADMSG, "what is signed is not a register" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup_buffer struct nec_buffer payload = { 0 };
		cleanup_buffer struct nec_buffer start = { 0 };
		nec_error err = NEC_ERROR_INIT;

		bytes_of_hex(rows[i].payload, &start);
		nec_buffer_append(&payload, start.data, start.size);
		nec_buffer_append_zeros(&payload, rows[i].zeros);
		assert_int_equal(check_payload(&payload, &err), rows[i].result);
		if (!strstr(err.message, rows[i].message))
			fail_msg("row %zu: \"%s\"", i, err.message);
	}
}

static void leaked_key__is_noticed(void **state)
{
	cleanup_signature nec_signature *signature = NULL;

	(void)state;
	decode_pem(KEYS "certificate-and-key.pem", &signature);
	assert_true(nec_signature_get_info(signature)->has_private_key);
}

static void certificate_measure__equals_pcr8(void **state)
{
	static const struct {
		const char *certificate;
		const char *image;
	} rows[] = {
		{ EIF_DATA "certs/p256.pem", "x86-signed-p256.eif" },
		{ EIF_DATA "certs/p384.pem", "x86-signed-p384.eif" },
		{ EIF_DATA "certs/p521.pem", "arm64-signed-p521.eif" },
		{ EIF_DATA "certs/expired.pem", "x86-signed-expired.eif" },
	};
	uint8_t plain[NEC_PCR_SIZE];
	uint8_t pcr8[NEC_PCR_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup_signature nec_signature *signature = decode_file(rows[i].image);

		assert_int_equal(nec_certificate_measure(rows[i].certificate, pcr8, NULL), 0);
		assert_memory_equal(pcr8, nec_signature_get_info(signature)->pcr8, NEC_PCR_SIZE);
	}
	/* Only the first block counts, whatever stands around it. */
	assert_int_equal(nec_certificate_measure(KEYS "p384.pem", plain, NULL), 0);
	assert_int_equal(nec_certificate_measure(KEYS "p384-with-text.pem", pcr8, NULL), 0);
	assert_memory_equal(pcr8, plain, NEC_PCR_SIZE);
	/* A certificate that could not sign an image can be measured all the same. */
	assert_int_equal(nec_certificate_measure(KEYS "rsa.pem", pcr8, NULL), 0);
}

static void certificate_measure__says_what_is_wrong(void **state)
{
	static const struct {
		const char *path;
		enum nec_error_code code;
	} rows[] = {
		{ KEYS "missing.pem", NEC_E_FILE_OPEN },
		{ KEYS "p384.key", NEC_E_CERTIFICATE },
		{ "/dev/null", NEC_E_CERTIFICATE },
		{ "/dev/zero", NEC_E_TOO_LARGE },
	};
	uint8_t pcr8[NEC_PCR_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		nec_error err = NEC_ERROR_INIT;

		assert_true(nec_certificate_measure(rows[i].path, pcr8, &err) < 0);
		assert_int_equal(err.code, rows[i].code);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decode__agrees_with_expected_json),
		cmocka_unit_test(read_signature__tells_signed_from_unsigned),
		cmocka_unit_test(encoding__equals_that_of_aws),
		cmocka_unit_test(decode__takes_every_allowed_form),
		cmocka_unit_test(decode__says_what_is_wrong),
		cmocka_unit_test(decode__refuses_every_truncation),
		cmocka_unit_test(decode__wants_the_algorithm_protected),
		cmocka_unit_test(decode__caps_the_size),
		cmocka_unit_test(checks__say_which_of_them_failed),
		cmocka_unit_test(dates__are_inclusive),
		cmocka_unit_test(check_pcr0__compares_encodings_as_aws_does),
		cmocka_unit_test(leaked_key__is_noticed),
		cmocka_unit_test(certificate_measure__equals_pcr8),
		cmocka_unit_test(certificate_measure__says_what_is_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
