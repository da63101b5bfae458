/* SPDX-License-Identifier: Apache-2.0 */
/* Running a program of the parent whose AF_VSOCK sockets reach the simulation (sim/preload). */
#ifndef NEC_SIM_EXEC_H
#define NEC_SIM_EXEC_H

#include "nec.h"

/**
 * nec_sim_exec() - become a program
 * @dir:  the folder of the simulation's sockets, which is there
 * @argv: argv[0] is looked up on the PATH; ends with NULL
 *
 * Refuses what a preloaded object cannot get into: programs that are linked statically, of another
 * architecture, or with rights of their own (setuid, setgid, capabilities).
 *
 * Returns only on failure: -ENOENT (NEC_E_TOOL_MISSING) when there is no such program, -ENOTSUP
 * (NEC_E_UNSUPPORTED) for one of the kinds above, or another negative errno.
 */
int nec_sim_exec(const char *dir, char *const argv[], nec_error *err);

/* Whether a program can be run so; as above. @path: of the file. For tests. */
int nec_sim_exec_check(const char *path, nec_error *err);

#endif
