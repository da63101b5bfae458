/* SPDX-License-Identifier: Apache-2.0 */
/* Root file system folders as image sources, and USER of an image. */
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/xattr.h>

#include "base/crypto.h"
#include "base/files.h"
#include "image/cpio.h"
#include "image/source.h"
#include "samples.h"
#include "test.h"

static struct nec_tree *tree;
static struct nec_tree_entry *root;

static int make_tree(void **state)
{
	if (nec_tree_new(&tree, NULL) < 0)
		return -1;
	root = nec_tree_root(tree);
	return sample_make_folder(state);
}

static int free_tree(void **state)
{
	nec_tree_free(tree);
	return sample_remove_folder(state);
}

static int load_into(struct nec_tree *to, const char *name,
		     const struct nec_source_options *options, const nec_context *context,
		     nec_error *err)
{
	struct nec_source_config config = { 0 };
	int r = nec_source_load(context, sample_path(name), options, to, nec_tree_root(to), &config,
				err);

	if (r == 0) {
		assert_int_equal(config.kind, NEC_SOURCE_FOLDER);
		assert_null(config.entrypoint[0]);
		assert_null(config.architecture);
	}
	nec_source_config_clear(&config);
	return r;
}

static int load(const char *name, nec_error *err)
{
	return load_into(tree, name, NULL, NULL, err);
}

static int append_path(void *userdata, const char *path, size_t path_size,
		       struct nec_tree_entry *entry, nec_error *err)
{
	(void)entry;
	(void)err;
	(void)path_size;
	nec_buffer_printf(userdata, "%s ", path);
	return 0;
}

static void assert_listing(const char *expected)
{
	cleanup_buffer struct nec_buffer listing = { 0 };

	assert_int_equal(nec_tree_walk(tree, root, append_path, &listing, NULL), 0);
	assert_string_equal(nec_buffer_text(&listing), expected);
}

static void folder__gives_what_is_in_it(void **state)
{
	cleanup_buffer struct nec_buffer data = { 0 };
	struct nec_tree_entry *entry;

	(void)state;
	sample_mkdir("r");
	sample_mkdir("r/bin");
	sample_write_text("r/bin/app", "program");
	sample_write_text("r/bin/empty", "");
	assert_int_equal(chmod(sample_path("r/bin/app"), 04755), 0);
	assert_int_equal(symlink("/nowhere/at/all", sample_path("r/link")), 0);
	assert_int_equal(mkfifo(sample_path("r/fifo"), 0600), 0);
	assert_int_equal(load("r", NULL), 0);
	assert_listing("bin bin/app bin/empty fifo link ");
	entry = nec_tree_lookup(tree, root, "bin/app");
	assert_int_equal(entry->inode->mode, S_IFREG | 04755);
	assert_int_equal(nec_tree_read(tree, entry, 100, &data, NULL), 0);
	assert_string_equal(nec_buffer_text(&data), "program");
	assert_string_equal(nec_tree_lookup(tree, root, "link")->inode->target, "/nowhere/at/all");
	assert_true(S_ISFIFO(nec_tree_lookup(tree, root, "fifo")->inode->mode));
}

static void root_directory__has_a_fixed_mode(void **state)
{
	(void)state;
	sample_mkdir("r");
	assert_int_equal(chmod(sample_path("r"), 0700), 0);
	assert_int_equal(load("r", NULL), 0);
	assert_int_equal(root->inode->mode, S_IFDIR | 0755);
}

static void folder__keeps_hard_links(void **state)
{
	(void)state;
	sample_mkdir("r");
	sample_mkdir("r/d");
	sample_write_text("r/a", "data");
	assert_int_equal(link(sample_path("r/a"), sample_path("r/d/b")), 0);
	assert_int_equal(link(sample_path("r/a"), sample_path("outside")), 0);
	assert_int_equal(load("r", NULL), 0);
	assert_ptr_equal(nec_tree_lookup(tree, root, "a")->inode,
			 nec_tree_lookup(tree, root, "d/b")->inode);
	/* The name outside the folder does not count. */
	assert_int_equal(nec_tree_lookup(tree, root, "a")->inode->links, 2);
}

static void folder__never_follows_symlinks(void **state)
{
	(void)state;
	sample_mkdir("r");
	sample_mkdir("outside");
	sample_write_text("outside/secret", "");
	assert_int_equal(symlink("../outside", sample_path("r/dir")), 0);
	assert_int_equal(load("r", NULL), 0);
	assert_listing("dir ");
}

static void folder__may_itself_be_named_by_a_symlink(void **state)
{
	(void)state;
	sample_mkdir("r");
	sample_write_text("r/a", "");
	assert_int_equal(symlink("r", sample_path("l")), 0);
	assert_int_equal(load("l", NULL), 0);
	assert_listing("a ");
}

static void collect_warning(void *userdata, const char *text)
{
	nec_buffer_printf(userdata, "%s\n", text);
}

static void folder__leaves_sockets_out_with_a_warning(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cleanup_buffer struct nec_buffer warnings = { 0 };
	nec_context *context;

	(void)state;
	sample_mkdir("r");
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", sample_path("r/s"));
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(nec_context_new(&context, NULL), 0);
	nec_context_set_warning(context, collect_warning, &warnings);
	assert_int_equal(load_into(tree, "r", NULL, context, NULL), 0);
	nec_context_free(context);
	assert_listing("");
	assert_non_null(strstr(nec_buffer_text(&warnings), "left out: 1"));
}

static void folder__warns_about_extended_attributes(void **state)
{
	cleanup_buffer struct nec_buffer warnings = { 0 };
	nec_context *context;

	(void)state;
	sample_mkdir("r");
	sample_write_text("r/file", "");
	if (setxattr(sample_path("r/file"), "user.test", "x", 1, 0) < 0) {
		/* No such attributes on this file system: nothing can be lost either. */
		assert_true(errno == ENOTSUP || errno == EPERM);
		return;
	}
	assert_int_equal(nec_context_new(&context, NULL), 0);
	nec_context_set_warning(context, collect_warning, &warnings);
	assert_int_equal(load_into(tree, "r", NULL, context, NULL), 0);
	nec_tree_warn(tree, context);
	nec_context_free(context);
	assert_non_null(strstr(nec_buffer_text(&warnings), "file has user.test"));
}

/* An ordinary user for a while, when the tests run as root, who can read everything. */
static void become_user(void)
{
	assert_int_equal(chmod(sample_folder, 0755), 0);
	if (getuid() == 0)
		assert_int_equal(seteuid(65534), 0);
}

static void become_self(void)
{
	assert_int_equal(seteuid(getuid()), 0);
}

static void folder__names_the_files_that_cannot_be_read(void **state)
{
	nec_error err = NEC_ERROR_INIT;
	int r;

	(void)state;
	sample_mkdir("r");
	for (int i = 0; i < 5; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "r/f%d", i);
		sample_write_text(name, "x");
		assert_int_equal(chmod(sample_path(name), i ? 0 : 0444), 0);
	}
	become_user();
	r = load("r", &err);
	become_self();
	assert_int_equal(r, -EACCES);
	assert_int_equal(err.code, NEC_E_FILE_OPEN);
	assert_non_null(strstr(err.message, "/r: f"));
	assert_non_null(strstr(err.message, ", ..."));
	assert_true(err.hint[0] != '\0');
}

static void folder__names_the_folder_that_cannot_be_read(void **state)
{
	nec_error err = NEC_ERROR_INIT;
	int r;

	(void)state;
	sample_mkdir("r");
	sample_mkdir("r/closed");
	assert_int_equal(chmod(sample_path("r/closed"), 0), 0);
	become_user();
	r = load("r", &err);
	become_self();
	assert_int_equal(r, -EACCES);
	assert_non_null(strstr(err.message, "/r/closed: Permission denied"));
}

static void owners__of_the_calling_user_become_root(void **state)
{
	const struct nec_source_options keep = { .keep_owner = true };
	bool is_root = geteuid() == 0;
	struct nec_tree *kept;

	(void)state;
	sample_mkdir("r");
	sample_write_text("r/mine", "");
	if (is_root) { /* files of the user that root will be for a while, and of another one */
		sample_write_text("r/other", "");
		assert_int_equal(chown(sample_path("r/other"), 1234, 1235), 0);
		assert_int_equal(chown(sample_path("r/mine"), 65534, 4321), 0);
		sample_write_text("r/roots", "");
		assert_int_equal(chown(sample_path("r/roots"), 0, 5), 0);
	}
	become_user();
	assert_int_equal(nec_tree_new(&kept, NULL), 0);
	assert_int_equal(load("r", NULL), 0);
	assert_int_equal(load_into(kept, "r", &keep, NULL, NULL), 0);
	assert_int_equal(nec_tree_lookup(tree, root, "mine")->inode->uid, 0);
	assert_int_equal(nec_tree_lookup(tree, root, "mine")->inode->gid, 0);
	assert_int_equal(nec_tree_lookup(kept, nec_tree_root(kept), "mine")->inode->uid, geteuid());
	if (is_root) {
		assert_int_equal(nec_tree_lookup(tree, root, "other")->inode->uid, 1234);
		assert_int_equal(nec_tree_lookup(tree, root, "other")->inode->gid, 1235);
		assert_int_equal(nec_tree_lookup(tree, root, "roots")->inode->gid, 5);
	}
	become_self();
	nec_tree_free(kept);
}

/* Root keeps all owners, its own as well: then nothing is mapped. */
static void owners__are_kept_for_root(void **state)
{
	(void)state;
	sample_mkdir("r");
	sample_write_text("r/roots", "");
	if (geteuid() != 0) /* owners__of_the_calling_user_become_root is about this user */
		return;
	assert_int_equal(chown(sample_path("r/roots"), 0, 5), 0);
	assert_int_equal(load("r", NULL), 0);
	assert_int_equal(nec_tree_lookup(tree, root, "roots")->inode->gid, 5);
}

static void folder__refuses_endless_depth(void **state)
{
	nec_error err = NEC_ERROR_INIT;
	int fd;

	(void)state;
	sample_mkdir("r");
	fd = open(sample_path("r"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < 300; i++) {
		int next;

		assert_int_equal(mkdirat(fd, "d", 0755), 0);
		next = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		(void)close(fd);
		fd = next;
	}
	(void)close(fd);
	assert_int_equal(load("r", &err), -EFBIG);
	assert_int_equal(err.code, NEC_E_TOO_LARGE);
}

static void archive_digest(struct nec_tree *from, uint8_t digest[NEC_SHA384_SIZE])
{
	const struct nec_cpio_options options = { .mtime = 0 };
	cleanup_close int fd = memfd_create("archive", MFD_CLOEXEC);
	cleanup_buffer struct nec_buffer data = { 0 };
	uint64_t size;

	assert_int_equal(nec_cpio_write(from, &options, fd, "archive", 0, NULL, &size, NULL), 0);
	nec_buffer_append_zeros(&data, size);
	assert_int_equal(nec_file_read_at(fd, "archive", data.data, size, 0, NULL), 0);
	assert_int_equal(nec_sha384_digest(data.data, data.size, digest, NULL), 0);
}

/* One tree of files, made in ascending or descending order of names, in another folder and time. */
static void make_files(const char *folder, bool descending)
{
	sample_mkdir(folder);
	for (int i = 0; i < 200; i++) {
		int number = descending ? 199 - i : i;
		char name[64];

		(void)snprintf(name, sizeof(name), "%s/%c%d\xc3\xa4", folder,
			       number % 2 ? 'a' : 'Z', number);
		sample_mkdir(name);
		(void)snprintf(name, sizeof(name), "%s/%c%d\xc3\xa4/file", folder,
			       number % 2 ? 'a' : 'Z', number);
		sample_write_text(name, name + strlen(folder));
		assert_int_equal(chmod(sample_path(name), 0640), 0);
	}
}

static void same_files__give_the_same_archive(void **state)
{
	uint8_t first[NEC_SHA384_SIZE];
	uint8_t second[NEC_SHA384_SIZE];
	struct nec_tree *other;
	mode_t old;

	(void)state;
	make_files("one", false);
	make_files("two-with-another-name", true);
	assert_int_equal(load("one", NULL), 0);
	archive_digest(tree, first);

	old = umask(0077);
	assert_non_null(setlocale(LC_ALL, "C.UTF-8"));
	assert_int_equal(nec_tree_new(&other, NULL), 0);
	assert_int_equal(load_into(other, "two-with-another-name", NULL, NULL, NULL), 0);
	archive_digest(other, second);
	nec_tree_free(other);
	(void)umask(old);
	assert_non_null(setlocale(LC_ALL, "C"));
	assert_memory_equal(first, second, sizeof(first));
}

/* ---- USER ---- */

static void put(const char *path, const char *text)
{
	assert_int_equal(nec_tree_add_literal(tree, root, path, 0644, text, strlen(text), NULL), 0);
}

static void put_databases(void)
{
	put("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"
			  "broken line\n"
			  "app:x:1000:1001:An app,,,:/srv/app:/bin/false\n"
			  "1000:x:7:8::/seven:/bin/false\n"
			  "nohome:x:9:9:::\n"
			  "app:x:2:2:the second of that name::/:\n"
			  "big:x:4294967295:1::/:/bin/sh\n"
			  "toobig:x:4294967296:1::/:/bin/sh\n");
	put("etc/group", "root:x:0:root\n"
			 "web:x:33:other,app\n"
			 "audio:x:29:app\n"
			 "app:x:1001:app\n"
			 "again:x:33:app\n"
			 "apple:x:50:application,ap,apps\n"
			 "last:x:60:app");
}

static void assert_user(const char *user, uint32_t uid, uint32_t gid, const char *groups,
			const char *home)
{
	struct nec_source_user found;
	nec_error err = NEC_ERROR_INIT;
	cleanup_buffer struct nec_buffer text = { 0 };

	if (nec_source_resolve_user(tree, root, user, &found, &err) < 0)
		fail_msg("%s: %s", user, err.message);
	assert_int_equal(found.uid, uid);
	assert_int_equal(found.gid, gid);
	for (size_t i = 0; i < found.group_count; i++)
		nec_buffer_printf(&text, "%u ", found.groups[i]);
	assert_string_equal(nec_buffer_text(&text), groups);
	assert_string_equal(found.home, home);
}

static void user__is_looked_up_in_the_image(void **state)
{
	(void)state;
	put_databases();
	assert_user("app", 1000, 1001, "29 33 60 ", "/srv/app");
	assert_user("app:web", 1000, 33, "", "/srv/app");
	assert_user("app:5", 1000, 5, "", "/srv/app");
	assert_user("12:34", 12, 34, "", "/");
	assert_user("12", 12, 0, "", "/");
	assert_user("9", 9, 9, "", "/");
	assert_user("1000", 7, 8, "", "/seven");
	assert_user("4294967295", UINT32_MAX, 1, "", "/");
	assert_user(NULL, 0, 0, "", "/root");
	assert_user("", 0, 0, "", "/root");
	assert_user(":web", 0, 33, "", "/root");
	assert_user("app:", 1000, 1001, "29 33 60 ", "/srv/app");
}

static void user__needs_no_database_for_numbers(void **state)
{
	(void)state;
	assert_user("1000:1000", 1000, 1000, "", "/");
	assert_user("", 0, 0, "", "/");
}

static void user__may_come_from_a_linked_database(void **state)
{
	(void)state;
	put("usr/share/passwd", "app:x:1:2::/a:\n");
	assert_int_equal(
		nec_tree_add_symlink(tree, root, "etc/passwd", "../../usr/share/passwd", NULL), 0);
	assert_user("app", 1, 2, "", "/a");
}

static void user__that_is_unknown_is_refused(void **state)
{
	static const char *const users[] = { "nobody",     "app:nogroup", "toobig", "-1",
					     "4294967296", "broken line", "1x" };

	(void)state;
	put_databases();
	for (size_t i = 0; i < ARRAY_SIZE(users); i++) {
		struct nec_source_user found;
		nec_error err = NEC_ERROR_INIT;

		assert_int_equal(nec_source_resolve_user(tree, root, users[i], &found, &err),
				 -ENOENT);
		assert_int_equal(err.code, NEC_E_SOURCE);
		assert_non_null(strstr(err.message, "/etc/"));
	}
}

static void user__has_at_most_so_many_groups(void **state)
{
	cleanup_buffer struct nec_buffer group = { 0 };
	struct nec_source_user found;
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	put("etc/passwd", "app:x:1:1000::/:\n");
	for (int i = 0; i < NEC_SOURCE_MAX_GROUPS; i++)
		nec_buffer_printf(&group, "g%d:x:%d:app\n", i, 2000 - i);
	put("etc/group", nec_buffer_text(&group));
	assert_int_equal(nec_source_resolve_user(tree, root, "app", &found, &err), 0);
	assert_int_equal(found.group_count, NEC_SOURCE_MAX_GROUPS);
	for (size_t i = 1; i < found.group_count; i++)
		assert_true(found.groups[i - 1] < found.groups[i]);
	nec_buffer_append_text(&group, "one:x:5:app\n");
	put("etc/group", nec_buffer_text(&group));
	assert_int_equal(nec_source_resolve_user(tree, root, "app", &found, &err), -EFBIG);
	assert_int_equal(err.code, NEC_E_TOO_LARGE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_tree, free_tree)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(folder__gives_what_is_in_it),
		TEST(root_directory__has_a_fixed_mode),
		TEST(folder__keeps_hard_links),
		TEST(folder__never_follows_symlinks),
		TEST(folder__may_itself_be_named_by_a_symlink),
		TEST(folder__leaves_sockets_out_with_a_warning),
		TEST(folder__warns_about_extended_attributes),
		TEST(folder__names_the_files_that_cannot_be_read),
		TEST(folder__names_the_folder_that_cannot_be_read),
		TEST(owners__of_the_calling_user_become_root),
		TEST(owners__are_kept_for_root),
		TEST(folder__refuses_endless_depth),
		TEST(same_files__give_the_same_archive),
		TEST(user__is_looked_up_in_the_image),
		TEST(user__needs_no_database_for_numbers),
		TEST(user__may_come_from_a_linked_database),
		TEST(user__that_is_unknown_is_refused),
		TEST(user__has_at_most_so_many_groups),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
