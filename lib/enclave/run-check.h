/* SPDX-License-Identifier: Apache-2.0 */
/* What the launcher checks before it starts a holder for an enclave on the device. */
#ifndef NEC_ENCLAVE_RUN_CHECK_H
#define NEC_ENCLAVE_RUN_CHECK_H

#include "base/context.h"
#include "enclave/launch-message.h"
#include "image/eif.h"

/*
 * Whether there is what the backend needs at all. Returns 0, or -ENOENT (NEC_E_DEVICE_MISSING),
 * with a hint that names the simulation.
 */
int nec_run_check_device(const nec_context *context, uint64_t backend, nec_error *err);

/*
 * Asks the enclaves that run which CPUs they have, looks at the machine, and at whether the device
 * may be opened. Reserves nothing. Returns as nec_launch_check(), or what opening the device gives
 * (NEC_E_DEVICE_PERMISSION).
 */
int nec_run_check(nec_context *context, const struct nec_launch_request *request,
		  const nec_eif *eif, nec_error *err);

#endif
