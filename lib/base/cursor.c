/* SPDX-License-Identifier: Apache-2.0 */
/* The bounds-checked cursor. */
#include "base/cursor.h"

bool nec_cursor_bytes(struct nec_cursor *cursor, size_t size, const uint8_t **ret)
{
	if (size > nec_cursor_left(cursor))
		return false;
	*ret = cursor->data + cursor->offset;
	cursor->offset += size;
	return true;
}

bool nec_cursor_skip(struct nec_cursor *cursor, size_t size)
{
	const uint8_t *skipped;

	return nec_cursor_bytes(cursor, size, &skipped);
}

static bool read_be(struct nec_cursor *cursor, size_t size, uint64_t *ret)
{
	const uint8_t *bytes;
	uint64_t value = 0;

	if (!nec_cursor_bytes(cursor, size, &bytes))
		return false;
	for (size_t i = 0; i < size; i++)
		value = value << 8 | bytes[i];
	*ret = value;
	return true;
}

static bool read_le(struct nec_cursor *cursor, size_t size, uint64_t *ret)
{
	const uint8_t *bytes;
	uint64_t value = 0;

	if (!nec_cursor_bytes(cursor, size, &bytes))
		return false;
	for (size_t i = size; i > 0; i--)
		value = value << 8 | bytes[i - 1];
	*ret = value;
	return true;
}

#define DEFINE_READER(name, type, read)                              \
	bool nec_cursor_##name(struct nec_cursor *cursor, type *ret) \
	{                                                            \
		uint64_t value;                                      \
                                                                     \
		if (!read(cursor, sizeof(type), &value))             \
			return false;                                \
		*ret = (type)value;                                  \
		return true;                                         \
	}

DEFINE_READER(u8, uint8_t, read_be)
DEFINE_READER(u16be, uint16_t, read_be)
DEFINE_READER(u32be, uint32_t, read_be)
DEFINE_READER(u64be, uint64_t, read_be)
DEFINE_READER(u16le, uint16_t, read_le)
DEFINE_READER(u32le, uint32_t, read_le)
DEFINE_READER(u64le, uint64_t, read_le)
