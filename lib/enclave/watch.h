/* SPDX-License-Identifier: Apache-2.0 */
/* Noticing that an enclave has ended: the process behind one of its sockets lives as long as it. */
#ifndef NEC_ENCLAVE_WATCH_H
#define NEC_ENCLAVE_WATCH_H

#include "base/loop.h"

struct nec_watch;

/*
 * Calls back once when the process that listens at the Unix socket @path is gone. @control: it is a
 * control socket (see client.h), else the simulation's. Returns 0, or a negative errno
 * (NEC_E_ENCLAVE_CONNECTION).
 */
int nec_watch_new(struct nec_loop *loop, const char *path, bool control,
		  void (*ended)(void *userdata), void *userdata, struct nec_watch **ret,
		  nec_error *err);

/* Accepts NULL. */
void nec_watch_free(struct nec_watch *watch);

#endif
