/* SPDX-License-Identifier: Apache-2.0 */
/* The list of all files in all ramdisks of an image, each with its hash. */
#ifndef NEC_IMAGE_MANIFEST_H
#define NEC_IMAGE_MANIFEST_H

#include "image/eif.h"

/**
 * nec_manifest_write() - list what an image's ramdisks contain
 * @fd, @name: the image
 * @layout:    where its sections lie
 * @to:        file to write the JSON to, from its start; @to_name is for messages
 *
 * One object per ramdisk, one line per entry, in the ramdisk's order (docs/building-images.md).
 * Returns 0, -EBADMSG (NEC_E_CPIO, NEC_E_RAMDISK), -ECANCELED, or what reading and writing gives.
 */
int nec_manifest_write(const nec_context *context, int fd, const char *name,
		       const struct nec_eif_layout *layout, int to, const char *to_name,
		       nec_error *err);

#endif
