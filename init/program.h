/* SPDX-License-Identifier: Apache-2.0 */
/* What each of the two programs, nec-init and nec-heartbeat, defines. */
#ifndef NEC_INIT_PROGRAM_H
#define NEC_INIT_PROGRAM_H

/* Begins each of its messages. */
extern const char init_program_name[];

/* Its main(); the value is the exit status. */
int init_program(int argc, char **argv);

#endif
