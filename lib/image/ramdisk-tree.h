/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ramdisk's files as a tree, put together by the kernel's rules: parents must come first, paths
 * go through symbolic links, later entries replace earlier ones. Contents are not kept; the caller
 * sees them go by and keeps what it wants of them as the file's literal.
 */
#ifndef NEC_IMAGE_RAMDISK_TREE_H
#define NEC_IMAGE_RAMDISK_TREE_H

#include "image/ramdisk.h"

/* Entries of one tree, over all ramdisks: some 200 MiB of memory. A distribution has 100000. */
#define NEC_RAMDISK_TREE_MAX_ENTRIES 1000000

/* Why an entry did not get into the tree, or is odd. */
enum nec_ramdisk_oddity {
	NEC_RAMDISK_ODD_NAME,  /* absolute (got in all the same); with "..", too long (did not) */
	NEC_RAMDISK_NO_PARENT, /* its folder is missing or no folder */
};

struct nec_ramdisk_tree_visitor {
	/* A regular file that has data, or is no hard link, got into the tree. Its data is read
	 * with nec_ramdisk_read(), or not at all. May be NULL. */
	int (*file)(void *userdata, struct nec_ramdisk *ramdisk, const struct nec_cpio_entry *entry,
		    struct nec_tree_inode *inode, nec_error *err);
	/* May be NULL. */
	void (*odd)(void *userdata, const struct nec_cpio_entry *entry,
		    enum nec_ramdisk_oddity oddity);
	/* Folders that are missing are made, for a ramdisk that is looked at by itself; otherwise
	 * what lies in them is left out, as the kernel does. */
	bool make_parents;
	void *userdata;
};

/* A tree with the two folders that every kernel brings along, /dev and /root: generation 0. */
int nec_ramdisk_tree_new(struct nec_tree **ret, nec_error *err);

/*
 * Adds the files of @ramdisk, which was just opened, to @tree. What was added before a failure
 * stays. @progress may be NULL and gets the bytes of contents. @ret_entries gets how many entries
 * were read, also on failure.
 *
 * Returns 0, -EFBIG (NEC_E_TOO_LARGE: too many entries), -ECANCELED, what nec_ramdisk_next() gives
 * or what the visitor returned.
 */
int nec_ramdisk_tree_add(struct nec_tree *tree, struct nec_ramdisk *ramdisk,
			 const struct nec_ramdisk_tree_visitor *visitor,
			 struct nec_progress *progress, uint64_t *ret_entries, nec_error *err);

#endif
