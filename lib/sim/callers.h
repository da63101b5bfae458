/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The socket by which programs of this machine reach the ports of a guest's vsock: "CONNECT
 * <port>\n" is answered by "OK <number>\n" once the guest has accepted, then it is the connection
 * (Firecracker's convention). A refused caller's socket is closed without an answer.
 */
#ifndef NEC_SIM_CALLERS_H
#define NEC_SIM_CALLERS_H

#include "sim/vsock.h"

struct nec_callers;

/*
 * Listens at @path, with mode 0660; a dead socket of that name is replaced. Callers appear to the
 * guest as @cid. @vsock has to outlive the callers. Returns 0 or a negative errno.
 */
int nec_callers_new(struct nec_loop *loop, const char *path, struct nec_vsock *vsock, uint64_t cid,
		    struct nec_callers **ret, nec_error *err);
/* Removes the socket. Accepts NULL. */
void nec_callers_free(struct nec_callers *callers);

#endif
