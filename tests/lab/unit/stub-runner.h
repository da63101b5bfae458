/* SPDX-License-Identifier: Apache-2.0 */
/* A runner (runner.h) whose enclaves are nothing but notes of what was asked. */
#ifndef LAB_STUB_RUNNER_H
#define LAB_STUB_RUNNER_H

#include "runner.h"

enum { STUB_MAX_ENCLAVES = 64 };

struct lab_runner {
	struct lab_runner_events events;
	int refuse; /* a negative errno that the next start gets */
	size_t started;
	size_t stopped;
	size_t running;
	struct lab_enclave_spec last; /* eif_fd is not to be used */
	uint8_t image[4096];          /* the start of its image */
	size_t image_bytes;
	uint64_t uids[STUB_MAX_ENCLAVES]; /* of those that run */
};

/* The enclave ends by itself. */
void stub_runner_end(struct lab_runner *runner, uint64_t slot_uid);

#endif
