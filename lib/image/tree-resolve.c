/* SPDX-License-Identifier: Apache-2.0 */
/* Paths through symbolic links, all of it in the tree: ".." and absolute targets stop at the base.
 */
#include <string.h>

#include "base/error.h"
#include "image/tree.h"

/*
 * What is still to walk; a symbolic link puts its target in front. The room is for two whole paths:
 * nothing is allocated, so that not finding a file can only mean that there is none.
 */
struct resolver {
	const struct nec_tree_entry *base;
	struct nec_tree_entry *at;
	unsigned int links;
	char rest[2 * (NEC_TREE_MAX_PATH + 1)];
};

/* Puts @path in front of what is left to walk. */
static int put_in_front(struct resolver *resolver, const char *path, nec_error *err)
{
	size_t size = strlen(path);
	size_t rest_size = strlen(resolver->rest) + 1;

	if (size + 1 > sizeof(resolver->rest) - rest_size)
		return nec_error_set(err, NEC_E_SOURCE, -ENAMETOOLONG,
				     "a path through symbolic links is longer than %zu bytes",
				     sizeof(resolver->rest));
	memmove(resolver->rest + size + 1, resolver->rest, rest_size);
	memcpy(resolver->rest, path, size);
	resolver->rest[size] = '/';
	return 0;
}

/* Takes the next component off the front of the rest; false at the end. */
static bool take_component(struct resolver *resolver, char name[NEC_TREE_MAX_PATH + 1],
			   size_t *ret_size)
{
	size_t begin = strspn(resolver->rest, "/");
	size_t size = strcspn(resolver->rest + begin, "/");

	if (size == 0)
		return false;
	/* Longer than any name in the tree, so cutting it cannot make it match. */
	*ret_size = size < NEC_TREE_MAX_PATH ? size : NEC_TREE_MAX_PATH;
	memcpy(name, resolver->rest + begin, *ret_size);
	name[*ret_size] = '\0';
	memmove(resolver->rest, resolver->rest + begin + size,
		strlen(resolver->rest + begin + size) + 1);
	return true;
}

static int follow(struct resolver *resolver, const struct nec_tree_entry *link, nec_error *err)
{
	const char *target = link->inode->target;

	if (++resolver->links > NEC_TREE_MAX_SYMLINKS)
		return nec_error_set(err, NEC_E_SOURCE, -ELOOP,
				     "too many symbolic links, the last one is %s", link->name);
	if (target[0] == '/')
		resolver->at = (struct nec_tree_entry *)resolver->base;
	return put_in_front(resolver, target, err);
}

/* One step down. A missing name is a new directory with @create, else -ENOENT. */
static int step(struct nec_tree *tree, struct resolver *resolver, const char *name, size_t size,
		bool create, nec_error *err)
{
	struct nec_tree_entry *child;
	int r = 0;

	if (strcmp(name, ".") == 0)
		return 0;
	if (strcmp(name, "..") == 0) {
		if (resolver->at != resolver->base)
			resolver->at = resolver->at->parent;
		return 0;
	}
	child = nec_tree_child(tree, resolver->at, name, size);
	if (!child && create)
		r = nec_tree_add_dirs(tree, resolver->at, name, &child, err);
	else if (!child)
		r = nec_error_set(err, NEC_E_SOURCE, -ENOENT, "%s is missing", name);
	if (r < 0)
		return r;
	if (S_ISLNK(child->inode->mode))
		return follow(resolver, child, err);
	resolver->at = child;
	return 0;
}

static int resolve(struct nec_tree *tree, struct nec_tree_entry *base, const char *path,
		   bool create, struct nec_tree_entry **ret, nec_error *err)
{
	char name[NEC_TREE_MAX_PATH + 1];
	struct resolver resolver = { .base = base, .at = base };
	size_t size;
	int r = put_in_front(&resolver, path, err);

	while (r == 0 && take_component(&resolver, name, &size)) {
		if (nec_tree_is_dir(resolver.at))
			r = step(tree, &resolver, name, size, create, err);
		else
			r = nec_error_set(err, NEC_E_SOURCE, -ENOTDIR, "%s is not a directory",
					  resolver.at->name);
	}
	if (r == 0)
		*ret = resolver.at;
	return r;
}

struct nec_tree_entry *nec_tree_resolve(struct nec_tree *tree, struct nec_tree_entry *base,
					const char *path)
{
	struct nec_tree_entry *entry;

	return resolve(tree, base, path, false, &entry, NULL) < 0 ? NULL : entry;
}

int nec_tree_resolve_dir(struct nec_tree *tree, struct nec_tree_entry *base, const char *path,
			 struct nec_tree_entry **ret, nec_error *err)
{
	struct nec_tree_entry *entry;
	int r = resolve(tree, base, path, true, &entry, err);

	if (r == 0 && !nec_tree_is_dir(entry))
		r = nec_error_set(err, NEC_E_SOURCE, -ENOTDIR, "%s is not a directory",
				  entry->name);
	if (r == 0)
		*ret = entry;
	return r;
}
