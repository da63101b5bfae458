/* SPDX-License-Identifier: Apache-2.0 */
/* Files: bounded reads, kernel-side copies, temporary and installed files. */
#include "base/files.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"

/* Big enough that system calls do not count, small enough to stay in the L2 cache. */
enum { COPY_BUFFER_BYTES = 256 * 1024 };

/* One copy_file_range call is kept this short so that progress and Ctrl-C are noticed. */
enum { COPY_STEP_BYTES = 16 * 1024 * 1024 };

int nec_file_open(const char *path, nec_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return nec_error_set_system(err, NEC_E_FILE_OPEN, -errno, "cannot open %s", path);
	return fd;
}

int nec_file_open_regular(const char *path, uint64_t *ret_size, nec_error *err)
{
	cleanup_close int fd = nec_file_open(path, err);
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return nec_error_set_system(err, NEC_E_FILE_READ, -errno, "cannot stat %s", path);
	if (!S_ISREG(st.st_mode))
		return nec_error_set(err, NEC_E_FILE_OPEN, -EINVAL, "%s is not a regular file",
				     path);
	*ret_size = (uint64_t)st.st_size;
	return TAKE_FD(fd);
}

DIR *nec_opendir_no_link(const char *path)
{
	cleanup_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (dir)
		(void)TAKE_FD(fd);
	return dir;
}

int nec_file_read_at(int fd, const char *name, void *to, size_t size, uint64_t offset,
		     nec_error *err)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = pread(fd, (char *)to + done, size - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return nec_error_set_system(err, NEC_E_FILE_READ, -errno,
						    "cannot read %s at offset %llu", name,
						    (unsigned long long)(offset + done));
		if (n == 0)
			return nec_error_set(err, NEC_E_FILE_READ, -EBADMSG,
					     "%s ends at offset %llu, %zu more bytes are needed",
					     name, (unsigned long long)(offset + done),
					     size - done);
		done += (size_t)n;
	}
	return 0;
}

int nec_file_write_at(int fd, const char *name, const void *from, size_t size, uint64_t offset,
		      nec_error *err)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n =
			pwrite(fd, (const char *)from + done, size - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return nec_error_set_system(err, NEC_E_FILE_WRITE, -errno,
						    "cannot write %s at offset %llu", name,
						    (unsigned long long)(offset + done));
		done += (size_t)n;
	}
	return 0;
}

int nec_file_read_all_fd(int fd, const char *name, size_t limit, struct nec_buffer *to,
			 nec_error *err)
{
	char chunk[16384];
	size_t total = 0;

	for (;;) {
		ssize_t n = read(fd, chunk, sizeof(chunk));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return nec_error_set_system(err, NEC_E_FILE_READ, -errno, "cannot read %s",
						    name);
		if (n == 0)
			return to->failed ? nec_error_no_memory(err) : 0;
		total += (size_t)n;
		if (total > limit)
			return nec_error_set(err, NEC_E_TOO_LARGE, -EFBIG,
					     "%s is larger than the %zu bytes allowed", name,
					     limit);
		nec_buffer_append(to, chunk, (size_t)n);
	}
}

int nec_file_read_all(const char *path, size_t limit, struct nec_buffer *to, nec_error *err)
{
	cleanup_close int fd = nec_file_open(path, err);

	if (fd < 0)
		return fd;
	return nec_file_read_all_fd(fd, path, limit, to, err);
}

/* Returns the bytes copied, 0 at the end of the source, or a negative errno. */
static ssize_t copy_by_kernel(int from, uint64_t from_offset, int to, uint64_t to_offset,
			      uint64_t size)
{
	off_t in = (off_t)from_offset;
	off_t out = (off_t)to_offset;
	ssize_t n = copy_file_range(from, &in, to, &out,
				    size < COPY_STEP_BYTES ? size : COPY_STEP_BYTES, 0);

	return n < 0 ? -errno : n;
}

static ssize_t copy_by_buffer(int from, uint64_t from_offset, int to, uint64_t to_offset,
			      uint64_t size, char *buffer)
{
	size_t step = size < COPY_BUFFER_BYTES ? (size_t)size : COPY_BUFFER_BYTES;
	ssize_t n = pread(from, buffer, step, (off_t)from_offset);
	ssize_t done = 0;

	if (n < 0)
		return -errno;
	while (done < n) {
		ssize_t written =
			pwrite(to, buffer + done, (size_t)(n - done), (off_t)to_offset + done);

		if (written < 0 && errno != EINTR)
			return -errno;
		if (written > 0)
			done += written;
	}
	return n;
}

/* What copy_file_range says where it cannot help: other file systems, old kernels, special files.
 */
static bool kernel_cannot_copy(ssize_t result)
{
	return result == -EXDEV || result == -ENOSYS || result == -EINVAL ||
	       result == -EOPNOTSUPP || result == -EPERM || result == -EBADF;
}

int nec_file_copy_range(int from, const char *from_name, uint64_t from_offset, int to,
			const char *to_name, uint64_t to_offset, uint64_t size,
			struct nec_progress *progress, nec_error *err)
{
	cleanup_free char *buffer = NULL;
	uint64_t done = 0;

	while (done < size) {
		ssize_t n = buffer ? copy_by_buffer(from, from_offset + done, to, to_offset + done,
						    size - done, buffer)
				   : copy_by_kernel(from, from_offset + done, to, to_offset + done,
						    size - done);
		int r = 0;

		/* Some file systems (procfs) answer 0 where only read() works: ask again by hand.
		 */
		if (!buffer && (n == 0 || kernel_cannot_copy(n))) {
			buffer = malloc(COPY_BUFFER_BYTES);
			if (!buffer)
				return nec_error_no_memory(err);
			continue;
		}
		if (n == -EINTR)
			n = 0;
		else if (n < 0)
			return nec_error_set_system(err, NEC_E_FILE_WRITE, (int)n,
						    "cannot copy %s to %s", from_name, to_name);
		else if (n == 0)
			return nec_error_set(
				err, NEC_E_FILE_CHANGED, -EBADMSG,
				"%s became shorter while it was read: %llu bytes are missing",
				from_name, (unsigned long long)(size - done));
		done += (uint64_t)n;
		if (progress)
			r = nec_progress_add(progress, (uint64_t)n, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int nec_file_temporary(nec_error *err)
{
	const char *dirs[] = { getenv("TMPDIR"), "/var/tmp", "/tmp" };
	int r = -ENOENT;

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		int fd = dirs[i] && *dirs[i] ? open(dirs[i], O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)
					     : -1;

		if (fd >= 0)
			return fd;
		if (dirs[i])
			r = -errno;
	}
	return nec_error_set_system(err, NEC_E_FILE_WRITE, r,
				    "cannot make a temporary file in $TMPDIR, /var/tmp or /tmp");
}

/* <folder of the program>/../share/nec/<name>, which holds for the build tree and for an
 * installation. */
static char *path_beside_program(const char *name)
{
	char program[PATH_MAX];
	ssize_t size = readlink("/proc/self/exe", program, sizeof(program) - 1);
	char *slash;
	char *path;

	if (size <= 0)
		return NULL;
	program[size] = '\0';
	slash = strrchr(program, '/');
	if (!slash)
		return NULL;
	*slash = '\0';
	return asprintf(&path, "%s/../share/nec/%s", program, name) < 0 ? NULL : path;
}

int nec_data_path(const char *name, char **ret, nec_error *err)
{
	const char *dir = getenv("NEC_DATA_DIR");
	cleanup_free char *path = NULL;

	if (dir && *dir) {
		if (asprintf(&path, "%s/%s", dir, name) < 0)
			path = NULL;
	} else {
		path = path_beside_program(name);
		if (!path || access(path, R_OK) < 0) {
			free(path);
			if (asprintf(&path, "/usr/share/nec/%s", name) < 0)
				path = NULL;
		}
	}
	if (!path)
		return nec_error_no_memory(err);
	if (access(path, R_OK) < 0)
		return nec_error_set_system(err, NEC_E_DATA_MISSING, -errno, "cannot read %s",
					    path);
	*ret = TAKE_PTR(path);
	return 0;
}
