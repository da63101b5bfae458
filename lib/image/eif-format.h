/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers of the enclave image format (AWS's published description; docs/eif-format.md). */
#ifndef NEC_IMAGE_EIF_FORMAT_H
#define NEC_IMAGE_EIF_FORMAT_H

#define NEC_EIF_MAGIC          0x2e656966u /* ".eif", big-endian as every integer of the format */
#define NEC_EIF_MIN_VERSION    2           /* 0 and 1 never left AWS */
#define NEC_EIF_VERSION        4           /* what we write */
#define NEC_EIF_HEADER_SIZE    548
#define NEC_EIF_SECTION_HEADER 12
#define NEC_EIF_MAX_SECTIONS   32
#define NEC_EIF_FLAG_AARCH64   0x0001

/* Where the header's fields are. */
#define NEC_EIF_VERSION_AT  0x04
#define NEC_EIF_FLAGS_AT    0x06
#define NEC_EIF_MEMORY_AT   0x08
#define NEC_EIF_CPUS_AT     0x10
#define NEC_EIF_RESERVED_AT 0x18
#define NEC_EIF_COUNT_AT    0x1a
#define NEC_EIF_OFFSETS_AT  0x1c
#define NEC_EIF_SIZES_AT    0x11c
#define NEC_EIF_UNUSED_AT   0x21c
#define NEC_EIF_CRC_AT      0x220 /* the CRC covers every byte but its own four */

/* Caps of our own where the format names none; SIGNATURE is the format's. */
#define NEC_EIF_MAX_SIGNATURE 32768
#define NEC_EIF_MAX_METADATA  (16 << 20)
#define NEC_EIF_MAX_CMDLINE   (64 << 10)

#endif
