/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames: a little-endian u64 byte count, then that many bytes. nitro-cli's control protocol has
 * CBOR in them, the allocator's JSON. The reader takes what a descriptor has at the moment, so that
 * one slow or hostile peer holds up nobody.
 */
#ifndef NEC_BASE_FRAME_H
#define NEC_BASE_FRAME_H

#include "base/buffer.h"
#include "nec.h"

#define NEC_FRAME_HEADER 8

struct nec_frame_reader {
	size_t limit; /* most bytes that a frame may have */
	uint8_t header[NEC_FRAME_HEADER];
	size_t received; /* of the header */
	struct nec_buffer payload;
};

/*
 * Takes more of the current frame from a non-blocking (or readable) descriptor. Returns 1 when the
 * frame is complete: its payload is there until nec_frame_next(); 0 when more has to come; -ENODATA
 * at the end of the stream between frames; -EPROTO in the middle of one; -EFBIG (NEC_E_TOO_LARGE);
 * or the errno of read().
 */
int nec_frame_read(struct nec_frame_reader *reader, int fd, nec_error *err);

/* Forgets the complete frame. */
void nec_frame_next(struct nec_frame_reader *reader);

static inline void nec_frame_reader_free(struct nec_frame_reader *reader)
{
	nec_buffer_free(&reader->payload);
}

/* Appends @size bytes as a frame. */
void nec_frame_append(struct nec_buffer *to, const void *payload, size_t size);

#endif
