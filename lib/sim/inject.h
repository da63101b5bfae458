/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Faults on demand: what a simulated enclave is told to do wrong, so that scripts can be tried
 * against it. A list of words separated by commas; docs/simulation.md has them all.
 */
#ifndef NEC_SIM_INJECT_H
#define NEC_SIM_INJECT_H

#include <stdint.h>

#include "host/driver-error.h"

/* By the number of the bit in enum nec_driver_call. */
enum { NEC_SIM_CALLS = 6 };

struct nec_sim_faults {
	bool boot_hang;         /* the machine never runs an instruction */
	bool boot_crash;        /* the enclave ends before its heartbeat */
	bool heartbeat_missing; /* it runs, but nothing is heard of it */
	bool heartbeat_wrong;   /* another byte than the one agreed on comes */
	bool no_memory;
	bool crash;          /* crash_usec after it is up */
	bool heartbeat_late; /* heartbeat_late_usec after it came */
	bool slow_load;      /* loading takes slow_load_usec longer */
	uint64_t crash_usec;
	uint64_t heartbeat_late_usec;
	uint64_t slow_load_usec;
	int answers[NEC_SIM_CALLS]; /* the driver's, below 0; 0 where it does as it is asked */
};

/**
 * nec_sim_faults_parse() - read a list of faults
 * @text: "heartbeat-late=5,NE_ADD_VCPU:NE_ERR_VCPU_NOT_IN_CPU_POOL"; NULL and "" have none
 *
 * An answer of the driver without a call is that of the first call of a launch which is known to
 * give it. Returns 0, or -EINVAL (NEC_E_INVALID_ARGUMENT); -ENOENT (the same) when a word is no
 * fault at all.
 */
int nec_sim_faults_parse(const char *text, struct nec_sim_faults *ret, nec_error *err);

/* What the driver is to answer to @call: 0 or below. */
int nec_sim_faults_answer(const struct nec_sim_faults *faults, enum nec_driver_call call);

/* The names of all faults, from 0 on: first ours, then the driver's calls' ("NE_ADD_VCPU:"), then
 * the driver's answers', which can repeat. NULL behind the last. For suggestions and lists. */
const char *nec_sim_fault_name(size_t index);

#endif
