/* SPDX-License-Identifier: Apache-2.0 */
/* Frames, read as they come and put together. */
#include "base/frame.h"

#include <endian.h>
#include <inttypes.h>
#include <string.h>

#include "base/error.h"

static uint64_t frame_size(const struct nec_frame_reader *reader)
{
	uint64_t size;

	memcpy(&size, reader->header, sizeof(size));
	return le64toh(size);
}

/* Returns the bytes read, -EAGAIN, -ENODATA at the end of the stream, or another negative errno. */
static ssize_t read_some(int fd, void *to, size_t size)
{
	ssize_t n;

	do
		n = read(fd, to, size);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return n == 0 ? -ENODATA : n;
}

static ssize_t read_header(struct nec_frame_reader *reader, int fd)
{
	ssize_t n = read_some(fd, reader->header + reader->received,
			      NEC_FRAME_HEADER - reader->received);

	if (n > 0)
		reader->received += (size_t)n;
	return n;
}

/* In pieces: memory is taken only for bytes that have arrived, whatever the header claims. */
static ssize_t read_payload(struct nec_frame_reader *reader, int fd)
{
	uint8_t piece[4096];
	uint64_t left = frame_size(reader) - reader->payload.size;
	ssize_t n = read_some(fd, piece, left < sizeof(piece) ? (size_t)left : sizeof(piece));

	if (n > 0)
		nec_buffer_append(&reader->payload, piece, (size_t)n);
	return reader->payload.failed ? -ENOMEM : n;
}

static int read_failure(const struct nec_frame_reader *reader, int result, nec_error *err)
{
	if (result == -EAGAIN)
		return 0;
	if (result == -ENODATA && reader->received == 0)
		return nec_error_set(err, NEC_E_SYSTEM, -ENODATA, "the peer closed the connection");
	if (result == -ENODATA)
		return nec_error_set(err, NEC_E_SYSTEM, -EPROTO,
				     "the peer closed the connection in the middle of a frame");
	return nec_error_set_system(err, NEC_E_SYSTEM, result, "cannot read a frame");
}

int nec_frame_read(struct nec_frame_reader *reader, int fd, nec_error *err)
{
	ssize_t n;

	while (reader->received < NEC_FRAME_HEADER) {
		n = read_header(reader, fd);
		if (n < 0)
			return read_failure(reader, (int)n, err);
	}
	if (frame_size(reader) > reader->limit)
		return nec_error_set(err, NEC_E_TOO_LARGE, -EFBIG,
				     "a frame of %" PRIu64 " bytes, at most %zu are taken",
				     frame_size(reader), reader->limit);
	while (reader->payload.size < frame_size(reader)) {
		n = read_payload(reader, fd);
		if (n < 0)
			return read_failure(reader, (int)n, err);
	}
	return 1;
}

void nec_frame_next(struct nec_frame_reader *reader)
{
	nec_buffer_free(&reader->payload);
	reader->received = 0;
}

void nec_frame_append(struct nec_buffer *to, const void *payload, size_t size)
{
	uint64_t header = htole64(size);

	nec_buffer_append(to, &header, sizeof(header));
	nec_buffer_append(to, payload, size);
}
