/* SPDX-License-Identifier: Apache-2.0 */
/* Release at the end of scope: every resource is named with its cleanup on the line it is declared.
 */
#ifndef NEC_BASE_CLEANUP_H
#define NEC_BASE_CLEANUP_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Defines nec_cleanup_<name>(), to be used as NEC_CLEANUP(name) on a variable of that type. */
#define NEC_DEFINE_CLEANUP(name, type, release)            \
	static inline void nec_cleanup_##name(type *value) \
	{                                                  \
		release(*value);                           \
	}
#define NEC_CLEANUP(name) __attribute__((cleanup(nec_cleanup_##name)))

static inline void nec_cleanup_free(void *pointer)
{
	free(*(void **)pointer);
}

static inline void nec_cleanup_close(const int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}

static inline void nec_cleanup_closedir(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir);
}

#define cleanup_free     NEC_CLEANUP(free)
#define cleanup_close    NEC_CLEANUP(close)
#define cleanup_closedir NEC_CLEANUP(closedir)

/* Explicit hand-over: the value leaves the scope, the variable forgets it. */
#define TAKE_PTR(pointer)                               \
	({                                              \
		__typeof__(pointer) taken_ = (pointer); \
		(pointer) = NULL;                       \
		taken_;                                 \
	})

#define TAKE_FD(fd)                \
	({                         \
		int taken_ = (fd); \
		(fd) = -1;         \
		taken_;            \
	})

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

#endif
