/* SPDX-License-Identifier: Apache-2.0 */
/* Many equal pieces of work on several threads. */
#ifndef NEC_BASE_PARALLEL_H
#define NEC_BASE_PARALLEL_H

#include "base/progress.h"

/*
 * Does piece @index. Returns how many bytes of progress it was, or a negative errno with @err
 * filled (never NULL here). Called by several threads at once.
 */
typedef int64_t (*nec_parallel_fn)(void *userdata, uint64_t index, nec_error *err);

/**
 * nec_parallel_run() - do pieces 0 to @count - 1
 * @progress: reported to, and asked for cancellation, by the calling thread only
 *
 * Pieces are begun in ascending order, on as many threads as the process may use CPUs (at most 16).
 * The calling thread is one of them; signals go to it and not to the others. After a failure no
 * piece is begun any more. Fewer threads than wanted is no failure.
 *
 * Returns 0, the first failure of a piece, or -ECANCELED (NEC_E_CANCELLED).
 */
int nec_parallel_run(uint64_t count, nec_parallel_fn fn, void *userdata,
		     struct nec_progress *progress, nec_error *err);

#endif
