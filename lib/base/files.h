/* SPDX-License-Identifier: Apache-2.0 */
/* Files: whole reads with a cap, ranges copied by the kernel, output that appears at once or not at
 * all. */
#ifndef NEC_BASE_FILES_H
#define NEC_BASE_FILES_H

#include <dirent.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/progress.h"

/* Opens for reading, close-on-exec. Returns the fd, or a negative errno (NEC_E_FILE_OPEN). */
int nec_file_open(const char *path, nec_error *err);

/* The same for a regular file, and its size. What else it is: -EINVAL (NEC_E_FILE_OPEN). */
int nec_file_open_regular(const char *path, uint64_t *ret_size, nec_error *err);

/* The folder for reading its names, close-on-exec; NULL with errno when it cannot be opened, or
 * when a symbolic link is in its place: what is behind that is not ours to remove. */
DIR *nec_opendir_no_link(const char *path);

/* Reads exactly @size bytes at @offset; fewer is -EBADMSG (NEC_E_FILE_READ). @name is for messages.
 */
int nec_file_read_at(int fd, const char *name, void *to, size_t size, uint64_t offset,
		     nec_error *err);

/* Writes all of @size bytes at @offset. */
int nec_file_write_at(int fd, const char *name, const void *from, size_t size, uint64_t offset,
		      nec_error *err);

/* Appends the file's contents to @to; more than @limit bytes is -EFBIG (NEC_E_TOO_LARGE). */
int nec_file_read_all(const char *path, size_t limit, struct nec_buffer *to, nec_error *err);
int nec_file_read_all_fd(int fd, const char *name, size_t limit, struct nec_buffer *to,
			 nec_error *err);

/*
 * Copies @size bytes from one offset to another without passing them through this process where the
 * file systems can (copy_file_range), else through a small buffer. A source that ends early is
 * -EBADMSG (NEC_E_FILE_CHANGED). Cancellable; @progress may be NULL.
 */
int nec_file_copy_range(int from, const char *from_name, uint64_t from_offset, int to,
			const char *to_name, uint64_t to_offset, uint64_t size,
			struct nec_progress *progress, nec_error *err);

/**
 * struct nec_output - a file in the making
 *
 * Has no name until nec_output_commit() syncs it and puts it in its place, so that nothing is left
 * even of a process that is killed. Where a file system cannot do that it lives under a temporary
 * name beside its target; nec_output_abort() takes that away. An existing target stays untouched
 * until the commit and gives its mode and, if we may, its owner to its successor; a symbolic link
 * is followed. Hard links, ACLs and extended attributes of the old file are not carried over.
 */
struct nec_output {
	int fd;
	char *path;      /* the target; symbolic links are resolved */
	char *temporary; /* name that is ours to remove, or NULL */
};
#define NEC_OUTPUT_INIT  \
	{                \
		.fd = -1 \
	}

int nec_output_open(struct nec_output *output, const char *path, nec_error *err);

/* Waits until all data is on the disk: what can still go wrong goes wrong here. */
int nec_output_sync(struct nec_output *output, nec_error *err);
int nec_output_commit(struct nec_output *output, nec_error *err);
void nec_output_abort(struct nec_output *output);

static inline void nec_cleanup_output(struct nec_output *output)
{
	nec_output_abort(output);
}
#define cleanup_output NEC_CLEANUP(output)

/* An unnamed temporary file in $TMPDIR or /var/tmp or /tmp. Returns the fd. */
int nec_file_temporary(nec_error *err);

/*
 * Path of a file that nec installs under share/nec (e.g. "nec-init.x86_64"): $NEC_DATA_DIR, else
 * ../share/nec beside the running program, else the installed place. To be freed.
 * Returns 0, or -ENOENT (NEC_E_DATA_MISSING).
 */
int nec_data_path(const char *name, char **ret, nec_error *err);

#endif
