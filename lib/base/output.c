/* SPDX-License-Identifier: Apache-2.0 */
/* Output that appears at once or not at all. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/error.h"
#include "base/files.h"

/* Room for "/proc/self/fd/2147483647". */
enum { FD_PATH_SIZE = 32 };

/* A collision of random names is not expected even once. */
enum { NAME_ATTEMPTS = 8 };

/*
 * The file looks like the one it replaces, whose owner only root can keep; a new one has what the
 * umask leaves of 0666.
 */
static void set_mode(int fd, const struct stat *replaced)
{
	mode_t mask;

	if (replaced) {
		(void)!fchown(fd, replaced->st_uid, replaced->st_gid);
		(void)fchmod(fd, replaced->st_mode & 07777);
		return;
	}
	mask = umask(0);
	(void)umask(mask);
	(void)fchmod(fd, 0666 & ~mask);
}

/* A file without a name in the folder of @path; -1 where that, or naming it later, is impossible.
 */
static int open_unnamed(const char *path)
{
	const char *slash = strrchr(path, '/');
	cleanup_free char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");

	if (!folder || access("/proc/self/fd", X_OK) < 0)
		return -1;
	return open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
}

static int open_named(struct nec_output *output, nec_error *err)
{
	if (asprintf(&output->temporary, "%s.XXXXXX", output->path) < 0) {
		output->temporary = NULL;
		return nec_error_no_memory(err);
	}
	output->fd = mkostemp(output->temporary, O_CLOEXEC);
	if (output->fd < 0) {
		int r = nec_error_set_system(err, NEC_E_FILE_WRITE, -errno, "cannot create %s",
					     output->path);

		free(TAKE_PTR(output->temporary));
		return r;
	}
	return 0;
}

int nec_output_open(struct nec_output *output, const char *path, nec_error *err)
{
	struct stat st;
	bool replaces = stat(path, &st) == 0;
	int r = 0;

	*output = (struct nec_output)NEC_OUTPUT_INIT;
	if (replaces && !S_ISREG(st.st_mode))
		return nec_error_set(err, NEC_E_FILE_WRITE, -EINVAL, "%s is not a regular file",
				     path);
	/* A symbolic link stays: what it points to is replaced. */
	output->path = replaces ? realpath(path, NULL) : strdup(path);
	if (!output->path)
		return nec_error_set_system(err, NEC_E_FILE_WRITE, -errno, "cannot find %s", path);
	output->fd = open_unnamed(output->path);
	if (output->fd < 0)
		r = open_named(output, err);
	if (r < 0) {
		nec_output_abort(output);
		return r;
	}
	set_mode(output->fd, replaces ? &st : NULL);
	return 0;
}

int nec_output_sync(struct nec_output *output, nec_error *err)
{
	if (fsync(output->fd) < 0 && errno != EINVAL)
		return nec_error_set_system(err, NEC_E_FILE_WRITE, -errno, "cannot sync %s",
					    output->path);
	return 0;
}

static int link_to(const struct nec_output *output, const char *name)
{
	char fd_path[FD_PATH_SIZE];

	(void)snprintf(fd_path, sizeof(fd_path), "/proc/self/fd/%d", output->fd);
	return linkat(AT_FDCWD, fd_path, AT_FDCWD, name, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
}

/* A link cannot replace a file, so this is a name to rename from. */
static int link_beside(struct nec_output *output)
{
	int r = -EEXIST;

	for (int i = 0; i < NAME_ATTEMPTS && r == -EEXIST; i++) {
		cleanup_free char *name = NULL;
		uint64_t number;

		if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
			return -errno;
		if (asprintf(&name, "%s.%016" PRIx64, output->path, number) < 0) {
			name = NULL;
			return -ENOMEM;
		}
		r = link_to(output, name);
		if (r == 0)
			output->temporary = TAKE_PTR(name);
	}
	return r;
}

static int put_in_place(struct nec_output *output)
{
	int r = 0;

	if (!output->temporary) {
		r = link_to(output, output->path);
		if (r != -EEXIST)
			return r;
		r = link_beside(output);
	}
	if (r == 0 && rename(output->temporary, output->path) < 0)
		return -errno;
	if (r == 0)
		free(TAKE_PTR(output->temporary));
	return r;
}

int nec_output_commit(struct nec_output *output, nec_error *err)
{
	int r = nec_output_sync(output, err);

	if (r < 0)
		return r;
	r = put_in_place(output);
	if (r < 0)
		return nec_error_set_system(err, NEC_E_FILE_WRITE, r, "cannot put %s in its place",
					    output->path);
	if (close(TAKE_FD(output->fd)) < 0)
		return nec_error_set_system(err, NEC_E_FILE_WRITE, -errno, "cannot close %s",
					    output->path);
	nec_output_abort(output);
	return 0;
}

void nec_output_abort(struct nec_output *output)
{
	if (output->temporary)
		(void)unlink(output->temporary);
	if (output->fd >= 0)
		(void)close(output->fd);
	free(output->temporary);
	free(output->path);
	*output = (struct nec_output)NEC_OUTPUT_INIT;
}
