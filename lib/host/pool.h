/* SPDX-License-Identifier: Apache-2.0 */
/* The driver's CPU pool: its parameter ne_cpus, and what it means. */
#ifndef NEC_HOST_POOL_H
#define NEC_HOST_POOL_H

#include "host/cpulist.h"
#include "host/topology.h"

struct nec_cpu_pool {
	struct nec_pool info;
	struct nec_cpuset cpus;
};

/*
 * Reads the pool. What it cannot know without the topology is left to nec_cpu_pool_place(): the
 * members of a dynamic pool, and the node. Returns 0 also when there is no driver.
 */
int nec_cpu_pool_read(const struct nec_device *device, struct nec_cpu_pool *ret, nec_error *err);
void nec_cpu_pool_place(struct nec_cpu_pool *pool, const struct nec_topology *topology);

/*
 * 0 when enclaves can be created from what is there; else the first thing that is missing:
 * -ENOENT (NEC_E_DRIVER_MISSING, NEC_E_DEVICE_MISSING), -EBUSY (NEC_E_POOL_EMPTY).
 */
int nec_cpu_pool_check(const struct nec_cpu_pool *pool, nec_error *err);

/**
 * nec_cpu_pool_write() - set the pool, or release it
 * @text: a CPU list; "" releases the pool
 *
 * Done only when reading back shows the same CPUs. Returns 0, -EBUSY (NEC_E_ALLOCATOR_ENCLAVES: the
 * driver refuses while enclaves exist, and nothing has changed), or another negative errno than
 * that (NEC_E_ALLOCATOR_POOL): then there may be no pool any more.
 */
int nec_cpu_pool_write(const struct nec_device *device, const char *text, nec_error *err);

/* Whether two of the driver's lists mean the same CPUs. */
bool nec_cpu_pool_equal(const char *a, const char *b);

/*
 * Whether anybody has an enclave, or the device open: as long as that is so the pool cannot be
 * changed. A driver that is built into the kernel does not tell: false.
 */
bool nec_driver_in_use(const struct nec_device *device);

/* Waits until /dev/nitro_enclaves is there. Returns 1, 0 (not in time), or -ECANCELED. */
int nec_device_wait(const nec_context *context, const struct nec_device *device, uint64_t usec,
		    nec_error *err);

#endif
