/* SPDX-License-Identifier: Apache-2.0 */
/* An enclave's memory while it is the parent's: huge pages, mapped and present. */
#ifndef NEC_HOST_MEMORY_H
#define NEC_HOST_MEMORY_H

#include "host/hugepages.h"

/*
 * The mappings in their order are the enclave's memory from its address 0 on; each is to be donated
 * by one call, so that the driver can merge its pages.
 */
struct nec_memory {
	const struct nec_device *device;
	int32_t node;
	size_t count;
	struct nec_memory_mapping {
		void *address;
		uint64_t page_bytes;
		uint64_t pages;
		int fd; /* the device's, for giving them back */
	} mappings[NEC_PAGE_SIZES_MAX];
	uint64_t bytes;
};

static inline uint64_t nec_memory_mapping_bytes(const struct nec_memory_mapping *mapping)
{
	return mapping->page_bytes * mapping->pages;
}

/**
 * nec_memory_map() - map the pages of a plan, bound to its node
 * @device: lent until nec_memory_release()
 *
 * From here on no other program gets these pages, unless the machine has them on another node only.
 * On failure nothing stays mapped.
 *
 * Returns 0; -ENOMEM (NEC_E_HUGEPAGES_EXHAUSTED); or a negative errno (NEC_E_HUGEPAGES_MAP).
 */
int nec_memory_map(const struct nec_device *device, const struct nec_memory_plan *plan,
		   struct nec_memory *ret, nec_error *err);

/**
 * nec_memory_populate() - make the pages present and zeroed
 *
 * Works with several threads, in ascending order: the kernel then hands out neighbours most often,
 * and the driver merges neighbours. Reports progress ("memory", bytes) and can be cancelled. No
 * signal ends the process when the node has no page left.
 *
 * Returns 0; -ENOMEM (NEC_E_HUGEPAGES_EXHAUSTED: the node ran dry); -ECANCELED (NEC_E_CANCELLED);
 * or a negative errno (NEC_E_HUGEPAGES_MAP).
 */
int nec_memory_populate(struct nec_memory *memory, const nec_context *context, nec_error *err);

/**
 * nec_memory_take() - plan, map and populate @bytes on @node
 * @lock_fd: an open device: launches that share it through flock() plan one after the other, so
 *           that none is refused because of what another one holds for a moment only; -1 for none
 *
 * Plans again when others take pages between planning and mapping. Errors of all three.
 */
int nec_memory_take(const struct nec_device *device, const nec_context *context, int lock_fd,
		    int32_t node, uint64_t bytes, struct nec_memory *ret, nec_error *err);

/*
 * Gives everything back; donated pages only return once the enclave fd is closed. Returns 0, or
 * -EBUSY when that has been done and the driver has kept some all the same.
 */
int nec_memory_release(struct nec_memory *memory);

static inline void nec_cleanup_memory(struct nec_memory *memory)
{
	(void)nec_memory_release(memory);
}
#define cleanup_memory NEC_CLEANUP(memory)

#endif
