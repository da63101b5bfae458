/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lint: can what the merged ramdisks hold run? The first process, and in nitro-cli's layout (a
 * bootstrap with /init, the image's files below /rootfs, what to run in /cmd and /env) the command.
 */
#include <elf.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "image/lint-files.h"

/* Where nitro-cli's init looks for a command without a slash. */
#define STOCK_PATH "/sbin:/usr/sbin:/bin:/usr/bin"

struct boot {
	nec_lint *lint;
	struct nec_tree *tree;
	struct nec_tree_entry *root;   /* of the ramdisks */
	struct nec_tree_entry *rootfs; /* NULL: not nitro-cli's layout */
};

/* One line or NUL-separated item of a list such as cmd. */
struct items {
	const char *at;
	const char *end;
	char separator;
};

static bool next_item(struct items *items, const char **ret, size_t *ret_size)
{
	const char *end;

	if (items->at >= items->end)
		return false;
	end = memchr(items->at, items->separator, (size_t)(items->end - items->at));
	if (!end)
		end = items->end;
	*ret = items->at;
	*ret_size = (size_t)(end - items->at);
	items->at = end + 1;
	return true;
}

/*
 * The items of the file @nul_name (nec-init's, separated by NULs) or else @line_name (the stock
 * one). Returns the entry, NULL when there is neither.
 */
static struct nec_tree_entry *find_list(const struct boot *boot, const char *nul_name,
					const char *line_name, struct items *ret)
{
	struct nec_tree_entry *entry = nec_tree_lookup(boot->tree, boot->root, nul_name);
	const struct lint_file *file;

	*ret = (struct items){ .separator = entry ? '\0' : '\n' };
	if (!entry)
		entry = nec_tree_lookup(boot->tree, boot->root, line_name);
	file = entry ? nec_lint_file_of(entry) : NULL;
	if (file && file->is_text) {
		ret->at = file->text;
		ret->end = file->text + file->text_size;
	}
	return entry;
}

static bool machine_fits(uint16_t machine, enum nec_arch arch)
{
	if (arch == NEC_ARCH_AARCH64)
		return machine == EM_AARCH64;
	return machine == EM_X86_64 || machine == EM_386; /* x86_64 kernels run both */
}

static void check_machine(const struct boot *boot, const struct nec_tree_entry *entry,
			  const struct lint_file *file)
{
	enum nec_arch arch = nec_eif_get_arch(boot->lint->eif);

	if (!machine_fits(file->machine, arch))
		nec_lint_report_entry(boot->lint, NEC_RULE_PROGRAM_ARCH, entry,
				      "the program is for ELF machine %u, the image for %s",
				      file->machine, nec_arch_name(arch));
}

static void check_interpreter(const struct boot *boot, struct nec_tree_entry *base,
			      const struct nec_tree_entry *entry, const struct lint_file *file)
{
	const struct nec_tree_entry *found;

	if (file->text_size == 0)
		return;
	found = nec_tree_resolve(boot->tree, base, file->text);
	if (!found || !S_ISREG(found->inode->mode))
		nec_lint_report_entry(boot->lint, NEC_RULE_PROGRAM_INTERPRETER, entry,
				      "it needs %s, which is not there", file->text);
}

/*
 * @entry is what process @what runs with @base as its root directory. @by_shell: a file that is no
 * program is run by /bin/sh, as execvp() does.
 */
static void check_program(const struct boot *boot, struct nec_tree_entry *base,
			  const struct nec_tree_entry *entry, const char *what, bool by_shell)
{
	const struct lint_file *file = nec_lint_file_of(entry);
	uint32_t mode = entry->inode->mode;

	if (!S_ISREG(mode) || !(mode & 0111)) {
		nec_lint_report_entry(boot->lint, NEC_RULE_PROGRAM_MODE, entry,
				      "%s is no executable file: its mode is %07o", what, mode);
		return;
	}
	if (!file || file->program == LINT_NOT_LOOKED_AT)
		return;
	if (file->program == LINT_NO_PROGRAM && !by_shell)
		nec_lint_report_entry(boot->lint, NEC_RULE_PROGRAM_FORMAT, entry,
				      "%s is neither an ELF program nor a script", what);
	if (file->program == LINT_ELF)
		check_machine(boot, entry, file);
	check_interpreter(boot, base, entry, file);
}

static void check_init(const struct boot *boot)
{
	const char *path = boot->lint->cmdline.rdinit ? boot->lint->cmdline.rdinit : "/init";
	struct nec_tree_entry *init = nec_tree_resolve(boot->tree, boot->root, path);

	if (init)
		check_program(boot, boot->root, init, "the first process", false);
	else if (nec_eif_find_section(boot->lint->eif, NEC_EIF_RAMDISK))
		nec_lint_report(boot->lint, NEC_RULE_INIT_MISSING,
				LINT_AT(boot->lint->files.offsets[1]),
				"there is no %s in the ramdisks", path);
}

/* Value of PATH in env; the result belongs to the tree and is not cut at its end. */
static const char *find_path(const struct boot *boot, size_t *ret_size)
{
	static const char name[] = "PATH=";
	struct items env;
	const char *item;
	size_t size;

	(void)find_list(boot, "env0", "env", &env);
	while (next_item(&env, &item, &size)) {
		if (size <= strlen(name) || memcmp(item, name, strlen(name)) != 0)
			continue;
		*ret_size = size - strlen(name);
		return item + strlen(name);
	}
	*ret_size = 0;
	return "";
}

/* Looks along @path as execvp() does, in the image's root file system. */
static struct nec_tree_entry *search(const struct boot *boot, const char *path, size_t path_size,
				     const char *command)
{
	struct items folders = { path, path + path_size, ':' };
	const char *folder;
	size_t size;

	while (next_item(&folders, &folder, &size)) {
		char text[NEC_TREE_MAX_PATH + 1];
		struct nec_tree_entry *found;

		if ((size_t)snprintf(text, sizeof(text), "%.*s/%s", (int)size, folder, command) >=
		    sizeof(text))
			continue;
		found = nec_tree_resolve(boot->tree, boot->rootfs, text);
		if (found && S_ISREG(found->inode->mode) && (found->inode->mode & 0111))
			return found;
	}
	return NULL;
}

/* A relative path with a slash counts from the working directory, nec-init's /workdir or "/". */
static struct nec_tree_entry *find_relative(const struct boot *boot, const char *command)
{
	cleanup_free char *path = NULL;
	struct items workdir;
	const char *folder = "";
	size_t size = 0;

	(void)find_list(boot, "workdir", "workdir", &workdir);
	workdir.separator = '\n';
	(void)next_item(&workdir, &folder, &size);
	if (asprintf(&path, "%.*s/%s", (int)size, folder, command) < 0) {
		path = NULL;
		boot->lint->no_memory = true;
		return NULL;
	}
	return nec_tree_resolve(boot->tree, boot->rootfs, path);
}

static struct nec_tree_entry *find_command(const struct boot *boot, const char *command)
{
	struct nec_tree_entry *found;
	const char *path;
	size_t size;

	if (command[0] == '/')
		return nec_tree_resolve(boot->tree, boot->rootfs, command);
	if (strchr(command, '/'))
		return find_relative(boot, command);
	path = find_path(boot, &size);
	found = search(boot, path, size, command);
	return found ? found : search(boot, STOCK_PATH, strlen(STOCK_PATH), command);
}

static void check_command(const struct boot *boot)
{
	struct items items;
	const struct nec_tree_entry *cmd = find_list(boot, "cmd0", "cmd", &items);
	cleanup_free char *command = NULL;
	struct nec_tree_entry *found;
	const char *item;
	size_t size;

	if (!cmd || !nec_lint_file_of(cmd))
		return;
	/* An empty list means a shell. */
	if (!next_item(&items, &item, &size)) {
		item = "sh";
		size = strlen(item);
	}
	command = strndup(item, size);
	if (!command) {
		boot->lint->no_memory = true;
		return;
	}
	found = find_command(boot, command);
	if (!found)
		nec_lint_report_entry(boot->lint, NEC_RULE_COMMAND_MISSING, cmd,
				      "the command is %s, which is not in rootfs/", command);
	else
		check_program(boot, boot->rootfs, found, "the command",
			      nec_tree_resolve(boot->tree, boot->rootfs, "/bin/sh") != NULL);
}

static void check_stock_files(const struct boot *boot)
{
	static const char *const names[][2] = { { "cmd0", "cmd" }, { "env0", "env" } };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct items items;

		if (!find_list(boot, names[i][0], names[i][1], &items))
			nec_lint_report_entry(boot->lint, NEC_RULE_STOCK_FILES, boot->rootfs,
					      "there is no file %s beside rootfs/", names[i][1]);
	}
}

static void check_stock_folders(const struct boot *boot)
{
	static const char *const names[] = { "dev", "proc", "run", "sys", "tmp" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const struct nec_tree_entry *found =
			nec_tree_resolve(boot->tree, boot->rootfs, names[i]);

		if (!found || !nec_tree_is_dir(found))
			nec_lint_report_entry(boot->lint, NEC_RULE_STOCK_FOLDERS, boot->rootfs,
					      "there is no folder rootfs/%s", names[i]);
	}
}

/* Names of variables that tell where a secret is found instead of holding it. */
static bool only_points(const char *name, size_t size)
{
	static const char *const ends[] = { "_FILE", "_PATH", "_DIR", "_URL",
					    "_URI",  "_ARN",  "_NAME" };

	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		size_t length = strlen(ends[i]);

		if (size > length && strncasecmp(name + size - length, ends[i], length) == 0)
			return true;
	}
	return false;
}

static bool is_secret(const char *name, size_t size)
{
	static const char *const parts[] = { "SECRET", "PASSWORD", "PASSWD",     "TOKEN",
					     "APIKEY", "API_KEY",  "ACCESS_KEY", "PRIVATE_KEY" };

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		size_t length = strlen(parts[i]);

		for (size_t at = 0; at + length <= size; at++)
			/* TOKENIZERS_PARALLELISM is none. */
			if (strncasecmp(name + at, parts[i], length) == 0 &&
			    (at + length == size || name[at + length] == '_'))
				return !only_points(name, size);
	}
	return false;
}

/* Names the variable, never its value. */
static void check_env(const struct boot *boot)
{
	struct items items;
	const struct nec_tree_entry *env = find_list(boot, "env0", "env", &items);
	const char *item;
	size_t size;

	while (env && next_item(&items, &item, &size)) {
		const char *sign = memchr(item, '=', size);
		size_t name_size = sign ? (size_t)(sign - item) : size;

		if (sign && name_size + 1 < size && is_secret(item, name_size))
			nec_lint_report_entry(boot->lint, NEC_RULE_ENV_SECRET, env,
					      "the variable %.*s is set", (int)name_size, item);
	}
}

static int find_module(void *userdata, const char *path, size_t path_size,
		       struct nec_tree_entry *entry, nec_error *err)
{
	static const char *const ends[] = { ".ko", ".ko.xz", ".ko.gz", ".ko.zst" };
	nec_lint *lint = userdata;

	(void)err;
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		size_t length = strlen(ends[i]);

		if (!S_ISREG(entry->inode->mode) || path_size <= length ||
		    strcmp(path + path_size - length, ends[i]) != 0)
			continue;
		nec_lint_report_entry(lint, NEC_RULE_CMDLINE_MODULES, entry,
				      "the command line has nomodule, and this is a module");
		return 1;
	}
	return 0;
}

int nec_lint_boot(nec_lint *lint, nec_error *err)
{
	struct boot boot = { .lint = lint,
			     .tree = lint->files.tree,
			     .root = nec_tree_root(lint->files.tree) };
	int r = 0;

	if (lint->cmdline.nomodule)
		r = nec_tree_walk(boot.tree, boot.root, find_module, lint, err);
	boot.rootfs = nec_tree_lookup(boot.tree, boot.root, "rootfs");
	if (boot.rootfs && !nec_tree_is_dir(boot.rootfs))
		boot.rootfs = NULL;
	if (boot.rootfs)
		check_env(&boot);
	/* What is not there may be in a ramdisk that could not be read. */
	if (lint->files.complete)
		check_init(&boot);
	if (lint->files.complete && boot.rootfs) {
		check_stock_files(&boot);
		check_stock_folders(&boot);
		check_command(&boot);
	}
	return r < 0 ? r : 0;
}
