/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/error.h"
#include "image/build-run.h"

#define PATH_LINE "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"

static struct nec_tree *tree;
static nec_context *context;
static char warnings[1024];

static void on_warning(void *userdata, const char *text)
{
	(void)userdata;
	(void)strncat(warnings, text, sizeof(warnings) - strlen(warnings) - 1);
}

static int make_tree(void **state)
{
	static const char passwd[] = "root:x:0:0::/root:/bin/sh\n"
				     "web:x:33:44::/var/www:/bin/false\n";
	static const char group[] = "root:x:0:\nweb:x:44:\nlog:x:4:other,web\ntls:x:9:web\n";

	(void)state;
	warnings[0] = '\0';
	assert_int_equal(nec_context_new(&context, NULL), 0);
	nec_context_set_warning(context, on_warning, NULL);
	assert_int_equal(nec_tree_new(&tree, NULL), 0);
	assert_int_equal(nec_tree_add_literal(tree, nec_tree_root(tree), "rootfs/etc/passwd", 0644,
					      passwd, sizeof(passwd) - 1, NULL),
			 0);
	return nec_tree_add_literal(tree, nec_tree_root(tree), "rootfs/etc/group", 0644, group,
				    sizeof(group) - 1, NULL);
}

static int free_tree(void **state)
{
	(void)state;
	nec_tree_free(tree);
	nec_context_free(context);
	return 0;
}

/* Compares the file of the ramdisk with a text; NULL when it must not be there. */
static void assert_file(const char *path, const char *text)
{
	cleanup_buffer struct nec_buffer contents = { 0 };
	struct nec_tree_entry *entry = nec_tree_lookup(tree, nec_tree_root(tree), path);

	if (!text) {
		assert_null(entry);
		return;
	}
	assert_non_null(entry);
	assert_int_equal(nec_tree_read(tree, entry, 1 << 20, &contents, NULL), 0);
	assert_string_equal(nec_buffer_text(&contents), text);
}

#define TEXTS(...) ((char *[]){ __VA_ARGS__, NULL })
#define LIST(...)                                                            \
	(struct nec_list)                                                    \
	{                                                                    \
		.items = (const char *const[]){ __VA_ARGS__ },               \
		.count = ARRAY_SIZE(((const char *const[]){ __VA_ARGS__ })), \
	}

static int add(const struct nec_build_options *options, const struct nec_source_config *config,
	       nec_error *err)
{
	return nec_build_run_add(context, options, config, tree, err);
}

static void cmd__is_entrypoint_and_cmd_of_the_image(void **state)
{
	const struct nec_build_options options = NEC_BUILD_OPTIONS_INIT;
	const struct nec_source_config config = {
		.entrypoint = TEXTS("/bin/tini", "--"),
		.cmd = TEXTS("server", "-v"),
	};

	(void)state;
	assert_int_equal(add(&options, &config, NULL), 0);
	assert_file("cmd", "/bin/tini\n--\nserver\n-v\n");
	assert_file("cmd0", NULL);
}

static void cmd__follows_docker_when_parts_are_replaced(void **state)
{
	const struct nec_source_config config = {
		.entrypoint = TEXTS("/bin/tini"),
		.cmd = TEXTS("server", "-v"),
	};
	const struct {
		struct nec_list entrypoint;
		struct nec_list cmd;
		const char *expected;
	} cases[] = {
		{ .cmd = LIST("client"), .expected = "/bin/tini\nclient\n" },
		{ .entrypoint = LIST("/bin/sh", "-x"), .expected = "/bin/sh\n-x\n" },
		{ LIST("/bin/sh"), LIST("-c", "true"), "/bin/sh\n-c\ntrue\n" },
		{ LIST(""), LIST("/bin/true"), "/bin/true\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct nec_build_options options = NEC_BUILD_OPTIONS_INIT;

		options.entrypoint = cases[i].entrypoint;
		options.cmd = cases[i].cmd;
		assert_int_equal(add(&options, &config, NULL), 0);
		assert_file("cmd", cases[i].expected);
	}
}

static void cmd__must_not_be_empty(void **state)
{
	struct nec_build_options options = NEC_BUILD_OPTIONS_INIT;
	const struct nec_source_config config = { .entrypoint = TEXTS("/bin/tini") };
	const struct nec_source_config nothing = { 0 };
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	assert_int_equal(add(&options, &nothing, &err), -EINVAL);
	assert_int_equal(err.code, NEC_E_INVALID_ARGUMENT);
	assert_non_null(strstr(err.hint, "--entrypoint"));
	options.entrypoint = LIST("");
	assert_int_equal(add(&options, &config, &err), -EINVAL);
}

static void items__with_newlines_go_to_a_file_of_our_own(void **state)
{
	struct nec_build_options options = NEC_BUILD_OPTIONS_INIT;
	const struct nec_source_config config = {
		.cmd = TEXTS("sh", "-c", "true\nfalse"),
		.env = TEXTS("A=1"),
	};
	struct nec_tree_entry *entry;
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	options.init = "/sbin/other-init";
	assert_int_equal(add(&options, &config, &err), -EINVAL);
	assert_int_equal(err.code, NEC_E_UNSUPPORTED);
	options.init = NULL;
	assert_int_equal(add(&options, &config, NULL), 0);
	assert_file("cmd", NULL);
	entry = nec_tree_lookup(tree, nec_tree_root(tree), "cmd0");
	assert_non_null(entry);
	assert_int_equal(entry->inode->size, 17);
	assert_memory_equal(entry->inode->literal, "sh\0-c\0true\nfalse", 17);
	assert_file("env", "A=1\n" PATH_LINE "HOME=/root\n");
}

static void items__that_are_empty_go_there_too(void **state)
{
	const struct nec_build_options options = NEC_BUILD_OPTIONS_INIT;
	const struct nec_source_config config = { .cmd = TEXTS("echo", "", "x") };
	struct nec_tree_entry *entry;

	(void)state;
	assert_int_equal(add(&options, &config, NULL), 0);
	assert_file("cmd", NULL);
	entry = nec_tree_lookup(tree, nec_tree_root(tree), "cmd0");
	assert_non_null(entry);
	assert_int_equal(entry->inode->size, 8);
	assert_memory_equal(entry->inode->literal, "echo\0\0x", 8);
}

static void env__is_the_images_with_the_users_on_top(void **state)
{
	struct nec_build_options options = NEC_BUILD_OPTIONS_INIT;
	const struct nec_source_config config = {
		.cmd = TEXTS("x"),
		.env = TEXTS("PATH=/bin", "A=1", "AB=2", "EMPTY="),
	};

	(void)state;
	options.env = LIST("A=3", "NEW=x=y", "HOME=/srv", "NEW=last");
	assert_int_equal(add(&options, &config, NULL), 0);
	assert_file("env", "PATH=/bin\nA=3\nAB=2\nEMPTY=\nNEW=last\nHOME=/srv\n");
}

static void env__refuses_what_is_no_variable(void **state)
{
	static const char *const texts[] = { "HOME", "=x", "" };
	const struct nec_source_config config = { .cmd = TEXTS("x") };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct nec_build_options options = NEC_BUILD_OPTIONS_INIT;
		nec_error err = NEC_ERROR_INIT;

		options.env = LIST(texts[i]);
		assert_int_equal(add(&options, &config, &err), -EINVAL);
		assert_int_equal(err.code, NEC_E_INVALID_ARGUMENT);
	}
}

static void user__is_resolved_to_numbers_with_groups_and_home(void **state)
{
	const struct nec_build_options options = NEC_BUILD_OPTIONS_INIT;
	const struct nec_source_config config = {
		.cmd = TEXTS("x"),
		.user = (char *)"web",
	};

	(void)state;
	assert_int_equal(add(&options, &config, NULL), 0);
	assert_file("user", "33:44:4,9\n");
	assert_file("env", PATH_LINE "HOME=/var/www\n");
}

static void user__of_the_options_wins(void **state)
{
	struct nec_build_options options = NEC_BUILD_OPTIONS_INIT;
	const struct nec_source_config config = {
		.cmd = TEXTS("x"),
		.user = (char *)"web",
	};

	(void)state;
	options.user = "7:8";
	assert_int_equal(add(&options, &config, NULL), 0);
	assert_file("user", "7:8\n");
}

static void user__of_root_needs_no_file(void **state)
{
	const struct nec_build_options options = NEC_BUILD_OPTIONS_INIT;
	const struct nec_source_config config = { .cmd = TEXTS("x") };

	(void)state;
	assert_int_equal(add(&options, &config, NULL), 0);
	assert_file("user", NULL);
	assert_file("workdir", NULL);
	assert_string_equal(warnings, "");
}

static void user__that_the_image_does_not_know_is_refused(void **state)
{
	struct nec_build_options options = NEC_BUILD_OPTIONS_INIT;
	const struct nec_source_config config = { .cmd = TEXTS("x") };
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	options.user = "nobody-here";
	assert_true(add(&options, &config, &err) < 0);
	assert_int_equal(err.code, NEC_E_SOURCE);
}

static void workdir__is_made_when_missing(void **state)
{
	const struct nec_build_options options = NEC_BUILD_OPTIONS_INIT;
	const struct nec_source_config config = {
		.cmd = TEXTS("x"),
		.working_dir = (char *)"srv/app", /* Docker takes it as absolute */
	};

	(void)state;
	assert_int_equal(add(&options, &config, NULL), 0);
	assert_file("workdir", "/srv/app\n");
	assert_true(nec_tree_is_dir(nec_tree_lookup(tree, nec_tree_root(tree), "rootfs/srv/app")));
}

static void workdir__follows_the_links_of_the_image(void **state)
{
	struct nec_build_options options = NEC_BUILD_OPTIONS_INIT;
	const struct nec_source_config config = { .cmd = TEXTS("x") };
	struct nec_tree_entry *rootfs = nec_tree_lookup(tree, nec_tree_root(tree), "rootfs");

	(void)state;
	assert_int_equal(nec_tree_add_dirs(tree, rootfs, "data/real", NULL, NULL), 0);
	assert_int_equal(nec_tree_add_symlink(tree, rootfs, "app", "/data/real", NULL), 0);
	options.workdir = "/app/work/sub";
	assert_int_equal(add(&options, &config, NULL), 0);
	assert_file("workdir", "/app/work/sub\n");
	assert_true(nec_tree_is_dir(nec_tree_lookup(tree, rootfs, "data/real/work/sub")));
	assert_true(S_ISLNK(nec_tree_lookup(tree, rootfs, "app")->inode->mode));
}

static void workdir__refuses_what_cannot_be_one(void **state)
{
	static const struct {
		const char *path;
		enum nec_error_code code;
	} cases[] = {
		{ "/etc/passwd", NEC_E_SOURCE },
		{ "/etc/passwd/x", NEC_E_SOURCE },
		{ "/a\nb", NEC_E_INVALID_ARGUMENT },
	};
	const struct nec_source_config config = { .cmd = TEXTS("x") };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct nec_build_options options = NEC_BUILD_OPTIONS_INIT;
		nec_error err = NEC_ERROR_INIT;

		options.workdir = cases[i].path;
		assert_true(add(&options, &config, &err) < 0);
		assert_int_equal(err.code, cases[i].code);
	}
}

static void foreign_init__gets_a_warning_about_what_it_may_not_know(void **state)
{
	struct nec_build_options options = NEC_BUILD_OPTIONS_INIT;
	const struct nec_source_config config = { .cmd = TEXTS("x") };

	(void)state;
	options.init = "/blobs/init";
	options.user = "33";
	options.workdir = "/srv";
	assert_int_equal(add(&options, &config, NULL), 0);
	assert_non_null(strstr(warnings, "working directory (/srv)"));
	assert_non_null(strstr(warnings, "user (33:"));
}

#define WITH_TREE(name) cmocka_unit_test_setup_teardown(name, make_tree, free_tree)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_TREE(cmd__is_entrypoint_and_cmd_of_the_image),
		WITH_TREE(cmd__follows_docker_when_parts_are_replaced),
		WITH_TREE(cmd__must_not_be_empty),
		WITH_TREE(items__with_newlines_go_to_a_file_of_our_own),
		WITH_TREE(items__that_are_empty_go_there_too),
		WITH_TREE(env__is_the_images_with_the_users_on_top),
		WITH_TREE(env__refuses_what_is_no_variable),
		WITH_TREE(user__is_resolved_to_numbers_with_groups_and_home),
		WITH_TREE(user__of_the_options_wins),
		WITH_TREE(user__of_root_needs_no_file),
		WITH_TREE(user__that_the_image_does_not_know_is_refused),
		WITH_TREE(workdir__is_made_when_missing),
		WITH_TREE(workdir__follows_the_links_of_the_image),
		WITH_TREE(workdir__refuses_what_cannot_be_one),
		WITH_TREE(foreign_init__gets_a_warning_about_what_it_may_not_know),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
