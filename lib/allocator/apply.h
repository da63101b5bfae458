/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Setting memory and CPUs aside as a transaction, and giving them back. docs/allocator.md has the
 * steps, and what each failure leads to.
 *
 * Every call takes the allocator's lock (never waiting for it), so that daemon and command line
 * exclude each other, and first deals with what one that was killed has left behind. They block,
 * for as long as the kernel needs to find memory: progress comes by the context's callback (phases
 * "reserve memory", "return memory"), and its cancel flag ends an apply, which is then undone.
 */
#ifndef NEC_ALLOCATOR_APPLY_H
#define NEC_ALLOCATOR_APPLY_H

#include "allocator/config.h"
#include "allocator/plan.h"

/* What is asked of /dev/nitro_enclaves. A pool can be set without it. */
enum nec_allocator_device {
	NEC_ALLOCATOR_DEVICE_IGNORE = 0,
	NEC_ALLOCATOR_DEVICE_WARN = 1,   /* nec_warn() when it is not there in time */
	NEC_ALLOCATOR_DEVICE_REQUIRE = 2 /* NEC_E_DEVICE_MISSING, before anything is touched */
};

/**
 * struct nec_allocator_apply_options - how to go about it
 * @load_driver:      run modprobe when the driver is not loaded; else that is NEC_E_DRIVER_MISSING
 * @device:           see there
 * @device_wait_usec: how long it may take to appear
 */
struct nec_allocator_apply_options {
	bool load_driver;
	enum nec_allocator_device device;
	uint64_t device_wait_usec;
};
#define NEC_ALLOCATOR_APPLY_OPTIONS_INIT                                  \
	{                                                                 \
		.load_driver = true, .device = NEC_ALLOCATOR_DEVICE_WARN, \
		.device_wait_usec = UINT64_C(5000000)                     \
	}

/* What was found of a call that had been killed. */
enum nec_allocator_recovery {
	NEC_ALLOCATOR_NOTHING = 0,  /* also: the pool could not be put back, which was warned of */
	NEC_ALLOCATOR_FINISHED = 1, /* the machine is as it had been planned */
	NEC_ALLOCATOR_UNDONE = 2,   /* the machine is as before that call */
	NEC_ALLOCATOR_FORGOTTEN = 3 /* the file was damaged: moved aside, and no page is ours */
};

/* Pages of one size on the node of the reservation. */
struct nec_allocator_pages {
	uint64_t page_bytes;
	uint64_t ours;  /* that we added */
	uint64_t found; /* that were there, and are counted on */
};

/**
 * struct nec_allocator_outcome - what stands after a call that succeeded
 * @recovery:       what had to be done first
 * @changed:        false: all of it was as asked for already, and nothing was touched
 * @driver_loaded:  by this call
 * @device_present: /dev/nitro_enclaves
 * @node:           of the reservation, -1 after a release
 * @cpus:           the pool
 * @memory_bytes:   for enclaves, in @pages
 * @made_bytes:     huge pages that this call added
 * @returned_bytes: huge pages that this call gave back
 */
struct nec_allocator_outcome {
	enum nec_allocator_recovery recovery;
	bool changed;
	bool driver_loaded;
	bool device_present;
	int32_t node;
	struct nec_cpuset cpus;
	uint64_t memory_bytes;
	uint64_t made_bytes;
	uint64_t returned_bytes;
	size_t page_count;
	struct nec_allocator_pages pages[NEC_PLAN_SIZES_MAX];
};

/**
 * nec_allocator_apply() - make the machine as @config has it
 * @ret: filled on success
 *
 * All or nothing: on any failure the machine is as it was before (NEC_E_ALLOCATOR_UNDO, with the
 * reason for both, is the one exception: the kernel did not let us go back). What would need the
 * end of an enclave is refused before anything is touched: a pool other than the one that is set,
 * and fewer pages than are in use. With the same pool, memory can be added while enclaves run.
 *
 * Returns 0, -EPERM (NEC_E_ALLOCATOR_RIGHTS), -EAGAIN (NEC_E_ALLOCATOR_BUSY: another call is at
 * it), -EBUSY (NEC_E_ALLOCATOR_ENCLAVES: enclaves are running), -ENOENT (NEC_E_DRIVER_MISSING,
 * NEC_E_DEVICE_MISSING), -ENOSPC with the code of the plan's first problem (it does not fit),
 * -ENOMEM (NEC_E_HUGEPAGES_EXHAUSTED: the kernel could not find the memory), -ECANCELED
 * (NEC_E_CANCELLED), -EINVAL and others of the driver (NEC_E_ALLOCATOR_POOL), or what reading the
 * machine gives.
 */
int nec_allocator_apply(nec_context *context, const struct nec_allocator_config *config,
			const struct nec_allocator_apply_options *options,
			struct nec_allocator_outcome *ret, nec_error *err);

/**
 * nec_allocator_release() - give back what we took: our pages, and the pool as it stood before
 *
 * Pages that were there before us stay. Refused while enclaves run, or hold our pages (-EBUSY,
 * NEC_E_ALLOCATOR_ENCLAVES), before anything is touched; once begun it is not cancelled. When there
 * is nothing of ours it succeeds with @ret->changed false. Otherwise as nec_allocator_apply().
 */
int nec_allocator_release(nec_context *context, struct nec_allocator_outcome *ret, nec_error *err);

/**
 * nec_allocator_recover() - only deal with what a call that was killed has left behind
 * @ret: what that was
 *
 * A change that had not come to stand is undone, anything else is finished. Needs no rights when
 * there is nothing to do.
 */
int nec_allocator_recover(nec_context *context, enum nec_allocator_recovery *ret, nec_error *err);

#endif
