/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text from outside made fit for one line of a terminal and for JSON: control characters and bytes
 * that are not UTF-8 appear as \xNN. Unlike nec_utf8_make_printable() it keeps apart what differs,
 * such as the names of two files.
 */
#ifndef NEC_BASE_PRINTABLE_H
#define NEC_BASE_PRINTABLE_H

#include "base/buffer.h"

void nec_printable_append(struct nec_buffer *to, const void *text, size_t size);

/* The printable form of a C string, to be freed; NULL when out of memory. */
char *nec_printable(const char *text);

#endif
