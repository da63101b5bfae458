/* SPDX-License-Identifier: Apache-2.0 */
/* Old recordings go: otherwise every enclave would leave one for ever. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/unix-socket.h"
#include "enclave/console.h"

#define LOG_SUFFIX    ".log"
#define SOCKET_SUFFIX ".sock"

struct recording {
	char *name;
	struct timespec changed;
};

struct recordings {
	struct recording *items;
	size_t count;
};

/* The newest first. */
static int by_age(const void *left, const void *right)
{
	const struct timespec *a = &((const struct recording *)left)->changed;
	const struct timespec *b = &((const struct recording *)right)->changed;

	if (a->tv_sec != b->tv_sec)
		return a->tv_sec < b->tv_sec ? 1 : -1;
	return a->tv_nsec < b->tv_nsec ? 1 : a->tv_nsec > b->tv_nsec ? -1 : 0;
}

/* Whether the enclave of a recording still serves its console. A dead socket is taken away. */
static bool is_served(const char *folder, const char *log_name)
{
	int length = (int)(strlen(log_name) - strlen(LOG_SUFFIX));
	struct nec_path path;
	int fd;

	if (nec_path_socket(&path, NULL, "%s/%.*s" SOCKET_SUFFIX, folder, length, log_name) < 0)
		return true;
	fd = nec_connect_unix_type(path.text, SOCK_STREAM | SOCK_NONBLOCK);
	if (fd >= 0)
		(void)close(fd);
	if (fd == -ECONNREFUSED)
		(void)unlink(path.text);
	return fd != -ECONNREFUSED && fd != -ENOENT;
}

static bool is_recording(const char *name)
{
	size_t length = strlen(name);
	size_t suffix = strlen(LOG_SUFFIX);

	return length > suffix && strcmp(name + length - suffix, LOG_SUFFIX) == 0;
}

static void add_recording(struct recordings *recordings, int folder_fd, const char *name)
{
	struct recording *items;
	struct stat st;

	if (fstatat(folder_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
		return;
	items = realloc(recordings->items, (recordings->count + 1) * sizeof(*items));
	if (!items)
		return;
	recordings->items = items;
	items[recordings->count].name = strdup(name);
	items[recordings->count].changed = st.st_mtim;
	recordings->count += items[recordings->count].name ? 1 : 0;
}

void nec_console_prune(const char *folder, size_t keep)
{
	cleanup_closedir DIR *dir = opendir(folder);
	struct recordings recordings = { 0 };
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (is_recording(entry->d_name) && !is_served(folder, entry->d_name))
			add_recording(&recordings, dirfd(dir), entry->d_name);
	if (recordings.count > 1)
		qsort(recordings.items, recordings.count, sizeof(*recordings.items), by_age);
	for (size_t i = 0; i < recordings.count; i++) {
		if (i >= keep)
			(void)unlinkat(dirfd(dir), recordings.items[i].name, 0);
		free(recordings.items[i].name);
	}
	free(recordings.items);
}
