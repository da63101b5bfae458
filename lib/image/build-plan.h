/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that a build needs, gathered and checked before the first byte is written. */
#ifndef NEC_IMAGE_BUILD_PLAN_H
#define NEC_IMAGE_BUILD_PLAN_H

#include "image/boot-files.h"
#include "image/build-source.h"
#include "image/cpio.h"
#include "image/eif-format.h"
#include "image/kernel.h"
#include "image/signer.h"
#include "image/source.h"

struct nec_build_file {
	int fd;
	const char *name; /* borrowed */
	uint64_t size;
};

struct nec_build_plan {
	nec_context *context;
	const struct nec_build_options *options;
	enum nec_arch arch;
	struct nec_boot_files boot;
	struct nec_build_file kernel;
	struct nec_kernel kernel_info;
	struct nec_kernel_config kernel_config; /* texts are "" when there is none */
	struct nec_signer *signer;              /* NULL: the image is not signed */
	struct nec_buffer cmdline;
	struct nec_build_source source;
	struct nec_source_config image; /* what the source says; empty without one */
	struct nec_tree *trees[2];      /* the first ramdisks, or NULL */
	struct nec_cpio_options cpio;
	struct nec_build_file ramdisks[NEC_EIF_MAX_SECTIONS]; /* those that follow */
	size_t ramdisk_count;
	struct nec_buffer custom; /* the user's own metadata */
	struct nec_buffer metadata;
};

/* @plan is to be released with nec_build_plan_free(), also after a failure. */
int nec_build_plan_make(struct nec_build_plan *plan, nec_context *context,
			const struct nec_build_options *options, nec_error *err);
void nec_build_plan_free(struct nec_build_plan *plan);

#endif
