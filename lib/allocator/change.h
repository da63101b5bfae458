/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A change of the machine, step by step: each is in the ledger's file, with its inverse, before it
 * is done. What a step brought is known from what the kernel says afterwards, be it to us or to
 * whoever comes after us.
 */
#ifndef NEC_ALLOCATOR_CHANGE_H
#define NEC_ALLOCATOR_CHANGE_H

#include "allocator/apply.h"
#include "allocator/ledger.h"
#include "base/progress.h"

/*
 * So much at a time: the kernel may be at it for long, and nobody hears us meanwhile. Pages of this
 * size, one at least.
 */
#define NEC_CHANGE_SLICE_BYTES (UINT64_C(256) << 20)
#define NEC_CHANGE_SLICE_PAGES(page_bytes) \
	((page_bytes) < NEC_CHANGE_SLICE_BYTES ? NEC_CHANGE_SLICE_BYTES / (page_bytes) : 1)

/**
 * struct nec_change - who changes the machine; one at a time
 * @device:         the machine
 * @lock_fd:        held as long as this is open
 * @recovery:       what was left behind by one that was killed
 * @made_bytes, @returned_bytes: huge pages so far
 */
struct nec_change {
	const nec_context *context;
	struct nec_device device;
	int lock_fd;
	struct nec_ledger ledger;
	enum nec_allocator_recovery recovery;
	uint64_t made_bytes;
	uint64_t returned_bytes;
};
#define NEC_CHANGE_INIT                                  \
	{                                                \
		.device = NEC_DEVICE_INIT, .lock_fd = -1 \
	}

/*
 * Opens the machine, checks that we may, takes the lock, reads the ledger, and deals with what it
 * tells of. Returns 0, -EPERM (NEC_E_ALLOCATOR_RIGHTS), -EAGAIN (NEC_E_ALLOCATOR_BUSY), or what the
 * recovery met.
 */
int nec_change_open(const nec_context *context, struct nec_change *change, nec_error *err);
void nec_change_close(struct nec_change *change);

static inline void nec_cleanup_change(struct nec_change *change)
{
	nec_change_close(change);
}
#define cleanup_change NEC_CLEANUP(change)

/* The ledger's file says from now on that this is under way. Nothing has been touched. */
int nec_change_begin(struct nec_change *change, enum nec_ledger_work work, nec_error *err);

/* Adds at most @count pages that nobody has; *ret_got is how many the kernel made. */
int nec_change_add_pages(struct nec_change *change, struct nec_ledger_row *row, uint64_t count,
			 uint64_t *ret_got, nec_error *err);

/* Gives at most @count of our pages back, only such as nobody has. */
int nec_change_return_pages(struct nec_change *change, struct nec_ledger_row *row, uint64_t count,
			    uint64_t *ret_gone, nec_error *err);

/* Sets the pool ("": releases it). After a failure it may be gone. */
int nec_change_set_pool(struct nec_change *change, const char *pool, nec_error *err);

/* Back to what was before nec_change_begin(). -EBUSY when somebody has got hold of new pages. */
int nec_change_undo(struct nec_change *change, nec_error *err);

/* All that is to be added stands: from now on the change is finished, not undone, by whoever. */
int nec_change_commit(struct nec_change *change, nec_error *err);

/* What is no longer needed goes; for a release that is everything. */
int nec_change_finish(struct nec_change *change, nec_error *err);

#endif
