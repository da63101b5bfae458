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

enum {
	ANSWER_BYTES = 32, /* "OK 1073741824\n" */
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

/* The line that says yes. Byte by byte: what follows it belongs to the caller. */
static int read_answer(int fd, uint64_t cid, uint32_t port, const volatile int *cancel,
		       nec_error *err)
{
	uint64_t deadline = nec_loop_now() + answer_usec;
	char line[ANSWER_BYTES] = { 0 };
	size_t size = 0;

	do {
		int r = wait_readable(fd, deadline, cancel, err);
		ssize_t n = r < 0 ? r : read(fd, line + size, 1);

		if (r < 0)
			return r;
		if (n <= 0)
			return refused(cid, port, err);
		size++;
	} while (line[size - 1] != '\n' && size < sizeof(line));
	if (strncmp(line, "OK ", 3) != 0 || line[size - 1] != '\n')
		return nec_error_set(err, NEC_E_VSOCK, -EPROTO,
				     "the simulation's socket gave an answer that is none");
	return 0;
}

static int connect_simulated(const struct nec_path *path, uint64_t cid, uint32_t port,
			     const volatile int *cancel, nec_error *err)
{
	cleanup_close int fd = nec_connect_unix(path->text);
	char line[ANSWER_BYTES];
	int r = fd;
	int size = snprintf(line, sizeof(line), "CONNECT %" PRIu32 "\n", port);

	if (r >= 0 && send(fd, line, (size_t)size, MSG_NOSIGNAL) != size)
		r = -errno;
	if (r < 0)
		return nec_error_set_system(err, NEC_E_VSOCK, r,
					    "cannot reach the enclave with CID %" PRIu64, cid);
	r = read_answer(fd, cid, port, cancel, err);
	return r < 0 ? r : TAKE_FD(fd);
}

/* The kernel waits two seconds at the most. */
static int connect_vsock(uint64_t cid, uint32_t port, nec_error *err)
{
	const struct sockaddr_vm address = {
		.svm_family = AF_VSOCK,
		.svm_cid = (uint32_t)cid,
		.svm_port = port,
	};
	cleanup_close int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return nec_error_set_system(err, NEC_E_VSOCK, -errno,
					    "this machine has no vsock sockets");
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return TAKE_FD(fd);
	if (errno == ECONNRESET || errno == ECONNREFUSED)
		return refused(cid, port, err);
	return nec_error_set_system(err, NEC_E_VSOCK, -errno,
				    "cannot connect to CID %" PRIu64 ", port %" PRIu32, cid, port);
}

int nec_port_connect(const char *sockets_dir, uint64_t cid, uint32_t port,
		     const volatile int *cancel, nec_error *err)
{
	struct nec_path path;
	int r = nec_path_socket(&path, err, "%s/" NEC_SIM_DIR "/%" PRIu64 ".vsock", sockets_dir,
				cid);

	if (r < 0)
		return r;
	if (access(path.text, F_OK) == 0)
		return connect_simulated(&path, cid, port, cancel, err);
	return connect_vsock(cid, port, err);
}

static int listen_vsock(uint32_t port, nec_error *err)
{
	const struct sockaddr_vm address = {
		.svm_family = AF_VSOCK,
		.svm_cid = VMADDR_CID_ANY,
		.svm_port = port,
	};
	cleanup_close int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

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
		r = nec_path_socket(path, err, "%s/" NEC_SIM_DIR "/parent_%" PRIu32, sockets_dir,
				    port);
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

void nec_port_listener_close(struct nec_port_listener *listener)
{
	if (listener->fd < 0)
		return;
	if (listener->path.text[0])
		(void)unlink(listener->path.text);
	(void)close(listener->fd);
	*listener = (struct nec_port_listener)NEC_PORT_LISTENER_INIT;
}
