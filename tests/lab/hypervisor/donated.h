/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that the parent has donated to a slot. It is the enclave's from SLOT_ADD_MEM to SLOT_FREE:
 * what the image is made of is taken out, and then the pages hold a pattern that is no pointer and
 * no instruction, so that a program of the parent that still uses them is caught. What it writes
 * there is found and counted, and the parent gets zeros back.
 */
#ifndef LAB_DONATED_H
#define LAB_DONATED_H

#include "dma.h"

#define LAB_POISON       0xdb
#define LAB_IMAGE_OFFSET (UINT64_C(8) << 20) /* of the image in the enclave's memory */

struct lab_donated {
	struct lab_dma_piece *pieces; /* in the order of donation, which is the enclave's */
	size_t count;
	uint64_t bytes;
	uint64_t image_bytes; /* by its header; 0: no image, or not yet */
	int image_fd;         /* a memory file; -1 when there is none */
};
#define LAB_DONATED_INIT       \
	{                      \
		.image_fd = -1 \
	}

/* Takes a range over. Returns 0, -EFAULT (no memory there), -ENOMEM, or another negative errno;
 * then the parent still has it as it was. */
int lab_donated_add(struct lab_donated *donated, struct lab_dma *dma, uint64_t address,
		    uint64_t size);

/* Pages (of 4 KiB) in which there is something else than the pattern. */
uint64_t lab_donated_count_touched(const struct lab_donated *donated);

/* Gives everything back to the parent, zeroed. */
void lab_donated_clear(struct lab_donated *donated);

/*
 * How long the image is whose header is at @header, by the sections that it names; 0 when it is not
 * one. @size: bytes that are there.
 */
uint64_t lab_donated_image_size(const uint8_t *header, size_t size);

#endif
