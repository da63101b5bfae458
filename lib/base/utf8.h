/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef NEC_BASE_UTF8_H
#define NEC_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Length of the sequence that @text begins with, 0 if it is none. @left is at least 1. */
size_t nec_utf8_length(const unsigned char *text, size_t left);

/* Whether the sequence is a control character: C0, DEL, or C1 (U+0080 to U+009F). */
bool nec_utf8_is_control(const unsigned char *sequence, size_t length);

/*
 * Replaces by '?' what a terminal could take for a command and what is not UTF-8: control
 * characters but newline, and bytes that are no sequence. For text that quotes bytes from outside.
 */
void nec_utf8_make_printable(char *text);

bool nec_utf8_valid(const void *text, size_t size);

#endif
