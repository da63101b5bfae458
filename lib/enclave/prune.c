/* SPDX-License-Identifier: Apache-2.0 */
/* Files by age. */
#include "enclave/prune.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/files.h"

struct file {
	char *name;
	struct timespec changed;
};

struct files {
	struct file *items;
	size_t count;
};

/* The newest first. */
static int by_age(const void *left, const void *right)
{
	const struct timespec *a = &((const struct file *)left)->changed;
	const struct timespec *b = &((const struct file *)right)->changed;

	if (a->tv_sec != b->tv_sec)
		return a->tv_sec < b->tv_sec ? 1 : -1;
	return a->tv_nsec < b->tv_nsec ? 1 : a->tv_nsec > b->tv_nsec ? -1 : 0;
}

static bool ends_with(const char *name, const char *suffix)
{
	size_t length = strlen(name);
	size_t size = strlen(suffix);

	return length > size && strcmp(name + length - size, suffix) == 0;
}

static void add(struct files *files, int folder_fd, const char *name)
{
	struct file *items;
	struct stat st;

	if (fstatat(folder_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
		return;
	items = realloc(files->items, (files->count + 1) * sizeof(*items));
	if (!items)
		return;
	files->items = items;
	items[files->count].name = strdup(name);
	items[files->count].changed = st.st_mtim;
	files->count += items[files->count].name ? 1 : 0;
}

struct nec_aged_files nec_aged_files_list(const char *folder, const char *suffix,
					  nec_prune_in_use_fn in_use)
{
	cleanup_closedir DIR *dir = nec_opendir_no_link(folder);
	struct nec_aged_files result = { 0 };
	struct files files = { 0 };
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (ends_with(entry->d_name, suffix) && !in_use(dirfd(dir), folder, entry->d_name))
			add(&files, dirfd(dir), entry->d_name);
	if (files.count > 1)
		qsort(files.items, files.count, sizeof(*files.items), by_age);
	result.names = files.count ? calloc(files.count, sizeof(*result.names)) : NULL;
	for (size_t i = 0; i < files.count; i++) {
		if (result.names)
			result.names[result.count++] = files.items[i].name;
		else
			free(files.items[i].name);
	}
	free(files.items);
	return result;
}

void nec_aged_files_free(struct nec_aged_files *files)
{
	for (size_t i = 0; i < files->count; i++)
		free(files->names[i]);
	free(files->names);
	*files = (struct nec_aged_files){ 0 };
}

void nec_prune(const char *folder, const char *suffix, size_t keep, nec_prune_in_use_fn in_use)
{
	struct nec_aged_files files = nec_aged_files_list(folder, suffix, in_use);
	cleanup_closedir DIR *dir = nec_opendir_no_link(folder);

	for (size_t i = keep; dir && i < files.count; i++)
		(void)unlinkat(dirfd(dir), files.names[i], 0);
	nec_aged_files_free(&files);
}
