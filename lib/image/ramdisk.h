/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a ramdisk as the kernel unpacks it: one or more cpio archives, each plain or in a
 * compressed member (gzip, xz, lzma, bzip2, lz4, zstd), with NULs between them.
 */
#ifndef NEC_IMAGE_RAMDISK_H
#define NEC_IMAGE_RAMDISK_H

#include "image/cpio.h"

/* A ramdisk that unpacks to more fits no enclave we know of: what a reader takes as limit unless it
 * knows better. */
#define NEC_RAMDISK_MAX_UNPACKED (UINT64_C(256) << 30)

struct nec_ramdisk;

/**
 * nec_ramdisk_open() - begin to read
 * @fd, @offset, @size: the ramdisk is this range of the file; the fd is borrowed until _free()
 * @name:               for messages, borrowed likewise
 * @limit:              most bytes that may come out of decompression, else -EFBIG (NEC_E_TOO_LARGE)
 */
int nec_ramdisk_open(int fd, const char *name, uint64_t offset, uint64_t size, uint64_t limit,
		     struct nec_ramdisk **ret, nec_error *err);
void nec_ramdisk_free(struct nec_ramdisk *ramdisk);
NEC_DEFINE_CLEANUP(ramdisk, struct nec_ramdisk *, nec_ramdisk_free)
#define cleanup_ramdisk NEC_CLEANUP(ramdisk)

/*
 * The next entry: 1, 0 at the end, or a negative errno: -EBADMSG (NEC_E_CPIO; NEC_E_RAMDISK for
 * damaged or unknown compression), -EFBIG, -ELIBACC. Offsets in messages and in the entry count
 * from the member's (decompressed) start; nec_ramdisk_member_offset() tells where that lies.
 */
int nec_ramdisk_next(struct nec_ramdisk *ramdisk, const struct nec_cpio_entry **ret,
		     nec_error *err);
ssize_t nec_ramdisk_read(struct nec_ramdisk *ramdisk, void *to, size_t size, nec_error *err);

/* The member that is being read: its offset in the ramdisk, and "none", "gzip", "xz", "lzma",
 * "bzip2", "lz4" or "zstd". */
uint64_t nec_ramdisk_member_offset(const struct nec_ramdisk *ramdisk);
const char *nec_ramdisk_compression(const struct nec_ramdisk *ramdisk);

/* What a ramdisk needs once it is unpacked. */
struct nec_ramdisk_usage {
	uint64_t entries;
	uint64_t archive_bytes; /* of the cpio archives, decompressed */
	uint64_t file_bytes;    /* of the contents of regular files */
	uint64_t page_bytes;    /* the same in whole pages of 4 KiB: the memory that they take */
};

/* Reads the whole ramdisk for its usage. Parameters and errors as above; @progress may be NULL and
 * gets the bytes of file contents. */
int nec_ramdisk_measure(int fd, const char *name, uint64_t offset, uint64_t size, uint64_t limit,
			struct nec_progress *progress, struct nec_ramdisk_usage *ret,
			nec_error *err);

#endif
