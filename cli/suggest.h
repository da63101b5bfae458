/* SPDX-License-Identifier: Apache-2.0 */
/* What somebody may have meant who typed a word that we do not know. */
#ifndef NEC_CLI_SUGGEST_H
#define NEC_CLI_SUGGEST_H

#include <stddef.h>

/* The similar words found so far, the least similar first, as nitro-cli lists them. */
struct cli_suggestions {
	const char *word;
	size_t word_size;
	struct {
		const char *text;
		size_t size;
		double similarity;
	} found[16];
	size_t count;
};

/* Keeps @candidate when it is similar enough to be worth a mention (and there is room). */
void cli_suggest(struct cli_suggestions *suggestions, const char *candidate, size_t size);

#endif
