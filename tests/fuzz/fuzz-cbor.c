/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The CBOR reader. A walk by the typed calls must accept exactly what nec_cbor_skip() accepts, and
 * end at the same place; what was read is written again and must be well-formed.
 */
#include "base/cbor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { COPY_LIMIT = 1 << 16 };

static int walk(struct nec_cbor *cbor, struct nec_buffer *to, unsigned int depth);

static int walk_list(struct nec_cbor *cbor, struct nec_buffer *to, unsigned int depth)
{
	struct nec_cbor_list list;
	bool map = nec_cbor_peek(cbor) == NEC_CBOR_MAP;
	int r = map ? nec_cbor_map(cbor, &list, NULL) : nec_cbor_array(cbor, &list, NULL);

	nec_buffer_append_u8(to, map ? 0xbf : 0x9f);
	while (r == 0 && (r = nec_cbor_more(cbor, &list, NULL)) > 0) {
		r = walk(cbor, to, depth);
		if (r == 0 && map)
			r = walk(cbor, to, depth);
	}
	nec_buffer_append_u8(to, 0xff);
	return r;
}

static int walk_string(struct nec_cbor *cbor, struct nec_buffer *to, bool text)
{
	cleanup_buffer struct nec_buffer copy = { 0 };
	struct nec_cbor_string lent;
	struct nec_cbor again = *cbor;
	int r = text ? nec_cbor_copy_text(cbor, COPY_LIMIT, &copy, NULL)
		     : nec_cbor_copy_bytes(cbor, COPY_LIMIT, &copy, NULL);

	if (r < 0)
		return r;
	if ((text ? nec_cbor_text(&again, &lent, NULL) : nec_cbor_bytes(&again, &lent, NULL)) ==
		    0 &&
	    (lent.size != copy.size || again.cursor.offset != cbor->cursor.offset))
		__builtin_trap();
	if (text)
		nec_cbor_put_text(to, nec_buffer_text(&copy));
	else
		nec_cbor_put_bytes(to, copy.data, copy.size);
	return 0;
}

static int walk(struct nec_cbor *cbor, struct nec_buffer *to, unsigned int depth)
{
	enum nec_cbor_type type = nec_cbor_peek(cbor);
	struct nec_cbor copy = *cbor;
	int64_t number;
	uint64_t tag;
	bool flag;
	int r;

	if (depth > NEC_CBOR_MAX_DEPTH)
		return -1;
	switch (type) {
	case NEC_CBOR_ARRAY:
	case NEC_CBOR_MAP:
		return walk_list(cbor, to, depth + 1);
	case NEC_CBOR_BYTES:
	case NEC_CBOR_TEXT:
		return walk_string(cbor, to, type == NEC_CBOR_TEXT);
	case NEC_CBOR_TAG:
		if (nec_cbor_tag(cbor, &tag, NULL) != 1)
			__builtin_trap();
		nec_cbor_put_tag(to, tag);
		return walk(cbor, to, depth + 1);
	case NEC_CBOR_BOOL:
		r = nec_cbor_bool(cbor, &flag, NULL);
		nec_cbor_put_bool(to, flag);
		return r;
	case NEC_CBOR_UINT:
	case NEC_CBOR_NEGATIVE:
		r = nec_cbor_int(&copy, &number, NULL);
		if (r == 0)
			nec_cbor_put_int(to, number);
		else
			nec_cbor_put_null(to);
		return nec_cbor_skip(cbor, NULL);
	case NEC_CBOR_NULL:
		if (!nec_cbor_null(cbor))
			__builtin_trap();
		nec_cbor_put_null(to);
		return 0;
	default:
		nec_cbor_put_null(to);
		return nec_cbor_skip(cbor, NULL);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct nec_cbor skipped = nec_cbor_over(data, size, "fuzz", NEC_E_SIGNATURE_FORMAT);
	struct nec_cbor walked = skipped;
	cleanup_buffer struct nec_buffer written = { 0 };
	nec_error err;
	int by_skip = nec_cbor_skip(&skipped, &err);
	int by_walk;

	if (size > COPY_LIMIT)
		return 0;
	by_walk = walk(&walked, &written, 0);
	if ((by_skip < 0) != (by_walk < 0))
		__builtin_trap();
	if (by_skip < 0)
		return 0;
	if (skipped.cursor.offset != walked.cursor.offset)
		__builtin_trap();
	struct nec_cbor again =
		nec_cbor_over(written.data, written.size, "fuzz", NEC_E_SIGNATURE_FORMAT);

	if (nec_cbor_skip(&again, &err) < 0 || nec_cbor_end(&again, &err) < 0)
		__builtin_trap();
	return 0;
}
