/* SPDX-License-Identifier: Apache-2.0 */
/* ENTRYPOINT, CMD, ENV, WORKDIR and USER, from Docker's rules to init's files. */
#include "image/build-run.h"

#include <string.h>

#include "base/error.h"

/* What Docker gives to a container whose image sets no PATH. */
#define DOCKER_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* nec-init and the kernel take no more of arguments or environment. */
enum { MAX_LIST_BYTES = 2 * 1024 * 1024 };

/* The items of a list that is being put together; they belong to others. */
struct items {
	struct nec_buffer pointers; /* of const char * */
	bool needs_nul;             /* some item cannot be told apart by lines */
};

static size_t count_items(const struct items *items)
{
	return items->pointers.size / sizeof(const char *);
}

static const char **item_at(const struct items *items, size_t index)
{
	return (const char **)items->pointers.data + index;
}

static void add_item(struct items *items, const char *text)
{
	nec_buffer_append(&items->pointers, (const void *)&text, sizeof(text));
}

static void add_list(struct items *items, const struct nec_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		add_item(items, list->items[i]);
}

static void add_texts(struct items *items, char *const *texts)
{
	for (; texts && *texts; texts++)
		add_item(items, *texts);
}

/* `--entrypoint ""` clears the image's, as with `docker run`. */
static bool is_cleared(const struct nec_list *list)
{
	return list->count == 1 && list->items[0][0] == '\0';
}

/* An entrypoint of the user's own drops the image's CMD: those were arguments for the other one. */
static int combine_cmd(const struct nec_build_options *options,
		       const struct nec_source_config *config, struct items *items, nec_error *err)
{
	if (!options->entrypoint.items)
		add_texts(items, config->entrypoint);
	else if (!is_cleared(&options->entrypoint))
		add_list(items, &options->entrypoint);
	if (options->cmd.items)
		add_list(items, &options->cmd);
	else if (!options->entrypoint.items)
		add_texts(items, config->cmd);
	if (items->pointers.failed)
		return nec_error_no_memory(err);
	if (count_items(items) == 0) {
		nec_error_set(err, NEC_E_INVALID_ARGUMENT, -EINVAL,
			      "there is nothing to run: the image has no ENTRYPOINT and no CMD");
		nec_error_set_hint(err, "Name the program with --entrypoint /path/in/the/image.");
		return -EINVAL;
	}
	return 0;
}

static size_t name_length(const char *variable)
{
	return strcspn(variable, "=");
}

/* The place of the variable of the same name; the end of the list when there is none. */
static size_t find_variable(const struct items *items, const char *variable)
{
	size_t length = name_length(variable);
	size_t i = 0;

	while (i < count_items(items) && (name_length(*item_at(items, i)) != length ||
					  strncmp(*item_at(items, i), variable, length) != 0))
		i++;
	return i;
}

/* A later value takes the place of an earlier one. */
static void set_variable(struct items *items, const char *variable)
{
	size_t i = find_variable(items, variable);

	if (i < count_items(items))
		*item_at(items, i) = variable;
	else
		add_item(items, variable);
}

static void default_variable(struct items *items, const char *variable)
{
	if (find_variable(items, variable) == count_items(items))
		add_item(items, variable);
}

static int combine_env(const struct nec_build_options *options,
		       const struct nec_source_config *config, const char *home,
		       struct items *items, nec_error *err)
{
	for (char *const *text = config->env; text && *text; text++)
		set_variable(items, *text);
	for (size_t i = 0; i < options->env.count; i++) {
		const char *variable = options->env.items[i];

		if (!strchr(variable, '=') || *variable == '=')
			return nec_error_set(err, NEC_E_INVALID_ARGUMENT, -EINVAL,
					     "\"%s\" is not of the form NAME=value", variable);
		set_variable(items, variable);
	}
	default_variable(items, DOCKER_PATH);
	default_variable(items, home);
	return items->pointers.failed ? nec_error_no_memory(err) : 0;
}

/* An empty line or one with a newline in it is not the item that was meant. */
static void look_for_newlines(struct items *items)
{
	for (size_t i = 0; i < count_items(items); i++) {
		const char *text = *item_at(items, i);

		if (*text == '\0' || strchr(text, '\n'))
			items->needs_nul = true;
	}
}

/* The name is "cmd" or "env"; with a '0' behind it, items end in NUL instead of newline. */
static int write_items(const struct nec_build_options *options, struct items *items,
		       const char *name, const char *name0, struct nec_tree *tree, nec_error *err)
{
	cleanup_buffer struct nec_buffer text = { 0 };

	look_for_newlines(items);
	if (items->needs_nul && options->init)
		return nec_error_set(err, NEC_E_UNSUPPORTED, -EINVAL,
				     "an item of the image's %s is empty or has a newline, which "
				     "only nec-init understands, not %s",
				     name, options->init);
	for (size_t i = 0; i < count_items(items); i++) {
		nec_buffer_append_text(&text, *item_at(items, i));
		nec_buffer_append_u8(&text, items->needs_nul ? '\0' : '\n');
	}
	if (text.failed)
		return nec_error_no_memory(err);
	if (text.size > MAX_LIST_BYTES)
		return nec_error_set(err, NEC_E_TOO_LARGE, -E2BIG,
				     "the image's %s has %zu bytes, more than the kernel passes on",
				     name, text.size);
	return nec_tree_add_literal(tree, nec_tree_root(tree), items->needs_nul ? name0 : name,
				    0644, text.data, text.size, err);
}

/* One line of a small file; @text comes from the image or from the user. */
static int write_line(struct nec_tree *tree, const char *name, const char *text, nec_error *err)
{
	cleanup_buffer struct nec_buffer line = { 0 };

	nec_buffer_append_text(&line, text);
	nec_buffer_append_u8(&line, '\n');
	if (line.failed)
		return nec_error_no_memory(err);
	return nec_tree_add_literal(tree, nec_tree_root(tree), name, 0644, line.data, line.size,
				    err);
}

static void warn_about_init(const nec_context *context, const struct nec_build_options *options,
			    const char *what, const char *value)
{
	if (options->init)
		nec_warn(context, "%s may not know the image's %s (%s); nec-init does",
			 options->init, what, value);
}

/*
 * Makes what is missing of @path below @root, following the symbolic links of the image: @path's
 * longest beginning that leads somewhere is kept, the rest are new directories.
 */
static int make_directory(struct nec_tree *tree, struct nec_tree_entry *root, const char *path,
			  nec_error *err)
{
	cleanup_free char *head = strdup(path);
	struct nec_tree_entry *entry;

	if (!head)
		return nec_error_no_memory(err);
	for (;;) {
		char *slash = strrchr(head, '/');

		entry = nec_tree_resolve(tree, root, head);
		if (entry || !slash)
			break;
		*slash = '\0';
	}
	if (!entry)
		entry = root;
	if (!nec_tree_is_dir(entry))
		return nec_error_set(err, NEC_E_SOURCE, -ENOTDIR,
				     "the image's working directory %s is not a directory", path);
	return nec_tree_add_dirs(tree, entry, path + strlen(head), NULL, err);
}

static int add_workdir(const nec_context *context, const struct nec_build_options *options,
		       const struct nec_source_config *config, struct nec_tree *tree,
		       struct nec_tree_entry *rootfs, nec_error *err)
{
	const char *given = options->workdir ? options->workdir : config->working_dir;
	cleanup_free char *path = NULL;
	int r;

	if (!given || !*given || strcmp(given, "/") == 0)
		return 0;
	if (asprintf(&path, "%s%s", *given == '/' ? "" : "/", given) < 0) {
		path = NULL;
		return nec_error_no_memory(err);
	}
	if (strchr(path, '\n') || strlen(path) > NEC_TREE_MAX_PATH)
		return nec_error_set(err, NEC_E_INVALID_ARGUMENT, -EINVAL,
				     "the working directory has a newline or is longer than %d "
				     "bytes",
				     NEC_TREE_MAX_PATH);
	r = make_directory(tree, rootfs, path, err);
	if (r < 0)
		return r;
	warn_about_init(context, options, "working directory", path);
	return write_line(tree, "workdir", path, err);
}

static int add_user(const nec_context *context, const struct nec_build_options *options,
		    const struct nec_source_user *user, struct nec_tree *tree, nec_error *err)
{
	cleanup_buffer struct nec_buffer text = { 0 };

	if (user->uid == 0 && user->gid == 0 && user->group_count == 0)
		return 0;
	nec_buffer_printf(&text, "%u:%u", user->uid, user->gid);
	for (size_t i = 0; i < user->group_count; i++)
		nec_buffer_printf(&text, "%c%u", i == 0 ? ':' : ',', user->groups[i]);
	if (text.failed)
		return nec_error_no_memory(err);
	warn_about_init(context, options, "user", nec_buffer_text(&text));
	return write_line(tree, "user", nec_buffer_text(&text), err);
}

static int add_cmd_and_env(const struct nec_build_options *options,
			   const struct nec_source_config *config, const char *home,
			   struct nec_tree *tree, nec_error *err)
{
	struct items cmd = { 0 };
	struct items env = { 0 };
	int r = combine_cmd(options, config, &cmd, err);

	if (r == 0)
		r = write_items(options, &cmd, "cmd", "cmd0", tree, err);
	if (r == 0)
		r = combine_env(options, config, home, &env, err);
	if (r == 0)
		r = write_items(options, &env, "env", "env0", tree, err);
	nec_buffer_free(&cmd.pointers);
	nec_buffer_free(&env.pointers);
	return r;
}

int nec_build_run_add(const nec_context *context, const struct nec_build_options *options,
		      const struct nec_source_config *config, struct nec_tree *tree, nec_error *err)
{
	struct nec_tree_entry *rootfs = nec_tree_lookup(tree, nec_tree_root(tree), "rootfs");
	cleanup_free char *home = NULL;
	struct nec_source_user user;
	int r;

	r = nec_source_resolve_user(tree, rootfs, options->user ? options->user : config->user,
				    &user, err);
	if (r < 0)
		return r;
	if (asprintf(&home, "HOME=%s", user.home) < 0) {
		home = NULL;
		return nec_error_no_memory(err);
	}
	r = add_cmd_and_env(options, config, home, tree, err);
	if (r == 0)
		r = add_workdir(context, options, config, tree, rootfs, err);
	if (r == 0)
		r = add_user(context, options, &user, tree, err);
	return r;
}
