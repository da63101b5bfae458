/* SPDX-License-Identifier: Apache-2.0 */
/* nec listen: a port of the parent instance on stdin and stdout. */
#include "base/error.h"
#include "base/relay.h"
#include "enclave-options.h"
#include "enclave/port.h"
#include "report.h"
#include "values.h"

struct listen_options {
	const char *port;
	const char *backend;
};

static const struct cli_option listen_rows[] = {
	{ .name = "backend",
	  .type = CLI_VALUE,
	  .help = "whose enclaves may connect: the device's, or those of the simulation",
	  .offset = offsetof(struct listen_options, backend),
	  .kind = CLI_CHOICE,
	  .choices = "nitro qemu" },
	{ .name = NULL },
};

static const struct cli_option listen_operands[] = {
	{ .name = "PORT",
	  .type = CLI_VALUE,
	  .help = "the vsock port to listen at",
	  .offset = offsetof(struct listen_options, port),
	  .required = true,
	  .kind = CLI_NUMBER },
	{ .name = NULL },
};

static const struct cli_example listen_examples[] = {
	{ .text = "Store what a simulated enclave sends to CID 3, port 5000",
	  .command = "nec listen --backend qemu 5000 > received" },
	{ .command = NULL },
};

static int open_listener(const struct listen_options *options, struct nec_port_listener *ret,
			 nec_error *err)
{
	enum nec_backend_kind backend = NEC_BACKEND_NITRO;
	struct nec_path dir;
	uint32_t port = 0;

	if (cli_parse_u32("PORT", options->port, &port, err) < 0 ||
	    cli_backend(options->backend, &backend, err) < 0)
		return -1;
	nec_sockets_dir(true, &dir);
	return nec_port_listen(backend == NEC_BACKEND_QEMU ? dir.text : NULL, port, ret, err);
}

static int run(struct cli *cli, const void *data)
{
	struct nec_port_listener listener = NEC_PORT_LISTENER_INIT;
	cleanup_close int fd = -1;
	nec_error err = NEC_ERROR_INIT;

	if (open_listener(data, &listener, &err) == 0)
		fd = nec_port_accept(&listener, cli->cancel, &err);
	nec_port_listener_close(&listener);
	if (fd < 0 || nec_relay(STDIN_FILENO, STDOUT_FILENO, fd, cli->cancel, &err) < 0)
		return cli_fail(cli, &err, 0);
	return 0;
}

const struct cli_command cli_cmd_listen = {
	.name = "listen",
	.summary = "Connect stdin and stdout to an enclave that comes to a port",
	.description =
		"Listens at a vsock port of this machine, takes the first connection of an enclave "
		"(which sees this machine as CID 3), and carries stdin there and what comes to "
		"stdout, as `nec connect` does in the other direction. Later connections are refused.",
	.options = listen_rows,
	.operands = listen_operands,
	.examples = listen_examples,
	.options_size = sizeof(struct listen_options),
	.run = run,
	.topic = CLI_TOPIC_ENCLAVES,
};
