/* SPDX-License-Identifier: Apache-2.0 */
#include "base/folder.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"

/*
 * Removing a tree without recursion and with two descriptors, however deep it is: what folders
 * contain folders are moved to the top first.
 */
struct removal {
	int top;
	size_t moved;    /* folders so far: their names there */
	bool progress;   /* in this pass */
	int first_error; /* of this pass */
};

static void note_result(struct removal *removal, int r)
{
	if (r == 0)
		removal->progress = true;
	else if (removal->first_error == 0)
		removal->first_error = r;
}

/* Opens the folder @name for reading and changing, also one that we shut ourselves out of. */
static int open_folder(int fd, const char *name)
{
	int path = openat(fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	char link[64];
	int opened;

	if (path < 0)
		return -errno;
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", path);
	(void)chmod(link, S_IRWXU);
	opened = openat(path, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (opened < 0)
		opened = -errno;
	(void)close(path);
	return opened;
}

/* Moves a folder that is not empty from the folder @fd to the top. */
static int move_up(struct removal *removal, int fd, const char *name)
{
	char to[32];
	int opened = open_folder(fd, name);

	if (opened < 0)
		return opened;
	(void)close(opened);
	do {
		(void)snprintf(to, sizeof(to), "%zu", removal->moved++);
		if (renameat(fd, name, removal->top, to) == 0)
			return 0;
	} while (errno == EEXIST || errno == ENOTEMPTY || errno == ENOTDIR);
	return -errno;
}

static int remove_folder(struct removal *removal, const char *name);

/* Removes @name from the folder @fd, or moves it to the top. */
static int remove_entry(struct removal *removal, int fd, const char *name)
{
	if (unlinkat(fd, name, 0) == 0)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	if (unlinkat(fd, name, AT_REMOVEDIR) == 0)
		return 0;
	if (errno != ENOTEMPTY && errno != EEXIST)
		return -errno;
	return fd == removal->top ? remove_folder(removal, name) : move_up(removal, fd, name);
}

static int for_each_entry(struct removal *removal, int fd)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_closedir DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;

	if (!dir) {
		int r = -errno;

		if (copy >= 0)
			(void)close(copy);
		return r;
	}
	while ((entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			note_result(removal, remove_entry(removal, fd, entry->d_name));
	return 0;
}

/* One of the folders at the top, which is empty once its folders were moved. Recursion ends here.
 */
static int remove_folder(struct removal *removal, const char *name)
{
	cleanup_close int fd = open_folder(removal->top, name);
	int r = fd < 0 ? fd : for_each_entry(removal, fd);

	if (r < 0)
		return r;
	return unlinkat(removal->top, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

int nec_folder_empty(int fd)
{
	struct removal removal = { .top = fd };
	int r = 0;

	/* A pass may leave what it moved; one that does nothing at all is the last. */
	do {
		removal.progress = false;
		removal.first_error = 0;
		r = for_each_entry(&removal, fd);
	} while (r == 0 && removal.progress);
	return r < 0 ? r : removal.first_error;
}

/* ---- the folder ---- */

static int check_empty(int fd, const char *path, nec_error *err)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_closedir DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;

	if (!dir) {
		int r = -errno;

		if (copy >= 0)
			(void)close(copy);
		return nec_error_set_system(err, NEC_E_FILE_WRITE, r, "cannot read the folder %s",
					    path);
	}
	while ((entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		nec_error_set(err, NEC_E_FILE_WRITE, -ENOTEMPTY, "the folder %s is not empty",
			      path);
		nec_error_set_hint(err, "Name a folder that does not exist yet, or is empty.");
		return -ENOTEMPTY;
	}
	return 0;
}

static int open_empty(const char *path, nec_error *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return nec_error_set_system(err, NEC_E_FILE_WRITE, -errno,
					    "cannot open the folder %s", path);
	r = check_empty(fd, path, err);
	if (r == 0)
		return fd;
	(void)close(fd);
	return r;
}

int nec_folder_open(struct nec_folder *folder, const char *path, nec_error *err)
{
	cleanup_free char *copy = strdup(path);
	bool made;
	int fd;

	if (!copy)
		return nec_error_no_memory(err);
	made = mkdir(path, 0777) == 0;
	if (!made && errno != EEXIST)
		return nec_error_set_system(err, NEC_E_FILE_WRITE, -errno,
					    "cannot make the folder %s", path);
	fd = open_empty(path, err);
	if (fd < 0) {
		if (made)
			(void)rmdir(path);
		return fd;
	}
	*folder = (struct nec_folder){ .fd = fd, .path = TAKE_PTR(copy), .made = made };
	return 0;
}

static void release(struct nec_folder *folder)
{
	(void)close(folder->fd);
	free(folder->path);
	*folder = (struct nec_folder)NEC_FOLDER_INIT;
}

void nec_folder_commit(struct nec_folder *folder)
{
	release(folder);
}

void nec_folder_abort(struct nec_folder *folder)
{
	if (folder->fd < 0)
		return;
	(void)nec_folder_empty(folder->fd);
	if (folder->made)
		(void)rmdir(folder->path);
	release(folder);
}
