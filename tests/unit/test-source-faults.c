/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loading images and writing ramdisks while memory runs out or the disk fails: call 1, 2, 3 ... n
 * of our own code is refused, one in each run. Each failure is told, and no descriptor stays open;
 * memory is watched by the sanitizers.
 */
#include "test.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/files.h"
#include "faults.h"
#include "image/ramdisk.h"
#include "image/source.h"
#include "leftovers.h"
#include "sample-image.h"

/* The whole way: source, tree, user, ramdisk, and the ramdisk read again. */
static int build_and_read(const char *source, int out, nec_error *err)
{
	const struct nec_source_options options = { .architecture = "amd64" };
	const struct nec_cpio_options cpio = { .mtime = 0 };
	cleanup_source_config struct nec_source_config config = { 0 };
	cleanup_tree struct nec_tree *tree = NULL;
	struct nec_source_user user;
	struct nec_ramdisk_usage usage;
	uint64_t size;
	int r = nec_tree_new(&tree, err);

	if (r == 0)
		r = nec_source_load(NULL, sample_path(source), &options, tree, nec_tree_root(tree),
				    &config, err);
	if (r == 0)
		r = nec_source_resolve_user(tree, nec_tree_root(tree), "app", &user, err);
	if (r == 0)
		r = nec_cpio_write(tree, &cpio, out, "out", 0, NULL, &size, err);
	if (r == 0)
		r = nec_ramdisk_measure(out, "out", 0, size, 1 << 20, NULL, &usage, err);
	return r;
}

static void fail_each_call(enum fault_family family, int error, const char *source, int at_least)
{
	cleanup_close int out = sample_fd("", 0);
	bool refused = true;
	int number = 0;

	while (refused) {
		size_t fds = open_descriptors();
		nec_error err = NEC_ERROR_INIT;
		int r;

		fault_arm(family, ++number, error);
		r = build_and_read(source, out, &err);
		refused = fault_disarm();
		assert_int_equal(open_descriptors(), fds);
		if (r < 0)
			assert_true(err.code != NEC_E_NONE && err.message[0] != '\0');
		if (r < 0 && family == FAULT_MEMORY)
			assert_int_equal(err.code, NEC_E_NO_MEMORY);
		if (!refused && r < 0)
			fail_msg("%s: %s", source, err.message);
	}
	/* Or else the functions are not where they are looked for. */
	if (number < at_least)
		fail_msg("only %d calls were seen", number - 1);
}

static void fail_all(const char *source, int allocations, int file_calls)
{
	fail_each_call(FAULT_MEMORY, ENOMEM, source, allocations);
	fail_each_call(FAULT_FILES, EIO, source, file_calls);
	fail_each_call(FAULT_FILES, ENOSPC, source, file_calls);
}

static const char passwd[] = "app:x:1000:1000::/:\n";

static void make_image(struct sample_image *image)
{
	*image = (struct sample_image){ .architecture = "amd64",
					.config = "{\"Cmd\":[\"a\"],\"Env\":[\"B=c\"]}",
					.compression = NEC_COMPRESSION_GZIP };
	sample_image_add_file(image, "etc/passwd", passwd);
	sample_image_add_file(image, "etc/.wh.nothing", "");
}

static void folder__survives_every_failure(void **state)
{
	(void)state;
	sample_mkdir("r");
	sample_mkdir("r/etc");
	sample_write_text("r/etc/passwd", passwd);
	assert_int_equal(link(sample_path("r/etc/passwd"), sample_path("r/link")), 0);
	assert_int_equal(symlink("etc/passwd", sample_path("r/symlink")), 0);
	fail_all("r", 15, 15);
}

static void oci_layout__survives_every_failure(void **state)
{
	const struct sample_sink sink = { .folder = "layout" };
	struct sample_descriptor manifest;
	struct sample_image image;

	(void)state;
	make_image(&image);
	sample_put_image(&sink, &image, NULL, &manifest);
	sample_put_layout(&sink, &manifest, 1);
	sample_image_free(&image);
	fail_all("layout", 40, 15);
}

static void docker_archive__survives_every_failure(void **state)
{
	cleanup_buffer struct nec_buffer manifest = { 0 };
	cleanup_buffer struct nec_buffer tar = { 0 };
	const struct sample_sink sink = { .tar = &tar };
	struct sample_image image;

	(void)state;
	make_image(&image);
	sample_put_docker(&sink, &image, "[\"app:1\"]", &manifest);
	sample_image_free(&image);
	nec_buffer_append_text(&manifest, "]");
	sample_put(&sink, "manifest.json", manifest.data, manifest.size);
	sample_tar_end(&tar);
	sample_write("saved", tar.data, tar.size);
	fail_all("saved", 40, 15);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, sample_make_folder, sample_remove_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(folder__survives_every_failure),
		TEST(oci_layout__survives_every_failure),
		TEST(docker_archive__survives_every_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
