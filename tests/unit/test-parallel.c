/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "base/error.h"
#include "base/parallel.h"

enum { PIECES = 1000 };

struct work {
	atomic_int done[PIECES];
	atomic_int begun;
	pthread_t caller;
};

static int64_t do_piece(void *userdata, uint64_t index, nec_error *err)
{
	struct work *work = userdata;
	sigset_t blocked;

	(void)err;
	(void)atomic_fetch_add(&work->begun, 1);
	(void)pthread_sigmask(SIG_SETMASK, NULL, &blocked);
	if (!pthread_equal(pthread_self(), work->caller))
		assert_true(sigismember(&blocked, SIGINT));
	(void)atomic_fetch_add(&work->done[index], 1);
	return 10;
}

static int run(struct work *work, const nec_context *context, struct nec_progress *progress,
	       nec_error *err)
{
	work->caller = pthread_self();
	nec_progress_start(progress, context, "work", UINT64_C(10) * PIECES);
	return nec_parallel_run(PIECES, do_piece, work, progress, err);
}

static void run__does_every_piece_once(void **state)
{
	struct work work = { 0 };
	struct nec_progress progress;
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	assert_int_equal(run(&work, NULL, &progress, &err), 0);
	for (int i = 0; i < PIECES; i++)
		assert_int_equal(work.done[i], 1);
	assert_int_equal(progress.done, 10 * PIECES);
	assert_int_equal(err.code, NEC_E_NONE);
}

static void run__of_nothing_is_done(void **state)
{
	struct work work = { 0 };
	struct nec_progress progress;

	(void)state;
	nec_progress_start(&progress, NULL, "work", 0);
	assert_int_equal(nec_parallel_run(0, do_piece, &work, &progress, NULL), 0);
	assert_int_equal(work.begun, 0);
}

static int64_t fail_at_3(void *userdata, uint64_t index, nec_error *err)
{
	(void)userdata;
	return index == 3 ? nec_error_set(err, NEC_E_SYSTEM, -EIO, "piece 3") : 1;
}

static void run__stops_at_the_first_failure(void **state)
{
	struct nec_progress progress;
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	nec_progress_start(&progress, NULL, "work", 0);
	/* Nobody would see the end of this. */
	assert_int_equal(nec_parallel_run(UINT64_MAX, fail_at_3, NULL, &progress, &err), -EIO);
	assert_string_equal(err.message, "piece 3");
	assert_int_equal(nec_parallel_run(UINT64_MAX, fail_at_3, NULL, &progress, NULL), -EIO);
}

static void run__can_be_cancelled(void **state)
{
	struct work work = { 0 };
	struct nec_progress progress;
	nec_error err = NEC_ERROR_INIT;
	nec_context *context = NULL;
	int flag = 1;

	(void)state;
	assert_int_equal(nec_context_new(&context, NULL), 0);
	nec_context_set_cancel(context, &flag);
	assert_int_equal(run(&work, context, &progress, &err), -ECANCELED);
	assert_int_equal(err.code, NEC_E_CANCELLED);
	nec_context_free(context);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(run__does_every_piece_once),
		cmocka_unit_test(run__of_nothing_is_done),
		cmocka_unit_test(run__stops_at_the_first_failure),
		cmocka_unit_test(run__can_be_cancelled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
