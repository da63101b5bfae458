/* SPDX-License-Identifier: Apache-2.0 */
/* Other programs, run to their end. */
#ifndef NEC_BASE_PROCESS_H
#define NEC_BASE_PROCESS_H

#include <limits.h>

#include "base/buffer.h"
#include "base/context.h"

/* What nec_process_run() runs. */
struct nec_process {
	const char *const *argv; /* argv[0] is looked up on the PATH; ends with NULL */
	const char *name;        /* of the program in messages; NULL: argv[0] */
	const void *input;       /* what it reads from stdin; NULL: nothing */
	size_t input_size;
	struct nec_buffer *output; /* gets what it writes to stdout; NULL: that goes to stderr */
	size_t output_limit;       /* most bytes that may be appended to @output */
	enum nec_error_code code;  /* of its own failures; 0: as below */
	bool quiet;                /* what it would write to our stderr is dropped */
};

/**
 * nec_process_run() - run a program and wait for its end
 *
 * It has our environment, working folder and stderr, and the descriptors that our caller left open
 * for it. It stays in our process group, so that it may ask for a PIN on the terminal and Ctrl-C
 * reaches it too.
 * There is no time limit. When the context's cancel flag is raised, or more output comes than
 * allowed, it gets SIGTERM and two seconds later SIGKILL. No signal handler is touched, and a
 * program that does not read its input cannot raise SIGPIPE: the input is a file in memory.
 *
 * Returns 0 when it ended with status 0; -ENOENT (NEC_E_TOOL_MISSING: no such program), -EIO
 * (NEC_E_TOOL_FAILED: it ended otherwise), -EFBIG (NEC_E_TOO_LARGE), -ECANCELED (NEC_E_CANCELLED),
 * or another negative errno (NEC_E_SYSTEM).
 */
int nec_process_run(const nec_context *context, const struct nec_process *process, nec_error *err);

/*
 * Which file execvp() would run. Returns 0, -ENOENT, -EACCES (there is one, which may not be
 * executed), or another negative errno.
 */
int nec_program_find(const char *name, char ret[PATH_MAX]);

#endif
