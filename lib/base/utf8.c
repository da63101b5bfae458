/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8. */
#include "base/utf8.h"

#include <string.h>

size_t nec_utf8_length(const unsigned char *text, size_t left)
{
	size_t length;
	unsigned char low = 0x80;
	unsigned char high = 0xbf;

	if (text[0] < 0x80)
		return 1;
	if (text[0] >= 0xc2 && text[0] <= 0xdf)
		length = 2;
	else if (text[0] >= 0xe0 && text[0] <= 0xef)
		length = 3;
	else if (text[0] >= 0xf0 && text[0] <= 0xf4)
		length = 4;
	else
		return 0;
	if (text[0] == 0xe0)
		low = 0xa0;
	else if (text[0] == 0xed)
		high = 0x9f;
	else if (text[0] == 0xf0)
		low = 0x90;
	else if (text[0] == 0xf4)
		high = 0x8f;
	if (length > left || text[1] < low || text[1] > high)
		return 0;
	for (size_t i = 2; i < length; i++)
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	return length;
}

bool nec_utf8_valid(const void *text, size_t size)
{
	const unsigned char *bytes = text;
	size_t offset = 0;

	while (offset < size) {
		size_t length = nec_utf8_length(bytes + offset, size - offset);

		if (length == 0)
			return false;
		offset += length;
	}
	return true;
}

bool nec_utf8_is_control(const unsigned char *sequence, size_t length)
{
	if (length == 1)
		return sequence[0] < 0x20 || sequence[0] == 0x7f;
	return length == 2 && sequence[0] == 0xc2 && sequence[1] < 0xa0;
}

void nec_utf8_make_printable(char *text)
{
	unsigned char *at = (unsigned char *)text;
	size_t left = strlen(text);

	while (left > 0) {
		size_t length = nec_utf8_length(at, left);
		size_t step = length ? length : 1;

		if (length == 0 || (*at != '\n' && nec_utf8_is_control(at, length)))
			memset(at, '?', step);
		at += step;
		left -= step;
	}
}
