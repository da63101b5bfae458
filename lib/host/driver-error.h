/* SPDX-License-Identifier: Apache-2.0 */
/* What the driver's numbers mean: one function, one table. Nothing above it sees them. */
#ifndef NEC_HOST_DRIVER_ERROR_H
#define NEC_HOST_DRIVER_ERROR_H

#include <stdbool.h>
#include <stddef.h>

#include "nec.h"

/* The calls of struct nec_device_ops that the driver answers; bits, so that a row can name several.
 */
enum nec_driver_call {
	NEC_DRIVER_OPEN = 1 << 0,
	NEC_DRIVER_CREATE_VM = 1 << 1,
	NEC_DRIVER_GET_IMAGE_LOAD_INFO = 1 << 2,
	NEC_DRIVER_SET_MEMORY_REGION = 1 << 3,
	NEC_DRIVER_ADD_VCPU = 1 << 4,
	NEC_DRIVER_START = 1 << 5
};

/**
 * nec_error_from_driver() - name an error of the driver, or of the device behind it
 * @call:   which call was answered: plain errno values mean different things to each
 * @result: its answer, below 0; may be a number that libc does not know
 * @format: what was tried, with the values, e.g. "vCPU 5"
 *
 * The message becomes "<format>: <what it means> (<ioctl>: <name>, <number>)", os_error the number
 * as it came. A number that is in no list is told as the device's answer.
 *
 * Returns a negative errno value that libc knows.
 */
int nec_error_from_driver(nec_error *err, enum nec_driver_call call, int result, const char *format,
			  ...) __attribute__((format(printf, 4, 5)));

/* "NE_ADD_VCPU"; "open" for opening the device. */
const char *nec_driver_call_name(enum nec_driver_call call);

/* An answer that the driver is known to give. */
struct nec_driver_answer {
	unsigned int calls; /* to which: bits of enum nec_driver_call */
	int number;
	const char *name;
};

/* The table's rows, from 0 on; false behind the last. A name can stand in several. */
bool nec_driver_answer_get(size_t index, struct nec_driver_answer *ret);

#endif
