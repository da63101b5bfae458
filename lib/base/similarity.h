/* SPDX-License-Identifier: Apache-2.0 */
/* How alike two words are, to guess what somebody meant. */
#ifndef NEC_BASE_SIMILARITY_H
#define NEC_BASE_SIMILARITY_H

#include <stddef.h>

/* What is more similar than this is worth a mention: nitro-cli's parser, whose "bar" finds "baz".
 */
#define NEC_SIMILARITY_MENTION 0.7

/* Similarity of two words by Jaro: 0 nothing in common, 1 equal. */
double nec_similarity(const char *a, size_t a_size, const char *b, size_t b_size);

#endif
