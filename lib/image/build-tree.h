/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two ramdisks that make a root file system bootable, in the layout of nitro-cli: one with init
 * and what it needs before anything else, one with the image below rootfs/ and how to run it.
 */
#ifndef NEC_IMAGE_BUILD_TREE_H
#define NEC_IMAGE_BUILD_TREE_H

#include "image/boot-files.h"
#include "image/modules.h"
#include "image/source.h"
#include "nec.h"

/**
 * nec_build_modules() - gather the kernel modules of an image
 * @options: modules, module_folder and init are looked at
 * @boot:    where the kernel's own modules are
 * @release: of the kernel, "" when not known: modules for another one get a warning
 * @ret:     to be released with nec_module_set_free(), also after a failure
 */
int nec_build_modules(const nec_context *context, const struct nec_build_options *options,
		      const struct nec_boot_files *boot, enum nec_arch arch, const char *release,
		      struct nec_module_set *ret, nec_error *err);

/* The first ramdisk: dev, init, nsm.ko, modules/. */
int nec_build_bootstrap_tree(const nec_context *context, const struct nec_build_options *options,
			     enum nec_arch arch, const struct nec_module_set *modules,
			     struct nec_tree **ret, nec_error *err);

/*
 * The second ramdisk: rootfs/ from @source, which is a path, and cmd, env, workdir, user. @config
 * is cleared by the caller, also after a failure.
 */
int nec_build_customer_tree(const nec_context *context, const struct nec_build_options *options,
			    enum nec_arch arch, const char *source, const char *reference,
			    struct nec_source_config *config, struct nec_tree **ret,
			    nec_error *err);

#endif
