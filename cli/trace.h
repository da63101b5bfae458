/* SPDX-License-Identifier: Apache-2.0 */
/* The report of a failure as it is kept in a file, in the form of nitro-cli's back traces. */
#ifndef NEC_CLI_TRACE_H
#define NEC_CLI_TRACE_H

#include "base/buffer.h"
#include "command.h"
#include "enclave/probe.h"

/* A failure with everything that is known of it. */
struct cli_failure {
	const nec_error *err;
	int number;              /* of the error block: E22 */
	struct nec_probe probe;  /* made when it failed; no results when none explain it */
	struct nec_buffer trace; /* cli_trace(); empty for commands that keep no reports */
	char report[4096 + 64];  /* the file that has it; "" when there is none */
	const char *file;        /* where in our sources it was reported */
	int line;
};

/* nitro-cli's name for what a command does: "Run Enclave"; the command's own name if it has none.
 */
const char *cli_action_name(const struct cli_command *command);

/* Appends the report. */
void cli_trace(const struct cli *cli, const struct cli_failure *failure, struct nec_buffer *to);

/* What a saved report says: a file of nitro-cli's or of ours, an error block, our JSON, or a log.
 */
struct cli_trace_facts {
	int number;         /* of the error block; -1 when it is not said and cannot be told */
	char action[64];    /* "Run Enclave"; "" when not said */
	char cause[1024];   /* the innermost sentence; "" when not said */
	const char *checks; /* what was found when it failed, to the text's end; NULL: nothing */
};

/* @text must outlive the facts. Returns false when it has nothing of a report. */
bool cli_trace_read(const char *text, struct cli_trace_facts *ret);

#endif
