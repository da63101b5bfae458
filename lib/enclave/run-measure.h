/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an image is: computed by the launcher, from the descriptor that the holder loads from. Of a
 * signed image, and where registers are required, before anything is reserved; of all others beside
 * loading and booting, which it does not delay.
 */
#ifndef NEC_ENCLAVE_RUN_MEASURE_H
#define NEC_ENCLAVE_RUN_MEASURE_H

#include <pthread.h>

#include "base/context.h"
#include "enclave/launch-message.h"

/* Registers that the image must have: 0, 1, 2 and 8. */
#define NEC_PCR_PINS_MAX 4

struct nec_pcr_pins {
	size_t count;
	struct nec_pcr_pin pins[NEC_PCR_PINS_MAX];
};

struct nec_run_measuring {
	nec_eif *eif; /* lent; nobody else uses it while the thread runs */
	struct nec_launch_description description;
	uint64_t usec; /* that it took */
	bool done;

	pthread_t thread;
	bool running;
	int done_fd; /* the write end of a pipe: closed when the thread is done */
	int result;
	nec_error err;
	nec_context quiet; /* the launch's progress is another thread's */
	int stop;
};

/* Whether this image must be measured before it is started. */
bool nec_run_measures_first(const nec_eif *eif, const struct nec_pcr_pins *pins);

/*
 * Measures here and now. Returns 0; as nec_eif_check(); -EBADMSG (NEC_E_EIF_PCR_MISMATCH) when a
 * register is another one than required; -ECANCELED.
 */
int nec_run_measure_now(struct nec_run_measuring *measuring, nec_eif *eif,
			const struct nec_pcr_pins *pins, nec_error *err);

/* Measures in a thread. *ret_fd, which is the caller's, has an end of file when it is done. */
int nec_run_measure_start(struct nec_run_measuring *measuring, nec_eif *eif, int *ret_fd,
			  nec_error *err);

/* Once it is done: 0, or why there is no description. */
int nec_run_measure_result(struct nec_run_measuring *measuring, nec_error *err);

/* Ends the thread, and releases the description. */
void nec_run_measure_end(struct nec_run_measuring *measuring);

#endif
