/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process that does one job beside the loop. A process and not a thread: a signal ends its wait
 * in the kernel, which may look for memory for long; what it needs of memory and libraries is gone
 * with it, so that the daemon stays small; and whatever befalls it, the daemon lives to tell. When
 * the daemon dies, it is cancelled, and undoes what it did.
 */
#ifndef NEC_DAEMON_WORKER_H
#define NEC_DAEMON_WORKER_H

#include "base/loop.h"
#include "job.h"

struct daemon_worker;

/* Progress or a warning, while it goes on. @payload is of a reply's frame. */
typedef void (*daemon_news_fn)(void *userdata, const struct nec_allocator_reply *reply,
			       const struct nec_buffer *payload);

/* Its result or error, always one; the worker is gone. @payload: NULL when it made none. */
typedef void (*daemon_done_fn)(void *userdata, const struct nec_allocator_reply *reply,
			       const struct nec_buffer *payload);

/* Returns 0, or a negative errno: nothing was begun. What @job points to may go afterwards. */
int daemon_worker_start(struct nec_loop *loop, const struct daemon_job *job, daemon_news_fn news,
			daemon_done_fn done, void *userdata, struct daemon_worker **ret,
			nec_error *err);

/* What can be undone will be; it is done when it says so. */
void daemon_worker_cancel(struct daemon_worker *worker);

/* Cancels and waits for its end without another word to anybody. Accepts NULL. */
void daemon_worker_free(struct daemon_worker *worker);

#endif
