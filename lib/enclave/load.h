/* SPDX-License-Identifier: Apache-2.0 */
/* Putting an image into an enclave's memory. */
#ifndef NEC_ENCLAVE_LOAD_H
#define NEC_ENCLAVE_LOAD_H

#include "host/memory.h"
#include "image/eif.h"

/*
 * Reads the whole image into @memory from @offset on, with several threads, straight into the huge
 * pages. Then checks that the file is still the one that was opened. Returns 0; -EINVAL
 * (NEC_E_MEMORY_FOR_IMAGE); what reading gives (NEC_E_FILE_READ, NEC_E_FILE_CHANGED); -ECANCELED.
 */
int nec_load_image(const nec_context *context, const nec_eif *eif, struct nec_memory *memory,
		   uint64_t offset, nec_error *err);

#endif
