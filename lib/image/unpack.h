/* SPDX-License-Identifier: Apache-2.0 */
/* Unpacking a ramdisk into a folder, from whoever the image may come. */
#ifndef NEC_IMAGE_UNPACK_H
#define NEC_IMAGE_UNPACK_H

#include "image/ramdisk.h"

/**
 * nec_ramdisk_unpack() - make the files of a ramdisk below a folder
 * @ramdisk:  just opened
 * @folder:   open folder, empty; nothing outside of it is touched
 * @name:     what the ramdisk is called in messages
 * @context:  for warnings; may be NULL
 * @progress: may be NULL; gets the bytes of contents
 *
 * Missing folders are made, later entries replace earlier ones. A path that leads through a
 * symbolic link, is absolute or has ".." is -EBADMSG (NEC_E_SOURCE_UNSAFE). What was made before a
 * failure stays. Otherwise returns as nec_ramdisk_next() does, -EFBIG (NEC_E_TOO_LARGE: too many
 * folders), or what making files gives (NEC_E_FILE_WRITE).
 */
int nec_ramdisk_unpack(struct nec_ramdisk *ramdisk, int folder, const char *name,
		       const nec_context *context, struct nec_progress *progress, nec_error *err);

#endif
