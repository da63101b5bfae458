/* SPDX-License-Identifier: Apache-2.0 */
/* The console of an enclave on stdout. */
#include "console-copy.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "base/error.h"
#include "base/json.h"
#include "base/loop.h"
#include "enclave/calls.h"
#include "output.h"
#include "report.h"

enum { CANCEL_MSEC = 100 };

/*
 * nitro-cli has these lines on stdout, among what the enclave writes. Ours are on stderr, and only
 * for a person.
 */
static void tell(const struct cli *cli, const char *text)
{
	if (cli->as_nitro_cli)
		(void)fputs(text, stdout);
	else if (isatty(STDERR_FILENO))
		(void)fputs(text, stderr);
}

int cli_console_connect(const struct cli *cli, const char *control, nec_error *err)
{
	uint64_t cid = 0;
	char line[80];
	int r = nec_call_cid(control, &cid, err);

	if (r == 0)
		r = nec_call_check_console(control, err);
	if (r < 0)
		return r;
	(void)snprintf(line, sizeof(line), "Connecting to the console for enclave %" PRIu64 "...\n",
		       cid);
	tell(cli, line);
	r = nec_call_console(cli->context, control, (uint32_t)cid, err);
	if (r >= 0)
		tell(cli, "Successfully connected to the console.\n");
	return r;
}

static int copy(const struct cli *cli, int fd, uint64_t deadline, bool *ret_ended)
{
	char bytes[16384];

	while (!(cli->cancel && *cli->cancel) && !(deadline && nec_loop_now() >= deadline)) {
		struct pollfd ready = { .fd = fd, .events = POLLIN };
		nec_error err = NEC_ERROR_INIT;
		int status;
		ssize_t n;

		if (poll(&ready, 1, CANCEL_MSEC) <= 0)
			continue;
		n = read(fd, bytes, sizeof(bytes));
		if (n == 0) {
			*ret_ended = true;
			return 0;
		}
		if (n < 0) {
			(void)nec_error_set_system(&err, NEC_E_CONSOLE, -errno,
						   "cannot read the console");
			return cli_fail(cli, &err, 0);
		}
		status = cli_print_bytes(cli, bytes, (size_t)n);
		if (status != 0)
			return status;
	}
	return 0;
}

int cli_console_copy(const struct cli *cli, int fd, uint64_t deadline)
{
	bool ended = false;

	return copy(cli, fd, deadline, &ended);
}

/* nitro-cli says nothing, and so do we under its name. */
static void tell_end(const struct cli *cli, const char *control)
{
	cleanup_json cJSON *record = cli->as_nitro_cli ? NULL : nec_call_record(control);
	const char *message = "";

	if (record && nec_json_get_string(record, "ExitMessage", &message))
		(void)fprintf(stderr, "The enclave has ended: %s\n", message);
}

int cli_console_follow(const struct cli *cli, const char *control, int fd, uint64_t deadline)
{
	bool ended = false;
	int status = copy(cli, fd, deadline, &ended);

	if (ended)
		tell_end(cli, control);
	return status;
}
