/* SPDX-License-Identifier: Apache-2.0 */
/* The entries of a file tree: look-up, addition, removal. */
#include "image/tree.h"

#include <assert.h>
#include <stdalign.h>
#include <string.h>

#include "base/error.h"
#include "image/tree-private.h"

enum {
	BLOCK_BYTES = 256 * 1024,
	FIRST_BUCKETS = 1024,
};

struct arena_block {
	struct arena_block *next;
	size_t used;
	size_t size;
	alignas(max_align_t) uint8_t bytes[];
};

void *nec_tree_alloc(struct nec_tree *tree, size_t size)
{
	const size_t align = alignof(max_align_t);
	struct arena_block *block = tree->blocks;
	size_t rounded = (size + align - 1) & ~(align - 1);
	void *memory;

	tree->full = rounded < size || rounded > NEC_TREE_MAX_MEMORY - tree->arena_bytes;
	if (tree->full)
		return NULL;
	if (!block || rounded > block->size - block->used) {
		size_t room = rounded > BLOCK_BYTES ? rounded : BLOCK_BYTES;

		block = malloc(sizeof(*block) + room);
		if (!block)
			return NULL;
		*block = (struct arena_block){ .next = tree->blocks, .size = room };
		tree->blocks = block;
	}
	memory = block->bytes + block->used;
	block->used += rounded;
	tree->arena_bytes += rounded;
	return memory;
}

static void *alloc_zeroed(struct nec_tree *tree, size_t size)
{
	void *memory = nec_tree_alloc(tree, size);

	if (memory)
		memset(memory, 0, size);
	return memory;
}

int nec_tree_new(struct nec_tree **ret, nec_error *err)
{
	cleanup_tree struct nec_tree *tree = calloc(1, sizeof(*tree));

	if (!tree)
		return nec_error_no_memory(err);
	tree->parent_fd = -1;
	tree->buckets = calloc(FIRST_BUCKETS, sizeof(struct nec_tree_entry *));
	tree->bucket_count = FIRST_BUCKETS;
	tree->root = alloc_zeroed(tree, sizeof(*tree->root));
	if (!tree->buckets || !tree->root)
		return nec_error_no_memory(err);
	tree->root->name = "";
	tree->root->inode = alloc_zeroed(tree, sizeof(*tree->root->inode));
	if (!tree->root->inode)
		return nec_error_no_memory(err);
	tree->root->inode->mode = S_IFDIR | 0755;
	tree->root->inode->links = 1;
	*ret = TAKE_PTR(tree);
	return 0;
}

void nec_tree_free(struct nec_tree *tree)
{
	if (!tree)
		return;
	for (size_t i = 0; i < tree->origin_count; i++) {
		(void)close(tree->origins[i].fd);
		free(tree->origins[i].name);
	}
	if (tree->parent_fd >= 0)
		(void)close(tree->parent_fd);
	while (tree->blocks) {
		struct arena_block *block = tree->blocks;

		tree->blocks = block->next;
		free(block);
	}
	free(tree->origins);
	free(tree->buckets);
	free(tree);
}

struct nec_tree_entry *nec_tree_root(struct nec_tree *tree)
{
	return tree->root;
}

size_t nec_tree_count(const struct nec_tree *tree)
{
	return tree->count;
}

void nec_tree_set_generation(struct nec_tree *tree, uint32_t generation)
{
	tree->generation = generation;
}

/* FNV-1a over the name, begun from the parent's address. */
static struct nec_tree_entry **bucket_of(const struct nec_tree *tree,
					 const struct nec_tree_entry *parent, const char *name,
					 size_t name_size)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ (uint64_t)(uintptr_t)parent;

	for (size_t i = 0; i < name_size; i++)
		hash = (hash ^ (unsigned char)name[i]) * UINT64_C(0x100000001b3);
	return &tree->buckets[(hash ^ hash >> 32) & (tree->bucket_count - 1)];
}

struct nec_tree_entry *nec_tree_child(const struct nec_tree *tree,
				      const struct nec_tree_entry *parent, const char *name,
				      size_t name_size)
{
	struct nec_tree_entry *entry = *bucket_of(tree, parent, name, name_size);

	while (entry && (entry->parent != parent || entry->name_size != name_size ||
			 memcmp(entry->name, name, name_size) != 0))
		entry = entry->hash_next;
	return entry;
}

static void hash_insert(struct nec_tree *tree, struct nec_tree_entry *entry)
{
	struct nec_tree_entry **bucket =
		bucket_of(tree, entry->parent, entry->name, entry->name_size);

	entry->hash_next = *bucket;
	*bucket = entry;
}

/* Twice as many buckets; without memory for them the old ones stay and are only slower. */
static void grow_buckets(struct nec_tree *tree)
{
	struct nec_tree_entry **old = tree->buckets;
	size_t old_count = tree->bucket_count;

	tree->buckets = calloc(old_count * 2, sizeof(struct nec_tree_entry *));
	if (!tree->buckets) {
		tree->buckets = old;
		return;
	}
	tree->bucket_count = old_count * 2;
	for (size_t i = 0; i < old_count; i++) {
		while (old[i]) {
			struct nec_tree_entry *entry = old[i];

			old[i] = entry->hash_next;
			hash_insert(tree, entry);
		}
	}
	free(old);
}

static void link_entry(struct nec_tree *tree, struct nec_tree_entry *entry)
{
	struct nec_tree_entry *parent = entry->parent;

	if (tree->count >= tree->bucket_count)
		grow_buckets(tree);
	hash_insert(tree, entry);
	entry->next = parent->first_child;
	if (entry->next)
		entry->next->previous = entry;
	parent->first_child = entry;
	entry->inode->links++;
	tree->count++;
}

/* The parent pointer stays: the path of a source file can be told after its entry is gone. */
static void unlink_entry(struct nec_tree *tree, struct nec_tree_entry *entry)
{
	struct nec_tree_entry **slot;

	assert(entry->parent); /* the root is never unlinked */
	slot = bucket_of(tree, entry->parent, entry->name, entry->name_size);

	while (*slot != entry)
		slot = &(*slot)->hash_next;
	*slot = entry->hash_next;
	if (entry->previous)
		entry->previous->next = entry->next;
	else
		entry->parent->first_child = entry->next;
	if (entry->next)
		entry->next->previous = entry->previous;
	entry->next = NULL;
	entry->previous = NULL;
	entry->inode->links--;
	tree->count--;
}

void nec_tree_remove(struct nec_tree *tree, struct nec_tree_entry *entry)
{
	struct nec_tree_entry *at = entry;

	for (;;) {
		struct nec_tree_entry *parent = at->parent;

		if (at->first_child) {
			at = at->first_child;
			continue;
		}
		if (!parent) /* the root itself stays */
			return;
		unlink_entry(tree, at);
		if (at == entry)
			return;
		at = parent;
	}
}

/* Whether the tree can have such an entry. */
static int check_new(const struct nec_tree *tree, const struct nec_tree_entry *parent,
		     const char *name, size_t name_size, nec_error *err)
{
	size_t path_size = parent->path_size + (parent->parent != NULL) + name_size;
	int shown = name_size < 300 ? (int)name_size : 300;

	if (!nec_tree_is_dir(parent))
		return nec_error_set(err, NEC_E_SOURCE, -ENOTDIR,
				     "%.*s cannot be put below %s, which is not a directory", shown,
				     name, parent->name);
	if (name_size == 0 || memchr(name, '/', name_size) || memchr(name, '\0', name_size) ||
	    (name_size <= 2 && memcmp(name, "..", name_size) == 0))
		return nec_error_set(err, NEC_E_SOURCE, -EINVAL, "\"%.*s\" is no name for a file",
				     shown, name);
	if (name_size > NEC_TREE_MAX_NAME || path_size > NEC_TREE_MAX_PATH)
		return nec_error_set(err, NEC_E_SOURCE, -ENAMETOOLONG,
				     "the name %.*s is too long: %zu bytes, its path %zu", shown,
				     name, name_size, path_size);
	if (tree->added >= NEC_TREE_MAX_ENTRIES)
		return nec_error_set(err, NEC_E_TOO_LARGE, -EFBIG,
				     "more than %u files and directories", NEC_TREE_MAX_ENTRIES);
	return 0;
}

/* A new entry for @inode, in no list yet; NULL without memory. */
static struct nec_tree_entry *make_entry(struct nec_tree *tree, struct nec_tree_entry *parent,
					 const char *name, size_t name_size,
					 struct nec_tree_inode *inode)
{
	struct nec_tree_entry *entry = alloc_zeroed(tree, sizeof(*entry));
	char *copy = entry ? nec_tree_alloc(tree, name_size + 1) : NULL;

	if (!copy)
		return NULL;
	memcpy(copy, name, name_size);
	copy[name_size] = '\0';
	entry->parent = parent;
	entry->inode = inode;
	entry->name = copy;
	entry->name_size = (uint16_t)name_size;
	entry->path_size = (uint16_t)(parent->path_size + (parent->parent != NULL) + name_size);
	entry->generation = tree->generation;
	tree->added++;
	return entry;
}

static void set_attributes(struct nec_tree_inode *inode,
			   const struct nec_tree_attributes *attributes)
{
	inode->mode = attributes->mode;
	if (S_ISLNK(inode->mode) && !inode->target)
		inode->target = ""; /* until nec_tree_set_target(), which may fail */
	inode->uid = attributes->uid;
	inode->gid = attributes->gid;
	inode->rdev_major = attributes->rdev_major;
	inode->rdev_minor = attributes->rdev_minor;
	inode->mtime = attributes->mtime;
}

int nec_tree_add(struct nec_tree *tree, struct nec_tree_entry *parent, const char *name,
		 size_t name_size, const struct nec_tree_attributes *attributes,
		 struct nec_tree_entry **ret, nec_error *err)
{
	struct nec_tree_entry *entry;
	struct nec_tree_inode *inode;
	int r = check_new(tree, parent, name, name_size, err);

	if (r < 0)
		return r;
	entry = nec_tree_child(tree, parent, name, name_size);
	if (entry && nec_tree_is_dir(entry) && S_ISDIR(attributes->mode)) {
		entry->generation = tree->generation;
	} else {
		if (entry)
			nec_tree_remove(tree, entry);
		inode = alloc_zeroed(tree, sizeof(*inode));
		entry = inode ? make_entry(tree, parent, name, name_size, inode) : NULL;
		if (!entry)
			return nec_tree_no_memory(tree, err);
		link_entry(tree, entry);
	}
	set_attributes(entry->inode, attributes);
	if (ret)
		*ret = entry;
	return 0;
}

int nec_tree_add_link(struct nec_tree *tree, struct nec_tree_entry *parent, const char *name,
		      size_t name_size, struct nec_tree_inode *inode, nec_error *err)
{
	struct nec_tree_entry *entry;
	struct nec_tree_entry *old;
	int r = check_new(tree, parent, name, name_size, err);

	if (r < 0)
		return r;
	entry = make_entry(tree, parent, name, name_size, inode);
	if (!entry)
		return nec_tree_no_memory(tree, err);
	old = nec_tree_child(tree, parent, name, name_size);
	if (old)
		nec_tree_remove(tree, old);
	link_entry(tree, entry);
	return 0;
}

/* The next component of *@path that counts; its size, 0 at the end. */
static size_t next_component(const char **path, const char **ret)
{
	for (;;) {
		size_t size;

		while (**path == '/')
			(*path)++;
		*ret = *path;
		size = strcspn(*path, "/");
		*path += size;
		if (size != 1 || **ret != '.')
			return size;
	}
}

struct nec_tree_entry *nec_tree_lookup(const struct nec_tree *tree, struct nec_tree_entry *base,
				       const char *path)
{
	const char *name;
	size_t size;

	while (base && (size = next_component(&path, &name)) > 0)
		base = nec_tree_child(tree, base, name, size);
	return base;
}

int nec_tree_add_dirs(struct nec_tree *tree, struct nec_tree_entry *base, const char *path,
		      struct nec_tree_entry **ret, nec_error *err)
{
	static const struct nec_tree_attributes attributes = { .mode = S_IFDIR | 0755 };
	const char *name;
	size_t size;

	while ((size = next_component(&path, &name)) > 0) {
		struct nec_tree_entry *child = nec_tree_child(tree, base, name, size);
		int r = 0;

		if (!child)
			r = nec_tree_add(tree, base, name, size, &attributes, &child, err);
		else if (!nec_tree_is_dir(child))
			r = nec_error_set(err, NEC_E_SOURCE, -ENOTDIR,
					  "%s is there already and is not a directory",
					  child->name);
		if (r < 0)
			return r;
		base = child;
	}
	if (ret)
		*ret = base;
	return 0;
}

int nec_tree_add_path(struct nec_tree *tree, struct nec_tree_entry *base, const char *path,
		      const struct nec_tree_attributes *attributes, struct nec_tree_entry **ret,
		      nec_error *err)
{
	const char *slash = strrchr(path, '/');
	cleanup_free char *parents = strndup(path, slash ? (size_t)(slash - path) : 0);
	const char *name = slash ? slash + 1 : path;
	struct nec_tree_entry *parent;
	int r;

	if (!parents)
		return nec_error_no_memory(err);
	r = nec_tree_add_dirs(tree, base, parents, &parent, err);
	if (r < 0)
		return r;
	return nec_tree_add(tree, parent, name, strlen(name), attributes, ret, err);
}

int nec_tree_add_literal(struct nec_tree *tree, struct nec_tree_entry *base, const char *path,
			 uint32_t mode, const void *data, size_t size, nec_error *err)
{
	const struct nec_tree_attributes attributes = { .mode = S_IFREG | mode };
	struct nec_tree_entry *entry;
	int r = nec_tree_add_path(tree, base, path, &attributes, &entry, err);

	return r < 0 ? r : nec_tree_set_literal(tree, entry->inode, data, size, err);
}

int nec_tree_add_symlink(struct nec_tree *tree, struct nec_tree_entry *base, const char *path,
			 const char *target, nec_error *err)
{
	const struct nec_tree_attributes attributes = { .mode = S_IFLNK | 0777 };
	struct nec_tree_entry *entry;
	int r = nec_tree_add_path(tree, base, path, &attributes, &entry, err);

	return r < 0 ? r : nec_tree_set_target(tree, entry->inode, target, strlen(target), err);
}
