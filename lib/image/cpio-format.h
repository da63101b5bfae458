/* SPDX-License-Identifier: Apache-2.0 */
/* The layout of "newc", as Documentation/driver-api/early-userspace/buffer-format.rst has it. */
#ifndef NEC_IMAGE_CPIO_FORMAT_H
#define NEC_IMAGE_CPIO_FORMAT_H

#include "image/cpio.h"

#define NEC_CPIO_MAGIC   "070701"
#define NEC_CPIO_TRAILER "TRAILER!!!"

enum {
	NEC_CPIO_MAGIC_SIZE = 6,
	NEC_CPIO_FIELD_SIZE = 8, /* hex digits */
	NEC_CPIO_HEADER_SIZE = 110,
	NEC_CPIO_ALIGN = 4, /* of headers and data, counted from the archive's start */
};

/* The fields after the magic, in their order. */
enum nec_cpio_field {
	NEC_CPIO_INODE,
	NEC_CPIO_MODE,
	NEC_CPIO_UID,
	NEC_CPIO_GID,
	NEC_CPIO_NLINK,
	NEC_CPIO_MTIME,
	NEC_CPIO_FILESIZE,
	NEC_CPIO_DEVICE_MAJOR,
	NEC_CPIO_DEVICE_MINOR,
	NEC_CPIO_RDEV_MAJOR,
	NEC_CPIO_RDEV_MINOR,
	NEC_CPIO_NAMESIZE, /* with the NUL */
	NEC_CPIO_CHECK,    /* 0 in this format */
	NEC_CPIO_FIELD_COUNT,
};

#endif
