/* SPDX-License-Identifier: Apache-2.0 */
/* Stream connections over vsock between programs of the parent instance and enclaves, of either
 * backend. */
#ifndef NEC_ENCLAVE_PORT_H
#define NEC_ENCLAVE_PORT_H

#include <stdint.h>

#include "base/unix-socket.h"

/*
 * Connects to @port of the enclave with @cid: through the simulation's socket if @sockets_dir has
 * one for it, else by AF_VSOCK. Returns the fd, -ECANCELED (NEC_E_CANCELLED), or a negative errno
 * (NEC_E_VSOCK).
 */
int nec_port_connect(const char *sockets_dir, uint64_t cid, uint32_t port,
		     const volatile int *cancel, nec_error *err);

/*
 * The same in steps, for an event loop: nec_port_start() gives a non-blocking socket. When it can
 * be written (AF_VSOCK) or read (simulation), nec_port_proceed() says whether the connection
 * stands.
 */
struct nec_port_start {
	uint64_t cid;
	uint32_t port;
	bool simulated;
	uint8_t size; /* of the answer so far */
	char line[32];
};

/* Returns the fd; -EAGAIN when the simulation has too many to serve at the moment; or a negative
 * errno (NEC_E_VSOCK). */
int nec_port_start(const char *sockets_dir, uint64_t cid, uint32_t port, struct nec_port_start *ret,
		   nec_error *err);

/* Returns 1 when it stands, 0 when there is more to wait for, -ECONNREFUSED, or a negative errno
 * (NEC_E_VSOCK). */
int nec_port_proceed(struct nec_port_start *start, int fd, nec_error *err);

/* A port of the parent where enclaves connect to. */
struct nec_port_listener {
	int fd;
	struct nec_path path; /* of the simulation's socket; empty for AF_VSOCK */
};
#define NEC_PORT_LISTENER_INIT \
	{                      \
		.fd = -1       \
	}

/*
 * Listens at @port for the simulation's enclaves, for those of @sockets_dir, or with NULL by
 * AF_VSOCK for the device's. Returns 0, or a negative errno (NEC_E_VSOCK).
 */
int nec_port_listen(const char *sockets_dir, uint32_t port, struct nec_port_listener *ret,
		    nec_error *err);

/* The next connection. Returns the fd, -ECANCELED (NEC_E_CANCELLED), or a negative errno. */
int nec_port_accept(const struct nec_port_listener *listener, const volatile int *cancel,
		    nec_error *err);

/* One that waits already, non-blocking. Returns the fd, or a negative errno: -EAGAIN when none
 * does. *ret_cid: the enclave's, or 0 when that cannot be known. */
int nec_port_accept_now(const struct nec_port_listener *listener, uint64_t *ret_cid);

/* Accepts one that was never opened. */
void nec_port_listener_close(struct nec_port_listener *listener);

#endif
