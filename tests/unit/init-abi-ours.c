/* SPDX-License-Identifier: Apache-2.0 */
/* Our half of test-init-abi.c. */
#include "init-abi.h"

#include "kernel.h"

const struct abi_value abi_ours[] = {
#include "init-abi-list.h"
	{ NULL, 0 },
};
