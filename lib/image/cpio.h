/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cpio archives in the form "newc", the only one the kernel unpacks: a writer whose output depends
 * on nothing but the tree and the options, and a bounded reader with the kernel's rules.
 */
#ifndef NEC_IMAGE_CPIO_H
#define NEC_IMAGE_CPIO_H

#include "base/progress.h"
#include "base/stream.h"
#include "image/tree.h"

/* --------------------------------------------------------------------------------- writing -- */

struct nec_cpio_options {
	int64_t mtime;     /* of every entry, 0 to 2^32 - 1; see nec_time_source_date() */
	bool squash_owner; /* everything belongs to 0:0, whatever the tree says */
};

/* The bytes that nec_cpio_write() will write. Same errors, except those of reading and writing. */
int nec_cpio_size(struct nec_tree *tree, uint64_t *ret, nec_error *err);

/**
 * nec_cpio_write() - write the whole tree as one archive
 * @fd, @name:  the output and its name for messages
 * @offset:     where in it to begin
 * @progress:   may be NULL; gets the bytes written, total is nec_cpio_size()
 * @ret_size:   bytes written, a multiple of 4
 *
 * Entries in the order of nec_tree_walk(), inodes 1, 2, 3 ..., device 0:0, nlink 2 for directories
 * and the number of links for others, upper-case hex digits. Of hard-linked files the first entry
 * carries the data and the others are empty, which the kernel and all cpio programs understand.
 *
 * Returns 0, -EFBIG (NEC_E_TOO_LARGE: a file of 4 GiB or more, a name the kernel would skip, a
 * number that does not fit its 8 digits), -ESTALE or -EBADMSG (NEC_E_FILE_CHANGED), -ECANCELED, or
 * what reading and writing gives.
 */
int nec_cpio_write(struct nec_tree *tree, const struct nec_cpio_options *options, int fd,
		   const char *name, uint64_t offset, struct nec_progress *progress,
		   uint64_t *ret_size, nec_error *err);

/* --------------------------------------------------------------------------------- reading -- */

/* One entry; the strings belong to the reader and are valid until its next call. */
struct nec_cpio_entry {
	const char *name;   /* as in the archive, not cleaned: may begin with '/' or have ".." */
	const char *target; /* of a symbolic link, else NULL */
	uint64_t offset;    /* of the header, counted as the reader was told */
	uint32_t inode;
	uint32_t mode;
	uint32_t uid;
	uint32_t gid;
	uint32_t links;
	uint32_t mtime;
	uint32_t size; /* of the data that nec_cpio_reader_read() gives; 0 for symbolic links */
	uint32_t device_major;
	uint32_t device_minor;
	uint32_t rdev_major;
	uint32_t rdev_minor;
	uint32_t archive; /* 0 for the first of several archives in a row, then 1 ... */
};

enum nec_cpio_result {
	NEC_CPIO_END = 0,   /* the source has ended */
	NEC_CPIO_ENTRY = 1, /* an entry */
	NEC_CPIO_OTHER = 2, /* after a whole archive something else begins, not consumed */
};

struct nec_cpio_reader;

/*
 * Reads from @stream, whose first byte is said to be at @offset: entries begin at multiples of 4 of
 * that count, and messages have it.
 */
int nec_cpio_reader_new(const struct nec_stream *stream, uint64_t offset,
			struct nec_cpio_reader **ret, nec_error *err);
void nec_cpio_reader_free(struct nec_cpio_reader *reader);
NEC_DEFINE_CLEANUP(cpio_reader, struct nec_cpio_reader *, nec_cpio_reader_free)

/**
 * nec_cpio_reader_next() - go to the next entry, whatever was left of the last one's data
 *
 * Goes on with the next archive after a trailer and NULs, as the kernel does.
 * Returns an enum nec_cpio_result, or a negative errno: -EBADMSG (NEC_E_CPIO, with the offset) or
 * what the source gives.
 */
int nec_cpio_reader_next(struct nec_cpio_reader *reader, const struct nec_cpio_entry **ret,
			 nec_error *err);

/* Up to @size bytes of the entry's data, 0 at its end; or a negative errno. */
ssize_t nec_cpio_reader_read(struct nec_cpio_reader *reader, void *to, size_t size, nec_error *err);

/* Where the reader stands; after NEC_CPIO_OTHER where the other thing begins. */
uint64_t nec_cpio_reader_offset(const struct nec_cpio_reader *reader);

#endif
