/* SPDX-License-Identifier: Apache-2.0 */
/* Jaro similarity over bytes; names of options, commands and keys are ASCII. */
#include "base/similarity.h"

#include <stdbool.h>

enum { MAX_WORD = 64 };

struct matches {
	bool in_a[MAX_WORD];
	bool in_b[MAX_WORD];
	size_t count;
};

/* Pairs up equal bytes that are not further apart than half the longer word. */
static struct matches find_matches(const char *a, size_t a_size, const char *b, size_t b_size)
{
	size_t longer = a_size > b_size ? a_size : b_size;
	size_t reach = longer / 2 > 0 ? longer / 2 - 1 : 0;
	struct matches matches = { .count = 0 };

	for (size_t i = 0; i < a_size; i++) {
		size_t first = i > reach ? i - reach : 0;

		for (size_t j = first; j < b_size && j <= i + reach; j++) {
			if (matches.in_b[j] || a[i] != b[j])
				continue;
			matches.in_a[i] = true;
			matches.in_b[j] = true;
			matches.count++;
			break;
		}
	}
	return matches;
}

/* How many matched bytes stand in another order in the other word. */
static size_t count_transposed(const struct matches *matches, const char *a, size_t a_size,
			       const char *b)
{
	size_t transposed = 0;
	size_t j = 0;

	for (size_t i = 0; i < a_size; i++) {
		if (!matches->in_a[i])
			continue;
		while (!matches->in_b[j])
			j++;
		if (a[i] != b[j])
			transposed++;
		j++;
	}
	return transposed;
}

double nec_similarity(const char *a, size_t a_size, const char *b, size_t b_size)
{
	struct matches matches;
	size_t swaps;
	double count;

	if (a_size > MAX_WORD || b_size > MAX_WORD)
		return 0;
	if (a_size == 0 && b_size == 0)
		return 1;
	matches = find_matches(a, a_size, b, b_size);
	if (matches.count == 0)
		return 0;
	count = (double)matches.count;
	swaps = count_transposed(&matches, a, a_size, b) / 2;
	return (count / (double)a_size + count / (double)b_size + (count - (double)swaps) / count) /
	       3;
}
