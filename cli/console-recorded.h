/* SPDX-License-Identifier: Apache-2.0 */
/* The recording of an enclave's console, which is there when the enclave has ended, too. */
#ifndef NEC_CLI_CONSOLE_RECORDED_H
#define NEC_CLI_CONSOLE_RECORDED_H

#include "enclave-list.h"

/*
 * Opens the recording of the enclave that matches: the one that runs, else the one that ended last.
 * Returns the fd, or a negative errno: NEC_E_ENCLAVE_ID or NEC_E_ENCLAVE_NAME when there is no such
 * enclave, NEC_E_CONSOLE when nothing of it is recorded.
 */
int cli_console_open_recorded(const struct cli_enclave_filter *filter, nec_error *err);

#endif
