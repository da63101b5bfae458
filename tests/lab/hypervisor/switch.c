/* SPDX-License-Identifier: Apache-2.0 */
/* Who reaches whom. */
#include "switch.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/listener.h"
#include "base/unix-socket.h"
#include "sim/callers.h"
#include "sim/vhost-user.h"

/* A guest and its device. */
struct port {
	struct lab_switch *owner;
	struct port *next;
	uint64_t cid;
	uint64_t number; /* no two ports of a switch ever have the same */
	struct nec_vsock *vsock;
	char *console_path;
};

struct lab_switch {
	struct nec_loop *loop;
	char *dir;
	struct port *ports; /* the parent's is the last */
	uint64_t next_number;
	struct port *parent;
	struct nec_path front_path; /* where the parent VM's front end connects */
	int front_fd;
	struct nec_listener *front;
	struct nec_vhost_user *parent_end; /* NULL while there is none */
	struct nec_callers *callers;
};

/* A guest's call that waits for what another guest says. */
struct join {
	struct lab_switch *owner;
	uint64_t from; /* the port it came from, which may be gone by then */
	struct nec_vsock_call call;
};

static struct port *find(const struct lab_switch *lab_switch, uint64_t cid)
{
	struct port *port = lab_switch->ports;

	while (port && port->cid != cid)
		port = port->next;
	return port;
}

static struct port *find_number(const struct lab_switch *lab_switch, uint64_t number)
{
	struct port *port = lab_switch->ports;

	while (port && port->number != number)
		port = port->next;
	return port;
}

struct nec_vsock *lab_switch_get_parent(struct lab_switch *lab_switch)
{
	return lab_switch->parent->vsock;
}

/* ---- between guests ---- */

/* A refusal needs no words: the socket's other end, with the caller's device, hangs up. */
static void on_joined(void *userdata, int fd, int result)
{
	struct join *join = userdata;
	struct port *from = result == 0 ? find_number(join->owner, join->from) : NULL;

	(void)fd;
	if (from)
		nec_vsock_answer(from->vsock, &join->call);
	free(join);
}

/* Returns the caller's end of a connection that the guest behind @to is asked for. */
static int join_guests(const struct port *from, const struct port *to,
		       const struct nec_vsock_call *call)
{
	const struct nec_vsock_call onward = {
		.cid = from->cid,
		.port = call->guest_port,
		.guest_port = call->port,
		.seqpacket = call->seqpacket,
	};
	int type = (call->seqpacket ? SOCK_SEQPACKET : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC;
	struct join *join = malloc(sizeof(*join));
	int pair[2];
	int r;

	if (!join)
		return -ENOMEM;
	*join = (struct join){ .owner = from->owner, .from = from->number, .call = *call };
	r = socketpair(AF_UNIX, type, 0, pair) < 0 ? -errno : 0;
	if (r == 0) {
		r = nec_vsock_connect(to->vsock, pair[1], &onward, on_joined, join, NULL);
		if (r == 0)
			return pair[0];
		(void)close(pair[0]);
		(void)close(pair[1]);
	}
	free(join);
	return r;
}

static int on_enclave_call(void *userdata, const struct nec_vsock_call *call, bool *hold)
{
	const struct port *from = userdata;

	if (call->cid != NEC_VSOCK_PARENT_CID)
		return -ECONNREFUSED;
	*hold = true;
	return join_guests(from, from->owner->parent, call);
}

/* ---- from the parent ---- */

static int connect_path(const char *path, bool seqpacket)
{
	return nec_connect_unix_type(path,
				     (seqpacket ? SOCK_SEQPACKET : SOCK_STREAM) | SOCK_NONBLOCK);
}

static int connect_console(const struct lab_switch *lab_switch, const struct nec_vsock_call *call)
{
	const struct port *port = NULL;

	if (call->port > LAB_CONSOLE_PORT)
		port = find(lab_switch, call->port - LAB_CONSOLE_PORT);
	return port && port->console_path ? connect_path(port->console_path, call->seqpacket)
					  : -ECONNREFUSED;
}

static int connect_host(const struct lab_switch *lab_switch, const struct nec_vsock_call *call)
{
	struct nec_path path;

	if (nec_path_socket(&path, NULL, "%s/host_%" PRIu32, lab_switch->dir, call->port) < 0)
		return -ENAMETOOLONG;
	return connect_path(path.text, call->seqpacket);
}

static int on_parent_call(void *userdata, const struct nec_vsock_call *call, bool *hold)
{
	const struct port *parent = userdata;
	const struct port *to;

	if (call->cid == LAB_HYPERVISOR_CID)
		return connect_console(parent->owner, call);
	if (call->cid == LAB_HOST_CID)
		return connect_host(parent->owner, call);
	to = find(parent->owner, call->cid);
	if (!to || to == parent)
		return -ECONNREFUSED;
	*hold = true;
	return join_guests(parent, to, call);
}

/* ---- ports ---- */

static void free_port(struct port *port)
{
	nec_vsock_free(port->vsock);
	free(port->console_path);
	free(port);
}

static int add_port(struct lab_switch *lab_switch, uint64_t cid, const char *console_path,
		    struct port **ret, nec_error *err)
{
	bool parent = cid == NEC_VSOCK_PARENT_CID;
	struct port *port = calloc(1, sizeof(*port));
	const struct nec_vsock_host host = {
		.userdata = port,
		.connect = parent ? on_parent_call : on_enclave_call,
	};
	int r;

	if (!port)
		return nec_error_no_memory(err);
	port->owner = lab_switch;
	port->cid = cid;
	port->number = lab_switch->next_number++;
	port->console_path = console_path ? strdup(console_path) : NULL;
	r = console_path && !port->console_path
		    ? nec_error_no_memory(err)
		    : nec_vsock_new(lab_switch->loop, cid, &host, &port->vsock, err);
	if (r < 0) {
		free_port(port);
		return r;
	}
	port->next = lab_switch->ports;
	lab_switch->ports = port;
	*ret = port;
	return 0;
}

int lab_switch_add(struct lab_switch *lab_switch, uint64_t cid, const char *console_path,
		   struct nec_vsock **ret_vsock, nec_error *err)
{
	struct port *port = NULL;
	int r;

	if (cid <= NEC_VSOCK_PARENT_CID || cid >= UINT32_MAX)
		return nec_error_set(err, NEC_E_INVALID_ARGUMENT, -EINVAL,
				     "no enclave can have CID %" PRIu64, cid);
	if (find(lab_switch, cid))
		return nec_error_set(err, NEC_E_SYSTEM, -EEXIST, "CID %" PRIu64 " is in use", cid);
	r = add_port(lab_switch, cid, console_path, &port, err);
	if (r == 0)
		*ret_vsock = port->vsock;
	return r;
}

/* Out of the list first: the ends of its connections may look who is there. */
void lab_switch_remove(struct lab_switch *lab_switch, uint64_t cid)
{
	struct port **link = &lab_switch->ports;
	struct port *port;

	while (*link && (*link)->cid != cid)
		link = &(*link)->next;
	port = *link;
	if (!port)
		return;
	*link = port->next;
	free_port(port);
}

/* ---- the parent VM's front end ---- */

static void on_front_ended(void *userdata, const nec_error *err)
{
	struct lab_switch *lab_switch = userdata;

	if (err)
		(void)fprintf(stderr, "lab: the parent VM's vsock device: %s\n", err->message);
	nec_vhost_user_free(TAKE_PTR(lab_switch->parent_end));
}

/* A VM that was killed may come back before its end was noticed. */
static void on_front(void *userdata, int fd)
{
	struct lab_switch *lab_switch = userdata;
	nec_error err = NEC_ERROR_INIT;

	nec_vhost_user_free(TAKE_PTR(lab_switch->parent_end));
	if (nec_vhost_user_new(lab_switch->loop, fd, lab_switch->parent->vsock,
			       NEC_VSOCK_PARENT_CID, on_front_ended, lab_switch,
			       &lab_switch->parent_end, &err) == 0)
		return;
	(void)fprintf(stderr, "lab: the parent VM's vsock device: %s\n", err.message);
	(void)close(fd);
}

static int listen_for_front(struct lab_switch *lab_switch, nec_error *err)
{
	int r = nec_path_socket(&lab_switch->front_path, err, "%s/vsock.sock", lab_switch->dir);

	if (r < 0)
		return r;
	lab_switch->front_fd = nec_listen_unix(lab_switch->front_path.text, 0660, err);
	if (lab_switch->front_fd < 0)
		return lab_switch->front_fd;
	return nec_listener_new(lab_switch->loop, lab_switch->front_fd, on_front, lab_switch,
				&lab_switch->front, err);
}

static int begin(struct lab_switch *lab_switch, nec_error *err)
{
	struct nec_path path;
	int r = add_port(lab_switch, NEC_VSOCK_PARENT_CID, NULL, &lab_switch->parent, err);

	if (r == 0)
		r = listen_for_front(lab_switch, err);
	if (r == 0)
		r = nec_path_socket(&path, err, "%s/%d.vsock", lab_switch->dir,
				    NEC_VSOCK_PARENT_CID);
	if (r == 0)
		r = nec_callers_new(lab_switch->loop, path.text, lab_switch->parent->vsock,
				    LAB_HOST_CID, &lab_switch->callers, err);
	return r;
}

int lab_switch_new(struct nec_loop *loop, const char *dir, struct lab_switch **ret, nec_error *err)
{
	struct lab_switch *lab_switch = calloc(1, sizeof(*lab_switch));
	int r;

	if (!lab_switch)
		return nec_error_no_memory(err);
	lab_switch->loop = loop;
	lab_switch->front_fd = -1;
	lab_switch->dir = strdup(dir);
	r = lab_switch->dir ? begin(lab_switch, err) : nec_error_no_memory(err);
	if (r < 0) {
		lab_switch_free(lab_switch);
		return r;
	}
	*ret = lab_switch;
	return 0;
}

void lab_switch_free(struct lab_switch *lab_switch)
{
	if (!lab_switch)
		return;
	nec_callers_free(lab_switch->callers);
	nec_listener_free(lab_switch->front);
	if (lab_switch->front_fd >= 0) {
		(void)unlink(lab_switch->front_path.text);
		(void)close(lab_switch->front_fd);
	}
	nec_vhost_user_free(lab_switch->parent_end);
	while (lab_switch->ports)
		lab_switch_remove(lab_switch, lab_switch->ports->cid);
	free(lab_switch->dir);
	free(lab_switch);
}
