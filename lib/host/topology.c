/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CPUs, cores and NUMA nodes, from sysfs.
 *
 * What is known of a CPU that is offline: that it is present, and its node (the cpuN/nodeK link
 * stays). Its topology folder is gone, and the online siblings no longer list it. So the cores of
 * pool CPUs are derived: the driver takes whole cores only, CPU 0 and its siblings are never in the
 * pool, and firmware numbers threads by one pattern on the whole machine (n and n+1, or n and
 * n+half). Either the pattern of the online cores fits the whole pool without a remainder, or we
 * say that we do not know.
 */
#include "host/topology.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"

#define SYSFS_CPU  "/sys/devices/system/cpu"
#define SYSFS_NODE "/sys/devices/system/node"

enum { THREADS_PER_CORE_MAX = 8 };

/* Returns 1, 0 when there is no such file, or a negative errno. */
static int read_list_if_any(const struct nec_device *device, const char *path,
			    struct nec_cpuset *ret, nec_error *err)
{
	cleanup_buffer struct nec_buffer text = { 0 };
	int r = nec_device_read_optional(device, path, &text, err);

	if (r <= 0)
		return r;
	r = nec_cpulist_parse(nec_buffer_text(&text), NEC_CPUS_MAX - 1, ret, err);
	return r < 0 ? nec_error_prefix(err, r, "%s", path) : 1;
}

static int read_list(const struct nec_device *device, const char *path, struct nec_cpuset *ret,
		     nec_error *err)
{
	int r = read_list_if_any(device, path, ret, err);

	if (r == 0)
		return nec_error_set(err, NEC_E_CPU_TOPOLOGY, -ENOENT, "there is no %s", path);
	return r < 0 ? r : 0;
}

int nec_topology_read_nodes(const struct nec_device *device, struct nec_cpuset *ret, nec_error *err)
{
	int r = read_list_if_any(device, SYSFS_NODE "/online", ret, err);

	if (r != 0)
		return r < 0 ? r : 0;
	*ret = (struct nec_cpuset){ 0 };
	nec_cpuset_add(ret, 0);
	return 0;
}

static int32_t read_node(const struct nec_device *device, const struct nec_cpuset *nodes,
			 uint32_t cpu)
{
	char path[96];

	NEC_CPUSET_FOR_EACH (node, nodes) {
		(void)snprintf(path, sizeof(path), SYSFS_CPU "/cpu%u/node%u", cpu, node);
		if (nec_device_exists(device, path) == 1)
			return (int32_t)node;
	}
	/* No links at all: no NUMA. */
	return nec_device_exists(device, SYSFS_NODE) == 0 ? 0 : -1;
}

/* The threads of the CPU's core that are online, itself included; as read_list_if_any(). */
static int read_siblings(const struct nec_device *device, uint32_t cpu, struct nec_cpuset *ret,
			 nec_error *err)
{
	char path[96];

	(void)snprintf(path, sizeof(path), SYSFS_CPU "/cpu%u/topology/thread_siblings_list", cpu);
	return read_list_if_any(device, path, ret, err);
}

static int read_cpu(const struct nec_device *device, struct nec_topology *topology,
		    const struct nec_cpuset *online, uint32_t id, nec_error *err)
{
	struct nec_cpu *cpu = &topology->cpus[topology->count++];
	struct nec_cpuset siblings;
	uint32_t threads;
	int r;

	*cpu = (struct nec_cpu){
		.id = id,
		.node = read_node(device, &topology->nodes, id),
		.core = -1,
		.online = nec_cpuset_has(online, id),
	};
	if (!cpu->online)
		return 0;
	r = read_siblings(device, id, &siblings, err);
	/* None: the CPU has gone offline since the list of online ones was read. */
	if (r <= 0)
		return r;
	if (!nec_cpuset_has(&siblings, id))
		return nec_error_set(err, NEC_E_CPU_TOPOLOGY, -EBADMSG,
				     "sysfs does not name CPU %u as a thread of its own core", id);
	threads = nec_cpuset_count(&siblings);
	if (threads > topology->threads_per_core)
		topology->threads_per_core = threads;
	cpu->core = (int32_t)nec_cpuset_next(&siblings, 0);
	cpu->core_source = NEC_CORE_READ;
	return 0;
}

/* How the threads of a core are numbered: their distances from its lowest one. */
struct thread_pattern {
	uint32_t offsets[THREADS_PER_CORE_MAX];
	uint32_t count;
};

static struct thread_pattern pattern_of(const struct nec_topology *topology, int32_t core)
{
	struct thread_pattern pattern = { 0 };
	struct nec_cpuset threads;

	nec_topology_core(topology, core, &threads);
	NEC_CPUSET_FOR_EACH (cpu, &threads)
		if (pattern.count < THREADS_PER_CORE_MAX)
			pattern.offsets[pattern.count++] = cpu - (uint32_t)core;
	return pattern;
}

/* The one pattern of all cores that are whole. False when there are two, or none. */
static bool find_pattern(const struct nec_topology *topology, struct thread_pattern *ret)
{
	bool found = false;

	for (size_t i = 0; i < topology->count; i++) {
		struct thread_pattern pattern;

		if (topology->cpus[i].core != (int32_t)topology->cpus[i].id)
			continue;
		pattern = pattern_of(topology, topology->cpus[i].core);
		if (pattern.count != topology->threads_per_core)
			continue;
		if (found && memcmp(&pattern, ret, sizeof(pattern)) != 0)
			return false;
		*ret = pattern;
		found = true;
	}
	return found;
}

static struct nec_cpu *find_cpu(const struct nec_topology *topology, uint32_t id)
{
	size_t low = 0;
	size_t high = topology->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (topology->cpus[middle].id == id)
			return &topology->cpus[middle];
		if (topology->cpus[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* Takes the threads of the core that begins with @first out of @left; false if one is not there. */
static bool take_core(const struct nec_topology *topology, const struct thread_pattern *pattern,
		      uint32_t first, struct nec_cpuset *left)
{
	const struct nec_cpu *lowest = find_cpu(topology, first);

	for (uint32_t i = 0; i < pattern->count; i++) {
		uint32_t id = first + pattern->offsets[i];
		const struct nec_cpu *cpu = find_cpu(topology, id);

		if (!lowest || !cpu || !nec_cpuset_has(left, id) || cpu->node != lowest->node)
			return false;
		nec_cpuset_remove(left, id);
	}
	return true;
}

/* All of the pool or nothing: one core that does not fit makes the pattern worth nothing. */
static bool pattern_fits(const struct nec_topology *topology, const struct thread_pattern *pattern,
			 const struct nec_cpuset *offline)
{
	struct nec_cpuset left = *offline;

	NEC_CPUSET_FOR_EACH (first, offline)
		if (nec_cpuset_has(&left, first) && !take_core(topology, pattern, first, &left))
			return false;
	return true;
}

static void derive_cores(struct nec_topology *topology, const struct nec_cpuset *pool)
{
	struct thread_pattern pattern = { 0 };
	struct nec_cpuset offline = { 0 };

	for (size_t i = 0; i < topology->count; i++)
		if (!topology->cpus[i].online && nec_cpuset_has(pool, topology->cpus[i].id))
			nec_cpuset_add(&offline, topology->cpus[i].id);
	if (!find_pattern(topology, &pattern) || !pattern_fits(topology, &pattern, &offline))
		return;
	NEC_CPUSET_FOR_EACH (first, &offline) {
		struct nec_cpuset left = offline;

		if (find_cpu(topology, first)->core >= 0)
			continue;
		(void)take_core(topology, &pattern, first, &left);
		for (uint32_t i = 0; i < pattern.count; i++) {
			struct nec_cpu *cpu = find_cpu(topology, first + pattern.offsets[i]);

			cpu->core = (int32_t)first;
			cpu->core_source = NEC_CORE_DERIVED;
		}
	}
}

static int read_cpus(const struct nec_device *device, struct nec_topology *topology,
		     const struct nec_cpuset *present, const struct nec_cpuset *online,
		     nec_error *err)
{
	topology->cpus = calloc(nec_cpuset_count(present) + 1, sizeof(*topology->cpus));
	if (!topology->cpus)
		return nec_error_no_memory(err);
	NEC_CPUSET_FOR_EACH (cpu, present) {
		int r = read_cpu(device, topology, online, cpu, err);

		if (r < 0)
			return r;
	}
	if (topology->threads_per_core == 0)
		return nec_error_set(err, NEC_E_CPU_TOPOLOGY, -ENODATA,
				     "sysfs tells the siblings of no CPU that is online");
	return 0;
}

int nec_topology_read(const struct nec_device *device, const struct nec_cpuset *pool,
		      struct nec_topology *ret, nec_error *err)
{
	struct nec_topology topology = { 0 };
	struct nec_cpuset present;
	struct nec_cpuset online;
	int r;

	r = read_list(device, SYSFS_CPU "/present", &present, err);
	if (r >= 0)
		r = read_list(device, SYSFS_CPU "/online", &online, err);
	if (r >= 0)
		r = nec_topology_read_nodes(device, &topology.nodes, err);
	if (r >= 0)
		r = read_cpus(device, &topology, &present, &online, err);
	if (r < 0) {
		nec_topology_clear(&topology);
		return r;
	}
	derive_cores(&topology, pool);
	*ret = topology;
	return 0;
}

void nec_topology_clear(struct nec_topology *topology)
{
	free(topology->cpus);
	*topology = (struct nec_topology){ 0 };
}

const struct nec_cpu *nec_topology_find(const struct nec_topology *topology, uint32_t id)
{
	return find_cpu(topology, id);
}

void nec_topology_core(const struct nec_topology *topology, int32_t core, struct nec_cpuset *ret)
{
	*ret = (struct nec_cpuset){ 0 };
	for (size_t i = 0; i < topology->count; i++)
		if (core >= 0 && topology->cpus[i].core == core)
			nec_cpuset_add(ret, topology->cpus[i].id);
}
