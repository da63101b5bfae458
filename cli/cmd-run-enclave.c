/* SPDX-License-Identifier: Apache-2.0 */
/* nec run-enclave: start an enclave and wait until it is up. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "enclave-options.h"
#include "enclave/run.h"
#include "host/device.h"
#include "inject.h"
#include "output.h"
#include "report.h"
#include "values.h"

/* Of the console, what is kept for later. */
static const uint64_t console_limit = 1 << 20;

struct run_options {
	struct cli_list cpu_ids;
	const char *cpu_count;
	const char *memory;
	const char *eif_path;
	const char *cid;
	const char *name;
	const char *backend;
	const char *boot_timeout;
	struct cli_list inject;
	bool debug;
	bool timings;
};

static const struct cli_option run_rows[] = {
	{ .name = "cpu-ids",
	  .type = CLI_WORDS,
	  .help = "the CPUs to give to the enclave",
	  .offset = offsetof(struct run_options, cpu_ids),
	  .required = true,
	  .unless = "cpu-count",
	  .conflicts = "cpu-count",
	  .kind = CLI_NUMBER },
	{ .name = "cpu-count",
	  .type = CLI_VALUE,
	  .help = "how many CPUs to give to the enclave",
	  .offset = offsetof(struct run_options, cpu_count),
	  .required = true,
	  .unless = "cpu-ids",
	  .kind = CLI_NUMBER },
	{ .name = "memory",
	  .type = CLI_VALUE,
	  .help = "memory for the enclave, in MiB or with a unit: 512, 2G",
	  .offset = offsetof(struct run_options, memory),
	  .required = true,
	  .kind = CLI_NUMBER },
	{ .name = "eif-path",
	  .type = CLI_VALUE,
	  .help = "the image to run",
	  .offset = offsetof(struct run_options, eif_path),
	  .required = true,
	  .kind = CLI_FILE },
	{ .name = "enclave-cid",
	  .type = CLI_VALUE,
	  .help = "the enclave's vsock address, 4 or above; chosen when it is absent or 0",
	  .offset = offsetof(struct run_options, cid),
	  .kind = CLI_NUMBER },
	{ .name = "enclave-name",
	  .type = CLI_VALUE,
	  .help = "a name for the enclave; by default that of the image file",
	  .offset = offsetof(struct run_options, name) },
	{ .name = "debug-mode",
	  .type = CLI_FLAG,
	  .help = "start it with a console that can be read",
	  .offset = offsetof(struct run_options, debug) },
	{ .name = "backend",
	  .type = CLI_VALUE,
	  .help = "what runs it: the device, or a simulation in QEMU",
	  .offset = offsetof(struct run_options, backend),
	  .kind = CLI_CHOICE,
	  .choices = "nitro qemu" },
	{ .name = "boot-timeout",
	  .type = CLI_VALUE,
	  .value = "seconds",
	  .help = "how long to wait for the enclave's heartbeat",
	  .offset = offsetof(struct run_options, boot_timeout),
	  .kind = CLI_NUMBER },
	{ .name = "inject",
	  .type = CLI_LIST,
	  .value = "fault",
	  .help = "in a simulation, what is to go wrong",
	  .offset = offsetof(struct run_options, inject) },
	{ .name = "timings",
	  .type = CLI_FLAG,
	  .help = "tell on stderr how long each step took",
	  .offset = offsetof(struct run_options, timings) },
	{ .name = NULL },
};

static const struct cli_example run_examples[] = {
	{ .text = "Run an image on this instance",
	  .command = "nec run-enclave --eif-path hello.eif --cpu-count 2 --memory 512" },
	{ .text = "Run it in the simulation, with a console",
	  .command =
		  "nec run-enclave --backend qemu --debug-mode --eif-path hello.eif --cpu-count 2 "
		  "--memory 512" },
	{ .command = NULL },
};

/* CIDs that have another meaning, <linux/vm_sockets.h>. */
static int parse_cid(const char *text, uint64_t *ret, nec_error *err)
{
	int r;

	*ret = 0;
	if (!text)
		return 0;
	r = cli_parse_u64("enclave-cid", text, ret, err);
	if (r < 0)
		return r;
	if (*ret == 0)
		(void)fprintf(stderr,
			      "The enclave CID will be auto-generated as the provided CID is 0\n");
	else if (*ret <= 3)
		r = nec_error_set(err, NEC_E_INVALID_ARGUMENT, -EINVAL,
				  "--enclave-cid is %" PRIu64
				  ": 1 to 3 are reserved, 3 is the parent "
				  "instance",
				  *ret);
	else if (*ret >= UINT32_MAX)
		r = nec_error_set(err, NEC_E_INVALID_ARGUMENT, -EINVAL,
				  "--enclave-cid is %" PRIu64 ": 4294967294 is the highest", *ret);
	return r;
}

static int parse_cpu_ids(const struct cli_list *list, struct nec_cpu_ids *ret, nec_error *err)
{
	for (size_t i = 0; i < list->count; i++) {
		int r = cli_parse_u32("cpu-ids", list->items[i], &ret->ids[ret->count], err);

		if (r < 0)
			return r;
		for (uint32_t j = 0; j < ret->count; j++)
			if (ret->ids[j] == ret->ids[ret->count])
				return nec_error_set(err, NEC_E_VCPU_ALREADY_USED, -EINVAL,
						     "--cpu-ids has %" PRIu32 " twice",
						     ret->ids[j]);
		if (++ret->count == NEC_LAUNCH_MAX_CPUS)
			return nec_error_set(err, NEC_E_INVALID_ARGUMENT, -EINVAL,
					     "--cpu-ids has too many CPUs");
	}
	return 0;
}

static int parse_boot_timeout(const char *text, uint64_t *ret_usec, nec_error *err)
{
	uint32_t seconds = 0;
	int r = text ? cli_parse_u32("boot-timeout", text, &seconds, err) : 0;

	*ret_usec = (uint64_t)seconds * 1000000;
	return r;
}

/* In nitro-cli's order: the first failure is the one that is reported. */
static int parse(const struct run_options *options, struct nec_launch_request *request,
		 nec_error *err)
{
	enum nec_backend_kind backend;
	uint32_t count = 0;
	int r = cli_backend(options->backend, &backend, err);

	if (r == 0 && options->cpu_count)
		r = cli_parse_u32("cpu-count", options->cpu_count, &count, err);
	if (r == 0)
		r = parse_cid(options->cid, &request->cid, err);
	if (r == 0)
		r = cli_parse_memory("memory", options->memory, &request->memory_mib, err);
	if (r == 0)
		r = parse_cpu_ids(&options->cpu_ids, &request->cpus, err);
	if (r == 0)
		r = parse_boot_timeout(options->boot_timeout, &request->boot_timeout_usec, err);
	if (r < 0)
		return r;
	request->backend = backend;
	request->cpu_count = count;
	request->debug = options->debug;
	request->name = (char *)options->name;
	request->console_limit = console_limit;
	return 0;
}

static void on_started(void *userdata, const struct nec_launch_started *started)
{
	(void)userdata;
	cli_progress_clear();
	(void)fprintf(stderr,
		      "Started enclave with enclave-cid: %" PRIu64 ", memory: %" PRIu64
		      " MiB, cpu-ids: [",
		      started->cid, started->memory_mib);
	for (uint32_t i = 0; i < started->cpus.count; i++)
		(void)fprintf(stderr, "%s%" PRIu32, i > 0 ? ", " : "", started->cpus.ids[i]);
	(void)fprintf(stderr, "]\n");
}

static void on_phase(void *userdata, const struct nec_launch_phase *phase)
{
	const struct run_options *options = userdata;

	if (!options->timings)
		return;
	cli_progress_clear();
	(void)fprintf(stderr, "%-10s %8.3f s", phase->name, (double)phase->usec / 1e6);
	if (phase->bytes > 0)
		(void)fprintf(stderr, "  %" PRIu64 " MiB", phase->bytes >> 20);
	(void)fprintf(stderr, "\n");
}

static void on_notice(void *userdata, const char *text)
{
	(void)userdata;
	cli_progress_clear();
	(void)fprintf(stderr, "%s\n", text);
}

static int print_result(const struct cli *cli, const struct nec_run_result *result, bool simulated)
{
	const struct nec_launch_started *started = &result->started;
	cleanup_json cJSON *tree = nec_json_object();
	cJSON *cpus = nec_json_array();
	char id[128];
	bool good;

	nec_enclave_id(started->slot_uid, id, sizeof(id));
	for (uint32_t i = 0; i < started->cpus.count; i++)
		(void)nec_json_append_u64(cpus, started->cpus.ids[i]);
	good = nec_json_add_string(tree, "EnclaveName", result->name) &&
	       nec_json_add_string(tree, "EnclaveID", id) &&
	       nec_json_add_u64(tree, "ProcessID", started->pid) &&
	       nec_json_add_u64(tree, "EnclaveCID", started->cid) &&
	       nec_json_add_u64(tree, "NumberOfCPUs", started->cpus.count) &&
	       nec_json_add(tree, "CPUIDs", cpus) &&
	       nec_json_add_u64(tree, "MemoryMiB", started->memory_mib) &&
	       (!simulated || nec_json_add_string(tree, "Backend", "qemu"));
	return cli_print_json(cli, good ? tree : NULL);
}

/* No device and no choice: say both ways out. */
static int check_device(const struct cli *cli, uint64_t backend, nec_error *err)
{
	cleanup_device struct nec_device device = NEC_DEVICE_INIT;
	int r;

	if (backend == NEC_BACKEND_QEMU)
		return 0;
	r = nec_device_open(cli->context, &device, err);
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

static int run(struct cli *cli, const void *data)
{
	const struct run_options *options = data;
	const struct nec_run_callbacks callbacks = {
		.userdata = (void *)options,
		.started = on_started,
		.phase = on_phase,
		.notice = on_notice,
	};
	struct nec_pcr_pins pins = { 0 };
	struct nec_launch_request request = { 0 };
	struct nec_run_result result = { 0 };
	cleanup_buffer struct nec_buffer faults = { 0 };
	struct nec_path dir;
	nec_error err = NEC_ERROR_INIT;
	int status;

	if (parse(options, &request, &err) < 0 ||
	    cli_inject(&options->inject, request.backend == NEC_BACKEND_QEMU, &faults, &err) < 0 ||
	    check_device(cli, request.backend, &err) < 0)
		return cli_fail(cli, &err, 0);
	request.inject = (char *)nec_buffer_text(&faults);
	nec_sockets_dir(request.backend == NEC_BACKEND_QEMU, &dir);
	request.sockets_dir = dir.text;
	(void)fprintf(stderr, "Start allocating memory...\n");
	if (nec_run(cli->context, options->eif_path, &pins, &request, &callbacks, &result, &err) <
	    0)
		return cli_fail(cli, &err, 0);
	status = print_result(cli, &result, request.backend == NEC_BACKEND_QEMU);
	nec_run_result_free(&result);
	return status;
}

const struct cli_command cli_cmd_run_enclave = {
	.name = "run-enclave",
	.summary = "Start an enclave from an image",
	.description =
		"Checks the image, takes memory and CPUs, loads and starts it, and waits until the "
		"enclave's first process reports (the heartbeat). Then prints what the enclave has as "
		"JSON.\n\n"
		"On failure nothing is left behind. The exit status is the number of the cause: 22 and "
		"27 when there are not enough CPUs or memory, 35 and 59 for the image and its "
		"signature, 36 when the enclave did not come up.\n\n"
		"With --backend qemu the same image boots in QEMU on any machine. Everything in a "
		"simulation is marked: \"Backend\": \"qemu\".\n\n" CLI_INJECT_HELP,
	.options = run_rows,
	.examples = run_examples,
	.options_size = sizeof(struct run_options),
	.nitro_cli = true,
	.run = run,
	.topic = CLI_TOPIC_ENCLAVES,
};
