/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cbor.h"
#include "base/cleanup.h"
#include "base/hex.h"

/* Bytes from hex, in a block of exactly their size so that ASan sees one byte too many. */
static uint8_t *bytes_of(const char *hex, size_t *size)
{
	uint8_t *bytes;

	*size = strlen(hex) / 2;
	bytes = malloc(*size ? *size : 1);
	assert_non_null(bytes);
	assert_true(nec_hex_decode(hex, bytes, *size));
	return bytes;
}

static struct nec_cbor reader(const uint8_t *bytes, size_t size)
{
	return nec_cbor_over(bytes, size, "test", NEC_E_SIGNATURE_FORMAT);
}

static int skip_all(const char *hex, nec_error *err)
{
	size_t size;
	cleanup_free uint8_t *bytes = bytes_of(hex, &size);
	struct nec_cbor cbor = reader(bytes, size);
	int r = nec_cbor_skip(&cbor, err);

	return r < 0 ? r : nec_cbor_end(&cbor, err);
}

/* RFC 8949, appendix A: one row of each kind. */
static void skip__takes_every_well_formed_item(void **state)
{
	static const char *const rows[] = {
		"00",
		"17",
		"1818",
		"1903e8",
		"1a000f4240",
		"1bffffffffffffffff",
		"20",
		"3903e7",
		"f97bff",
		"fa47c35000",
		"fb3ff199999999999a",
		"f4",
		"f5",
		"f6",
		"f7",
		"f0",
		"f8ff",
		"c074323031332d30332d32315432303a30343a30305a",
		"c11a514b67b0",
		"40",
		"4401020304",
		"60",
		"6161",
		"62c3bc",
		"80",
		"83010203",
		"8301820203820405",
		"a0",
		"a201020304",
		"a26161016162820203",
		"5f42010243030405ff",
		"7f657374726561646d696e67ff",
		"9fff",
		"9f018202039f0405ffff",
		"bf61610161629f0203ffff",
		"5fff",
		"7fff",
		"1800",
		"1b0000000000000001",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (skip_all(rows[i], NULL) != 0)
			fail_msg("%s is refused", rows[i]);
}

static void skip__refuses_what_is_not_well_formed(void **state)
{
	static const struct {
		const char *hex;
		const char *message;
	} rows[] = {
		{ "", "offset 0: it ends where an item is expected" },
		{ "18", "ends in the middle" },
		{ "1b00000000000000", "ends in the middle" },
		{ "1c", "0x1c begins no item" },
		{ "fe", "0xfe begins no item" },
		{ "1f", "without its value" },
		{ "3f", "without its value" },
		{ "df00", "without its value" },
		{ "ff", "a break where" },
		{ "f800", "simple value 0 in two bytes" },
		{ "f81f", "simple value 31 in two bytes" },
		{ "4101ff", "1 bytes follow its end" },
		{ "420a", "a string claims 2 bytes, 1 are left" },
		{ "5bffffffffffffffff01", "claims 18446744073709551615 bytes" },
		{ "9bffffffffffffffff01", "an array claims 18446744073709551615 entries" },
		{ "bb800000000000000001", "a map claims 9223372036854775808 entries" },
		{ "8201", "claims 2 entries, 1 bytes" },
		{ "a101", "a map claims 1 entries, 1 bytes" },
		{ "9f01", "offset 2: it ends before a break" },
		{ "bf01ff", "a break where" },
		{ "82ff01", "offset 1: a break where" },
		{ "5f01ff", "a byte string is expected, not an unsigned integer" },
		{ "5f6161ff", "a byte string is expected, not a text string" },
		{ "5f5f4101ffff", "a byte string is expected, not a byte string" },
		{ "61ff", "not valid UTF-8" },
		{ "62eda0", "not valid UTF-8" },
		{ "7f61c3ff", "not valid UTF-8" },
		{ "c1", "ends where an item" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		nec_error err = NEC_ERROR_INIT;

		assert_int_equal(skip_all(rows[i].hex, &err), -EBADMSG);
		assert_int_equal(err.code, NEC_E_SIGNATURE_FORMAT);
		if (!strstr(err.message, rows[i].message))
			fail_msg("%s: \"%s\"", rows[i].hex, err.message);
	}
}

static void skip__caps_the_depth(void **state)
{
	static const uint8_t openers[] = { 0x81, 0x9f, 0xa1, 0xbf, 0xc1 };
	uint8_t bytes[100000];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(openers); i++) {
		struct nec_cbor cbor = reader(bytes, sizeof(bytes));
		nec_error err = NEC_ERROR_INIT;

		memset(bytes, openers[i], sizeof(bytes));
		assert_int_equal(nec_cbor_skip(&cbor, &err), -EBADMSG);
		assert_non_null(strstr(err.message, "too deep"));
	}
	memset(bytes, 0x81, NEC_CBOR_MAX_DEPTH);
	bytes[NEC_CBOR_MAX_DEPTH] = 0;
	struct nec_cbor cbor = reader(bytes, NEC_CBOR_MAX_DEPTH + 1);

	assert_int_equal(nec_cbor_skip(&cbor, NULL), 0);
}

static void integers__keep_sign_and_range(void **state)
{
	static const struct {
		const char *hex;
		int64_t value;
	} rows[] = {
		{ "17", 23 },
		{ "3822", -35 },
		{ "20", -1 },
		{ "1b7fffffffffffffff", INT64_MAX },
		{ "3b7fffffffffffffff", INT64_MIN },
	};
	nec_error err = NEC_ERROR_INIT;
	size_t size;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup_free uint8_t *bytes = bytes_of(rows[i].hex, &size);
		cleanup_buffer struct nec_buffer written = { 0 };
		struct nec_cbor cbor = reader(bytes, size);
		int64_t value = 0;

		assert_int_equal(nec_cbor_int(&cbor, &value, NULL), 0);
		assert_true(value == rows[i].value);
		nec_cbor_put_int(&written, value);
		assert_int_equal(written.size, size);
		assert_memory_equal(written.data, bytes, size);
	}
	static const char *const refused[] = { "1b8000000000000000", "3b8000000000000000", "f6" };

	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		cleanup_free uint8_t *bytes = bytes_of(refused[i], &size);
		struct nec_cbor cbor = reader(bytes, size);
		int64_t value;

		assert_int_equal(nec_cbor_int(&cbor, &value, &err), -EBADMSG);
	}
	cleanup_free uint8_t *negative = bytes_of("20", &size);
	struct nec_cbor cbor = reader(negative, size);
	uint64_t value;

	assert_int_equal(nec_cbor_uint(&cbor, &value, &err), -EBADMSG);
	assert_string_equal(err.message, "test: CBOR at offset 0: an unsigned integer is expected, "
					 "not a negative integer");
}

static void copy_bytes__takes_all_three_forms(void **state)
{
	static const struct {
		const char *hex;
		const char *result;
	} rows[] = {
		{ "430001ff", "0001ff" },
		{ "83000118ff", "0001ff" },
		{ "9f000118ffff", "0001ff" },
		{ "5f420001ff", "0001" },
		{ "5f41004040420102ff", "000102" },
		{ "80", "" },
		{ "40", "" },
	};
	size_t size;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup_free uint8_t *bytes = bytes_of(rows[i].hex, &size);
		cleanup_buffer struct nec_buffer to = { 0 };
		struct nec_cbor cbor = reader(bytes, size);
		char text[32] = "";

		assert_int_equal(nec_cbor_copy_bytes(&cbor, 3, &to, NULL), 0);
		assert_int_equal(nec_cbor_end(&cbor, NULL), 0);
		nec_hex_encode(to.data, to.size, text);
		assert_string_equal(text, rows[i].result);
	}
}

static void copy_bytes__refuses_what_is_too_long_or_no_byte(void **state)
{
	static const struct {
		const char *hex;
		int result;
	} rows[] = {
		{ "4400000000", -EFBIG }, { "8400000000", -EFBIG }, { "5f420000420000ff", -EFBIG },
		{ "81190100", -EBADMSG }, { "8120", -EBADMSG },     { "814100", -EBADMSG },
		{ "6161", -EBADMSG },     { "9f00", -EBADMSG },
	};
	size_t size;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup_free uint8_t *bytes = bytes_of(rows[i].hex, &size);
		cleanup_buffer struct nec_buffer to = { 0 };
		struct nec_cbor cbor = reader(bytes, size);

		assert_int_equal(nec_cbor_copy_bytes(&cbor, 3, &to, NULL), rows[i].result);
	}
}

static void text__is_lent_or_copied(void **state)
{
	size_t size;
	cleanup_free uint8_t *bytes = bytes_of("63414243"
					       "7f6141624243ff",
					       &size);
	cleanup_buffer struct nec_buffer to = { 0 };
	struct nec_cbor cbor = reader(bytes, size);
	struct nec_cbor_string text;
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	assert_int_equal(nec_cbor_text(&cbor, &text, NULL), 0);
	assert_true(nec_cbor_is(&text, "ABC"));
	assert_false(nec_cbor_is(&text, "AB"));
	assert_false(nec_cbor_is(&text, "ABD"));
	assert_ptr_equal(text.data, bytes + 1);
	assert_int_equal(nec_cbor_copy_text(&cbor, 3, &to, NULL), 0);
	assert_string_equal(nec_buffer_text(&to), "ABC");
	cbor.cursor.offset = 4;
	assert_int_equal(nec_cbor_text(&cbor, &text, &err), -EBADMSG);
	assert_string_equal(err.message,
			    "test: CBOR at offset 4: a string in pieces is not expected here");
}

static void optional_items__are_taken_only_when_there(void **state)
{
	size_t size;
	cleanup_free uint8_t *bytes = bytes_of("d284f6f500", &size);
	struct nec_cbor cbor = reader(bytes, size);
	struct nec_cbor_list list;
	uint64_t tag = 0;
	bool flag = false;

	(void)state;
	assert_int_equal(nec_cbor_tag(&cbor, &tag, NULL), 1);
	assert_int_equal(tag, 18);
	assert_int_equal(nec_cbor_tag(&cbor, &tag, NULL), 0);
	assert_false(nec_cbor_null(&cbor));
	cbor.cursor.offset = 2;
	assert_true(nec_cbor_null(&cbor));
	assert_int_equal(nec_cbor_peek(&cbor), NEC_CBOR_BOOL);
	assert_int_equal(nec_cbor_bool(&cbor, &flag, NULL), 0);
	assert_true(flag);
	assert_int_equal(nec_cbor_bool(&cbor, &flag, NULL), -EBADMSG);
	assert_int_equal(nec_cbor_peek(&cbor), NEC_CBOR_MALFORMED);
	cbor.cursor.offset = 1;
	assert_int_equal(nec_cbor_array(&cbor, &list, NULL), -EBADMSG);
	assert_int_equal(nec_cbor_tag(&cbor, &tag, NULL), 0);
}

static void lists__end_where_they_say(void **state)
{
	static const char *const rows[] = { "a2010203048100", "bf01020304ff8100" };
	size_t size;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup_free uint8_t *bytes = bytes_of(rows[i], &size);
		struct nec_cbor cbor = reader(bytes, size);
		struct nec_cbor_list map;
		uint64_t expected = 1;
		uint64_t value;

		assert_int_equal(nec_cbor_map(&cbor, &map, NULL), 0);
		while (nec_cbor_more(&cbor, &map, NULL) > 0) {
			assert_int_equal(nec_cbor_uint(&cbor, &value, NULL), 0);
			assert_int_equal(value, expected++);
			assert_int_equal(nec_cbor_uint(&cbor, &value, NULL), 0);
			assert_int_equal(value, expected++);
		}
		assert_int_equal(expected, 5);
		assert_int_equal(nec_cbor_array(&cbor, &map, NULL), 0);
		assert_int_equal(nec_cbor_more(&cbor, &map, NULL), 1);
		assert_int_equal(nec_cbor_skip(&cbor, NULL), 0);
		assert_int_equal(nec_cbor_more(&cbor, &map, NULL), 0);
		assert_int_equal(nec_cbor_end(&cbor, NULL), 0);
	}
}

static void writer__uses_the_shortest_heads(void **state)
{
	static const uint8_t bytes[] = { 0, 23, 24, 255 };
	cleanup_buffer struct nec_buffer to = { 0 };
	char text[200];

	(void)state;
	nec_cbor_put_array(&to, 24);
	nec_cbor_put_uint(&to, 23);
	nec_cbor_put_uint(&to, 24);
	nec_cbor_put_uint(&to, 255);
	nec_cbor_put_uint(&to, 256);
	nec_cbor_put_uint(&to, 65535);
	nec_cbor_put_uint(&to, 65536);
	nec_cbor_put_uint(&to, UINT32_MAX);
	nec_cbor_put_uint(&to, (uint64_t)UINT32_MAX + 1);
	nec_cbor_put_bytes(&to, bytes, 2);
	nec_cbor_put_byte_array(&to, bytes, sizeof(bytes));
	nec_cbor_put_map(&to, 1);
	nec_cbor_put_text(&to, "ab");
	nec_cbor_put_bool(&to, false);
	nec_cbor_put_bool(&to, true);
	nec_cbor_put_null(&to);
	nec_cbor_put_tag(&to, 18);
	nec_hex_encode(to.data, to.size, text);
	assert_string_equal(text, "9818"
				  "17"
				  "1818"
				  "18ff"
				  "190100"
				  "19ffff"
				  "1a00010000"
				  "1affffffff"
				  "1b0000000100000000"
				  "420017"
				  "8400"
				  "17181818ff"
				  "a1626162"
				  "f4f5f6"
				  "d2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(skip__takes_every_well_formed_item),
		cmocka_unit_test(skip__refuses_what_is_not_well_formed),
		cmocka_unit_test(skip__caps_the_depth),
		cmocka_unit_test(integers__keep_sign_and_range),
		cmocka_unit_test(copy_bytes__takes_all_three_forms),
		cmocka_unit_test(copy_bytes__refuses_what_is_too_long_or_no_byte),
		cmocka_unit_test(text__is_lent_or_copied),
		cmocka_unit_test(optional_items__are_taken_only_when_there),
		cmocka_unit_test(lists__end_where_they_say),
		cmocka_unit_test(writer__uses_the_shortest_heads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
