/* SPDX-License-Identifier: Apache-2.0 */
/* One call for each thing that people ask of an enclave. */
#include "enclave/calls.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/loop.h"
#include "enclave/backend.h"
#include "enclave/port.h"
#include "enclave/record.h"
#include "host/device.h"

enum {
	CALL_MSEC = 3000,        /* nitro-cli's */
	TERMINATE_MSEC = 300000, /* the driver may take 120 s for a command; ending needs two */
	RETRY_MSEC = 100,
	HYPERVISOR_USEC = 20000000,
	/* How long a process that ends may take to let go of its record: five seconds. */
	RECORD_RETRIES = 250,
	RECORD_RETRY_MSEC = 20,
};

/* GetEnclaveFlags: bit 0, as the driver has it (NE_ENCLAVE_DEBUG_MODE) */
static const uint64_t debug_flag = 1;

int nec_call_find(const char *id, const char *name, char **ret, nec_error *err)
{
	struct nec_path dirs[2];
	size_t count = nec_sockets_dirs(dirs);
	int r = -ENOENT;

	for (size_t i = 0; i < count && r == -ENOENT; i++)
		r = nec_client_find(dirs[i].text, id, name, ret, err);
	return r;
}

void nec_call_dir(const char *control, struct nec_path *ret)
{
	const char *slash = strrchr(control, '/');

	(void)snprintf(ret->text, sizeof(ret->text), "%.*s", (int)(slash - control), control);
}

/* The commands that are answered with a plain number. */
static int ask(const char *control, enum nec_command command, uint64_t *ret, nec_error *err)
{
	struct nec_answer answer = { 0 };
	int r = nec_client_call(control, command, NULL, CALL_MSEC, &answer, err);

	if (r < 0)
		return r;
	*ret = answer.number;
	nec_answer_free(&answer);
	return 0;
}

int nec_call_cid(const char *control, uint64_t *ret, nec_error *err)
{
	return ask(control, NEC_COMMAND_GET_ENCLAVE_CID, ret, err);
}

int nec_call_describe(const char *control, cJSON **ret, nec_error *err)
{
	const struct nec_command_arguments arguments = { .metadata = true };
	struct nec_answer answer = { 0 };
	int r = nec_client_call(control, NEC_COMMAND_DESCRIBE, &arguments, CALL_MSEC, &answer, err);

	if (r < 0)
		return r;
	if (!answer.has_status || answer.status != 0)
		r = nec_error_set(err, NEC_E_ENCLAVE_CONNECTION, -EPROTO,
				  "the process that holds the enclave does not describe it");
	else
		r = nec_json_parse(nec_buffer_text(&answer.text), answer.text.size, ret, err);
	nec_answer_free(&answer);
	return r;
}

int nec_call_check_console(const char *control, nec_error *err)
{
	uint64_t flags = 0;
	int r = ask(control, NEC_COMMAND_GET_ENCLAVE_FLAGS, &flags, err);

	if (r < 0 || (flags & debug_flag))
		return r;
	return nec_error_set(err, NEC_E_CONSOLE, -ENOENT,
			     "the enclave does not run in debug mode, so it has no console");
}

/* Returns the fd or a negative errno. */
static int connect_hypervisor(const nec_context *context, uint32_t cid)
{
	cleanup_device struct nec_device device = NEC_DEVICE_INIT;
	int r = nec_device_open(context, &device, NULL);

	return r < 0 ? r
		     : device.ops->vsock_connect(&device, NEC_CID_HYPERVISOR, NEC_PORT_CONSOLE(cid),
						 HYPERVISOR_USEC);
}

int nec_call_console(const nec_context *context, const char *control, uint32_t cid, nec_error *err)
{
	struct nec_path path;
	int r = nec_console_socket_of(control, &path, err);

	if (r < 0)
		return r;
	r = nec_connect_unix(path.text);
	if (r == -ENOENT)
		r = connect_hypervisor(context, cid);
	if (r < 0)
		return nec_error_set_system(err, NEC_E_CONSOLE, r, "cannot connect to the console");
	return r;
}

int nec_call_port(const nec_context *context, const char *sockets_dir, uint64_t cid, uint32_t port,
		  uint64_t deadline, nec_error *err)
{
	const volatile int *cancel = context ? context->cancel : NULL;

	for (;;) {
		int r = nec_port_connect(sockets_dir, cid, port, cancel, err);

		if (r != -ECONNREFUSED || nec_loop_now() >= deadline)
			return r;
		(void)poll(NULL, 0, RETRY_MSEC);
	}
}

int nec_call_terminate(const char *control, struct nec_buffer *messages, struct cJSON **ret,
		       nec_error *err)
{
	struct nec_answer answer = { 0 };
	int r = nec_client_call(control, NEC_COMMAND_TERMINATE, NULL, TERMINATE_MSEC, &answer, err);

	if (r < 0)
		return r;
	/* Else its lines say what the error says. */
	if (!answer.has_status || answer.status != EBUSY)
		nec_buffer_append(messages, answer.messages.data, answer.messages.size);
	if (answer.has_status && answer.status == EBUSY)
		r = nec_error_set(err, NEC_E_DEVICE_ANSWER, -EBUSY, "%s", NEC_BACKEND_KEPT);
	else if (answer.has_status && answer.status == EACCES)
		r = nec_error_set(err, NEC_E_ENCLAVE_REFUSED, -EACCES,
				  "no permission: the enclave belongs to another user");
	else if (!answer.has_status || answer.status != 0)
		r = nec_error_set(err, NEC_E_ENCLAVE_CONNECTION, -EPROTO,
				  "the process that holds the enclave did not confirm its end");
	else
		r = nec_json_parse(nec_buffer_text(&answer.text), answer.text.size, ret, err);
	nec_answer_free(&answer);
	return r;
}

struct cJSON *nec_call_record(const char *control)
{
	const char *slash = strrchr(control, '/');
	uint64_t slot = strtoull(slash + 1, NULL, 16);
	struct nec_path dir;
	struct cJSON *record = NULL;

	nec_call_dir(control, &dir);
	for (int i = 0; !record && i < RECORD_RETRIES && nec_record_exists(dir.text, slot); i++) {
		if (i > 0)
			(void)poll(NULL, 0, RECORD_RETRY_MSEC);
		record = nec_record_read(dir.text, slot);
	}
	return record;
}
