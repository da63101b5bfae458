/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls of our own code to the C library that fail when a test wants it: call 1, 2, 3 ... n, one in
 * each run.
 *
 * The linker puts the functions of faults.c between the library and the C library: programs that
 * use them are named in CMakeLists.txt, with every function that is wrapped (--wrap).
 */
#ifndef NEC_TESTS_UNIT_FAULTS_H
#define NEC_TESTS_UNIT_FAULTS_H

#include <stdbool.h>

enum fault_family {
	FAULT_MEMORY, /* allocations */
	FAULT_FILES,  /* everything that touches a file */
};

/* From now on call @number (from 1) of that family fails with @error, and only that one. */
void fault_arm(enum fault_family family, int number, int error);

/* No further call fails. Returns whether one has. */
bool fault_disarm(void);

/* For what the test does itself in between: nothing fails, and nothing counts. */
int fault_suspend(void);
void fault_resume(int suspended);

#endif
