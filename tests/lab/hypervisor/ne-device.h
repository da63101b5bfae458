/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Nitro Enclaves PCI device as its driver sees it: configuration space, the registers in BAR 3,
 * two MSI-X vectors, and the cycle of a command: request, number, and some time later an answer and
 * an interrupt. What commands mean is another's business (struct lab_ne_commands).
 */
#ifndef LAB_NE_DEVICE_H
#define LAB_NE_DEVICE_H

#include "vfio-user.h"

enum { LAB_NE_DATA_BYTES = 240, LAB_NE_MAX_PENDING = 16 };

enum { LAB_NE_VECTOR_ANSWER = 0, LAB_NE_VECTOR_EVENT = 1, LAB_NE_VECTORS = 2 };

struct lab_ne_answer {
	uint8_t data[LAB_NE_DATA_BYTES];
	uint64_t delay_usec;
	bool lost; /* there is none */
};

struct lab_ne_commands {
	void *userdata;
	/* @request: LAB_NE_DATA_BYTES bytes, a copy; @answer is zeroed. */
	void (*execute)(void *userdata, uint32_t command, const uint8_t *request,
			struct lab_ne_answer *answer);
	/* The device was switched off or reset: there are no enclaves any more. */
	void (*reset)(void *userdata);
};

struct lab_ne_device;

/* @commands is copied. */
int lab_ne_device_new(struct nec_loop *loop, const struct lab_ne_commands *commands,
		      struct lab_ne_device **ret, nec_error *err);
void lab_ne_device_free(struct lab_ne_device *device);

/* For lab_vfio_user_new(); belongs to the device. */
const struct lab_vfio_device *lab_ne_device_get_vfio(struct lab_ne_device *device);

/* Raises an interrupt: LAB_NE_VECTOR_EVENT when an enclave has ended, the other one to do wrong. */
void lab_ne_device_interrupt(struct lab_ne_device *device, uint32_t vector);

/* As a machine's reset does it, and also without the interrupts of a client that is gone. */
void lab_ne_device_reset(struct lab_ne_device *device);

#endif
