/* SPDX-License-Identifier: Apache-2.0 */
/* Layers applied to a tree: source-layer.c. */
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "base/cursor.h"
#include "image/source-private.h"
#include "samples.h"
#include "test.h"

static struct nec_tree *tree;
static struct nec_tree_entry *root;
static struct source_load load;
static struct nec_source_options options;
static uint32_t layers;

static int make_tree(void **state)
{
	(void)state;
	if (nec_tree_new(&tree, NULL) < 0)
		return -1;
	root = nec_tree_root(tree);
	layers = 0;
	load = (struct source_load){
		.options = &options,
		.path = "image",
		.tree = tree,
		.base = root,
		.bytes_left = 1 << 20,
		.file_bytes_left = 1 << 20,
	};
	return source_open_spool(&load, NULL);
}

static int free_tree(void **state)
{
	(void)state;
	nec_tree_free(tree);
	return 0;
}

/* Ends the archive, applies it as the next layer, and empties it. */
static int apply(struct nec_buffer *tar, nec_error *err)
{
	struct nec_cursor cursor;
	struct nec_stream stream;
	int r;

	sample_tar_end(tar);
	cursor = nec_cursor_over(tar->data, tar->size);
	stream = nec_stream_over_cursor(&cursor);
	r = source_apply_tar(&load, &stream, "layer", ++layers, err);
	nec_buffer_free(tar);
	return r;
}

static int append_line(void *userdata, const char *path, size_t path_size,
		       struct nec_tree_entry *entry, nec_error *err)
{
	const struct nec_tree_inode *inode = entry->inode;
	cleanup_buffer struct nec_buffer data = { 0 };

	(void)path_size;
	nec_buffer_printf(userdata, "%s", path);
	if (S_ISDIR(inode->mode))
		nec_buffer_append_text(userdata, "/");
	if (S_ISLNK(inode->mode))
		nec_buffer_printf(userdata, "->%s", inode->target);
	if (S_ISREG(inode->mode)) {
		int r = nec_tree_read(tree, entry, 1 << 20, &data, err);

		if (r < 0)
			return r;
		nec_buffer_printf(userdata, "=%s", nec_buffer_text(&data));
	}
	nec_buffer_append_text(userdata, " ");
	return 0;
}

static void assert_tree(const char *expected)
{
	cleanup_buffer struct nec_buffer listing = { 0 };

	assert_int_equal(nec_tree_walk(tree, root, append_line, &listing, NULL), 0);
	assert_string_equal(nec_buffer_text(&listing), expected);
}

static void layer__gives_files_with_their_owners_and_modes(void **state)
{
	const struct sample_entry file = { .type = '0',
					   .name = "./usr/bin/su",
					   .data = "su",
					   .size = 2,
					   .mode = 04755,
					   .uid = 12,
					   .gid = 34 };
	const struct sample_entry device = {
		.type = '3', .name = "dev/null", .mode = 0666, .major = 1, .minor = 3
	};
	struct nec_buffer tar = { 0 };
	struct nec_tree_inode *inode;

	(void)state;
	sample_tar_dir(&tar, "./");
	sample_tar_add(&tar, &file);
	sample_tar_add(&tar, &device);
	sample_tar_add(&tar, &(struct sample_entry){ .type = '6', .name = "fifo" });
	sample_tar_add(&tar,
		       &(struct sample_entry){ .type = '2', .name = "sh", .link = "/../bin/x" });
	assert_int_equal(apply(&tar, NULL), 0);
	assert_tree("dev/ dev/null fifo sh->/../bin/x usr/ usr/bin/ usr/bin/su=su ");
	inode = nec_tree_lookup(tree, root, "usr/bin/su")->inode;
	assert_int_equal(inode->mode, S_IFREG | 04755);
	assert_int_equal(inode->uid, 12);
	assert_int_equal(inode->gid, 34);
	assert_int_equal(inode->mtime, 1000000000);
	inode = nec_tree_lookup(tree, root, "dev/null")->inode;
	assert_int_equal(inode->mode, S_IFCHR | 0666);
	assert_int_equal(inode->rdev_major, 1);
	assert_int_equal(inode->rdev_minor, 3);
	assert_true(S_ISFIFO(nec_tree_lookup(tree, root, "fifo")->inode->mode));
	assert_int_equal(nec_tree_lookup(tree, root, "usr")->inode->mode, S_IFDIR | 0755);
}

static void layer__sets_the_root_directory(void **state)
{
	struct nec_buffer tar = { 0 };

	(void)state;
	sample_tar_add(&tar,
		       &(struct sample_entry){ .type = '5', .name = "./", .mode = 0711, .uid = 3 });
	sample_tar_dir(&tar, "/");
	sample_tar_add(&tar,
		       &(struct sample_entry){ .type = '5', .name = ".", .mode = 0700, .uid = 4 });
	assert_int_equal(apply(&tar, NULL), 0);
	assert_int_equal(root->inode->mode, S_IFDIR | 0700);
	assert_int_equal(root->inode->uid, 4);
	assert_tree("");
}

static void layer__replaces_what_is_below(void **state)
{
	struct nec_buffer tar = { 0 };

	(void)state;
	sample_tar_file(&tar, "a", "1");
	sample_tar_file(&tar, "dir/x", "x");
	sample_tar_file(&tar, "other/y", "y");
	assert_int_equal(apply(&tar, NULL), 0);
	sample_tar_file(&tar, "a", "2");
	sample_tar_file(&tar, "dir", "now a file");
	sample_tar_add(&tar, &(struct sample_entry){ .type = '5', .name = "other", .mode = 0700 });
	assert_int_equal(apply(&tar, NULL), 0);
	assert_tree("a=2 dir=now a file other/ other/y=y ");
	assert_int_equal(nec_tree_lookup(tree, root, "other")->inode->mode, S_IFDIR | 0700);
}

static void whiteout__removes_what_lower_layers_have(void **state)
{
	struct nec_buffer tar = { 0 };

	(void)state;
	sample_tar_file(&tar, "dir/a", "1");
	sample_tar_file(&tar, "dir/sub/b", "2");
	sample_tar_file(&tar, "c", "3");
	assert_int_equal(apply(&tar, NULL), 0);
	sample_tar_file(&tar, "dir/.wh.sub", "");
	sample_tar_file(&tar, ".wh.c", "");
	sample_tar_file(&tar, ".wh.never-there", "");
	sample_tar_file(&tar, "not/there/.wh.x", "");
	sample_tar_file(&tar, ".wh..wh.plnk/123", "");
	sample_tar_file(&tar, ".wh..wh.aufs", "");
	assert_int_equal(apply(&tar, NULL), 0);
	assert_tree("dir/ dir/a=1 ");
}

/* The order within a layer does not matter. */
static void whiteout__leaves_what_its_own_layer_adds(void **state)
{
	for (int order = 0; order < 2; order++) {
		struct nec_buffer tar = { 0 };

		(void)free_tree(state);
		(void)make_tree(state);
		sample_tar_file(&tar, "dir/old", "1");
		sample_tar_file(&tar, "file", "old");
		assert_int_equal(apply(&tar, NULL), 0);
		if (order)
			sample_tar_file(&tar, ".wh.dir", "");
		sample_tar_file(&tar, "dir/new", "2");
		sample_tar_file(&tar, "file", "new");
		sample_tar_file(&tar, ".wh.file", "");
		if (!order)
			sample_tar_file(&tar, ".wh.dir", "");
		assert_int_equal(apply(&tar, NULL), 0);
		assert_tree("dir/ dir/new=2 file=new ");
	}
}

/* Also a folder that it only names again. */
static void whiteout__empties_a_folder_that_its_layer_keeps(void **state)
{
	struct nec_buffer tar = { 0 };

	(void)state;
	sample_tar_file(&tar, "dir/old", "1");
	assert_int_equal(apply(&tar, NULL), 0);
	sample_tar_dir(&tar, "dir");
	sample_tar_file(&tar, ".wh.dir", "");
	assert_int_equal(apply(&tar, NULL), 0);
	assert_tree("dir/ ");
}

static void opaque__hides_the_contents_of_lower_layers(void **state)
{
	for (int order = 0; order < 2; order++) {
		struct nec_buffer tar = { 0 };

		(void)free_tree(state);
		(void)make_tree(state);
		sample_tar_file(&tar, "dir/sub/old", "1");
		sample_tar_file(&tar, "dir/both/old", "1");
		sample_tar_file(&tar, "dir/file", "1");
		assert_int_equal(apply(&tar, NULL), 0);
		if (order)
			sample_tar_file(&tar, "dir/.wh..wh..opq", "");
		sample_tar_file(&tar, "dir/both/new", "2");
		if (!order)
			sample_tar_file(&tar, "dir/.wh..wh..opq", "");
		assert_int_equal(apply(&tar, NULL), 0);
		assert_tree("dir/ dir/both/ dir/both/new=2 ");
	}
}

static void opaque__works_at_the_top(void **state)
{
	struct nec_buffer tar = { 0 };

	(void)state;
	sample_tar_file(&tar, "a", "1");
	assert_int_equal(apply(&tar, NULL), 0);
	sample_tar_file(&tar, ".wh..wh..opq", "");
	sample_tar_file(&tar, "b", "2");
	assert_int_equal(apply(&tar, NULL), 0);
	assert_tree("b=2 ");
}

static void assert_refused(struct nec_buffer *tar, enum nec_error_code code, const char *words)
{
	nec_error err = NEC_ERROR_INIT;

	assert_true(apply(tar, &err) < 0);
	if (err.code != code || !strstr(err.message, words))
		fail_msg("%s: \"%s\" does not say \"%s\"", nec_error_name(err.code), err.message,
			 words);
}

static void whiteout__of_no_file_is_refused(void **state)
{
	static const char *const names[] = { ".wh.", ".wh..", ".wh...", "dir/.wh..." };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct nec_buffer tar = { 0 };

		sample_tar_file(&tar, names[i], "");
		assert_refused(&tar, NEC_E_SOURCE_UNSAFE, names[i]);
	}
}

static void layer__refuses_paths_that_leave_the_image(void **state)
{
	static const char *const names[] = { "/etc/passwd", "..",     "../x",   "a/../../x",
					     "a/..",        "./../b", "a/b/..", "//x" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		static const char types[] = { '0', '5', '2', '1' };

		for (size_t j = 0; j < sizeof(types); j++) {
			struct nec_buffer tar = { 0 };

			sample_tar_add(&tar, &(struct sample_entry){ .type = types[j],
								     .name = names[i],
								     .link = "x" });
			assert_refused(&tar, NEC_E_SOURCE_UNSAFE, names[i]);
		}
		struct nec_buffer tar = { 0 };

		sample_tar_add(&tar, &(struct sample_entry){
					     .type = '1', .name = "link", .link = names[i] });
		assert_refused(&tar, NEC_E_SOURCE_UNSAFE, names[i]);
	}
	assert_null(nec_tree_lookup(tree, root, "x"));
}

static void layer__refuses_another_kind_of_root(void **state)
{
	struct nec_buffer tar = { 0 };

	(void)state;
	sample_tar_add(&tar, &(struct sample_entry){ .type = '2', .name = "./", .link = "/" });
	assert_refused(&tar, NEC_E_SOURCE_UNSAFE, "./");
}

static void hard_link__works_in_a_layer_and_across_layers(void **state)
{
	struct nec_buffer tar = { 0 };

	(void)state;
	sample_tar_file(&tar, "a", "data");
	sample_tar_add(&tar, &(struct sample_entry){ .type = '1', .name = "d/b", .link = "./a" });
	assert_int_equal(apply(&tar, NULL), 0);
	sample_tar_add(&tar, &(struct sample_entry){ .type = '1', .name = "c", .link = "d/b" });
	assert_int_equal(apply(&tar, NULL), 0);
	assert_tree("a=data c=data d/ d/b=data ");
	assert_ptr_equal(nec_tree_lookup(tree, root, "a")->inode,
			 nec_tree_lookup(tree, root, "c")->inode);
	assert_int_equal(nec_tree_lookup(tree, root, "a")->inode->links, 3);
	/* A later layer that replaces one name leaves the others alone. */
	sample_tar_file(&tar, "a", "new");
	assert_int_equal(apply(&tar, NULL), 0);
	assert_tree("a=new c=data d/ d/b=data ");
}

static void hard_link__may_be_to_a_symlink(void **state)
{
	struct nec_buffer tar = { 0 };

	(void)state;
	sample_tar_add(&tar, &(struct sample_entry){ .type = '2', .name = "s", .link = "/etc" });
	sample_tar_add(&tar, &(struct sample_entry){ .type = '1', .name = "h", .link = "s" });
	assert_int_equal(apply(&tar, NULL), 0);
	assert_tree("h->/etc s->/etc ");
}

static void hard_link__to_nothing_or_a_folder_is_refused(void **state)
{
	struct nec_buffer tar = { 0 };

	(void)state;
	sample_tar_add(&tar, &(struct sample_entry){ .type = '1', .name = "h", .link = "gone" });
	assert_refused(&tar, NEC_E_SOURCE, "which is missing");
	sample_tar_dir(&tar, "dir");
	sample_tar_add(&tar, &(struct sample_entry){ .type = '1', .name = "h", .link = "dir" });
	assert_refused(&tar, NEC_E_SOURCE, "which is a directory");
}

/* A base image with lib -> usr/lib and a layer that was made without it. */
static void layer__goes_through_symlinks_of_lower_layers(void **state)
{
	struct nec_buffer tar = { 0 };

	(void)state;
	sample_tar_file(&tar, "usr/lib/a", "1");
	sample_tar_add(&tar,
		       &(struct sample_entry){ .type = '2', .name = "lib", .link = "usr/lib" });
	sample_tar_add(&tar, &(struct sample_entry){
				     .type = '2', .name = "run", .link = "/../../var/run" });
	assert_int_equal(apply(&tar, NULL), 0);
	sample_tar_file(&tar, "lib/b", "2");
	sample_tar_file(&tar, "lib/.wh.a", "");
	sample_tar_file(&tar, "run/pid", "3");
	assert_int_equal(apply(&tar, NULL), 0);
	assert_tree("lib->usr/lib run->/../../var/run usr/ usr/lib/ usr/lib/b=2 var/ var/run/ "
		    "var/run/pid=3 ");
	/* But an entry of that very name replaces the link. */
	sample_tar_dir(&tar, "lib");
	assert_int_equal(apply(&tar, NULL), 0);
	assert_true(nec_tree_is_dir(nec_tree_lookup(tree, root, "lib")));
}

static void layer__refuses_entries_below_files_and_loops(void **state)
{
	struct nec_buffer tar = { 0 };

	(void)state;
	sample_tar_file(&tar, "file", "1");
	sample_tar_file(&tar, "file/x", "2");
	assert_refused(&tar, NEC_E_SOURCE, "file/x: file is not a directory");
	sample_tar_add(&tar, &(struct sample_entry){ .type = '2', .name = "a", .link = "b" });
	sample_tar_add(&tar, &(struct sample_entry){ .type = '2', .name = "b", .link = "a" });
	sample_tar_file(&tar, "a/x", "2");
	assert_refused(&tar, NEC_E_SOURCE, "too many symbolic links");
}

static void layer__keeps_names_byte_for_byte(void **state)
{
	/* "é" as one and as two characters: two names that look alike. */
	static const char *const paths[] = { "path=caf\xc3\xa9", "path=cafe\xcc\x81" };
	static const char *const locales[] = { "C", "C.UTF-8" };
	struct nec_buffer tar = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(locales); i++) {
		(void)free_tree(state);
		(void)make_tree(state);
		assert_non_null(setlocale(LC_ALL, locales[i]));
		for (size_t j = 0; j < ARRAY_SIZE(paths); j++)
			sample_tar_add(&tar, &(struct sample_entry){
						     .type = '0', .name = "x", .pax = paths[j] });
		sample_tar_file(&tar, "latin-\xe9", "");
		assert_int_equal(apply(&tar, NULL), 0);
		assert_tree("cafe\xcc\x81= caf\xc3\xa9= latin-\xe9= ");
	}
	assert_non_null(setlocale(LC_ALL, "C"));
}

static void count_warning(void *userdata, const char *text)
{
	assert_string_equal(text + strlen(text) - 32, "bin/ping has security.capability");
	(*(int *)userdata)++;
}

static void xattrs__are_noted_but_not_the_hosts_labels(void **state)
{
	struct nec_buffer tar = { 0 };
	nec_context *context;
	int warnings = 0;

	(void)state;
	sample_tar_add(&tar,
		       &(struct sample_entry){ .type = '0',
					       .name = "bin/ping",
					       .pax = "SCHILY.xattr.security.capability=xyz" });
	sample_tar_add(&tar, &(struct sample_entry){ .type = '0',
						     .name = "bin/true",
						     .pax = "SCHILY.xattr.security.selinux=xyz" });
	assert_int_equal(apply(&tar, NULL), 0);
	assert_int_equal(nec_context_new(&context, NULL), 0);
	nec_context_set_warning(context, count_warning, &warnings);
	nec_tree_warn(tree, context);
	nec_context_free(context);
	assert_int_equal(warnings, 1);
}

/* GNU's sparse format 1.0: a map in front of the data. */
static void layer__reads_sparse_files(void **state)
{
	cleanup_buffer struct nec_buffer data = { 0 };
	struct nec_buffer tar = { 0 };
	char map[512 + 4] = "1\n1000\n4\n";
	struct sample_entry file = {
		.type = '0', .name = "GNUSparseFile.0/sparse", .data = map, .size = sizeof(map)
	};
	struct nec_tree_entry *entry;

	(void)state;
	memcpy(map + 512, "data", 4);
	sample_tar_add(&tar, &(struct sample_entry){
				     .type = 'x',
				     .name = "pax",
				     .data = "22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n"
					     "26 GNU.sparse.name=sparse\n"
					     "30 GNU.sparse.realsize=500000\n",
				     .size = 22 + 22 + 26 + 30 });
	sample_tar_add(&tar, &file);
	sample_tar_file(&tar, "z", "after");
	assert_int_equal(apply(&tar, NULL), 0);
	entry = nec_tree_lookup(tree, root, "sparse");
	assert_non_null(entry);
	assert_int_equal(entry->inode->size, 500000);
	assert_int_equal(nec_tree_read(tree, entry, 1 << 20, &data, NULL), 0);
	assert_memory_equal(data.data + 1000, "data", 4);
	assert_int_equal(data.data[999], 0);
	assert_int_equal(data.data[1004], 0);
	nec_buffer_free(&data);
	assert_int_equal(nec_tree_read(tree, nec_tree_lookup(tree, root, "z"), 9, &data, NULL), 0);
	assert_string_equal(nec_buffer_text(&data), "after");
}

static void layer__refuses_files_that_no_ramdisk_can_hold(void **state)
{
	struct nec_buffer tar = { 0 };

	(void)state;
	sample_tar_add(&tar, &(struct sample_entry){
				     .type = '0', .name = "huge", .size = UINT64_C(1) << 32 });
	assert_refused(&tar, NEC_E_TOO_LARGE, "huge has 4294967296 bytes");
	load.file_bytes_left = 4;
	sample_tar_file(&tar, "a", "123");
	sample_tar_file(&tar, "b", "45");
	assert_refused(&tar, NEC_E_TOO_LARGE, "with b");
}

static int apply_bytes(const void *data, size_t size, nec_error *err)
{
	cleanup_free uint8_t *exact = malloc(size);
	struct nec_cursor cursor = nec_cursor_over(exact, size);
	const struct nec_stream stream = nec_stream_over_cursor(&cursor);

	memcpy(exact, data, size);
	return source_apply_tar(&load, &stream, "layer", ++layers, err);
}

/* umoci's `insert` and others leave it out. */
static void layer__needs_no_end_mark_and_no_last_padding(void **state)
{
	cleanup_buffer struct nec_buffer tar = { 0 };

	sample_tar_file(&tar, "a", "some data");
	sample_tar_file(&tar, "b", "more data");
	for (size_t missing = 0; missing <= 512 - 9; missing++) {
		assert_int_equal(apply_bytes(tar.data, tar.size - missing, NULL), 0);
		assert_tree("a=some data b=more data ");
		(void)free_tree(state);
		(void)make_tree(state);
	}
	for (size_t missing = 512 - 8; missing <= 512; missing++) {
		nec_error err = NEC_ERROR_INIT;

		assert_int_equal(apply_bytes(tar.data, tar.size - missing, &err), -EBADMSG);
		assert_int_equal(err.code, NEC_E_SOURCE);
		assert_non_null(strstr(err.message, "ends within a file"));
	}
}

/* Cut elsewhere than there and between files (then the digest tells) every layer is refused. */
static void layer__finds_every_truncation(void **state)
{
	cleanup_buffer struct nec_buffer tar = { 0 };
	char data[1500];

	memset(data, 'x', sizeof(data));
	sample_tar_add(&tar,
		       &(struct sample_entry){
			       .type = '0', .name = "a", .data = data, .size = sizeof(data) });
	for (size_t size = 1; size < 512 + sizeof(data); size++) {
		nec_error err = NEC_ERROR_INIT;

		(void)free_tree(state);
		(void)make_tree(state);
		if (apply_bytes(tar.data, size, &err) == 0)
			fail_msg("%zu bytes are accepted", size);
		assert_int_equal(err.code, NEC_E_SOURCE);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_tree, free_tree)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(layer__gives_files_with_their_owners_and_modes),
		TEST(layer__sets_the_root_directory),
		TEST(layer__replaces_what_is_below),
		TEST(whiteout__removes_what_lower_layers_have),
		TEST(whiteout__leaves_what_its_own_layer_adds),
		TEST(whiteout__empties_a_folder_that_its_layer_keeps),
		TEST(opaque__hides_the_contents_of_lower_layers),
		TEST(opaque__works_at_the_top),
		TEST(whiteout__of_no_file_is_refused),
		TEST(layer__refuses_paths_that_leave_the_image),
		TEST(layer__refuses_another_kind_of_root),
		TEST(hard_link__works_in_a_layer_and_across_layers),
		TEST(hard_link__may_be_to_a_symlink),
		TEST(hard_link__to_nothing_or_a_folder_is_refused),
		TEST(layer__goes_through_symlinks_of_lower_layers),
		TEST(layer__refuses_entries_below_files_and_loops),
		TEST(layer__keeps_names_byte_for_byte),
		TEST(xattrs__are_noted_but_not_the_hosts_labels),
		TEST(layer__reads_sparse_files),
		TEST(layer__refuses_files_that_no_ramdisk_can_hold),
		TEST(layer__needs_no_end_mark_and_no_last_padding),
		TEST(layer__finds_every_truncation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
