/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "log.h"
#include "syscall.h"
#include "text.h"

/* The kernel takes 2 MiB of arguments and environment together (a quarter of the 8 MiB stack). */
#define LIST_MAX 4194304

#define LINE_FILE_MAX 8192

/*
 * Reads and deletes; 0 means there is no such file. A folder of that name is not ours: it belongs
 * to an image whose root is the ramdisk itself.
 */
static int take_file(const char *path, size_t limit, struct init_text *text)
{
	int r = init_read_file(path, limit, text);

	if (r == -ENOENT || r == -EISDIR)
		return 0;
	if (r < 0) {
		init_say("cannot read %s: %s", path, init_errno_name(r));
		return r;
	}
	(void)sys_unlink(path);
	return 1;
}

/* The NUL-separated file is ours, for items that contain newlines; the stock one may lie beside. */
static int take_list(const char *nul_path, const char *line_path, struct init_items *items)
{
	struct init_text nul_text;
	struct init_text line_text;
	int nul = take_file(nul_path, LIST_MAX, &nul_text);
	int line = nul < 0 ? 0 : take_file(line_path, LIST_MAX, &line_text);
	int r;

	if (nul < 0 || line < 0)
		return nul < 0 ? nul : line;
	if (nul > 0) {
		r = init_items_split(&nul_text, '\0', items);
	} else {
		if (line == 0)
			line_text = (struct init_text){ 0 };
		r = init_items_split(&line_text, '\n', items);
	}
	if (r < 0)
		init_say("cannot read %s: %s", nul > 0 ? nul_path : line_path, init_errno_name(r));
	return r;
}

const char *init_env_get(const struct init_items *env, const char *name)
{
	size_t length = strlen(name);

	for (size_t i = 0; i < env->count; i++) {
		if (strncmp(env->vector[i], name, length) == 0)
			return env->vector[i] + length;
	}
	return NULL;
}

/* Each list has room for one item more. */
static void add_defaults(struct init_config *config)
{
	static char shell[] = "sh";
	static char path[] = "PATH=" INIT_DEFAULT_PATH;

	if (config->cmd.count == 0)
		config->cmd.vector[config->cmd.count++] = shell;
	if (!init_env_get(&config->env, "PATH="))
		config->env.vector[config->env.count++] = path;
}

static bool parse_groups(const char **text, struct init_user *user)
{
	user->group_count = 0;
	do {
		++*text;
		if (user->group_count == INIT_GROUPS_MAX ||
		    !init_number(text, &user->groups[user->group_count]))
			return false;
		user->group_count++;
	} while (**text == ',');
	return true;
}

bool init_user_parse(const char *text, struct init_user *user)
{
	user->group_count = 0;
	if (!init_number(&text, &user->uid) || *text++ != ':' || !init_number(&text, &user->gid))
		return false;
	if (*text == ':' && !parse_groups(&text, user))
		return false;
	if (*text == '\n')
		text++;
	return *text == '\0';
}

static int take_user(struct init_user *user)
{
	struct init_text text;
	int r = take_file("/user", LINE_FILE_MAX, &text);

	if (r <= 0)
		return r;
	if (init_user_parse(text.data, user))
		return 0;
	init_say("/user: not of the form uid:gid[:gid,gid...]: %s", text.data);
	return -EINVAL;
}

static int take_workdir(char **workdir)
{
	struct init_text text;
	int r = take_file("/workdir", LINE_FILE_MAX, &text);
	char *end;

	if (r <= 0)
		return r;
	end = strchr(text.data, '\n');
	if (end)
		*end = '\0';
	if (text.data[0] != '/') {
		init_say("/workdir: not an absolute path: %s", text.data);
		return -EINVAL;
	}
	*workdir = text.data;
	return 0;
}

int init_config_read(struct init_config *config)
{
	int r = take_list("/cmd0", "/cmd", &config->cmd);

	if (r >= 0)
		r = take_list("/env0", "/env", &config->env);
	if (r >= 0)
		r = take_workdir(&config->workdir);
	if (r >= 0)
		r = take_user(&config->user);
	if (r >= 0)
		add_defaults(config);
	return r;
}
