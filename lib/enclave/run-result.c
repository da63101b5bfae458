/* SPDX-License-Identifier: Apache-2.0 */
/* What a launch has come to. */
#include "base/json.h"
#include "enclave/paths.h"
#include "enclave/run.h"

void nec_run_result_free(struct nec_run_result *result)
{
	free(result->name);
	free(result->measurements);
	*result = (struct nec_run_result){ 0 };
}

cJSON *nec_run_result_json(const struct nec_run_result *result, bool simulated)
{
	const struct nec_launch_started *started = &result->started;
	cleanup_json cJSON *tree = nec_json_object();
	cJSON *cpus = nec_json_array();
	bool listed = cpus;
	char id[128];

	nec_enclave_id(started->slot_uid, id, sizeof(id));
	for (uint32_t i = 0; i < started->cpus.count; i++)
		listed = listed && nec_json_append_u64(cpus, started->cpus.ids[i]);
	if (nec_json_add_string(tree, "EnclaveName", result->name) &&
	    nec_json_add_string(tree, "EnclaveID", id) &&
	    nec_json_add_u64(tree, "ProcessID", started->pid) &&
	    nec_json_add_u64(tree, "EnclaveCID", started->cid) &&
	    nec_json_add_u64(tree, "NumberOfCPUs", started->cpus.count) &&
	    nec_json_add(tree, "CPUIDs", TAKE_PTR(cpus)) &&
	    nec_json_add_u64(tree, "MemoryMiB", started->memory_mib) &&
	    (!simulated || nec_json_add_string(tree, "Backend", "qemu")) && listed)
		return TAKE_PTR(tree);
	nec_json_free(cpus);
	return NULL;
}
