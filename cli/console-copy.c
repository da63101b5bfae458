/* SPDX-License-Identifier: Apache-2.0 */
/* The console of an enclave on stdout. */
#include "console-copy.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/loop.h"
#include "enclave/client.h"
#include "enclave/paths.h"
#include "host/device.h"
#include "output.h"
#include "report.h"

enum { CALL_MSEC = 3000, CANCEL_MSEC = 100, DEVICE_USEC = 20000000 };

/* <dir>/<slot>.sock has its console at <dir>/console/<slot>.sock. */
static int console_path(const char *control, struct nec_path *ret, nec_error *err)
{
	const char *slash = strrchr(control, '/');

	return nec_path_socket(ret, err, "%.*s/" NEC_CONSOLE_DIR "%s", (int)(slash - control),
			       control, slash);
}

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

/* Asks for a plain number. */
static int ask(const char *control, enum nec_command command, uint64_t *ret, nec_error *err)
{
	struct nec_answer answer = { 0 };
	int r = nec_client_call(control, command, NULL, CALL_MSEC, &answer, err);

	if (r < 0)
		return r;
	*ret = answer.number;
	nec_answer_free(&answer);
	return 0;
}

/* Returns the fd or a negative errno. */
static int connect_device(const struct cli *cli, uint32_t cid)
{
	struct nec_device device;
	int r = nec_device_open(cli->context, &device, NULL);

	if (r < 0)
		return r;
	r = device.ops->vsock_connect(&device, NEC_CID_HYPERVISOR, NEC_PORT_CONSOLE(cid),
				      DEVICE_USEC);
	nec_device_close(&device);
	return r;
}

int cli_console_connect(const struct cli *cli, const char *control, nec_error *err)
{
	struct nec_path path;
	uint64_t flags = 0;
	uint64_t cid = 0;
	char line[80];
	int r = ask(control, NEC_COMMAND_GET_ENCLAVE_CID, &cid, err);

	if (r == 0)
		r = ask(control, NEC_COMMAND_GET_ENCLAVE_FLAGS, &flags, err);
	if (r < 0)
		return r;
	if (!(flags & 1))
		return nec_error_set(
			err, NEC_E_CONSOLE, -ENOENT,
			"the enclave does not run in debug mode, so it has no console");
	(void)snprintf(line, sizeof(line), "Connecting to the console for enclave %" PRIu64 "...\n",
		       cid);
	tell(cli, line);
	r = console_path(control, &path, err);
	if (r < 0)
		return r;
	r = nec_connect_unix(path.text);
	/* The process is nitro-cli's, or could not connect: the hypervisor has the console, too. */
	if (r == -ENOENT)
		r = connect_device(cli, (uint32_t)cid);
	if (r < 0)
		return nec_error_set_system(err, NEC_E_CONSOLE, r, "cannot connect to the console");
	tell(cli, "Successfully connected to the console.\n");
	return r;
}

int cli_console_copy(const struct cli *cli, int fd, uint64_t deadline)
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
		if (n == 0)
			return 0;
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
