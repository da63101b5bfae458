/* SPDX-License-Identifier: Apache-2.0 */
/* The driver's CPU pool. */
#include "host/pool.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"

#define POOL_PARAMETER "/sys/module/nitro_enclaves/parameters/ne_cpus"

int nec_cpu_pool_read(const struct nec_device *device, struct nec_cpu_pool *ret, nec_error *err)
{
	cleanup_buffer struct nec_buffer text = { 0 };
	struct nec_cpu_pool pool = { .info = { .state = NEC_POOL_NO_DRIVER, .node = -1 } };
	int r;

	pool.info.device_present = nec_device_exists(device, "/dev/nitro_enclaves") == 1;
	r = nec_device_read_optional(device, POOL_PARAMETER, &text, err);
	if (r == 0)
		*ret = pool;
	if (r <= 0)
		return r;
	if (text.size >= sizeof(pool.info.text))
		return nec_error_set(err, NEC_E_TOO_LARGE, -EFBIG,
				     POOL_PARAMETER " has %zu characters, the driver takes %zu",
				     text.size, sizeof(pool.info.text) - 1);
	(void)snprintf(pool.info.text, sizeof(pool.info.text), "%s", nec_buffer_text(&text));
	if (strcmp(pool.info.text, "dynamic") == 0) {
		pool.info.state = NEC_POOL_DYNAMIC;
		*ret = pool;
		return 0;
	}
	r = nec_cpulist_parse(pool.info.text, NEC_CPUS_MAX - 1, &pool.cpus, err);
	if (r < 0)
		return nec_error_prefix(err, r, POOL_PARAMETER);
	pool.info.cpu_count = nec_cpuset_count(&pool.cpus);
	pool.info.state = pool.info.cpu_count ? NEC_POOL_SET : NEC_POOL_EMPTY;
	*ret = pool;
	return 0;
}

/* Amazon's driver leaves the parent CPU 0 with its siblings; every other core is the pool's. */
static void fill_dynamic(struct nec_cpu_pool *pool, const struct nec_topology *topology)
{
	const struct nec_cpu *parents = nec_topology_find(topology, 0);

	for (size_t i = 0; i < topology->count; i++) {
		const struct nec_cpu *cpu = &topology->cpus[i];

		if (cpu->online && (!parents || cpu->core != parents->core))
			nec_cpuset_add(&pool->cpus, cpu->id);
	}
	pool->info.cpu_count = nec_cpuset_count(&pool->cpus);
}

void nec_cpu_pool_place(struct nec_cpu_pool *pool, const struct nec_topology *topology)
{
	bool first = true;

	if (pool->info.state == NEC_POOL_DYNAMIC)
		fill_dynamic(pool, topology);
	pool->info.node = -1;
	NEC_CPUSET_FOR_EACH (id, &pool->cpus) {
		const struct nec_cpu *cpu = nec_topology_find(topology, id);
		int32_t node = cpu ? cpu->node : -1;

		if (!first && node != pool->info.node) {
			pool->info.node = -1;
			return;
		}
		pool->info.node = node;
		first = false;
	}
}

int nec_cpu_pool_check(const struct nec_cpu_pool *pool, nec_error *err)
{
	if (pool->info.state == NEC_POOL_NO_DRIVER)
		return nec_error_set(
			err, NEC_E_DRIVER_MISSING, -ENOENT,
			"the driver nitro_enclaves is not loaded: there is no " POOL_PARAMETER);
	if (!pool->info.device_present)
		return nec_error_set(
			err, NEC_E_DEVICE_MISSING, -ENOENT,
			"the driver is loaded but found no enclave device: there is no "
			"/dev/nitro_enclaves");
	if (pool->info.state == NEC_POOL_EMPTY)
		return nec_error_set(err, NEC_E_POOL_EMPTY, -EBUSY,
				     "no CPU is set aside for enclaves: " POOL_PARAMETER
				     " is empty");
	return 0;
}
