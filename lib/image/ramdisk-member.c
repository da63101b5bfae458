/* SPDX-License-Identifier: Apache-2.0 */
/* Counting the blocks of zstd (RFC 8878) and of lz4's "legacy" frames. */
#include "image/ramdisk-member.h"

#include "base/cursor.h"
#include "base/error.h"
#include "base/files.h"

enum {
	ZSTD_MAGIC_BYTES = 4,
	ZSTD_BLOCK_HEADER_BYTES = 3,
	ZSTD_CHECKSUM_BYTES = 4,
	ZSTD_BLOCK_RLE = 1,
	/* A legacy frame has blocks of 8 MiB; one that cannot be compressed grows by 1 in 255. */
	LZ4_MAX_BLOCK_BYTES = 8 * 1024 * 1024 + 8 * 1024 * 1024 / 255 + 16,
};

static const uint32_t lz4_magic = 0x184c2102;

static int damaged(const struct nec_file_range *at, enum nec_compression compression,
		   nec_error *err)
{
	return nec_error_set(err, NEC_E_RAMDISK, -EBADMSG,
			     "%s is damaged: the %s data has no good block at offset %llu",
			     at->name, nec_compression_name(compression),
			     (unsigned long long)at->offset);
}

/* @size (at most 4) bytes, little-endian. -ENODATA at the end of the range. */
static int take_le(struct nec_file_range *at, size_t size, uint32_t *ret, nec_error *err)
{
	uint8_t bytes[4] = { 0 };
	int r;

	if (size > at->end - at->offset)
		return -ENODATA;
	r = nec_file_read_at(at->fd, at->name, bytes, size, at->offset, err);
	if (r < 0)
		return r;
	at->offset += size;
	*ret = (uint32_t)bytes[3] << 24 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[1] << 8 |
	       bytes[0];
	return 0;
}

/* Passes over the frame header. Its first byte says which fields follow, and about a checksum. */
static int zstd_header(struct nec_file_range *at, bool *ret_checksum, nec_error *err)
{
	static const uint8_t dictionary_bytes[] = { 0, 1, 2, 4 };
	static const uint8_t content_size_bytes[] = { 0, 2, 4, 8 };
	uint32_t descriptor;
	bool single_segment;
	uint64_t fields;
	int r;

	at->offset += ZSTD_MAGIC_BYTES;
	if (at->offset > at->end)
		return -ENODATA;
	r = take_le(at, 1, &descriptor, err);
	if (r < 0)
		return r;
	single_segment = descriptor & 0x20;
	fields = dictionary_bytes[descriptor & 3] + content_size_bytes[descriptor >> 6];
	if (single_segment && descriptor >> 6 == 0)
		fields++; /* then the content size has one byte */
	if (!single_segment)
		fields++; /* the window descriptor */
	if (fields > at->end - at->offset)
		return -ENODATA;
	at->offset += fields;
	*ret_checksum = descriptor & 4;
	return 0;
}

static int zstd_end(struct nec_file_range *at, nec_error *err)
{
	uint32_t header = 0;
	bool checksum;
	int r = zstd_header(at, &checksum, err);

	while (r == 0 && !(header & 1)) {
		uint32_t size;

		r = take_le(at, ZSTD_BLOCK_HEADER_BYTES, &header, err);
		if (r < 0)
			break;
		size = (header >> 1 & 3) == ZSTD_BLOCK_RLE ? 1 : header >> 3;
		if (size > at->end - at->offset)
			r = -ENODATA;
		else
			at->offset += size;
	}
	if (r == 0 && checksum && ZSTD_CHECKSUM_BYTES > at->end - at->offset)
		r = -ENODATA;
	else if (r == 0 && checksum)
		at->offset += ZSTD_CHECKSUM_BYTES;
	return r == -ENODATA ? damaged(at, NEC_COMPRESSION_ZSTD, err) : r;
}

/* Blocks until something that can be none: a legacy frame has no end mark. */
static int lz4_end(struct nec_file_range *at, nec_error *err)
{
	uint64_t end = at->offset;
	int r = 0;

	while (r == 0) {
		uint32_t size;

		r = take_le(at, 4, &size, err);
		if (r < 0 || (size != lz4_magic && (size == 0 || size > LZ4_MAX_BLOCK_BYTES)))
			break;
		if (size == lz4_magic)
			size = 0;
		if (size > at->end - at->offset)
			return damaged(at, NEC_COMPRESSION_LZ4, err);
		at->offset += size;
		end = at->offset;
	}
	at->offset = end;
	return r == -ENODATA ? 0 : r;
}

static int without_nuls(struct nec_file_range *at, nec_error *err)
{
	uint8_t bytes[4096];

	while (at->end > at->offset) {
		uint64_t left = at->end - at->offset;
		size_t size = left < sizeof(bytes) ? (size_t)left : sizeof(bytes);
		int r = nec_file_read_at(at->fd, at->name, bytes, size, at->end - size, err);

		if (r < 0)
			return r;
		while (size > 0 && bytes[size - 1] == 0) {
			size--;
			at->end--;
		}
		if (size > 0)
			break;
	}
	at->offset = at->end;
	return 0;
}

int nec_ramdisk_member_end(const struct nec_file_range *range, enum nec_compression compression,
			   uint64_t *ret, nec_error *err)
{
	struct nec_file_range at = *range;
	int r = 0;

	if (compression == NEC_COMPRESSION_ZSTD)
		r = zstd_end(&at, err);
	else if (compression == NEC_COMPRESSION_LZ4)
		r = lz4_end(&at, err);
	else if (compression == NEC_COMPRESSION_XZ)
		r = without_nuls(&at, err);
	else
		at.offset = at.end;
	if (r == 0)
		*ret = at.offset;
	return r;
}
