/* SPDX-License-Identifier: Apache-2.0 */
/* What the launcher checks before it starts a holder for an enclave on the device. */
#ifndef NEC_ENCLAVE_RUN_CHECK_H
#define NEC_ENCLAVE_RUN_CHECK_H

#include "base/context.h"
#include "enclave/launch-message.h"
#include "image/eif.h"

/*
 * Asks the enclaves that run which CPUs they have, looks at the machine, and at whether the device
 * may be opened. Reserves nothing. Returns as nec_launch_check(), or what opening the device gives
 * (NEC_E_DEVICE_PERMISSION).
 */
int nec_run_check(const nec_context *context, const struct nec_launch_request *request,
		  const nec_eif *eif, nec_error *err);

#endif
