/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>
#include <unistd.h>

#include "base/loop.h"

struct fixture {
	struct nec_loop *loop;
	struct nec_source *first;
	struct nec_source *second;
	int pipe[2];
	int other[2];
	unsigned int calls;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	return nec_loop_new(&f->loop, NULL) < 0 || pipe(f->pipe) < 0 || pipe(f->other) < 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	nec_loop_free(f->loop);
	for (int i = 0; i < 2; i++) {
		(void)close(f->pipe[i]);
		(void)close(f->other[i]);
	}
	free(f);
	return 0;
}

static void count_and_stop(void *userdata, uint32_t events)
{
	struct fixture *f = userdata;
	char byte;

	if (events & EPOLLIN)
		assert_int_equal(read(f->pipe[0], &byte, 1), 1);
	f->calls++;
	nec_loop_stop(f->loop, 7);
}

/* Whichever of the two comes first removes both: the other must stay silent. */
static void free_both(void *userdata, uint32_t events)
{
	struct fixture *f = userdata;

	(void)events;
	f->calls++;
	nec_source_free(f->first);
	nec_source_free(f->second);
}

static void run__reports_a_readable_fd_and_returns_the_result(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(
		nec_loop_add_fd(f->loop, f->pipe[0], EPOLLIN, count_and_stop, f, &f->first, NULL),
		0);
	assert_int_equal(write(f->pipe[1], "x", 1), 1);
	assert_int_equal(nec_loop_run(f->loop, NULL), 7);
	assert_int_equal(f->calls, 1);
	nec_source_free(f->first);
}

static void source__can_be_freed_by_another_source_of_the_same_round(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(
		nec_loop_add_fd(f->loop, f->pipe[0], EPOLLIN, free_both, f, &f->first, NULL), 0);
	assert_int_equal(
		nec_loop_add_fd(f->loop, f->other[0], EPOLLIN, free_both, f, &f->second, NULL), 0);
	assert_int_equal(write(f->pipe[1], "x", 1), 1);
	assert_int_equal(write(f->other[1], "x", 1), 1);
	assert_int_equal(nec_loop_run_once(f->loop, 0, NULL), 0);
	assert_int_equal(nec_loop_run_once(f->loop, 0, NULL), 0);
	assert_int_equal(f->calls, 1);
}

static void timer__fires_once_and_can_be_set_again(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(nec_loop_add_timer(f->loop, 0, count_and_stop, f, &f->first, NULL), 0);
	assert_int_equal(nec_loop_run(f->loop, NULL), 7);
	assert_int_equal(nec_loop_run_once(f->loop, 0, NULL), 0);
	assert_int_equal(f->calls, 1);
	nec_source_set_timer(f->first, 0);
	assert_int_equal(nec_loop_run_once(f->loop, -1, NULL), 0);
	assert_int_equal(f->calls, 2);
	nec_source_set_timer(f->first, UINT64_MAX);
	assert_int_equal(nec_loop_run_once(f->loop, 0, NULL), 0);
	assert_int_equal(f->calls, 2);
	nec_source_free(f->first);
}

static void events__can_be_switched_off_and_on(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(
		nec_loop_add_fd(f->loop, f->pipe[0], EPOLLIN, count_and_stop, f, &f->first, NULL),
		0);
	assert_int_equal(write(f->pipe[1], "x", 1), 1);
	nec_source_set_events(f->first, 0);
	assert_int_equal(nec_loop_run_once(f->loop, 0, NULL), 0);
	assert_int_equal(f->calls, 0);
	nec_source_set_events(f->first, EPOLLIN);
	assert_int_equal(nec_loop_run_once(f->loop, 0, NULL), 0);
	assert_int_equal(f->calls, 1);
	nec_source_free(f->first);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(run__reports_a_readable_fd_and_returns_the_result,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			source__can_be_freed_by_another_source_of_the_same_round, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(timer__fires_once_and_can_be_set_again, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(events__can_be_switched_off_and_on, set_up,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
