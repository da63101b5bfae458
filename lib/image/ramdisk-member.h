/* SPDX-License-Identifier: Apache-2.0 */
/* Where a compressed member of a ramdisk ends, for the formats whose decompressor cannot tell. */
#ifndef NEC_IMAGE_RAMDISK_MEMBER_H
#define NEC_IMAGE_RAMDISK_MEMBER_H

#include "base/archive.h"

/*
 * The end of the member that begins where @range stands. For zstd and lz4 its blocks are counted;
 * an xz stream ends in "YZ", so NULs at the end of the range are not part of it. The other formats
 * get the whole range, and nec_decompressor_consumed() says later how much of it was theirs.
 * Returns 0, or a negative errno: -EBADMSG (NEC_E_RAMDISK) for damaged data, or what reading gives.
 */
int nec_ramdisk_member_end(const struct nec_file_range *range, enum nec_compression compression,
			   uint64_t *ret, nec_error *err);

#endif
