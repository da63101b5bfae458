/* SPDX-License-Identifier: Apache-2.0 */
/* Going through a ramdisk member by member, as the kernel's unpack_to_rootfs() does. */
#include "image/ramdisk.h"

#include <string.h>

#include "base/error.h"
#include "base/files.h"
#include "image/ramdisk-member.h"

enum { PAGE_BYTES = 4096 };

struct nec_ramdisk {
	struct nec_file_range all;    /* its offset: where the member begins */
	struct nec_file_range member; /* its offset: what was read of the file */
	uint64_t begin;               /* of the ramdisk in the file */
	uint64_t limit;               /* what decompression may still bring */
	enum nec_compression compression;
	struct nec_decompressor *decompressor; /* NULL in a plain member */
	struct nec_cpio_reader *reader;        /* NULL between members */
	uint64_t archive_bytes;                /* of the members before this one */
};

int nec_ramdisk_open(int fd, const char *name, uint64_t offset, uint64_t size, uint64_t limit,
		     struct nec_ramdisk **ret, nec_error *err)
{
	struct nec_ramdisk *ramdisk;
	uint64_t end;

	if (__builtin_add_overflow(offset, size, &end) || end > INT64_MAX)
		return nec_error_set(err, NEC_E_INVALID_ARGUMENT, -EINVAL,
				     "a ramdisk at offset %llu cannot have %llu bytes",
				     (unsigned long long)offset, (unsigned long long)size);
	ramdisk = calloc(1, sizeof(*ramdisk));
	if (!ramdisk)
		return nec_error_no_memory(err);
	ramdisk->all =
		(struct nec_file_range){ .fd = fd, .name = name, .offset = offset, .end = end };
	ramdisk->begin = offset;
	ramdisk->limit = limit;
	*ret = ramdisk;
	return 0;
}

static void close_member(struct nec_ramdisk *ramdisk)
{
	nec_cpio_reader_free(ramdisk->reader);
	nec_decompressor_free(ramdisk->decompressor);
	ramdisk->reader = NULL;
	ramdisk->decompressor = NULL;
}

void nec_ramdisk_free(struct nec_ramdisk *ramdisk)
{
	if (!ramdisk)
		return;
	close_member(ramdisk);
	free(ramdisk);
}

uint64_t nec_ramdisk_member_offset(const struct nec_ramdisk *ramdisk)
{
	return ramdisk->all.offset - ramdisk->begin;
}

const char *nec_ramdisk_compression(const struct nec_ramdisk *ramdisk)
{
	return nec_compression_name(ramdisk->compression);
}

/* Passes over NULs. Returns 1 when something comes after them, 0 at the end. */
static int find_member(struct nec_ramdisk *ramdisk, uint8_t magic[NEC_COMPRESSION_MAGIC_SIZE],
		       size_t *ret_size, nec_error *err)
{
	struct nec_file_range *all = &ramdisk->all;
	uint8_t bytes[PAGE_BYTES];

	while (all->offset < all->end) {
		uint64_t left = all->end - all->offset;
		size_t size = left < sizeof(bytes) ? (size_t)left : sizeof(bytes);
		size_t nuls = 0;
		int r = nec_file_read_at(all->fd, all->name, bytes, size, all->offset, err);

		if (r < 0)
			return r;
		while (nuls < size && bytes[nuls] == 0)
			nuls++;
		all->offset += nuls;
		/* Once more when the magic may be cut off. */
		if (nuls > 0)
			continue;
		*ret_size = size < NEC_COMPRESSION_MAGIC_SIZE ? size : NEC_COMPRESSION_MAGIC_SIZE;
		memcpy(magic, bytes, *ret_size);
		return 1;
	}
	return 0;
}

static int open_compressed(struct nec_ramdisk *ramdisk, struct nec_stream *stream, nec_error *err)
{
	int r = nec_ramdisk_member_end(&ramdisk->all, ramdisk->compression, &ramdisk->member.end,
				       err);

	if (r == 0)
		r = nec_decompressor_new(stream, ramdisk->compression, ramdisk->all.name,
					 NEC_E_RAMDISK, ramdisk->limit, &ramdisk->decompressor,
					 err);
	if (r < 0)
		return r;
	*stream = nec_decompressor_stream(ramdisk->decompressor);
	return 0;
}

/* Returns 1 when a member was opened, 0 at the end of the ramdisk. */
static int open_member(struct nec_ramdisk *ramdisk, nec_error *err)
{
	uint8_t magic[NEC_COMPRESSION_MAGIC_SIZE] = { 0 };
	struct nec_stream stream;
	uint64_t offset;
	size_t size = 0;
	int r = find_member(ramdisk, magic, &size, err);

	if (r <= 0)
		return r;
	offset = nec_ramdisk_member_offset(ramdisk);
	ramdisk->member = ramdisk->all;
	ramdisk->compression = nec_compression_detect(magic, size);
	stream = nec_stream_over_range(&ramdisk->member);
	if (ramdisk->compression != NEC_COMPRESSION_NONE)
		r = open_compressed(ramdisk, &stream, err);
	else if (magic[0] != '0' || offset % 4 != 0)
		r = nec_error_set(err, NEC_E_RAMDISK, -EBADMSG,
				  "%s has neither a cpio archive nor compressed data the kernel "
				  "knows at offset %llu",
				  ramdisk->all.name, (unsigned long long)offset);
	if (r < 0)
		return r;
	r = nec_cpio_reader_new(&stream, ramdisk->decompressor ? 0 : offset, &ramdisk->reader, err);
	return r < 0 ? r : 1;
}

/* Goes on behind the member, which has been read to its end. */
static void leave_member(struct nec_ramdisk *ramdisk)
{
	uint64_t position = nec_cpio_reader_offset(ramdisk->reader);

	if (ramdisk->decompressor) {
		ramdisk->archive_bytes += position;
		ramdisk->limit -= position;
		ramdisk->all.offset += nec_decompressor_consumed(ramdisk->decompressor);
	} else {
		ramdisk->archive_bytes += position - nec_ramdisk_member_offset(ramdisk);
		ramdisk->all.offset = ramdisk->begin + position;
	}
	close_member(ramdisk);
}

int nec_ramdisk_next(struct nec_ramdisk *ramdisk, const struct nec_cpio_entry **ret, nec_error *err)
{
	for (;;) {
		int r = ramdisk->reader ? 1 : open_member(ramdisk, err);

		if (r > 0)
			r = nec_cpio_reader_next(ramdisk->reader, ret, err);
		else
			return r;
		/* Other errors have the name already. */
		if (r < 0 && err && err->code == NEC_E_CPIO)
			return nec_error_prefix(err, r, "%s", ramdisk->all.name);
		if (r < 0)
			return r;
		if (r == NEC_CPIO_ENTRY)
			return 1;
		if (r == NEC_CPIO_OTHER && ramdisk->decompressor)
			return nec_error_set(
				err, NEC_E_RAMDISK, -EBADMSG,
				"%s: the %s data at offset %llu has something else than cpio "
				"archives at offset %llu",
				ramdisk->all.name, nec_ramdisk_compression(ramdisk),
				(unsigned long long)nec_ramdisk_member_offset(ramdisk),
				(unsigned long long)nec_cpio_reader_offset(ramdisk->reader));
		leave_member(ramdisk);
	}
}

ssize_t nec_ramdisk_read(struct nec_ramdisk *ramdisk, void *to, size_t size, nec_error *err)
{
	return ramdisk->reader ? nec_cpio_reader_read(ramdisk->reader, to, size, err) : 0;
}

static void count(struct nec_ramdisk_usage *usage, const struct nec_cpio_entry *entry)
{
	usage->entries++;
	if (!S_ISREG(entry->mode))
		return;
	usage->file_bytes += entry->size;
	usage->page_bytes += ((uint64_t)entry->size + PAGE_BYTES - 1) & ~(uint64_t)(PAGE_BYTES - 1);
}

int nec_ramdisk_measure(int fd, const char *name, uint64_t offset, uint64_t size, uint64_t limit,
			struct nec_progress *progress, struct nec_ramdisk_usage *ret,
			nec_error *err)
{
	NEC_CLEANUP(ramdisk) struct nec_ramdisk *ramdisk = NULL;
	struct nec_ramdisk_usage usage = { 0 };
	const struct nec_cpio_entry *entry;
	int r = nec_ramdisk_open(fd, name, offset, size, limit, &ramdisk, err);

	if (r < 0)
		return r;
	while ((r = nec_ramdisk_next(ramdisk, &entry, err)) > 0) {
		count(&usage, entry);
		r = progress ? nec_progress_add(progress, entry->size, err) : 0;
		if (r < 0)
			return r;
	}
	if (r < 0)
		return r;
	usage.archive_bytes = ramdisk->archive_bytes;
	*ret = usage;
	return 0;
}
