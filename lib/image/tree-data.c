/* SPDX-License-Identifier: Apache-2.0 */
/* The contents of a tree's files: where they are, and opening them when they are needed. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/files.h"
#include "image/tree-private.h"

int nec_tree_adopt_folder(struct nec_tree *tree, int fd, const char *name,
			  const struct nec_tree_entry *base, nec_error *err)
{
	struct origin *origins =
		realloc(tree->origins, (tree->origin_count + 1) * sizeof(*origins));
	char *copy = strdup(name);

	if (origins)
		tree->origins = origins;
	if (!origins || !copy) {
		free(copy);
		return nec_error_no_memory(err);
	}
	origins[tree->origin_count] = (struct origin){ .fd = fd, .name = copy, .base = base };
	return (int)tree->origin_count++;
}

int nec_tree_adopt_fd(struct nec_tree *tree, int fd, const char *name, nec_error *err)
{
	return nec_tree_adopt_folder(tree, fd, name, NULL, err);
}

int nec_tree_set_literal(struct nec_tree *tree, struct nec_tree_inode *inode, const void *data,
			 size_t size, nec_error *err)
{
	void *copy = nec_tree_alloc(tree, size);

	if (!copy)
		return nec_tree_no_memory(tree, err);
	if (size > 0)
		memcpy(copy, data, size);
	inode->content = NEC_TREE_LITERAL;
	inode->literal = copy;
	inode->size = size;
	return 0;
}

int nec_tree_set_target(struct nec_tree *tree, struct nec_tree_inode *inode, const char *target,
			size_t size, nec_error *err)
{
	char *copy;

	if (size == 0 || size > NEC_TREE_MAX_PATH || memchr(target, '\0', size))
		return nec_error_set(err, NEC_E_SOURCE, -EINVAL,
				     "a symbolic link's target of %zu bytes is not possible", size);
	copy = nec_tree_alloc(tree, size + 1);
	if (!copy)
		return nec_tree_no_memory(tree, err);
	memcpy(copy, target, size);
	copy[size] = '\0';
	inode->target = copy;
	inode->size = size;
	return 0;
}

void nec_tree_set_range(struct nec_tree_inode *inode, uint32_t origin, uint64_t offset,
			uint64_t size)
{
	inode->content = size ? NEC_TREE_RANGE : NEC_TREE_EMPTY;
	inode->origin = origin;
	inode->offset = offset;
	inode->size = size;
}

void nec_tree_set_folder(struct nec_tree_entry *entry, uint32_t origin, uint64_t size)
{
	entry->inode->content = size ? NEC_TREE_FOLDER : NEC_TREE_EMPTY;
	entry->inode->origin = origin;
	entry->inode->named = entry;
	entry->inode->size = size;
}

int nec_tree_add_file(struct nec_tree *tree, struct nec_tree_entry *base, const char *path,
		      uint32_t mode, const char *from, nec_error *err)
{
	const struct nec_tree_attributes attributes = { .mode = S_IFREG | mode };
	uint64_t size;
	cleanup_close int fd = nec_file_open_regular(from, &size, err);
	struct nec_tree_entry *entry;
	int origin;
	int r;

	if (fd < 0)
		return fd;
	origin = nec_tree_adopt_fd(tree, fd, from, err);
	if (origin < 0)
		return origin;
	(void)TAKE_FD(fd);
	r = nec_tree_add_path(tree, base, path, &attributes, &entry, err);
	if (r == 0)
		nec_tree_set_range(entry->inode, (uint32_t)origin, 0, size);
	return r;
}

/* Opens the folder @entry (the origin's base or below it) component by component, so that a
 * symbolic link put there meanwhile is never followed. */
static int open_folder(const struct origin *origin, const struct nec_tree_entry *entry)
{
	cleanup_free char *path = nec_tree_path(entry, origin->base);
	cleanup_close int fd = fcntl(origin->fd, F_DUPFD_CLOEXEC, 0);
	char *rest = NULL;

	if (!path || fd < 0)
		return path ? -errno : -ENOMEM;
	for (char *name = strtok_r(path, "/", &rest); name; name = strtok_r(NULL, "/", &rest)) {
		int next = openat(fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		if (next < 0)
			return -errno;
		(void)close(fd);
		fd = next;
	}
	return TAKE_FD(fd);
}

static int open_parent(struct nec_tree *tree, uint32_t origin, const struct nec_tree_entry *parent)
{
	int fd;

	if (tree->parent == parent && tree->parent_origin == origin && tree->parent_fd >= 0)
		return tree->parent_fd;
	fd = open_folder(&tree->origins[origin], parent);
	if (fd < 0)
		return fd;
	if (tree->parent_fd >= 0)
		(void)close(tree->parent_fd);
	tree->parent = parent;
	tree->parent_origin = origin;
	tree->parent_fd = fd;
	return fd;
}

static int open_in_folder(struct nec_tree *tree, const struct nec_tree_inode *inode,
			  struct nec_tree_data *ret, nec_error *err)
{
	const struct origin *origin = &tree->origins[inode->origin];
	cleanup_free char *path = nec_tree_path(inode->named, origin->base);
	int dir = open_parent(tree, inode->origin, inode->named->parent);
	cleanup_close int fd = -1;
	struct stat st;

	if (!path || dir == -ENOMEM)
		return nec_error_no_memory(err);
	(void)snprintf(tree->name, sizeof(tree->name), "%s/%s", origin->name, path);
	/* O_NONBLOCK: a FIFO that has taken the file's place must not stop us. */
	if (dir >= 0)
		fd = openat(dir, inode->named->name,
			    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 && (dir == -ENOENT || dir == -ENOTDIR || dir == -ELOOP ||
		       (dir >= 0 && (errno == ENOENT || errno == ELOOP))))
		return nec_error_set(err, NEC_E_FILE_CHANGED, -ESTALE,
				     "%s has gone while the image was built", tree->name);
	if (fd < 0)
		return nec_error_set_system(err, NEC_E_FILE_OPEN, dir < 0 ? dir : -errno,
					    "cannot open %s", tree->name);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || (uint64_t)st.st_size != inode->size)
		return nec_error_set(err, NEC_E_FILE_CHANGED, -ESTALE,
				     "%s is no longer the file of %llu bytes it was at first",
				     tree->name, (unsigned long long)inode->size);
	*ret = (struct nec_tree_data){
		.fd = TAKE_FD(fd), .close_fd = true, .size = inode->size, .name = tree->name
	};
	return 0;
}

int nec_tree_data_open(struct nec_tree *tree, const struct nec_tree_inode *inode,
		       struct nec_tree_data *ret, nec_error *err)
{
	const struct origin *origin;

	switch (inode->content) {
	case NEC_TREE_FOLDER:
		return open_in_folder(tree, inode, ret, err);
	case NEC_TREE_RANGE:
		origin = &tree->origins[inode->origin];
		*ret = (struct nec_tree_data){
			.fd = origin->fd,
			.offset = inode->offset,
			.size = inode->size,
			.name = origin->name,
		};
		return 0;
	case NEC_TREE_LITERAL:
	case NEC_TREE_EMPTY:
		break;
	}
	*ret = (struct nec_tree_data){
		.literal = inode->content == NEC_TREE_LITERAL ? inode->literal : "",
		.fd = -1,
		.size = inode->size,
		.name = "",
	};
	return 0;
}

void nec_tree_data_close(struct nec_tree_data *data)
{
	if (data->close_fd)
		(void)close(data->fd);
	*data = (struct nec_tree_data){ .fd = -1 };
}

int nec_tree_data_read(const struct nec_tree_data *data, void *to, nec_error *err)
{
	int r;

	if (data->literal) {
		if (data->size > 0)
			memcpy(to, data->literal, data->size);
		return 0;
	}
	r = nec_file_read_at(data->fd, data->name, to, data->size, data->offset, err);
	if (r == -EBADMSG && err)
		err->code = NEC_E_FILE_CHANGED;
	return r;
}

int nec_tree_read(struct nec_tree *tree, const struct nec_tree_entry *entry, size_t limit,
		  struct nec_buffer *to, nec_error *err)
{
	NEC_CLEANUP(tree_data) struct nec_tree_data data = { .fd = -1 };
	size_t old_size = to->size;
	int r = 0;

	if (!S_ISREG(entry->inode->mode))
		return nec_error_set(err, NEC_E_SOURCE, -EINVAL, "%s is not a regular file",
				     entry->name);
	if (entry->inode->size > limit)
		return nec_error_set(err, NEC_E_TOO_LARGE, -EFBIG,
				     "%s has %llu bytes, %zu are allowed", entry->name,
				     (unsigned long long)entry->inode->size, limit);
	r = nec_tree_data_open(tree, entry->inode, &data, err);
	if (r < 0)
		return r;
	nec_buffer_append_zeros(to, (size_t)data.size);
	if (to->failed)
		return nec_error_no_memory(err);
	return nec_tree_data_read(&data, to->data + old_size, err);
}

/* Counted once for each file, however many attributes it has. */
void nec_tree_note_xattr(struct nec_tree *tree, const struct nec_tree_entry *entry,
			 const char *what)
{
	cleanup_free char *path = NULL;

	if (tree->xattr_last == entry)
		return;
	tree->xattr_last = entry;
	if (tree->xattr_files++ > 0)
		return;
	path = nec_tree_path(entry, tree->root);
	(void)snprintf(tree->xattr_example, sizeof(tree->xattr_example), "%s has %s",
		       path ? path : entry->name, what);
}

void nec_tree_warn(const struct nec_tree *tree, const nec_context *context)
{
	char others[64] = "";

	if (tree->xattr_files == 0)
		return;
	if (tree->xattr_files > 1)
		(void)snprintf(others, sizeof(others), ", and files with others: %zu",
			       tree->xattr_files - 1);
	nec_warn(context, "a ramdisk cannot carry extended attributes, so they are lost: %s%s",
		 tree->xattr_example, others);
}
