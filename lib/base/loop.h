/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small event loop over epoll: file descriptors and one-shot timers, one thread.
 *
 * The process that holds an enclave lives in it. A source may be released at any time, from inside
 * any callback too: its callback is not called again, and the memory goes when the current round is
 * over.
 */
#ifndef NEC_BASE_LOOP_H
#define NEC_BASE_LOOP_H

#include <sys/epoll.h>

#include "base/cleanup.h"
#include "nec.h"

struct nec_loop;
struct nec_source;

/* @events: what epoll reported (EPOLLIN, EPOLLOUT, EPOLLHUP, EPOLLERR), 0 for a timer. */
typedef void (*nec_source_fn)(void *userdata, uint32_t events);

int nec_loop_new(struct nec_loop **ret, nec_error *err);
/* Sources of descriptors must have been released before; timers go with the loop. */
void nec_loop_free(struct nec_loop *loop);

/* Watches @fd, which stays the caller's. @events may be 0: only hang-up and error are reported
 * then. */
int nec_loop_add_fd(struct nec_loop *loop, int fd, uint32_t events, nec_source_fn fn,
		    void *userdata, struct nec_source **ret, nec_error *err);

/* Calls back once, @usec from now (monotonic time). */
int nec_loop_add_timer(struct nec_loop *loop, uint64_t usec, nec_source_fn fn, void *userdata,
		       struct nec_source **ret, nec_error *err);

/* Changes what an fd source waits for; free of charge when it is the same. */
void nec_source_set_events(struct nec_source *source, uint32_t events);

/* Sets a timer, fired or not, to @usec from now. */
void nec_source_set_timer(struct nec_source *source, uint64_t usec);

/* Accepts NULL. Release an fd's source before closing the fd. */
void nec_source_free(struct nec_source *source);

/* Dispatches until nec_loop_stop() was called. Returns the value given there, or a negative errno.
 */
int nec_loop_run(struct nec_loop *loop, nec_error *err);

/* One round: waits at most @timeout_msec (-1: for ever), dispatches, returns 0 or a negative errno.
 */
int nec_loop_run_once(struct nec_loop *loop, int timeout_msec, nec_error *err);

void nec_loop_stop(struct nec_loop *loop, int result);

/* Monotonic time in microseconds. */
uint64_t nec_loop_now(void);

NEC_DEFINE_CLEANUP(loop, struct nec_loop *, nec_loop_free)
#define cleanup_loop NEC_CLEANUP(loop)

#endif
