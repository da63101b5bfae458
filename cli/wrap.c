/* SPDX-License-Identifier: Apache-2.0 */
/* Text broken into lines between words; a column is a byte, our texts are ASCII. */
#include "wrap.h"

#include <string.h>

static void new_line(struct cli_wrap *wrap)
{
	nec_buffer_append_u8(wrap->to, '\n');
	for (size_t i = 0; i < wrap->indent; i++)
		nec_buffer_append_u8(wrap->to, ' ');
	wrap->column = wrap->indent;
	wrap->fresh = true;
}

void cli_wrap_word(struct cli_wrap *wrap, const char *word, size_t size)
{
	if (!wrap->fresh && wrap->column + 1 + size > wrap->width)
		new_line(wrap);
	if (!wrap->fresh) {
		nec_buffer_append_u8(wrap->to, ' ');
		wrap->column++;
	}
	nec_buffer_append(wrap->to, word, size);
	wrap->column += size;
	wrap->fresh = false;
}

/* A command in backquotes is one word, so that it can be copied, with what clings to it. */
static size_t word_size(const char *text)
{
	const char *end = *text == '`' ? strchr(text + 1, '`') : NULL;
	size_t quoted = end ? (size_t)(end - text) : 0;

	return quoted + strcspn(text + quoted, " \n");
}

void cli_wrap_text(struct cli_wrap *wrap, const char *text)
{
	while (*text) {
		size_t blanks = strspn(text, " \n");
		size_t size = word_size(text + blanks);

		if (blanks > 1 && strncmp(text, "\n\n", 2) == 0 && size > 0) {
			nec_buffer_append_u8(wrap->to, '\n');
			new_line(wrap);
		}
		if (size > 0)
			cli_wrap_word(wrap, text + blanks, size);
		text += blanks + size;
	}
}
