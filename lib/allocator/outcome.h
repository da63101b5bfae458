/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a call of the allocator has come to, as JSON: what the daemon answers, and what `nec
 * allocator apply` and `release` print. nec-allocator(1) has the keys.
 */
#ifndef NEC_ALLOCATOR_OUTCOME_H
#define NEC_ALLOCATOR_OUTCOME_H

#include "allocator/apply.h"

struct cJSON;

/* @ret is to be released with nec_json_free(). Returns 0, -ENOMEM, or -ELIBACC. */
int nec_allocator_outcome_to_json(const struct nec_allocator_outcome *outcome, struct cJSON **ret,
				  nec_error *err);

/* Reads it back. Returns 0, -EBADMSG (NEC_E_ALLOCATOR_DAEMON), or -ENOMEM. */
int nec_allocator_outcome_from_json(const struct cJSON *object, struct nec_allocator_outcome *ret,
				    nec_error *err);

/*
 * What stands, in words: "2 CPUs (1,5) and 512 MiB on NUMA node 0 are set aside", or "nothing is
 * set aside".
 */
void nec_allocator_outcome_describe(const struct nec_allocator_outcome *outcome,
				    struct nec_buffer *to);

#endif
