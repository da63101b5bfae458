/* SPDX-License-Identifier: Apache-2.0 */
/* nec describe-enclaves --watch */
#ifndef NEC_CLI_ENCLAVE_WATCH_H
#define NEC_CLI_ENCLAVE_WATCH_H

#include "enclave-list.h"

struct cli_watch_options {
	struct cli_enclave_filter filter;
	bool metadata;
	bool ended; /* begin with those that have ended, too */
	bool table; /* else one line of JSON a change */
};

/* Prints what there is, then what changes, until Ctrl-C, which is no failure. On a terminal a table
 * is drawn anew in its place. Returns the exit status; a failure was reported. */
int cli_watch_enclaves(struct cli *cli, const struct cli_watch_options *options);

#endif
