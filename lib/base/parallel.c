/* SPDX-License-Identifier: Apache-2.0 */
/* Pieces of work, handed out one by one to whichever thread is free. */
#include "base/parallel.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>

#include "base/error.h"

/* What runs here (zeroing, copying) is bound by memory bandwidth, which a handful of CPUs exhausts.
 */
enum { THREADS_MAX = 16 };

/* glibc would keep 8 MiB of address space a thread. */
enum { THREAD_STACK_BYTES = 256 * 1024 };

struct job {
	nec_parallel_fn fn;
	void *userdata;
	uint64_t count;
	atomic_uint_fast64_t next;
	atomic_uint_fast64_t bytes_done;
	atomic_int result; /* of the first failure, 0 so far */
	nec_error err; /* written by the thread that set the result, read after all have ended */
};

static void stop(struct job *job, int result, const nec_error *err)
{
	int expected = 0;

	if (atomic_compare_exchange_strong(&job->result, &expected, result))
		job->err = *err;
}

/* Does the next piece. False when there is none, or somebody has failed. */
static bool do_next(struct job *job)
{
	nec_error err = NEC_ERROR_INIT;
	uint64_t index;
	int64_t r;

	if (atomic_load(&job->result) < 0)
		return false;
	index = atomic_fetch_add(&job->next, 1);
	if (index >= job->count)
		return false;
	r = job->fn(job->userdata, index, &err);
	if (r < 0)
		stop(job, (int)r, &err);
	else
		(void)atomic_fetch_add(&job->bytes_done, (uint64_t)r);
	return r >= 0;
}

static void *run_thread(void *job)
{
	while (do_next(job))
		;
	return NULL;
}

static size_t wanted_threads(uint64_t count)
{
	cpu_set_t allowed;
	size_t cpus = 1;

	if (sched_getaffinity(0, sizeof(allowed), &allowed) == 0)
		cpus = (size_t)CPU_COUNT(&allowed);
	if (cpus > THREADS_MAX)
		cpus = THREADS_MAX;
	return cpus < count ? cpus : (size_t)count;
}

static size_t start_threads(struct job *job, pthread_t *threads, size_t count)
{
	pthread_attr_t attributes;
	sigset_t all;
	sigset_t old;
	size_t started = 0;

	if (pthread_attr_init(&attributes) != 0)
		return 0;
	(void)pthread_attr_setstacksize(&attributes, THREAD_STACK_BYTES);
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	while (started + 1 < count &&
	       pthread_create(&threads[started], &attributes, run_thread, job) == 0)
		started++;
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	(void)pthread_attr_destroy(&attributes);
	return started;
}

/* Brings the progress up to what all threads have done. */
static int report(const struct job *job, struct nec_progress *progress, nec_error *err)
{
	return nec_progress_add(progress, atomic_load(&job->bytes_done) - progress->done, err);
}

int nec_parallel_run(uint64_t count, nec_parallel_fn fn, void *userdata,
		     struct nec_progress *progress, nec_error *err)
{
	struct job job = { .fn = fn, .userdata = userdata, .count = count };
	nec_error cancelled = NEC_ERROR_INIT;
	pthread_t threads[THREADS_MAX];
	size_t started = start_threads(&job, threads, wanted_threads(count));
	int r = nec_check_cancel(progress->context, &cancelled);

	while (r >= 0 && do_next(&job))
		r = report(&job, progress, &cancelled);
	if (r < 0)
		stop(&job, r, &cancelled);
	for (size_t i = 0; i < started; i++)
		(void)pthread_join(threads[i], NULL);
	/* The others may have done most of it while this thread was busy with one piece. */
	r = report(&job, progress, &cancelled);
	if (r < 0)
		stop(&job, r, &cancelled);
	r = atomic_load(&job.result);
	if (r < 0 && err)
		*err = job.err;
	return r;
}
