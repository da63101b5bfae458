/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes that come in order from somewhere: a range of a file, a decompressor, a buffer. Readers
 * that need no more than that take a stream, so they can be put behind one another.
 */
#ifndef NEC_BASE_STREAM_H
#define NEC_BASE_STREAM_H

#include <stdint.h>
#include <sys/types.h>

#include "nec.h"

struct nec_stream {
	/* Up to @size bytes (more than 0), 0 only at the end; or a negative errno. */
	ssize_t (*read)(void *userdata, void *to, size_t size, nec_error *err);
	/* Passes over @size bytes without reading them and returns how many there were, fewer only
	 * at the end; or a negative errno. NULL where that is not possible. */
	int64_t (*skip)(void *userdata, uint64_t size, nec_error *err);
	void *userdata;
};

/* The next @size bytes, all of them unless the end comes first; or a negative errno. */
ssize_t nec_stream_read_full(const struct nec_stream *stream, void *to, size_t size,
			     nec_error *err);

/* A part of an open file, whose own position is neither used nor changed. */
struct nec_file_range {
	int fd;
	const char *name; /* for messages */
	uint64_t offset;  /* of the next byte */
	uint64_t end;
};

/* Reads @range from where it stands. A file that ends before the range does is NEC_E_FILE_READ. */
struct nec_stream nec_stream_over_range(struct nec_file_range *range);

/* Bytes in memory. */
struct nec_cursor;
struct nec_stream nec_stream_over_cursor(struct nec_cursor *cursor);

#endif
