/* SPDX-License-Identifier: Apache-2.0 */
/* What a machine boots, taken out of an image: kernel, ramdisks and command line. */
#ifndef NEC_SIM_BOOT_H
#define NEC_SIM_BOOT_H

#include "base/buffer.h"
#include "base/progress.h"
#include "image/eif.h"
#include "sim/machine.h"

struct nec_boot {
	int kernel_fd; /* each an unnamed file with that and nothing else */
	int initrd_fd;
	struct nec_buffer cmdline;
	bool mmio_on_cmdline;
	uint64_t bytes; /* that were copied */
};
#define NEC_BOOT_INIT                             \
	{                                         \
		.kernel_fd = -1, .initrd_fd = -1, \
	}

/*
 * Fills @boot, the caller's to release also when it fails: -EBADMSG (NEC_E_FILE_CHANGED) when the
 * image is no longer the one that was opened. It must have been found without errors. @progress may
 * be NULL.
 */
int nec_boot_load(const nec_eif *eif, struct nec_progress *progress, struct nec_boot *boot,
		  nec_error *err);
void nec_boot_free(struct nec_boot *boot);

/* What the options have of it; they hold it no longer than @boot lives. */
void nec_boot_set_options(const struct nec_boot *boot, struct nec_machine_options *options);

static inline void nec_cleanup_boot(struct nec_boot *boot)
{
	nec_boot_free(boot);
}
#define cleanup_boot NEC_CLEANUP(boot)

#endif
