/* SPDX-License-Identifier: Apache-2.0 */
/* Listeners, and the connections that come through them. */
#include "enclave/forward.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/context.h"
#include "base/error.h"
#include "base/pump.h"
#include "base/tcp.h"
#include "enclave/dial.h"
#include "enclave/port.h"

/* A listener that is always ready leaves room for the connections that are there. */
enum { ACCEPTS_A_ROUND = 16 };

/* Descriptors that are no connection's: listeners, the loop, what the program has open. */
enum { OTHER_DESCRIPTORS = 32 };

/* How soon it is tried again when descriptors or memory were short. */
static const uint64_t pause_usec = 200000;
/* How often it is said that connections have to wait. */
static const uint64_t pause_warning_usec = 10000000;

/* An open route. */
struct gate {
	struct nec_forward *forward;
	struct gate *next;
	struct nec_route route;
	struct nec_port_listener listener;
	struct nec_source *source; /* NULL while nobody is let in */
	struct stat file;          /* of a Unix socket: only ours is removed */
	char name[NEC_TCP_TEXT_BYTES + 64];
};

/* A connection: on its way (dial), then carried (pump). */
struct connection {
	struct gate *gate;
	struct connection *next;
	struct connection **link;
	int fd; /* of whoever came, until the pump has it */
	struct nec_dial *dial;
	struct nec_pump *pump;
	char peer[NEC_TCP_TEXT_BYTES];
};

struct nec_forward {
	const nec_context *context;
	struct nec_loop *loop;
	struct nec_forward_options options;
	char *parent_dir;
	char *sockets_dir; /* of the enclave */
	uint64_t cid;
	struct gate *gates;
	struct gate **gates_end;
	struct connection *connections;
	unsigned int connection_count;
	bool paused;
	struct nec_source *resume; /* a timer */
	uint64_t quiet_until;      /* no further warning about pauses before */
	struct nec_pump_buffer buffer;
};

static void remove_connection(struct connection *connection, bool broken);

/* ---- letting connections in, and not ---- */

static void on_listener(void *userdata, uint32_t events);

static void pause_gates(struct nec_forward *forward, uint64_t usec)
{
	for (struct gate *gate = forward->gates; gate; gate = gate->next)
		nec_source_free(TAKE_PTR(gate->source));
	forward->paused = true;
	nec_source_set_timer(forward->resume, usec);
}

static void open_gates(void *userdata, uint32_t events)
{
	struct nec_forward *forward = userdata;

	(void)events;
	forward->paused = false;
	for (struct gate *gate = forward->gates; gate && !forward->paused; gate = gate->next)
		if (!gate->source && nec_loop_add_fd(forward->loop, gate->listener.fd, EPOLLIN,
						     on_listener, gate, &gate->source, NULL) < 0)
			pause_gates(forward, pause_usec);
}

static void warn_of_pause(struct nec_forward *forward, const char *why)
{
	uint64_t now = nec_loop_now();

	if (now < forward->quiet_until)
		return;
	forward->quiet_until = now + pause_warning_usec;
	nec_warn(forward->context, "%s: new connections wait until others have ended (%u are open)",
		 why, forward->connection_count);
}

static bool is_full(const struct nec_forward *forward)
{
	return forward->connection_count >= forward->options.max_connections;
}

/* ---- one connection ---- */

static const char *peer_of(const struct connection *connection)
{
	return connection->peer[0] ? connection->peer : "a local program";
}

static void on_ended(void *userdata, int result)
{
	struct connection *connection = userdata;
	const nec_context *context = connection->gate->forward->context;

	if (result < 0 && result != -ECONNRESET && result != -EPIPE)
		nec_warn(context, "%s: the connection of %s broke: %s", connection->gate->name,
			 peer_of(connection), strerror(-result));
	nec_log(context, "%s: the connection of %s ended (%d)", connection->gate->name,
		peer_of(connection), result);
	remove_connection(connection, result < 0);
}

/* @other: -1 for an echo. */
static void carry(struct connection *connection, int other)
{
	struct nec_forward *forward = connection->gate->forward;
	nec_error err = NEC_ERROR_INIT;

	if (nec_pump_new(forward->loop, connection->fd, other, &forward->buffer, on_ended,
			 connection, &connection->pump, &err) == 0) {
		connection->fd = -1;
		return;
	}
	nec_warn(forward->context, "%s: %s", connection->gate->name, err.message);
	if (other >= 0)
		(void)close(other);
	remove_connection(connection, true);
}

static void on_dialled(void *userdata, int fd, const nec_error *err)
{
	struct connection *connection = userdata;

	if (fd >= 0) {
		nec_dial_free(TAKE_PTR(connection->dial));
		carry(connection, fd);
		return;
	}
	nec_warn(connection->gate->forward->context, "%s: the connection of %s was closed: %s",
		 connection->gate->name, peer_of(connection), err->message);
	remove_connection(connection, true);
}

static int dial(struct connection *connection, nec_error *err)
{
	struct gate *gate = connection->gate;
	struct nec_forward *forward = gate->forward;
	struct nec_dial_target target = { .wait_usec = forward->options.wait_usec };

	if (gate->route.kind == NEC_ROUTE_TO_ENCLAVE) {
		if (forward->cid == 0)
			return nec_error_set(err, NEC_E_VSOCK, -ECONNREFUSED,
					     "the enclave does not run at the moment");
		target.sockets_dir = forward->sockets_dir;
		target.cid = forward->cid;
		target.vsock_port = gate->route.vsock_port;
	} else if (gate->route.path[0]) {
		target.path = gate->route.path;
	} else {
		target.host = gate->route.host[0] ? gate->route.host : "127.0.0.1";
		target.tcp_port = gate->route.tcp_port;
	}
	return nec_dial_new(forward->loop, &target, on_dialled, connection, &connection->dial, err);
}

static void add_connection(struct gate *gate, int fd, const char *peer)
{
	struct nec_forward *forward = gate->forward;
	struct connection *connection = calloc(1, sizeof(*connection));
	nec_error err = NEC_ERROR_INIT;

	if (!connection) {
		nec_warn(forward->context, "%s: out of memory for a connection", gate->name);
		nec_tcp_close_with_reset(fd);
		return;
	}
	connection->gate = gate;
	connection->fd = fd;
	(void)snprintf(connection->peer, sizeof(connection->peer), "%s", peer);
	connection->next = forward->connections;
	connection->link = &forward->connections;
	if (connection->next)
		connection->next->link = &connection->next;
	forward->connections = connection;
	forward->connection_count++;
	nec_log(forward->context, "%s: a connection of %s", gate->name, peer_of(connection));
	if (gate->route.kind == NEC_ROUTE_ECHO)
		carry(connection, -1);
	else if (dial(connection, &err) < 0)
		on_dialled(connection, -1, &err);
}

static void remove_connection(struct connection *connection, bool broken)
{
	struct nec_forward *forward = connection->gate->forward;

	*connection->link = connection->next;
	if (connection->next)
		connection->next->link = connection->link;
	nec_dial_free(connection->dial);
	nec_pump_free(connection->pump);
	if (connection->fd >= 0 && broken)
		nec_tcp_close_with_reset(connection->fd);
	else if (connection->fd >= 0)
		(void)close(connection->fd);
	free(connection);
	forward->connection_count--;
	if (forward->paused)
		nec_source_set_timer(forward->resume, 0);
}

/* ---- listeners ---- */

/* Whether the one who came to a port of the parent may. */
static bool is_welcome(const struct gate *gate, uint64_t cid, char *peer, size_t size)
{
	const struct nec_forward *forward = gate->forward;

	if (cid)
		(void)snprintf(peer, size, "the enclave with CID %" PRIu64, cid);
	if (!forward->options.one_enclave || cid == 0 || cid == forward->cid)
		return true;
	nec_warn(forward->context, "%s: %s was refused: the route is another's", gate->name, peer);
	return false;
}

/* Returns the fd, or a negative errno. */
static int accept_one(struct gate *gate, char *peer, size_t size)
{
	struct sockaddr_storage address = { 0 };
	socklen_t address_size = sizeof(address);
	uint64_t cid = 0;
	int fd;

	if (gate->route.kind == NEC_ROUTE_TO_ENCLAVE) {
		fd = accept4(gate->listener.fd, (struct sockaddr *)&address, &address_size,
			     SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0)
			return -errno;
		nec_tcp_text(&address, peer);
		nec_tcp_tune(fd);
		return fd;
	}
	fd = nec_port_accept_now(&gate->listener, &cid);
	if (fd >= 0 && !is_welcome(gate, cid, peer, size)) {
		(void)close(fd);
		return -ECONNABORTED;
	}
	return fd;
}

/* Whether accept() failed because of the one who came, and not of us. */
static bool is_peers_fault(int r)
{
	return r != -EMFILE && r != -ENFILE && r != -ENOMEM && r != -ENOBUFS;
}

static void on_listener(void *userdata, uint32_t events)
{
	struct gate *gate = userdata;
	struct nec_forward *forward = gate->forward;

	(void)events;
	/* Somebody waits: this is not said when the last one that fits has come. */
	if (is_full(forward)) {
		warn_of_pause(forward, "the limit of connections is reached");
		pause_gates(forward, UINT64_MAX);
		return;
	}
	for (int i = 0; i < ACCEPTS_A_ROUND && !is_full(forward); i++) {
		char peer[NEC_TCP_TEXT_BYTES] = "";
		int fd = accept_one(gate, peer, sizeof(peer));

		if (fd >= 0) {
			add_connection(gate, fd, peer);
		} else if (fd == -EAGAIN) {
			return;
		} else if (!is_peers_fault(fd)) {
			/* It stays ready: without a pause the loop would spin. */
			warn_of_pause(forward, strerror(-fd));
			pause_gates(forward, pause_usec);
			return;
		}
	}
}

static int listen_for_gate(struct gate *gate, nec_error *err)
{
	const struct nec_route *route = &gate->route;

	if (route->kind != NEC_ROUTE_TO_ENCLAVE)
		return nec_port_listen(gate->forward->parent_dir, route->vsock_port,
				       &gate->listener, err);
	if (!route->path[0]) {
		gate->listener.fd = nec_tcp_listen(route->host, route->tcp_port, err);
		return gate->listener.fd < 0 ? gate->listener.fd : 0;
	}
	/* For its owner, as the sockets that ssh forwards. */
	gate->listener.fd = nec_listen_unix(route->path, 0600, err);
	if (gate->listener.fd < 0)
		return gate->listener.fd;
	(void)stat(route->path, &gate->file);
	return 0;
}

static void name_gate(struct gate *gate)
{
	const struct nec_route *route = &gate->route;
	struct sockaddr_storage address = { 0 };
	socklen_t size = sizeof(address);

	if (route->kind != NEC_ROUTE_TO_ENCLAVE)
		(void)snprintf(gate->name, sizeof(gate->name), "vsock:%" PRIu32, route->vsock_port);
	else if (route->path[0])
		(void)snprintf(gate->name, sizeof(gate->name), "%s", route->path);
	else if (getsockname(gate->listener.fd, (struct sockaddr *)&address, &size) == 0)
		nec_tcp_text(&address, gate->name);
}

static void free_gate(struct gate *gate)
{
	struct stat st;

	nec_source_free(gate->source);
	if (gate->file.st_ino && stat(gate->route.path, &st) == 0 &&
	    st.st_ino == gate->file.st_ino && st.st_dev == gate->file.st_dev)
		(void)unlink(gate->route.path);
	nec_port_listener_close(&gate->listener);
	free(gate);
}

int nec_forward_add(struct nec_forward *forward, const struct nec_route *route, nec_error *err)
{
	struct gate *gate = calloc(1, sizeof(*gate));
	int r;

	if (!gate)
		return nec_error_no_memory(err);
	gate->forward = forward;
	gate->route = *route;
	gate->listener = (struct nec_port_listener)NEC_PORT_LISTENER_INIT;
	r = listen_for_gate(gate, err);
	if (r == 0)
		r = nec_loop_add_fd(forward->loop, gate->listener.fd, EPOLLIN, on_listener, gate,
				    &gate->source, err);
	if (r < 0) {
		free_gate(gate);
		return r;
	}
	name_gate(gate);
	*forward->gates_end = gate;
	forward->gates_end = &gate->next;
	return 0;
}

/* ---- the whole ---- */

/* Whoever is let in needs a second descriptor for the other end. */
static void limit_connections(struct nec_forward *forward)
{
	struct rlimit limit;
	rlim_t most;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
		return;
	most = limit.rlim_cur > OTHER_DESCRIPTORS + 2 ? (limit.rlim_cur - OTHER_DESCRIPTORS) / 2
						      : 1;
	if (most >= forward->options.max_connections)
		return;
	nec_warn(forward->context,
		 "%ju connections fit instead of %u: the limit of open files is %ju (ulimit -n)",
		 (uintmax_t)most, forward->options.max_connections, (uintmax_t)limit.rlim_cur);
	forward->options.max_connections = (unsigned int)most;
}

int nec_forward_new(const nec_context *context, struct nec_loop *loop,
		    const struct nec_forward_options *options, struct nec_forward **ret,
		    nec_error *err)
{
	struct nec_forward *forward = calloc(1, sizeof(*forward));
	int r = 0;

	if (!forward)
		return nec_error_no_memory(err);
	forward->context = context;
	forward->loop = loop;
	forward->options = *options;
	forward->gates_end = &forward->gates;
	limit_connections(forward);
	if (options->parent_dir && !(forward->parent_dir = strdup(options->parent_dir)))
		r = nec_error_no_memory(err);
	if (r == 0)
		r = nec_loop_add_timer(loop, UINT64_MAX, open_gates, forward, &forward->resume,
				       err);
	if (r < 0) {
		nec_forward_free(forward);
		return r;
	}
	*ret = forward;
	return 0;
}

int nec_forward_set_enclave(struct nec_forward *forward, const char *sockets_dir, uint64_t cid,
			    nec_error *err)
{
	char *copy = strdup(sockets_dir);

	if (!copy)
		return nec_error_no_memory(err);
	/* Connections that are on their way know the folder by its old address. */
	for (struct connection *next = forward->connections; next;) {
		struct connection *connection = next;

		next = connection->next;
		if (connection->dial)
			remove_connection(connection, true);
	}
	free(forward->sockets_dir);
	forward->sockets_dir = copy;
	forward->cid = cid;
	return 0;
}

static void describe_end(const struct nec_forward *forward, const struct nec_route *route,
			 struct nec_buffer *text)
{
	const char *host = route->host[0] ? route->host : "127.0.0.1";

	if (route->kind == NEC_ROUTE_ECHO)
		nec_buffer_printf(text, "echo");
	else if (route->kind == NEC_ROUTE_TO_ENCLAVE)
		nec_buffer_printf(text, "vsock:%" PRIu64 ":%" PRIu32, forward->cid,
				  route->vsock_port);
	else if (route->path[0])
		nec_buffer_printf(text, "%s", route->path);
	else
		nec_buffer_printf(text, strchr(host, ':') ? "[%s]:%u" : "%s:%u", host,
				  route->tcp_port);
}

void nec_forward_describe(const struct nec_forward *forward, struct nec_buffer *text)
{
	for (const struct gate *gate = forward->gates; gate; gate = gate->next) {
		nec_buffer_printf(text, "%s -> ", gate->name);
		describe_end(forward, &gate->route, text);
		nec_buffer_printf(text, "\n");
	}
}

void nec_forward_free(struct nec_forward *forward)
{
	if (!forward)
		return;
	while (forward->connections)
		remove_connection(forward->connections, true);
	while (forward->gates) {
		struct gate *gate = forward->gates;

		forward->gates = gate->next;
		free_gate(gate);
	}
	nec_source_free(forward->resume);
	free(forward->parent_dir);
	free(forward->sockets_dir);
	free(forward);
}
