/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/error.h"
#include "base/json.h"

static void assert_prints(const char *text, const char *expected)
{
	cleanup_json cJSON *item = NULL;
	cleanup_buffer struct nec_buffer printed = { 0 };
	nec_error err = NEC_ERROR_INIT;

	assert_int_equal(nec_json_parse(text, strlen(text), &item, &err), 0);
	nec_json_print(item, &printed);
	assert_string_equal(nec_buffer_text(&printed), expected);
}

static void assert_refused(const char *text, size_t size, const char *expected)
{
	cJSON *item = NULL;
	nec_error err = NEC_ERROR_INIT;

	assert_int_equal(nec_json_parse(text, size, &item, &err), -EBADMSG);
	assert_int_equal(err.code, NEC_E_JSON);
	if (!strstr(err.message, expected))
		fail_msg("\"%s\" does not contain \"%s\"", err.message, expected);
	assert_null(item);
}

static void print__has_the_layout_of_nitro_cli(void **state)
{
	(void)state;
	assert_prints("{\"a\":[1,{}],\"b\":[],\"c\":{\"d\":null}}",
		      "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": [],\n  \"c\": {\n    \"d\": "
		      "null\n  }\n}");
}

static void print__escapes_only_what_must_be(void **state)
{
	(void)state;
	assert_prints("\"\\u00e9\\/\\\"\\\\\\n\\u0001\\ud83d\\ude00\"",
		      "\"\xc3\xa9/\\\"\\\\\\n\\u0001\xf0\x9f\x98\x80\"");
}

static void numbers__keep_every_digit(void **state)
{
	(void)state;
	assert_prints(
		"[18446744073709551615,9007199254740993,1e400,-0,0.10]",
		"[\n  18446744073709551615,\n  9007199254740993,\n  1e400,\n  -0,\n  0.10\n]");
}

static void parse__refuses_what_rfc_8259_refuses(void **state)
{
	static const struct {
		const char *text;
		const char *message;
	} rows[] = {
		{ "", "line 1, column 1: a value is expected" },
		{ "{\"a\":1,\n \"b\" 2}", "line 2, column 6: ':'" },
		{ "[1,]", "a value is expected" },
		{ "[01]", "',' or ']'" },
		{ "[1] 2", "more after the end" },
		{ "\"\t\"", "control character" },
		{ "\"\xff\"", "UTF-8" },
		{ "\"\xed\xa0\x80\"", "UTF-8" },
		{ "\"\\u0000\"", "\\u0000" },
		{ "\"\\ud800\"", "surrogate" },
		{ "\"\\x\"", "escape" },
		{ "{\"a\":1,\"b\":{\"c\":1,\"c\":2}}", "\"c\" is repeated" },
		{ "nul", "a value is expected" },
		{ "-", "a digit" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_refused(rows[i].text, strlen(rows[i].text), rows[i].message);
	assert_refused("\"\\\0\"", 4, "escape");
}

static void parse__refuses_every_truncation(void **state)
{
	static const char text[] = "{\"key\":[1.5e3,true,\"\\u00e9\xc3\xa9\"]}";

	(void)state;
	for (size_t size = 0; size < sizeof(text) - 1; size++) {
		char *exact = malloc(size + 1);

		memcpy(exact, text, size);
		assert_refused(exact, size, "JSON");
		free(exact);
	}
}

static void parse__caps_the_depth(void **state)
{
	char text[2 * NEC_JSON_MAX_DEPTH + 2];

	(void)state;
	memset(text, '[', sizeof(text));
	assert_refused(text, sizeof(text), "too deep");
}

static void sort__orders_members_on_every_level(void **state)
{
	static const char text[] = "{\"b\":{\"d\":1,\"c\":2},\"a\":[{\"z\":1,\"y\":2}]}";
	cleanup_json cJSON *item = NULL;
	cleanup_buffer struct nec_buffer printed = { 0 };

	(void)state;
	assert_int_equal(nec_json_parse(text, sizeof(text) - 1, &item, NULL), 0);
	nec_json_sort(item);
	nec_json_print_compact(item, &printed);
	assert_string_equal(nec_buffer_text(&printed),
			    "{\"a\":[{\"y\":2,\"z\":1}],\"b\":{\"c\":2,\"d\":1}}");
}

static void getters__check_types(void **state)
{
	static const char text[] = "{\"u\":18446744073709551615,\"over\":18446744073709551616,"
				   "\"neg\":-1,\"s\":\"x\",\"t\":true}";
	cleanup_json cJSON *item = NULL;
	uint64_t number = 0;
	const char *string = NULL;
	bool flag = false;

	(void)state;
	assert_int_equal(nec_json_parse(text, sizeof(text) - 1, &item, NULL), 0);
	assert_true(nec_json_get_u64(item, "u", &number));
	assert_int_equal(number, UINT64_MAX);
	assert_false(nec_json_get_u64(item, "over", &number));
	assert_false(nec_json_get_u64(item, "neg", &number));
	assert_false(nec_json_get_u64(item, "s", &number));
	assert_true(nec_json_get_string(item, "s", &string));
	assert_true(nec_json_get_bool(item, "t", &flag) && flag);
	assert_false(nec_json_get_string(item, "S", &string));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(print__has_the_layout_of_nitro_cli),
		cmocka_unit_test(print__escapes_only_what_must_be),
		cmocka_unit_test(numbers__keep_every_digit),
		cmocka_unit_test(parse__refuses_what_rfc_8259_refuses),
		cmocka_unit_test(parse__refuses_every_truncation),
		cmocka_unit_test(parse__caps_the_depth),
		cmocka_unit_test(sort__orders_members_on_every_level),
		cmocka_unit_test(getters__check_types),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
