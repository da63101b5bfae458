/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accepting connections from a loop, also when descriptors run out: they then wait in the queue and
 * are looked at again a little later. A listener that nobody can accept from stays readable, and a
 * loop that did nothing about it would spin.
 */
#ifndef NEC_BASE_LISTENER_H
#define NEC_BASE_LISTENER_H

#include "base/loop.h"

struct nec_listener;

/* @fd: a new connection, non-blocking and close-on-exec; the callback's from here on. */
typedef void (*nec_accept_fn)(void *userdata, int fd);

/* @fd: a non-blocking listener; stays the caller's. Returns 0 or a negative errno. */
int nec_listener_new(struct nec_loop *loop, int fd, nec_accept_fn fn, void *userdata,
		     struct nec_listener **ret, nec_error *err);

/* Accepts the next connection in its own way, and uses it. Returns 0 or a negative errno. */
typedef int (*nec_take_fn)(void *userdata, int listener_fd);

/* The same for one whose connections are not accepted by accept4(): @fn does it. */
int nec_listener_new_taking(struct nec_loop *loop, int fd, nec_take_fn fn, void *userdata,
			    struct nec_listener **ret, nec_error *err);
void nec_listener_free(struct nec_listener *listener);

#endif
