/* SPDX-License-Identifier: Apache-2.0 */
/* What run-enclave says of a launch: progress, how long each step took, and the result. */
#ifndef NEC_CLI_RUN_REPORT_H
#define NEC_CLI_RUN_REPORT_H

#include "command.h"
#include "enclave/run.h"

enum { RUN_PHASES_MAX = 16 };

struct run_report {
	bool timings; /* are wanted */
	bool simulated;
	uint64_t waited_seconds;                        /* that are on the screen */
	struct nec_launch_phase phases[RUN_PHASES_MAX]; /* their names are ours */
	size_t phase_count;
};

/* The callbacks of a launch; their userdata is the report. */
struct nec_run_callbacks run_report_callbacks(struct run_report *report);

/* The JSON object on stdout. Returns the exit status. */
int run_report_print(const struct cli *cli, const struct run_report *report,
		     const struct nec_run_result *result);

#endif
