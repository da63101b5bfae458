/* SPDX-License-Identifier: Apache-2.0 */
/* CBOR: the writer. */
#include <string.h>

#include "base/cbor-heads.h"
#include "base/cbor.h"

static void put_head(struct nec_buffer *to, unsigned int major, uint64_t value)
{
	uint8_t first = (uint8_t)(major << 5);

	if (value < INFO_1_BYTE) {
		nec_buffer_append_u8(to, first | (uint8_t)value);
	} else if (value <= UINT8_MAX) {
		nec_buffer_append_u8(to, first | INFO_1_BYTE);
		nec_buffer_append_u8(to, (uint8_t)value);
	} else if (value <= UINT16_MAX) {
		nec_buffer_append_u8(to, first | (INFO_1_BYTE + 1));
		nec_buffer_append_u16be(to, (uint16_t)value);
	} else if (value <= UINT32_MAX) {
		nec_buffer_append_u8(to, first | (INFO_1_BYTE + 2));
		nec_buffer_append_u32be(to, (uint32_t)value);
	} else {
		nec_buffer_append_u8(to, first | INFO_8_BYTES);
		nec_buffer_append_u64be(to, value);
	}
}

void nec_cbor_put_uint(struct nec_buffer *to, uint64_t value)
{
	put_head(to, MAJOR_UINT, value);
}

void nec_cbor_put_int(struct nec_buffer *to, int64_t value)
{
	if (value < 0)
		put_head(to, MAJOR_NEGATIVE, (uint64_t)(-1 - value));
	else
		put_head(to, MAJOR_UINT, (uint64_t)value);
}

void nec_cbor_put_bytes(struct nec_buffer *to, const void *data, size_t size)
{
	put_head(to, MAJOR_BYTES, size);
	nec_buffer_append(to, data, size);
}

void nec_cbor_put_text(struct nec_buffer *to, const char *text)
{
	put_head(to, MAJOR_TEXT, strlen(text));
	nec_buffer_append_text(to, text);
}

void nec_cbor_put_array(struct nec_buffer *to, uint64_t count)
{
	put_head(to, MAJOR_ARRAY, count);
}

void nec_cbor_put_map(struct nec_buffer *to, uint64_t pairs)
{
	put_head(to, MAJOR_MAP, pairs);
}

void nec_cbor_put_tag(struct nec_buffer *to, uint64_t number)
{
	put_head(to, MAJOR_TAG, number);
}

void nec_cbor_put_bool(struct nec_buffer *to, bool value)
{
	put_head(to, MAJOR_SIMPLE, value ? SIMPLE_TRUE : SIMPLE_FALSE);
}

void nec_cbor_put_null(struct nec_buffer *to)
{
	put_head(to, MAJOR_SIMPLE, SIMPLE_NULL);
}

void nec_cbor_put_byte_array(struct nec_buffer *to, const uint8_t *data, size_t size)
{
	nec_cbor_put_array(to, size);
	for (size_t i = 0; i < size; i++)
		nec_cbor_put_uint(to, data[i]);
}
