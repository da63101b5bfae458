/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CBOR (RFC 8949), as much of it as signatures, attestation documents and nitro-cli's control
 * protocol need: a reader that takes one item after the other from a bounds-checked cursor, and a
 * writer that appends to a buffer. No tree is built and nothing is allocated from a length.
 *
 * The reader accepts every well-formed encoding: longer heads than needed, indefinite arrays, maps
 * and strings. Calls return 0 or -EBADMSG with the error code the reader was made with and a
 * message that has the offset; after an error the reader's position means nothing any more. A map
 * with the keys "a" and "b" is read so:
 *
 *	struct nec_cbor_list map;
 *
 *	r = nec_cbor_map(&cbor, &map, err);
 *	while (r == 0 && (r = nec_cbor_more(&cbor, &map, err)) > 0) {
 *		r = nec_cbor_text(&cbor, &key, err);
 *		if (r == 0 && nec_cbor_is(&key, "a"))
 *			r = nec_cbor_uint(&cbor, &a, err);
 *		else if (r == 0)
 *			r = nec_cbor_skip(&cbor, err);
 *	}
 */
#ifndef NEC_BASE_CBOR_H
#define NEC_BASE_CBOR_H

#include "base/buffer.h"
#include "base/cursor.h"
#include "nec.h"

/* Containers and tags within each other that nec_cbor_skip() follows. */
#define NEC_CBOR_MAX_DEPTH 32

enum nec_cbor_type {
	NEC_CBOR_UINT,     /* value: the number */
	NEC_CBOR_NEGATIVE, /* value: -1 - the number */
	NEC_CBOR_BYTES,    /* value: the length */
	NEC_CBOR_TEXT,     /* value: the length */
	NEC_CBOR_ARRAY,    /* value: how many elements */
	NEC_CBOR_MAP,      /* value: how many pairs */
	NEC_CBOR_TAG,      /* value: the tag's number */
	NEC_CBOR_BOOL,     /* value: 0 or 1 */
	NEC_CBOR_NULL,
	NEC_CBOR_UNDEFINED,
	NEC_CBOR_FLOAT,     /* value: its bits, in 2, 4 or 8 bytes */
	NEC_CBOR_SIMPLE,    /* value: the number of another simple value */
	NEC_CBOR_BREAK,     /* the end of an indefinite item; never where a value belongs */
	NEC_CBOR_MALFORMED, /* only from nec_cbor_peek(): no item begins here */
};

struct nec_cbor {
	struct nec_cursor cursor;
	const char *name; /* of what is read, for messages: "signature section" */
	enum nec_error_code code;
};

/* A definite string; lent by the bytes that are read. */
struct nec_cbor_string {
	const uint8_t *data;
	size_t size;
};

/* Where a loop over an array or a map stands. */
struct nec_cbor_list {
	uint64_t left; /* elements or pairs; unused when indefinite */
	bool indefinite;
};

static inline struct nec_cbor nec_cbor_over(const void *data, size_t size, const char *name,
					    enum nec_error_code code)
{
	return (struct nec_cbor){
		.cursor = nec_cursor_over(data, size),
		.name = name,
		.code = code,
	};
}

/* What comes next, without taking it. */
enum nec_cbor_type nec_cbor_peek(const struct nec_cbor *cbor);

/*
 * Take one item of the named type. nec_cbor_int() takes either sign; text is checked to be UTF-8.
 * The two string calls lend, and refuse strings in pieces: those are for the copying calls below.
 */
int nec_cbor_uint(struct nec_cbor *cbor, uint64_t *ret, nec_error *err);
int nec_cbor_int(struct nec_cbor *cbor, int64_t *ret, nec_error *err);
int nec_cbor_bool(struct nec_cbor *cbor, bool *ret, nec_error *err);
int nec_cbor_bytes(struct nec_cbor *cbor, struct nec_cbor_string *ret, nec_error *err);
int nec_cbor_text(struct nec_cbor *cbor, struct nec_cbor_string *ret, nec_error *err);

/* Takes null, if that is next, and tells whether it was. */
bool nec_cbor_null(struct nec_cbor *cbor);

/* Takes a tag, if that is next. Returns 1 when it did, else 0, or -EBADMSG. */
int nec_cbor_tag(struct nec_cbor *cbor, uint64_t *ret, nec_error *err);

/*
 * Append a string to @to, in one piece or in many; the first also takes an array of integers up to
 * 255, which is how AWS's tools write bytes. A buffer that would grow over @limit bytes is -EFBIG
 * (NEC_E_TOO_LARGE).
 */
int nec_cbor_copy_bytes(struct nec_cbor *cbor, size_t limit, struct nec_buffer *to, nec_error *err);
int nec_cbor_copy_text(struct nec_cbor *cbor, size_t limit, struct nec_buffer *to, nec_error *err);

/* Enter an array or a map; then call nec_cbor_more() before each element or key. */
int nec_cbor_array(struct nec_cbor *cbor, struct nec_cbor_list *ret, nec_error *err);
int nec_cbor_map(struct nec_cbor *cbor, struct nec_cbor_list *ret, nec_error *err);

/* Returns 1 when another element or pair follows, 0 at the end (then it is left), or -EBADMSG. */
int nec_cbor_more(struct nec_cbor *cbor, struct nec_cbor_list *list, nec_error *err);

/* Takes one item with everything in it. */
int nec_cbor_skip(struct nec_cbor *cbor, nec_error *err);

/* Fails when anything is left. */
int nec_cbor_end(const struct nec_cbor *cbor, nec_error *err);

bool nec_cbor_is(const struct nec_cbor_string *string, const char *text);

/* The writer: shortest heads, definite lengths. */
void nec_cbor_put_uint(struct nec_buffer *to, uint64_t value);
void nec_cbor_put_int(struct nec_buffer *to, int64_t value);
void nec_cbor_put_bytes(struct nec_buffer *to, const void *data, size_t size);
void nec_cbor_put_text(struct nec_buffer *to, const char *text);
void nec_cbor_put_array(struct nec_buffer *to, uint64_t count);
void nec_cbor_put_map(struct nec_buffer *to, uint64_t pairs);
void nec_cbor_put_tag(struct nec_buffer *to, uint64_t number);
void nec_cbor_put_bool(struct nec_buffer *to, bool value);
void nec_cbor_put_null(struct nec_buffer *to);

/* Bytes as an array of integers, AWS's way. */
void nec_cbor_put_byte_array(struct nec_buffer *to, const uint8_t *data, size_t size);

#endif
