/* SPDX-License-Identifier: Apache-2.0 */
/* nec describe-enclaves: what runs on this machine. */
#include <stdio.h>

#include "base/error.h"
#include "base/json.h"
#include "enclave-options.h"
#include "enclave/client.h"
#include "output.h"
#include "report.h"

struct describe_options {
	bool metadata;
};

static const struct cli_option describe_rows[] = {
	{ .name = "metadata",
	  .type = CLI_FLAG,
	  .help = "add name, version and metadata of each enclave's image",
	  .offset = offsetof(struct describe_options, metadata) },
	{ .name = NULL },
};

static const struct cli_example describe_examples[] = {
	{ .text = "The enclaves of this machine", .command = "nec describe-enclaves" },
	{ .command = NULL },
};

/* nitro-cli's number for a directory that cannot be read. */
enum { E_READ_FROM_DISK = 7 };

static int run(struct cli *cli, const void *data)
{
	const struct describe_options *options = data;
	cleanup_json cJSON *array = nec_json_array();
	struct nec_path dirs[2];
	size_t count = cli_sockets_dirs(dirs);
	unsigned int failed = 0;
	nec_error err = NEC_ERROR_INIT;
	int status;

	for (size_t i = 0; array && i < count; i++)
		if (nec_client_describe_all(dirs[i].text, options->metadata, array, &failed, &err) <
		    0)
			return cli_fail(cli, &err, E_READ_FROM_DISK);
	if (failed > 0)
		(void)fprintf(stderr, "Failed connections: %u\n", failed);
	status = cli_print_json(cli, array);
	if (status != 0 || failed == 0)
		return status;
	(void)nec_error_set(&err, NEC_E_ENCLAVE_CONNECTION, -EPROTO,
			    "%u of the processes that hold enclaves gave no usable answer", failed);
	return cli_fail(cli, &err, 0);
}

const struct cli_command cli_cmd_describe_enclaves = {
	.name = "describe-enclaves",
	.summary = "List running enclaves",
	.description =
		"Prints an array with one object for each enclave that runs; an empty array when "
		"none does. Sockets that a killed process left behind are cleaned away.",
	.options = describe_rows,
	.examples = describe_examples,
	.options_size = sizeof(struct describe_options),
	.nitro_cli = true,
	.run = run,
	.topic = CLI_TOPIC_ENCLAVES,
};
