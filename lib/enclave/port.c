/* SPDX-License-Identifier: Apache-2.0 */
/* Connections to and from enclaves: Unix sockets of the simulation, AF_VSOCK else. */
#include "enclave/port.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/vm_sockets.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/loop.h"
#include "enclave/paths.h"
#include "sim/vsock-name.h"

enum {
	ANSWER_BYTES = 32, /* "CONNECT 4294967295\n" */
	CANCEL_MSEC = 500, /* a signal that comes just before poll() is noticed after this time */
	LISTEN_BACKLOG = 64,
};

/* An enclave answers at once, also with a refusal; an emulated one that is busy may need longer. */
static const uint64_t answer_usec = 30000000;

/* Waits until @fd can be read. Returns 0 or a negative errno. */
static int wait_readable(int fd, uint64_t deadline, const volatile int *cancel, nec_error *err)
{
	struct pollfd ready = { .fd = fd, .events = POLLIN };

	for (;;) {
		int r = poll(&ready, 1, CANCEL_MSEC);

		if (cancel && *cancel)
			return nec_error_set(err, NEC_E_CANCELLED, -ECANCELED, "interrupted");
		if (r > 0)
			return 0;
		if (r < 0 && errno != EINTR)
			return nec_error_set_system(err, NEC_E_SYSTEM, -errno,
						    "cannot wait for a connection");
		if (nec_loop_now() >= deadline)
			return nec_error_set(err, NEC_E_VSOCK, -ETIMEDOUT,
					     "the enclave does not answer");
	}
}

static int refused(uint64_t cid, uint32_t port, nec_error *err)
{
	(void)nec_error_set(err, NEC_E_VSOCK, -ECONNREFUSED,
			    "nobody listens at port %" PRIu32 " of the enclave with CID %" PRIu64,
			    port, cid);
	nec_error_set_hint(err, "Its program may not be ready yet, or may have ended: look at its "
				"console.");
	return -ECONNREFUSED;
}

/*
 * The line that says yes, as much of it as is there. Byte by byte: what follows belongs to the
 * caller.
 */
static int read_answer(struct nec_port_start *start, int fd, nec_error *err)
{
	char *line = start->line;

	do {
		ssize_t n = recv(fd, line + start->size, 1, MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return 0;
		if (n <= 0)
			return refused(start->cid, start->port, err);
		start->size++;
	} while (line[start->size - 1] != '\n' && start->size < sizeof(start->line));
	if (strncmp(line, "OK ", 3) != 0 || line[start->size - 1] != '\n')
		return nec_error_set(err, NEC_E_VSOCK, -EPROTO,
				     "the simulation's socket gave an answer that is none");
	return 1;
}

static int start_simulated(const struct nec_path *path, int type, struct nec_port_start *start,
			   nec_error *err)
{
	cleanup_close int fd = nec_connect_unix_type(path->text, SOCK_STREAM | type);
	char line[ANSWER_BYTES];
	int size = snprintf(line, sizeof(line), "CONNECT %" PRIu32 "\n", start->port);
	int r = fd;

	if (r >= 0 && send(fd, line, (size_t)size, MSG_NOSIGNAL) != size)
		r = -errno;
	if (r < 0)
		return nec_error_set_system(err, NEC_E_VSOCK, r,
					    "cannot reach the enclave with CID %" PRIu64,
					    start->cid);
	return TAKE_FD(fd);
}

static int connect_simulated(const struct nec_path *path, uint64_t cid, uint32_t port,
			     const volatile int *cancel, nec_error *err)
{
	struct nec_port_start start = { .cid = cid, .port = port, .simulated = true };
	uint64_t deadline = nec_loop_now() + answer_usec;
	cleanup_close int fd = start_simulated(path, 0, &start, err);
	int r = fd < 0 ? fd : 0;

	while (r == 0) {
		r = wait_readable(fd, deadline, cancel, err);
		if (r == 0)
			r = read_answer(&start, fd, err);
	}
	return r < 0 ? r : TAKE_FD(fd);
}

static int vsock_failed(uint64_t cid, uint32_t port, int r, nec_error *err)
{
	if (r == -ECONNRESET || r == -ECONNREFUSED)
		return refused(cid, port, err);
	return nec_error_set_system(err, NEC_E_VSOCK, r,
				    "cannot connect to CID %" PRIu64 ", port %" PRIu32, cid, port);
}

/* The kernel waits two seconds at the most. */
static int connect_vsock(uint64_t cid, uint32_t port, int type, nec_error *err)
{
	const struct sockaddr_vm address = {
		.svm_family = AF_VSOCK,
		.svm_cid = (uint32_t)cid,
		.svm_port = port,
	};
	cleanup_close int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | type, 0);

	if (fd < 0)
		return nec_error_set_system(err, NEC_E_VSOCK, -errno,
					    "this machine has no vsock sockets");
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 &&
	    errno != EINPROGRESS)
		return vsock_failed(cid, port, -errno, err);
	return TAKE_FD(fd);
}

int nec_port_connect(const char *sockets_dir, uint64_t cid, uint32_t port,
		     const volatile int *cancel, nec_error *err)
{
	struct nec_path path = { { 0 } };
	int r = nec_sim_socket_find(sockets_dir, cid, &path, err);

	if (r < 0)
		return r;
	return r ? connect_simulated(&path, cid, port, cancel, err)
		 : connect_vsock(cid, port, 0, err);
}

int nec_port_start(const char *sockets_dir, uint64_t cid, uint32_t port, struct nec_port_start *ret,
		   nec_error *err)
{
	struct nec_path path = { { 0 } };
	int r = nec_sim_socket_find(sockets_dir, cid, &path, err);

	if (r < 0)
		return r;
	*ret = (struct nec_port_start){ .cid = cid, .port = port, .simulated = r == 1 };
	return r ? start_simulated(&path, SOCK_NONBLOCK, ret, err)
		 : connect_vsock(cid, port, SOCK_NONBLOCK, err);
}

int nec_port_proceed(struct nec_port_start *start, int fd, nec_error *err)
{
	int error = 0;
	socklen_t size = sizeof(error);

	if (start->simulated)
		return read_answer(start, fd, err);
	(void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
	return error ? vsock_failed(start->cid, start->port, -error, err) : 1;
}

static int listen_vsock(uint32_t port, nec_error *err)
{
	const struct sockaddr_vm address = {
		.svm_family = AF_VSOCK,
		.svm_cid = VMADDR_CID_ANY,
		.svm_port = port,
	};
	cleanup_close int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, LISTEN_BACKLOG) < 0)
		return nec_error_set_system(err, NEC_E_VSOCK, -errno,
					    "cannot listen at vsock port %" PRIu32, port);
	return TAKE_FD(fd);
}

/* 0660 as the socket in the other direction: whoever may run enclaves here. */
static int listen_simulated(const char *sockets_dir, uint32_t port, struct nec_path *path,
			    nec_error *err)
{
	int r = nec_sockets_dir_make(sockets_dir, err);

	if (r == 0)
		r = nec_path_socket(path, err, "%s/" NEC_SIM_DIR "/parent_%" PRIu32,
				    nec_state_dir(sockets_dir), port);
	return r < 0 ? r : nec_listen_unix(path->text, 0660, err);
}

int nec_port_listen(const char *sockets_dir, uint32_t port, struct nec_port_listener *ret,
		    nec_error *err)
{
	struct nec_port_listener listener = NEC_PORT_LISTENER_INIT;

	if (sockets_dir)
		listener.fd = listen_simulated(sockets_dir, port, &listener.path, err);
	else
		listener.fd = listen_vsock(port, err);
	if (listener.fd < 0)
		return listener.fd;
	*ret = listener;
	return 0;
}

int nec_port_accept(const struct nec_port_listener *listener, const volatile int *cancel,
		    nec_error *err)
{
	for (;;) {
		int r = wait_readable(listener->fd, UINT64_MAX, cancel, err);
		int fd = r < 0 ? r : accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC);

		if (r < 0)
			return r;
		if (fd >= 0)
			return fd;
		/* It may have gone again before it was taken. */
		if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
			return nec_error_set_system(err, NEC_E_VSOCK, -errno,
						    "cannot accept a connection");
	}
}

/* The simulation's sockets have names that tell; other programs of this machine may have none. */
static uint64_t cid_of(const struct sockaddr_storage *address, socklen_t size)
{
	struct nec_vsock_name name;

	if (address->ss_family == AF_VSOCK)
		return ((const struct sockaddr_vm *)address)->svm_cid;
	return nec_vsock_name_parse((const struct sockaddr_un *)address, size, &name) ? name.cid
										      : 0;
}

int nec_port_accept_now(const struct nec_port_listener *listener, uint64_t *ret_cid)
{
	struct sockaddr_storage address = { 0 };
	socklen_t size = sizeof(address);
	int fd = accept4(listener->fd, (struct sockaddr *)&address, &size,
			 SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return -errno;
	*ret_cid = cid_of(&address, size);
	return fd;
}

void nec_port_listener_close(struct nec_port_listener *listener)
{
	if (listener->fd < 0)
		return;
	if (listener->path.text[0])
		(void)unlink(listener->path.text);
	(void)close(listener->fd);
	*listener = (struct nec_port_listener)NEC_PORT_LISTENER_INIT;
}
