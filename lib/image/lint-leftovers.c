/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lint: what is handy while debugging and dangerous in production, and secrets, in the files of the
 * merged ramdisks: of the whole system that boots (KIWI's way) or of the one below rootfs/.
 */
#include <ctype.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "image/lint-files.h"

static const char stock_prefix[] = "rootfs/";

/* The file that is looked at, and the root directory of its system. */
struct scan {
	nec_lint *lint;
	const struct nec_tree_entry *entry;
	struct nec_tree_entry *base;
	const char *path; /* below base */
};

static bool is_comment(const char *line)
{
	line += strspn(line, " \t");
	return *line == '#' || *line == ';' || *line == '\0' || *line == '\r';
}

/* ExecStart= of a getty: "--autologin root", or "-a root". */
static void check_unit(const struct scan *scan, char *line)
{
	line += strspn(line, " \t");
	if (strncmp(line, "ExecStart", strlen("ExecStart")) != 0 || !strstr(line, "getty"))
		return;
	if (strstr(line, "--autologin") || strstr(line, " -a "))
		nec_lint_report_entry(scan->lint, NEC_RULE_AUTOLOGIN, scan->entry,
				      "the unit logs in without asking: %s", line);
}

/* "id:runlevels:action:process", in sysvinit's and busybox's form. */
static void check_inittab(const struct scan *scan, char *line)
{
	const char *process = strrchr(line, ':');
	const char *slash;

	if (is_comment(line) || !process)
		return;
	process += strspn(process, ":-");
	slash = strrchr(process, '/');
	if (strstr(process, "--autologin") || strstr(process, " -a ") ||
	    strstr(process, "login -f") ||
	    (slash && (strcmp(slash, "/sh") == 0 || strcmp(slash, "/bash") == 0 ||
		       strcmp(slash, "/ash") == 0)))
		nec_lint_report_entry(scan->lint, NEC_RULE_AUTOLOGIN, scan->entry,
				      "inittab has a shell without login: %s", line);
}

/* "name:password:...": in passwd an empty password field means just that. */
static void check_passwd(const struct scan *scan, char *line)
{
	char *name = strsep(&line, ":");
	const char *password = strsep(&line, ":");

	/* "+::::::" includes the entries of NIS. */
	if (*name && *name != '+' && password && *password == '\0' && line)
		nec_lint_report_entry(scan->lint, NEC_RULE_EMPTY_PASSWORD, scan->entry,
				      "the password of %s is empty", name);
}

/* As above; the hash is not repeated in the finding. */
static void check_shadow(const struct scan *scan, char *line)
{
	char *name = strsep(&line, ":");
	const char *password = strsep(&line, ":");

	if (!*name || !password)
		return;
	if (*password == '\0')
		nec_lint_report_entry(scan->lint, NEC_RULE_EMPTY_PASSWORD, scan->entry,
				      "the password of %s is empty", name);
	else if (strcmp(name, "root") == 0 && !strchr("!*", *password))
		nec_lint_report_entry(scan->lint, NEC_RULE_ROOT_PASSWORD, scan->entry,
				      "root has a password");
}

static void check_sshd(const struct scan *scan, char *line)
{
	static const struct {
		const char *keyword;
		enum nec_rule rule;
	} rows[] = {
		{ "PermitRootLogin", NEC_RULE_SSHD_ROOT_LOGIN },
		{ "PasswordAuthentication", NEC_RULE_SSHD_PASSWORD },
	};
	const char *keyword = strtok_r(line, " \t\r=\"", &line);
	const char *value = strtok_r(NULL, " \t\r=\"", &line);

	if (!keyword || !value || strcasecmp(value, "yes") != 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (strcasecmp(keyword, rows[i].keyword) == 0)
			nec_lint_report_entry(scan->lint, rows[i].rule, scan->entry, "%s is yes",
					      rows[i].keyword);
}

static bool has_sshd(const struct scan *scan)
{
	struct nec_tree *tree = scan->lint->files.tree;

	return nec_tree_resolve(tree, scan->base, "/usr/sbin/sshd") ||
	       nec_tree_resolve(tree, scan->base, "/usr/bin/sshd");
}

static bool is_private(const struct scan *scan)
{
	const char *dot = strrchr(scan->entry->name, '.');

	return !dot || strcmp(dot, ".pub") != 0;
}

/*
 * Files that are looked into. Each line is shown to @line, in a copy that may be changed; with a
 * @rule instead, any line that is not empty or a comment breaks it.
 */
static const struct text_check {
	const char *pattern; /* of fnmatch(); '*' goes over '/' */
	void (*line)(const struct scan *scan, char *line);
	enum nec_rule rule;
	bool (*when)(const struct scan *scan); /* NULL: always */
} text_checks[] = {
	{ "etc/systemd/system/*.service", check_unit, 0, NULL },
	{ "etc/systemd/system/*.conf", check_unit, 0, NULL },
	{ "usr/lib/systemd/system/*.service", check_unit, 0, NULL },
	{ "usr/lib/systemd/system/*.conf", check_unit, 0, NULL },
	{ "lib/systemd/system/*.service", check_unit, 0, NULL },
	{ "lib/systemd/system/*.conf", check_unit, 0, NULL },
	{ "etc/inittab", check_inittab, 0, NULL },
	{ "etc/passwd", check_passwd, 0, NULL },
	{ "etc/shadow", check_shadow, 0, NULL },
	{ "etc/ssh/sshd_config", check_sshd, 0, has_sshd },
	{ "etc/ssh/sshd_config.d/*.conf", check_sshd, 0, has_sshd },
	{ "usr/etc/ssh/sshd_config", check_sshd, 0, has_sshd },
	{ "usr/etc/ssh/sshd_config.d/*.conf", check_sshd, 0, has_sshd },
	{ "root/.ssh/authorized_keys*", NULL, NEC_RULE_AUTHORIZED_KEYS, NULL },
	{ "home/*/.ssh/authorized_keys*", NULL, NEC_RULE_AUTHORIZED_KEYS, NULL },
	{ "etc/ssh/authorized_keys/*", NULL, NEC_RULE_AUTHORIZED_KEYS, NULL },
	{ "etc/ssh/ssh_host_*_key", NULL, NEC_RULE_PRIVATE_KEY, NULL },
	{ "root/.ssh/id_*", NULL, NEC_RULE_PRIVATE_KEY, is_private },
	{ "home/*/.ssh/id_*", NULL, NEC_RULE_PRIVATE_KEY, is_private },
	{ "root/.aws/credentials", NULL, NEC_RULE_PRIVATE_KEY, NULL },
	{ "home/*/.aws/credentials", NULL, NEC_RULE_PRIVATE_KEY, NULL },
	{ "root/.docker/config.json", NULL, NEC_RULE_PRIVATE_KEY, NULL },
	{ "root/.netrc", NULL, NEC_RULE_PRIVATE_KEY, NULL },
	{ "etc/ssl/private/*", NULL, NEC_RULE_PRIVATE_KEY, NULL },
};

static const struct text_check *find_check(const char *path)
{
	for (size_t i = 0; i < ARRAY_SIZE(text_checks); i++)
		if (fnmatch(text_checks[i].pattern, path, 0) == 0)
			return &text_checks[i];
	return NULL;
}

static const char *below_stock(const char *path)
{
	size_t length = strlen(stock_prefix);

	return strncmp(path, stock_prefix, length) == 0 ? path + length : NULL;
}

bool nec_lint_wants_text(const char *path)
{
	static const char *const lists[] = { "cmd", "cmd0", "env", "env0", "workdir" };
	const char *below;

	while (path[0] == '/' || (path[0] == '.' && path[1] == '/'))
		path++;
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		if (strcmp(path, lists[i]) == 0)
			return true;
	below = below_stock(path);
	return find_check(below ? below : path) != NULL;
}

static void report_text(const struct scan *scan, enum nec_rule rule)
{
	if (rule == NEC_RULE_AUTHORIZED_KEYS)
		nec_lint_report_entry(scan->lint, rule, scan->entry,
				      "the keys in this file may log in");
	else
		nec_lint_report_entry(scan->lint, rule, scan->entry,
				      "this file is made for a secret");
}

static void check_text(const struct scan *scan, const struct text_check *check,
		       const struct lint_file *file)
{
	cleanup_free char *copy = strndup(file->text, file->text_size);
	char *rest = copy;
	char *line;

	if (!copy) {
		scan->lint->no_memory = true;
		return;
	}
	while ((line = strsep(&rest, "\n"))) {
		if (is_comment(line))
			continue;
		if (check->line) {
			check->line(scan, line);
		} else {
			report_text(scan, check->rule);
			return;
		}
	}
}

static void check_contents(const struct scan *scan)
{
	const struct lint_file *file = nec_lint_file_of(scan->entry);
	const struct text_check *check;

	if (!file || !file->is_text)
		return;
	check = find_check(scan->path);
	if (check && (!check->when || check->when(scan)))
		check_text(scan, check, file);
}

static bool is_path_folder(const char *path, size_t size)
{
	static const char *const folders[] = { "bin",      "sbin",          "usr/bin",
					       "usr/sbin", "usr/local/bin", "usr/local/sbin" };

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
		if (strlen(folders[i]) == size && memcmp(folders[i], path, size) == 0)
			return true;
	return false;
}

static void check_mode(const struct scan *scan)
{
	const struct nec_tree_inode *inode = scan->entry->inode;
	const char *slash = strrchr(scan->path, '/');
	size_t folder_size = slash ? (size_t)(slash - scan->path) : 0;
	bool program = S_ISREG(inode->mode) && is_path_folder(scan->path, folder_size);
	bool folder = S_ISDIR(inode->mode) && !(inode->mode & S_ISVTX) &&
		      is_path_folder(scan->path, strlen(scan->path));

	if ((program || folder) && inode->uid == 0 && (inode->mode & S_IWOTH))
		nec_lint_report_entry(scan->lint, NEC_RULE_WORLD_WRITABLE, scan->entry,
				      "its mode is %04o", inode->mode & 07777);
	if (S_ISREG(inode->mode) && (inode->mode & 0111) && (inode->mode & (S_ISUID | S_ISGID)))
		nec_lint_report_entry(scan->lint, NEC_RULE_SETUID, scan->entry,
				      "its mode is %04o, its owner %u:%u", inode->mode & 07777,
				      inode->uid, inode->gid);
}

/* Enabling a unit is a link to it. */
static void check_debug_shell(const struct scan *scan)
{
	if (S_ISLNK(scan->entry->inode->mode) &&
	    fnmatch("etc/systemd/system/*.wants/debug-shell.service", scan->path, 0) == 0)
		nec_lint_report_entry(scan->lint, NEC_RULE_AUTOLOGIN, scan->entry,
				      "systemd's root shell on a terminal is enabled");
}

static int look_at(void *userdata, const char *path, size_t path_size, struct nec_tree_entry *entry,
		   nec_error *err)
{
	nec_lint *lint = userdata;
	struct nec_tree *tree = lint->files.tree;
	const char *below = below_stock(path);
	struct scan scan = {
		.lint = lint,
		.entry = entry,
		.base = below ? nec_tree_lookup(tree, nec_tree_root(tree), "rootfs")
			      : nec_tree_root(tree),
		.path = below ? below : path,
	};

	(void)path_size;
	check_contents(&scan);
	check_mode(&scan);
	check_debug_shell(&scan);
	return nec_check_cancel(lint->context, err);
}

int nec_lint_leftovers(nec_lint *lint, nec_error *err)
{
	struct nec_tree *tree = lint->files.tree;

	return nec_tree_walk(tree, nec_tree_root(tree), look_at, lint, err);
}
