/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers in the heads of CBOR items (RFC 8949, 3), for the reader and the writer. */
#ifndef NEC_BASE_CBOR_HEADS_H
#define NEC_BASE_CBOR_HEADS_H

/* The five low bits of a head: a value of its own up to 23, or where the value is. */
enum {
	INFO_1_BYTE = 24,
	INFO_8_BYTES = 27,
	INFO_INDEFINITE = 31,
};

enum { BREAK = 0xff };

/* Major types, the three high bits of a head. */
enum {
	MAJOR_UINT,
	MAJOR_NEGATIVE,
	MAJOR_BYTES,
	MAJOR_TEXT,
	MAJOR_ARRAY,
	MAJOR_MAP,
	MAJOR_TAG,
	MAJOR_SIMPLE,
};

/* Values of the major type MAJOR_SIMPLE. */
enum {
	SIMPLE_FALSE = 20,
	SIMPLE_TRUE = 21,
	SIMPLE_NULL = 22,
	SIMPLE_UNDEFINED = 23,
	SIMPLE_BYTE_MIN = 32, /* below it the form with a byte of its own is not well-formed */
};

#endif
