/* SPDX-License-Identifier: Apache-2.0 */
/* Messages: one line each on stderr, which is the console, in one write. */
#ifndef NEC_INIT_LOG_H
#define NEC_INIT_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

/* A longer message is cut. */
#define INIT_LINE_MAX 512

/* Knows %s, %d, %u, %x and %%. Returns the length; the result always ends in NUL. */
size_t init_format(char *to, size_t size, const char *format, va_list arguments)
	__attribute__((format(printf, 3, 0)));

/* "<program>: <message>\n" */
void init_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same, only with nec.debug on the kernel command line. */
void init_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));
void init_debug_enable(void);

/* "ENOENT" for -ENOENT (or ENOENT); "error 524" for what has no name, valid until the next one. */
const char *init_errno_name(int error);

#endif
