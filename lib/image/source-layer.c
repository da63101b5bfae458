/* SPDX-License-Identifier: Apache-2.0 */
/* Applying an image layer to a tree: entries, whiteouts, hard links; contents go to the spool. */
#include <string.h>

#include "base/archive.h"
#include "base/error.h"
#include "base/files.h"
#include "image/source-private.h"

#define WHITEOUT        ".wh."
#define WHITEOUT_OPAQUE ".wh..wh..opq"
/* What aufs kept for itself; nothing of it belongs to the image. */
#define WHITEOUT_META   ".wh..wh."

/* The path of an entry, cleaned. */
struct layer_path {
	char folder[NEC_TREE_MAX_PATH + 1]; /* "" for the top */
	char name[NEC_TREE_MAX_PATH + 1];   /* "" for the root directory itself */
};

struct layer {
	struct source_load *load;
	struct nec_tar *tar;
	struct archive_entry *entry;
	const char *raw_path;
	uint32_t number;
};

static int unsafe(const char *path, const char *why, nec_error *err)
{
	return nec_error_set(err, NEC_E_SOURCE_UNSAFE, -EBADMSG, "a layer has the path %s, %s",
			     path, why);
}

/* Splits "./a//b/" into "a" and "b". Leading '/' is refused but for the root itself. */
static int split_path(const char *path, struct layer_path *ret, nec_error *err)
{
	const char *rest = path + strspn(path, "/");
	size_t folder_size = 0;

	ret->folder[0] = '\0';
	ret->name[0] = '\0';
	if (strlen(path) > NEC_TREE_MAX_PATH)
		return nec_error_set(err, NEC_E_SOURCE, -ENAMETOOLONG,
				     "a layer has a path of %zu bytes; %d are possible",
				     strlen(path), NEC_TREE_MAX_PATH);
	if (rest != path && *rest)
		return unsafe(path, "which is absolute", err);
	while (*rest) {
		size_t size = strcspn(rest, "/");

		if (size == 2 && memcmp(rest, "..", 2) == 0)
			return unsafe(path, "which leaves the image", err);
		if (size != 1 || *rest != '.') {
			size_t name_size = strlen(ret->name);

			/* What was the name so far is one more folder. */
			if (name_size > 0) {
				if (folder_size > 0)
					ret->folder[folder_size++] = '/';
				memcpy(ret->folder + folder_size, ret->name, name_size + 1);
				folder_size += name_size;
			}
			memcpy(ret->name, rest, size);
			ret->name[size] = '\0';
		}
		rest += size + strspn(rest + size, "/");
	}
	return 0;
}

/*
 * Removes what layers below put under @entry, and @entry with it when nothing is left that this
 * layer has added: a whiteout hides lower layers only, wherever it stands in its own.
 */
static void remove_lower(struct layer *layer, struct nec_tree_entry *entry, bool keep)
{
	struct nec_tree_entry *child = entry->first_child;

	while (child) {
		struct nec_tree_entry *next = child->next;

		remove_lower(layer, child, false);
		child = next;
	}
	if (!keep && entry->generation != layer->number && !entry->first_child)
		nec_tree_remove(layer->load->tree, entry);
}

static int apply_whiteout(struct layer *layer, const struct layer_path *path, nec_error *err)
{
	struct source_load *load = layer->load;
	struct nec_tree_entry *folder = nec_tree_resolve(load->tree, load->base, path->folder);
	const char *name = path->name + strlen(WHITEOUT);
	struct nec_tree_entry *entry;

	if (strcmp(path->name, WHITEOUT_OPAQUE) == 0) {
		if (folder)
			remove_lower(layer, folder, true);
		return 0;
	}
	if (strncmp(path->name, WHITEOUT_META, strlen(WHITEOUT_META)) == 0)
		return 0;
	if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return unsafe(layer->raw_path, "a whiteout of no file", err);
	entry = folder ? nec_tree_child(load->tree, folder, name, strlen(name)) : NULL;
	if (entry)
		remove_lower(layer, entry, false);
	return 0;
}

static int add_hard_link(struct layer *layer, struct nec_tree_entry *folder,
			 const struct layer_path *path, const char *target, nec_error *err)
{
	struct source_load *load = layer->load;
	struct nec_tree_entry *target_folder;
	struct nec_tree_entry *entry = NULL;
	struct layer_path target_path;
	int r = split_path(target, &target_path, err);

	if (r < 0)
		return r;
	target_folder = nec_tree_resolve(load->tree, load->base, target_path.folder);
	if (target_folder)
		entry = nec_tree_child(load->tree, target_folder, target_path.name,
				       strlen(target_path.name));
	if (!entry || nec_tree_is_dir(entry))
		return nec_error_set(err, NEC_E_SOURCE, -ENOENT,
				     "the hard link %s is to %s, which is %s", layer->raw_path,
				     target, entry ? "a directory" : "missing");
	return nec_tree_add_link(load->tree, folder, path->name, strlen(path->name), entry->inode,
				 err);
}

static int check_size(struct layer *layer, int64_t size, nec_error *err)
{
	if (size < 0 || size > UINT32_MAX)
		return nec_error_set(err, NEC_E_TOO_LARGE, -EFBIG,
				     "%s has %lld bytes; a ramdisk can hold files below 4 GiB",
				     layer->raw_path, (long long)size);
	if ((uint64_t)size > layer->load->file_bytes_left)
		return nec_error_set(err, NEC_E_TOO_LARGE, -EFBIG,
				     "the image's files have more bytes than allowed, with %s",
				     layer->raw_path);
	layer->load->file_bytes_left -= (uint64_t)size;
	return 0;
}

/* Pieces of a sparse file have gaps between them, which stay holes in the spool. */
static int spool_contents(struct layer *layer, struct nec_tree_inode *inode, nec_error *err)
{
	struct source_load *load = layer->load;
	int64_t size = NEC_ARCHIVE(archive_entry_size)(layer->entry);
	const void *piece;
	uint64_t offset;
	size_t bytes;
	int r = check_size(layer, size, err);

	if (r < 0)
		return r;
	while ((r = nec_tar_data(layer->tar, &piece, &bytes, &offset, err)) > 0) {
		if (bytes > (uint64_t)size || offset > (uint64_t)size - bytes)
			return nec_error_set(err, NEC_E_SOURCE, -EBADMSG,
					     "%s has data behind its end", layer->raw_path);
		r = nec_file_write_at(load->spool_fd, "a temporary file", piece, bytes,
				      load->spool_size + offset, err);
		if (r < 0)
			return r;
	}
	if (r < 0)
		return r;
	nec_tree_set_range(inode, load->spool_origin, load->spool_size, (uint64_t)size);
	load->spool_size += (uint64_t)size;
	return 0;
}

static void read_attributes(struct archive_entry *entry, struct nec_tree_attributes *ret)
{
	*ret = (struct nec_tree_attributes){
		.mode = NEC_ARCHIVE(archive_entry_mode)(entry),
		.uid = (uint32_t)NEC_ARCHIVE(archive_entry_uid)(entry),
		.gid = (uint32_t)NEC_ARCHIVE(archive_entry_gid)(entry),
		.rdev_major = (uint32_t)NEC_ARCHIVE(archive_entry_rdevmajor)(entry),
		.rdev_minor = (uint32_t)NEC_ARCHIVE(archive_entry_rdevminor)(entry),
		.mtime = NEC_ARCHIVE(archive_entry_mtime)(entry),
	};
}

static int check_attributes(struct layer *layer, nec_error *err)
{
	int64_t uid = NEC_ARCHIVE(archive_entry_uid)(layer->entry);
	int64_t gid = NEC_ARCHIVE(archive_entry_gid)(layer->entry);

	if (uid < 0 || uid > UINT32_MAX || gid < 0 || gid > UINT32_MAX)
		return nec_error_set(err, NEC_E_SOURCE, -ERANGE,
				     "%s belongs to %lld:%lld, which are no user and group ids",
				     layer->raw_path, (long long)uid, (long long)gid);
	return 0;
}

static void note_xattrs(struct layer *layer, const struct nec_tree_entry *entry)
{
	const char *name;
	const void *value;
	size_t size;

	(void)NEC_ARCHIVE(archive_entry_xattr_reset)(layer->entry);
	while (NEC_ARCHIVE(archive_entry_xattr_next)(layer->entry, &name, &value, &size) ==
	       ARCHIVE_OK)
		if (source_xattr_matters(name))
			nec_tree_note_xattr(layer->load->tree, entry, name);
	if (NEC_ARCHIVE(archive_entry_acl_types)(layer->entry) != 0)
		nec_tree_note_xattr(layer->load->tree, entry, "an access control list");
}

static int add_node(struct layer *layer, struct nec_tree_entry *folder,
		    const struct layer_path *path, nec_error *err)
{
	struct nec_tree *tree = layer->load->tree;
	struct nec_tree_attributes attributes;
	struct nec_tree_entry *entry;
	const char *target;
	int r = check_attributes(layer, err);

	if (r < 0)
		return r;
	read_attributes(layer->entry, &attributes);
	r = nec_tree_add(tree, folder, path->name, strlen(path->name), &attributes, &entry, err);
	if (r < 0)
		return r;
	note_xattrs(layer, entry);
	if (S_ISREG(attributes.mode))
		return spool_contents(layer, entry->inode, err);
	target = NEC_ARCHIVE(archive_entry_symlink)(layer->entry);
	if (S_ISLNK(attributes.mode))
		return nec_tree_set_target(tree, entry->inode, target ? target : "",
					   target ? strlen(target) : 0, err);
	return 0;
}

/* An entry "./" has the attributes of the root directory. */
static int set_root(struct layer *layer, nec_error *err)
{
	struct nec_tree_attributes attributes;
	struct nec_tree_inode *inode = layer->load->base->inode;
	int r = check_attributes(layer, err);

	if (r < 0)
		return r;
	read_attributes(layer->entry, &attributes);
	if (!S_ISDIR(attributes.mode))
		return unsafe(layer->raw_path, "the root directory, as something else", err);
	inode->mode = attributes.mode;
	inode->uid = attributes.uid;
	inode->gid = attributes.gid;
	inode->mtime = attributes.mtime;
	return 0;
}

static int apply_entry(struct layer *layer, nec_error *err)
{
	struct source_load *load = layer->load;
	const char *hard_link = NEC_ARCHIVE(archive_entry_hardlink)(layer->entry);
	struct nec_tree_entry *folder;
	struct layer_path path;
	int r;

	layer->raw_path = NEC_ARCHIVE(archive_entry_pathname)(layer->entry);
	if (!layer->raw_path)
		return nec_error_set(err, NEC_E_SOURCE, -EBADMSG, "a layer has a nameless entry");
	r = split_path(layer->raw_path, &path, err);
	if (r < 0)
		return r;
	if (strncmp(path.folder, WHITEOUT_META, strlen(WHITEOUT_META)) == 0)
		return 0;
	if (strncmp(path.name, WHITEOUT, strlen(WHITEOUT)) == 0)
		return apply_whiteout(layer, &path, err);
	if (!path.name[0])
		return set_root(layer, err);
	r = nec_tree_resolve_dir(load->tree, load->base, path.folder, &folder, err);
	if (r < 0)
		return nec_error_prefix(err, r, "%s", layer->raw_path);
	if (hard_link)
		return add_hard_link(layer, folder, &path, hard_link, err);
	return add_node(layer, folder, &path, err);
}

int source_apply_tar(struct source_load *load, const struct nec_stream *stream, const char *name,
		     uint32_t number, nec_error *err)
{
	NEC_CLEANUP(tar) struct nec_tar *tar = NULL;
	struct layer layer = { .load = load, .number = number };
	int r = nec_tar_new(stream, name, NEC_E_SOURCE, &tar, err);

	if (r < 0)
		return r;
	layer.tar = tar;
	nec_tree_set_generation(load->tree, number);
	while ((r = nec_tar_next(tar, &layer.entry, err)) > 0) {
		r = apply_entry(&layer, err);
		if (r < 0)
			break;
	}
	nec_tree_set_generation(load->tree, 0);
	return r;
}
