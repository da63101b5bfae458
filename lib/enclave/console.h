/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An enclave's console in the holder: recorded from the first byte into a bounded file that
 * survives the enclave, served live to any number of readers, and looked at for why the enclave
 * ends.
 */
#ifndef NEC_ENCLAVE_CONSOLE_H
#define NEC_ENCLAVE_CONSOLE_H

#include "base/loop.h"
#include "enclave/end.h"

struct nec_console;

/* Why an enclave ended, as far as its console tells: NEC_END_UNKNOWN when it does not. */
struct nec_console_verdict {
	struct nec_end end;
	bool killed_for_memory; /* the kernel has killed a process because there was none left */
};

/*
 * Reads the console from @fd, which becomes the console's. With @public_path set (debug mode) it is
 * recorded to @log_path, @limit bytes at the most of which the oldest half goes when it is full,
 * and served at the Unix socket @public_path: each reader gets the recording, then what comes, and
 * the end of the stream when @fd has come to its end.
 */
int nec_console_new(struct nec_loop *loop, int fd, const char *public_path, const char *log_path,
		    uint64_t limit, struct nec_console **ret, nec_error *err);

/* Takes what is still there after the enclave has ended. */
void nec_console_drain(struct nec_console *console);
/* Lent. */
const struct nec_end *nec_console_get_end(const struct nec_console *console);

/* Removes the socket; the recording stays. */
void nec_console_free(struct nec_console *console);

/*
 * Keeps the recordings of the newest @keep enclaves that have ended in a folder of consoles, and
 * removes what processes that were killed have left there. Those of running enclaves stay.
 */
void nec_console_prune(const char *folder, size_t keep);

/* Looks at one line of console text; public for its test. */
void nec_console_judge(const char *line, struct nec_console_verdict *verdict);

#endif
