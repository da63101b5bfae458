/* SPDX-License-Identifier: Apache-2.0 */
/* nec connect: a port of an enclave on stdin and stdout. */
#include <signal.h>

#include "base/error.h"
#include "base/loop.h"
#include "base/relay.h"
#include "enclave-options.h"
#include "enclave/calls.h"
#include "report.h"
#include "values.h"

struct connect_options {
	const char *id;
	const char *name;
	const char *cid;
	const char *port;
	const char *wait;
};

static const struct cli_option connect_rows[] = {
	CLI_ENCLAVE_ID_ROW(struct connect_options, true),
	CLI_ENCLAVE_NAME_ROW(struct connect_options, true),
	CLI_ENCLAVE_CID_ROW(struct connect_options, true),
	{ .name = "wait",
	  .type = CLI_VALUE,
	  .value = "seconds",
	  .help = "how long to try again while nobody listens at the port yet",
	  .offset = offsetof(struct connect_options, wait),
	  .kind = CLI_NUMBER },
	{ .name = NULL },
};

static const struct cli_option connect_operands[] = {
	{ .name = "PORT",
	  .type = CLI_VALUE,
	  .help = "the vsock port that the enclave listens at",
	  .offset = offsetof(struct connect_options, port),
	  .required = true,
	  .kind = CLI_NUMBER },
	{ .name = NULL },
};

static const struct cli_example connect_examples[] = {
	{ .text = "Ask an HTTP server in the enclave called demo",
	  .command = "printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nec connect --enclave-name demo 8080" },
	{ .text = "Log in by ssh over vsock",
	  .command = "ssh -o ProxyCommand='nec connect --enclave-name demo 22' root@demo" },
	{ .command = NULL },
};

static int open_port(const struct cli *cli, const struct connect_options *options, nec_error *err)
{
	struct cli_enclave enclave = { .cid = 0 };
	uint32_t port = 0;
	uint32_t seconds = 0;
	int r = cli_parse_u32("PORT", options->port, &port, err);

	if (r == 0 && options->wait)
		r = cli_parse_u32("wait", options->wait, &seconds, err);
	if (r == 0)
		r = cli_locate_enclave(options->id, options->name, options->cid, &enclave, err);
	return r < 0 ? r
		     : nec_call_port(cli->context, enclave.dir.text, enclave.cid, port,
				     nec_loop_now() + (uint64_t)seconds * 1000000, err);
}

static int run(struct cli *cli, const void *data)
{
	nec_error err = NEC_ERROR_INIT;
	cleanup_close int fd = open_port(cli, data, &err);

	if (fd >= 0 && nec_relay(STDIN_FILENO, STDOUT_FILENO, fd, cli->cancel, &err) == 0)
		return 0;
	/* So ssh ends its ProxyCommand each time: a word about it would be noise. */
	if (fd >= 0 && *cli->cancel == SIGHUP)
		return 128 + SIGHUP;
	return cli_fail(cli, &err, 0);
}

const struct cli_command cli_cmd_connect = {
	.name = "connect",
	.summary = "Connect stdin and stdout to a port of an enclave",
	.description =
		"Connects to a vsock port of an enclave, on the device or in the simulation, and "
		"carries stdin there and what comes back to stdout. The end of either is passed on "
		"while the other goes on. Ends when both have ended, or when the enclave has "
		"closed the connection.",
	.options = connect_rows,
	.operands = connect_operands,
	.examples = connect_examples,
	.options_size = sizeof(struct connect_options),
	.run = run,
	.topic = CLI_TOPIC_ENCLAVES,
};
