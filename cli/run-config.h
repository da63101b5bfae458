/* SPDX-License-Identifier: Apache-2.0 */
/* The file of `run-enclave --config`: nitro-cli's JSON, with the place of each mistake. */
#ifndef NEC_CLI_RUN_CONFIG_H
#define NEC_CLI_RUN_CONFIG_H

#include "base/buffer.h"
#include "enclave/launch-message.h"

struct run_config {
	char *eif_path;
	char *name;
	uint64_t memory_mib;
	uint64_t cid;
	uint32_t cpu_count;
	struct nec_cpu_ids cpus;
	bool debug;
	bool attach_console;
};

/*
 * Reads and checks the file. Keys that are not known are ignored, as nitro-cli does, with a
 * warning. Returns 0, or a negative errno with *ret_number as nitro-cli's number of the error, 0
 * for that of the error itself: E19 for a file that cannot be read, E17 for what is not such JSON,
 * E01 without CPUs, E02 with both keys for them, E03 for a CID that is reserved. To be released
 * with run_config_clear().
 */
int run_config_read(const char *path, struct run_config *ret, int *ret_number, nec_error *err);
void run_config_clear(struct run_config *config);

#endif
