/* SPDX-License-Identifier: Apache-2.0 */
/* Before a launch on the device. */
#include "enclave/run-check.h"

#include "base/error.h"
#include "base/json.h"
#include "enclave/client.h"
#include "enclave/launch.h"

static void add_cpus(const cJSON *enclave, struct nec_cpuset *used)
{
	const cJSON *ids = nec_json_get(enclave, "CPUIDs");
	const cJSON *item;

	if (!nec_json_is_array(ids))
		return;
	cJSON_ArrayForEach (item, ids) {
		uint64_t id;

		if (nec_json_to_u64(item, &id) && id < NEC_CPUS_MAX)
			nec_cpuset_add(used, (uint32_t)id);
	}
}

/* 0 leaves the choice to the hypervisor, and nobody has it. */
static int check_cid(const cJSON *enclave, uint64_t cid, nec_error *err)
{
	const char *name = "without a name";
	uint64_t used;

	if (!nec_json_get_u64(enclave, "EnclaveCID", &used) || used != cid)
		return 0;
	(void)nec_json_get_string(enclave, "EnclaveName", &name);
	return nec_error_set(err, NEC_E_CID, -EADDRINUSE, "CID %llu belongs to the enclave %s",
			     (unsigned long long)cid, name);
}

/*
 * What the enclaves have that answer, ours and nitro-cli's. Of one that does not answer driver and
 * hypervisor know: this check is for the better message.
 */
static int find_used(const char *dir, uint64_t cid, struct nec_cpuset *ret, nec_error *err)
{
	cleanup_json cJSON *enclaves = nec_json_array();
	unsigned int failed = 0;
	const cJSON *enclave;
	int r;

	if (!enclaves)
		return nec_error_no_memory(err);
	r = nec_client_describe_all(dir, false, enclaves, &failed, err);
	if (r < 0 && r != -ENOENT)
		return r;
	cJSON_ArrayForEach (enclave, enclaves) {
		/* Simulated ones have CPUs and CIDs of their own. */
		if (nec_json_get(enclave, "Backend"))
			continue;
		add_cpus(enclave, ret);
		r = check_cid(enclave, cid, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int check_device(nec_context *context, nec_error *err)
{
	cleanup_close int fd = -1;

	return nec_host_open_device(context, &fd, err);
}

/* No device and no choice: say both ways out. */
int nec_run_check_device(const nec_context *context, uint64_t backend, nec_error *err)
{
	cleanup_device struct nec_device device = NEC_DEVICE_INIT;
	int r;

	if (backend == NEC_BACKEND_QEMU)
		return 0;
	r = nec_device_open(context, &device, err);
	if (r < 0 || nec_device_exists(&device, "/dev/nitro_enclaves") > 0)
		return r;
	(void)nec_error_set(err, NEC_E_DEVICE_MISSING, -ENOENT,
			    "there is no /dev/nitro_enclaves on this machine");
	nec_error_set_hint(
		err, "On EC2, start the instance with enclaves enabled and load the module "
		     "nitro_enclaves. Elsewhere, add --backend qemu (or set NEC_BACKEND=qemu) to "
		     "run the image in a simulation.");
	return -ENOENT;
}

int nec_run_check(nec_context *context, const struct nec_launch_request *request,
		  const nec_eif *eif, nec_error *err)
{
	cleanup_device struct nec_device device = NEC_DEVICE_INIT;
	cleanup_host struct nec_host *host = NULL;
	struct nec_cpuset used = { 0 };
	int r = nec_device_open(context, &device, err);

	if (r >= 0)
		r = nec_host_take(&device, &host, err);
	if (r >= 0)
		r = find_used(request->sockets_dir, request->cid, &used, err);
	if (r >= 0)
		r = nec_launch_check(host, &used, request, eif, err);
	return r < 0 ? r : check_device(context, err);
}
