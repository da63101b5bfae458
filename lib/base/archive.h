/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libarchive, loaded on first use: decompression of a stream, and reading tar archives from one.
 * Both take a struct nec_stream, so they can be put behind each other.
 */
#ifndef NEC_BASE_ARCHIVE_H
#define NEC_BASE_ARCHIVE_H

#include <archive.h>
#include <archive_entry.h>

#include "base/cleanup.h"
#include "base/dynlib.h"
#include "base/stream.h"

#define NEC_ARCHIVE_SYMBOLS(X)               \
	X(archive_read_new)                  \
	X(archive_read_free)                 \
	X(archive_read_support_filter_gzip)  \
	X(archive_read_support_filter_xz)    \
	X(archive_read_support_filter_lzma)  \
	X(archive_read_support_filter_bzip2) \
	X(archive_read_support_filter_lz4)   \
	X(archive_read_support_filter_zstd)  \
	X(archive_read_support_format_raw)   \
	X(archive_read_support_format_empty) \
	X(archive_read_support_format_tar)   \
	X(archive_read_open2)                \
	X(archive_read_next_header)          \
	X(archive_read_data)                 \
	X(archive_read_data_block)           \
	X(archive_read_header_position)      \
	X(archive_filter_bytes)              \
	X(archive_filter_code)               \
	X(archive_errno)                     \
	X(archive_error_string)              \
	X(archive_entry_pathname)            \
	X(archive_entry_hardlink)            \
	X(archive_entry_symlink)             \
	X(archive_entry_mode)                \
	X(archive_entry_size)                \
	X(archive_entry_uid)                 \
	X(archive_entry_gid)                 \
	X(archive_entry_mtime)               \
	X(archive_entry_rdevmajor)           \
	X(archive_entry_rdevminor)           \
	X(archive_entry_xattr_reset)         \
	X(archive_entry_xattr_next)          \
	X(archive_entry_acl_types)

NEC_DYNLIB_DECLARE(archive, NEC_ARCHIVE_SYMBOLS)
#define NEC_ARCHIVE(name) (*nec_archive_symbols.name)

/* ------------------------------------------------------------------------- decompression -- */

enum nec_compression {
	NEC_COMPRESSION_NONE,
	NEC_COMPRESSION_GZIP,
	NEC_COMPRESSION_XZ,
	NEC_COMPRESSION_LZMA,
	NEC_COMPRESSION_BZIP2,
	NEC_COMPRESSION_LZ4, /* the "legacy" format, which is the kernel's */
	NEC_COMPRESSION_ZSTD,
};

/* Enough of the beginning of a file to tell its compression. */
#define NEC_COMPRESSION_MAGIC_SIZE 4

/* By the magic numbers of the kernel's lib/decompress.c. */
enum nec_compression nec_compression_detect(const uint8_t *data, size_t size);

/* "none", "gzip", "xz", "lzma", "bzip2", "lz4" or "zstd". */
const char *nec_compression_name(enum nec_compression compression);

struct nec_decompressor;

/**
 * nec_decompressor_new() - decompress what comes from a stream
 * @from:        read until the compressed data ends; copied, its userdata is borrowed until _free()
 * @compression: what it is; NEC_COMPRESSION_NONE passes everything through
 * @name:        for messages, borrowed until _free()
 * @damaged:     the error code for data that cannot be decompressed
 * @limit:       most bytes to come out; more is -EFBIG (NEC_E_TOO_LARGE)
 *
 * Returns 0, -ENOMEM, or -ELIBACC (NEC_E_LIBRARY_MISSING).
 */
int nec_decompressor_new(const struct nec_stream *from, enum nec_compression compression,
			 const char *name, enum nec_error_code damaged, uint64_t limit,
			 struct nec_decompressor **ret, nec_error *err);
void nec_decompressor_free(struct nec_decompressor *decompressor);
NEC_DEFINE_CLEANUP(decompressor, struct nec_decompressor *, nec_decompressor_free)

/* What comes out: -EBADMSG (@damaged) where the data is bad, else errors of the source. */
struct nec_stream nec_decompressor_stream(struct nec_decompressor *decompressor);

/* Once all was read: how many bytes of the source belong to the compressed data. Exact for gzip,
 * lzma and bzip2; the others take everything there is. */
uint64_t nec_decompressor_consumed(const struct nec_decompressor *decompressor);

/* ----------------------------------------------------------------------------------- tar -- */

struct nec_tar;

/* Reads an uncompressed tar archive from @from; parameters and errors as above. */
int nec_tar_new(const struct nec_stream *from, const char *name, enum nec_error_code damaged,
		struct nec_tar **ret, nec_error *err);
void nec_tar_free(struct nec_tar *tar);
NEC_DEFINE_CLEANUP(tar, struct nec_tar *, nec_tar_free)

/*
 * The next entry, which belongs to the archive and lasts until the next call; names are the bytes
 * of the archive whatever the locale is. Returns 1, 0 at the end, or a negative errno.
 */
int nec_tar_next(struct nec_tar *tar, struct archive_entry **ret, nec_error *err);

/*
 * The next piece of the entry's data, lent until the next call, with its place in the file (pieces
 * of sparse files have gaps between them). Returns 1, 0 at the end, or a negative errno.
 */
int nec_tar_data(struct nec_tar *tar, const void **ret, size_t *ret_size, uint64_t *ret_offset,
		 nec_error *err);

/* Where the header of the last entry begins, counted in the stream; after the end where that is. */
uint64_t nec_tar_header_offset(const struct nec_tar *tar);

#endif
