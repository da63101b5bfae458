/* SPDX-License-Identifier: Apache-2.0 */
/* nec listen: a port of the parent instance on stdin and stdout. */
#include <fcntl.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/relay.h"
#include "enclave-options.h"
#include "enclave/paths.h"
#include "enclave/port.h"
#include "report.h"
#include "values.h"

struct listen_options {
	const char *port;
	const char *backend;
	bool keep;
};

static const struct cli_option listen_rows[] = {
	{ .name = "backend",
	  .type = CLI_VALUE,
	  .help = "whose enclaves may connect: the device's, or those of the simulation",
	  .offset = offsetof(struct listen_options, backend),
	  .kind = CLI_CHOICE,
	  .choices = "nitro qemu" },
	{ .name = "keep",
	  .type = CLI_FLAG,
	  .help = "take one connection after the other, until interrupted; stdin is not read",
	  .offset = offsetof(struct listen_options, keep) },
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
	{ .text = "Collect what enclaves on the device log at port 5000, connection by connection",
	  .command = "nec listen --keep 5000 >> enclaves.log" },
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

/* The first connection; others are refused from then on. */
static int serve_one(const struct cli *cli, struct nec_port_listener *listener, nec_error *err)
{
	cleanup_close int fd = nec_port_accept(listener, cli->cancel, err);

	nec_port_listener_close(listener);
	return fd < 0 ? fd : nec_relay(STDIN_FILENO, STDOUT_FILENO, fd, cli->cancel, err);
}

/* What one connection says, to the end of stdout. Others wait. */
static int collect(const struct cli *cli, int fd, nec_error *err)
{
	cleanup_close int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);

	if (nothing < 0 || out < 0)
		return nec_error_set_system(err, NEC_E_SYSTEM, -errno, "cannot serve a connection");
	return nec_relay(nothing, out, fd, cli->cancel, err);
}

static int serve_all(const struct cli *cli, const struct nec_port_listener *listener,
		     nec_error *err)
{
	for (;;) {
		cleanup_close int fd = nec_port_accept(listener, cli->cancel, err);
		int r = fd < 0 ? fd : collect(cli, fd, err);

		/* That one of them broke is no reason to leave the others alone. */
		if (r < 0 && (fd < 0 || err->code != NEC_E_VSOCK))
			return r;
		if (r < 0)
			cli_warn(err->message);
	}
}

static int run(struct cli *cli, const void *data)
{
	const struct listen_options *options = data;
	struct nec_port_listener listener = NEC_PORT_LISTENER_INIT;
	nec_error err = NEC_ERROR_INIT;
	int r = open_listener(options, &listener, &err);

	if (r == 0 && options->keep)
		r = serve_all(cli, &listener, &err);
	else if (r == 0)
		r = serve_one(cli, &listener, &err);
	nec_port_listener_close(&listener);
	return r < 0 ? cli_fail(cli, &err, 0) : 0;
}

const struct cli_command cli_cmd_listen = {
	.name = "listen",
	.summary = "Connect stdin and stdout to an enclave that comes to a port",
	.description =
		"Listens at a vsock port of this machine, takes the first connection of an enclave "
		"(which sees this machine as CID 3), and carries stdin there and what comes to "
		"stdout, as `nec connect` does in the other direction. Later connections are refused, "
		"or with --keep taken one after the other. To lead them to a program that serves "
		"TCP or a Unix socket, see `nec forward --reverse`.",
	.options = listen_rows,
	.operands = listen_operands,
	.examples = listen_examples,
	.options_size = sizeof(struct listen_options),
	.run = run,
	.topic = CLI_TOPIC_ENCLAVES,
};
