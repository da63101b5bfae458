/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the allocator has done to the machine: which huge pages are ours, which pool we set, what
 * stood there before, and the change that is under way, with its inverse.
 *
 * Ledger and journal are one file, NEC_ALLOCATOR_STATE, replaced as a whole before each step, so
 * that they never disagree. It lies in a folder that only root may write and that does not outlive
 * the machine: neither does what it tells of, and a boot id in it makes sure of that.
 */
#ifndef NEC_ALLOCATOR_LEDGER_H
#define NEC_ALLOCATOR_LEDGER_H

#include "host/cpulist.h"
#include "host/device.h"

#define NEC_ALLOCATOR_DIR   "/run/nec-allocator" /* 0711; never /run/nitro_enclaves, the group's */
#define NEC_ALLOCATOR_STATE NEC_ALLOCATOR_DIR "/state"

enum {
	NEC_LEDGER_ROWS_MAX = 256,        /* nodes times page sizes that we ever touch */
	NEC_LEDGER_BYTES_MAX = 64 * 1024, /* of the file */
	NEC_LEDGER_POOL_SIZE = 512,       /* of the driver's parameter, with its NUL */
	NEC_LEDGER_BOOT_ID_SIZE = 40
};

/* The change that is under way, and how it goes on when whoever makes it is no more. */
enum nec_ledger_work {
	NEC_LEDGER_IDLE = 0,
	NEC_LEDGER_APPLYING = 1,  /* undone, unless the new pool stands: it comes last */
	NEC_LEDGER_SETTLING = 2,  /* the reservation stands: what it no longer needs goes */
	NEC_LEDGER_RELEASING = 3, /* is carried to its end */
};

/**
 * struct nec_ledger_row - huge pages of one size on one node
 * @ours:   how many we added, and have not given back
 * @coarse: of these, how many stand in for smaller ones that could not be had
 * @found:  how many the reservation counts on beside @ours; they were there, and are never lowered
 * @before: @ours as it was before the change
 * @after:  @ours as it is to be
 * @coarse_after, @found_after: the same for these
 * @step_from, @step_to: the node's number of pages that is being changed; equal when none is
 */
struct nec_ledger_row {
	int32_t node;
	uint64_t page_bytes;
	uint64_t ours;
	uint64_t coarse;
	uint64_t found;
	uint64_t before;
	uint64_t after;
	uint64_t coarse_after;
	uint64_t found_after;
	uint64_t step_from;
	uint64_t step_to;
};

/**
 * struct nec_ledger - the file
 * @reserved:    whether a reservation stands
 * @node:        its NUMA node, -1 for none
 * @node_after:  the node of the one that is being applied
 * @pool_ours:   whether we have set the pool
 * @pool:        to what
 * @pool_origin: what stood there before we first did: what release puts back
 * @pool_from, @pool_to: the pool that is being changed; equal when none is
 */
struct nec_ledger {
	char boot_id[NEC_LEDGER_BOOT_ID_SIZE];
	enum nec_ledger_work work;
	bool reserved;
	int32_t node;
	int32_t node_after;
	bool pool_ours;
	char pool[NEC_LEDGER_POOL_SIZE];
	char pool_origin[NEC_LEDGER_POOL_SIZE];
	char pool_from[NEC_LEDGER_POOL_SIZE];
	char pool_to[NEC_LEDGER_POOL_SIZE];
	size_t row_count;
	struct nec_ledger_row rows[NEC_LEDGER_ROWS_MAX];
};

#define NEC_LEDGER_INIT                      \
	{                                    \
		.node = -1, .node_after = -1 \
	}

/* The row of a node and size; NULL when there is none. */
struct nec_ledger_row *nec_ledger_find(struct nec_ledger *ledger, int32_t node,
				       uint64_t page_bytes);
/* The same, made when there is none; NULL when there are too many. */
struct nec_ledger_row *nec_ledger_row(struct nec_ledger *ledger, int32_t node, uint64_t page_bytes);

/* The text of the file. */
void nec_ledger_print(const struct nec_ledger *ledger, struct nec_buffer *to);
/* Its last line, the sum of what @to has from @start on. */
void nec_ledger_print_sum(struct nec_buffer *to, size_t start);
/* -EBADMSG (NEC_E_FILE_READ) when it is not what nec_ledger_print() makes, to the last byte. */
int nec_ledger_parse(const char *text, size_t size, struct nec_ledger *ret, nec_error *err);

/*
 * Reads the file. Returns 1, or 0 when there is none, or one from before the machine was started:
 * then
 * @ret is empty. -EBADMSG when it is damaged, else what reading gives.
 */
int nec_ledger_load(const struct nec_device *device, struct nec_ledger *ret, nec_error *err);

/* Replaces the file at once; one that says nothing any more is removed. */
int nec_ledger_save(const struct nec_device *device, const struct nec_ledger *ledger,
		    nec_error *err);

/* Moves a damaged file aside, where somebody can look at it. */
int nec_ledger_set_aside(const struct nec_device *device, nec_error *err);

/*
 * Makes the folder, and takes the lock of those who change anything. Returns its fd: closing it
 * lets go. -EAGAIN (NEC_E_ALLOCATOR_BUSY) when somebody has it.
 */
int nec_ledger_lock(const struct nec_device *device, nec_error *err);

/*
 * Whether somebody has it: 1 or 0, or a negative errno when that cannot be told (-EACCES: the lock
 * is root's). Takes nothing, so that it is in nobody's way.
 */
int nec_ledger_is_locked(const struct nec_device *device);

#endif
