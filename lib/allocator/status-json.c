/* SPDX-License-Identifier: Apache-2.0 */
/* The status as JSON. */
#include "allocator/status-json.h"

#include "base/error.h"
#include "base/json.h"

static const char *const works[] = {
	[NEC_LEDGER_IDLE] = "none",
	[NEC_LEDGER_APPLYING] = "apply",
	[NEC_LEDGER_SETTLING] = "settle",
	[NEC_LEDGER_RELEASING] = "release",
};

static bool add_cpus(cJSON *object, const char *key, const struct nec_cpuset *cpus)
{
	cleanup_buffer struct nec_buffer list = { 0 };

	nec_cpulist_print(cpus, &list);
	return !list.failed && nec_json_add_string(object, key, nec_buffer_text(&list));
}

static bool add_pool(cJSON *object, const struct nec_allocator_status *status)
{
	const struct nec_cpu_pool *pool = &status->host->pool;
	cJSON *item = nec_json_object();

	return nec_json_add(object, "CpuPool", item) &&
	       nec_json_add_bool(item, "DriverLoaded", pool->info.state != NEC_POOL_NO_DRIVER) &&
	       nec_json_add_bool(item, "DevicePresent", pool->info.device_present) &&
	       nec_json_add_bool(item, "Ours", status->pool_ours) &&
	       nec_json_add_bool(item, "InUse", status->driver_in_use) &&
	       (pool->info.node < 0 ||
		nec_json_add_u64(item, "NumaNode", (uint64_t)pool->info.node)) &&
	       nec_json_add_u64(item, "CpuCount", nec_cpuset_count(&pool->cpus)) &&
	       add_cpus(item, "Cpus", &pool->cpus);
}

static bool add_row(cJSON *list, const struct nec_allocator_status_row *row)
{
	cJSON *item = nec_json_object();

	return nec_json_append(list, item) &&
	       nec_json_add_u64(item, "NumaNode", (uint64_t)row->node) &&
	       nec_json_add_u64(item, "PageSizeMiB", row->page_bytes >> 20) &&
	       nec_json_add_u64(item, "Total", row->total) &&
	       nec_json_add_u64(item, "InUse", row->in_use) &&
	       nec_json_add_u64(item, "Ours", row->ours) &&
	       nec_json_add_u64(item, "Found", row->found);
}

static bool add_pages(cJSON *object, const struct nec_allocator_status *status)
{
	cJSON *list = nec_json_array();
	bool good = nec_json_add(object, "Pages", list);

	for (size_t i = 0; good && i < status->row_count; i++)
		good = add_row(list, &status->rows[i]);
	return good;
}

/* The CPUs of the node @id, all of them. */
static void cpus_of_node(const struct nec_topology *topology, uint32_t id, struct nec_cpuset *ret)
{
	*ret = (struct nec_cpuset){ 0 };
	for (size_t i = 0; i < topology->count; i++)
		if (topology->cpus[i].node == (int32_t)id)
			nec_cpuset_add(ret, topology->cpus[i].id);
}

static bool add_core(cJSON *cores, const struct nec_topology *topology, const struct nec_cpu *cpu)
{
	cleanup_buffer struct nec_buffer list = { 0 };
	struct nec_cpuset core = { 0 };

	if (cpu->core >= 0)
		nec_topology_core(topology, cpu->core, &core);
	else
		nec_cpuset_add(&core, cpu->id);
	nec_cpulist_print(&core, &list);
	return !list.failed && nec_json_append_string(cores, nec_buffer_text(&list));
}

static bool add_node(cJSON *list, const struct nec_topology *topology, uint32_t id)
{
	cJSON *item = nec_json_object();
	cJSON *cores = nec_json_array();
	struct nec_cpuset cpus;
	bool good;

	cpus_of_node(topology, id, &cpus);
	good = nec_json_append(list, item) && nec_json_add_u64(item, "NumaNode", id) &&
	       add_cpus(item, "Cpus", &cpus);
	good = nec_json_add(item, "Cores", cores) && good;
	for (size_t i = 0; good && i < topology->count; i++) {
		const struct nec_cpu *cpu = &topology->cpus[i];

		if (cpu->node == (int32_t)id && (cpu->core < 0 || cpu->core == (int32_t)cpu->id))
			good = add_core(cores, topology, cpu);
	}
	return good;
}

static bool add_nodes(cJSON *object, const struct nec_allocator_status *status)
{
	cJSON *list = nec_json_array();
	bool good = nec_json_add(object, "Nodes", list);

	NEC_CPUSET_FOR_EACH (id, &status->host->topology.nodes)
		good = good && add_node(list, &status->host->topology, id);
	return good;
}

static bool fill(cJSON *object, const struct nec_allocator_status *status)
{
	return nec_json_add_bool(object, "Reserved", status->reserved) &&
	       (!status->plan || nec_json_add_bool(object, "AsConfigured", status->matches)) &&
	       nec_json_add_string(object, "Unfinished", works[status->work]) &&
	       (status->worker == NEC_ALLOCATOR_WORKER_UNKNOWN ||
		nec_json_add_bool(object, "Changing",
				  status->worker == NEC_ALLOCATOR_WORKER_RUNS)) &&
	       nec_json_add_bool(object, "Damaged", status->damaged) && add_pool(object, status) &&
	       add_pages(object, status) && add_nodes(object, status);
}

int nec_allocator_status_to_json(const struct nec_allocator_status *status, cJSON **ret,
				 nec_error *err)
{
	cleanup_json cJSON *object = nec_json_object();

	if (!fill(object, status))
		return nec_json_error_not_made(err);
	*ret = TAKE_PTR(object);
	return 0;
}
