/* SPDX-License-Identifier: Apache-2.0 */
/* What is set aside on this machine, and whose it is. */
#ifndef NEC_ALLOCATOR_STATUS_H
#define NEC_ALLOCATOR_STATUS_H

#include "allocator/ledger.h"
#include "allocator/plan.h"

/**
 * struct nec_allocator_status_row - huge pages of one size on one node, by owner
 * @total:     on the machine
 * @in_use:    somebody has them, or was promised them; sysfs does not say who
 * @ours:      that we added, in use or not
 * @found:     of the others: those that the reservation counts on
 */
struct nec_allocator_status_row {
	int32_t node;
	uint64_t page_bytes;
	uint64_t total;
	uint64_t in_use;
	uint64_t ours;
	uint64_t found;
};

/* Who is at what the ledger says is under way. */
enum nec_allocator_worker {
	NEC_ALLOCATOR_WORKER_NONE = 0,    /* nothing is; or it was killed, and its work waits */
	NEC_ALLOCATOR_WORKER_RUNS = 1,    /* a process has the lock */
	NEC_ALLOCATOR_WORKER_UNKNOWN = 2, /* only root may see the lock */
};

/**
 * struct nec_allocator_status - the machine and our part in it, at one moment
 * @reserved:      a reservation of ours stands
 * @work:          not NEC_LEDGER_IDLE: a change is under way, or one that was killed waits for
 *                 nec_allocator_recover(); @worker tells which
 * @worker:        also of a change that has not begun to touch anything: it loads the driver
 * @damaged:       the allocator's file could not be understood
 * @pool_ours:     the pool is one that we set, and nobody has changed it since
 * @driver_in_use: somebody has enclaves, or the device open: the pool cannot be changed
 * @host:          CPUs with cores and nodes, the pool, huge pages. Which CPUs enclaves have, and
 *                 what these are called, is for the enclaves to tell: nec_enclave_list_read()
 * @plan:          for the configuration; NULL without one
 * @matches:       the reservation is what the configuration asks for: applying it changes nothing
 * @rows:          sizes and nodes that have pages at all
 */
struct nec_allocator_status {
	bool reserved;
	enum nec_ledger_work work;
	enum nec_allocator_worker worker;
	bool damaged;
	bool pool_ours;
	bool driver_in_use;
	struct nec_host *host;
	struct nec_allocator_plan *plan;
	bool matches;
	size_t row_count;
	struct nec_allocator_status_row *rows;
};

/**
 * nec_allocator_status_read() - look; needs no rights and changes nothing
 * @config: to compare with, may be NULL
 * @ret:    to be released with nec_allocator_status_free()
 *
 * Returns 0, -ENOMEM, or what reading the machine gives. A damaged file is no failure.
 */
int nec_allocator_status_read(nec_context *context, const struct nec_allocator_config *config,
			      struct nec_allocator_status **ret, nec_error *err);
void nec_allocator_status_free(struct nec_allocator_status *status);

NEC_DEFINE_CLEANUP(allocator_status, struct nec_allocator_status *, nec_allocator_status_free)
#define cleanup_allocator_status NEC_CLEANUP(allocator_status)

#endif
