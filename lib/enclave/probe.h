/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must be true on this machine for an enclave to start, looked at now. `nec doctor` prints all
 * of it; a failed command prints what has to do with its failure. Reserves nothing and changes
 * nothing. docs/errors.md lists the checks.
 */
#ifndef NEC_ENCLAVE_PROBE_H
#define NEC_ENCLAVE_PROBE_H

#include "base/context.h"
#include "enclave/backend.h"

enum nec_probe_state {
	NEC_PROBE_OK,
	NEC_PROBE_WARNING, /* an enclave can start all the same */
	NEC_PROBE_FAILED,  /* none can */
	NEC_PROBE_SKIPPED  /* cannot be told as long as an earlier one fails */
};

#define NEC_PROBE_MAX 16

/* What one check found. */
struct nec_probe_result {
	const char *name; /* "device"; stable */
	enum nec_probe_state state;
	enum nec_error_code code; /* of what failed; NEC_E_NONE when nothing did */
	char message[512];
	char fix[512]; /* empty when there is nothing to mend */
};

struct nec_probe {
	struct nec_probe_result results[NEC_PROBE_MAX];
	size_t count;
};

struct nec_probe_request {
	enum nec_backend_kind backend;
	const char *sockets_dir;
	/* NEC_E_NONE for all checks; else only those that can explain this error. */
	enum nec_error_code about;
};

/*
 * Runs the checks in the order in which they depend on each other. When @about is an error that no
 * check can explain, there are no results; a check that would only be a guess at the error's cause
 * is among the results when it found something.
 *
 * Returns 0, also when checks fail, or a negative errno when the machine cannot be looked at.
 */
int nec_probe_run(const nec_context *context, const struct nec_probe_request *request,
		  struct nec_probe *ret, nec_error *err);

/* The first check that failed; NULL when an enclave could start. */
const struct nec_probe_result *nec_probe_first_failure(const struct nec_probe *probe);

/* "ok", "warning", "failed", "skipped". */
const char *nec_probe_state_name(enum nec_probe_state state);

/* The names of the checks for a backend, in their order; NULL behind the last one. */
const char *nec_probe_name(enum nec_backend_kind backend, size_t index);

#endif
