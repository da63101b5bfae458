/* SPDX-License-Identifier: Apache-2.0 */
/* Writing a tree as a newc archive whose bytes depend on the tree and the options only. */
#include <string.h>

#include "base/error.h"
#include "base/files.h"
#include "image/cpio-format.h"

/* Headers, names and small files are put together here: one write for thousands of entries. */
enum { BUFFER_BYTES = 1024 * 1024 };

/* Above this a file is copied by the kernel instead of through the buffer. */
enum { SMALL_FILE_BYTES = 128 * 1024 };

struct writer {
	struct nec_tree *tree;
	const struct nec_cpio_options *options;
	int fd;
	const char *name;
	struct nec_progress *progress;
	uint64_t offset; /* in the file, of the buffer's first byte */
	uint8_t *buffer;
	size_t used;
	uint32_t entries; /* numbered so far */
};

static size_t padding(uint64_t size)
{
	return (size_t)(-size & (NEC_CPIO_ALIGN - 1));
}

static uint64_t padded(uint64_t size)
{
	return size + padding(size);
}

static int check_entry(const char *path, size_t path_size, const struct nec_tree_inode *inode,
		       nec_error *err)
{
	if (inode->size > UINT32_MAX)
		return nec_error_set(err, NEC_E_TOO_LARGE, -EFBIG,
				     "%s has %llu bytes; a ramdisk can hold files below 4 GiB",
				     path, (unsigned long long)inode->size);
	if (path_size == strlen(NEC_CPIO_TRAILER) && strcmp(path, NEC_CPIO_TRAILER) == 0)
		return nec_error_set(err, NEC_E_CPIO, -EINVAL,
				     "a file at the top of a ramdisk cannot be called %s, which "
				     "marks its end",
				     NEC_CPIO_TRAILER);
	return 0;
}

/* The kernel links no symbolic links, so each name of one is an entry of its own. */
static bool is_linkable(const struct nec_tree_inode *inode)
{
	return !S_ISDIR(inode->mode) && !S_ISLNK(inode->mode);
}

/* Bytes that this entry has in the archive: of hard links the @first one carries the data. */
static uint32_t data_size(const struct nec_tree_inode *inode, bool first)
{
	if (S_ISLNK(inode->mode) || (S_ISREG(inode->mode) && first))
		return (uint32_t)inode->size;
	return 0;
}

struct measure {
	struct nec_tree *tree;
	uint64_t bytes;
};

static int measure_entry(void *userdata, const char *path, size_t path_size,
			 struct nec_tree_entry *entry, nec_error *err)
{
	struct measure *measure = userdata;
	bool first = nec_tree_first_visit(measure->tree, entry->inode);

	measure->bytes += padded(NEC_CPIO_HEADER_SIZE + path_size + 1) +
			  padded(data_size(entry->inode, first));
	return check_entry(path, path_size, entry->inode, err);
}

int nec_cpio_size(struct nec_tree *tree, uint64_t *ret, nec_error *err)
{
	struct measure measure = {
		.tree = tree,
		.bytes = padded(NEC_CPIO_HEADER_SIZE + sizeof(NEC_CPIO_TRAILER)),
	};
	int r = nec_tree_walk(tree, nec_tree_root(tree), measure_entry, &measure, err);

	if (r == 0)
		*ret = measure.bytes;
	return r;
}

static int advance(struct writer *writer, uint64_t size, nec_error *err)
{
	writer->offset += size;
	return writer->progress ? nec_progress_add(writer->progress, size, err) : 0;
}

static int flush(struct writer *writer, nec_error *err)
{
	size_t used = writer->used;
	int r = nec_file_write_at(writer->fd, writer->name, writer->buffer, used, writer->offset,
				  err);

	if (r < 0)
		return r;
	writer->used = 0;
	return advance(writer, used, err);
}

/* Room for @size bytes, at most BUFFER_BYTES, at the end of the buffer; they count as used. */
static int reserve(struct writer *writer, size_t size, uint8_t **ret, nec_error *err)
{
	int r = 0;

	if (size > BUFFER_BYTES - writer->used)
		r = flush(writer, err);
	if (r < 0)
		return r;
	*ret = writer->buffer + writer->used;
	writer->used += size;
	return 0;
}

static void put_hex(uint8_t *to, uint32_t value)
{
	for (int i = 7; i >= 0; i--) {
		to[i] = (uint8_t) "0123456789ABCDEF"[value & 15];
		value >>= 4;
	}
}

static int write_header(struct writer *writer, const char *path, size_t path_size,
			const uint32_t fields[NEC_CPIO_FIELD_COUNT], nec_error *err)
{
	size_t size = NEC_CPIO_HEADER_SIZE + path_size + 1;
	uint8_t *to;
	int r = reserve(writer, (size_t)padded(size), &to, err);

	if (r < 0)
		return r;
	memcpy(to, NEC_CPIO_MAGIC, NEC_CPIO_MAGIC_SIZE);
	for (size_t i = 0; i < NEC_CPIO_FIELD_COUNT; i++)
		put_hex(to + NEC_CPIO_MAGIC_SIZE + i * NEC_CPIO_FIELD_SIZE, fields[i]);
	memcpy(to + NEC_CPIO_HEADER_SIZE, path, path_size);
	memset(to + NEC_CPIO_HEADER_SIZE + path_size, 0, 1 + padding(size));
	return 0;
}

static int write_small(struct writer *writer, const struct nec_tree_data *data, nec_error *err)
{
	uint8_t *to;
	int r = reserve(writer, (size_t)padded(data->size), &to, err);

	if (r < 0)
		return r;
	memset(to + data->size, 0, padding(data->size));
	return nec_tree_data_read(data, to, err);
}

static int write_big(struct writer *writer, const struct nec_tree_data *data, nec_error *err)
{
	uint8_t *to;
	int r = flush(writer, err);

	if (r == 0 && data->literal)
		r = nec_file_write_at(writer->fd, writer->name, data->literal, (size_t)data->size,
				      writer->offset, err);
	else if (r == 0)
		r = nec_file_copy_range(data->fd, data->name, data->offset, writer->fd,
					writer->name, writer->offset, data->size, writer->progress,
					err);
	if (r < 0)
		return r;
	writer->offset += data->size;
	r = reserve(writer, padding(data->size), &to, err);
	if (r == 0)
		memset(to, 0, padding(data->size));
	return r;
}

static int write_data(struct writer *writer, const struct nec_tree_inode *inode, nec_error *err)
{
	NEC_CLEANUP(tree_data) struct nec_tree_data data = { .fd = -1 };
	int r = 0;

	if (S_ISLNK(inode->mode))
		data = (struct nec_tree_data){ .literal = inode->target, .size = inode->size };
	else
		r = nec_tree_data_open(writer->tree, inode, &data, err);
	if (r < 0)
		return r;
	if (data.size > SMALL_FILE_BYTES)
		return write_big(writer, &data, err);
	return write_small(writer, &data, err);
}

static int write_entry(void *userdata, const char *path, size_t path_size,
		       struct nec_tree_entry *entry, nec_error *err)
{
	struct writer *writer = userdata;
	struct nec_tree_inode *inode = entry->inode;
	bool owned = !writer->options->squash_owner;
	bool device = S_ISCHR(inode->mode) || S_ISBLK(inode->mode);
	bool first = nec_tree_first_visit(writer->tree, inode);
	int r = check_entry(path, path_size, inode, err);

	if (r < 0)
		return r;
	if (first || !is_linkable(inode))
		inode->number = ++writer->entries;
	const uint32_t fields[NEC_CPIO_FIELD_COUNT] = {
		[NEC_CPIO_INODE] = inode->number,
		[NEC_CPIO_MODE] = inode->mode,
		[NEC_CPIO_UID] = owned ? inode->uid : 0,
		[NEC_CPIO_GID] = owned ? inode->gid : 0,
		[NEC_CPIO_NLINK] = S_ISDIR(inode->mode) ? 2
				   : is_linkable(inode) ? inode->links
							: 1,
		[NEC_CPIO_MTIME] = (uint32_t)writer->options->mtime,
		[NEC_CPIO_FILESIZE] = data_size(inode, first),
		[NEC_CPIO_RDEV_MAJOR] = device ? inode->rdev_major : 0,
		[NEC_CPIO_RDEV_MINOR] = device ? inode->rdev_minor : 0,
		[NEC_CPIO_NAMESIZE] = (uint32_t)path_size + 1,
	};

	r = write_header(writer, path, path_size, fields, err);
	if (r < 0 || fields[NEC_CPIO_FILESIZE] == 0)
		return r;
	return write_data(writer, inode, err);
}

static int write_trailer(struct writer *writer, nec_error *err)
{
	static const uint32_t fields[NEC_CPIO_FIELD_COUNT] = {
		[NEC_CPIO_NLINK] = 1,
		[NEC_CPIO_NAMESIZE] = sizeof(NEC_CPIO_TRAILER),
	};
	int r = write_header(writer, NEC_CPIO_TRAILER, strlen(NEC_CPIO_TRAILER), fields, err);

	return r < 0 ? r : flush(writer, err);
}

int nec_cpio_write(struct nec_tree *tree, const struct nec_cpio_options *options, int fd,
		   const char *name, uint64_t offset, struct nec_progress *progress,
		   uint64_t *ret_size, nec_error *err)
{
	cleanup_free uint8_t *buffer = malloc(BUFFER_BYTES);
	struct writer writer = {
		.tree = tree,
		.options = options,
		.fd = fd,
		.name = name,
		.progress = progress,
		.offset = offset,
		.buffer = buffer,
	};
	int r;

	if (!buffer)
		return nec_error_no_memory(err);
	if (options->mtime < 0 || options->mtime > UINT32_MAX)
		return nec_error_set(err, NEC_E_TOO_LARGE, -ERANGE,
				     "the time %lld does not fit into a ramdisk, which has times "
				     "from 1970 to 2106",
				     (long long)options->mtime);
	r = nec_tree_walk(tree, nec_tree_root(tree), write_entry, &writer, err);
	if (r == 0)
		r = write_trailer(&writer, err);
	if (r < 0)
		return r;
	if (ret_size)
		*ret_size = writer.offset - offset;
	return 0;
}
