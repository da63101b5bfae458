/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks a text against RFC 8259 before cJSON sees it (cJSON lets control characters, bad UTF-8,
 * repeated keys and odd numbers pass) and notes where each number stands, in document order.
 */
#ifndef NEC_BASE_JSON_SCAN_H
#define NEC_BASE_JSON_SCAN_H

#include "base/buffer.h"
#include "nec.h"

/* Where a number stands in the text. */
struct nec_json_number {
	size_t offset;
	size_t size;
};

/*
 * Appends a struct nec_json_number for each number to @numbers, whose `failed` the caller looks at.
 * Returns 0, or -EBADMSG (NEC_E_JSON, the message has line and column).
 */
int nec_json_scan(const char *text, size_t size, struct nec_buffer *numbers, nec_error *err);

#endif
