/* SPDX-License-Identifier: Apache-2.0 */
/* The two streams that need no library: a range of a file, bytes in memory. */
#include "base/stream.h"

#include <string.h>
#include <unistd.h>

#include "base/cursor.h"
#include "base/error.h"

ssize_t nec_stream_read_full(const struct nec_stream *stream, void *to, size_t size, nec_error *err)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = stream->read(stream->userdata, (char *)to + done, size - done, err);

		if (n < 0)
			return n;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

static ssize_t read_range(void *userdata, void *to, size_t size, nec_error *err)
{
	struct nec_file_range *range = userdata;
	uint64_t left = range->end - range->offset;
	ssize_t n;

	if (left == 0)
		return 0;
	do
		n = pread(range->fd, to, size < left ? size : (size_t)left, (off_t)range->offset);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return nec_error_set_system(err, NEC_E_FILE_READ, -errno,
					    "cannot read %s at offset %llu", range->name,
					    (unsigned long long)range->offset);
	if (n == 0)
		return nec_error_set(err, NEC_E_FILE_READ, -EBADMSG,
				     "%s ends at offset %llu, %llu more bytes are needed",
				     range->name, (unsigned long long)range->offset,
				     (unsigned long long)left);
	range->offset += (uint64_t)n;
	return n;
}

static int64_t skip_range(void *userdata, uint64_t size, nec_error *err)
{
	struct nec_file_range *range = userdata;
	uint64_t left = range->end - range->offset;
	uint64_t step = size < left ? size : left;

	(void)err;
	range->offset += step;
	return (int64_t)step;
}

struct nec_stream nec_stream_over_range(struct nec_file_range *range)
{
	return (struct nec_stream){ .read = read_range, .skip = skip_range, .userdata = range };
}

static ssize_t read_cursor(void *userdata, void *to, size_t size, nec_error *err)
{
	struct nec_cursor *cursor = userdata;
	size_t step = size < nec_cursor_left(cursor) ? size : nec_cursor_left(cursor);
	const uint8_t *bytes;

	(void)err;
	if (step > 0 && nec_cursor_bytes(cursor, step, &bytes))
		memcpy(to, bytes, step);
	return (ssize_t)step;
}

static int64_t skip_cursor(void *userdata, uint64_t size, nec_error *err)
{
	struct nec_cursor *cursor = userdata;
	size_t step = size < nec_cursor_left(cursor) ? (size_t)size : nec_cursor_left(cursor);

	(void)err;
	(void)nec_cursor_skip(cursor, step);
	return (int64_t)step;
}

struct nec_stream nec_stream_over_cursor(struct nec_cursor *cursor)
{
	return (struct nec_stream){ .read = read_cursor, .skip = skip_cursor, .userdata = cursor };
}
