/* SPDX-License-Identifier: Apache-2.0 */
/* nec console: read what an enclave in debug mode writes. */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/files.h"
#include "base/loop.h"
#include "enclave-options.h"
#include "enclave/client.h"
#include "output.h"
#include "report.h"
#include "values.h"

enum { CALL_MSEC = 3000, CANCEL_MSEC = 100 };

struct console_options {
	const char *id;
	const char *name;
	const char *timeout;
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
	{ .name = NULL },
};

static const struct cli_example console_examples[] = {
	{ .text = "Follow the console of an enclave",
	  .command = "nec console --enclave-name hello" },
	{ .command = NULL },
};

/* <dir>/<slot>.sock has its console at <dir>/console/<slot>.sock. */
static int console_path(const char *control, struct nec_path *ret, nec_error *err)
{
	const char *slash = strrchr(control, '/');

	return nec_path_socket(ret, err, "%.*s/" NEC_CONSOLE_DIR "%s", (int)(slash - control),
			       control, slash);
}

static int connect_console(const char *control, nec_error *err)
{
	struct nec_answer flags = { 0 };
	struct nec_path path;
	int r = nec_client_call(control, NEC_COMMAND_GET_ENCLAVE_FLAGS, NULL, CALL_MSEC, &flags,
				err);

	if (r < 0)
		return r;
	if (!(flags.number & 1))
		return nec_error_set(
			err, NEC_E_CONSOLE, -ENOENT,
			"the enclave does not run in debug mode, so it has no console");
	r = console_path(control, &path, err);
	if (r < 0)
		return r;
	r = nec_connect_unix(path.text);
	if (r < 0)
		return nec_error_set_system(err, NEC_E_CONSOLE, r, "cannot connect to the console");
	return r;
}

/* Copies until the end, the deadline (0: none) or Ctrl-C. Each piece goes out at once. */
static int copy(const struct cli *cli, int fd, uint64_t deadline, nec_error *err)
{
	char bytes[16384];

	for (;;) {
		struct pollfd ready = { .fd = fd, .events = POLLIN };
		ssize_t n;

		if (cli->cancel && *cli->cancel)
			return 0;
		if (deadline && nec_loop_now() >= deadline)
			return 0;
		if (poll(&ready, 1, CANCEL_MSEC) <= 0)
			continue;
		n = read(fd, bytes, sizeof(bytes));
		if (n == 0)
			return 0;
		if (n < 0)
			return nec_error_set_system(err, NEC_E_CONSOLE, -errno,
						    "cannot read the console");
		if (fwrite(bytes, 1, (size_t)n, stdout) != (size_t)n || fflush(stdout) != 0)
			return nec_error_set_system(err, NEC_E_FILE_WRITE, -errno,
						    "cannot write to stdout");
	}
}

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
	fd = connect_console(control, &err);
	if (fd < 0 || copy(cli, fd, deadline, &err) < 0)
		return cli_fail(cli, &err, 0);
	return 0;
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
