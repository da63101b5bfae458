/* SPDX-License-Identifier: Apache-2.0 */
/* Progress of long work, throttled so that a callback costs nothing worth mentioning. */
#ifndef NEC_BASE_PROGRESS_H
#define NEC_BASE_PROGRESS_H

#include "base/context.h"

struct nec_progress {
	const nec_context *context;
	const char *phase;
	uint64_t total;
	uint64_t done;
	uint64_t last_usec;
};

/* Starts a phase; @total in bytes, 0 if not known. @phase must be a static string. */
void nec_progress_start(struct nec_progress *progress, const nec_context *context,
			const char *phase, uint64_t total);

/*
 * Adds @bytes to what is done, reports at most ten times a second, and looks at the cancel flag.
 * Returns 0, or -ECANCELED (NEC_E_CANCELLED). One thread per struct.
 */
int nec_progress_add(struct nec_progress *progress, uint64_t bytes, nec_error *err);

/* Reports the end of the phase: done equals total. */
void nec_progress_finish(struct nec_progress *progress);

#endif
