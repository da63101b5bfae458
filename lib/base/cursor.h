/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bounds-checked cursor that every reader of bytes from outside stands on.
 *
 * Invariant: offset <= size. Each call either takes everything it was asked for and returns true,
 * or takes nothing and returns false. Lengths are compared by subtraction, so no sum can overflow.
 */
#ifndef NEC_BASE_CURSOR_H
#define NEC_BASE_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nec_cursor {
	const uint8_t *data;
	size_t size;
	size_t offset;
};

static inline struct nec_cursor nec_cursor_over(const void *data, size_t size)
{
	return (struct nec_cursor){ .data = data, .size = size };
}

static inline size_t nec_cursor_left(const struct nec_cursor *cursor)
{
	return cursor->size - cursor->offset;
}

bool nec_cursor_u8(struct nec_cursor *cursor, uint8_t *ret);
bool nec_cursor_u16be(struct nec_cursor *cursor, uint16_t *ret);
bool nec_cursor_u32be(struct nec_cursor *cursor, uint32_t *ret);
bool nec_cursor_u64be(struct nec_cursor *cursor, uint64_t *ret);
bool nec_cursor_u16le(struct nec_cursor *cursor, uint16_t *ret);
bool nec_cursor_u32le(struct nec_cursor *cursor, uint32_t *ret);
bool nec_cursor_u64le(struct nec_cursor *cursor, uint64_t *ret);
/* Lends @size bytes of the cursor's memory. */
bool nec_cursor_bytes(struct nec_cursor *cursor, size_t size, const uint8_t **ret);
bool nec_cursor_skip(struct nec_cursor *cursor, size_t size);

static inline void nec_put_u16be(uint8_t *to, uint16_t value)
{
	to[0] = (uint8_t)(value >> 8);
	to[1] = (uint8_t)value;
}

static inline void nec_put_u32be(uint8_t *to, uint32_t value)
{
	nec_put_u16be(to, (uint16_t)(value >> 16));
	nec_put_u16be(to + 2, (uint16_t)value);
}

static inline void nec_put_u64be(uint8_t *to, uint64_t value)
{
	nec_put_u32be(to, (uint32_t)(value >> 32));
	nec_put_u32be(to + 4, (uint32_t)value);
}

#endif
