/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Routes between ports of an enclave and TCP ports or Unix sockets of this machine: many routes and
 * connections in one event loop.
 */
#ifndef NEC_ENCLAVE_FORWARD_H
#define NEC_ENCLAVE_FORWARD_H

#include "base/buffer.h"
#include "base/loop.h"
#include "enclave/route.h"

struct nec_forward;

struct nec_forward_options {
	const char *parent_dir; /* the sockets directory whose simulated enclaves connect to ports
				   of the parent; NULL: the device's */
	unsigned int max_connections; /* further ones wait in the kernel */
	uint64_t wait_usec; /* how long each connection is tried again while it is refused */
	bool one_enclave;   /* ports of the parent are for the enclave of nec_forward_set_enclave()
			       only */
};

/* Failures of single connections are warnings of @context (may be NULL), the rest its log lines. */
int nec_forward_new(const nec_context *context, struct nec_loop *loop,
		    const struct nec_forward_options *options, struct nec_forward **ret,
		    nec_error *err);

/* Opens the listener of a route. Returns 0, or a negative errno (NEC_E_SYSTEM, NEC_E_VSOCK). */
int nec_forward_add(struct nec_forward *forward, const struct nec_route *route, nec_error *err);

/* The enclave that connections go to from now on (see port.h); CID 0: there is none at the moment.
 */
int nec_forward_set_enclave(struct nec_forward *forward, const char *sockets_dir, uint64_t cid,
			    nec_error *err);

/* One line a route, in the order in which they were added: where it listens and where it leads. */
void nec_forward_describe(const struct nec_forward *forward, struct nec_buffer *text);

/* Ends every connection and closes every listener. Accepts NULL. */
void nec_forward_free(struct nec_forward *forward);

#endif
