/* SPDX-License-Identifier: Apache-2.0 */
/* From a plan to what has to change on the machine, and whether enclaves are in the way. */
#ifndef NEC_ALLOCATOR_TARGET_H
#define NEC_ALLOCATOR_TARGET_H

#include "allocator/ledger.h"
#include "allocator/plan.h"

/**
 * struct nec_target - the change
 * @set_pool:    the pool has to become @pool
 * @make:        pages have to be made
 * @give_back:   pages of ours are no longer needed
 * @new_counts:  the reservation counts on other pages than before, or on a node for the first time
 */
struct nec_target {
	bool set_pool;
	char pool[NEC_LEDGER_POOL_SIZE];
	bool make;
	bool give_back;
	bool new_counts;
};

/*
 * Writes into the rows of @ledger what they are to be when all pages of @plan that are to be made
 * have been: before, after, coarse_after, found_after. Pages of ours that the machine has no longer
 * are forgotten. Returns 0, -ENOMEM, or -EFBIG (NEC_E_TOO_LARGE).
 */
int nec_target_set(const struct nec_host *host, const struct nec_allocator_plan *plan,
		   struct nec_ledger *ledger, struct nec_target *ret, nec_error *err);

/* The same for a plan of nothing. */
void nec_target_set_nothing(const struct nec_host *host, struct nec_ledger *ledger);

/* Whether nothing is left to be done. */
bool nec_target_stands(const struct nec_target *target);

/*
 * -EBUSY (NEC_E_ALLOCATOR_ENCLAVES) when it cannot be done as long as enclaves run, or pages are in
 * use. @in_use: nec_driver_in_use()
 */
int nec_target_check(const struct nec_host *host, const struct nec_ledger *ledger,
		     const struct nec_target *target, bool in_use, nec_error *err);

#endif
