/* SPDX-License-Identifier: Apache-2.0 */
/* Faults on demand: what the device is told to do wrong with its next commands. */
#ifndef LAB_FAULTS_H
#define LAB_FAULTS_H

#include <stddef.h>
#include <stdint.h>

#include "nec.h"

enum lab_fault_kind {
	LAB_FAULT_ERROR, /* value: an errno; the command is refused and nothing done */
	LAB_FAULT_LATE,  /* value: milliseconds until the answer */
	LAB_FAULT_LOST,  /* done, but never answered */
	LAB_FAULT_STATE, /* value: the state that SLOT_INFO tells */
	LAB_FAULT_KINDS,
};

enum { LAB_MAX_FAULTS = 64 };
#define LAB_FAULT_ALWAYS UINT32_MAX

struct lab_fault {
	uint32_t command;
	enum lab_fault_kind kind;
	uint64_t value;
	uint32_t count; /* how often, LAB_FAULT_ALWAYS until it is cleared */
	uint32_t skip;  /* how many commands go well before */
};

struct lab_faults {
	size_t count;
	struct lab_fault list[LAB_MAX_FAULTS];
};

/* What one command is to suffer. */
struct lab_suffering {
	bool has[LAB_FAULT_KINDS];
	uint64_t value[LAB_FAULT_KINDS];
};

/* "error", "late", "lost", "state". */
const char *lab_fault_kind_name(enum lab_fault_kind kind);

/* Returns 0 or -ENOSPC. */
int lab_faults_add(struct lab_faults *faults, const struct lab_fault *fault);

/* The faults of this command; of each kind the oldest one counts, and then has happened once more.
 */
struct lab_suffering lab_faults_take(struct lab_faults *faults, uint32_t command);

#endif
