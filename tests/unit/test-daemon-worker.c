/* SPDX-License-Identifier: Apache-2.0 */
/* The process beside the daemon's loop, with a job that says more than a pipe holds. */
#include "test.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/buffer.h"
#include "worker.h"

enum { MANY = 4096 }; /* frames, of more than 64 KiB together */

/* In place of the daemon's: the linker takes this one. */
void daemon_job_run(const struct daemon_job *job, int fd, const volatile int *cancel)
{
	cleanup_buffer struct nec_buffer frames = { 0 };
	size_t sent = 0;

	(void)job;
	(void)cancel;
	for (int i = 0; i < MANY; i++)
		nec_allocator_add_progress("reserve memory", (uint64_t)i, MANY, &frames);
	nec_allocator_add_error(&(nec_error){ .code = NEC_E_CANCELLED }, &frames);
	while (sent < frames.size) {
		ssize_t n = write(fd, frames.data + sent, frames.size - sent);

		if (n < 0 && errno != EINTR)
			return;
		sent += n > 0 ? (size_t)n : 0;
	}
}

struct heard {
	struct nec_loop *loop;
	int news;
	int done;
};

static void on_news(void *userdata, const struct nec_allocator_reply *reply,
		    const struct nec_buffer *payload)
{
	struct heard *heard = userdata;

	(void)payload;
	assert_int_equal(reply->done, heard->news);
	heard->news++;
}

static void on_done(void *userdata, const struct nec_allocator_reply *reply,
		    const struct nec_buffer *payload)
{
	struct heard *heard = userdata;

	(void)payload;
	assert_int_equal(reply->kind, NEC_ALLOCATOR_ERROR);
	heard->done++;
	nec_loop_stop(heard->loop, 0);
}

static struct daemon_worker *start(struct heard *heard)
{
	const struct daemon_job job = { .verb = NEC_ALLOCATOR_ASK_STATUS };
	struct daemon_worker *worker = NULL;

	assert_int_equal(
		daemon_worker_start(heard->loop, &job, on_news, on_done, heard, &worker, NULL), 0);
	return worker;
}

static void worker__is_heard_to_the_end(void **state)
{
	cleanup_loop struct nec_loop *loop = NULL;
	struct heard heard = { 0 };

	(void)state;
	assert_int_equal(nec_loop_new(&loop, NULL), 0);
	heard.loop = loop;
	(void)start(&heard);
	assert_int_equal(nec_loop_run(loop, NULL), 0);
	assert_int_equal(heard.news, MANY);
	assert_int_equal(heard.done, 1);
}

static void worker__that_nobody_hears_any_more_ends(void **state)
{
	cleanup_loop struct nec_loop *loop = NULL;
	struct heard heard = { 0 };

	(void)state;
	assert_int_equal(nec_loop_new(&loop, NULL), 0);
	heard.loop = loop;
	daemon_worker_free(start(&heard));
	assert_int_equal(heard.done, 0);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(worker__is_heard_to_the_end),
		cmocka_unit_test(worker__that_nobody_hears_any_more_ends),
	};
	sigset_t signals;

	/* As in the daemon */
	(void)signal(SIGPIPE, SIG_IGN);
	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, &signals, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
