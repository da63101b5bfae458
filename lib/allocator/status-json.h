/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is set aside, as JSON: what the daemon answers, and what `nec allocator status` prints.
 * nec-allocator(1) has the keys.
 */
#ifndef NEC_ALLOCATOR_STATUS_JSON_H
#define NEC_ALLOCATOR_STATUS_JSON_H

#include "allocator/status.h"

struct cJSON;

/* @ret is to be released with nec_json_free(). Returns 0, -ENOMEM, or -ELIBACC. */
int nec_allocator_status_to_json(const struct nec_allocator_status *status, struct cJSON **ret,
				 nec_error *err);

#endif
