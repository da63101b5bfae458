/* SPDX-License-Identifier: Apache-2.0 */
/* The growing byte buffer. */
#include "base/buffer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"

void nec_buffer_free(struct nec_buffer *buffer)
{
	free(buffer->data);
	*buffer = (struct nec_buffer){ 0 };
}

static void fail(struct nec_buffer *buffer)
{
	nec_buffer_free(buffer);
	buffer->failed = true;
}

/* Room for @size more bytes and a NUL. */
static bool reserve(struct nec_buffer *buffer, size_t size)
{
	size_t needed;
	size_t capacity;
	uint8_t *data;

	if (buffer->failed)
		return false;
	if (__builtin_add_overflow(buffer->size, size, &needed) ||
	    __builtin_add_overflow(needed, 1, &needed)) {
		fail(buffer);
		return false;
	}
	if (needed <= buffer->capacity)
		return true;
	capacity = buffer->capacity < SIZE_MAX / 2 ? buffer->capacity * 2 : needed;
	if (capacity < needed)
		capacity = needed;
	if (capacity < 64)
		capacity = 64;
	data = realloc(buffer->data, capacity);
	if (!data) {
		fail(buffer);
		return false;
	}
	buffer->data = data;
	buffer->capacity = capacity;
	return true;
}

void nec_buffer_append(struct nec_buffer *buffer, const void *data, size_t size)
{
	if (!reserve(buffer, size))
		return;
	if (size > 0)
		memcpy(buffer->data + buffer->size, data, size);
	buffer->size += size;
	buffer->data[buffer->size] = 0;
}

void nec_buffer_append_zeros(struct nec_buffer *buffer, size_t size)
{
	if (!reserve(buffer, size))
		return;
	memset(buffer->data + buffer->size, 0, size + 1);
	buffer->size += size;
}

void nec_buffer_append_u8(struct nec_buffer *buffer, uint8_t value)
{
	nec_buffer_append(buffer, &value, 1);
}

void nec_buffer_append_u16be(struct nec_buffer *buffer, uint16_t value)
{
	uint8_t bytes[2];

	nec_put_u16be(bytes, value);
	nec_buffer_append(buffer, bytes, sizeof(bytes));
}

void nec_buffer_append_u32be(struct nec_buffer *buffer, uint32_t value)
{
	uint8_t bytes[4];

	nec_put_u32be(bytes, value);
	nec_buffer_append(buffer, bytes, sizeof(bytes));
}

void nec_buffer_append_u64be(struct nec_buffer *buffer, uint64_t value)
{
	uint8_t bytes[8];

	nec_put_u64be(bytes, value);
	nec_buffer_append(buffer, bytes, sizeof(bytes));
}

void nec_buffer_append_text(struct nec_buffer *buffer, const char *text)
{
	nec_buffer_append(buffer, text, strlen(text));
}

void nec_buffer_vprintf(struct nec_buffer *buffer, const char *format, va_list args)
{
	va_list again;
	int size;

	va_copy(again, args);
	size = vsnprintf(NULL, 0, format, args);
	if (size < 0)
		fail(buffer);
	else if (reserve(buffer, (size_t)size)) {
		(void)vsnprintf((char *)buffer->data + buffer->size, (size_t)size + 1, format,
				again);
		buffer->size += (size_t)size;
	}
	va_end(again);
}

void nec_buffer_printf(struct nec_buffer *buffer, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	nec_buffer_vprintf(buffer, format, args);
	va_end(args);
}

const char *nec_buffer_text(const struct nec_buffer *buffer)
{
	return buffer->data ? (const char *)buffer->data : "";
}
