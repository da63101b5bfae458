/* SPDX-License-Identifier: Apache-2.0 */
/* Launching as the public call has it: options checked and filled up, then a launch as any other.
 */
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "enclave/calls.h"
#include "enclave/enclave.h"
#include "enclave/run-check.h"
#include "enclave/run.h"
#include "host/device.h"

/* Of the console, what is kept for later unless the caller says. */
static const uint64_t default_console_limit = 1 << 20;

static int wrong(nec_error *err, const char *what)
{
	return nec_error_set(err, NEC_E_INVALID_ARGUMENT, -EINVAL, "launch options: %s", what);
}

/* A caller that was built with an older header knows fewer fields, and means their defaults. */
static int take_options(const struct nec_launch_options *options, struct nec_launch_options *ret,
			nec_error *err)
{
	if (!options || options->struct_size == 0)
		return wrong(err, "they must be made by NEC_LAUNCH_OPTIONS_INIT");
	if (options->struct_size > sizeof(*ret))
		return wrong(err, "they are of a newer version of this library");
	memcpy(ret, options, options->struct_size);
	return 0;
}

static int check_cid(uint64_t cid, nec_error *err)
{
	if (cid == 0 || (cid > NEC_CID_PARENT && cid < UINT32_MAX))
		return 0;
	return nec_error_set(err, NEC_E_CID, -EINVAL,
			     "CID %" PRIu64 " is reserved or above 32 bits", cid);
}

static int take_cpus(const struct nec_launch_options *options, struct nec_cpu_ids *ret,
		     nec_error *err)
{
	if (!options->cpu_count == !options->cpu_id_count)
		return wrong(err, "either cpu_count or cpu_ids says which CPUs");
	if (options->cpu_count > NEC_LAUNCH_MAX_CPUS || options->cpu_id_count > NEC_LAUNCH_MAX_CPUS)
		return nec_error_set(err, NEC_E_TOO_LARGE, -E2BIG,
				     "launch options: an enclave can have %d CPUs at the most",
				     NEC_LAUNCH_MAX_CPUS);
	for (size_t i = 0; i < options->cpu_id_count; i++)
		for (size_t j = 0; j < i; j++)
			if (options->cpu_ids[i] == options->cpu_ids[j])
				return nec_error_set(err, NEC_E_CPU_REPEATED, -EINVAL,
						     "CPU %" PRIu32 " is named twice",
						     options->cpu_ids[i]);
	ret->count = (uint32_t)options->cpu_id_count;
	if (options->cpu_id_count)
		memcpy(ret->ids, options->cpu_ids, options->cpu_id_count * sizeof(ret->ids[0]));
	return 0;
}

static int take_pins(const struct nec_launch_options *options, struct nec_pcr_pins *ret,
		     nec_error *err)
{
	for (size_t i = 0; i < options->pin_count; i++) {
		uint32_t number = options->pins[i].number;

		if (number != 8 && number > 2)
			return wrong(err, "only PCR0, PCR1, PCR2 and PCR8 can be required");
		for (size_t j = 0; j < i; j++)
			if (options->pins[j].number == number)
				return wrong(err, "a register is required twice");
		ret->pins[ret->count++] = options->pins[i];
	}
	return 0;
}

static int fill_request(const struct nec_launch_options *options, struct nec_launch_request *ret,
			nec_error *err)
{
	enum nec_backend_kind backend = NEC_BACKEND_DEFAULT;
	int r;

	if (!options->eif_path && options->eif_fd < 0)
		return wrong(err, "eif_path or eif_fd says which image");
	if (options->memory_mib == 0)
		return wrong(err, "memory_mib is missing");
	r = take_cpus(options, &ret->cpus, err);
	if (r == 0)
		r = check_cid(options->cid, err);
	if (r == 0)
		r = nec_backend_choose(options->backend, &backend, err);
	ret->backend = backend;
	ret->name = (char *)options->name;
	ret->cid = options->cid;
	ret->memory_mib = options->memory_mib;
	ret->cpu_count = options->cpu_count;
	ret->debug = options->debug;
	ret->boot_timeout_usec = options->boot_timeout_usec;
	ret->console_limit =
		options->console_limit_bytes ? options->console_limit_bytes : default_console_limit;
	return r;
}

static int open_image(nec_context *context, const struct nec_launch_options *options, nec_eif **ret,
		      nec_error *err)
{
	if (options->eif_fd < 0)
		return nec_eif_open(context, options->eif_path, ret, err);
	return nec_eif_open_fd(context, options->eif_fd,
			       options->eif_path ? options->eif_path : "enclave", ret, err);
}

struct caller {
	const nec_context *context;
	const struct nec_launch_options *options;
};

static void on_notice(void *userdata, const char *text)
{
	const struct caller *caller = userdata;

	nec_warn(caller->context, "%s", text);
}

static void on_phase(void *userdata, const struct nec_launch_phase *phase)
{
	const struct nec_launch_options *options = ((const struct caller *)userdata)->options;

	const struct nec_launch_step step = {
		.name = phase->name,
		.usec = phase->usec,
		.bytes = phase->bytes,
		.pages = phase->pages,
		.calls = phase->calls,
	};

	if (options->step)
		options->step(options->userdata, &step);
}

/* As describe-enclaves would print it. */
static cJSON *describe(const struct nec_run_result *result,
		       const struct nec_launch_request *request)
{
	cleanup_json cJSON *tree =
		nec_run_result_json(result, request->backend == NEC_BACKEND_QEMU);
	cJSON *measurements = NULL;

	(void)nec_json_parse(result->measurements, strlen(result->measurements), &measurements,
			     NULL);
	if (!tree || !nec_json_add_string(tree, "State", "RUNNING") ||
	    !nec_json_add_string(tree, "Flags", request->debug ? "DEBUG_MODE" : "NONE") ||
	    !nec_json_add(tree, "Measurements", measurements))
		return NULL;
	return TAKE_PTR(tree);
}

static int make_handle(nec_context *context, const struct nec_run_result *result,
		       const struct nec_launch_request *request, nec_enclave **ret, nec_error *err)
{
	cJSON *tree = describe(result, request);
	struct nec_path control;
	int r = nec_path_socket(&control, err, "%s/%" PRIx64 ".sock", request->sockets_dir,
				result->started.slot_uid);

	if (r < 0 || !tree) {
		nec_json_free(tree);
		return r < 0 ? r : nec_error_no_memory(err);
	}
	return nec_enclave_new(context, control.text, tree, ret, err);
}

/* What failed is that there is no memory for the handle: nobody would know of the enclave. */
static void give_up(const struct nec_launch_request *request, const struct nec_run_result *result)
{
	cleanup_buffer struct nec_buffer messages = { 0 };
	cleanup_json cJSON *confirmation = NULL;
	struct nec_path control;

	if (nec_path_socket(&control, NULL, "%s/%" PRIx64 ".sock", request->sockets_dir,
			    result->started.slot_uid) == 0)
		(void)nec_call_terminate(control.text, &messages, &confirmation, NULL);
}

int nec_enclave_launch(nec_context *context, const struct nec_launch_options *options,
		       nec_enclave **ret, nec_error *err)
{
	struct nec_launch_options all = NEC_LAUNCH_OPTIONS_INIT;
	struct caller caller = { .context = context, .options = &all };
	const struct nec_run_callbacks callbacks = {
		.userdata = &caller,
		.phase = on_phase,
		.notice = on_notice,
	};
	struct nec_launch_request request = { 0 };
	struct nec_pcr_pins pins = { 0 };
	struct nec_run_result result = { 0 };
	cleanup_eif nec_eif *eif = NULL;
	struct nec_path dir;
	int r = take_options(options, &all, err);

	if (r == 0)
		r = fill_request(&all, &request, err);
	if (r == 0)
		r = take_pins(&all, &pins, err);
	if (r == 0)
		r = nec_run_check_device(context, request.backend, err);
	if (r == 0)
		r = open_image(context, &all, &eif, err);
	if (r < 0)
		return r;
	nec_sockets_dir(request.backend == NEC_BACKEND_QEMU, &dir);
	request.sockets_dir = dir.text;
	r = nec_run_image(context, eif, &pins, &request, &callbacks, &result, err);
	if (r == 0)
		r = make_handle(context, &result, &request, ret, err);
	if (r < 0 && result.name)
		give_up(&request, &result);
	nec_run_result_free(&result);
	return r;
}
