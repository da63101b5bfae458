/* SPDX-License-Identifier: Apache-2.0 */
/* What can be known before a launch. */
#include "base/arch.h"
#include "base/error.h"
#include "enclave/launch.h"

#define MIB (UINT64_C(1) << 20)

static int check_image(const nec_eif *eif, nec_error *err)
{
	enum nec_arch machine = nec_arch_of_machine();
	enum nec_arch arch = nec_eif_get_arch(eif);
	int r = nec_eif_refuse_errors(eif, true, err);

	if (r < 0)
		return r;
	if (machine != NEC_ARCH_UNKNOWN && arch != machine)
		return nec_error_set(err, NEC_E_EIF_ARCH, -EBADMSG,
				     "%s is for %s, this machine is %s", eif->name,
				     nec_arch_name(arch), nec_arch_name(machine));
	return 0;
}

static int check_cid(uint64_t cid, nec_error *err)
{
	if (cid == 0 || (cid > NEC_CID_PARENT && cid < UINT32_MAX))
		return 0;
	return nec_error_set(err, NEC_E_CID, -EINVAL, "CID %llu is reserved or above 32 bits",
			     (unsigned long long)cid);
}

/* CPUs of the pool that no enclave has. */
static struct nec_cpuset free_cpus(const struct nec_host *host, const struct nec_cpuset *used)
{
	struct nec_cpuset free = host->pool.cpus;

	if (used)
		NEC_CPUSET_FOR_EACH (cpu, used)
			nec_cpuset_remove(&free, cpu);
	return free;
}

static int check_whole_cores(const struct nec_host *host, uint64_t count, nec_error *err)
{
	uint32_t threads = host->topology.threads_per_core;

	if (count == 0)
		return nec_error_set(err, NEC_E_NO_VCPUS, -EINVAL, "an enclave needs a CPU");
	if (count % threads)
		return nec_error_set(err, NEC_E_CORES_INCOMPLETE, -EINVAL,
				     "an enclave gets whole cores of %u CPUs, %llu are asked for",
				     threads, (unsigned long long)count);
	return 0;
}

static int check_cpu_count(const struct nec_host *host, const struct nec_cpuset *free,
			   uint64_t count, nec_error *err)
{
	uint32_t free_count = nec_cpuset_count(free);

	if (count > host->pool.info.cpu_count)
		return nec_error_set(err, NEC_E_CPUS_INSUFFICIENT, -EBUSY,
				     "%llu CPUs are asked for, the CPU pool (%s) has %u",
				     (unsigned long long)count, host->pool.info.text,
				     host->pool.info.cpu_count);
	if (count > free_count)
		return nec_error_set(err, NEC_E_CPUS_INSUFFICIENT, -EBUSY,
				     "%llu CPUs are asked for, enclaves have %u of the %u CPUs in "
				     "the pool",
				     (unsigned long long)count,
				     host->pool.info.cpu_count - free_count,
				     host->pool.info.cpu_count);
	return check_whole_cores(host, count, err);
}

static int check_cpu(const struct nec_host *host, const struct nec_cpuset *free, uint32_t id,
		     struct nec_cpuset *asked, nec_error *err)
{
	if (nec_cpuset_has(asked, id))
		return nec_error_set(err, NEC_E_CPU_REPEATED, -EINVAL, "CPU %u is named twice", id);
	if (!nec_cpuset_has(&host->pool.cpus, id))
		return nec_error_set(err, NEC_E_VCPU_NOT_IN_POOL, -EBUSY,
				     "CPU %u is not in the CPU pool (%s)", id,
				     host->pool.info.text);
	if (!nec_cpuset_has(free, id))
		return nec_error_set(err, NEC_E_VCPU_NOT_IN_POOL, -EBUSY,
				     "CPU %u belongs to another enclave", id);
	nec_cpuset_add(asked, id);
	return 0;
}

/* Cores that are not known are the driver's to judge. */
static int check_siblings(const struct nec_host *host, const struct nec_cpuset *asked,
			  nec_error *err)
{
	NEC_CPUSET_FOR_EACH (id, asked) {
		const struct nec_cpu *cpu = nec_topology_find(&host->topology, id);
		struct nec_cpuset core;

		if (!cpu)
			continue;
		nec_topology_core(&host->topology, cpu->core, &core);
		NEC_CPUSET_FOR_EACH (sibling, &core)
			if (!nec_cpuset_has(asked, sibling))
				return nec_error_set(
					err, NEC_E_CORES_INCOMPLETE, -EINVAL,
					"CPU %u is asked for without CPU %u, which is of the same "
					"core%s",
					id, sibling,
					cpu->core_source == NEC_CORE_DERIVED
						? " (by the numbering of the cores that are online)"
						: "");
	}
	return 0;
}

static int check_cpu_ids(const struct nec_host *host, const struct nec_cpuset *free,
			 const struct nec_cpu_ids *ids, nec_error *err)
{
	struct nec_cpuset asked = { 0 };
	int r;

	for (size_t i = 0; i < ids->count; i++) {
		r = check_cpu(host, free, ids->ids[i], &asked, err);
		if (r < 0)
			return r;
	}
	r = check_siblings(host, &asked, err);
	return r < 0 ? r : check_whole_cores(host, ids->count, err);
}

uint64_t nec_launch_memory_bytes(const struct nec_launch_request *request)
{
	return request->memory_mib > UINT64_MAX / MIB ? UINT64_MAX : request->memory_mib * MIB;
}

int nec_launch_check_memory(const struct nec_launch_request *request, const nec_eif *eif,
			    nec_error *err)
{
	uint64_t size_mib = eif->layout.size_bytes / MIB + (eif->layout.size_bytes % MIB != 0);
	uint64_t bytes = nec_launch_memory_bytes(request);

	/* nitro-cli's rule, and its number: whole MiB, times four */
	if (eif->layout.size_bytes > bytes / 4)
		return nec_error_set(err, NEC_E_MEMORY_FOR_IMAGE, -EINVAL,
				     "%llu MiB are asked for, %s needs at least %llu MiB",
				     (unsigned long long)request->memory_mib, eif->name,
				     (unsigned long long)size_mib * 4);
	/* What counts is what is taken, whole huge pages: 63 MiB become 64. */
	if (bytes <= NEC_ENCLAVE_MEMORY_MIN - NEC_REGION_ALIGNMENT)
		return nec_error_set(err, NEC_E_MEMORY_MINIMUM, -EINVAL,
				     "%llu MiB are asked for, an enclave needs at least %llu MiB",
				     (unsigned long long)request->memory_mib,
				     (unsigned long long)(NEC_ENCLAVE_MEMORY_MIN / MIB));
	return 0;
}

static int plan_memory(const struct nec_host *host, const struct nec_launch_request *request,
		       nec_error *err)
{
	struct nec_memory_plan plan;

	return nec_memory_plan(&host->hugepages, nec_launch_node(host, request),
			       nec_launch_memory_bytes(request), &plan, err);
}

int nec_launch_check(const struct nec_host *host, const struct nec_cpuset *used,
		     const struct nec_launch_request *request, const nec_eif *eif, nec_error *err)
{
	const struct nec_cpuset free = free_cpus(host, used);
	int r = check_image(eif, err);

	if (r >= 0)
		r = check_cid(request->cid, err);
	if (r >= 0)
		r = nec_cpu_pool_check(&host->pool, err);
	if (r >= 0)
		r = request->cpus.count ? check_cpu_ids(host, &free, &request->cpus, err)
					: check_cpu_count(host, &free, request->cpu_count, err);
	if (r >= 0)
		r = nec_launch_check_memory(request, eif, err);
	return r < 0 ? r : plan_memory(host, request, err);
}

int32_t nec_launch_node(const struct nec_host *host, const struct nec_launch_request *request)
{
	const struct nec_cpu *cpu = NULL;

	if (host->pool.info.node >= 0)
		return host->pool.info.node;
	/* A dynamic pool spans the nodes; left to choose, Amazon's driver takes node 0. */
	if (request->cpus.count)
		cpu = nec_topology_find(&host->topology, request->cpus.ids[0]);
	return cpu && cpu->node >= 0 ? cpu->node : 0;
}
