/* SPDX-License-Identifier: Apache-2.0 */
#include "image/ramdisk-tree.h"

#include <string.h>

#include "base/error.h"
#include "image/hard-links.h"

struct adding {
	struct nec_tree *tree;
	struct nec_ramdisk *ramdisk;
	const struct nec_ramdisk_tree_visitor *visitor;
	struct nec_hard_links links;
};

/* The next component of *@path, which is moved behind it; 0 at the end. */
static size_t next_component(const char **path, const char **ret)
{
	size_t size;

	*path += strspn(*path, "/");
	size = strcspn(*path, "/");
	*ret = *path;
	*path += size;
	return size;
}

static bool is_dot(const char *name, size_t size)
{
	return size == 1 && name[0] == '.';
}

/* Finds the last component that is not "."; false for the root itself and when there is a "..". */
static bool split_name(const char *path, const char **ret_name, size_t *ret_size, bool *ret_dotdot)
{
	const char *name;
	size_t size;

	*ret_size = 0;
	*ret_dotdot = false;
	while ((size = next_component(&path, &name)) > 0) {
		if (size == 2 && memcmp(name, "..", 2) == 0)
			*ret_dotdot = true;
		if (is_dot(name, size))
			continue;
		*ret_name = name;
		*ret_size = size;
	}
	return *ret_size > 0 && !*ret_dotdot;
}

/* The folder that the first @size bytes of @path lead to; NULL in *@ret when there is none. */
static int find_parent(struct adding *adding, const char *path, size_t size,
		       struct nec_tree_entry **ret, nec_error *err)
{
	struct nec_tree_entry *root = nec_tree_root(adding->tree);
	cleanup_free char *parent = strndup(path, size);

	if (!parent)
		return nec_error_no_memory(err);
	if (adding->visitor->make_parents) {
		int r = nec_tree_resolve_dir(adding->tree, root, parent, ret, err);

		return r == -ENOTDIR || r == -ELOOP ? 0 : r;
	}
	*ret = nec_tree_resolve(adding->tree, root, parent);
	if (*ret && !nec_tree_is_dir(*ret))
		*ret = NULL;
	return 0;
}

int nec_ramdisk_tree_new(struct nec_tree **ret, nec_error *err)
{
	cleanup_tree struct nec_tree *tree = NULL;
	int r = nec_tree_new(&tree, err);

	if (r == 0)
		r = nec_tree_add_dirs(tree, nec_tree_root(tree), "dev", NULL, err);
	if (r == 0)
		r = nec_tree_add_dirs(tree, nec_tree_root(tree), "root", NULL, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(tree);
	return 0;
}

static struct nec_tree_attributes attributes_of(const struct nec_cpio_entry *entry)
{
	return (struct nec_tree_attributes){ .mode = entry->mode,
					     .uid = entry->uid,
					     .gid = entry->gid,
					     .rdev_major = entry->rdev_major,
					     .rdev_minor = entry->rdev_minor,
					     .mtime = entry->mtime };
}

/* The file that @entry is another name of: found (its inode in *@ret), or remembered for others. */
static int add_named(struct adding *adding, struct nec_tree_entry *parent, const char *name,
		     size_t size, const struct nec_cpio_entry *entry, struct nec_tree_inode **ret,
		     nec_error *err)
{
	const struct nec_tree_attributes attributes = attributes_of(entry);
	struct nec_tree_entry *added = NULL;
	void **slot = NULL;
	int r;

	if (nec_hard_links_may_be(entry) && !nec_hard_links_slot(&adding->links, entry, &slot))
		return nec_error_no_memory(err);
	if (slot && *slot) {
		*ret = *slot;
		return nec_tree_add_link(adding->tree, parent, name, size, *ret, err);
	}
	r = nec_tree_add(adding->tree, parent, name, size, &attributes, &added, err);
	if (r < 0)
		return r;
	*ret = added->inode;
	if (slot)
		*slot = added->inode;
	return 0;
}

static int add_contents(struct adding *adding, const struct nec_cpio_entry *entry,
			struct nec_tree_inode *inode, nec_error *err)
{
	const struct nec_ramdisk_tree_visitor *visitor = adding->visitor;

	if (S_ISLNK(entry->mode))
		return nec_tree_set_target(adding->tree, inode, entry->target,
					   strlen(entry->target), err);
	/* Only one link of several carries the data; the others are empty and say nothing. */
	if (!S_ISREG(entry->mode) || !visitor->file ||
	    (entry->size == 0 && nec_hard_links_may_be(entry)))
		return 0;
	return visitor->file(visitor->userdata, adding->ramdisk, entry, inode, err);
}

static bool has_target(const struct nec_cpio_entry *entry)
{
	size_t size = strlen(entry->target);

	return size > 0 && size <= NEC_TREE_MAX_PATH;
}

static void tell_odd(const struct adding *adding, const struct nec_cpio_entry *entry,
		     enum nec_ramdisk_oddity oddity)
{
	if (adding->visitor->odd)
		adding->visitor->odd(adding->visitor->userdata, entry, oddity);
}

static int add_entry(struct adding *adding, const struct nec_cpio_entry *entry, nec_error *err)
{
	struct nec_tree_entry *parent = NULL;
	struct nec_tree_inode *inode = NULL;
	const char *name = NULL;
	size_t size;
	bool dotdot;
	int r;

	if (!split_name(entry->name, &name, &size, &dotdot)) {
		if (dotdot)
			tell_odd(adding, entry, NEC_RAMDISK_ODD_NAME);
		return 0;
	}
	if (entry->name[0] == '/')
		tell_odd(adding, entry, NEC_RAMDISK_ODD_NAME);
	r = find_parent(adding, entry->name, (size_t)(name - entry->name), &parent, err);
	if (r < 0)
		return r;
	if (!parent) {
		tell_odd(adding, entry, NEC_RAMDISK_NO_PARENT);
		return 0;
	}
	/* The kernel fails to make such a link, silently. */
	if (S_ISLNK(entry->mode) && !has_target(entry))
		return 0;
	r = add_named(adding, parent, name, size, entry, &inode, err);
	if (r == -EINVAL || r == -ENAMETOOLONG) {
		tell_odd(adding, entry, NEC_RAMDISK_ODD_NAME);
		return 0;
	}
	return r < 0 ? r : add_contents(adding, entry, inode, err);
}

int nec_ramdisk_tree_add(struct nec_tree *tree, struct nec_ramdisk *ramdisk,
			 const struct nec_ramdisk_tree_visitor *visitor,
			 struct nec_progress *progress, uint64_t *ret_entries, nec_error *err)
{
	struct adding adding = { .tree = tree, .ramdisk = ramdisk, .visitor = visitor };
	const struct nec_cpio_entry *entry;
	int r;

	*ret_entries = 0;
	while ((r = nec_ramdisk_next(ramdisk, &entry, err)) > 0) {
		++*ret_entries;
		if (nec_tree_count(tree) >= NEC_RAMDISK_TREE_MAX_ENTRIES)
			r = nec_error_set(err, NEC_E_TOO_LARGE, -EFBIG,
					  "the ramdisks have more than %d files",
					  NEC_RAMDISK_TREE_MAX_ENTRIES);
		else
			r = add_entry(&adding, entry, err);
		if (r == 0 && progress)
			r = nec_progress_add(progress, entry->size, err);
		if (r < 0)
			break;
	}
	nec_hard_links_clear(&adding.links);
	return r;
}
