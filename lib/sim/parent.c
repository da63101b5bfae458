/* SPDX-License-Identifier: Apache-2.0 */
/* The parent instance: heartbeat, Unix sockets, vsock loopback. */
#include "sim/parent.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/vm_sockets.h>

#include "base/error.h"
#include "base/unix-socket.h"
#include "sim/callers.h"
#include "sim/vsock-name.h"

enum {
	HEARTBEAT_PORT = 9000,
	HEARTBEAT_BYTE = 0xb7,
};

struct nec_parent {
	struct nec_loop *loop;
	struct nec_vsock *vsock;
	char *dir;
	uint64_t cid;
	struct nec_callers *callers;
	uint32_t named;   /* sockets that were given names so far */
	int heartbeat_fd; /* our end while the guest's is open */
	struct nec_source *heartbeat_source;
	nec_heartbeat_fn heartbeat;
	void *userdata;
	struct nec_parent_fault fault;
	struct nec_source *late; /* the report of a heartbeat that is held back */
};

struct nec_vsock *nec_parent_get_vsock(struct nec_parent *parent)
{
	return parent->vsock;
}

static void end_heartbeat(struct nec_parent *parent)
{
	nec_source_free(TAKE_PTR(parent->heartbeat_source));
	if (parent->heartbeat_fd >= 0)
		(void)close(TAKE_FD(parent->heartbeat_fd));
}

/* Once: from here on the port belongs to the parent's programs, as on the hardware. */
static void report_heartbeat(struct nec_parent *parent)
{
	nec_heartbeat_fn report = parent->heartbeat;

	parent->heartbeat = NULL;
	if (report && !parent->fault.missing)
		report(parent->userdata);
}

static void on_late(void *userdata, uint32_t events)
{
	(void)events;
	report_heartbeat(userdata);
}

static void on_heartbeat(void *userdata, uint32_t events)
{
	struct nec_parent *parent = userdata;
	uint8_t byte = 0;
	ssize_t n = read(parent->heartbeat_fd, &byte, 1);
	bool good;

	(void)events;
	if (n < 0 && errno == EAGAIN)
		return;
	if (parent->fault.wrong)
		byte = (uint8_t)~byte;
	good = n == 1 && byte == HEARTBEAT_BYTE &&
	       send(parent->heartbeat_fd, &byte, 1, MSG_NOSIGNAL) == 1;
	/* The guest reads the answer from the device; our end is not needed for that. */
	end_heartbeat(parent);
	if (!good)
		return;
	if (parent->late)
		nec_source_set_timer(parent->late, parent->fault.late_usec);
	else
		report_heartbeat(parent);
}

static int open_heartbeat(struct nec_parent *parent)
{
	int pair[2];

	if (parent->heartbeat_fd >= 0)
		return -ECONNREFUSED; /* one at a time, as on the hardware */
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	if (nec_loop_add_fd(parent->loop, pair[0], EPOLLIN, on_heartbeat, parent,
			    &parent->heartbeat_source, NULL) < 0) {
		(void)close(pair[0]);
		(void)close(pair[1]);
		return -ENOMEM;
	}
	parent->heartbeat_fd = pair[0];
	return pair[1];
}

/* By its name a listener sees which enclave comes; one that cannot be named comes all the same. */
static void name_socket(struct nec_parent *parent, int fd, uint32_t port)
{
	const struct nec_vsock_name name = { .cid = (uint32_t)parent->cid,
					     .peer_cid = NEC_VSOCK_PARENT_CID,
					     .peer_port = port };
	struct sockaddr_un address;
	socklen_t size = nec_vsock_name_make(&name, (uint32_t)getpid(), parent->named++, &address);

	(void)!bind(fd, (struct sockaddr *)&address, size);
}

static int open_unix(struct nec_parent *parent, uint32_t port, bool seqpacket)
{
	int type = (seqpacket ? SOCK_SEQPACKET : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC;
	cleanup_close int fd = socket(AF_UNIX, type, 0);
	struct nec_path path;
	int r;

	if (fd < 0)
		return -errno;
	if (nec_path_socket(&path, NULL, "%s/parent_%" PRIu32, parent->dir, port) < 0)
		return -ENAMETOOLONG;
	name_socket(parent, fd, port);
	r = nec_connect_unix_fd(fd, path.text);
	return r < 0 ? r : TAKE_FD(fd);
}

/* Programs that use AF_VSOCK unchanged listen on any CID; loopback is CID 1. */
static int open_loopback(uint32_t port, bool seqpacket)
{
	const struct sockaddr_vm here = {
		.svm_family = AF_VSOCK,
		.svm_cid = VMADDR_CID_LOCAL,
		.svm_port = VMADDR_PORT_ANY,
	};
	const struct sockaddr_vm address = {
		.svm_family = AF_VSOCK,
		.svm_cid = VMADDR_CID_LOCAL,
		.svm_port = port,
	};
	cleanup_close int fd = socket(
		AF_VSOCK, (seqpacket ? SOCK_SEQPACKET : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC,
		0);

	if (fd < 0)
		return -errno;
	/*
	 * Without loopback the kernel of a virtual machine would ask the hypervisor for CID 1, and
	 * the enclave would wait for a time-out instead of being refused. CID 1 can be bound only
	 * where there is loopback.
	 */
	if (bind(fd, (const struct sockaddr *)&here, sizeof(here)) < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 &&
	    errno != EINPROGRESS)
		return -errno;
	return TAKE_FD(fd);
}

static int on_guest_connect(void *userdata, const struct nec_vsock_call *call, bool *hold)
{
	struct nec_parent *parent = userdata;
	int fd;

	(void)hold;
	/* Enclaves of one parent do not reach each other: the parent is all there is. */
	if (call->cid != NEC_VSOCK_PARENT_CID)
		return -ECONNREFUSED;
	if (call->port == HEARTBEAT_PORT && parent->heartbeat && !call->seqpacket)
		return open_heartbeat(parent);
	fd = open_unix(parent, call->port, call->seqpacket);
	return fd >= 0 ? fd : open_loopback(call->port, call->seqpacket);
}

int nec_parent_new(struct nec_loop *loop, const char *dir, uint64_t cid, nec_heartbeat_fn heartbeat,
		   void *userdata, struct nec_parent **ret, nec_error *err)
{
	struct nec_parent *parent = calloc(1, sizeof(*parent));
	struct nec_vsock_host host = { .userdata = parent, .connect = on_guest_connect };
	struct nec_path path;
	int r;

	if (!parent)
		return nec_error_no_memory(err);
	parent->loop = loop;
	parent->cid = cid;
	parent->heartbeat_fd = -1;
	parent->heartbeat = heartbeat;
	parent->userdata = userdata;
	parent->dir = strdup(dir);
	r = parent->dir ? nec_path_socket(&path, err, "%s/%" PRIu64 ".vsock", dir, cid)
			: nec_error_no_memory(err);
	if (r == 0)
		r = nec_vsock_new(loop, cid, &host, &parent->vsock, err);
	if (r == 0)
		r = nec_callers_new(loop, path.text, parent->vsock, NEC_VSOCK_PARENT_CID,
				    &parent->callers, err);
	if (r < 0) {
		nec_parent_free(parent);
		return r;
	}
	*ret = parent;
	return 0;
}

int nec_parent_set_fault(struct nec_parent *parent, const struct nec_parent_fault *fault,
			 nec_error *err)
{
	parent->fault = *fault;
	if (fault->late_usec == 0)
		return 0;
	return nec_loop_add_timer(parent->loop, UINT64_MAX, on_late, parent, &parent->late, err);
}

void nec_parent_free(struct nec_parent *parent)
{
	if (!parent)
		return;
	nec_source_free(parent->late);
	nec_callers_free(parent->callers);
	end_heartbeat(parent);
	nec_vsock_free(parent->vsock);
	free(parent->dir);
	free(parent);
}
