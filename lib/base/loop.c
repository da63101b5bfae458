/* SPDX-License-Identifier: Apache-2.0 */
/* The event loop. */
#include "base/loop.h"

#include <limits.h>
#include <time.h>

#include "base/error.h"

enum { EVENTS_A_ROUND = 32 };

struct nec_source {
	struct nec_loop *loop;
	struct nec_source *next;
	nec_source_fn fn;
	void *userdata;
	int fd; /* -1 for a timer */
	uint32_t events;
	uint64_t due_usec; /* of a timer; UINT64_MAX when it is not set */
	bool dead;
};

struct nec_loop {
	int epoll_fd;
	struct nec_source *timers; /* not sorted: there are a handful at most */
	struct nec_source *dead;   /* to be freed after the round */
	bool stopped;
	int result;
};

uint64_t nec_loop_now(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

int nec_loop_new(struct nec_loop **ret, nec_error *err)
{
	cleanup_free struct nec_loop *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return nec_error_no_memory(err);
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0)
		return nec_error_set_system(err, NEC_E_SYSTEM, -errno,
					    "cannot make an epoll instance");
	*ret = TAKE_PTR(loop);
	return 0;
}

static void free_list(struct nec_source *source)
{
	while (source) {
		struct nec_source *next = source->next;

		free(source);
		source = next;
	}
}

void nec_loop_free(struct nec_loop *loop)
{
	if (!loop)
		return;
	free_list(loop->dead);
	free_list(loop->timers);
	(void)close(loop->epoll_fd);
	free(loop);
}

static struct nec_source *new_source(struct nec_loop *loop, nec_source_fn fn, void *userdata)
{
	struct nec_source *source = calloc(1, sizeof(*source));

	if (source) {
		source->loop = loop;
		source->fn = fn;
		source->userdata = userdata;
		source->fd = -1;
	}
	return source;
}

int nec_loop_add_fd(struct nec_loop *loop, int fd, uint32_t events, nec_source_fn fn,
		    void *userdata, struct nec_source **ret, nec_error *err)
{
	struct nec_source *source = new_source(loop, fn, userdata);
	struct epoll_event event = { .events = events, .data.ptr = source };

	if (!source)
		return nec_error_no_memory(err);
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
		int r = -errno;

		free(source);
		return nec_error_set_system(err, NEC_E_SYSTEM, r, "cannot watch descriptor %d", fd);
	}
	source->fd = fd;
	source->events = events;
	*ret = source;
	return 0;
}

int nec_loop_add_timer(struct nec_loop *loop, uint64_t usec, nec_source_fn fn, void *userdata,
		       struct nec_source **ret, nec_error *err)
{
	struct nec_source *source = new_source(loop, fn, userdata);

	if (!source)
		return nec_error_no_memory(err);
	source->next = loop->timers;
	loop->timers = source;
	nec_source_set_timer(source, usec);
	*ret = source;
	return 0;
}

void nec_source_set_events(struct nec_source *source, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = source };

	if (source->events == events)
		return;
	/* Fails only for a descriptor that was closed first, which is the caller's mistake. */
	if (epoll_ctl(source->loop->epoll_fd, EPOLL_CTL_MOD, source->fd, &event) == 0)
		source->events = events;
}

void nec_source_set_timer(struct nec_source *source, uint64_t usec)
{
	if (__builtin_add_overflow(nec_loop_now(), usec, &source->due_usec))
		source->due_usec = UINT64_MAX;
}

static void unlink_timer(struct nec_source *source)
{
	struct nec_source **link = &source->loop->timers;

	while (*link && *link != source)
		link = &(*link)->next;
	if (*link)
		*link = source->next;
}

void nec_source_free(struct nec_source *source)
{
	if (!source || source->dead)
		return;
	if (source->fd >= 0)
		(void)epoll_ctl(source->loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
	else
		unlink_timer(source);
	source->dead = true;
	source->next = source->loop->dead;
	source->loop->dead = source;
}

/* The time-out for epoll: until the first timer is due, rounded up so as not to wake too early. */
static int wait_msec(const struct nec_loop *loop, int timeout_msec)
{
	uint64_t due = UINT64_MAX;
	uint64_t now;
	uint64_t msec;

	for (const struct nec_source *timer = loop->timers; timer; timer = timer->next)
		if (timer->due_usec < due)
			due = timer->due_usec;
	if (due == UINT64_MAX)
		return timeout_msec;
	now = nec_loop_now();
	msec = due > now ? (due - now + 999) / 1000 : 0;
	if (timeout_msec >= 0 && msec > (uint64_t)timeout_msec)
		return timeout_msec;
	return msec > INT_MAX ? INT_MAX : (int)msec;
}

static struct nec_source *next_due(const struct nec_loop *loop, uint64_t now)
{
	for (struct nec_source *timer = loop->timers; timer; timer = timer->next)
		if (timer->due_usec <= now)
			return timer;
	return NULL;
}

static void run_timers(struct nec_loop *loop)
{
	uint64_t now = nec_loop_now();
	struct nec_source *timer;

	/* From the start each time: a callback may add and remove timers. */
	while ((timer = next_due(loop, now))) {
		timer->due_usec = UINT64_MAX;
		timer->fn(timer->userdata, 0);
	}
}

int nec_loop_run_once(struct nec_loop *loop, int timeout_msec, nec_error *err)
{
	struct epoll_event events[EVENTS_A_ROUND];
	int count =
		epoll_wait(loop->epoll_fd, events, EVENTS_A_ROUND, wait_msec(loop, timeout_msec));

	if (count < 0 && errno != EINTR)
		return nec_error_set_system(err, NEC_E_SYSTEM, -errno, "cannot wait for events");
	for (int i = 0; i < count; i++) {
		struct nec_source *source = events[i].data.ptr;

		if (!source->dead)
			source->fn(source->userdata, events[i].events);
	}
	run_timers(loop);
	free_list(loop->dead);
	loop->dead = NULL;
	return 0;
}

int nec_loop_run(struct nec_loop *loop, nec_error *err)
{
	int r = 0;

	loop->stopped = false;
	while (!loop->stopped && r == 0)
		r = nec_loop_run_once(loop, -1, err);
	return r < 0 ? r : loop->result;
}

void nec_loop_stop(struct nec_loop *loop, int result)
{
	loop->stopped = true;
	loop->result = result;
}
