/* SPDX-License-Identifier: Apache-2.0 */
/* nec console: read what an enclave in debug mode writes. */
#include <unistd.h>

#include "base/error.h"
#include "base/loop.h"
#include "console-copy.h"
#include "enclave-options.h"
#include "report.h"
#include "values.h"

struct console_options {
	const char *id;
	const char *name;
	const char *timeout;
	const char *output;
};

static const struct cli_option console_rows[] = {
	CLI_ENCLAVE_ID_ROW(struct console_options),
	CLI_ENCLAVE_NAME_ROW(struct console_options),
	{ .name = "disconnect-timeout",
	  .type = CLI_VALUE,
	  .value = "seconds",
	  .help = "leave after this time; 0 is never",
	  .offset = offsetof(struct console_options, timeout),
	  .kind = CLI_NUMBER },
	CLI_ERROR_OUTPUT_ROW(struct console_options),
	{ .name = NULL },
};

static const struct cli_example console_examples[] = {
	{ .text = "Follow the console of an enclave",
	  .command = "nec console --enclave-name hello" },
	{ .command = NULL },
};

static int run(struct cli *cli, const void *data)
{
	const struct console_options *options = data;
	cleanup_free char *control = NULL;
	cleanup_close int fd = -1;
	uint64_t seconds = 0;
	uint64_t deadline;
	nec_error err = NEC_ERROR_INIT;

	if (cli_find_enclave(options->id, options->name, &control, &err) < 0)
		return cli_fail(cli, &err, 0);
	if (options->timeout &&
	    cli_parse_u64("disconnect-timeout", options->timeout, &seconds, &err) < 0)
		return cli_fail(cli, &err, 0);
	deadline = seconds ? nec_loop_now() + seconds * 1000000 : 0;
	fd = cli_console_connect(cli, control, &err);
	return fd < 0 ? cli_fail(cli, &err, 0) : cli_console_copy(cli, fd, deadline);
}

const struct cli_command cli_cmd_console = {
	.name = "console",
	.summary = "Read the console of an enclave in debug mode",
	.description =
		"Prints what the enclave has written since its start, then what it writes, until it "
		"ends or --disconnect-timeout is over. Several readers do not disturb each other.",
	.options = console_rows,
	.examples = console_examples,
	.options_size = sizeof(struct console_options),
	.nitro_cli = true,
	.run = run,
	.topic = CLI_TOPIC_ENCLAVES,
};
