/* SPDX-License-Identifier: Apache-2.0 */
/* The words of the kernel command line that are for us: nec.heartbeat=, nec.exit=, nec.debug. */
#ifndef NEC_INIT_OPTIONS_H
#define NEC_INIT_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "heartbeat.h"

/* How the machine ends. The kernel leaves such words with a dot alone and hands them to nobody. */
enum init_exit { INIT_EXIT_REBOOT, INIT_EXIT_POWEROFF, INIT_EXIT_PANIC };

struct init_options {
	bool heartbeat;
	struct init_vsock_address heartbeat_address;
	enum init_exit exit;
	bool debug;
};

#define INIT_OPTIONS_DEFAULT                                                      \
	{                                                                         \
		.heartbeat = true,                                                \
		.heartbeat_address = { INIT_HEARTBEAT_CID, INIT_HEARTBEAT_PORT }, \
	}

/*
 * Sets what @cmdline says and leaves the rest of @options; @cmdline is cut into its words. The last
 * of several equal words counts. A word of ours that is not understood is reported and ignored:
 * better a heartbeat too many than an enclave that does not boot.
 */
void init_options_parse(char *cmdline, struct init_options *options);

/* Reads /proc/cmdline; defaults where it cannot be read. */
void init_options_read(struct init_options *options);

#endif
