/* SPDX-License-Identifier: Apache-2.0 */
#include "faults.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Calls until the one that fails; 0 or below: none fails. */
static int countdown;
static int failing_errno;
static enum fault_family failing_family;

void fault_arm(enum fault_family family, int number, int error)
{
	failing_family = family;
	failing_errno = error;
	countdown = number;
}

bool fault_disarm(void)
{
	bool refused = countdown <= 0;

	countdown = 0;
	return refused;
}

int fault_suspend(void)
{
	int left = countdown;

	countdown = INT_MIN;
	return left;
}

void fault_resume(int suspended)
{
	countdown = suspended;
}

static bool fails(enum fault_family family)
{
	if (family != failing_family || __atomic_load_n(&countdown, __ATOMIC_RELAXED) <= 0 ||
	    __atomic_sub_fetch(&countdown, 1, __ATOMIC_RELAXED) != 0)
		return false;
	errno = failing_errno;
	return true;
}

/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): the linker's names */
#define WRAP(type, name, parameters, arguments, family, failure) \
	type __real_##name parameters;                           \
	type __wrap_##name parameters;                           \
	type __wrap_##name parameters                            \
	{                                                        \
		if (fails(family))                               \
			return failure;                          \
		return __real_##name arguments;                  \
	}
#define WRAP_MEMORY(name, parameters, arguments) \
	WRAP(void *, name, parameters, arguments, FAULT_MEMORY, NULL)
#define WRAP_FILE(type, name, parameters, arguments) \
	WRAP(type, name, parameters, arguments, FAULT_FILES, -1)

WRAP_MEMORY(malloc, (size_t size), (size))
WRAP_MEMORY(calloc, (size_t count, size_t size), (count, size))
WRAP_MEMORY(realloc, (void *old, size_t size), (old, size))
WRAP_MEMORY(reallocarray, (void *old, size_t count, size_t size), (old, count, size))
WRAP(char *, strdup, (const char *text), (text), FAULT_MEMORY, NULL)
WRAP(char *, strndup, (const char *text, size_t size), (text, size), FAULT_MEMORY, NULL)
WRAP_FILE(ssize_t, pread64, (int fd, void *to, size_t size, off64_t at), (fd, to, size, at))
WRAP_FILE(ssize_t, pwrite64, (int fd, const void *from, size_t size, off64_t at),
	  (fd, from, size, at))
WRAP_FILE(ssize_t, copy_file_range,
	  (int from, off64_t *from_at, int to, off64_t *to_at, size_t size, unsigned int flags),
	  (from, from_at, to, to_at, size, flags))
WRAP_FILE(int, ftruncate64, (int fd, off64_t size), (fd, size))
WRAP_FILE(int, fsync, (int fd), (fd))
WRAP_FILE(int, linkat, (int from, const char *old, int to, const char *new, int flags),
	  (from, old, to, new, flags))
WRAP_FILE(int, mkdir, (const char *path, mode_t mode), (path, mode))
WRAP_FILE(int, mkdirat, (int dir, const char *path, mode_t mode), (dir, path, mode))
WRAP_FILE(int, symlinkat, (const char *target, int dir, const char *path), (target, dir, path))
WRAP_FILE(int, fchmod, (int fd, mode_t mode), (fd, mode))
WRAP_FILE(int, futimens, (int fd, const struct timespec times[2]), (fd, times))
WRAP_FILE(int, utimensat, (int dir, const char *path, const struct timespec times[2], int flags),
	  (dir, path, times, flags))
WRAP_FILE(int, rename, (const char *old, const char *new), (old, new))
WRAP_FILE(int, renameat, (int from, const char *old, int to, const char *new), (from, old, to, new))
WRAP_FILE(int, fstatat64, (int dir, const char *path, struct stat64 *to, int flags),
	  (dir, path, to, flags))
WRAP_FILE(int, fstat64, (int fd, struct stat64 *to), (fd, to))
WRAP_FILE(ssize_t, readlinkat, (int dir, const char *path, char *to, size_t size),
	  (dir, path, to, size))
WRAP(DIR *, fdopendir, (int fd), (fd), FAULT_FILES, NULL)

#define WRAP_OPEN(name, parameters, arguments)  \
	int __real_##name parameters;           \
	int __wrap_##name parameters;           \
	int __wrap_##name parameters            \
	{                                       \
		va_list args;                   \
		mode_t mode;                    \
                                                \
		va_start(args, flags);          \
		mode = va_arg(args, mode_t);    \
		va_end(args);                   \
		if (fails(FAULT_FILES))         \
			return -1;              \
		return __real_##name arguments; \
	}

WRAP_OPEN(open64, (const char *path, int flags, ...), (path, flags, mode))
WRAP_OPEN(openat64, (int dir, const char *path, int flags, ...), (dir, path, flags, mode))
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */
