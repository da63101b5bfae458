/* SPDX-License-Identifier: Apache-2.0 */
#include "image/cpio.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cursor.h"
#include "base/files.h"
#include "samples.h"
#include "test.h"

static const struct nec_cpio_options plain = { .mtime = 0 };

static struct nec_tree *tree;
static struct nec_tree_entry *root;

static int make_tree(void **state)
{
	(void)sample_make_folder(state);
	if (nec_tree_new(&tree, NULL) < 0)
		return -1;
	root = nec_tree_root(tree);
	return 0;
}

static int free_tree(void **state)
{
	nec_tree_free(tree);
	return sample_remove_folder(state);
}

static void add_file(const char *path, const char *text)
{
	assert_int_equal(nec_tree_add_literal(tree, root, path, 0644, text, strlen(text), NULL), 0);
}

/* The tree as an archive in memory, written behind some other bytes of a file. */
static int write_archive(const struct nec_cpio_options *options, struct nec_buffer *to,
			 nec_error *err)
{
	cleanup_close int fd = memfd_create("archive", MFD_CLOEXEC);
	uint64_t expected = 0;
	uint64_t size;
	int r = nec_cpio_write(tree, options, fd, "archive", 7, NULL, &size, err);

	if (r < 0)
		return r;
	assert_int_equal(nec_cpio_size(tree, &expected, err), 0);
	assert_int_equal(size, expected);
	assert_int_equal(lseek(fd, 0, SEEK_END), 7 + size);
	nec_buffer_append_zeros(to, size);
	return nec_file_read_at(fd, "archive", to->data + to->size - size, size, 7, err);
}

static void read_sample(const char *name, struct nec_buffer *to)
{
	char path[512];

	(void)snprintf(path, sizeof(path), "%s/eif/inputs/%s", NEC_TEST_DATA, name);
	assert_int_equal(nec_file_read_all(path, 1 << 20, to, NULL), 0);
}

/* ---- writing ---- */

static void writer__gives_the_bytes_of_the_published_recipe(void **state)
{
	cleanup_buffer struct nec_buffer sample = { 0 };
	cleanup_buffer struct nec_buffer archive = { 0 };

	(void)state;
	read_sample("x86-2rd.ramdisk1", &sample);
	assert_int_equal(nec_tree_add_literal(tree, root, "nsm.ko", 0755, "placeholder nsm.ko a\n",
					      21, NULL),
			 0);
	assert_int_equal(
		nec_tree_add_literal(tree, root, "init", 0755, "placeholder init a\n", 19, NULL),
		0);
	assert_int_equal(nec_tree_add_dirs(tree, root, "dev", NULL, NULL), 0);
	assert_int_equal(write_archive(&plain, &archive, NULL), 0);
	assert_int_equal(archive.size, sample.size);
	assert_memory_equal(archive.data, sample.data, sample.size);
}

/* Opens an archive with libarchive, so that reader and writer do not only agree with each other. */
static struct archive *open_with_libarchive(const struct nec_buffer *archive)
{
	struct archive *reader = archive_read_new();

	(void)archive_read_support_format_cpio(reader);
	assert_int_equal(archive_read_open_memory(reader, archive->data, archive->size),
			 ARCHIVE_OK);
	return reader;
}

static void writer__keeps_what_the_tree_says(void **state)
{
	const struct nec_tree_attributes device = { .mode = S_IFCHR | 0666,
						    .uid = 5,
						    .gid = 4000000000,
						    .rdev_major = 1,
						    .rdev_minor = 3 };
	cleanup_buffer struct nec_buffer archive = { 0 };
	struct archive_entry *entry;
	struct archive *reader;

	(void)state;
	assert_int_equal(nec_tree_add_path(tree, root, "null", &device, NULL, NULL), 0);
	assert_int_equal(nec_tree_add_symlink(tree, root, "sh", "bin/dash", NULL), 0);
	assert_int_equal(
		write_archive(&(struct nec_cpio_options){ .mtime = 1700000000 }, &archive, NULL),
		0);
	reader = open_with_libarchive(&archive);
	assert_int_equal(archive_read_next_header(reader, &entry), ARCHIVE_OK);
	assert_string_equal(archive_entry_pathname(entry), "null");
	assert_int_equal(archive_entry_mode(entry), S_IFCHR | 0666);
	assert_int_equal(archive_entry_uid(entry), 5);
	assert_int_equal(archive_entry_gid(entry), 4000000000);
	assert_int_equal(archive_entry_rdevmajor(entry), 1);
	assert_int_equal(archive_entry_rdevminor(entry), 3);
	assert_int_equal(archive_entry_mtime(entry), 1700000000);
	assert_int_equal(archive_read_next_header(reader, &entry), ARCHIVE_OK);
	assert_string_equal(archive_entry_symlink(entry), "bin/dash");
	assert_int_equal(archive_read_next_header(reader, &entry), ARCHIVE_EOF);
	assert_int_equal(archive_read_free(reader), ARCHIVE_OK);
}

static void writer__squashes_owners_when_asked(void **state)
{
	const struct nec_tree_attributes file = { .mode = S_IFREG | 0644, .uid = 5, .gid = 6 };
	const struct nec_cpio_options squash = { .squash_owner = true };
	cleanup_buffer struct nec_buffer archive = { 0 };
	struct archive_entry *entry;
	struct archive *reader;

	(void)state;
	assert_int_equal(nec_tree_add_path(tree, root, "f", &file, NULL, NULL), 0);
	assert_int_equal(write_archive(&squash, &archive, NULL), 0);
	reader = open_with_libarchive(&archive);
	assert_int_equal(archive_read_next_header(reader, &entry), ARCHIVE_OK);
	assert_int_equal(archive_entry_uid(entry), 0);
	assert_int_equal(archive_entry_gid(entry), 0);
	assert_int_equal(archive_read_free(reader), ARCHIVE_OK);
}

static struct nec_cpio_reader *read_from(struct nec_cursor *cursor)
{
	const struct nec_stream stream = nec_stream_over_cursor(cursor);
	struct nec_cpio_reader *reader;

	assert_int_equal(nec_cpio_reader_new(&stream, 0, &reader, NULL), 0);
	return reader;
}

static void writer__puts_the_data_of_hard_links_into_the_first(void **state)
{
	static const uint32_t sizes[] = { 0, 4, 0, 5, 0 };
	static const uint32_t inodes[] = { 1, 2, 2, 3, 2 };
	static const uint32_t links[] = { 2, 3, 3, 1, 3 };
	cleanup_buffer struct nec_buffer archive = { 0 };
	NEC_CLEANUP(cpio_reader) struct nec_cpio_reader *reader = NULL;
	const struct nec_cpio_entry *entry;
	struct nec_tree_inode *inode;
	struct nec_cursor cursor;

	(void)state;
	add_file("z", "data");
	add_file("b/other", "other");
	inode = nec_tree_lookup(tree, root, "z")->inode;
	assert_int_equal(
		nec_tree_add_link(tree, nec_tree_lookup(tree, root, "b"), "c", 1, inode, NULL), 0);
	assert_int_equal(
		nec_tree_add_link(tree, nec_tree_lookup(tree, root, "b"), "a", 1, inode, NULL), 0);
	assert_int_equal(write_archive(&plain, &archive, NULL), 0);
	cursor = nec_cursor_over(archive.data, archive.size);
	reader = read_from(&cursor);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		assert_int_equal(nec_cpio_reader_next(reader, &entry, NULL), NEC_CPIO_ENTRY);
		assert_int_equal(entry->size, sizes[i]);
		assert_int_equal(entry->inode, inodes[i]);
		assert_int_equal(entry->links, links[i]);
	}
	assert_int_equal(nec_cpio_reader_next(reader, &entry, NULL), NEC_CPIO_END);
}

static void writer__writes_each_name_of_a_symlink(void **state)
{
	cleanup_buffer struct nec_buffer archive = { 0 };
	NEC_CLEANUP(cpio_reader) struct nec_cpio_reader *reader = NULL;
	const struct nec_cpio_entry *entry;
	struct nec_cursor cursor;

	(void)state;
	assert_int_equal(nec_tree_add_symlink(tree, root, "a", "target", NULL), 0);
	assert_int_equal(nec_tree_add_link(tree, root, "b", 1,
					   nec_tree_lookup(tree, root, "a")->inode, NULL),
			 0);
	assert_int_equal(write_archive(&plain, &archive, NULL), 0);
	cursor = nec_cursor_over(archive.data, archive.size);
	reader = read_from(&cursor);
	for (uint32_t i = 1; i <= 2; i++) {
		assert_int_equal(nec_cpio_reader_next(reader, &entry, NULL), NEC_CPIO_ENTRY);
		assert_string_equal(entry->target, "target");
		assert_int_equal(entry->links, 1);
		assert_int_equal(entry->inode, i);
	}
}

/* Sizes round the padding, the small-file limit and the buffer. */
static void writer__copies_files_of_every_size(void **state)
{
	static const size_t sizes[] = { 0,      1,       3,       4,       5,       131071,
					131072, 131073,  262144,  1048575, 1048576, 1048577,
					400000, 3000001, 1000000, 100000 };
	cleanup_buffer struct nec_buffer archive = { 0 };
	cleanup_buffer struct nec_buffer contents = { 0 };
	struct archive_entry *entry;
	struct archive *reader;

	(void)state;
	for (size_t i = 0; i < 3000001; i++)
		nec_buffer_append_u8(&contents, (uint8_t)(i * 7 ^ i >> 8));
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "%02zu", i);
		sample_write(name, contents.data, sizes[i]);
		if (i % 2)
			assert_int_equal(nec_tree_add_literal(tree, root, name, 0644, contents.data,
							      sizes[i], NULL),
					 0);
		else
			assert_int_equal(
				nec_tree_add_file(tree, root, name, 0644, sample_path(name), NULL),
				0);
	}
	assert_int_equal(write_archive(&plain, &archive, NULL), 0);
	reader = open_with_libarchive(&archive);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		cleanup_free uint8_t *data = malloc(sizes[i] + 1);

		assert_int_equal(archive_read_next_header(reader, &entry), ARCHIVE_OK);
		assert_int_equal(archive_entry_size(entry), sizes[i]);
		assert_int_equal(archive_read_data(reader, data, sizes[i] + 1), sizes[i]);
		assert_memory_equal(data, contents.data, sizes[i]);
	}
	assert_int_equal(archive_read_free(reader), ARCHIVE_OK);
}

static void writer__refuses_what_the_format_cannot_hold(void **state)
{
	const struct nec_tree_attributes file = { .mode = S_IFREG | 0644 };
	cleanup_buffer struct nec_buffer archive = { 0 };
	nec_error err = NEC_ERROR_INIT;
	struct nec_tree_entry *entry;
	uint64_t size;

	(void)state;
	assert_int_equal(write_archive(&(struct nec_cpio_options){ .mtime = -1 }, &archive, &err),
			 -ERANGE);
	assert_int_equal(write_archive(&(struct nec_cpio_options){ .mtime = INT64_C(1) << 32 },
				       &archive, &err),
			 -ERANGE);
	add_file("TRAILER!!!", "");
	assert_int_equal(write_archive(&plain, &archive, &err), -EINVAL);
	assert_int_equal(err.code, NEC_E_CPIO);
	nec_tree_remove(tree, nec_tree_lookup(tree, root, "TRAILER!!!"));
	add_file("dir/TRAILER!!!", "");
	assert_int_equal(write_archive(&plain, &archive, &err), 0);

	assert_int_equal(nec_tree_add_path(tree, root, "dir/huge", &file, &entry, NULL), 0);
	nec_tree_set_range(entry->inode, 0, 0, UINT64_C(1) << 32);
	assert_int_equal(write_archive(&plain, &archive, &err), -EFBIG);
	assert_int_equal(err.code, NEC_E_TOO_LARGE);
	assert_non_null(strstr(err.message, "dir/huge"));
	assert_int_equal(nec_cpio_size(tree, &size, &err), -EFBIG);
	nec_tree_set_range(entry->inode, 0, 0, UINT32_MAX);
	assert_int_equal(nec_cpio_size(tree, &size, &err), 0);
	assert_true(size > UINT32_MAX);
}

static void writer__notices_a_file_that_shrinks(void **state)
{
	static const char data[200000];
	cleanup_buffer struct nec_buffer archive = { 0 };
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	for (size_t size = 100; size <= sizeof(data); size += sizeof(data) - 100) {
		sample_write("f", data, size);
		assert_int_equal(nec_tree_add_file(tree, root, "f", 0644, sample_path("f"), NULL),
				 0);
		assert_int_equal(truncate(sample_path("f"), (off_t)size - 1), 0);
		assert_int_equal(write_archive(&plain, &archive, &err), -EBADMSG);
		assert_int_equal(err.code, NEC_E_FILE_CHANGED);
	}
}

static void writer__can_be_interrupted(void **state)
{
	cleanup_close int fd = memfd_create("archive", MFD_CLOEXEC);
	struct nec_progress progress;
	volatile int cancel = 1;
	nec_context *context;
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	assert_int_equal(nec_context_new(&context, NULL), 0);
	nec_context_set_cancel(context, &cancel);
	nec_progress_start(&progress, context, "writing", 0);
	assert_int_equal(nec_cpio_write(tree, &plain, fd, "archive", 0, &progress, NULL, &err),
			 -ECANCELED);
	nec_context_free(context);
}

/* ---- reading ---- */

static void reader__lists_a_sample(void **state)
{
	static const char *const names[] = {
		"cmd",         "env",        "rootfs",          "rootfs/dev",
		"rootfs/proc", "rootfs/run", "rootfs/sys",      "rootfs/tmp",
		"rootfs/var",  "rootfs/bin", "rootfs/bin/hello"
	};
	cleanup_buffer struct nec_buffer sample = { 0 };
	NEC_CLEANUP(cpio_reader) struct nec_cpio_reader *reader = NULL;
	const struct nec_cpio_entry *entry;
	struct nec_cursor cursor;
	char data[64];

	(void)state;
	read_sample("x86-2rd.ramdisk2", &sample);
	cursor = nec_cursor_over(sample.data, sample.size);
	reader = read_from(&cursor);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		assert_int_equal(nec_cpio_reader_next(reader, &entry, NULL), NEC_CPIO_ENTRY);
		assert_string_equal(entry->name, names[i]);
		assert_int_equal(entry->inode, i + 1);
	}
	assert_int_equal(entry->mode, S_IFREG | 0755);
	assert_int_equal(entry->size, 28);
	assert_memory_equal(sample.data + entry->offset, "070701", 6);
	assert_int_equal(nec_cpio_reader_read(reader, data, 10, NULL), 10);
	assert_int_equal(nec_cpio_reader_read(reader, data + 10, sizeof(data), NULL), 18);
	assert_int_equal(nec_cpio_reader_read(reader, data, sizeof(data), NULL), 0);
	assert_memory_equal(data, "#!/bin/sh\necho hello from a\n", 28);
}

static int read_to_the_end(const void *data, size_t size, nec_error *err)
{
	struct nec_cursor cursor = nec_cursor_over(data, size);
	NEC_CLEANUP(cpio_reader) struct nec_cpio_reader *reader = read_from(&cursor);
	const struct nec_cpio_entry *entry;
	int r;

	while ((r = nec_cpio_reader_next(reader, &entry, err)) == NEC_CPIO_ENTRY) {
		char byte;

		if (entry->size > 0 && nec_cpio_reader_read(reader, &byte, 1, err) < 0)
			return -EBADMSG;
	}
	return r;
}

static void reader__finds_every_truncation(void **state)
{
	cleanup_buffer struct nec_buffer sample = { 0 };

	(void)state;
	read_sample("x86-2rd.ramdisk2", &sample);
	assert_int_equal(nec_tree_add_symlink(tree, root, "l", "target", NULL), 0);
	assert_int_equal(write_archive(&plain, &sample, NULL), 0);
	assert_int_equal(read_to_the_end(sample.data, sample.size, NULL), NEC_CPIO_END);
	for (size_t size = 1; size < sample.size; size++) {
		cleanup_free uint8_t *exact = malloc(size);
		nec_error err = NEC_ERROR_INIT;

		if (size == 1812) /* the end of the first archive */
			continue;
		memcpy(exact, sample.data, size);
		assert_int_equal(read_to_the_end(exact, size, &err), -EBADMSG);
		assert_int_equal(err.code, NEC_E_CPIO);
		assert_non_null(strstr(err.message, "offset"));
	}
}

/* One header and name, as they are in the format, with some fields of choice. */
static void append_header(struct nec_buffer *to, unsigned int mode, unsigned int file_size,
			  const char *name, size_t name_size)
{
	nec_buffer_printf(to,
			  "07070100000001%08x00000000000000000000000100000000%08x"
			  "00000000000000000000000000000000%08zx00000000",
			  mode, file_size, name_size);
	nec_buffer_append(to, name, name_size);
	nec_buffer_append_zeros(to, -to->size & 3);
}

static void append_trailer(struct nec_buffer *to)
{
	append_header(to, 0, 0, "TRAILER!!!", 11);
}

static void reader__goes_on_after_a_trailer_and_nuls(void **state)
{
	cleanup_buffer struct nec_buffer archive = { 0 };
	NEC_CLEANUP(cpio_reader) struct nec_cpio_reader *reader = NULL;
	const struct nec_cpio_entry *entry;
	struct nec_cursor cursor;

	(void)state;
	nec_buffer_append_zeros(&archive, 8);
	append_header(&archive, S_IFREG, 0, "a", 2);
	append_trailer(&archive);
	nec_buffer_append_zeros(&archive, 100000);
	append_header(&archive, S_IFREG, 0, "b", 2);
	append_trailer(&archive);
	nec_buffer_append_text(&archive, "\x1f\x8b");
	cursor = nec_cursor_over(archive.data, archive.size);
	reader = read_from(&cursor);
	assert_int_equal(nec_cpio_reader_next(reader, &entry, NULL), NEC_CPIO_ENTRY);
	assert_string_equal(entry->name, "a");
	assert_int_equal(entry->archive, 0);
	assert_int_equal(entry->offset, 8);
	assert_int_equal(nec_cpio_reader_next(reader, &entry, NULL), NEC_CPIO_ENTRY);
	assert_string_equal(entry->name, "b");
	assert_int_equal(entry->archive, 1);
	assert_int_equal(nec_cpio_reader_next(reader, &entry, NULL), NEC_CPIO_OTHER);
	assert_int_equal(nec_cpio_reader_offset(reader), archive.size - 2);
}

static void reader__wants_headers_at_multiples_of_four(void **state)
{
	cleanup_buffer struct nec_buffer archive = { 0 };

	(void)state;
	nec_buffer_append_zeros(&archive, 2);
	append_header(&archive, S_IFREG, 0, "a", 2);
	assert_int_equal(read_to_the_end(archive.data, archive.size, NULL), NEC_CPIO_OTHER);
}

static void reader__cuts_names_at_their_first_nul(void **state)
{
	cleanup_buffer struct nec_buffer archive = { 0 };
	NEC_CLEANUP(cpio_reader) struct nec_cpio_reader *reader = NULL;
	const struct nec_cpio_entry *entry;
	struct nec_cursor cursor;

	(void)state;
	/* Some writers align data with NULs after the name. */
	append_header(&archive, S_IFREG, 0, "abc\0\0\0\0\0\0", 9);
	append_trailer(&archive);
	cursor = nec_cursor_over(archive.data, archive.size);
	reader = read_from(&cursor);
	assert_int_equal(nec_cpio_reader_next(reader, &entry, NULL), NEC_CPIO_ENTRY);
	assert_string_equal(entry->name, "abc");
	assert_int_equal(nec_cpio_reader_next(reader, &entry, NULL), NEC_CPIO_END);
}

static void assert_refused(const struct nec_buffer *archive, const char *words)
{
	nec_error err = NEC_ERROR_INIT;

	assert_int_equal(read_to_the_end(archive->data, archive->size, &err), -EBADMSG);
	assert_int_equal(err.code, NEC_E_CPIO);
	if (!strstr(err.message, words))
		fail_msg("\"%s\" does not say \"%s\"", err.message, words);
}

static void reader__refuses_what_the_kernel_would_pass_over(void **state)
{
	static const char long_name[4098] = { 'x', 'x', 'x' };
	static const struct {
		unsigned int mode;
		unsigned int file_size;
		const char *name;
		size_t name_size;
		const char *words;
	} bad[] = {
		{ S_IFREG, 0, "", 0, "offset 0 has a name of 0 bytes" },
		{ S_IFREG, 0, long_name, 4097, "4097 bytes" },
		{ S_IFREG, 0, "ab", 2, "does not end in NUL" },
		{ S_IFLNK, 0, "l", 2, "target of 0 bytes" },
		{ S_IFLNK, 4096, "l", 2, "target of 4096 bytes" },
		{ S_IFREG, 0xffffffff, "big", 4, "ends at offset" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		cleanup_buffer struct nec_buffer archive = { 0 };

		append_header(&archive, bad[i].mode, bad[i].file_size, bad[i].name,
			      bad[i].name_size);
		nec_buffer_append_zeros(&archive, 5000);
		assert_refused(&archive, bad[i].words);
	}
}

static void reader__refuses_other_magic_and_digits(void **state)
{
	cleanup_buffer struct nec_buffer archive = { 0 };

	(void)state;
	append_header(&archive, S_IFREG, 0, "a", 2);
	archive.data[5] = '2';
	assert_refused(&archive, "no cpio header (070701) at offset 0");
	archive.data[5] = '1';
	for (size_t i = 6; i < 110; i++) {
		uint8_t old = archive.data[i];

		archive.data[i] = 'g';
		assert_refused(&archive, "hex digits");
		archive.data[i] = old;
	}
	/* Inside an archive NULs are no padding. */
	nec_buffer_append_zeros(&archive, 200);
	assert_refused(&archive, "no cpio header");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_tree, free_tree)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(writer__gives_the_bytes_of_the_published_recipe),
		TEST(writer__keeps_what_the_tree_says),
		TEST(writer__squashes_owners_when_asked),
		TEST(writer__puts_the_data_of_hard_links_into_the_first),
		TEST(writer__writes_each_name_of_a_symlink),
		TEST(writer__copies_files_of_every_size),
		TEST(writer__refuses_what_the_format_cannot_hold),
		TEST(writer__notices_a_file_that_shrinks),
		TEST(writer__can_be_interrupted),
		TEST(reader__lists_a_sample),
		TEST(reader__finds_every_truncation),
		TEST(reader__goes_on_after_a_trailer_and_nuls),
		TEST(reader__wants_headers_at_multiples_of_four),
		TEST(reader__cuts_names_at_their_first_nul),
		TEST(reader__refuses_what_the_kernel_would_pass_over),
		TEST(reader__refuses_other_magic_and_digits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
