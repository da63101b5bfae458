/* SPDX-License-Identifier: Apache-2.0 */
/* Connecting in an event loop: to a port of an enclave, a TCP port, or a Unix socket. */
#ifndef NEC_ENCLAVE_DIAL_H
#define NEC_ENCLAVE_DIAL_H

#include "base/loop.h"

struct nec_dial;

/* Where to. The texts must live as long as the dial. */
struct nec_dial_target {
	const char *path;        /* a Unix socket; or */
	const char *host;        /* an address or name, with @tcp_port; or */
	const char *sockets_dir; /* port @vsock_port of the enclave with @cid, see port.h */
	uint64_t cid;
	uint32_t vsock_port;
	uint16_t tcp_port;
	uint64_t wait_usec; /* how long to try again while nobody listens there */
};

/* Called once. @fd: connected, non-blocking and the callee's; or a negative errno with @err set.
 * The dial is to be freed, now or later. */
typedef void (*nec_dial_done_fn)(void *userdata, int fd, const nec_error *err);

/* Returns 0, -ENOMEM, or another negative errno. @done is never called from within. */
int nec_dial_new(struct nec_loop *loop, const struct nec_dial_target *target, nec_dial_done_fn done,
		 void *userdata, struct nec_dial **ret, nec_error *err);

/* Accepts NULL. */
void nec_dial_free(struct nec_dial *dial);

#endif
