/* SPDX-License-Identifier: Apache-2.0 */
#include "image/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "leftovers.h"
#include "samples.h"
#include "test.h"

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

static int append_path(void *userdata, const char *path, size_t path_size,
		       struct nec_tree_entry *entry, nec_error *err)
{
	(void)entry;
	(void)err;
	assert_int_equal(strlen(path), path_size);
	nec_buffer_printf(userdata, "%s ", path);
	return 0;
}

static void assert_listing(struct nec_tree_entry *base, const char *expected)
{
	cleanup_buffer struct nec_buffer listing = { 0 };

	assert_int_equal(nec_tree_walk(tree, base, append_path, &listing, NULL), 0);
	assert_string_equal(nec_buffer_text(&listing), expected);
}

static void tree__finds_what_was_added(void **state)
{
	cleanup_buffer struct nec_buffer data = { 0 };
	cleanup_free char *path = NULL;
	struct nec_tree_entry *entry;

	(void)state;
	add_file("usr/bin/hello", "hello");
	entry = nec_tree_lookup(tree, root, "/usr//./bin/hello");
	assert_non_null(entry);
	assert_int_equal(nec_tree_read(tree, entry, 5, &data, NULL), 0);
	assert_string_equal(nec_buffer_text(&data), "hello");
	assert_int_equal(nec_tree_read(tree, entry, 4, &data, NULL), -EFBIG);
	path = nec_tree_path(entry, nec_tree_lookup(tree, root, "usr"));
	assert_string_equal(path, "bin/hello");
	assert_null(nec_tree_lookup(tree, root, "usr/bin/hell"));
	assert_null(nec_tree_lookup(tree, root, "usr/bin/hello/more"));
	assert_null(nec_tree_lookup(tree, root, "usr/../usr"));
	assert_int_equal(nec_tree_count(tree), 3);
}

static void tree__merges_directories_and_replaces_the_rest(void **state)
{
	const struct nec_tree_attributes dir = { .mode = S_IFDIR | 0700, .uid = 7 };
	struct nec_tree_entry *entry;

	(void)state;
	add_file("etc/a", "1");
	assert_int_equal(nec_tree_add(tree, root, "etc", 3, &dir, &entry, NULL), 0);
	assert_int_equal(entry->inode->uid, 7);
	assert_non_null(nec_tree_lookup(tree, root, "etc/a"));
	add_file("etc", "now a file");
	assert_listing(root, "etc ");
	assert_int_equal(nec_tree_add(tree, root, "etc", 3, &dir, NULL, NULL), 0);
	assert_listing(root, "etc ");
	assert_true(nec_tree_is_dir(nec_tree_lookup(tree, root, "etc")));
}

static void tree__removes_everything_below(void **state)
{
	(void)state;
	add_file("a/b/c/d", "1");
	add_file("a/b/e", "2");
	add_file("ab", "3");
	nec_tree_remove(tree, nec_tree_lookup(tree, root, "a/b"));
	assert_listing(root, "a ab ");
	nec_tree_remove(tree, root);
	assert_listing(root, "");
	assert_int_equal(nec_tree_count(tree), 0);
	add_file("a/b/c/d", "4");
	assert_listing(root, "a a/b a/b/c a/b/c/d ");
}

static void tree__refuses_what_is_no_name(void **state)
{
	const struct nec_tree_attributes file = { .mode = S_IFREG | 0644 };
	static const struct {
		const char *name;
		size_t size;
	} bad[] = { { "", 0 }, { ".", 1 }, { "..", 2 }, { "a/b", 3 }, { "a\0b", 3 } };
	char name[NEC_TREE_MAX_NAME + 1];
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	memset(name, 'n', sizeof(name));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(
			nec_tree_add(tree, root, bad[i].name, bad[i].size, &file, NULL, &err),
			-EINVAL);
		assert_int_equal(err.code, NEC_E_SOURCE);
	}
	assert_int_equal(nec_tree_add(tree, root, name, sizeof(name), &file, NULL, &err),
			 -ENAMETOOLONG);
	assert_int_equal(nec_tree_add(tree, root, name, sizeof(name) - 1, &file, NULL, &err), 0);
	assert_int_equal(nec_tree_add(tree, root, "...", 3, &file, NULL, &err), 0);
	assert_int_equal(
		nec_tree_add(tree, nec_tree_lookup(tree, root, "..."), "x", 1, &file, NULL, &err),
		-ENOTDIR);
	assert_int_equal(nec_tree_add_dirs(tree, root, "a/../b", NULL, &err), -EINVAL);
}

static void tree__refuses_paths_that_the_kernel_would_pass_over(void **state)
{
	const struct nec_tree_attributes dir = { .mode = S_IFDIR | 0755 };
	struct nec_tree_entry *at = root;
	char name[NEC_TREE_MAX_NAME];
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	memset(name, 'n', sizeof(name));
	/* 15 * 256 + 255 = 4095 */
	for (int i = 0; i < 16; i++)
		assert_int_equal(nec_tree_add(tree, at, name, sizeof(name), &dir, &at, &err), 0);
	assert_int_equal(at->path_size, NEC_TREE_MAX_PATH);
	assert_int_equal(nec_tree_add(tree, at, "n", 1, &dir, NULL, &err), -ENAMETOOLONG);
	assert_int_equal(nec_tree_add(tree, at->parent, "n", 1, &dir, NULL, &err), 0);
}

static void tree__walks_in_the_order_of_paths(void **state)
{
	(void)state;
	add_file("a/b", "");
	add_file("a-b", "");
	add_file("a.d/x", "");
	add_file("a0", "");
	add_file("\xc3\xa9", "");
	add_file("Z", "");
	add_file("a/b-c", "");
	assert_listing(root, "Z a a-b a.d a.d/x a/b a/b-c a0 \xc3\xa9 ");
	assert_listing(nec_tree_lookup(tree, root, "a"), "a/b a/b-c ");
}

static void tree__counts_a_hard_linked_file_once(void **state)
{
	struct nec_tree_entry *file;
	uint64_t bytes;

	(void)state;
	add_file("a", "12345");
	file = nec_tree_lookup(tree, root, "a");
	assert_int_equal(nec_tree_add_link(tree, root, "b", 1, file->inode, NULL), 0);
	assert_int_equal(file->inode->links, 2);
	assert_int_equal(nec_tree_total_bytes(tree, root, &bytes, NULL), 0);
	assert_int_equal(bytes, 5);
	/* A link to itself, and one over another name of the same file, change nothing. */
	assert_int_equal(nec_tree_add_link(tree, root, "a", 1, file->inode, NULL), 0);
	assert_int_equal(file->inode->links, 2);
	nec_tree_remove(tree, nec_tree_lookup(tree, root, "a"));
	assert_int_equal(nec_tree_lookup(tree, root, "b")->inode->links, 1);
}

static void resolve__stays_in_the_tree(void **state)
{
	struct nec_tree_entry *base;

	(void)state;
	add_file("outside", "");
	add_file("root/usr/lib/file", "");
	base = nec_tree_lookup(tree, root, "root");
	assert_int_equal(nec_tree_add_symlink(tree, base, "lib", "usr/lib", NULL), 0);
	assert_int_equal(nec_tree_add_symlink(tree, base, "abs", "/lib/./file", NULL), 0);
	assert_int_equal(nec_tree_add_symlink(tree, base, "up", "../../../../lib", NULL), 0);
	assert_int_equal(nec_tree_add_symlink(tree, base, "usr/self", "../usr/lib/../lib/", NULL),
			 0);
	assert_ptr_equal(nec_tree_resolve(tree, base, "lib/file"),
			 nec_tree_lookup(tree, base, "usr/lib/file"));
	assert_ptr_equal(nec_tree_resolve(tree, base, "/abs"),
			 nec_tree_lookup(tree, base, "usr/lib/file"));
	assert_ptr_equal(nec_tree_resolve(tree, base, "up"),
			 nec_tree_lookup(tree, base, "usr/lib"));
	assert_ptr_equal(nec_tree_resolve(tree, base, "usr/self/file"),
			 nec_tree_lookup(tree, base, "usr/lib/file"));
	assert_null(nec_tree_resolve(tree, base, "../outside"));
	assert_null(nec_tree_resolve(tree, base, "abs/file"));
	assert_null(nec_tree_resolve(tree, base, "missing"));
}

static void resolve__makes_what_is_missing(void **state)
{
	struct nec_tree_entry *dir;
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	assert_int_equal(nec_tree_add_symlink(tree, root, "run", "/var/run", NULL), 0);
	assert_int_equal(nec_tree_resolve_dir(tree, root, "run/lock", &dir, &err), 0);
	assert_listing(root, "run var var/run var/run/lock ");
	add_file("file", "");
	assert_int_equal(nec_tree_resolve_dir(tree, root, "file", &dir, &err), -ENOTDIR);
	assert_int_equal(nec_tree_resolve_dir(tree, root, "file/x", &dir, &err), -ENOTDIR);
	assert_int_equal(nec_tree_add_symlink(tree, root, "loop", "loop", NULL), 0);
	assert_int_equal(nec_tree_resolve_dir(tree, root, "loop/x", &dir, &err), -ELOOP);
	assert_int_equal(err.code, NEC_E_SOURCE);
}

static void resolve__ends_for_links_that_grow(void **state)
{
	char target[NEC_TREE_MAX_PATH];
	struct nec_tree_entry *dir;

	(void)state;
	for (size_t i = 0; i + 2 < sizeof(target); i += 2)
		memcpy(target + i, "l/", 2);
	target[sizeof(target) - 1] = '\0';
	assert_int_equal(nec_tree_add_symlink(tree, root, "l", target, NULL), 0);
	assert_int_equal(nec_tree_resolve_dir(tree, root, "l/x", &dir, NULL), -ENAMETOOLONG);
}

static void symlink__refuses_impossible_targets(void **state)
{
	char target[NEC_TREE_MAX_PATH + 2];

	(void)state;
	memset(target, 't', sizeof(target));
	target[sizeof(target) - 1] = '\0';
	assert_int_equal(nec_tree_add_symlink(tree, root, "l", target, NULL), -EINVAL);
	assert_int_equal(nec_tree_add_symlink(tree, root, "l", "", NULL), -EINVAL);
	/* What a failure leaves can still be walked through. */
	assert_null(nec_tree_resolve(tree, root, "l/x"));
}

/* Adds "f" of the source folder as a file of @size bytes and opens it. */
static int open_folder_file(uint64_t size, nec_error *err)
{
	NEC_CLEANUP(tree_data) struct nec_tree_data data = { .fd = -1 };
	const struct nec_tree_attributes file = { .mode = S_IFREG | 0644 };
	struct nec_tree_entry *entry;
	int fd = open(sample_folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int origin = nec_tree_adopt_folder(tree, fd, "folder", root, NULL);

	assert_true(origin >= 0);
	assert_int_equal(nec_tree_add_path(tree, root, "d/f", &file, &entry, NULL), 0);
	nec_tree_set_folder(entry, (uint32_t)origin, size);
	return nec_tree_data_open(tree, entry->inode, &data, err);
}

static void folder_file__must_be_what_it_was(void **state)
{
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	sample_mkdir("d");
	sample_write_text("d/f", "12345");
	assert_int_equal(open_folder_file(5, &err), 0);
	assert_int_equal(open_folder_file(4, &err), -ESTALE);
	assert_int_equal(err.code, NEC_E_FILE_CHANGED);
	assert_non_null(strstr(err.message, "folder/d/f"));
	assert_int_equal(unlink(sample_path("d/f")), 0);
	assert_int_equal(open_folder_file(5, &err), -ESTALE);
	assert_int_equal(symlink("/etc/passwd", sample_path("d/f")), 0);
	assert_int_equal(open_folder_file(5, &err), -ESTALE);
	assert_int_equal(unlink(sample_path("d/f")), 0);
	assert_int_equal(mkfifo(sample_path("d/f"), 0600), 0);
	assert_int_equal(open_folder_file(5, &err), -ESTALE);
	assert_int_equal(err.code, NEC_E_FILE_CHANGED);
}

static void folder_file__is_not_read_through_a_symlink_on_the_way(void **state)
{
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	sample_mkdir("real");
	sample_write_text("real/f", "12345");
	assert_int_equal(symlink("real", sample_path("d")), 0);
	assert_int_equal(open_folder_file(5, &err), -ESTALE);
	assert_int_equal(err.code, NEC_E_FILE_CHANGED);
}

static void tree__closes_what_it_was_given(void **state)
{
	size_t before = open_descriptors();
	struct nec_tree *other;

	(void)state;
	sample_write_text("file", "contents");
	assert_int_equal(nec_tree_new(&other, NULL), 0);
	assert_int_equal(nec_tree_add_file(other, nec_tree_root(other), "x", 0600,
					   sample_path("file"), NULL),
			 0);
	assert_int_equal(open_descriptors(), before + 1);
	assert_int_equal(nec_tree_add_file(other, nec_tree_root(other), "x", 0600,
					   sample_path("none"), NULL),
			 -ENOENT);
	nec_tree_free(other);
	assert_int_equal(open_descriptors(), before);
}

static void count_warning(void *userdata, const char *text)
{
	(*(int *)userdata)++;
	assert_non_null(strstr(text, "bin/ping has security.capability, and files with others: 1"));
}

static void xattrs__are_warned_about_once(void **state)
{
	nec_context *context;
	int warnings = 0;

	(void)state;
	assert_int_equal(nec_context_new(&context, NULL), 0);
	nec_context_set_warning(context, count_warning, &warnings);
	nec_tree_warn(tree, context);
	assert_int_equal(warnings, 0);
	add_file("bin/ping", "");
	add_file("bin/other", "");
	nec_tree_note_xattr(tree, nec_tree_lookup(tree, root, "bin/ping"), "security.capability");
	nec_tree_note_xattr(tree, nec_tree_lookup(tree, root, "bin/ping"), "user.x");
	nec_tree_note_xattr(tree, nec_tree_lookup(tree, root, "bin/other"), "user.x");
	nec_tree_warn(tree, context);
	assert_int_equal(warnings, 1);
	nec_context_free(context);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_tree, free_tree)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(tree__finds_what_was_added),
		TEST(tree__merges_directories_and_replaces_the_rest),
		TEST(tree__removes_everything_below),
		TEST(tree__refuses_what_is_no_name),
		TEST(tree__refuses_paths_that_the_kernel_would_pass_over),
		TEST(tree__walks_in_the_order_of_paths),
		TEST(tree__counts_a_hard_linked_file_once),
		TEST(resolve__stays_in_the_tree),
		TEST(resolve__makes_what_is_missing),
		TEST(resolve__ends_for_links_that_grow),
		TEST(symlink__refuses_impossible_targets),
		TEST(folder_file__must_be_what_it_was),
		TEST(folder_file__is_not_read_through_a_symlink_on_the_way),
		TEST(tree__closes_what_it_was_given),
		TEST(xattrs__are_warned_about_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
