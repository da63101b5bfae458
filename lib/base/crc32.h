/* SPDX-License-Identifier: Apache-2.0 */
/* CRC-32 as in zlib and the EIF header. libdeflate does the bulk and is loaded on first use. */
#ifndef NEC_BASE_CRC32_H
#define NEC_BASE_CRC32_H

#include <stddef.h>
#include <stdint.h>

#include "nec.h"

/* Before the first nec_crc32(). Returns 0, or -ELIBACC (NEC_E_LIBRARY_MISSING). */
int nec_crc32_load(nec_error *err);

/* Continues @crc, which is 0 at the start. */
uint32_t nec_crc32(uint32_t crc, const void *data, size_t size);

/* The CRC of A followed by B, from those of A and of B, which is @second_size bytes long. */
uint32_t nec_crc32_combine(uint32_t first, uint32_t second, uint64_t second_size);

/* The other way round: the CRC of A, from those of A followed by B and of B. */
uint32_t nec_crc32_cut(uint32_t whole, uint32_t second, uint64_t second_size);

#endif
