/* SPDX-License-Identifier: Apache-2.0 */
/* The picture of the machine: pool, topology and huge pages in one. */
#include "host/host.h"

#include "base/error.h"
#include "host/driver-error.h"

int nec_host_take(const struct nec_device *device, struct nec_host **ret, nec_error *err)
{
	cleanup_host struct nec_host *host = calloc(1, sizeof(*host));
	int r;

	if (!host)
		return nec_error_no_memory(err);
	r = nec_cpu_pool_read(device, &host->pool, err);
	if (r < 0)
		return r;
	r = nec_topology_read(device, &host->pool.cpus, &host->topology, err);
	if (r < 0)
		return r;
	nec_cpu_pool_place(&host->pool, &host->topology);
	for (size_t i = 0; i < host->topology.count; i++) {
		struct nec_cpu *cpu = &host->topology.cpus[i];

		cpu->in_pool = nec_cpuset_has(&host->pool.cpus, cpu->id);
	}
	r = nec_hugepages_read(device, &host->topology.nodes, &host->hugepages, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(host);
	return 0;
}

int nec_host_read(nec_context *context, nec_host **ret, nec_error *err)
{
	cleanup_device struct nec_device device = NEC_DEVICE_INIT;
	int r = nec_device_open(context, &device, err);

	return r < 0 ? r : nec_host_take(&device, ret, err);
}

void nec_host_free(nec_host *host)
{
	if (!host)
		return;
	nec_topology_clear(&host->topology);
	nec_hugepages_clear(&host->hugepages);
	free(host);
}

const struct nec_cpu *nec_host_get_cpu(nec_host *host, size_t index)
{
	return index < host->topology.count ? &host->topology.cpus[index] : NULL;
}

uint32_t nec_host_get_threads_per_core(nec_host *host)
{
	return host->topology.threads_per_core;
}

const struct nec_pool *nec_host_get_pool(nec_host *host)
{
	return &host->pool.info;
}

const struct nec_hugepages *nec_host_get_hugepages(nec_host *host, size_t index)
{
	return index < host->hugepages.count ? &host->hugepages.rows[index] : NULL;
}

int nec_host_open_device(nec_context *context, int *ret, nec_error *err)
{
	cleanup_device struct nec_device device = NEC_DEVICE_INIT;
	int r = nec_device_open(context, &device, err);

	if (r < 0)
		return r;
	r = device.ops->open_device(&device);
	if (r < 0)
		return nec_error_from_driver(err, NEC_DRIVER_OPEN, r, "/dev/nitro_enclaves");
	*ret = r;
	return 0;
}
