/* SPDX-License-Identifier: Apache-2.0 */
/* Finding and executing a program by name. */
#include "run.h"
#include "syscall.h"
#include "text.h"

#define PATH_MAX 4096

bool init_path_next(const char **path, const char *name, char *to, size_t size)
{
	size_t name_length = strlen(name);

	while (*path) {
		const char *folder = *path;
		const char *colon = strchr(folder, ':');
		size_t length = colon ? (size_t)(colon - folder) : strlen(folder);

		*path = colon ? colon + 1 : NULL;
		if (length >= size || name_length >= size - length - 1)
			continue;
		/* NOLINTNEXTLINE(bugprone-not-null-terminated-result): the name follows */
		memcpy(to, folder, length);
		if (length > 0)
			to[length++] = '/';
		memcpy(to + length, name, name_length + 1);
		return true;
	}
	return false;
}

/* A file that is executable but of no known format is a script without its first line. */
static int exec_by_shell(char *file, char *const *argv, char *const *envp)
{
	static char shell[] = "/bin/sh";
	size_t count = 0;
	char **vector;

	while (argv[count])
		count++;
	vector = init_alloc((count + 2) * sizeof(*vector));
	if (!vector)
		return -ENOMEM;
	vector[0] = shell;
	vector[1] = file;
	for (size_t i = 1; i < count; i++)
		vector[i + 1] = argv[i];
	return sys_execve(shell, vector, envp);
}

static int exec_file(char *file, char *const *argv, char *const *envp)
{
	int r = sys_execve(file, argv, envp);

	return r == -ENOEXEC ? exec_by_shell(file, argv, envp) : r;
}

int init_exec(char *const *argv, char *const *envp, const char *path)
{
	char file[PATH_MAX];
	int result = -ENOENT;

	if (strchr(argv[0], '/'))
		return exec_file(argv[0], argv, envp);
	if (argv[0][0] == '\0')
		return -ENOENT;
	while (init_path_next(&path, argv[0], file, sizeof(file))) {
		int r = exec_file(file, argv, envp);

		/* One that may not be executed does not hide another further on. */
		if (r == -EACCES)
			result = r;
		else if (r != -ENOENT && r != -ENOTDIR)
			return r;
	}
	return result;
}
