/* SPDX-License-Identifier: Apache-2.0 */
/* nec describe-enclaves: what runs on this machine. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "enclave-list.h"
#include "enclave-watch.h"
#include "output.h"
#include "report.h"
#include "values.h"

struct describe_options {
	bool metadata;
	bool all;
	bool watch;
	const char *id;
	const char *name;
	const char *cid;
	const char *state;
	const char *backend;
	const char *output;
};

static const struct cli_option describe_rows[] = {
	{ .name = "metadata",
	  .type = CLI_FLAG,
	  .help = "add name, version and metadata of each enclave's image",
	  .offset = offsetof(struct describe_options, metadata) },
	{ .name = "all",
	  .type = CLI_FLAG,
	  .help = "list the enclaves that have ended lately, too, with the reason",
	  .offset = offsetof(struct describe_options, all) },
	{ .name = "enclave-id",
	  .type = CLI_VALUE,
	  .help = "only the enclave with this id",
	  .offset = offsetof(struct describe_options, id) },
	{ .name = "enclave-name",
	  .type = CLI_VALUE,
	  .help = "only enclaves with this name",
	  .offset = offsetof(struct describe_options, name) },
	{ .name = "cid",
	  .type = CLI_VALUE,
	  .help = "only enclaves with this CID",
	  .offset = offsetof(struct describe_options, cid),
	  .kind = CLI_NUMBER },
	{ .name = "state",
	  .type = CLI_VALUE,
	  .help = "only enclaves in this state; `ended` lists them without --all",
	  .offset = offsetof(struct describe_options, state),
	  .kind = CLI_CHOICE,
	  .choices = "running terminating ended" },
	{ .name = "backend",
	  .type = CLI_VALUE,
	  .help = "only enclaves of the device (nitro) or of the simulation (qemu)",
	  .offset = offsetof(struct describe_options, backend),
	  .kind = CLI_CHOICE,
	  .choices = "nitro qemu" },
	{ .name = "watch",
	  .type = CLI_FLAG,
	  .help = "go on and print what changes, until Ctrl-C",
	  .offset = offsetof(struct describe_options, watch) },
	{ .name = "output",
	  .type = CLI_VALUE,
	  .help = "json (the default; failures are then objects, too) or table (the default of "
		  "--watch on a terminal)",
	  .offset = offsetof(struct describe_options, output),
	  .kind = CLI_CHOICE,
	  .choices = "json table" },
	{ .name = NULL },
};

static const struct cli_example describe_examples[] = {
	{ .text = "The enclaves of this machine", .command = "nec describe-enclaves" },
	{ .text = "Why did it end?",
	  .command = "nec describe-enclaves --all --enclave-name hello --output table" },
	{ .text = "A line of JSON for each enclave that starts or ends",
	  .command = "nec describe-enclaves --watch --output json" },
	{ .command = NULL },
};

/* nitro-cli's number for a directory that cannot be read. */
enum { E_READ_FROM_DISK = 7 };

static int list(struct cli *cli, const struct cli_watch_options *what)
{
	cleanup_json cJSON *array = nec_json_array();
	cleanup_buffer struct nec_buffer text = { 0 };
	unsigned int failed = 0;
	nec_error err = NEC_ERROR_INIT;
	int status;

	if (cli_list_enclaves(&what->filter, what->metadata, what->ended, array, &failed, &err) < 0)
		return cli_fail(cli, &err, err.code == NEC_E_FILE_READ ? E_READ_FROM_DISK : 0);
	if (failed > 0)
		(void)fprintf(stderr, "Failed connections: %u\n", failed);
	if (what->table) {
		cli_print_enclave_table(array, &text);
		status = cli_print_text(cli, &text);
	} else {
		status = cli_print_json(cli, array);
	}
	if (status != 0 || failed == 0)
		return status;
	(void)nec_error_set(&err, NEC_E_ENCLAVE_CONNECTION, -EPROTO,
			    "%u of the processes that hold enclaves gave no usable answer", failed);
	return cli_fail(cli, &err, 0);
}

static int run(struct cli *cli, const void *data)
{
	const struct describe_options *options = data;
	const char *output = options->output;
	struct cli_watch_options what = {
		.filter = {
			.id = options->id,
			.name = options->name,
			.state = options->state,
			.backend = options->backend,
			.has_cid = options->cid != NULL,
		},
		.metadata = options->metadata,
		.ended = options->all || (options->state && strcmp(options->state, "ended") == 0),
	};
	nec_error err = NEC_ERROR_INIT;

	if (options->cid && cli_parse_u64("cid", options->cid, &what.filter.cid, &err) < 0)
		return cli_fail(cli, &err, 0);
	what.table =
		output ? strcmp(output, "table") == 0 : options->watch && isatty(STDOUT_FILENO);
	return options->watch ? cli_watch_enclaves(cli, &what) : list(cli, &what);
}

const struct cli_command cli_cmd_describe_enclaves = {
	.name = "describe-enclaves",
	.summary = "List running enclaves",
	.description =
		"Prints an array with one object for each enclave that runs; an empty array when "
		"none does. Sockets that a killed process left behind are cleaned away.\n\n"
		"With --all those that have ended lately follow, each with the time and the reason.\n\n"
		"With --watch the command does not end: it prints what there is, and then every "
		"enclave that starts, changes its state or ends, one object a line with \"Event\" "
		"(present, started, changed, ended) as its last member; or a table anew. Nothing is "
		"asked for while nothing happens, but for a look every five seconds.",
	.options = describe_rows,
	.examples = describe_examples,
	.options_size = sizeof(struct describe_options),
	.nitro_cli = true,
	.run = run,
	.topic = CLI_TOPIC_ENCLAVES,
};
