/* SPDX-License-Identifier: Apache-2.0 */
/* Huge pages on a machine that has been running: in slices, with compaction, in other sizes. */
#ifndef NEC_ALLOCATOR_MAKE_MEMORY_H
#define NEC_ALLOCATOR_MAKE_MEMORY_H

#include "allocator/change.h"

/**
 * nec_make_memory() - make the pages that @plan wants
 *
 * Where pages of the smallest size cannot be had, and the file leaves the size open, bigger ones
 * stand in for them; those of the small ones that are no longer needed then are given back. The
 * rows of the ledger have in @after what has been made. After a failure pages may have been made.
 *
 * Returns 0, -ENOMEM (NEC_E_HUGEPAGES_EXHAUSTED: message and hint say what there is, and how to
 * have it from the start of the machine), -ECANCELED, or what the steps give.
 */
int nec_make_memory(struct nec_change *change, const struct nec_allocator_config *config,
		    const struct nec_host *host, const struct nec_allocator_plan *plan,
		    nec_error *err);

#endif
