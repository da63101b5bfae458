/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory, files and lists. Nothing is ever given back: all of it is needed until the main process
 * runs, and is a few pages.
 */
#ifndef NEC_INIT_DATA_H
#define NEC_INIT_DATA_H

#include <stddef.h>

/* Zeroed; NULL when there is none left. */
void *init_alloc(size_t size);

/* Contents of a file; a NUL stands behind the last byte. */
struct init_text {
	char *data;
	size_t size;
};

/* Reads the whole file; more than @limit bytes is -EFBIG. */
int init_read_file(const char *path, size_t limit, struct init_text *ret);

/* The form of argv and environ: @count strings, a NULL, and room for one string more. */
struct init_items {
	char **vector;
	size_t count;
};

/* Cuts @text at each @separator, in place; one at the very end begins no further item. */
int init_items_split(struct init_text *text, char separator, struct init_items *ret);

#endif
