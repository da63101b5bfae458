/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as lower-case hex, and back. */
#ifndef NEC_BASE_HEX_H
#define NEC_BASE_HEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Writes 2 * @size digits and a NUL to @text. */
void nec_hex_encode(const uint8_t *bytes, size_t size, char *text);

/* True when @text is exactly 2 * @size hex digits of either case; then @bytes has the value. */
bool nec_hex_decode(const char *text, uint8_t *bytes, size_t size);

#endif
