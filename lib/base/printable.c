/* SPDX-License-Identifier: Apache-2.0 */
#include "base/printable.h"

#include <string.h>

#include "base/utf8.h"

void nec_printable_append(struct nec_buffer *to, const void *text, size_t size)
{
	const unsigned char *bytes = text;

	for (size_t i = 0; i < size;) {
		size_t length = nec_utf8_length(bytes + i, size - i);

		if (length > 0 && !nec_utf8_is_control(bytes + i, length)) {
			nec_buffer_append(to, bytes + i, length);
			i += length;
		} else {
			nec_buffer_printf(to, "\\x%02x", bytes[i]);
			i++;
		}
	}
}

char *nec_printable(const char *text)
{
	struct nec_buffer printable = { 0 };

	nec_printable_append(&printable, text, strlen(text));
	nec_buffer_append_text(&printable, ""); /* an empty text is one too */
	return (char *)printable.data;
}
