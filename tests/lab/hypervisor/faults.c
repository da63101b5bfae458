/* SPDX-License-Identifier: Apache-2.0 */
/* Faults on demand: a list, in the order in which they were asked for. */
#include "faults.h"

#include <errno.h>
#include <string.h>

const char *lab_fault_kind_name(enum lab_fault_kind kind)
{
	static const char *const names[LAB_FAULT_KINDS] = {
		[LAB_FAULT_ERROR] = "error",
		[LAB_FAULT_LATE] = "late",
		[LAB_FAULT_LOST] = "lost",
		[LAB_FAULT_STATE] = "state",
	};

	return names[kind];
}

int lab_faults_add(struct lab_faults *faults, const struct lab_fault *fault)
{
	if (faults->count == LAB_MAX_FAULTS)
		return -ENOSPC;
	faults->list[faults->count++] = *fault;
	return 0;
}

/* Returns true when it is used up. */
static bool happen(struct lab_fault *fault, struct lab_suffering *suffering)
{
	if (fault->skip > 0) {
		fault->skip--;
		return false;
	}
	suffering->value[fault->kind] = fault->value;
	return fault->count != LAB_FAULT_ALWAYS && --fault->count == 0;
}

struct lab_suffering lab_faults_take(struct lab_faults *faults, uint32_t command)
{
	struct lab_suffering suffering = { 0 };
	bool seen[LAB_FAULT_KINDS] = { false };
	size_t left = 0;

	for (size_t i = 0; i < faults->count; i++) {
		struct lab_fault fault = faults->list[i];
		bool over = false;

		if (fault.command == command && !seen[fault.kind]) {
			seen[fault.kind] = true;
			suffering.has[fault.kind] = fault.skip == 0;
			over = happen(&fault, &suffering);
		}
		if (!over)
			faults->list[left++] = fault;
	}
	faults->count = left;
	return suffering;
}
