/* SPDX-License-Identifier: Apache-2.0 */
/* What `allocator apply` and `allocator release` have in common: who does it, and what is said. */
#ifndef NEC_CLI_ALLOCATOR_CHANGE_H
#define NEC_CLI_ALLOCATOR_CHANGE_H

#include "allocator/apply.h"
#include "allocator/protocol.h"
#include "command.h"

/* What does it when no daemon runs, by the library. */
typedef int (*cli_allocator_fn)(nec_context *context, const struct nec_allocator_request *request,
				struct nec_allocator_outcome *ret, nec_error *err);

/*
 * Asks the daemon, or does it here when none runs. Prints what came of it; returns the exit status.
 */
int cli_allocator_change(struct cli *cli, const struct nec_allocator_request *request,
			 cli_allocator_fn here);

#endif
