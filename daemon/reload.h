/* SPDX-License-Identifier: Apache-2.0 */
/* `nec-allocatord --reload`: asks the daemon that has the same options. */
#ifndef NEC_DAEMON_RELOAD_H
#define NEC_DAEMON_RELOAD_H

#include "daemon.h"

/*
 * Has the daemon at @options->socket apply its file, and waits until it is done. Returns the
 * program's exit status.
 */
int daemon_ask_reload(const struct daemon_options *options);

#endif
