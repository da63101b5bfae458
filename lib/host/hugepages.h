/* SPDX-License-Identifier: Apache-2.0 */
/* Huge pages: what each NUMA node has, and which of them to take for an enclave. */
#ifndef NEC_HOST_HUGEPAGES_H
#define NEC_HOST_HUGEPAGES_H

#include "host/cpulist.h"
#include "host/device.h"

/* Sizes that Linux knows from 2 MiB on: 2, 8, 16, 32, 256, 512 MiB, 1, 2, 16 GiB. */
enum { NEC_PAGE_SIZES_MAX = 16 };

struct nec_hugepage_table {
	struct nec_hugepages *rows; /* sorted by node, then size */
	size_t count;
};
void nec_hugepages_clear(struct nec_hugepage_table *table);

static inline void nec_cleanup_hugepages(struct nec_hugepage_table *table)
{
	nec_hugepages_clear(table);
}
#define cleanup_hugepages NEC_CLEANUP(hugepages)

/* Reads the table for @nodes (nec_topology_read_nodes()). A kernel without huge pages: no rows. */
int nec_hugepages_read(const struct nec_device *device, const struct nec_cpuset *nodes,
		       struct nec_hugepage_table *ret, nec_error *err);

/* Pages of one size on one node, as far as changing their number goes. */
struct nec_page_count {
	uint64_t persistent; /* what nr_hugepages was set to: without those lent beyond it */
	uint64_t surplus;    /* these: in use, and gone with their last user */
	uint64_t available;  /* as in struct nec_hugepages */
};
int nec_page_count_read(const struct nec_device *device, int32_t node, uint64_t page_bytes,
			struct nec_page_count *ret, nec_error *err);

/*
 * Asks the kernel for that many pages. Success means that it has tried: it makes fewer when it
 * finds no memory, and keeps those that are in use.
 */
int nec_page_count_set(const struct nec_device *device, int32_t node, uint64_t page_bytes,
		       uint64_t count, nec_error *err);

/* Has the kernel move memory about for bigger free pieces. False when it cannot. */
bool nec_memory_compact(const struct nec_device *device, int32_t node);

/* Which pages to take: one mapping a size, the biggest first. */
struct nec_memory_plan {
	int32_t node;
	size_t count;
	struct nec_memory_part {
		uint64_t page_bytes;
		uint64_t pages;
	} parts[NEC_PAGE_SIZES_MAX];
	uint64_t bytes; /* of all parts: what was asked for, or more */
};

/**
 * nec_memory_plan() - choose pages for an enclave
 * @bytes: wanted, above 0
 *
 * Of all ways to have at least @bytes from the node's available pages it takes the one that
 * wastes least, and of these the one with the fewest pages: each page may be a region by itself,
 * and their number is limited.
 *
 * Returns 0, -EINVAL (NEC_E_INVALID_ARGUMENT), or -ENOMEM (NEC_E_HUGEPAGES_EXHAUSTED; the message
 * says what there is on which node).
 */
int nec_memory_plan(const struct nec_hugepage_table *table, int32_t node, uint64_t bytes,
		    struct nec_memory_plan *ret, nec_error *err);

#endif
