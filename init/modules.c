/* SPDX-License-Identifier: Apache-2.0 */
#include "modules.h"

#include "data.h"
#include "log.h"
#include "syscall.h"
#include "text.h"

#define FOLDER "/modules"

static bool ends_with(const char *string, const char *end)
{
	size_t length = strlen(string);
	size_t end_length = strlen(end);

	return length > end_length && strcmp(string + length - end_length, end) == 0;
}

bool init_module_name(const char *name, bool *compressed)
{
	*compressed = ends_with(name, ".ko.xz") || ends_with(name, ".ko.zst") ||
		      ends_with(name, ".ko.gz");
	return *compressed || ends_with(name, ".ko");
}

/* There are a dozen of them. */
void init_modules_sort(char **names, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		char *name = names[i];
		size_t at = i;

		for (; at > 0 && strcmp(names[at - 1], name) > 0; at--)
			names[at] = names[at - 1];
		names[at] = name;
	}
}

static void report(const char *path, int error, bool compressed)
{
	const char *why = "";

	if (compressed && (error == -EINVAL || error == -EOPNOTSUPP))
		why = " (this kernel cannot decompress modules?)";
	else if (error == -ENOEXEC)
		why = " (made for another kernel?)";
	else if (error == -ENOENT)
		why = " (a module it depends on is missing?)";
	init_say("cannot load module %s: %s%s", path, init_errno_name(error), why);
}

static void load(const char *path, bool compressed)
{
	int fd = sys_open(path, O_RDONLY);
	int r;

	if (fd == -ENOENT) /* the stock layout's; images of our layout have none */
		return;
	if (fd < 0) {
		init_say("cannot open module %s: %s", path, init_errno_name(fd));
		return;
	}
	r = sys_finit_module(fd, "", compressed ? MODULE_INIT_COMPRESSED_FILE : 0);
	(void)sys_close(fd);
	(void)sys_unlink(path);
	if (r < 0 && r != -EEXIST)
		report(path, r, compressed);
	else
		init_debug("module %s: %s", path, r < 0 ? "already in the kernel" : "loaded");
}

/* Adds the entries of one read that are modules; returns false when there are too many. */
static bool collect(const char *entries, size_t size, char **names, size_t *count)
{
	for (size_t at = 0; at < size;) {
		const struct linux_dirent64 *entry = (const void *)(entries + at);
		size_t length = strlen(entry->d_name) + 1;
		bool compressed;

		at += entry->d_reclen;
		if (!init_module_name(entry->d_name, &compressed))
			continue;
		if (*count == INIT_MODULES_MAX)
			return false;
		names[*count] = init_alloc(length);
		if (!names[*count])
			return false;
		memcpy(names[(*count)++], entry->d_name, length);
	}
	return true;
}

static size_t list(int fd, char **names)
{
	static char entries[4096] __attribute__((aligned(8)));
	size_t count = 0;
	long r;

	while ((r = sys_getdents(fd, entries, sizeof(entries))) > 0) {
		if (!collect(entries, (size_t)r, names, &count)) {
			init_say("%s: more than %u modules, the others are not loaded", FOLDER,
				 INIT_MODULES_MAX);
			break;
		}
	}
	if (r < 0)
		init_say("cannot list %s: %s", FOLDER, init_errno_name((int)r));
	init_modules_sort(names, count);
	return count;
}

static void load_from_folder(const char *name)
{
	static char path[sizeof(FOLDER) + 1 + 256];
	size_t length = strlen(name);
	bool compressed;

	memcpy(path, FOLDER "/", sizeof(FOLDER));
	memcpy(path + sizeof(FOLDER), name, length + 1);
	(void)init_module_name(name, &compressed);
	load(path, compressed);
}

void init_modules_load(void)
{
	static char *names[INIT_MODULES_MAX];
	size_t count;
	int fd;

	load("/nsm.ko", false);
	fd = sys_open(FOLDER, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return;
	count = list(fd, names);
	(void)sys_close(fd);
	for (size_t i = 0; i < count; i++)
		load_from_folder(names[i]);
	(void)sys_rmdir(FOLDER);
}
