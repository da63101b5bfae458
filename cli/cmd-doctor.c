/* SPDX-License-Identifier: Apache-2.0 */
/* nec doctor: can an enclave start on this machine, and if not, what mends it. */
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/error.h"
#include "base/json.h"
#include "enclave-options.h"
#include "enclave/probe.h"
#include "output.h"
#include "report.h"
#include "wrap.h"

struct doctor_options {
	const char *backend;
	const char *output;
};

/* The columns in front of a message. */
enum { NAME_WIDTH = 12, STATE_WIDTH = 9 };

static const struct cli_option doctor_rows[] = {
	{ .name = "backend",
	  .type = CLI_VALUE,
	  .help = "what enclaves are to run on: the device, or a simulation in QEMU",
	  .offset = offsetof(struct doctor_options, backend),
	  .kind = CLI_CHOICE,
	  .choices = "nitro qemu" },
	{ .name = "output",
	  .type = CLI_VALUE,
	  .help = "how to print the checks, table if not given",
	  .offset = offsetof(struct doctor_options, output),
	  .kind = CLI_CHOICE,
	  .choices = "json table" },
	{ .name = NULL },
};

static const struct cli_example doctor_examples[] = {
	{ .text = "Can an enclave start on this instance", .command = "nec doctor" },
	{ .text = "Can a simulation run here", .command = "nec doctor --backend qemu" },
	{ .text = "In a script: the checks that fail, and what mends them",
	  .command = "nec doctor --output json | jq '.Checks[] | select(.State == \"failed\")'" },
	{ .command = NULL },
};

static int exit_status(const struct nec_probe *probe)
{
	const struct nec_probe_result *first = nec_probe_first_failure(probe);

	return first ? nec_error_exit_status(first->code) : 0;
}

/* ---- table ---- */

static void add_wrapped(const char *text, size_t width, struct nec_buffer *to)
{
	struct cli_wrap wrap = {
		.to = to,
		.width = width,
		.indent = NAME_WIDTH + STATE_WIDTH,
		.column = NAME_WIDTH + STATE_WIDTH,
		.fresh = true,
	};

	cli_wrap_text(&wrap, text);
	nec_buffer_append_text(to, "\n");
}

static void add_row(const struct nec_probe_result *result, size_t width, struct nec_buffer *to)
{
	static const enum cli_style styles[] = {
		[NEC_PROBE_OK] = CLI_STYLE_GOOD,
		[NEC_PROBE_WARNING] = CLI_STYLE_WARNING,
		[NEC_PROBE_FAILED] = CLI_STYLE_ERROR,
		[NEC_PROBE_SKIPPED] = CLI_STYLE_PLAIN,
	};
	const char *state = nec_probe_state_name(result->state);
	char fix[sizeof(result->fix) + 8];

	nec_buffer_printf(to, "%-*s", NAME_WIDTH, result->name);
	cli_append_styled(styles[result->state], STDOUT_FILENO, state, to);
	nec_buffer_printf(to, "%*s", (int)(STATE_WIDTH - strlen(state)), "");
	add_wrapped(result->message, width, to);
	if (!result->fix[0])
		return;
	nec_buffer_printf(to, "%*s", NAME_WIDTH + STATE_WIDTH, "");
	(void)snprintf(fix, sizeof(fix), "fix: %s", result->fix);
	add_wrapped(fix, width, to);
}

static int print_table(const struct cli *cli, const struct nec_probe *probe)
{
	const struct nec_probe_result *first = nec_probe_first_failure(probe);
	size_t width = cli_terminal_width(STDOUT_FILENO);
	cleanup_buffer struct nec_buffer text = { 0 };

	for (size_t i = 0; i < probe->count; i++)
		add_row(&probe->results[i], width, &text);
	if (first)
		nec_buffer_printf(&text, "\nNo enclave can start here: %s (E%02d).\n",
				  nec_error_name(first->code), exit_status(probe));
	else
		nec_buffer_append_text(&text, "\nAn enclave can start here.\n");
	return cli_print_styled_text(cli, &text);
}

/* ---- JSON ---- */

static bool add_check(cJSON *list, const struct nec_probe_result *result)
{
	cJSON *item = nec_json_object();
	char code[16];

	(void)snprintf(code, sizeof(code), "E%02d", nec_error_exit_status(result->code));
	return nec_json_append(list, item) && nec_json_add_string(item, "Name", result->name) &&
	       nec_json_add_string(item, "State", nec_probe_state_name(result->state)) &&
	       (result->code == NEC_E_NONE ||
		(nec_json_add_string(item, "ErrorCode", code) &&
		 nec_json_add_string(item, "Error", nec_error_name(result->code)))) &&
	       nec_json_add_string(item, "Message", result->message) &&
	       nec_json_add_string(item, "Fix", result->fix);
}

static bool fill_json(cJSON *tree, const struct nec_probe *probe, enum nec_backend_kind backend)
{
	cJSON *list = nec_json_array();
	struct utsname kernel = { .release = "" };
	bool good;

	(void)uname(&kernel);
	good = nec_json_add_string(tree, "Backend",
				   backend == NEC_BACKEND_QEMU ? "qemu" : "nitro") &&
	       nec_json_add_bool(tree, "Ready", exit_status(probe) == 0) &&
	       nec_json_add_u64(tree, "ExitStatus", (uint64_t)exit_status(probe)) &&
	       nec_json_add_string(tree, "Version", NEC_VERSION) &&
	       nec_json_add_string(tree, "Kernel", kernel.release);
	good = nec_json_add(tree, "Checks", list) && good;
	for (size_t i = 0; good && i < probe->count; i++)
		good = add_check(list, &probe->results[i]);
	return good;
}

static int print_json(const struct cli *cli, const struct nec_probe *probe,
		      enum nec_backend_kind backend)
{
	cleanup_json cJSON *tree = nec_json_object();

	return cli_print_json(cli, fill_json(tree, probe, backend) ? tree : NULL);
}

static int run(struct cli *cli, const void *data)
{
	const struct doctor_options *options = data;
	struct nec_probe_request request = { .about = NEC_E_NONE };
	struct nec_probe probe;
	struct nec_path dir;
	nec_error err = NEC_ERROR_INIT;
	int status;

	if (cli_backend(options->backend, &request.backend, &err) < 0)
		return cli_fail(cli, &err, 0);
	nec_sockets_dir(request.backend == NEC_BACKEND_QEMU, &dir);
	request.sockets_dir = dir.text;
	if (nec_probe_run(cli->context, &request, &probe, &err) < 0)
		return cli_fail(cli, &err, 0);
	status = cli->json_errors ? print_json(cli, &probe, request.backend)
				  : print_table(cli, &probe);
	return status ? status : exit_status(&probe);
}

const struct cli_command cli_cmd_doctor = {
	.name = "doctor",
	.summary = "Check that enclaves can start on this machine",
	.description =
		"Looks at everything that must be true for an enclave to start: the driver and its "
		"device, the right to open it, CPU pool, huge pages, vsock; or for a simulation "
		"QEMU, KVM and memory; then the sockets folder, the enclaves that run, and nec's own "
		"parts. Says what mends what is wrong. Changes nothing.\n\n"
		"The exit status is 0 when an enclave could start, and otherwise the number of the "
		"first thing in its way, as run-enclave would end with it.",
	.options = doctor_rows,
	.examples = doctor_examples,
	.options_size = sizeof(struct doctor_options),
	.run = run,
	.topic = CLI_TOPIC_ENCLAVES,
};
