/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>

#include "base/error.h"
#include "image/build-source.h"
#include "samples.h"

static void name__is_that_of_the_image_without_tag_and_digest(void **state)
{
	static const struct {
		const char *uri;
		const char *name;
	} cases[] = {
		{ "hello", "hello" },
		{ "hello:latest", "hello" },
		{ "hello@sha256:abab", "hello" },
		{ "localhost:5000/group/hello", "localhost:5000/group/hello" },
		{ "localhost:5000/group/hello:v1@sha256:ab", "localhost:5000/group/hello" },
		{ "", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_free char *name = nec_build_name_of(cases[i].uri);

		assert_string_equal(name, cases[i].name);
	}
}

static void assert_source(const struct nec_build_options *options, const char *path,
			  const char *reference)
{
	struct nec_build_source source;

	assert_int_equal(nec_build_source_open(NULL, options, NEC_ARCH_X86_64, &source, NULL), 0);
	assert_string_equal(source.path, path);
	if (reference)
		assert_string_equal(source.reference, reference);
	else
		assert_null(source.reference);
	assert_null(source.fetch.archive);
	nec_build_source_close(&source);
}

static void uri__of_a_file_is_split_into_path_and_reference(void **state)
{
	static const struct {
		const char *uri;
		const char *path;
		const char *reference;
	} cases[] = {
		{ "oci:layout", "layout", NULL },
		{ "oci:layout:v1", "layout", "v1" },
		{ "oci:layout:", "layout", NULL },
		{ "dir:fetched", "fetched", NULL },
		{ "oci-archive:/a/b.tar:v1", "/a/b.tar", "v1" },
		{ "docker-archive:b.tar:shop/server:7", "b.tar", "shop/server:7" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct nec_build_options options = NEC_BUILD_OPTIONS_INIT;

		options.docker_uri = cases[i].uri;
		assert_source(&options, cases[i].path, cases[i].reference);
	}
}

static void uri__of_a_file_with_a_colon_in_its_name(void **state)
{
	struct nec_build_options options = NEC_BUILD_OPTIONS_INIT;
	char uri[128];

	(void)state;
	sample_write_text("with:colon", "x");
	(void)snprintf(uri, sizeof(uri), "oci-archive:%s", sample_path("with:colon"));
	options.docker_uri = uri;
	assert_source(&options, sample_path("with:colon"), NULL);
}

static void rootfs__is_taken_as_it_is(void **state)
{
	struct nec_build_options options = NEC_BUILD_OPTIONS_INIT;
	struct nec_build_source source;

	(void)state;
	options.rootfs = "some:where";
	options.reference = "tag";
	assert_source(&options, "some:where", "tag");
	options.rootfs = NULL;
	assert_int_equal(nec_build_source_open(NULL, &options, NEC_ARCH_X86_64, &source, NULL), 0);
	assert_null(source.path);
	nec_build_source_close(&source);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(name__is_that_of_the_image_without_tag_and_digest),
		cmocka_unit_test(uri__of_a_file_is_split_into_path_and_reference),
		cmocka_unit_test_setup_teardown(uri__of_a_file_with_a_colon_in_its_name,
						sample_make_folder, sample_remove_folder),
		cmocka_unit_test(rootfs__is_taken_as_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
