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

#endif
