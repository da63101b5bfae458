/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Launching an enclave on the driver: everything that can be known is checked before anything is
 * reserved, and whatever fails afterwards is undone as a whole. Knows nothing of processes, except
 * that the driver ties an enclave to the one that calls nec_launch_prepare().
 */
#ifndef NEC_ENCLAVE_LAUNCH_H
#define NEC_ENCLAVE_LAUNCH_H

#include "enclave/launch-message.h"
#include "host/driver-error.h"
#include "host/host.h"
#include "host/memory.h"
#include "image/eif.h"

/**
 * nec_launch_check() - find out whether a launch can work, without reserving anything
 * @host:    a picture taken just now
 * @used:    CPUs of the pool that running enclaves have; NULL if that is not known
 * @request: what is wanted; its backend, name, time-out and console do not matter here
 * @eif:     the open image
 *
 * In this order: the image's structure and architecture, the CID, driver, device and pool, the CPUs
 * (whole cores that are free), the memory (the image's need, then the node's huge pages). What the
 * image's bytes come to is not computed here: nec_eif_check() does.
 *
 * Returns 0; -EBADMSG (NEC_E_EIF_...); -EINVAL (NEC_E_CID, NEC_E_NO_VCPUS, NEC_E_CORES_INCOMPLETE,
 * NEC_E_CPU_REPEATED, NEC_E_MEMORY_MINIMUM, NEC_E_MEMORY_FOR_IMAGE); -ENOENT (NEC_E_DRIVER_MISSING,
 * NEC_E_DEVICE_MISSING); -EBUSY (NEC_E_POOL_EMPTY, NEC_E_CPUS_INSUFFICIENT,
 * NEC_E_VCPU_NOT_IN_POOL); -ENOMEM (NEC_E_HUGEPAGES_EXHAUSTED).
 */
int nec_launch_check(const struct nec_host *host, const struct nec_cpuset *used,
		     const struct nec_launch_request *request, const nec_eif *eif, nec_error *err);

/*
 * The part of it that is about the image and the memory only, and holds for a simulation as well.
 * Returns 0 or -EINVAL (NEC_E_MEMORY_FOR_IMAGE, NEC_E_MEMORY_MINIMUM).
 */
int nec_launch_check_memory(const struct nec_launch_request *request, const nec_eif *eif,
			    nec_error *err);

/* The NUMA node whose huge pages the enclave needs: that of its CPUs. */
int32_t nec_launch_node(const struct nec_host *host, const struct nec_launch_request *request);

/* In bytes, the highest number when there is no such number. */
uint64_t nec_launch_memory_bytes(const struct nec_launch_request *request);

/* What the driver refused in a launch. */
struct nec_launch_refusal {
	enum nec_driver_call call;
	int result; /* its answer, below 0 */
	const struct nec_launch_request *request;
	uint32_t cpu_index;                /* NEC_DRIVER_ADD_VCPU: of the CPUs asked for */
	struct nec_memory_mapping mapping; /* NEC_DRIVER_SET_MEMORY_REGION */
	int32_t node;
};

/*
 * Fills @err: one wording for the device and for the faults of a simulation. Returns a negative
 * errno.
 */
int nec_launch_refused(const struct nec_launch_refusal *refusal, nec_error *err);

/* How long each step took. */
struct nec_launch_times {
	uint64_t create_usec;
	uint64_t cpus_usec;
	uint64_t memory_usec;
	uint64_t load_usec;
	uint64_t donate_usec;
	uint64_t start_usec;
};

/* An enclave in the making, then one that runs. */
struct nec_launch {
	const struct nec_device *device;
	int enclave_fd; /* -1: none */
	uint64_t slot_uid;
	uint64_t cid;            /* once started */
	struct nec_cpu_ids cpus; /* in the order in which they were added */
	struct nec_memory memory;
	struct nec_launch_times times;
	/* It has been ended, and the driver has not let go of its memory, nor of its CPUs then: the
	 * device would not stop the enclave, or would not free the slot, or was silent. */
	bool kept;
};
#define NEC_LAUNCH_INIT          \
	{                        \
		.enclave_fd = -1 \
	}

/**
 * nec_launch_prepare() - create the enclave, with CPUs, memory and image, ready to be started
 * @device: lent until nec_launch_end()
 * @node:   nec_launch_node()
 * @eif:    needed for this call only
 *
 * The image goes straight from its file into place, once, and the file must still be the one that
 * was opened when it is there. CPUs are taken first: others may want them, and loading takes time.
 * Reports progress ("memory", "loading") and can be cancelled. On failure nothing is left, unless
 * the driver keeps it, which ret->kept tells.
 *
 * Returns 0, or a negative errno: what the driver refuses (nec_error_from_driver()), what
 * nec_memory_take() gives, what reading the image gives (NEC_E_FILE_READ, NEC_E_FILE_CHANGED),
 * -EINVAL (NEC_E_MEMORY_FOR_IMAGE: the image does not fit), -ECANCELED (NEC_E_CANCELLED).
 */
int nec_launch_prepare(const struct nec_device *device, const nec_context *context, int32_t node,
		       const struct nec_launch_request *request, const nec_eif *eif,
		       struct nec_launch *ret, nec_error *err);

/*
 * Starts it; its heartbeat may come at once. Returns 0, or what the driver refuses: then the
 * enclave is still there and has to be ended.
 */
int nec_launch_start(struct nec_launch *launch, const struct nec_launch_request *request,
		     nec_error *err);

/*
 * Ends the enclave, in whatever state it is, and gives everything back; what is left of @launch is
 * whether the driver has kept it. Blocks as close does.
 */
void nec_launch_end(struct nec_launch *launch);

static inline void nec_cleanup_launch(struct nec_launch *launch)
{
	nec_launch_end(launch);
}
#define cleanup_launch NEC_CLEANUP(launch)

#endif
