/* SPDX-License-Identifier: Apache-2.0 */
/* Text broken into lines between words. */
#ifndef NEC_CLI_WRAP_H
#define NEC_CLI_WRAP_H

#include "base/buffer.h"

/* No line is broken. */
#define CLI_NO_WRAP SIZE_MAX

struct cli_wrap {
	struct nec_buffer *to;
	size_t width;  /* columns of a line */
	size_t indent; /* blanks in front of every line but the first */
	size_t column; /* where the line is now */
	bool fresh;    /* no word on this line yet, so no blank before the next */
};

/* Adds a word that stays in one piece, with a blank or a line break before it. */
void cli_wrap_word(struct cli_wrap *wrap, const char *word, size_t size);

/*
 * Adds a text word by word; an empty line in it becomes one in the output. A command in backquotes
 * is not broken.
 */
void cli_wrap_text(struct cli_wrap *wrap, const char *text);

#endif
