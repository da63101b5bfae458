/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The back end of vhost-user (QEMU's docs/interop/vhost-user.rst) for our vsock device: the front
 * end, QEMU, shares the guest's memory and rings over a Unix socket.
 */
#ifndef NEC_SIM_VHOST_USER_H
#define NEC_SIM_VHOST_USER_H

#include "sim/vsock.h"

struct nec_vhost_user;

/* @err tells why the connection ended: NULL when the front end closed it. */
typedef void (*nec_vhost_user_ended_fn)(void *userdata, const nec_error *err);

/*
 * Serves the front end at the other end of the Unix stream socket @fd, which becomes the back
 * end's. A message that breaks the protocol ends the connection, never the process; @ended is
 * called once, and the caller then releases the back end.
 */
int nec_vhost_user_new(struct nec_loop *loop, int fd, struct nec_vsock *vsock, uint64_t guest_cid,
		       nec_vhost_user_ended_fn ended, void *userdata, struct nec_vhost_user **ret,
		       nec_error *err);
void nec_vhost_user_free(struct nec_vhost_user *back_end);

#endif
