/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growing byte buffer whose failure is remembered: append freely, look at `failed` once at the
 * end. After a failure the buffer is empty and every further append is a no-op.
 */
#ifndef NEC_BASE_BUFFER_H
#define NEC_BASE_BUFFER_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct nec_buffer {
	uint8_t *data; /* data[size] is always a NUL byte once anything was appended */
	size_t size;
	size_t capacity;
	bool failed; /* out of memory */
};

void nec_buffer_free(struct nec_buffer *buffer);
void nec_buffer_append(struct nec_buffer *buffer, const void *data, size_t size);
void nec_buffer_append_zeros(struct nec_buffer *buffer, size_t size);
void nec_buffer_append_u8(struct nec_buffer *buffer, uint8_t value);
void nec_buffer_append_u16be(struct nec_buffer *buffer, uint16_t value);
void nec_buffer_append_u32be(struct nec_buffer *buffer, uint32_t value);
void nec_buffer_append_u64be(struct nec_buffer *buffer, uint64_t value);
void nec_buffer_append_text(struct nec_buffer *buffer, const char *text);
void nec_buffer_vprintf(struct nec_buffer *buffer, const char *format, va_list args)
	__attribute__((format(printf, 2, 0)));
void nec_buffer_printf(struct nec_buffer *buffer, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The contents as text, "" when empty; belongs to the buffer. */
const char *nec_buffer_text(const struct nec_buffer *buffer);

static inline void nec_cleanup_buffer(struct nec_buffer *buffer)
{
	nec_buffer_free(buffer);
}
#define cleanup_buffer NEC_CLEANUP(buffer)

#endif
