/* SPDX-License-Identifier: Apache-2.0 */
/* A thread and an eventfd. */
#include "base/background.h"

#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>

#include "base/error.h"

struct nec_background {
	pthread_t thread;
	bool running;
	int done_fd; /* -1: none yet */
	struct nec_source *source;
	void (*work)(void *userdata);
	void (*done)(void *userdata);
	void *userdata;
};

static void *do_work(void *userdata)
{
	struct nec_background *background = userdata;

	background->work(background->userdata);
	(void)eventfd_write(background->done_fd, 1);
	return NULL;
}

static void on_done(void *userdata, uint32_t events)
{
	struct nec_background *background = userdata;

	(void)events;
	nec_source_free(TAKE_PTR(background->source));
	(void)pthread_join(background->thread, NULL);
	background->running = false;
	background->done(background->userdata);
}

/* The new thread has what its maker has blocked: everything. */
static int start_thread(struct nec_background *background)
{
	sigset_t all;
	sigset_t before;
	int r;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	r = -pthread_create(&background->thread, NULL, do_work, background);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	background->running = r == 0;
	return r;
}

int nec_background_start(struct nec_loop *loop, void (*work)(void *userdata),
			 void (*done)(void *userdata), void *userdata, struct nec_background **ret,
			 nec_error *err)
{
	struct nec_background *background = calloc(1, sizeof(*background));
	int r;

	if (!background)
		return nec_error_no_memory(err);
	background->work = work;
	background->done = done;
	background->userdata = userdata;
	background->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (background->done_fd < 0)
		r = nec_error_set_system(err, NEC_E_SYSTEM, -errno, "cannot make an eventfd");
	else
		r = nec_loop_add_fd(loop, background->done_fd, EPOLLIN, on_done, background,
				    &background->source, err);
	if (r == 0 && (r = start_thread(background)) < 0)
		(void)nec_error_set_system(err, NEC_E_SYSTEM, r, "cannot start a thread");
	if (r < 0) {
		nec_background_free(background);
		return r;
	}
	*ret = background;
	return 0;
}

void nec_background_free(struct nec_background *background)
{
	if (!background)
		return;
	if (background->running)
		(void)pthread_join(background->thread, NULL);
	nec_source_free(background->source);
	if (background->done_fd >= 0)
		(void)close(background->done_fd);
	free(background);
}
