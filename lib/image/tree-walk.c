/* SPDX-License-Identifier: Apache-2.0 */
/* The order of a tree, and what is counted by going through it. */
#include <string.h>

#include "base/error.h"
#include "image/tree-private.h"

/*
 * In the bytewise order of whole paths "a" < "a-b" < "a/c": an entry and what is below it need not
 * be neighbours. So each directory is two steps for its parent: its name, and its name with '/'.
 */
struct visit {
	struct nec_tree_entry *entry;
	bool below;
};

struct walk {
	nec_tree_visit_fn visit;
	void *userdata;
	char path[NEC_TREE_MAX_PATH + 1];
};

/* The byte that follows a whole name. Names have neither NUL nor '/'. */
static unsigned char byte_at(const struct visit *visit, size_t i)
{
	if (i < visit->entry->name_size)
		return (unsigned char)visit->entry->name[i];
	return visit->below ? '/' : '\0';
}

static int compare_visits(const void *left, const void *right)
{
	const struct visit *a = left;
	const struct visit *b = right;
	size_t common = a->entry->name_size < b->entry->name_size ? a->entry->name_size
								  : b->entry->name_size;
	int r = memcmp(a->entry->name, b->entry->name, common);

	return r ? r : byte_at(a, common) - byte_at(b, common);
}

static size_t count_visits(const struct nec_tree_entry *dir)
{
	size_t count = 0;

	for (const struct nec_tree_entry *child = dir->first_child; child; child = child->next)
		count += child->first_child ? 2 : 1;
	return count;
}

/* Recursion is bounded by NEC_TREE_MAX_PATH / 2. */
static int walk_dir(struct walk *walk, const struct nec_tree_entry *dir, nec_error *err)
{
	size_t count = count_visits(dir);
	cleanup_free struct visit *visits = calloc(count ? count : 1, sizeof(*visits));
	size_t n = 0;
	int r = 0;

	if (!visits)
		return nec_error_no_memory(err);
	for (struct nec_tree_entry *child = dir->first_child; child; child = child->next) {
		visits[n++].entry = child;
		if (child->first_child)
			visits[n++] = (struct visit){ .entry = child, .below = true };
	}
	qsort(visits, count, sizeof(*visits), compare_visits);
	for (size_t i = 0; i < count && r == 0; i++) {
		struct nec_tree_entry *entry = visits[i].entry;
		size_t begin = entry->path_size - entry->name_size;

		memcpy(walk->path + begin, entry->name, entry->name_size);
		walk->path[entry->path_size] = visits[i].below ? '/' : '\0';
		r = visits[i].below
			    ? walk_dir(walk, entry, err)
			    : walk->visit(walk->userdata, walk->path, entry->path_size, entry, err);
	}
	return r;
}

/* Writes the path of @entry below the root to @to, with a '/' at its end unless it is empty. */
static void write_prefix(const struct nec_tree_entry *entry, char *to)
{
	for (; entry->parent; entry = entry->parent) {
		memcpy(to + entry->path_size - entry->name_size, entry->name, entry->name_size);
		to[entry->path_size] = '/';
	}
}

int nec_tree_walk(struct nec_tree *tree, struct nec_tree_entry *base, nec_tree_visit_fn visit,
		  void *userdata, nec_error *err)
{
	struct walk walk = { .visit = visit, .userdata = userdata };

	tree->walk++;
	write_prefix(base, walk.path);
	return walk_dir(&walk, base, err);
}

bool nec_tree_first_visit(const struct nec_tree *tree, struct nec_tree_inode *inode)
{
	if (inode->walk == tree->walk)
		return false;
	inode->walk = tree->walk;
	return true;
}

char *nec_tree_path(const struct nec_tree_entry *entry, const struct nec_tree_entry *base)
{
	size_t skip = base->parent ? base->path_size + 1U : 0;
	char path[NEC_TREE_MAX_PATH + 2];

	if (entry == base)
		return strdup("");
	write_prefix(entry, path);
	return strndup(path + skip, entry->path_size - skip);
}

struct total {
	const struct nec_tree *tree;
	uint64_t bytes;
};

static int add_size(void *userdata, const char *path, size_t path_size,
		    struct nec_tree_entry *entry, nec_error *err)
{
	struct total *total = userdata;

	(void)path;
	(void)path_size;
	(void)err;
	if (S_ISREG(entry->inode->mode) && nec_tree_first_visit(total->tree, entry->inode))
		total->bytes += entry->inode->size;
	return 0;
}

int nec_tree_total_bytes(struct nec_tree *tree, struct nec_tree_entry *base, uint64_t *ret,
			 nec_error *err)
{
	struct total total = { .tree = tree };
	int r = nec_tree_walk(tree, base, add_size, &total, err);

	if (r == 0)
		*ret = total.bytes;
	return r;
}
