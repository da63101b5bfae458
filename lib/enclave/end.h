/* SPDX-License-Identifier: Apache-2.0 */
/* Why an enclave ended: one word for scripts, a number where there is one, a sentence for people.
 */
#ifndef NEC_ENCLAVE_END_H
#define NEC_ENCLAVE_END_H

#include "base/buffer.h"

enum nec_end_reason {
	NEC_END_UNKNOWN,    /* stopped or crashed: nobody says which */
	NEC_END_EXITED,     /* its main process ended: value is the status */
	NEC_END_CRASHED,    /* its main process was killed: value is the signal */
	NEC_END_PANIC,      /* its kernel panicked */
	NEC_END_MEMORY,     /* it ran out of memory */
	NEC_END_STOPPED,    /* it turned its machine off */
	NEC_END_KILLED,     /* its machine was killed from outside: value is the signal */
	NEC_END_FAILED,     /* its machine failed: value is the status */
	NEC_END_TERMINATED, /* its user wanted it */
	NEC_END_BOOT,       /* it did not come up */
	NEC_END_LOST,       /* the process that held it was killed */
};

struct nec_end {
	enum nec_end_reason reason;
	int value;
	char text[384];
};

/* "out-of-memory" */
const char *nec_end_name(enum nec_end_reason reason);

/* Sets it, with the sentence in printf's form. */
void nec_end_set(struct nec_end *end, enum nec_end_reason reason, int value, const char *format,
		 ...) __attribute__((format(printf, 4, 5)));

/* Appends the members of an ended enclave's object, each with a comma before it; @time: seconds
 * since 1970, 0 when it is not known. */
void nec_end_describe(const struct nec_end *end, int64_t time, struct nec_buffer *to);

#endif
