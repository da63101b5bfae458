/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside nec_lint_run(): what the checks share.
 *
 * lint.c runs the checks in order and keeps the findings. Each check is a lint-<part>.c; it reports
 * by rule (rules.h) and returns 0, or a negative errno when the check itself cannot be done.
 *
 *	file              what it looks at
 *	lint-cmdline.c    the kernel command line, word by word
 *	lint-kernel.c     the kernel's own header
 *	lint-signature.c  signature and certificate
 *	lint-ramdisk.c    the ramdisks: can they be read; merges them as the kernel does
 *	lint-boot.c       whether what the merged ramdisks hold can run
 *	lint-leftovers.c  debug settings and secrets in their files
 *	lint-memory.c     the memory that all this takes
 */
#ifndef NEC_IMAGE_LINT_H
#define NEC_IMAGE_LINT_H

#include "image/eif.h"
#include "image/tree.h"

/* Of one rule no more findings than this are kept; the last one says how many there are. */
#define NEC_LINT_MAX_PER_RULE 20

/* A file that is looked into is read up to here. */
#define NEC_LINT_MAX_TEXT ((size_t)64 << 10)

/* Where something is: an offset in the file, or a ramdisk's file. */
struct lint_place {
	uint64_t offset;
	unsigned int ramdisk; /* from 1; 0: none */
	const char *path;     /* NULL: none */
};
#define LINT_AT(offset_) ((struct lint_place){ .offset = (offset_) })

/* What the command line says that other checks want to know. */
struct lint_cmdline {
	char *rdinit;       /* NULL: /init */
	bool nomodule;      /* modules cannot be loaded */
	bool root_is_ramfs; /* the root file system is not a tmpfs */
};

/* What the merged ramdisks come to. */
struct lint_files {
	struct nec_tree *tree; /* an entry's generation is the ramdisk it came with */
	bool complete;         /* every ramdisk could be read to its end */
	uint64_t page_bytes;   /* memory that the unpacked files take, in whole pages */
	uint64_t offsets[NEC_EIF_MAX_SECTIONS + 1]; /* of ramdisk N in the file */
};

struct nec_lint {
	nec_context *context;
	nec_eif *eif;
	struct nec_lint_options options;
	struct nec_lint_finding *findings; /* with their texts */
	size_t count;
	size_t reported[NEC_RULE_COUNT];
	bool no_memory; /* a finding was lost */
	uint64_t minimum_memory_mib;
	struct lint_cmdline cmdline;
	struct lint_files files;
};

/* Reports a finding. Out of memory is remembered and ends the run after the check. */
void nec_lint_report(nec_lint *lint, enum nec_rule rule, struct lint_place place,
		     const char *format, ...) __attribute__((format(printf, 4, 5)));

/* The same about an entry of the merged ramdisks. */
void nec_lint_report_entry(nec_lint *lint, enum nec_rule rule, const struct nec_tree_entry *entry,
			   const char *format, ...) __attribute__((format(printf, 4, 5)));

int nec_lint_cmdline(nec_lint *lint, nec_error *err);
int nec_lint_kernel(nec_lint *lint, nec_error *err);
int nec_lint_signature(nec_lint *lint, nec_error *err);
int nec_lint_ramdisks(nec_lint *lint, nec_error *err);
int nec_lint_boot(nec_lint *lint, nec_error *err);
int nec_lint_leftovers(nec_lint *lint, nec_error *err);
int nec_lint_memory(nec_lint *lint, nec_error *err);

#endif
