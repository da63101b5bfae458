/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a tree, shared by tree.c (entries), tree-data.c (contents), tree-walk.c (order). */
#ifndef NEC_IMAGE_TREE_PRIVATE_H
#define NEC_IMAGE_TREE_PRIVATE_H

#include "base/error.h"
#include "image/tree.h"

/* All names and targets together; an honest tree of NEC_TREE_MAX_ENTRIES stays below. */
#define NEC_TREE_MAX_MEMORY (UINT64_C(2) << 30)

/* A file or source folder that contents are read from. */
struct origin {
	int fd;
	char *name;
	const struct nec_tree_entry *base; /* of a folder: the entry that stands for it */
};

struct nec_tree {
	struct arena_block *blocks; /* entries, inodes, names, targets: all freed with the tree */
	uint64_t arena_bytes;
	bool full; /* the last allocation would have gone over the limit */
	struct nec_tree_entry *root;
	struct nec_tree_entry **buckets; /* children by parent and name */
	size_t bucket_count;             /* a power of two */
	size_t count;                    /* entries that are in the tree */
	size_t added;                    /* entries that ever were */
	uint32_t generation;
	uint32_t walk; /* the number of the walk that is going on */

	struct origin *origins;
	size_t origin_count;

	/* The folder of the last file that was opened: its neighbours come next. */
	int parent_fd;
	uint32_t parent_origin;
	const struct nec_tree_entry *parent;
	char name[NEC_TREE_MAX_PATH + NEC_TREE_MAX_NAME]; /* of the last file opened */

	size_t xattr_files;
	const struct nec_tree_entry *xattr_last;
	char xattr_example[NEC_TREE_MAX_PATH + NEC_TREE_MAX_NAME];
};

/* Memory that lives as long as the tree, aligned for any type; NULL when there is none, or when the
 * tree has had its share. */
void *nec_tree_alloc(struct nec_tree *tree, size_t size);

/* Says which of the two it was. Returns -ENOMEM or -EFBIG (NEC_E_TOO_LARGE). */
static inline int nec_tree_no_memory(const struct nec_tree *tree, nec_error *err)
{
	if (!tree->full)
		return nec_error_no_memory(err);
	return nec_error_set(err, NEC_E_TOO_LARGE, -EFBIG,
			     "the names of files and symbolic links need more than %llu bytes",
			     (unsigned long long)NEC_TREE_MAX_MEMORY);
}

#endif
