/* SPDX-License-Identifier: Apache-2.0 */
/* The options of run-enclave, and the launch that they ask for. */
#ifndef NEC_CLI_RUN_OPTIONS_H
#define NEC_CLI_RUN_OPTIONS_H

#include "command.h"
#include "enclave/run.h"
#include "run-config.h"

struct run_options {
	struct cli_list cpu_ids;
	const char *cpu_count;
	const char *memory;
	const char *eif_path;
	const char *cid;
	const char *name;
	const char *config;
	const char *backend;
	const char *boot_timeout;
	const char *output;
	const char *pcrs[NEC_PCR_PINS_MAX]; /* in the order of run_pcr_numbers */
	struct cli_list inject;
	bool debug;
	bool attach_console;
	bool timings;
};

extern const uint32_t run_pcr_numbers[NEC_PCR_PINS_MAX];

/* What the options and the file of --config come to. */
struct run_wish {
	struct run_config config; /* owns what the others point to */
	struct nec_buffer faults;
	struct nec_launch_request request; /* all but its sockets directory */
	const char *eif_path;
	struct nec_pcr_pins pins;
	bool attach_console;
};
#define RUN_WISH_INIT \
	{             \
		0     \
	}

/*
 * Checks the options, in nitro-cli's order: the first failure is the one that is reported. Returns
 * 0, or a negative errno; *ret_number as in run_config_read().
 */
int run_wish_read(const struct run_options *options, struct run_wish *wish, int *ret_number,
		  nec_error *err);
void run_wish_clear(struct run_wish *wish);

#endif
