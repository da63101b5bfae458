/* SPDX-License-Identifier: Apache-2.0 */
/* Accepting connections from a loop. */
#include "base/listener.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/error.h"

/* Until it is tried again; somebody has closed a descriptor by then, or nobody will soon. */
static const uint64_t pause_usec = 100000;

struct nec_listener {
	int fd;
	nec_accept_fn fn;
	nec_take_fn take; /* instead of it */
	void *userdata;
	struct nec_source *source;
	struct nec_source *pause;
};

static bool is_short_of_something(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS;
}

static int take(struct nec_listener *listener)
{
	int fd;

	if (listener->take)
		return listener->take(listener->userdata, listener->fd);
	fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return -errno;
	listener->fn(listener->userdata, fd);
	return 0;
}

static void on_listener(void *userdata, uint32_t events)
{
	struct nec_listener *listener = userdata;
	int r = take(listener);

	(void)events;
	/* It may be gone when it has taken one. */
	if (r < 0 && is_short_of_something(-r)) {
		nec_source_set_events(listener->source, 0);
		nec_source_set_timer(listener->pause, pause_usec);
	}
}

static void on_pause(void *userdata, uint32_t events)
{
	struct nec_listener *listener = userdata;

	(void)events;
	nec_source_set_events(listener->source, EPOLLIN);
}

static int add(struct nec_loop *loop, const struct nec_listener *settings,
	       struct nec_listener **ret, nec_error *err)
{
	struct nec_listener *listener = calloc(1, sizeof(*listener));
	int r;

	if (!listener)
		return nec_error_no_memory(err);
	*listener = *settings;
	/* Not set yet. */
	r = nec_loop_add_timer(loop, UINT64_MAX, on_pause, listener, &listener->pause, err);
	if (r >= 0)
		r = nec_loop_add_fd(loop, listener->fd, EPOLLIN, on_listener, listener,
				    &listener->source, err);
	if (r < 0) {
		nec_listener_free(listener);
		return r;
	}
	*ret = listener;
	return 0;
}

int nec_listener_new(struct nec_loop *loop, int fd, nec_accept_fn fn, void *userdata,
		     struct nec_listener **ret, nec_error *err)
{
	return add(loop, &(struct nec_listener){ .fd = fd, .fn = fn, .userdata = userdata }, ret,
		   err);
}

int nec_listener_new_taking(struct nec_loop *loop, int fd, nec_take_fn fn, void *userdata,
			    struct nec_listener **ret, nec_error *err)
{
	return add(loop, &(struct nec_listener){ .fd = fd, .take = fn, .userdata = userdata }, ret,
		   err);
}

void nec_listener_free(struct nec_listener *listener)
{
	if (!listener)
		return;
	nec_source_free(listener->source);
	nec_source_free(listener->pause);
	free(listener);
}
