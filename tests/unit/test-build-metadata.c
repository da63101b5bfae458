/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/files.h"
#include "image/build-metadata.h"

static char path[] = "/tmp/nec-test-XXXXXX";
static int fd = -1;

static int make_file(void **state)
{
	(void)state;
	(void)snprintf(path, sizeof(path), "/tmp/nec-test-XXXXXX");
	fd = mkostemp(path, O_CLOEXEC);
	return fd < 0;
}

static int remove_file(void **state)
{
	(void)state;
	(void)close(fd);
	return unlink(path);
}

static struct nec_build_metadata sample(void)
{
	return (struct nec_build_metadata){
		.image_name = "hello",
		.image_version = "1.0",
		.build_time = "1970-01-01T00:00:00+00:00",
		.build_tool = "eif_build",
		.build_tool_version = "0.3.1",
		.operating_system = "Linux",
		.kernel_version = "4.14.256",
	};
}

/* Writes the custom metadata and reads it as the option does. */
static int read_custom(const char *text, struct nec_buffer *to, nec_error *err)
{
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(nec_file_write_at(fd, path, text, strlen(text), 0, NULL), 0);
	return nec_build_metadata_read_custom(path, to, err);
}

static void assert_equals_file(const struct nec_build_metadata *metadata, const char *name)
{
	cleanup_buffer struct nec_buffer expected = { 0 };
	cleanup_buffer struct nec_buffer text = { 0 };

	assert_int_equal(nec_file_read_all(name, 1 << 20, &expected, NULL), 0);
	assert_int_equal(nec_build_metadata_write(metadata, &text, NULL), 0);
	assert_string_equal(nec_buffer_text(&text), nec_buffer_text(&expected));
}

static void write__equals_what_aws_writes(void **state)
{
	struct nec_build_metadata metadata = sample();

	(void)state;
	assert_equals_file(&metadata, NEC_TEST_DATA "/eif/inputs/x86-2rd.metadata.json");
}

static void write__sorts_the_keys_of_foreign_documents(void **state)
{
	static const char docker[] =
		"{\"RepoTags\": [\"hello:latest\"], \"Os\": \"linux\", \"Id\": \"sha256:"
		"abababababababababababababababababababababababababababababababab\",\n"
		"\"Config\": {\"Env\": [\"PATH=/usr/sbin:/usr/bin\"], \"Cmd\": [\"/bin/hello\"]},"
		"\"Architecture\": \"amd64\"}";
	cleanup_buffer struct nec_buffer custom = { 0 };
	struct nec_build_metadata metadata = sample();

	(void)state;
	assert_int_equal(
		read_custom("{\"nothing\": null, \"n\": 42, \"list\": [1, 2, 3], \"flag\": true,"
			    "\"git\": {\"rev\": \"0123456789abcdef0123456789abcdef01234567\"},"
			    "\"channel\": \"test\"}\n",
			    &custom, NULL),
		0);
	metadata.image_name = "four";
	metadata.image_version = "7";
	metadata.docker_info = docker;
	metadata.docker_info_size = sizeof(docker) - 1;
	metadata.custom = nec_buffer_text(&custom);
	metadata.custom_size = custom.size;
	assert_equals_file(&metadata, NEC_TEST_DATA "/eif/inputs/x86-4rd-meta.metadata.json");
}

static void custom__is_refused_when_describe_could_not_print_it(void **state)
{
	static const struct {
		const char *text;
		enum nec_error_code code;
		const char *word;
	} cases[] = {
		{ "[1]", NEC_E_EIF_METADATA, "not a JSON object" },
		{ "null", NEC_E_EIF_METADATA, "not a JSON object" },
		{ "{\"a\": 1, \"BuildTime\": 2}", NEC_E_EIF_METADATA, "\"BuildTime\"" },
		{ "{\"DockerInfo\": null}", NEC_E_EIF_METADATA, "\"DockerInfo\"" },
		{ "{\"a\": 1, \"a\": 2}", NEC_E_JSON, "repeated" },
		{ "{\"a\": 1,}", NEC_E_JSON, "line 1" },
		{ "", NEC_E_JSON, "line 1" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_buffer struct nec_buffer text = { 0 };
		nec_error err = NEC_ERROR_INIT;

		assert_true(read_custom(cases[i].text, &text, &err) < 0);
		assert_int_equal(err.code, cases[i].code);
		assert_non_null(strstr(err.message, cases[i].word));
	}
}

static void custom__has_4096_bytes_at_most(void **state)
{
	char text[NEC_BUILD_MAX_CUSTOM_METADATA + 2];
	cleanup_buffer struct nec_buffer read = { 0 };
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	memset(text, ' ', sizeof(text));
	memcpy(text, "{}", 2);
	text[NEC_BUILD_MAX_CUSTOM_METADATA] = '\0';
	assert_int_equal(read_custom(text, &read, &err), 0);
	text[NEC_BUILD_MAX_CUSTOM_METADATA] = ' ';
	text[NEC_BUILD_MAX_CUSTOM_METADATA + 1] = '\0';
	assert_int_equal(read_custom(text, &read, &err), -EFBIG);
	assert_int_equal(err.code, NEC_E_TOO_LARGE);
}

static void write__refuses_text_that_is_not_utf8(void **state)
{
	cleanup_buffer struct nec_buffer text = { 0 };
	struct nec_build_metadata metadata = sample();
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	metadata.image_name = "caf\xe9";
	assert_int_equal(nec_build_metadata_write(&metadata, &text, &err), -EINVAL);
	assert_int_equal(err.code, NEC_E_EIF_METADATA);
	assert_int_equal(text.size, 0);
}

#define WITH_FILE(name) cmocka_unit_test_setup_teardown(name, make_file, remove_file)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(write__equals_what_aws_writes),
		WITH_FILE(write__sorts_the_keys_of_foreign_documents),
		WITH_FILE(custom__is_refused_when_describe_could_not_print_it),
		WITH_FILE(custom__has_4096_bytes_at_most),
		cmocka_unit_test(write__refuses_text_that_is_not_utf8),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
