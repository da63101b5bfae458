/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How an image's program is run: what the image says, combined with what the user says as Docker
 * does, and written as the files that init reads (docs/nec-init.md).
 */
#ifndef NEC_IMAGE_BUILD_RUN_H
#define NEC_IMAGE_BUILD_RUN_H

#include "image/source.h"
#include "nec.h"

/**
 * nec_build_run_add() - add cmd, env, workdir and user to the customer ramdisk
 * @context: for warnings
 * @options: entrypoint, cmd, env, workdir, user and init are looked at
 * @config:  what the image says
 * @tree:    the root is the ramdisk's, `rootfs` below it is complete
 *
 * A working directory that is missing in the image is made, as Docker does.
 * Returns 0, -EINVAL (NEC_E_INVALID_ARGUMENT: nothing to run, malformed values; NEC_E_UNSUPPORTED:
 * something that only nec-init understands is asked of another init), or what the tree gives.
 */
int nec_build_run_add(const nec_context *context, const struct nec_build_options *options,
		      const struct nec_source_config *config, struct nec_tree *tree,
		      nec_error *err);

#endif
