/* SPDX-License-Identifier: Apache-2.0 */
/* What a test may have left behind, counted or removed: entries of a folder, open descriptors. */
#ifndef NEC_TESTS_UNIT_LEFTOVERS_H
#define NEC_TESTS_UNIT_LEFTOVERS_H

#include <ftw.h>
#include <stdlib.h>

#include "base/cleanup.h"

/* Aborts when there is no such folder: two counts that could not be made are not the same. */
static inline size_t count_entries(const char *path)
{
	cleanup_closedir DIR *dir = opendir(path);
	size_t count = 0;

	if (!dir)
		abort();
	while (readdir(dir))
		count++;
	return count - 2; /* "." and ".." */
}

/* How many descriptors this process has open. */
static inline size_t open_descriptors(void)
{
	return count_entries("/proc/self/fd") - 1; /* the folder itself */
}

static inline int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	(void)remove(path);
	return 0;
}

/* The folder with all that is in it. */
static inline void remove_tree(const char *path)
{
	(void)nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

#endif
