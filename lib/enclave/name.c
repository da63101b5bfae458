/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Choosing a name. An enclave answers to its name only once it has booted, so two launches at the
 * same time would both find a name free. Therefore a launch reserves it: a locked file for each
 * name, not one lock for all, so that launches do not wait for each other's boot. The lock goes
 * with its process, however that ends; a file that is left is locked by nobody and holds up nobody,
 * and a later launch removes it.
 */
#include "enclave/name.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "base/error.h"
#include "enclave/client.h"

#define LOCK_PREFIX ".name-"

enum { OLD_SECONDS = 60 };

/* Of the file, without folders and every ".eif" at its end, as nitro-cli has it. */
static char *default_name(const char *path)
{
	const char *base = strrchr(path, '/');
	char *name = strdup(base ? base + 1 : path);
	size_t length = name ? strlen(name) : 0;

	while (length > 4 && strcmp(name + length - 4, ".eif") == 0) {
		length -= 4;
		name[length] = '\0';
	}
	return name;
}

/* FNV-1a: a name may have any length and any character. Names that share a value share a lock,
 * which costs one of them a number. */
static uint64_t hash(const char *text)
{
	uint64_t value = UINT64_C(0xcbf29ce484222325);

	for (; *text; text++)
		value = (value ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
	return value;
}

/* Whether the file that we have locked still is the one of that name: its owner before us removed
 * it when it let go. */
static bool is_current(int fd, const char *path)
{
	struct stat ours;
	struct stat named;

	return fstat(fd, &ours) == 0 && lstat(path, &named) == 0 && ours.st_ino == named.st_ino &&
	       ours.st_dev == named.st_dev;
}

/*
 * False when another launch has the name. Where no file can be made there is no reservation, and
 * the launch goes on as nitro-cli's do.
 */
static bool reserve(const char *dir, struct nec_name *name)
{
	const char *path = name->lock_path.text;

	(void)snprintf(name->lock_path.text, sizeof(name->lock_path.text),
		       "%s/" LOCK_PREFIX "%016" PRIx64, dir, hash(name->text));
	for (;;) {
		cleanup_close int fd =
			open(path, O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0644);

		if (fd < 0)
			return true;
		if (flock(fd, LOCK_EX | LOCK_NB) < 0)
			return errno != EWOULDBLOCK;
		if (is_current(fd, path)) {
			name->lock_fd = TAKE_FD(fd);
			return true;
		}
	}
}

/* One that has just been made is about to be locked, and must not find us there. */
static bool is_old(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_mtime < time(NULL) - OLD_SECONDS;
}

/* A launch that is killed leaves its file. Who removes it has its lock, as its owner had. */
static void remove_left(const char *dir)
{
	cleanup_closedir DIR *folder = opendir(dir);
	struct dirent *entry;

	while (folder && (entry = readdir(folder))) {
		cleanup_close int fd = -1;
		struct nec_path path;

		if (strncmp(entry->d_name, LOCK_PREFIX, strlen(LOCK_PREFIX)) != 0)
			continue;
		(void)snprintf(path.text, sizeof(path.text), "%s/%s", dir, entry->d_name);
		fd = open(path.text, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
		if (fd >= 0 && is_old(fd) && flock(fd, LOCK_EX | LOCK_NB) == 0 &&
		    is_current(fd, path.text))
			(void)unlink(path.text);
	}
}

/* Whether a running enclave has it, as far as it can be told. */
static bool is_taken(const char *dir, const char *name)
{
	cleanup_free char *socket = NULL;
	int r = nec_client_find(dir, NULL, name, &socket, NULL);

	return r == 0 || r == -ENOTUNIQ;
}

void nec_name_release(struct nec_name *name)
{
	if (name->lock_fd >= 0) {
		(void)unlink(name->lock_path.text);
		(void)close(name->lock_fd);
	}
	free(name->text);
	*name = (struct nec_name)NEC_NAME_INIT;
}

int nec_name_choose(const char *dir, const char *wish, const char *eif_path, struct nec_name *ret,
		    nec_error *err)
{
	cleanup_free char *base = wish && *wish ? strdup(wish) : default_name(eif_path);
	struct nec_name name = NEC_NAME_INIT;

	remove_left(dir);
	name.text = base ? strdup(base) : NULL;
	for (unsigned int number = 1; name.text; number++) {
		if (reserve(dir, &name) && !is_taken(dir, name.text)) {
			*ret = name;
			return 0;
		}
		nec_name_release(&name);
		if (asprintf(&name.text, "%s_%u", base, number) < 0)
			name.text = NULL;
	}
	return nec_error_no_memory(err);
}
