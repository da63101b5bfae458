/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside nec_diff_run(): what the comparisons of the parts share.
 *
 *	file            what it compares
 *	diff.c          header, bytes that nothing else explains; keeps the list
 *	diff-parts.c    kernel, command line, metadata, signature
 *	diff-ramdisk.c  ramdisks, file by file
 *	diff-pcr.c      which registers differ, and why
 */
#ifndef NEC_IMAGE_DIFF_H
#define NEC_IMAGE_DIFF_H

#include "base/progress.h"
#include "image/eif.h"
#include "image/signature.h"

#define NEC_DIFF_MAX 100000

enum { NEC_DIFF_REGISTERS = 4 };

/* The two images of a comparison. */
enum { BEFORE, AFTER, SIDES };

struct diff_item {
	struct nec_difference difference; /* with its texts */
	size_t sequence;                  /* in which it was found */
};

struct nec_diff {
	nec_context *context;
	nec_eif *eif[SIDES];
	nec_signature *signature[SIDES]; /* NULL: none, or not readable */
	struct diff_item *items;
	size_t count;
	size_t capacity;
	size_t omitted;
	struct nec_diff_register registers[NEC_DIFF_REGISTERS]; /* with their texts */
	struct nec_progress progress;
	bool no_memory; /* an item was lost */
};

/* Adds a difference; the texts are copied. Out of memory is remembered. */
void nec_diff_add(nec_diff *diff, const struct nec_difference *difference);

/* Adds one about a part's aspect if the values are not the same. NULL is the lack of a value. */
void nec_diff_texts(nec_diff *diff, enum nec_diff_part part, const char *aspect, const char *before,
		    const char *after);
void nec_diff_numbers(nec_diff *diff, enum nec_diff_part part, const char *aspect, uint64_t before,
		      uint64_t after);

/* Whether two sections have the same bytes. Returns 1, 0, or a negative errno. */
int nec_diff_same_bytes(nec_diff *diff, const struct nec_eif_section *before,
			const struct nec_eif_section *after, nec_error *err);

/*
 * Adds differences of size and SHA-384 between the data of two sections that are known to differ;
 * either may be missing. @ramdisk: which one, or 0.
 */
int nec_diff_sums(nec_diff *diff, enum nec_diff_part part, unsigned int ramdisk,
		  const struct nec_eif_section *before, const struct nec_eif_section *after,
		  nec_error *err);

int nec_diff_kernel(nec_diff *diff, nec_error *err);
int nec_diff_cmdline(nec_diff *diff, nec_error *err);
int nec_diff_metadata(nec_diff *diff, nec_error *err);
int nec_diff_signature(nec_diff *diff, nec_error *err);
int nec_diff_ramdisks(nec_diff *diff, nec_error *err);

/* After all others. */
int nec_diff_registers(nec_diff *diff, nec_error *err);

#endif
