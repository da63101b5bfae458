/* SPDX-License-Identifier: Apache-2.0 */
/* The most similar of some candidates, in order. */
#include "suggest.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/similarity.h"

void cli_suggest(struct cli_suggestions *suggestions, const char *candidate, size_t size)
{
	double similarity =
		nec_similarity(suggestions->word, suggestions->word_size, candidate, size);
	size_t place = 0;

	if (similarity <= NEC_SIMILARITY_MENTION ||
	    suggestions->count == ARRAY_SIZE(suggestions->found))
		return;
	while (place < suggestions->count && suggestions->found[place].similarity <= similarity)
		place++;
	memmove(&suggestions->found[place + 1], &suggestions->found[place],
		(suggestions->count - place) * sizeof(suggestions->found[0]));
	suggestions->count++;
	suggestions->found[place].text = candidate;
	suggestions->found[place].size = size;
	suggestions->found[place].similarity = similarity;
}
