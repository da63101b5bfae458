/* SPDX-License-Identifier: Apache-2.0 */
/* Reading newc archives from a stream, by the rules of the kernel's init/initramfs.c. */
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/hex.h"
#include "image/cpio-format.h"

enum { BUFFER_BYTES = 64 * 1024 };

struct nec_cpio_reader {
	struct nec_stream stream;
	struct nec_cpio_entry entry;
	uint64_t offset;    /* of the next byte to hand out */
	uint32_t data_left; /* of the entry's data, then its padding follows */
	bool in_archive;    /* between an archive's first header and its trailer */
	bool in_entry;      /* its data or padding may be left */
	bool ended;         /* the stream has nothing more */
	size_t begin;       /* what the buffer holds: begin to end */
	size_t end;
	uint8_t buffer[BUFFER_BYTES];
	char name[NEC_TREE_MAX_PATH + 1];
	char target[NEC_TREE_MAX_PATH + 1];
};

int nec_cpio_reader_new(const struct nec_stream *stream, uint64_t offset,
			struct nec_cpio_reader **ret, nec_error *err)
{
	struct nec_cpio_reader *reader = malloc(sizeof(*reader));

	if (!reader)
		return nec_error_no_memory(err);
	reader->stream = *stream;
	reader->entry = (struct nec_cpio_entry){ 0 };
	reader->offset = offset;
	reader->data_left = 0;
	reader->in_archive = false;
	reader->in_entry = false;
	reader->ended = false;
	reader->begin = 0;
	reader->end = 0;
	*ret = reader;
	return 0;
}

void nec_cpio_reader_free(struct nec_cpio_reader *reader)
{
	free(reader);
}

uint64_t nec_cpio_reader_offset(const struct nec_cpio_reader *reader)
{
	return reader->offset;
}

/* Up to @size bytes: from the buffer, or straight from the stream when that is worth it. */
static ssize_t take(struct nec_cpio_reader *reader, void *to, size_t size, nec_error *err)
{
	struct nec_stream *stream = &reader->stream;
	size_t held = reader->end - reader->begin;
	ssize_t n;

	if (held == 0 && !reader->ended && size >= BUFFER_BYTES / 2) {
		n = stream->read(stream->userdata, to, size, err);
		reader->ended = n == 0;
		reader->offset += n > 0 ? (uint64_t)n : 0;
		return n;
	}
	if (held == 0 && !reader->ended) {
		n = stream->read(stream->userdata, reader->buffer, BUFFER_BYTES, err);
		if (n < 0)
			return n;
		reader->ended = n == 0;
		reader->begin = 0;
		reader->end = held = (size_t)n;
	}
	if (size > held)
		size = held;
	memcpy(to, reader->buffer + reader->begin, size);
	reader->begin += size;
	reader->offset += size;
	return (ssize_t)size;
}

static int truncated(const struct nec_cpio_reader *reader, const char *where, nec_error *err)
{
	return nec_error_set(err, NEC_E_CPIO, -EBADMSG,
			     "the cpio archive ends at offset %" PRIu64 ", in %s", reader->offset,
			     where);
}

static int take_all(struct nec_cpio_reader *reader, void *to, size_t size, const char *where,
		    nec_error *err)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = take(reader, (char *)to + done, size - done, err);

		if (n < 0)
			return (int)n;
		if (n == 0)
			return truncated(reader, where, err);
		done += (size_t)n;
	}
	return 0;
}

static int pass_over(struct nec_cpio_reader *reader, uint64_t size, const char *where,
		     nec_error *err)
{
	struct nec_stream *stream = &reader->stream;
	uint8_t scratch[4096];

	while (size > 0) {
		size_t held = reader->end - reader->begin;
		int64_t n;

		if (held > 0) {
			n = (int64_t)(size < held ? size : held);
			reader->begin += (size_t)n;
			reader->offset += (uint64_t)n;
		} else if (stream->skip) {
			n = stream->skip(stream->userdata, size, err);
			reader->offset += n > 0 ? (uint64_t)n : 0;
		} else {
			n = take(reader, scratch,
				 size < sizeof(scratch) ? (size_t)size : sizeof(scratch), err);
		}
		if (n < 0)
			return (int)n;
		if (n == 0)
			return truncated(reader, where, err);
		size -= (uint64_t)n;
	}
	return 0;
}

static int skip_padding(struct nec_cpio_reader *reader, const char *where, nec_error *err)
{
	return pass_over(reader, -reader->offset & (NEC_CPIO_ALIGN - 1), where, err);
}

/* What is left of the entry's data, and its padding. */
static int finish_entry(struct nec_cpio_reader *reader, nec_error *err)
{
	uint32_t left = reader->data_left;
	int r;

	if (!reader->in_entry)
		return 0;
	reader->in_entry = false;
	reader->data_left = 0;
	r = pass_over(reader, left, "a file's data", err);
	return r < 0 ? r : skip_padding(reader, "the padding after a file's data", err);
}

/*
 * Between archives: NULs are passed over; then the source ends, a header begins (at a multiple of
 * 4, the kernel wants that), or something else does. Nothing but the NULs is consumed.
 */
static int between_archives(struct nec_cpio_reader *reader, nec_error *err)
{
	for (;;) {
		uint8_t byte;
		ssize_t n = take(reader, &byte, 1, err);

		if (n < 0)
			return (int)n;
		if (n == 0)
			return NEC_CPIO_END;
		if (byte == 0)
			continue;
		reader->begin--;
		reader->offset--;
		if (byte != NEC_CPIO_MAGIC[0] || reader->offset % NEC_CPIO_ALIGN != 0)
			return NEC_CPIO_OTHER;
		return NEC_CPIO_ENTRY;
	}
}

static int parse_fields(struct nec_cpio_reader *reader, const char *header,
			uint32_t fields[NEC_CPIO_FIELD_COUNT], nec_error *err)
{
	for (size_t i = 0; i < NEC_CPIO_FIELD_COUNT; i++) {
		char text[NEC_CPIO_FIELD_SIZE + 1] = { 0 };
		uint8_t bytes[NEC_CPIO_FIELD_SIZE / 2];
		size_t at = NEC_CPIO_MAGIC_SIZE + i * NEC_CPIO_FIELD_SIZE;

		memcpy(text, header + at, NEC_CPIO_FIELD_SIZE);
		if (!nec_hex_decode(text, bytes, sizeof(bytes)))
			return nec_error_set(err, NEC_E_CPIO, -EBADMSG,
					     "the cpio header at offset %" PRIu64
					     " has something else than 8 hex digits at offset "
					     "%" PRIu64,
					     reader->entry.offset, reader->entry.offset + at);
		fields[i] = (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 |
			    (uint32_t)bytes[2] << 8 | bytes[3];
	}
	return 0;
}

static void fill_entry(struct nec_cpio_entry *entry, const uint32_t fields[NEC_CPIO_FIELD_COUNT])
{
	entry->inode = fields[NEC_CPIO_INODE];
	entry->mode = fields[NEC_CPIO_MODE];
	entry->uid = fields[NEC_CPIO_UID];
	entry->gid = fields[NEC_CPIO_GID];
	entry->links = fields[NEC_CPIO_NLINK];
	entry->mtime = fields[NEC_CPIO_MTIME];
	entry->size = fields[NEC_CPIO_FILESIZE];
	entry->device_major = fields[NEC_CPIO_DEVICE_MAJOR];
	entry->device_minor = fields[NEC_CPIO_DEVICE_MINOR];
	entry->rdev_major = fields[NEC_CPIO_RDEV_MAJOR];
	entry->rdev_minor = fields[NEC_CPIO_RDEV_MINOR];
}

static int read_header(struct nec_cpio_reader *reader, uint32_t fields[NEC_CPIO_FIELD_COUNT],
		       nec_error *err)
{
	char header[NEC_CPIO_HEADER_SIZE];
	int r;

	reader->entry.offset = reader->offset;
	reader->entry.target = NULL;
	r = take_all(reader, header, NEC_CPIO_MAGIC_SIZE, "a header", err);
	if (r < 0)
		return r;
	if (memcmp(header, NEC_CPIO_MAGIC, NEC_CPIO_MAGIC_SIZE) != 0)
		return nec_error_set(err, NEC_E_CPIO, -EBADMSG,
				     "no cpio header (" NEC_CPIO_MAGIC ") at offset %" PRIu64,
				     reader->entry.offset);
	r = take_all(reader, header + NEC_CPIO_MAGIC_SIZE,
		     NEC_CPIO_HEADER_SIZE - NEC_CPIO_MAGIC_SIZE, "a header", err);
	return r < 0 ? r : parse_fields(reader, header, fields, err);
}

/* The kernel passes over entries with such names without a word: a file would be missing. */
static int read_name(struct nec_cpio_reader *reader, uint32_t size, nec_error *err)
{
	int r;

	if (size == 0 || size > sizeof(reader->name))
		return nec_error_set(err, NEC_E_CPIO, -EBADMSG,
				     "the cpio entry at offset %" PRIu64
				     " has a name of %u bytes; 1 to %zu are possible",
				     reader->entry.offset, size, sizeof(reader->name));
	r = take_all(reader, reader->name, size, "a name", err);
	if (r < 0)
		return r;
	if (reader->name[size - 1] != '\0')
		return nec_error_set(err, NEC_E_CPIO, -EBADMSG,
				     "the name of the cpio entry at offset %" PRIu64
				     " does not end in NUL",
				     reader->entry.offset);
	reader->entry.name = reader->name;
	return skip_padding(reader, "the padding after a name", err);
}

static int read_target(struct nec_cpio_reader *reader, nec_error *err)
{
	uint32_t size = reader->entry.size;
	int r;

	if (size == 0 || size >= sizeof(reader->target))
		return nec_error_set(err, NEC_E_CPIO, -EBADMSG,
				     "the symbolic link at offset %" PRIu64
				     " has a target of %u bytes; 1 to %zu are possible",
				     reader->entry.offset, size, sizeof(reader->target) - 1);
	r = take_all(reader, reader->target, size, "a symbolic link's target", err);
	if (r < 0)
		return r;
	reader->target[size] = '\0';
	reader->entry.target = reader->target;
	reader->entry.size = 0;
	return 0;
}

/* Reads one entry. The trailer gives 0, everything else 1. */
static int read_entry(struct nec_cpio_reader *reader, nec_error *err)
{
	uint32_t fields[NEC_CPIO_FIELD_COUNT];
	int r = read_header(reader, fields, err);

	if (r < 0)
		return r;
	fill_entry(&reader->entry, fields);
	r = read_name(reader, fields[NEC_CPIO_NAMESIZE], err);
	if (r == 0 && S_ISLNK(reader->entry.mode))
		r = read_target(reader, err);
	if (r < 0)
		return r;
	reader->data_left = reader->entry.size;
	reader->in_entry = true;
	return strcmp(reader->name, NEC_CPIO_TRAILER) != 0;
}

int nec_cpio_reader_next(struct nec_cpio_reader *reader, const struct nec_cpio_entry **ret,
			 nec_error *err)
{
	int r = finish_entry(reader, err);

	while (r == 0) {
		if (!reader->in_archive) {
			r = between_archives(reader, err);
			if (r != NEC_CPIO_ENTRY)
				return r;
			reader->in_archive = true;
		}
		r = read_entry(reader, err);
		if (r > 0) {
			*ret = &reader->entry;
			return NEC_CPIO_ENTRY;
		}
		if (r == 0) {
			reader->in_archive = false;
			reader->entry.archive++;
			r = finish_entry(reader, err);
		}
	}
	return r;
}

ssize_t nec_cpio_reader_read(struct nec_cpio_reader *reader, void *to, size_t size, nec_error *err)
{
	ssize_t n;

	if (size > reader->data_left)
		size = reader->data_left;
	if (size == 0)
		return 0;
	n = take(reader, to, size, err);
	if (n == 0)
		return truncated(reader, "a file's data", err);
	if (n > 0)
		reader->data_left -= (uint32_t)n;
	return n;
}
