/* SPDX-License-Identifier: Apache-2.0 */
/* A platform configuration register that was extended once. */
#ifndef NEC_IMAGE_PCR_H
#define NEC_IMAGE_PCR_H

#include "base/crypto.h"

_Static_assert(NEC_PCR_SIZE == NEC_SHA384_SIZE, "registers hold SHA-384");

/* H(48 zero bytes || digest): what a register holds after @digest was extended into it. */
int nec_pcr_extend(const uint8_t digest[NEC_SHA384_SIZE], uint8_t pcr[NEC_PCR_SIZE],
		   nec_error *err);

/* Ends @sha and extends its result. */
int nec_pcr_final(struct nec_sha384 *sha, uint8_t pcr[NEC_PCR_SIZE], nec_error *err);

#endif
