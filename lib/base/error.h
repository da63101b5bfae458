/* SPDX-License-Identifier: Apache-2.0 */
/* Filling nec_error: one line to set and return, as `return nec_error_set(err, CODE, -errno, ...)`.
 */
#ifndef NEC_BASE_ERROR_H
#define NEC_BASE_ERROR_H

#include <errno.h>
#include <stdarg.h>

#include "nec.h"

/**
 * nec_error_set() - fill @err and hand back the errno value to return
 * @err:    may be NULL
 * @code:   what went wrong; its standing hint from the table is copied too
 * @result: the negative errno to return; its positive value becomes os_error
 * @format: the message: what failed, with the values
 *
 * Returns @result.
 */
int nec_error_set(nec_error *err, enum nec_error_code code, int result, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/**
 * nec_error_set_system() - as above for a failed system call: appends ": <text of errno>"
 * @result: negative errno
 */
int nec_error_set_system(nec_error *err, enum nec_error_code code, int result, const char *format,
			 ...) __attribute__((format(printf, 4, 5)));

/* Out of memory, with nothing to say but that. Returns -ENOMEM. */
int nec_error_no_memory(nec_error *err);

/*
 * The same calls as expressions whose value the compiler and the analyzers see to be @result: then
 * `if (r < 0) return r;` after a callee tells them that what the callee did not write is not read.
 * cppcheck alone expands the name in a macro of that name once more, and then sees nonsense.
 */
#ifndef __cppcheck__
#define nec_error_set(err, code, result, ...)                                 \
	({                                                                    \
		const int nec_result_ = (result);                             \
		(void)nec_error_set((err), (code), nec_result_, __VA_ARGS__); \
		nec_result_;                                                  \
	})
#define nec_error_set_system(err, code, result, ...)                                 \
	({                                                                           \
		const int nec_result_ = (result);                                    \
		(void)nec_error_set_system((err), (code), nec_result_, __VA_ARGS__); \
		nec_result_;                                                         \
	})
#define nec_error_no_memory(err) ((void)nec_error_no_memory(err), -ENOMEM)
#endif

/* Replaces the hint of an error that was just set; returns nothing so that the result stays clear.
 */
void nec_error_set_hint(nec_error *err, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The code of that name; NEC_E_NONE when there is none. */
enum nec_error_code nec_error_by_name(const char *name);

/* The standing hint of a code, "" when it has none; a static string. */
const char *nec_error_hint(enum nec_error_code code);

/*
 * Puts "<text>: " in front of the message of an error that a lower layer set, e.g. the path of the
 * file that it was reading. Returns @result unchanged.
 */
int nec_error_prefix(nec_error *err, int result, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
