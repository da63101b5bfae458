/* SPDX-License-Identifier: Apache-2.0 */
/* Work that blocks, beside the loop: a thread does it, and the loop hears when it is done. */
#ifndef NEC_BASE_BACKGROUND_H
#define NEC_BASE_BACKGROUND_H

#include "base/loop.h"

struct nec_background;

/*
 * Calls @work in a thread of its own, then @done from the loop. Signals go to other threads. Until
 * then what @work uses is its alone. Returns 0, or a negative errno: nothing was done.
 */
int nec_background_start(struct nec_loop *loop, void (*work)(void *userdata),
			 void (*done)(void *userdata), void *userdata, struct nec_background **ret,
			 nec_error *err);

/* Waits for the work if it still goes on; @done is not called any more. Accepts NULL. */
void nec_background_free(struct nec_background *background);

#endif
