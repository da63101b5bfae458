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

/* Accepts one that was never opened. */
void nec_port_listener_close(struct nec_port_listener *listener);

#endif
