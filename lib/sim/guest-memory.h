/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's memory as the front end (QEMU) shared it: regions of files, mapped here.
 *
 * Every address that comes from the guest is looked up through this and nowhere else.
 */
#ifndef NEC_SIM_GUEST_MEMORY_H
#define NEC_SIM_GUEST_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include "nec.h"

/* What QEMU's vhost-user front end sends at most without VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS.
 */
#define NEC_GUEST_MAX_REGIONS 8

struct nec_guest_region {
	uint64_t guest_addr;  /* guest physical */
	uint64_t size;        /* bytes */
	uint64_t user_addr;   /* the front end's own virtual address: rings are given in these */
	uint64_t mmap_offset; /* bytes, into the file */
	uint8_t *mapping;     /* of size + mmap_offset bytes, so that odd offsets need no care */
};

struct nec_guest_memory {
	size_t count;
	struct nec_guest_region regions[NEC_GUEST_MAX_REGIONS];
};

/*
 * Maps @count regions from as many @fds, which stay the caller's. Returns 0, -EINVAL for regions
 * that wrap around, overlap or reach beyond the end of their file, or the errno of mmap().
 */
int nec_guest_memory_map(struct nec_guest_memory *memory, const struct nec_guest_region *regions,
			 const int *fds, size_t count, nec_error *err);
void nec_guest_memory_unmap(struct nec_guest_memory *memory);

/* Where @size bytes at a guest physical address lie here; NULL unless all are inside one region. */
void *nec_guest_memory_at(const struct nec_guest_memory *memory, uint64_t guest_addr,
			  uint64_t size);

/* The same for an address of the front end's. */
void *nec_guest_memory_at_user(const struct nec_guest_memory *memory, uint64_t user_addr,
			       uint64_t size);

#endif
