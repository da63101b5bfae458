/* SPDX-License-Identifier: Apache-2.0 */
/* nec run-enclave: start an enclave and wait until it is up. */
#include <inttypes.h>
#include <stdio.h>

#include "base/error.h"
#include "console-copy.h"
#include "enclave-options.h"
#include "enclave/paths.h"
#include "enclave/run-check.h"
#include "inject.h"
#include "report.h"
#include "run-options.h"
#include "run-report.h"

/* Everything that nitro-cli's file of settings stands for. */
#define CONFIG_CONFLICTS "cpu-ids cpu-count memory eif-path enclave-cid enclave-name debug-mode"

#define PCR_ROW(index_, number_)                                                                \
	{                                                                                       \
		.name = "require-pcr" number_, .type = CLI_VALUE, .value = "hex",               \
		.help = "start the image only if this is its PCR" number_,                      \
		.offset = offsetof(struct run_options, pcrs) + (index_) * sizeof(const char *), \
	}

static const struct cli_option run_rows[] = {
	{ .name = "cpu-ids",
	  .type = CLI_WORDS,
	  .help = "the CPUs to give to the enclave",
	  .offset = offsetof(struct run_options, cpu_ids),
	  .required = true,
	  .unless = "cpu-count config",
	  .conflicts = "cpu-count",
	  .kind = CLI_NUMBER },
	{ .name = "cpu-count",
	  .type = CLI_VALUE,
	  .help = "how many CPUs to give to the enclave",
	  .offset = offsetof(struct run_options, cpu_count),
	  .required = true,
	  .unless = "cpu-ids config",
	  .kind = CLI_NUMBER },
	{ .name = "memory",
	  .type = CLI_VALUE,
	  .help = "memory for the enclave, in MiB or with a unit: 512, 2G",
	  .offset = offsetof(struct run_options, memory),
	  .required = true,
	  .unless = "config",
	  .kind = CLI_NUMBER },
	{ .name = "eif-path",
	  .type = CLI_VALUE,
	  .help = "the image to run",
	  .offset = offsetof(struct run_options, eif_path),
	  .required = true,
	  .unless = "config",
	  .kind = CLI_FILE },
	{ .name = "enclave-cid",
	  .type = CLI_VALUE,
	  .help = "the enclave's vsock address, 4 or above; chosen when it is absent or 0",
	  .offset = offsetof(struct run_options, cid),
	  .kind = CLI_NUMBER },
	{ .name = "debug-mode",
	  .type = CLI_FLAG,
	  .help = "start it with a console that can be read",
	  .offset = offsetof(struct run_options, debug) },
	{ .name = "attach-console",
	  .type = CLI_FLAG,
	  .help = "start it in debug mode and show its console; Ctrl-C leaves it running",
	  .offset = offsetof(struct run_options, attach_console) },
	{ .name = "enclave-name",
	  .type = CLI_VALUE,
	  .help = "a name for the enclave; by default that of the image file",
	  .offset = offsetof(struct run_options, name) },
	{ .name = "config",
	  .type = CLI_VALUE,
	  .value = "json-config",
	  .help = "take all of the above from a JSON file",
	  .offset = offsetof(struct run_options, config),
	  .conflicts = CONFIG_CONFLICTS,
	  .kind = CLI_FILE },
	PCR_ROW(0, "0"),
	PCR_ROW(1, "1"),
	PCR_ROW(2, "2"),
	PCR_ROW(3, "8"),
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
	  .help = "tell how long each step took, on stderr and as Timings in the result",
	  .offset = offsetof(struct run_options, timings) },
	CLI_ERROR_OUTPUT_ROW(struct run_options),
	{ .name = NULL },
};

static const struct cli_example run_examples[] = {
	{ .text = "Run an image on this instance",
	  .command = "nec run-enclave --eif-path hello.eif --cpu-count 2 --memory 512" },
	{ .text = "Run it in the simulation, with a console",
	  .command =
		  "nec run-enclave --backend qemu --debug-mode --eif-path hello.eif --cpu-count 2 "
		  "--memory 512" },
	{ .text = "Take everything from nitro-cli's file of settings",
	  .command = "nec run-enclave --config enclave.json" },
	{ .text = "Only this image, and only if it is signed by that certificate",
	  .command = "nec run-enclave --eif-path hello.eif --cpu-count 2 --memory 512 "
		     "--require-pcr0 $PCR0 --require-pcr8 $PCR8" },
	{ .command = NULL },
};

/*
 * What fails in nitro-cli's background process ends its command with E39, whatever it was, after a
 * block of its own. Called by the old name we end so, too; the cause's block stands first there and
 * here.
 */
static int fail_launch(const struct cli *cli, const nec_error *err)
{
	nec_error second = NEC_ERROR_INIT;
	int status = cli_fail(cli, err, 0);

	if (!cli->as_nitro_cli || (cli->cancel && *cli->cancel))
		return status;
	(void)fprintf(stderr, "Failed connections: 1\n");
	(void)nec_error_set(&second, NEC_E_ENCLAVE_CONNECTION, -EPROTO,
			    "the enclave was not started");
	return cli_fail(cli, &second, 0);
}

/* The enclave runs, and goes on when this ends, however it does. */
static int attach(const struct cli *cli, const char *dir, uint64_t slot_uid)
{
	cleanup_close int fd = -1;
	struct nec_path control;
	nec_error err = NEC_ERROR_INIT;
	int status;
	int r = nec_path_socket(&control, &err, "%s/%" PRIx64 ".sock", dir, slot_uid);

	if (r == 0)
		r = fd = cli_console_connect(cli, control.text, &err);
	if (r < 0)
		return cli_fail(cli, &err, 0);
	status = cli_console_follow(cli, control.text, fd, 0);
	if (status == 0 && cli->cancel && *cli->cancel)
		(void)fprintf(stderr, "Detached from the console; the enclave runs on.\n");
	return status;
}

static int launch(const struct cli *cli, const struct run_options *options,
		  const struct run_wish *wish)
{
	struct run_report report = {
		.timings = options->timings,
		.simulated = wish->request.backend == NEC_BACKEND_QEMU,
	};
	const struct nec_run_callbacks callbacks = run_report_callbacks(&report);
	struct nec_launch_request request = wish->request;
	struct nec_run_result result = { 0 };
	struct nec_path dir;
	nec_error err = NEC_ERROR_INIT;
	int status;

	nec_sockets_dir(report.simulated, &dir);
	request.sockets_dir = dir.text;
	if (nec_run_check_device(cli->context, request.backend, &err) < 0 ||
	    nec_run(cli->context, wish->eif_path, &wish->pins, &request, &callbacks, &result,
		    &err) < 0)
		return fail_launch(cli, &err);
	status = run_report_print(cli, &report, &result);
	if (status == 0 && wish->attach_console)
		status = attach(cli, dir.text, result.started.slot_uid);
	nec_run_result_free(&result);
	return status;
}

static int run(struct cli *cli, const void *data)
{
	const struct run_options *options = data;
	struct run_wish wish = RUN_WISH_INIT;
	nec_error err = NEC_ERROR_INIT;
	int number;
	int status;

	if (run_wish_read(options, &wish, &number, &err) < 0)
		status = cli_fail(cli, &err, number);
	else
		status = launch(cli, options, &wish);
	run_wish_clear(&wish);
	return status;
}

const struct cli_command cli_cmd_run_enclave = {
	.name = "run-enclave",
	.summary = "Start an enclave from an image",
	.description =
		"Checks the image, takes memory and CPUs, loads and starts it, and waits until the "
		"enclave's first process reports (the heartbeat). Then prints what the enclave has as "
		"JSON.\n\n"
		"With --require-pcr0 and the like, and when the image is signed, its bytes are measured "
		"before anything is taken from the machine: an image that is not the right one is never "
		"started. PCR8 counts only if the signature verifies. What was measured is what is "
		"loaded: one open file, and a change of it meanwhile ends the launch.\n\n"
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
