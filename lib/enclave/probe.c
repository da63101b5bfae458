/* SPDX-License-Identifier: Apache-2.0 */
/* Which checks there are, for whom, and which of them explain which error. */
#include "enclave/probe.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/utf8.h"
#include "enclave/client.h"
#include "enclave/probe-private.h"

enum {
	MODULE = 1 << 0,
	DEVICE = 1 << 1,
	PERMISSION = 1 << 2,
	POOL = 1 << 3,
	HUGEPAGES = 1 << 4,
	VSOCK = 1 << 5,
	QEMU = 1 << 6,
	KVM = 1 << 7,
	LOOPBACK = 1 << 8,
	MEMORY = 1 << 9,
	SOCKETS = 1 << 10,
	ENCLAVES = 1 << 11,
	HOLDER = 1 << 12,
	LIBRARIES = 1 << 13
};

enum { NITRO = 1 << NEC_BACKEND_NITRO, SIMULATION = 1 << NEC_BACKEND_QEMU };

static const struct check {
	unsigned int bit;
	const char *name;
	unsigned int backends;
	void (*run)(struct probing *probing, struct nec_probe_result *result);
} checks[] = {
	{ MODULE, "module", NITRO, probe_module },
	{ DEVICE, "device", NITRO, probe_device },
	{ PERMISSION, "permission", NITRO, probe_permission },
	{ POOL, "pool", NITRO, probe_pool },
	{ HUGEPAGES, "hugepages", NITRO, probe_hugepages },
	{ VSOCK, "vsock", NITRO, probe_vsock },
	{ QEMU, "qemu", SIMULATION, probe_qemu },
	{ KVM, "kvm", SIMULATION, probe_kvm },
	{ LOOPBACK, "loopback", SIMULATION, probe_loopback },
	{ MEMORY, "memory", NITRO | SIMULATION, probe_memory },
	{ SOCKETS, "sockets", NITRO | SIMULATION, probe_sockets },
	{ ENCLAVES, "enclaves", NITRO | SIMULATION, probe_enclaves },
	{ HOLDER, "holder", NITRO | SIMULATION, probe_holder },
	{ LIBRARIES, "libraries", NITRO | SIMULATION, probe_libraries },
};

_Static_assert(ARRAY_SIZE(checks) <= NEC_PROBE_MAX, "room for every check");

/*
 * What explains an error is shown whatever it says: that 12 of 512 pages are free is no failure,
 * and still the reason. What is only suspected is shown when it is broken.
 */
static const struct explanation {
	enum nec_error_code code;
	unsigned int explains;
	unsigned int suspected;
} explanations[] = {
	{ NEC_E_DRIVER_MISSING, MODULE, 0 },
	{ NEC_E_DEVICE_MISSING, MODULE | DEVICE, 0 },
	{ NEC_E_DEVICE_PERMISSION, PERMISSION, 0 },
	{ NEC_E_DRIVER_UNSUPPORTED, MODULE, 0 },
	{ NEC_E_POOL_EMPTY, POOL, 0 },
	{ NEC_E_POOL_EXHAUSTED, POOL | ENCLAVES, 0 },
	{ NEC_E_CPUS_INSUFFICIENT, POOL | ENCLAVES, 0 },
	{ NEC_E_VCPU_NOT_IN_POOL, POOL | ENCLAVES, 0 },
	{ NEC_E_VCPU_RANGE, POOL, 0 },
	{ NEC_E_CORES_INCOMPLETE, POOL, 0 },
	{ NEC_E_HUGEPAGES_EXHAUSTED, HUGEPAGES | ENCLAVES | MEMORY, 0 },
	{ NEC_E_HUGEPAGES_MAP, HUGEPAGES, 0 },
	{ NEC_E_REGION_NUMA_NODE, POOL | HUGEPAGES, 0 },
	{ NEC_E_REGION_LIMIT, HUGEPAGES, 0 },
	{ NEC_E_NO_MEMORY, 0, MEMORY },
	{ NEC_E_VSOCK, VSOCK, 0 },
	{ NEC_E_ENCLAVE_BOOT, 0, VSOCK | KVM },
	{ NEC_E_ENCLAVE_ID, ENCLAVES, 0 },
	{ NEC_E_ENCLAVE_NAME, ENCLAVES, 0 },
	{ NEC_E_ENCLAVE_CONNECTION, 0, SOCKETS | ENCLAVES },
	{ NEC_E_HOLDER, HOLDER, 0 },
	{ NEC_E_TOOL_MISSING, 0, QEMU },
	{ NEC_E_TOOL_FAILED, 0, QEMU },
	{ NEC_E_FILE_OPEN, 0, SOCKETS },
	{ NEC_E_FILE_READ, 0, SOCKETS },
	{ NEC_E_FILE_WRITE, 0, SOCKETS },
};

const struct nec_host *probing_host(struct probing *probing)
{
	if (!probing->asked_host)
		probing->host_result =
			nec_host_take(&probing->device, &probing->host, &probing->host_err);
	probing->asked_host = true;
	return probing->host;
}

const cJSON *probing_enclaves(struct probing *probing)
{
	if (probing->asked_enclaves)
		return probing->enclaves;
	probing->asked_enclaves = true;
	probing->enclaves = nec_json_array();
	/* A directory that is not there has none; that it should be there is another check's. */
	if (probing->enclaves)
		(void)nec_client_describe_all(probing->request->sockets_dir, false,
					      probing->enclaves, &probing->silent, NULL);
	return probing->enclaves;
}

bool probing_is_broken(const struct probing *probing, const char *name)
{
	for (size_t i = 0; i < probing->done->count; i++) {
		const struct nec_probe_result *result = &probing->done->results[i];

		if (strcmp(result->name, name) == 0)
			return result->state == NEC_PROBE_FAILED ||
			       result->state == NEC_PROBE_SKIPPED;
	}
	return false;
}

__attribute__((format(printf, 4, 0))) static void set_message(struct nec_probe_result *result,
							      enum nec_probe_state state,
							      enum nec_error_code code,
							      const char *format, va_list args)
{
	result->state = state;
	result->code = code;
	(void)vsnprintf(result->message, sizeof(result->message), format, args);
	nec_utf8_make_printable(result->message);
}

void probe_ok(struct nec_probe_result *result, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	set_message(result, NEC_PROBE_OK, NEC_E_NONE, format, args);
	va_end(args);
}

void probe_warn(struct nec_probe_result *result, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	set_message(result, NEC_PROBE_WARNING, NEC_E_NONE, format, args);
	va_end(args);
}

void probe_fail(struct nec_probe_result *result, enum nec_error_code code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	set_message(result, NEC_PROBE_FAILED, code, format, args);
	va_end(args);
	(void)snprintf(result->fix, sizeof(result->fix), "%s", nec_error_hint(code));
}

void probe_skip(struct nec_probe_result *result, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	set_message(result, NEC_PROBE_SKIPPED, NEC_E_NONE, format, args);
	va_end(args);
}

void probe_fix(struct nec_probe_result *result, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(result->fix, sizeof(result->fix), format, args);
	va_end(args);
	nec_utf8_make_printable(result->fix);
}

void probe_fail_with(struct nec_probe_result *result, const nec_error *err)
{
	probe_fail(result, err->code, "%s", err->message);
	probe_fix(result, "%s", err->hint);
}

static const struct explanation *find_explanation(enum nec_error_code code)
{
	static const struct explanation none = { .code = NEC_E_NONE };

	for (size_t i = 0; i < ARRAY_SIZE(explanations); i++)
		if (explanations[i].code == code)
			return &explanations[i];
	return &none;
}

static bool is_trouble(const struct nec_probe_result *result)
{
	return result->state == NEC_PROBE_FAILED || result->state == NEC_PROBE_WARNING;
}

static void run_checks(struct probing *probing, struct nec_probe *probe)
{
	static const struct explanation all = { .explains = ~0U };
	enum nec_error_code about = probing->request->about;
	const struct explanation *wanted = about == NEC_E_NONE ? &all : find_explanation(about);

	for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
		const struct check *check = &checks[i];
		struct nec_probe_result *result = &probe->results[probe->count];

		if ((check->backends & 1U << probing->request->backend) == 0 ||
		    ((wanted->explains | wanted->suspected) & check->bit) == 0)
			continue;
		*result = (struct nec_probe_result){ .name = check->name };
		check->run(probing, result);
		if ((wanted->explains & check->bit) != 0 || is_trouble(result))
			probe->count++;
	}
}

int nec_probe_run(const nec_context *context, const struct nec_probe_request *request,
		  struct nec_probe *ret, nec_error *err)
{
	struct probing probing = {
		.context = context,
		.request = request,
		.device = NEC_DEVICE_INIT,
		.done = ret,
	};
	int r = nec_device_open(context, &probing.device, err);

	if (r < 0)
		return r;
	ret->count = 0;
	run_checks(&probing, ret);
	nec_host_free(probing.host);
	nec_json_free(probing.enclaves);
	nec_device_close(&probing.device);
	return 0;
}

const struct nec_probe_result *nec_probe_first_failure(const struct nec_probe *probe)
{
	for (size_t i = 0; i < probe->count; i++)
		if (probe->results[i].state == NEC_PROBE_FAILED)
			return &probe->results[i];
	return NULL;
}

const char *nec_probe_state_name(enum nec_probe_state state)
{
	static const char *const names[] = { "ok", "warning", "failed", "skipped" };

	return names[state];
}

const char *nec_probe_name(enum nec_backend_kind backend, size_t index)
{
	for (size_t i = 0; i < ARRAY_SIZE(checks); i++)
		if ((checks[i].backends & 1U << backend) != 0 && index-- == 0)
			return checks[i].name;
	return NULL;
}
