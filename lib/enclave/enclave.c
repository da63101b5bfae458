/* SPDX-License-Identifier: Apache-2.0 */
/* One enclave: found, described, connected to, ended. */
#include "enclave/enclave.h"

#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/loop.h"
#include "enclave/calls.h"

/* ---- what was said of it ---- */

static const char *text_of(const cJSON *object, const char *key)
{
	const char *text = NULL;

	return nec_json_get_string(object, key, &text) ? text : NULL;
}

static uint64_t number_of(const cJSON *object, const char *key)
{
	uint64_t number = 0;

	return nec_json_get_u64(object, key, &number) ? number : 0;
}

static enum nec_enclave_state state_of(const cJSON *tree)
{
	const char *state = text_of(tree, "State");

	if (!state || strcmp(state, "RUNNING") == 0)
		return NEC_ENCLAVE_RUNNING;
	return strcmp(state, "TERMINATING") == 0 ? NEC_ENCLAVE_TERMINATING : NEC_ENCLAVE_UNKNOWN;
}

/* Those of the device say nothing, be they ours or nitro-cli's. */
static enum nec_backend_kind backend_of(const cJSON *tree)
{
	const char *name = text_of(tree, "Backend");
	enum nec_backend_kind backend = NEC_BACKEND_DEFAULT;

	if (!name)
		return NEC_BACKEND_NITRO;
	(void)nec_backend_parse(name, &backend, NULL);
	return backend;
}

static void read_cpu_ids(nec_enclave *enclave)
{
	const cJSON *ids = nec_json_get(enclave->tree, "CPUIDs");
	const cJSON *item;
	uint64_t number;

	if (!nec_json_is_array(ids))
		return;
	cJSON_ArrayForEach (item, ids) {
		uint32_t id;

		if (!nec_json_to_u64(item, &number) || number > UINT32_MAX)
			continue;
		id = (uint32_t)number;
		nec_buffer_append(&enclave->cpu_ids, &id, sizeof(id));
	}
}

static void read_info(nec_enclave *enclave)
{
	const cJSON *tree = enclave->tree;
	const cJSON *pcrs = nec_json_get(tree, "Measurements");
	const char *flags = text_of(tree, "Flags");

	read_cpu_ids(enclave);
	enclave->info = (struct nec_enclave_info){
		.name = text_of(tree, "EnclaveName"),
		.id = text_of(tree, "EnclaveID"),
		.state = state_of(tree),
		.backend = backend_of(tree),
		.debug = flags && strcmp(flags, "DEBUG_MODE") == 0,
		.cid = number_of(tree, "EnclaveCID"),
		.holder_pid = (int64_t)number_of(tree, "ProcessID"),
		.memory_mib = number_of(tree, "MemoryMiB"),
		.cpu_ids = (const uint32_t *)enclave->cpu_ids.data,
		.cpu_count = enclave->cpu_ids.size / sizeof(uint32_t),
		.start_time = (int64_t)number_of(tree, "StartTime"),
		.pcr0 = text_of(pcrs, "PCR0"),
		.pcr1 = text_of(pcrs, "PCR1"),
		.pcr2 = text_of(pcrs, "PCR2"),
		.pcr8 = text_of(pcrs, "PCR8"),
		.image_name = text_of(tree, "ImageName"),
		.image_version = text_of(tree, "ImageVersion"),
	};
}

int nec_enclave_new(nec_context *context, const char *control, cJSON *tree, nec_enclave **ret,
		    nec_error *err)
{
	cleanup_enclave nec_enclave *enclave = calloc(1, sizeof(*enclave));

	if (!enclave) {
		nec_json_free(tree);
		return nec_error_no_memory(err);
	}
	enclave->context = context;
	enclave->tree = tree;
	if (!text_of(tree, "EnclaveID"))
		return nec_error_set(err, NEC_E_ENCLAVE_CONNECTION, -EPROTO,
				     "the process behind %s describes no enclave", control);
	enclave->control = strdup(control);
	read_info(enclave);
	nec_json_print(tree, &enclave->json);
	if (!enclave->control || enclave->json.failed || enclave->cpu_ids.failed)
		return nec_error_no_memory(err);
	*ret = TAKE_PTR(enclave);
	return 0;
}

void nec_enclave_free(nec_enclave *enclave)
{
	if (!enclave)
		return;
	nec_json_free(enclave->tree);
	nec_buffer_free(&enclave->json);
	nec_buffer_free(&enclave->cpu_ids);
	free(enclave->control);
	free(enclave);
}

const struct nec_enclave_info *nec_enclave_get_info(const nec_enclave *enclave)
{
	return &enclave->info;
}

const char *nec_enclave_get_json(const nec_enclave *enclave)
{
	return nec_buffer_text(&enclave->json);
}

int nec_enclave_find(nec_context *context, const char *id, const char *name, nec_enclave **ret,
		     nec_error *err)
{
	cleanup_free char *control = NULL;
	cJSON *tree = NULL;
	int r;

	if (!id == !name)
		return nec_error_set(err, NEC_E_INVALID_ARGUMENT, -EINVAL,
				     "an enclave is found by its id or by its name");
	r = nec_call_find(id, name, &control, err);
	if (r == 0)
		r = nec_call_describe(control, &tree, err);
	return r < 0 ? r : nec_enclave_new(context, control, tree, ret, err);
}

/* ---- what can be done with it ---- */

/* The handle may be older than the enclave's end. */
static int say_if_ended(const nec_enclave *enclave, int result, nec_error *err)
{
	if (result == -ECONNREFUSED)
		nec_client_remove_dead(enclave->control);
	if (result != -ECONNREFUSED && access(enclave->control, F_OK) == 0)
		return result;
	return nec_error_set(err, NEC_E_ENCLAVE_ID, -ENOENT, "enclave %s has ended",
			     enclave->info.id);
}

int nec_enclave_open_console(nec_enclave *enclave, int *ret, nec_error *err)
{
	int r = nec_call_check_console(enclave->control, err);

	if (r < 0)
		return say_if_ended(enclave, r, err);
	r = nec_call_console(enclave->context, enclave->control, (uint32_t)enclave->info.cid, err);
	if (r < 0)
		return r;
	*ret = r;
	return 0;
}

int nec_enclave_connect(nec_enclave *enclave, uint32_t port, uint64_t wait_usec, int *ret,
			nec_error *err)
{
	uint64_t now = nec_loop_now();
	struct nec_path dir = { { 0 } };
	int r;

	nec_call_dir(enclave->control, &dir);
	r = nec_call_port(enclave->context, dir.text, enclave->info.cid, port,
			  wait_usec > UINT64_MAX - now ? UINT64_MAX : now + wait_usec, err);
	if (r < 0)
		return r;
	*ret = r;
	return 0;
}

int nec_enclave_terminate(nec_enclave *enclave, nec_error *err)
{
	cleanup_buffer struct nec_buffer messages = { 0 };
	cleanup_json cJSON *confirmation = NULL;
	int r = nec_call_terminate(enclave->control, &messages, &confirmation, err);

	return r < 0 ? say_if_ended(enclave, r, err) : 0;
}
