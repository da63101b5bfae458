/* SPDX-License-Identifier: Apache-2.0 */
#include "eif-data.h"

#include "base/error.h"
#include "image/describe.h"

static void assert_same_json(const cJSON *item, const cJSON *expected)
{
	cleanup_buffer struct nec_buffer text = { 0 };
	cleanup_buffer struct nec_buffer expected_text = { 0 };

	assert_true(item && expected);
	nec_json_print(item, &text);
	nec_json_print(expected, &expected_text);
	assert_string_equal(nec_buffer_text(&text), nec_buffer_text(&expected_text));
}

/* @aws: what AWS's own library printed for the image; its objects are sorted. */
static void assert_as_aws(const cJSON *tree, const cJSON *aws)
{
	bool is_signed = json_bool(aws, "is_signed");

	assert_same_json(nec_json_get(tree, "Measurements"), nec_json_get(aws, "measurements"));
	assert_int_equal(json_bool(tree, "CheckCRC"), json_bool(aws, "crc"));
	assert_int_equal(json_bool(tree, "IsSigned"), is_signed);
	assert_int_equal(nec_json_get(tree, "SignatureCheck") != NULL, is_signed);
	assert_int_equal(nec_json_get(tree, "SigningCertificate") != NULL, is_signed);
	if (is_signed) {
		cleanup_json cJSON *sorted =
			nec_json_copy(nec_json_get(tree, "SigningCertificate"));

		nec_json_sort(sorted);
		assert_same_json(sorted, nec_json_get(aws, "signing_certificate"));
		assert_int_equal(json_bool(tree, "SignatureCheck"),
				 json_bool(aws, "signature_check"));
	}
}

static void describe__says_what_aws_says_of_every_image(void **state)
{
	cleanup_json cJSON *rows = eif_expected();
	size_t compared = 0;

	(void)state;
	for (const cJSON *row = rows->child; row; row = row->next) {
		cleanup_eif_description struct nec_eif_description description = { 0 };
		cleanup_json cJSON *tree = NULL;
		cleanup_eif nec_eif *eif = NULL;
		const cJSON *aws = nec_json_get(row, "aws_reader");
		nec_error err = NEC_ERROR_INIT;
		char path[512];

		(void)snprintf(path, sizeof(path), EIF_DATA "%s", json_string(row, "file"));
		if (nec_json_get(aws, "error"))
			continue;
		assert_int_equal(nec_eif_open(NULL, path, &eif, NULL), 0);
		if (nec_eif_describe(eif, &description, &err) < 0)
			fail_msg("%s", err.message);
		tree = nec_eif_description_json(&description);
		assert_as_aws(tree, aws);
		assert_int_equal(json_u64(tree, "EifVersion"), json_u64(row, "version"));
		compared++;
	}
	assert_true(compared >= 18);
}

static void describe__notices_a_byte_that_changed_since_measuring(void **state)
{
	static const struct timespec long_ago[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };
	cleanup_eif_description struct nec_eif_description description = { 0 };
	cleanup_buffer struct nec_buffer image = { 0 };
	cleanup_eif nec_eif *eif = NULL;
	cleanup_close int fd = -1;
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	eif_load("x86-2rd.eif", &image);
	fd = eif_memfd(image.data, image.size);
	assert_int_equal(futimens(fd, long_ago), 0);
	assert_int_equal(nec_eif_open_fd(NULL, fd, "changing", &eif, NULL), 0);
	assert_int_equal(nec_eif_measure(eif, NULL, NULL), 0);
	assert_int_equal(nec_file_write_at(fd, "memfd", "!", 1, 600, NULL), 0);
	assert_int_equal(nec_eif_describe(eif, &description, &err), -EBADMSG);
	assert_int_equal(err.code, NEC_E_FILE_CHANGED);
}

static void describe__refuses_a_signature_of_another_key(void **state)
{
	struct nec_eif_description description = { 0 };
	cleanup_eif nec_eif *eif = NULL;
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	assert_int_equal(nec_eif_open(NULL, EIF_DATA "x86-signed-certmismatch.eif", &eif, NULL), 0);
	assert_int_equal(nec_eif_describe(eif, &description, &err), -EBADMSG);
	assert_int_equal(err.code, NEC_E_SIGNATURE_INVALID);
	assert_null(description.signature);
}

static void metadata__is_printed_flat_and_sorted(void **state)
{
	cleanup_eif_description struct nec_eif_description description = { 0 };
	cleanup_json cJSON *tree = NULL;
	cleanup_buffer struct nec_buffer printed = { 0 };
	cleanup_eif nec_eif *eif = NULL;

	(void)state;
	assert_int_equal(nec_eif_open(NULL, EIF_DATA "x86-4rd-meta.eif", &eif, NULL), 0);
	assert_int_equal(nec_eif_describe(eif, &description, NULL), 0);
	tree = nec_eif_metadata_json(&description.metadata);
	nec_json_print_compact(tree, &printed);
	assert_string_equal(
		nec_buffer_text(&printed),
		"{\"BuildTime\":\"1970-01-01T00:00:00+00:00\",\"BuildTool\":\"eif_build\","
		"\"BuildToolVersion\":\"0.3.1\",\"OperatingSystem\":\"Linux\","
		"\"KernelVersion\":\"4.14.256\",\"DockerInfo\":{\"Architecture\":\"amd64\","
		"\"Config\":{\"Cmd\":[\"/bin/hello\"],\"Env\":[\"PATH=/usr/sbin:/usr/bin\"]},"
		"\"Id\":\"sha256:"
		"abababababababababababababababababababababababababababababababab\","
		"\"Os\":\"linux\",\"RepoTags\":[\"hello:latest\"]},\"channel\":\"test\","
		"\"flag\":true,\"git\":{\"rev\":\"0123456789abcdef0123456789abcdef01234567\"},"
		"\"list\":[1,2,3],\"n\":42,\"nothing\":null}");
}

static void metadata__of_others_is_sorted_on_every_level(void **state)
{
	static const char text[] =
		"{\"ImageName\":\"n\",\"ImageVersion\":\"1\",\"BuildMetadata\":{\"BuildTime\":\"t\","
		"\"BuildTool\":\"b\",\"BuildToolVersion\":\"v\",\"OperatingSystem\":\"o\","
		"\"KernelVersion\":\"k\"},\"DockerInfo\":{\"b\":{\"d\":1,\"c\":2},\"a\":3},"
		"\"CustomMetadata\":{\"z\":1,\"y\":{\"x\":1,\"w\":2},\"BuildTool\":0}}";
	cleanup_eif_metadata struct nec_eif_metadata metadata = { 0 };
	cleanup_json cJSON *tree = NULL;
	cleanup_buffer struct nec_buffer printed = { 0 };

	(void)state;
	assert_int_equal(nec_eif_metadata_parse(text, strlen(text), &metadata, NULL, NULL), 0);
	tree = nec_eif_metadata_json(&metadata);
	nec_json_print_compact(tree, &printed);
	assert_string_equal(nec_buffer_text(&printed),
			    "{\"BuildTime\":\"t\",\"BuildTool\":\"b\",\"BuildToolVersion\":\"v\","
			    "\"OperatingSystem\":\"o\",\"KernelVersion\":\"k\","
			    "\"DockerInfo\":{\"a\":3,\"b\":{\"c\":2,\"d\":1}},"
			    "\"BuildTool\":0,\"y\":{\"w\":2,\"x\":1},\"z\":1}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(describe__says_what_aws_says_of_every_image),
		cmocka_unit_test(describe__notices_a_byte_that_changed_since_measuring),
		cmocka_unit_test(describe__refuses_a_signature_of_another_key),
		cmocka_unit_test(metadata__is_printed_flat_and_sorted),
		cmocka_unit_test(metadata__of_others_is_sorted_on_every_level),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
