/* SPDX-License-Identifier: Apache-2.0 */
/* The main process: how it is started, and what process 1 does while it lives. */
#ifndef NEC_INIT_RUN_H
#define NEC_INIT_RUN_H

#include <stdbool.h>
#include <stddef.h>

#include "config.h"

/*
 * Starts the main process, passes signals on to it, reaps whatever ends, and ends the others when
 * it is over. Returns its wait status, or a negative errno when it could not be started.
 */
int init_run(const struct init_config *config);

/* Of a wait status. */
bool init_status_is_signal(int status);
int init_status_value(int status); /* the exit status or the signal's number */

/*
 * The next file to try for @name in @path, a list with colons: writes it to @to and moves *@path
 * on, to NULL behind the last. An empty element is the current folder; what does not fit is
 * skipped. Returns false when there is no further one.
 */
bool init_path_next(const char **path, const char *name, char *to, size_t size);

/* execve() along @path as a shell would do it. Only returns on failure: a negative errno. */
int init_exec(char *const *argv, char *const *envp, const char *path);

#endif
