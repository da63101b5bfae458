/* SPDX-License-Identifier: Apache-2.0 */
/* CBOR: the reader. */
#include "base/cbor.h"

#include <inttypes.h>
#include <string.h>

#include "base/cbor-heads.h"
#include "base/error.h"
#include "base/utf8.h"

struct item {
	enum nec_cbor_type type;
	bool indefinite;
	size_t offset; /* of its head */
	uint64_t value;
	const uint8_t *data; /* of a definite string */
};

static const char *const type_names[] = {
	[NEC_CBOR_UINT] = "an unsigned integer",
	[NEC_CBOR_NEGATIVE] = "a negative integer",
	[NEC_CBOR_BYTES] = "a byte string",
	[NEC_CBOR_TEXT] = "a text string",
	[NEC_CBOR_ARRAY] = "an array",
	[NEC_CBOR_MAP] = "a map",
	[NEC_CBOR_TAG] = "a tag",
	[NEC_CBOR_BOOL] = "true or false",
	[NEC_CBOR_NULL] = "null",
	[NEC_CBOR_UNDEFINED] = "undefined",
	[NEC_CBOR_FLOAT] = "a floating-point number",
	[NEC_CBOR_SIMPLE] = "a simple value",
	[NEC_CBOR_BREAK] = "a break",
};

__attribute__((format(printf, 4, 5))) static int problem(const struct nec_cbor *cbor, size_t offset,
							 nec_error *err, const char *format, ...)
{
	char text[160];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return nec_error_set(err, cbor->code, -EBADMSG, "%s: CBOR at offset %zu: %s", cbor->name,
			     offset, text);
}

static int wrong_type(const struct nec_cbor *cbor, const struct item *item,
		      enum nec_cbor_type wanted, nec_error *err)
{
	return problem(cbor, item->offset, err, "%s is expected, not %s", type_names[wanted],
		       type_names[item->type]);
}

/* The value that the head's low bits announce, in 1, 2, 4 or 8 bytes. */
static bool read_value(struct nec_cursor *cursor, unsigned int info, uint64_t *ret)
{
	uint64_t value = 0;
	const uint8_t *bytes;
	size_t size;

	if (info < INFO_1_BYTE) {
		*ret = info;
		return true;
	}
	size = (size_t)1 << (info - INFO_1_BYTE);
	if (!nec_cursor_bytes(cursor, size, &bytes))
		return false;
	for (size_t i = 0; i < size; i++)
		value = value << 8 | bytes[i];
	*ret = value;
	return true;
}

static enum nec_cbor_type simple_type(unsigned int info, uint64_t value)
{
	if (info > INFO_1_BYTE)
		return NEC_CBOR_FLOAT;
	switch (value) {
	case SIMPLE_FALSE:
	case SIMPLE_TRUE:
		return NEC_CBOR_BOOL;
	case SIMPLE_NULL:
		return NEC_CBOR_NULL;
	case SIMPLE_UNDEFINED:
		return NEC_CBOR_UNDEFINED;
	default:
		return NEC_CBOR_SIMPLE;
	}
}

static enum nec_cbor_type type_of(unsigned int major, unsigned int info, uint64_t value)
{
	static const enum nec_cbor_type types[] = {
		[MAJOR_UINT] = NEC_CBOR_UINT,   [MAJOR_NEGATIVE] = NEC_CBOR_NEGATIVE,
		[MAJOR_BYTES] = NEC_CBOR_BYTES, [MAJOR_TEXT] = NEC_CBOR_TEXT,
		[MAJOR_ARRAY] = NEC_CBOR_ARRAY, [MAJOR_MAP] = NEC_CBOR_MAP,
		[MAJOR_TAG] = NEC_CBOR_TAG,
	};

	return major == MAJOR_SIMPLE ? simple_type(info, value) : types[major];
}

/* An item of indefinite length, or the break that ends one. */
static int take_indefinite(const struct nec_cbor *cbor, unsigned int major, struct item *ret,
			   nec_error *err)
{
	if (major == MAJOR_SIMPLE) {
		ret->type = NEC_CBOR_BREAK;
		return 0;
	}
	if (major < MAJOR_BYTES || major > MAJOR_MAP)
		return problem(cbor, ret->offset, err, "an integer or tag without its value");
	ret->type = type_of(major, 0, 0);
	ret->indefinite = true;
	return 0;
}

/* Takes a head, and with it the bytes of a definite string. */
static int take(struct nec_cbor *cbor, struct item *ret, nec_error *err)
{
	struct nec_cursor *cursor = &cbor->cursor;
	uint8_t head;
	unsigned int major;
	unsigned int info;

	*ret = (struct item){ .offset = cursor->offset };
	if (!nec_cursor_u8(cursor, &head))
		return problem(cbor, ret->offset, err, "it ends where an item is expected");
	major = head >> 5;
	info = head & 0x1f;
	if (info == INFO_INDEFINITE)
		return take_indefinite(cbor, major, ret, err);
	if (info > INFO_8_BYTES)
		return problem(cbor, ret->offset, err, "0x%02x begins no item", head);
	if (!read_value(cursor, info, &ret->value))
		return problem(cbor, ret->offset, err, "it ends in the middle of an item");
	if (major == MAJOR_SIMPLE && info == INFO_1_BYTE && ret->value < SIMPLE_BYTE_MIN)
		return problem(cbor, ret->offset, err, "simple value %" PRIu64 " in two bytes",
			       ret->value);
	ret->type = type_of(major, info, ret->value);
	if (ret->type == NEC_CBOR_BOOL)
		ret->value = ret->value == SIMPLE_TRUE;
	if ((ret->type == NEC_CBOR_BYTES || ret->type == NEC_CBOR_TEXT) &&
	    (ret->value > nec_cursor_left(cursor) ||
	     !nec_cursor_bytes(cursor, (size_t)ret->value, &ret->data)))
		return problem(cbor, ret->offset, err,
			       "a string claims %" PRIu64 " bytes, %zu are left", ret->value,
			       nec_cursor_left(cursor));
	if (ret->type == NEC_CBOR_TEXT && !nec_utf8_valid(ret->data, (size_t)ret->value))
		return problem(cbor, ret->offset, err, "a text string is not valid UTF-8");
	return 0;
}

static int take_type(struct nec_cbor *cbor, enum nec_cbor_type wanted, struct item *ret,
		     nec_error *err)
{
	int r = take(cbor, ret, err);

	if (r < 0)
		return r;
	return ret->type == wanted ? 0 : wrong_type(cbor, ret, wanted, err);
}

enum nec_cbor_type nec_cbor_peek(const struct nec_cbor *cbor)
{
	struct nec_cbor copy = *cbor;
	struct item item;

	return take(&copy, &item, NULL) < 0 ? NEC_CBOR_MALFORMED : item.type;
}

int nec_cbor_uint(struct nec_cbor *cbor, uint64_t *ret, nec_error *err)
{
	struct item item;
	int r = take_type(cbor, NEC_CBOR_UINT, &item, err);

	if (r < 0)
		return r;
	*ret = item.value;
	return 0;
}

int nec_cbor_int(struct nec_cbor *cbor, int64_t *ret, nec_error *err)
{
	struct item item;
	int r = take(cbor, &item, err);

	if (r < 0)
		return r;
	if (item.type != NEC_CBOR_UINT && item.type != NEC_CBOR_NEGATIVE)
		return problem(cbor, item.offset, err, "an integer is expected, not %s",
			       type_names[item.type]);
	if (item.value > INT64_MAX)
		return problem(cbor, item.offset, err, "an integer needs more than 64 bits");
	*ret = item.type == NEC_CBOR_UINT ? (int64_t)item.value : -1 - (int64_t)item.value;
	return 0;
}

int nec_cbor_bool(struct nec_cbor *cbor, bool *ret, nec_error *err)
{
	struct item item;
	int r = take_type(cbor, NEC_CBOR_BOOL, &item, err);

	if (r < 0)
		return r;
	*ret = item.value != 0;
	return 0;
}

static int take_string(struct nec_cbor *cbor, enum nec_cbor_type type, struct nec_cbor_string *ret,
		       nec_error *err)
{
	struct item item;
	int r = take_type(cbor, type, &item, err);

	if (r < 0)
		return r;
	if (item.indefinite)
		return problem(cbor, item.offset, err, "a string in pieces is not expected here");
	*ret = (struct nec_cbor_string){ .data = item.data, .size = (size_t)item.value };
	return 0;
}

int nec_cbor_bytes(struct nec_cbor *cbor, struct nec_cbor_string *ret, nec_error *err)
{
	return take_string(cbor, NEC_CBOR_BYTES, ret, err);
}

int nec_cbor_text(struct nec_cbor *cbor, struct nec_cbor_string *ret, nec_error *err)
{
	return take_string(cbor, NEC_CBOR_TEXT, ret, err);
}

bool nec_cbor_null(struct nec_cbor *cbor)
{
	struct item item;

	return nec_cbor_peek(cbor) == NEC_CBOR_NULL && take(cbor, &item, NULL) == 0;
}

int nec_cbor_tag(struct nec_cbor *cbor, uint64_t *ret, nec_error *err)
{
	struct nec_cbor copy = *cbor;
	struct item item;
	int r = take(&copy, &item, err);

	if (r < 0 || item.type != NEC_CBOR_TAG)
		return r;
	*cbor = copy;
	*ret = item.value;
	return 1;
}

static int append(const struct nec_cbor *cbor, const void *data, size_t size, size_t limit,
		  struct nec_buffer *to, nec_error *err)
{
	if (to->failed)
		return nec_error_no_memory(err);
	if (size > limit || to->size > limit - size)
		return nec_error_set(err, NEC_E_TOO_LARGE, -EFBIG,
				     "%s: CBOR before offset %zu: a string has more than the %zu "
				     "bytes allowed",
				     cbor->name, cbor->cursor.offset, limit);
	nec_buffer_append(to, data, size);
	return to->failed ? nec_error_no_memory(err) : 0;
}

/* The pieces of an indefinite string, each a definite one of the same type, up to the break. */
static int append_pieces(struct nec_cbor *cbor, enum nec_cbor_type type, size_t limit,
			 struct nec_buffer *to, nec_error *err)
{
	struct item item;
	int r;

	for (;;) {
		r = take(cbor, &item, err);
		if (r < 0 || item.type == NEC_CBOR_BREAK)
			return r;
		if (item.type != type || item.indefinite)
			return wrong_type(cbor, &item, type, err);
		r = append(cbor, item.data, (size_t)item.value, limit, to, err);
		if (r < 0)
			return r;
	}
}

static int append_string(struct nec_cbor *cbor, enum nec_cbor_type type, size_t limit,
			 struct nec_buffer *to, nec_error *err)
{
	struct item item;
	int r = take_type(cbor, type, &item, err);

	if (r < 0)
		return r;
	if (item.indefinite)
		return append_pieces(cbor, type, limit, to, err);
	return append(cbor, item.data, (size_t)item.value, limit, to, err);
}

static int append_integers(struct nec_cbor *cbor, size_t limit, struct nec_buffer *to,
			   nec_error *err)
{
	struct nec_cbor_list list = { 0 };
	int r = nec_cbor_array(cbor, &list, err);

	while (r == 0 && (r = nec_cbor_more(cbor, &list, err)) > 0) {
		size_t offset = cbor->cursor.offset;
		uint64_t value;
		uint8_t byte;

		r = nec_cbor_uint(cbor, &value, err);
		if (r < 0)
			return r;
		if (value > UINT8_MAX)
			return problem(cbor, offset, err, "%" PRIu64 " is not a byte", value);
		byte = (uint8_t)value;
		r = append(cbor, &byte, 1, limit, to, err);
	}
	return r;
}

int nec_cbor_copy_bytes(struct nec_cbor *cbor, size_t limit, struct nec_buffer *to, nec_error *err)
{
	if (nec_cbor_peek(cbor) == NEC_CBOR_ARRAY)
		return append_integers(cbor, limit, to, err);
	return append_string(cbor, NEC_CBOR_BYTES, limit, to, err);
}

int nec_cbor_copy_text(struct nec_cbor *cbor, size_t limit, struct nec_buffer *to, nec_error *err)
{
	return append_string(cbor, NEC_CBOR_TEXT, limit, to, err);
}

/* @least is the least that one element or pair needs, so a count can be refused at once. */
static int enter(struct nec_cbor *cbor, enum nec_cbor_type type, size_t least,
		 struct nec_cbor_list *ret, nec_error *err)
{
	struct item item;
	int r = take_type(cbor, type, &item, err);

	if (r < 0)
		return r;
	if (item.value > nec_cursor_left(&cbor->cursor) / least)
		return problem(cbor, item.offset, err,
			       "%s claims %" PRIu64 " entries, %zu bytes are left",
			       type_names[type], item.value, nec_cursor_left(&cbor->cursor));
	*ret = (struct nec_cbor_list){ .left = item.value, .indefinite = item.indefinite };
	return 0;
}

int nec_cbor_array(struct nec_cbor *cbor, struct nec_cbor_list *ret, nec_error *err)
{
	return enter(cbor, NEC_CBOR_ARRAY, 1, ret, err);
}

int nec_cbor_map(struct nec_cbor *cbor, struct nec_cbor_list *ret, nec_error *err)
{
	return enter(cbor, NEC_CBOR_MAP, 2, ret, err);
}

int nec_cbor_more(struct nec_cbor *cbor, struct nec_cbor_list *list, nec_error *err)
{
	struct nec_cursor *cursor = &cbor->cursor;

	if (!list->indefinite) {
		if (list->left == 0)
			return 0;
		list->left--;
		return 1;
	}
	if (nec_cursor_left(cursor) == 0)
		return problem(cbor, cursor->offset, err, "it ends before a break");
	if (cursor->data[cursor->offset] != BREAK)
		return 1;
	cursor->offset++;
	return 0;
}

static int skip_pieces(struct nec_cbor *cbor, enum nec_cbor_type type, nec_error *err)
{
	struct item item;
	int r;

	do {
		r = take(cbor, &item, err);
		if (r < 0)
			return r;
		if (item.type != NEC_CBOR_BREAK && (item.type != type || item.indefinite))
			return wrong_type(cbor, &item, type, err);
	} while (item.type != NEC_CBOR_BREAK);
	return 0;
}

static int skip(struct nec_cbor *cbor, unsigned int depth, nec_error *err);

/* NOLINTNEXTLINE(misc-no-recursion): bounded by NEC_CBOR_MAX_DEPTH */
static int skip_list(struct nec_cbor *cbor, bool map, unsigned int depth, nec_error *err)
{
	struct nec_cbor_list list = { 0 };
	int r = map ? nec_cbor_map(cbor, &list, err) : nec_cbor_array(cbor, &list, err);

	while (r == 0 && (r = nec_cbor_more(cbor, &list, err)) > 0) {
		r = skip(cbor, depth, err);
		if (r == 0 && map)
			r = skip(cbor, depth, err);
	}
	return r;
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by NEC_CBOR_MAX_DEPTH */
static int skip(struct nec_cbor *cbor, unsigned int depth, nec_error *err)
{
	enum nec_cbor_type type = nec_cbor_peek(cbor);
	struct item item;
	int r;

	if (depth > NEC_CBOR_MAX_DEPTH)
		return problem(cbor, cbor->cursor.offset, err, "the nesting is too deep");
	if (type == NEC_CBOR_ARRAY || type == NEC_CBOR_MAP)
		return skip_list(cbor, type == NEC_CBOR_MAP, depth + 1, err);
	r = take(cbor, &item, err);
	if (r < 0)
		return r;
	if (item.type == NEC_CBOR_BREAK)
		return problem(cbor, item.offset, err, "a break where an item is expected");
	if (item.type == NEC_CBOR_TAG)
		return skip(cbor, depth + 1, err);
	return item.indefinite ? skip_pieces(cbor, item.type, err) : 0;
}

int nec_cbor_skip(struct nec_cbor *cbor, nec_error *err)
{
	return skip(cbor, 0, err);
}

int nec_cbor_end(const struct nec_cbor *cbor, nec_error *err)
{
	if (nec_cursor_left(&cbor->cursor) > 0)
		return problem(cbor, cbor->cursor.offset, err, "%zu bytes follow its end",
			       nec_cursor_left(&cbor->cursor));
	return 0;
}

bool nec_cbor_is(const struct nec_cbor_string *string, const char *text)
{
	return string->size == strlen(text) && memcmp(string->data, text, string->size) == 0;
}
