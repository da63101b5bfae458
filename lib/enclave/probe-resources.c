/* SPDX-License-Identifier: Apache-2.0 */
/* Probe: CPUs, memory and the vsock port, which enclaves need and share. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/json.h"
#include "base/unix-socket.h"
#include "enclave/paths.h"
#include "enclave/probe-private.h"

#define MIB (UINT64_C(1) << 20)

/* Simulated enclaves have CPUs of a pool of their own. */
static void find_used(struct probing *probing, struct nec_cpuset *ret)
{
	const cJSON *enclave;
	const cJSON *item;

	cJSON_ArrayForEach (enclave, probing_enclaves(probing)) {
		const cJSON *ids = nec_json_get(enclave, "CPUIDs");

		if (!nec_json_is_array(ids) || nec_json_get(enclave, "Backend"))
			continue;
		cJSON_ArrayForEach (item, ids) {
			uint64_t id;

			if (nec_json_to_u64(item, &id) && id < NEC_CPUS_MAX)
				nec_cpuset_add(ret, (uint32_t)id);
		}
	}
}

static void describe_pool(const struct nec_host *host, const struct nec_cpuset *used,
			  struct nec_probe_result *result)
{
	const struct nec_pool *pool = &host->pool.info;
	struct nec_cpuset free_cpus = { 0 };
	cleanup_buffer struct nec_buffer all = { 0 };
	cleanup_buffer struct nec_buffer left = { 0 };

	NEC_CPUSET_FOR_EACH (id, &host->pool.cpus)
		if (!nec_cpuset_has(used, id))
			nec_cpuset_add(&free_cpus, id);
	nec_cpulist_print(&host->pool.cpus, &all);
	nec_cpulist_print(&free_cpus, &left);
	if (left.size == 0)
		probe_fail(result, NEC_E_POOL_EXHAUSTED,
			   "enclaves have all %" PRIu32 " CPUs of the pool (%s)", pool->cpu_count,
			   nec_buffer_text(&all));
	else
		probe_ok(result,
			 "CPUs %s on NUMA node %" PRId32
			 ", of which %s are free; a core has %" PRIu32,
			 nec_buffer_text(&all), pool->node, nec_buffer_text(&left),
			 host->topology.threads_per_core);
}

void probe_pool(struct probing *probing, struct nec_probe_result *result)
{
	const struct nec_host *host = probing_host(probing);
	struct nec_cpuset used = { 0 };
	nec_error err = NEC_ERROR_INIT;

	if (probing_is_broken(probing, "module") || probing_is_broken(probing, "device")) {
		probe_skip(result, "there is no CPU pool without driver and device");
	} else if (!host) {
		probe_fail_with(result, &probing->host_err);
	} else if (nec_cpu_pool_check(&host->pool, &err) < 0) {
		probe_fail_with(result, &err);
	} else {
		find_used(probing, &used);
		describe_pool(host, &used, result);
	}
}

/* ---- huge pages ---- */

static void describe_row(const struct nec_hugepages *row, struct nec_buffer *to)
{
	nec_buffer_printf(to,
			  "%snode %" PRId32 ": %" PRIu64 " of %" PRIu64 " pages of %" PRIu64
			  " MiB are free",
			  to->size > 0 ? ", " : "", row->node, row->available, row->total,
			  row->page_bytes / MIB);
}

/* The nodes that have pages at all; on @node alone what counts is added up. */
static uint64_t describe_rows(const struct nec_host *host, int32_t node, bool *elsewhere,
			      struct nec_buffer *to)
{
	uint64_t available = 0;

	for (size_t i = 0; i < host->hugepages.count; i++) {
		const struct nec_hugepages *row = &host->hugepages.rows[i];

		if (row->total == 0 || row->page_bytes < NEC_REGION_ALIGNMENT)
			continue;
		describe_row(row, to);
		if (node < 0 || row->node == node)
			available += row->available * row->page_bytes;
		else if (row->available > 0)
			*elsewhere = true;
	}
	return available;
}

static void fix_hugepages(int32_t node, struct nec_probe_result *result)
{
	char path[128];

	if (node < 0)
		(void)snprintf(path, sizeof(path), "/sys/kernel/mm");
	else
		(void)snprintf(path, sizeof(path), "/sys/devices/system/node/node%" PRId32, node);
	probe_fix(result,
		  "Set memory_mib in /etc/nitro_enclaves/allocator.yaml and restart "
		  "nitro-enclaves-allocator.service; or reserve some now: `echo 512 > "
		  "%s/hugepages/hugepages-2048kB/nr_hugepages` for 1 GiB. Ending an enclave gives "
		  "its pages back.",
		  path);
}

void probe_hugepages(struct probing *probing, struct nec_probe_result *result)
{
	const struct nec_host *host = probing_host(probing);
	cleanup_buffer struct nec_buffer text = { 0 };
	bool elsewhere = false;
	uint64_t available;
	int32_t node;

	if (!host) {
		probe_fail_with(result, &probing->host_err);
		return;
	}
	node = host->pool.info.node;
	available = describe_rows(host, node, &elsewhere, &text);
	if (available >= NEC_ENCLAVE_MEMORY_MIN) {
		probe_ok(result, "%" PRIu64 " MiB can be had: %s", available / MIB,
			 nec_buffer_text(&text));
		return;
	}
	if (text.size == 0)
		probe_fail(result, NEC_E_HUGEPAGES_EXHAUSTED, "no huge pages are reserved");
	else if (elsewhere)
		probe_fail(result, NEC_E_HUGEPAGES_EXHAUSTED,
			   "the CPU pool is on NUMA node %" PRId32 ", where %" PRIu64
			   " MiB of huge pages are free, and pages of other "
			   "nodes cannot be used: %s",
			   node, available / MIB, nec_buffer_text(&text));
	else
		probe_fail(result, NEC_E_HUGEPAGES_EXHAUSTED,
			   "%" PRIu64 " MiB of huge pages are free, an enclave needs 64 MiB: %s",
			   available / MIB, nec_buffer_text(&text));
	fix_hugepages(node, result);
}

/* In KiB, as the kernel writes it. */
static bool read_available(const struct nec_device *device, uint64_t *ret)
{
	cleanup_buffer struct nec_buffer text = { 0 };
	const char *line;

	if (nec_device_read_optional(device, "/proc/meminfo", &text, NULL) != 1)
		return false;
	line = strstr(nec_buffer_text(&text), "MemAvailable:");
	if (!line)
		return false;
	*ret = strtoull(line + strlen("MemAvailable:"), NULL, 10);
	return true;
}

/* The enclave's memory comes from huge pages, and in a simulation from here. */
void probe_memory(struct probing *probing, struct nec_probe_result *result)
{
	uint64_t kib = 0;

	if (!read_available(&probing->device, &kib)) {
		probe_skip(result, "/proc/meminfo does not tell how much memory is free");
		return;
	}
	if (probing->request->backend == NEC_BACKEND_QEMU && kib * 1024 < NEC_ENCLAVE_MEMORY_MIN) {
		probe_fail(result, NEC_E_NO_MEMORY,
			   "%" PRIu64 " MiB of memory can be had, an enclave needs 64 MiB",
			   kib / 1024);
		return;
	}
	probe_ok(result, "%" PRIu64 " MiB can be had beside huge pages", kib / 1024);
}

/* ---- the heartbeat's port ---- */

/* Another launch of ours shares it: it has a socket in the directory. */
static bool port_is_shared(const char *sockets_dir)
{
	struct nec_path path;
	int fd;

	if (nec_path_socket(&path, NULL, "%s/" NEC_HEARTBEAT_SOCKET, nec_state_dir(sockets_dir)) <
	    0)
		return false;
	fd = nec_connect_unix_type(path.text, SOCK_STREAM | SOCK_NONBLOCK);
	if (fd >= 0)
		(void)close(fd);
	return fd >= 0 || fd == -EAGAIN;
}

/* The only way to know that one may listen is to do it, for a moment. */
void probe_vsock(struct probing *probing, struct nec_probe_result *result)
{
	const struct nec_device *device = &probing->device;
	int fd = device->ops->vsock_listen(device, NEC_CID_PARENT, NEC_PORT_HEARTBEAT);

	if (fd >= 0) {
		(void)close(fd);
		probe_ok(result, "port %u of vsock CID %u is free for heartbeats",
			 NEC_PORT_HEARTBEAT, NEC_CID_PARENT);
	} else if (fd == -EADDRINUSE && port_is_shared(probing->request->sockets_dir)) {
		probe_ok(result, "another launch listens for heartbeats and shares port %u",
			 NEC_PORT_HEARTBEAT);
	} else if (fd == -EADDRINUSE) {
		probe_warn(result,
			   "another program has port %u of vsock CID %u, where enclaves report "
			   "that they are up; a launch waits for it",
			   NEC_PORT_HEARTBEAT, NEC_CID_PARENT);
		probe_fix(result, "See which: `ss --vsock -lp`. nitro-cli has it while it starts "
				  "an enclave.");
	} else if (fd == -EADDRNOTAVAIL) {
		probe_fail(result, NEC_E_VSOCK,
			   "this machine is not vsock CID %u, where enclaves look for their parent",
			   NEC_CID_PARENT);
		probe_fix(result, "Load the transport: `modprobe vmw_vsock_virtio_transport`.");
	} else if (fd == -EAFNOSUPPORT) {
		probe_fail(result, NEC_E_VSOCK, "the kernel has no vsock");
		probe_fix(result, "Load it: `modprobe vsock` and `modprobe "
				  "vmw_vsock_virtio_transport`.");
	} else {
		char text[128];

		probe_fail(result, NEC_E_VSOCK, "cannot listen at vsock CID %u, port %u: %s",
			   NEC_CID_PARENT, NEC_PORT_HEARTBEAT, strerror_r(-fd, text, sizeof(text)));
	}
}
