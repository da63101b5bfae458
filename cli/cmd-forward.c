/* SPDX-License-Identifier: Apache-2.0 */
/* nec forward: ports of an enclave as TCP ports of this machine, and the other way round. */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/context.h"
#include "base/error.h"
#include "base/loop.h"
#include "enclave-options.h"
#include "enclave/forward.h"
#include "enclave/watch.h"
#include "output.h"
#include "report.h"
#include "values.h"

enum {
	/* A signal that comes just before the loop waits is noticed after this time. */
	CANCEL_MSEC = 500,
	LOCATE_MSEC = 200,
	/* Each has two descriptors; this leaves some of the usual 1024 when they cannot be raised.
	 */
	DEFAULT_CONNECTIONS = 500,
};

/* How often an enclave that has ended is looked for. */
static const uint64_t again_usec = 1000000;

struct forward_options {
	struct cli_list routes;
	struct cli_list reverse;
	struct cli_list echo;
	const char *id;
	const char *name;
	const char *cid;
	const char *backend;
	const char *wait;
	const char *max_connections;
	bool keep;
};

static const struct cli_option forward_rows[] = {
	CLI_ENCLAVE_ID_ROW(struct forward_options, false),
	CLI_ENCLAVE_NAME_ROW(struct forward_options, false),
	CLI_ENCLAVE_CID_ROW(struct forward_options, false),
	{ .name = "reverse",
	  .type = CLI_LIST,
	  .value = "route",
	  .help = "connect enclaves that come to a port of the parent to a TCP port: "
		  "PORT:[HOST:]TCP-PORT",
	  .offset = offsetof(struct forward_options, reverse) },
	{ .name = "echo",
	  .type = CLI_LIST,
	  .value = "port",
	  .help = "send back what enclaves send to this port of the parent",
	  .offset = offsetof(struct forward_options, echo),
	  .kind = CLI_NUMBER },
	{ .name = "backend",
	  .type = CLI_VALUE,
	  .help = "where the enclaves run, when none is named: on the device or in the simulation",
	  .offset = offsetof(struct forward_options, backend),
	  .kind = CLI_CHOICE,
	  .choices = "nitro qemu" },
	{ .name = "wait",
	  .type = CLI_VALUE,
	  .value = "seconds",
	  .help = "how long to wait for the enclave at the start, and for a program that listens "
		  "at each connection",
	  .offset = offsetof(struct forward_options, wait),
	  .kind = CLI_NUMBER },
	{ .name = "keep",
	  .type = CLI_FLAG,
	  .help = "go on when the enclave has ended, with the next one of its name or CID",
	  .offset = offsetof(struct forward_options, keep) },
	{ .name = "max-connections",
	  .type = CLI_VALUE,
	  .value = "number",
	  .help = "how many to carry at the same time; further ones wait (500)",
	  .offset = offsetof(struct forward_options, max_connections),
	  .kind = CLI_NUMBER },
	{ .name = NULL },
};

static const struct cli_option forward_operands[] = {
	{ .name = "ROUTE",
	  .type = CLI_LIST,
	  .help = "listen on TCP and connect to the enclave: [HOST:]TCP-PORT:PORT",
	  .offset = offsetof(struct forward_options, routes) },
	{ .name = NULL },
};

static const struct cli_example forward_examples[] = {
	{ .text = "Reach port 80 of the enclave called demo at http://127.0.0.1:8080/",
	  .command = "nec forward --enclave-name demo 8080:80" },
	{ .text = "Let it reach one host of the internet, through port 8000 of its parent",
	  .command =
		  "nec forward --enclave-name demo --reverse 8000:kms.eu-west-1.amazonaws.com:443" },
	{ .text = "Both, for all interfaces, and again after each restart of the enclave",
	  .command = "nec forward --enclave-name demo --keep --wait 60 '*:8080:80' --reverse "
		     "8000:[::1]:443" },
	{ .text = "Answer the heartbeat of an image that QEMU runs by itself, and forward a port to it",
	  .command = "nec forward --cid 1 --echo 9000 8080:8080" },
	{ .command = NULL },
};

/* What lives while connections are carried. */
struct session {
	struct cli *cli;
	const struct forward_options *options;
	struct nec_loop *loop;
	struct nec_forward *forward;
	struct cli_enclave enclave;
	struct nec_watch *watch;
	struct nec_source *again; /* a timer */
	uint64_t wait_usec;
	bool simulated;
	int ended; /* why it is over, a negative errno */
};

static bool has_enclave(const struct forward_options *options)
{
	return options->id || options->name || options->cid;
}

static int add_routes(struct session *session, enum nec_route_kind kind,
		      const struct cli_list *list, nec_error *err)
{
	int r = 0;

	for (size_t i = 0; i < list->count && r == 0; i++) {
		struct nec_route route;

		r = nec_route_parse(kind, list->items[i], &route, err);
		if (r == 0)
			r = nec_forward_add(session->forward, &route, err);
	}
	return r;
}

static int check_routes(enum nec_route_kind kind, const struct cli_list *list, nec_error *err)
{
	struct nec_route route;
	int r = 0;

	for (size_t i = 0; i < list->count && r == 0; i++)
		r = nec_route_parse(kind, list->items[i], &route, err);
	return r;
}

/* Mistakes are told before an enclave is waited for. */
static int check_options(const struct forward_options *options, nec_error *err)
{
	int r = check_routes(NEC_ROUTE_TO_ENCLAVE, &options->routes, err);

	if (r == 0)
		r = check_routes(NEC_ROUTE_FROM_ENCLAVE, &options->reverse, err);
	if (r == 0)
		r = check_routes(NEC_ROUTE_ECHO, &options->echo, err);
	if (r < 0)
		return r;
	if (options->routes.count + options->reverse.count + options->echo.count == 0)
		return nec_error_set(err, NEC_E_INVALID_ARGUMENT, -EINVAL,
				     "there is no route to forward, such as 8080:80");
	if (options->routes.count > 0 && !has_enclave(options))
		return nec_error_set(err, NEC_E_INVALID_ARGUMENT, -EINVAL,
				     "the route \"%s\" needs an enclave: --enclave-name, "
				     "--enclave-id or --cid",
				     options->routes.items[0]);
	return 0;
}

/* ---- the enclave comes and goes ---- */

static void on_enclave_ended(void *userdata);

static int locate(struct session *session, nec_error *err)
{
	const struct forward_options *options = session->options;
	struct cli_enclave enclave;
	int r = cli_locate_enclave(options->id, options->name, options->cid, &enclave, err);

	if (r < 0)
		return r;
	/* On the device any CID may be there. */
	if (session->simulated && !enclave.socket.text[0])
		return nec_error_set(err, NEC_E_VSOCK, -ENOENT,
				     "no simulated enclave has the CID %s", options->cid);
	session->enclave = enclave;
	return 0;
}

static int locate_until(struct session *session, nec_error *err)
{
	uint64_t deadline = nec_loop_now() + session->wait_usec;

	for (;;) {
		int r = locate(session, err);

		if (r == 0 || r == -EINVAL || r == -ENOTUNIQ || nec_loop_now() >= deadline)
			return r;
		(void)poll(NULL, 0, LOCATE_MSEC);
		r = nec_check_cancel(session->cli->context, err);
		if (r < 0)
			return r;
	}
}

/* An enclave of which only the CID is known cannot be watched. */
static int attach(struct session *session, nec_error *err)
{
	const struct cli_enclave *enclave = &session->enclave;
	int r = nec_forward_set_enclave(session->forward, enclave->dir.text, enclave->cid, err);

	if (r < 0 || !enclave->socket.text[0])
		return r;
	return nec_watch_new(session->loop, enclave->socket.text, !session->options->cid,
			     on_enclave_ended, session, &session->watch, err);
}

static void on_enclave_ended(void *userdata)
{
	struct session *session = userdata;

	nec_watch_free(TAKE_PTR(session->watch));
	if (!session->options->keep) {
		session->ended = -ESRCH;
		return;
	}
	nec_warn(session->cli->context, "the enclave with CID %" PRIu64 " has ended",
		 session->enclave.cid);
	if (nec_forward_set_enclave(session->forward, session->enclave.dir.text, 0, NULL) < 0)
		session->ended = -ENOMEM;
	nec_source_set_timer(session->again, again_usec);
}

static void on_again(void *userdata, uint32_t events)
{
	struct session *session = userdata;

	(void)events;
	if (locate(session, NULL) < 0 || attach(session, NULL) < 0) {
		nec_source_set_timer(session->again, again_usec);
		return;
	}
	nec_warn(session->cli->context, "forwarding to the enclave with CID %" PRIu64,
		 session->enclave.cid);
}

/* ---- the whole ---- */

/* As many connections as asked for need descriptors; what the system allows shows later. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* Which backend it is shows by the enclave, unless it is said. */
static int choose_backend(struct session *session, nec_error *err)
{
	enum nec_backend_kind backend;
	int r = cli_backend(session->options->backend, &backend, err);

	session->simulated = r == 0 && backend == NEC_BACKEND_QEMU;
	return r;
}

/* The sockets directory of whoever may come to ports of the parent. */
static int choose_parent(struct session *session, struct nec_path *dir, nec_error *err)
{
	struct nec_path path = { { 0 } };
	int r;

	if (!has_enclave(session->options)) {
		nec_sockets_dir(true, dir);
		return 0;
	}
	*dir = session->enclave.dir;
	r = nec_sim_socket_find(dir->text, session->enclave.cid, &path, err);
	session->simulated = r == 1;
	return r < 0 ? r : 0;
}

static int parse_options(struct session *session, struct nec_forward_options *ret, nec_error *err)
{
	const struct forward_options *options = session->options;
	uint32_t seconds = 0;
	int r = check_options(options, err);

	ret->max_connections = DEFAULT_CONNECTIONS;
	ret->one_enclave = has_enclave(options);
	if (r == 0 && options->wait)
		r = cli_parse_u32("wait", options->wait, &seconds, err);
	if (r == 0 && options->max_connections)
		r = cli_parse_u32("max-connections", options->max_connections,
				  &ret->max_connections, err);
	if (r == 0 && ret->max_connections == 0)
		r = nec_error_set(err, NEC_E_INVALID_ARGUMENT, -EINVAL, "--max-connections is 0");
	session->wait_usec = ret->wait_usec = (uint64_t)seconds * 1000000;
	return r < 0 ? r : choose_backend(session, err);
}

static int open_routes(struct session *session, nec_error *err)
{
	const struct forward_options *options = session->options;
	int r = add_routes(session, NEC_ROUTE_TO_ENCLAVE, &options->routes, err);

	if (r == 0)
		r = add_routes(session, NEC_ROUTE_FROM_ENCLAVE, &options->reverse, err);
	return r < 0 ? r : add_routes(session, NEC_ROUTE_ECHO, &options->echo, err);
}

static int set_up(struct session *session, nec_error *err)
{
	struct nec_forward_options options = { 0 };
	struct nec_path dir = { { 0 } };
	int r = parse_options(session, &options, err);

	if (r == 0 && options.one_enclave)
		r = locate_until(session, err);
	if (r == 0)
		r = choose_parent(session, &dir, err);
	if (r < 0)
		return r;
	options.parent_dir = session->simulated ? dir.text : NULL;
	raise_descriptor_limit();
	r = nec_forward_new(session->cli->context, session->loop, &options, &session->forward, err);
	if (r == 0 && options.one_enclave)
		r = attach(session, err);
	return r < 0 ? r : open_routes(session, err);
}

/* The routes as they are, then a line that says so: whoever reads it can connect. */
static int announce(const struct session *session)
{
	cleanup_buffer struct nec_buffer text = { 0 };
	int status;

	nec_forward_describe(session->forward, &text);
	nec_buffer_printf(&text, "ready\n");
	status = cli_print_text(session->cli, &text);
	return cli_finish_output(session->cli, status);
}

static int serve(struct session *session, nec_error *err)
{
	int r = 0;

	while (r == 0) {
		r = nec_loop_run_once(session->loop, CANCEL_MSEC, err);
		if (r == 0)
			r = nec_check_cancel(session->cli->context, err);
		if (r == 0)
			r = session->ended;
	}
	if (r == -ESRCH)
		return nec_error_set(err, NEC_E_ENCLAVE_CONNECTION, r,
				     "the enclave with CID %" PRIu64 " has ended",
				     session->enclave.cid);
	return r == -ENOMEM ? nec_error_no_memory(err) : r;
}

static void tear_down(struct session *session)
{
	nec_watch_free(session->watch);
	nec_forward_free(session->forward);
	nec_source_free(session->again);
	nec_loop_free(session->loop);
}

static int run(struct cli *cli, const void *data)
{
	struct session session = { .cli = cli, .options = data };
	nec_error err = NEC_ERROR_INIT;
	int status = 0;
	int r = nec_loop_new(&session.loop, &err);

	if (r < 0)
		return cli_fail(cli, &err, 0);
	r = nec_loop_add_timer(session.loop, UINT64_MAX, on_again, &session, &session.again, &err);
	if (r == 0)
		r = set_up(&session, &err);
	if (r == 0)
		status = announce(&session);
	if (r == 0 && status == 0)
		r = serve(&session, &err);
	tear_down(&session);
	return r < 0 ? cli_fail(cli, &err, 0) : status;
}

const struct cli_command cli_cmd_forward = {
	.name = "forward",
	.summary = "Forward TCP ports to ports of an enclave, and back",
	.description =
		"Listens on TCP ports of this machine and carries each connection to a vsock port "
		"of an enclave, as `ssh -L` does; with --reverse in the other direction, as `ssh "
		"-R`: an enclave connects to a port of its parent (CID 3) and reaches a TCP port. "
		"One process carries any number of routes, for enclaves on the device and in the "
		"simulation.\n\n"
		"A route is [HOST:]TCP-PORT:PORT, and PORT:[HOST:]TCP-PORT with --reverse. Without "
		"a host it is loopback, 127.0.0.1; `*` are all addresses, an IPv6 address stands in "
		"brackets, and a path with a slash is a Unix socket. With TCP port 0 a free one is "
		"chosen. Once everything listens, the routes are printed, then a line \"ready\".\n\n"
		"When one end of a connection stops sending, that is passed on while the other goes "
		"on. A connection that nobody takes at the other end is reset, with a warning that "
		"says why. With an enclave named, others are refused at ports of the parent. Ends "
		"when the enclave ends, unless --keep is given.",
	.options = forward_rows,
	.operands = forward_operands,
	.examples = forward_examples,
	.options_size = sizeof(struct forward_options),
	.run = run,
	.topic = CLI_TOPIC_ENCLAVES,
};
