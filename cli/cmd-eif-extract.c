/* SPDX-License-Identifier: Apache-2.0 */
/* nec eif extract: the parts of an image as files. */
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "command.h"
#include "output.h"
#include "report.h"

struct extract_options {
	const char *path;
	const char *output;
	const char *section;
	bool unpack;
};

static const struct cli_option extract_options[] = {
	{ .name = "output",
	  .type = CLI_VALUE,
	  .value = "DIR",
	  .help = "the folder to write to, new or empty; with --section '-' is stdout",
	  .offset = offsetof(struct extract_options, output),
	  .required = true,
	  .kind = CLI_DIRECTORY },
	{ .name = "section",
	  .type = CLI_VALUE,
	  .value = "NAME",
	  .help = "only this part: kernel, cmdline, metadata, signature, certificate, ramdisk1 and so on",
	  .offset = offsetof(struct extract_options, section) },
	{ .name = "unpack",
	  .type = CLI_FLAG,
	  .help = "unpack the files of the ramdisks as well",
	  .offset = offsetof(struct extract_options, unpack) },
	{ .name = NULL },
};

static const struct cli_option extract_operands[] = {
	{ .name = "FILE",
	  .type = CLI_VALUE,
	  .help = "the image",
	  .offset = offsetof(struct extract_options, path),
	  .required = true,
	  .kind = CLI_FILE },
	{ .name = NULL },
};

static const struct cli_example extract_examples[] = {
	{ .text = "Take an image apart, down to its files",
	  .command = "nec eif extract hello.eif --output parts --unpack",
	  .tested = true },
	{ .text = "Look at the kernel command line",
	  .command = "nec eif extract hello.eif --section cmdline --output -",
	  .tested = true },
	{ .text = "List the files of the second ramdisk",
	  .command = "nec eif extract hello.eif --section ramdisk2 --output - | cpio -tv" },
	{ .command = NULL },
};

static int refuse(const struct cli *cli, const char *message, const char *hint)
{
	nec_error err = NEC_ERROR_INIT;

	(void)nec_error_set(&err, NEC_E_INVALID_ARGUMENT, -EINVAL, "%s", message);
	nec_error_set_hint(&err, "%s", hint);
	return cli_fail(cli, &err, 0);
}

/* A terminal would take some of the bytes for commands. */
static int extract_to_stdout(const struct cli *cli, const struct extract_options *options)
{
	nec_error err = NEC_ERROR_INIT;

	if (!options->section || options->unpack)
		return refuse(cli, "--output: only a single section can be written to stdout",
			      "Name it with --section, or name a folder with --output.");
	if (isatty(STDOUT_FILENO))
		return refuse(cli, "--output: what is in an image is not written to a terminal",
			      "Append for instance `| cat -v`.");
	if (nec_extract_section(cli->context, options->path, options->section, STDOUT_FILENO,
				&err) < 0)
		return cli_fail(cli, &err, 0);
	return 0;
}

static int run(struct cli *cli, const void *data)
{
	const struct extract_options *options = data;
	struct nec_extract_options wanted = NEC_EXTRACT_OPTIONS_INIT;
	nec_error err = NEC_ERROR_INIT;

	if (strcmp(options->output, "-") == 0)
		return extract_to_stdout(cli, options);
	wanted.section = options->section;
	wanted.unpack = options->unpack;
	if (nec_extract_run(cli->context, options->path, options->output, &wanted, &err) < 0)
		return cli_fail(cli, &err, 0);
	return 0;
}

const struct cli_command cli_cmd_eif_extract = {
	.name = "eif extract",
	.summary = "Write the parts of an image to files",
	.description =
		"Writes kernel, command line, metadata, ramdisks, signature and certificate of an "
		"image to a folder, and with --unpack the files of the ramdisks, or a single section "
		"to the folder or to stdout. An image from anywhere can be taken apart: nothing is "
		"written outside of the folder.",
	.options = extract_options,
	.operands = extract_operands,
	.examples = extract_examples,
	.options_size = sizeof(struct extract_options),
	.run = run,
	.topic = CLI_TOPIC_IMAGES,
};
