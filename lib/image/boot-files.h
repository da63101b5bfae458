/* SPDX-License-Identifier: Apache-2.0 */
/* Where an image's kernel comes from, and what lies beside it: config, modules, command line. */
#ifndef NEC_IMAGE_BOOT_FILES_H
#define NEC_IMAGE_BOOT_FILES_H

#include "base/cleanup.h"
#include "nec.h"

struct nec_boot_files {
	char *kernel;
	char *config;  /* kernel config, or NULL */
	char *modules; /* the kernel's lib/modules/RELEASE, or NULL */
	char *cmdline; /* file with the command line that was shipped with this kernel, or NULL */
	char *nsm;     /* nsm.ko that was shipped with this kernel, or NULL */
};

/**
 * nec_boot_files_find() - find a kernel and what belongs to it
 * @kernel: a file; or a folder, which is either the root of a system or of an unpacked package
 *          (boot/vmlinuz-*, the newest one for @arch) or holds nitro-cli's blobs (bzImage or
 *          Image); or NULL for the blobs of an installed nitro-cli, else this machine's /boot
 * @ret:    on success released with nec_boot_files_free()
 *
 * Returns 0, or a negative errno: -ENOENT (NEC_E_KERNEL: no kernel there, the hint says how to get
 * one), or what reading gives. Whether a named file is a kernel is not looked at.
 */
int nec_boot_files_find(const char *kernel, enum nec_arch arch, struct nec_boot_files *ret,
			nec_error *err);
void nec_boot_files_free(struct nec_boot_files *files);

/* The command line that nitro-cli gives to enclaves of @arch (its blob "cmdline"). */
const char *nec_default_cmdline(enum nec_arch arch);

static inline void nec_cleanup_boot_files(struct nec_boot_files *files)
{
	nec_boot_files_free(files);
}
#define cleanup_boot_files NEC_CLEANUP(boot_files)

#endif
