/* SPDX-License-Identifier: Apache-2.0 */
/* nec sign-eif: signs an image, or replaces its signature. */
#include <stdio.h>

#include "base/error.h"
#include "base/json.h"
#include "command.h"
#include "image/describe.h"
#include "output.h"
#include "report.h"
#include "sign-options.h"

struct sign_eif_options {
	const char *path;
	const char *output;
	struct nec_sign_options sign;
};

/* nitro-cli's numbers: whatever goes wrong is E60, but a missing --eif-path. */
enum { E_MISSING_ARGUMENT = 1, E_SIGNING = 60 };

static const struct cli_option sign_eif_options[] = {
	{ .name = "eif-path",
	  .type = CLI_VALUE,
	  .help = "the image to sign",
	  .offset = offsetof(struct sign_eif_options, path),
	  .kind = CLI_FILE },
	CLI_SIGN_ROWS(struct sign_eif_options, sign),
	{ .name = "output",
	  .type = CLI_VALUE,
	  .value = "file",
	  .help = "write the signed image there and leave the other as it is",
	  .offset = offsetof(struct sign_eif_options, output),
	  .kind = CLI_FILE },
	{ .name = NULL },
};

static const struct cli_example sign_eif_examples[] = {
	{ .text = "Sign an image in place",
	  .command = "nec sign-eif --eif-path hello.eif --signing-certificate certificate.pem "
		     "--private-key key.pem",
	  .tested = true },
	{ .text = "Let another program sign: here openssl, with a key on P-384",
	  .command = "nec sign-eif --eif-path hello.eif --output hello-signed.eif "
		     "--signing-certificate certificate.pem "
		     "--signer-command 'openssl dgst -sha384 -sign key.pem'",
	  .tested = true },
	{ .command = NULL },
};

static int refuse_missing_path(const struct cli *cli)
{
	nec_error err = NEC_ERROR_INIT;

	(void)nec_error_set(&err, NEC_E_INVALID_ARGUMENT, -EINVAL, "--eif-path is missing");
	nec_error_set_hint(&err, "Name the image to sign.");
	return cli_fail(cli, &err, E_MISSING_ARGUMENT);
}

static int print(const struct cli *cli, const struct nec_sign_result *result)
{
	cleanup_json cJSON *tree = nec_json_object();
	cJSON *measurements = nec_measurements_json(&result->measurements, result->pcr8);

	if (!nec_json_add(tree, "Measurements", measurements))
		return cli_print_json(cli, NULL);
	return cli_print_json(cli, tree);
}

static int run(struct cli *cli, const void *data)
{
	const struct sign_eif_options *options = data;
	struct nec_sign_options sign = options->sign;
	struct nec_sign_result result;
	nec_error err = NEC_ERROR_INIT;

	if (!options->path)
		return refuse_missing_path(cli);
	sign.struct_size = sizeof(sign);
	if (nec_eif_sign(cli->context, options->path, options->output, &sign, &result, &err) < 0)
		return cli_fail(cli, &err, E_SIGNING);
	cli_progress_clear();
	(void)fputs("Enclave Image successfully signed.\n", stderr);
	return print(cli, &result);
}

const struct cli_command cli_cmd_sign_eif = {
	.name = "sign-eif",
	.summary = "Sign an enclave image, or replace its signature",
	.description =
		"Signs PCR0 of an image with the key of a certificate; the certificate's own "
		"measurement is then PCR8, which key policies can ask for. A signature that the "
		"image has already is replaced. Everything else in the file stays as it is. Prints "
		"the measurements as JSON.\n\n"
		"The image changes at once or not at all: whatever fails, it is as it was before. "
		"An image that is damaged is not signed, nor is one with a key that is not the "
		"certificate's. A certificate that is not valid now gives a warning.\n\n"
		"A signer command is run by /bin/sh. It gets the bytes to be signed on stdin and "
		"answers on stdout with their ECDSA signature, hashed with SHA-256, SHA-384 or "
		"SHA-512 for a key on P-256, P-384 or P-521: as r and s, or as DER. It may ask for "
		"a PIN on the terminal. Its answer is verified with the certificate before "
		"anything is written.",
	.options = sign_eif_options,
	.examples = sign_eif_examples,
	.options_size = sizeof(struct sign_eif_options),
	.nitro_cli = true,
	.run = run,
	.topic = CLI_TOPIC_IMAGES,
};
