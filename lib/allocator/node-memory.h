/* SPDX-License-Identifier: Apache-2.0 */
/* Free memory of a NUMA node, and how much of it could become huge pages. */
#ifndef NEC_ALLOCATOR_NODE_MEMORY_H
#define NEC_ALLOCATOR_NODE_MEMORY_H

#include "host/device.h"

/**
 * struct nec_node_memory - what the kernel says of a node now; it changes all the time
 * @free_bytes:        nobody has it
 * @reclaimable_bytes: contents of files, which the kernel drops when it needs the memory
 * @contiguous_bytes:  of what is free, in pieces that can be a page of 2 MiB; the rest needs
 *                     compaction
 */
struct nec_node_memory {
	uint64_t free_bytes;
	uint64_t reclaimable_bytes;
	uint64_t contiguous_bytes;
};

/*
 * Reads node@N/meminfo and buddyinfo. A kernel that has neither leaves 0. Returns 0, -ENOMEM, or a
 * negative errno (NEC_E_FILE_READ).
 */
int nec_node_memory_read(const struct nec_device *device, int32_t node, struct nec_node_memory *ret,
			 nec_error *err);

#endif
