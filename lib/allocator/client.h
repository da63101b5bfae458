/* SPDX-License-Identifier: Apache-2.0 */
/* Asking nec-allocatord. */
#ifndef NEC_ALLOCATOR_CLIENT_H
#define NEC_ALLOCATOR_CLIENT_H

#include "allocator/protocol.h"

/* $NEC_ALLOCATOR_SOCKET, else NEC_ALLOCATOR_SOCKET. */
const char *nec_allocator_socket(void);

/**
 * nec_allocator_ask() - send one request, and wait for its result
 * @context: gets progress and warnings. When its cancel flag is raised, the daemon is told, and
 *           what it then answers is waited for, but not for ever: it undoes what it has done
 * @socket:  the daemon's, which must be root's or our own user's
 * @ret:     the result, to be released with nec_json_free()
 *
 * Returns 0; -ENOENT (NEC_E_ALLOCATOR_DAEMON: no daemon runs); -EACCES (NEC_E_ALLOCATOR_RIGHTS: we
 * may not ask it); -EPROTO (NEC_E_ALLOCATOR_DAEMON: it gave no usable answer); -ETIMEDOUT
 * (NEC_E_ALLOCATOR_DAEMON: it does not say its state); -ECANCELED (NEC_E_CANCELLED, when it did not
 * answer even then); -EREMOTEIO with the daemon's own error; -ENOMEM, -ELIBACC, or another negative
 * errno.
 */
int nec_allocator_ask(nec_context *context, const char *socket,
		      const struct nec_allocator_request *request, struct cJSON **ret,
		      nec_error *err);

#endif
