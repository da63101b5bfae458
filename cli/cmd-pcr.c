/* SPDX-License-Identifier: Apache-2.0 */
/* nec pcr: the register value of a certificate or of any file. */
#include "base/json.h"
#include "command.h"
#include "image/describe.h"
#include "output.h"
#include "report.h"

struct pcr_options {
	const char *certificate;
	const char *input;
};

static const struct cli_option pcr_options[] = {
	{ .name = "signing-certificate",
	  .type = CLI_VALUE,
	  .help = "a PEM certificate: print the PCR8 of images that it signs",
	  .offset = offsetof(struct pcr_options, certificate),
	  .required = true,
	  .unless = "input",
	  .conflicts = "input",
	  .kind = CLI_FILE },
	{ .name = "input",
	  .type = CLI_VALUE,
	  .help = "any file: print the register that its bytes would be extended into",
	  .offset = offsetof(struct pcr_options, input),
	  .required = true,
	  .unless = "signing-certificate",
	  .kind = CLI_FILE },
	{ .name = NULL },
};

static const struct cli_example pcr_examples[] = {
	{ .text = "The value to allow in a key policy for images signed with a certificate",
	  .command = "nec pcr --signing-certificate certificate.pem",
	  .tested = true },
	{ .text = "The register of any file",
	  .command = "nec pcr --input hello.eif",
	  .tested = true },
	{ .command = NULL },
};

static int run(struct cli *cli, const void *data)
{
	const struct pcr_options *options = data;
	cleanup_json cJSON *tree = NULL;
	uint8_t pcr[NEC_PCR_SIZE];
	nec_error err = NEC_ERROR_INIT;
	int r;

	if (options->certificate)
		r = nec_certificate_measure(options->certificate, pcr, &err);
	else
		r = nec_pcr_of_file(cli->context, options->input, pcr, &err);
	if (r < 0)
		return cli_fail(cli, &err, 0);
	tree = nec_json_object();
	if (!nec_json_add_pcr(tree, options->certificate ? "PCR8" : "PCR", pcr)) {
		nec_json_free(tree);
		tree = NULL;
	}
	return cli_print_json(cli, tree);
}

const struct cli_command cli_cmd_pcr = {
	.name = "pcr",
	.summary = "Compute the register value of a certificate or a file",
	.description =
		"Prints SHA-384(48 zero bytes || SHA-384(data)) as JSON: what a register holds after "
		"the data was extended into it once. For --signing-certificate the data is the first "
		"certificate of the file in DER form and the key is \"PCR8\"; for --input it is the "
		"file's bytes and the key is \"PCR\".",
	.options = pcr_options,
	.examples = pcr_examples,
	.options_size = sizeof(struct pcr_options),
	.nitro_cli = true,
	.run = run,
	.topic = CLI_TOPIC_IMAGES,
};
