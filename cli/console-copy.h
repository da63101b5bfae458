/* SPDX-License-Identifier: Apache-2.0 */
/* The console of an enclave on stdout, for `console` and `run-enclave --attach-console`. */
#ifndef NEC_CLI_CONSOLE_COPY_H
#define NEC_CLI_CONSOLE_COPY_H

#include "command.h"

/*
 * Connects to the console of the enclave behind a control socket, and says so. Returns the fd, or a
 * negative errno (NEC_E_CONSOLE when it has none).
 */
int cli_console_connect(const struct cli *cli, const char *control, nec_error *err);

/*
 * Copies until the console's end, the deadline (of nec_loop_now(); 0: none) or Ctrl-C, none of
 * which is a failure. Each piece goes out at once. Returns the exit status; a failure was reported.
 */
int cli_console_copy(const struct cli *cli, int fd, uint64_t deadline);

/*
 * The same for the live console of the enclave behind @control. When that ends, stderr says why, if
 * it is known.
 */
int cli_console_follow(const struct cli *cli, const char *control, int fd, uint64_t deadline);

#endif
