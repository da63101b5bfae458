/* SPDX-License-Identifier: Apache-2.0 */
/* Measuring: registers and checksum of a file whose layout is known, be it read or just written. */
#ifndef NEC_IMAGE_EIF_MEASURE_H
#define NEC_IMAGE_EIF_MEASURE_H

#include "image/eif.h"

struct nec_eif_sums {
	uint8_t pcr0[NEC_PCR_SIZE];
	uint8_t pcr1[NEC_PCR_SIZE];
	uint8_t pcr2[NEC_PCR_SIZE];
	uint32_t body_crc; /* of everything after the header, to the end of the file */
};

/*
 * Walks over the file twice at the same time, in two threads of its own; the calling thread reports
 * progress and looks at the cancel flag meanwhile. Whether the file changes is the caller's
 * business. Returns as nec_eif_measure().
 */
int nec_eif_measure_layout(const nec_context *context, int fd, const char *name,
			   const struct nec_eif_layout *layout, struct nec_eif_sums *ret,
			   nec_error *err);

/*
 * Continues a checksum with the bytes from @offset to @end, for pieces that nobody measures anyway.
 * Returns 0, -ECANCELED (NEC_E_CANCELLED), -ELIBACC, -ENOMEM, or what reading gives.
 */
int nec_eif_sum_range(const nec_context *context, int fd, const char *name, uint64_t offset,
		      uint64_t end, uint32_t *crc, nec_error *err);

/* The checksum of the whole file from a header (whose own field does not count) and the rest's. */
uint32_t nec_eif_whole_crc(const uint8_t header[NEC_EIF_HEADER_SIZE], uint32_t body_crc,
			   uint64_t file_size);

#endif
