/* SPDX-License-Identifier: Apache-2.0 */
/* nec describe-eif: what an image says of itself and what it measures. */
#include <stdio.h>

#include "base/json.h"
#include "command.h"
#include "image/describe.h"
#include "output.h"
#include "report.h"

struct describe_eif_options {
	const char *path;
	bool strict;
};

/* nitro-cli's numbers for an image that cannot be read, and for a signature that is not good. */
enum { E_EIF_PARSING = 35, E_SIGNATURE = 59 };

static const struct cli_option describe_eif_options[] = {
	{ .name = "eif-path",
	  .type = CLI_VALUE,
	  .help = "the image",
	  .offset = offsetof(struct describe_eif_options, path),
	  .required = true,
	  .kind = CLI_FILE },
	{ .name = "strict",
	  .type = CLI_FLAG,
	  .help = "fail when anything is wrong with the image or its signature",
	  .offset = offsetof(struct describe_eif_options, strict) },
	{ .name = NULL },
};

static const struct cli_example describe_eif_examples[] = {
	{ .text = "Describe an image",
	  .command = "nec describe-eif --eif-path hello.eif",
	  .tested = true },
	{ .text = "Refuse an image that is damaged, or was changed after it was signed",
	  .command = "nec describe-eif --eif-path hello.eif --strict",
	  .tested = true },
	{ .command = NULL },
};

/* Whatever is wrong with the file is E35 to nitro-cli; only --strict tells a signature apart. */
static int fail(const struct cli *cli, const struct describe_eif_options *options,
		const nec_error *err)
{
	bool signature =
		err->code >= NEC_E_SIGNATURE_FORMAT && err->code <= NEC_E_CERTIFICATE_DATES;

	return cli_fail(cli, err, options->strict && signature ? E_SIGNATURE : E_EIF_PARSING);
}

/* Exit status 0 with a bad image is nitro-cli's behaviour; a person should see it all the same. */
static void warn_of_errors(const struct cli *cli, const nec_eif *eif)
{
	for (size_t i = 0; !cli->as_nitro_cli && i < nec_eif_get_finding_count(eif); i++)
		if (nec_eif_get_finding(eif, i)->severity == NEC_SEVERITY_ERROR)
			cli_warn(nec_eif_get_finding(eif, i)->message);
}

static int print(const struct cli *cli, const struct nec_eif_description *description)
{
	cleanup_json cJSON *tree = nec_eif_description_json(description);

	return cli_print_json(cli, tree);
}

static int run(struct cli *cli, const void *data)
{
	const struct describe_eif_options *options = data;
	cleanup_eif_description struct nec_eif_description description = { 0 };
	cleanup_eif nec_eif *eif = NULL;
	nec_error err = NEC_ERROR_INIT;
	int status;

	if (nec_eif_open(cli->context, options->path, &eif, &err) < 0 ||
	    nec_eif_describe(eif, &description, &err) < 0)
		return fail(cli, options, &err);
	status = print(cli, &description);
	if (status != 0)
		return status;
	if (nec_eif_check(eif, &err) == 0)
		return 0;
	if (options->strict)
		return fail(cli, options, &err);
	warn_of_errors(cli, eif);
	return 0;
}

const struct cli_command cli_cmd_describe_eif = {
	.name = "describe-eif",
	.summary = "Show what is in an enclave image, and its measurements",
	.description =
		"Prints version, measurements (PCR0, PCR1, PCR2, and PCR8 of a signed image), "
		"signature, checksum and metadata of an image as JSON. Everything is computed from "
		"the file.\n\n"
		"As with nitro-cli, a wrong checksum or a signature of something else shows in the "
		"output (\"CheckCRC\" and \"SignatureCheck\" are false) while the exit status is 0. "
		"With --strict the exit status is 35 when the image is not as the format asks, and "
		"59 when its signature is not good; the output is the same. `nec eif lint` lists "
		"everything that is wrong.\n\n"
		"The metadata is what the builder claims: it is neither measured nor signed.",
	.options = describe_eif_options,
	.examples = describe_eif_examples,
	.options_size = sizeof(struct describe_eif_options),
	.nitro_cli = true,
	.run = run,
	.topic = CLI_TOPIC_IMAGES,
};
