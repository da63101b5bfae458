/* SPDX-License-Identifier: Apache-2.0 */
#include "eif-data.h"

#include "base/error.h"
#include "image/eif-metadata.h"

#define BUILD_METADATA                                                \
	"\"BuildMetadata\":{\"BuildTime\":\"t\",\"BuildTool\":\"b\"," \
	"\"BuildToolVersion\":\"v\",\"OperatingSystem\":\"o\",\"KernelVersion\":\"k\"}"
#define NAMES "\"ImageName\":\"n\",\"ImageVersion\":\"1\""
#define REST  "\"DockerInfo\":null,\"CustomMetadata\":null"

/* Replaces the metadata of x86-2rd.eif, which is 244 bytes at 5691 + 12, by a text not longer. */
static void open_with_metadata(const char *text, nec_eif **ret)
{
	cleanup_buffer struct nec_buffer image = { 0 };
	char padded[245];

	(void)snprintf(padded, sizeof(padded), "%-244s", text);
	eif_load("x86-2rd.eif", &image);
	memcpy(image.data + 5703, padded, 244);
	assert_int_equal(eif_open_bytes(image.data, image.size, ret, NULL), 0);
}

static void metadata__agrees_with_expected_json_on_every_image(void **state)
{
	cleanup_json cJSON *rows = eif_expected();
	size_t read = 0;

	(void)state;
	for (const cJSON *row = rows->child; row; row = row->next) {
		cleanup_eif_metadata struct nec_eif_metadata metadata = { 0 };
		cleanup_buffer struct nec_buffer printed = { 0 };
		cleanup_buffer struct nec_buffer expected = { 0 };
		cleanup_eif nec_eif *eif = NULL;
		const cJSON *tree = nec_json_get(row, "metadata");
		char path[512];

		(void)snprintf(path, sizeof(path), EIF_DATA "%s", json_string(row, "file"));
		if (nec_eif_open(NULL, path, &eif, NULL) < 0)
			continue;
		assert_int_equal(nec_eif_read_metadata(eif, &metadata, NULL), 0);
		assert_int_equal(metadata.tree != NULL, tree != NULL);
		if (!tree)
			continue;
		nec_json_print(metadata.tree, &printed);
		nec_json_print(tree, &expected);
		assert_string_equal(nec_buffer_text(&printed), nec_buffer_text(&expected));
		assert_string_equal(metadata.image_name, json_string(tree, "ImageName"));
		assert_string_equal(
			metadata.kernel_version,
			json_string(nec_json_get(tree, "BuildMetadata"), "KernelVersion"));
		read++;
	}
	assert_true(read >= 16);
}

static void metadata__is_refused_by_rule(void **state)
{
	static const struct {
		const char *text;
		enum nec_rule rule;
		const char *message;
	} rows[] = {
		{ "", NEC_RULE_METADATA_JSON, "not JSON" },
		{ "{", NEC_RULE_METADATA_JSON, "line 1, column 2" },
		{ "[]", NEC_RULE_METADATA_JSON, "not a JSON object" },
		{ "{\"ImageName\":\"a\",\"ImageName\":\"b\"}", NEC_RULE_METADATA_JSON, "repeated" },
		{ "{" NAMES "," REST "}", NEC_RULE_METADATA_KEYS, "\"BuildMetadata\"" },
		{ "{" NAMES ",\"BuildMetadata\":[]," REST "}", NEC_RULE_METADATA_KEYS,
		  "\"BuildMetadata\"" },
		{ "{\"ImageName\":1,\"ImageVersion\":\"1\"," BUILD_METADATA "," REST "}",
		  NEC_RULE_METADATA_KEYS, "\"ImageName\"" },
		{ "{\"ImageName\":\"n\"," BUILD_METADATA "," REST "}", NEC_RULE_METADATA_KEYS,
		  "\"ImageVersion\"" },
		{ "{" NAMES ",\"BuildMetadata\":{\"BuildTime\":\"t\"}," REST "}",
		  NEC_RULE_METADATA_KEYS, "\"BuildMetadata.BuildTool\"" },
		{ "{" NAMES "," BUILD_METADATA ",\"CustomMetadata\":null}", NEC_RULE_METADATA_KEYS,
		  "\"DockerInfo\"" },
		{ "{" NAMES "," BUILD_METADATA ",\"DockerInfo\":null}", NEC_RULE_METADATA_KEYS,
		  "\"CustomMetadata\"" },
		{ "{" NAMES "," BUILD_METADATA ",\"DockerInfo\":0,\"CustomMetadata\":[1]}",
		  NEC_RULE_METADATA_CUSTOM, "\"CustomMetadata\"" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct nec_eif_metadata metadata = { 0 };
		enum nec_rule rule = NEC_RULE_COUNT;
		nec_error err = NEC_ERROR_INIT;

		assert_int_equal(nec_eif_metadata_parse(rows[i].text, strlen(rows[i].text),
							&metadata, &rule, &err),
				 -EBADMSG);
		assert_int_equal(err.code, NEC_E_EIF_METADATA);
		assert_int_equal(rule, rows[i].rule);
		if (!strstr(err.message, rows[i].message))
			fail_msg("row %zu: %s", i, err.message);
		assert_null(metadata.tree);
	}
}

static void metadata__of_a_bare_null_is_none_and_other_keys_are_passed_over(void **state)
{
	static const char text[] = "{\"New\":[1]," NAMES "," BUILD_METADATA "," REST "}";
	cleanup_eif_metadata struct nec_eif_metadata metadata = { 0 };

	(void)state;
	assert_int_equal(nec_eif_metadata_parse("null", 4, &metadata, NULL, NULL), 0);
	assert_null(metadata.tree);
	assert_int_equal(nec_eif_metadata_parse(text, strlen(text), &metadata, NULL, NULL), 0);
	assert_string_equal(metadata.build_tool, "b");
}

static void check__finds_bad_metadata_once(void **state)
{
	cleanup_eif nec_eif *eif = NULL;
	nec_error err = NEC_ERROR_INIT;
	size_t count;

	(void)state;
	open_with_metadata("{" NAMES "," BUILD_METADATA ",\"DockerInfo\":0}", &eif);
	assert_int_equal(nec_eif_find_metadata(eif, NULL), 0);
	count = nec_eif_get_finding_count(eif);
	assert_int_equal(count, 1);
	assert_string_equal(nec_eif_get_finding(eif, 0)->rule, "metadata-keys");
	assert_int_equal(nec_eif_get_finding(eif, 0)->offset, 5691);
	assert_int_equal(nec_eif_check(eif, &err), -EBADMSG);
	assert_int_equal(err.code, NEC_E_EIF_METADATA);
	assert_int_equal(nec_eif_get_finding_count(eif), count + 1); /* and the CRC */
}

static void check__looks_at_the_metadata_itself(void **state)
{
	cleanup_eif nec_eif *eif = NULL;

	(void)state;
	open_with_metadata("[]", &eif);
	assert_int_equal(nec_eif_check(eif, NULL), -EBADMSG);
	assert_int_equal(nec_eif_get_finding_count(eif), 2);
	assert_string_equal(nec_eif_get_finding(eif, 0)->rule, "crc");
	assert_string_equal(nec_eif_get_finding(eif, 1)->rule, "metadata-json");
}

static void find__sees_custom_keys_that_look_like_fixed_ones(void **state)
{
	cleanup_eif nec_eif *eif = NULL;

	(void)state;
	open_with_metadata("{" NAMES "," BUILD_METADATA
			   ",\"DockerInfo\":0,\"CustomMetadata\":{\"a\":1,\"BuildTool\":2}}",
			   &eif);
	assert_int_equal(nec_eif_find_metadata(eif, NULL), 0);
	assert_int_equal(nec_eif_get_finding_count(eif), 1);
	assert_string_equal(nec_eif_get_finding(eif, 0)->rule, "metadata-shadowed");
	assert_non_null(strstr(nec_eif_get_finding(eif, 0)->message, "BuildTool"));
}

static void metadata__over_the_cap_is_not_read(void **state)
{
	cleanup_eif_metadata struct nec_eif_metadata metadata = { 0 };
	cleanup_buffer struct nec_buffer image = { 0 };
	cleanup_eif nec_eif *eif = NULL;
	cleanup_close int fd = -1;
	nec_error err = NEC_ERROR_INIT;
	uint64_t size = NEC_EIF_MAX_METADATA + 1;

	(void)state;
	eif_load("v4-metadata-last.eif", &image); /* metadata at 8047 */
	eif_patch(&image, 8047 + 4, 8, size);
	fd = eif_memfd(image.data, image.size);
	assert_int_equal(ftruncate(fd, (off_t)(8047 + 12 + size)), 0);
	assert_int_equal(nec_eif_open_fd(NULL, fd, "big", &eif, NULL), 0);
	assert_int_equal(nec_eif_read_metadata(eif, &metadata, &err), -EBADMSG);
	assert_int_equal(err.code, NEC_E_EIF_METADATA);
	assert_string_equal(err.message,
			    "big: offset 8047: the metadata has 16777217 bytes, 16777216 are "
			    "allowed");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(metadata__agrees_with_expected_json_on_every_image),
		cmocka_unit_test(metadata__is_refused_by_rule),
		cmocka_unit_test(metadata__of_a_bare_null_is_none_and_other_keys_are_passed_over),
		cmocka_unit_test(check__finds_bad_metadata_once),
		cmocka_unit_test(check__looks_at_the_metadata_itself),
		cmocka_unit_test(find__sees_custom_keys_that_look_like_fixed_ones),
		cmocka_unit_test(metadata__over_the_cap_is_not_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
