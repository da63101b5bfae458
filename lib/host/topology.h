/* SPDX-License-Identifier: Apache-2.0 */
/* CPUs, cores and NUMA nodes, from sysfs. */
#ifndef NEC_HOST_TOPOLOGY_H
#define NEC_HOST_TOPOLOGY_H

#include "host/cpulist.h"
#include "host/device.h"

struct nec_topology {
	struct nec_cpu *cpus; /* all that are present, ascending */
	size_t count;
	struct nec_cpuset nodes; /* NUMA nodes that are online; node 0 without NUMA */
	uint32_t threads_per_core;
};
void nec_topology_clear(struct nec_topology *topology);

static inline void nec_cleanup_topology(struct nec_topology *topology)
{
	nec_topology_clear(topology);
}
#define cleanup_topology NEC_CLEANUP(topology)

/*
 * The CPU list of the NUMA nodes that are online, 0 alone on a kernel without NUMA. @ret counts
 * nodes, not CPUs; the lists are written alike.
 */
int nec_topology_read_nodes(const struct nec_device *device, struct nec_cpuset *ret,
			    nec_error *err);

/*
 * Reads what there is. The kernel forgets the topology of a CPU that goes offline, and the driver
 * takes its pool offline; @pool says which CPUs these are, so that their cores can be derived.
 * Returns 0, -ENOMEM, or a negative errno (NEC_E_CPU_TOPOLOGY or what the lists are refused with).
 */
int nec_topology_read(const struct nec_device *device, const struct nec_cpuset *pool,
		      struct nec_topology *ret, nec_error *err);

/* The CPU with that number, NULL if there is none. */
const struct nec_cpu *nec_topology_find(const struct nec_topology *topology, uint32_t id);

/* The CPUs of a core, by its lowest number (struct nec_cpu.core). */
void nec_topology_core(const struct nec_topology *topology, int32_t core, struct nec_cpuset *ret);

#endif
