/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "base/process.h"
#include "leftovers.h"

static volatile int cancelled;

static void raise_cancel(int number)
{
	(void)number;
	cancelled = 1;
}

static int run_shell(const char *command, const void *input, size_t input_size,
		     struct nec_buffer *output, nec_error *err)
{
	const char *const argv[] = { "sh", "-c", command, NULL };
	const struct nec_process process = {
		.argv = argv,
		.name = "the command",
		.input = input,
		.input_size = input_size,
		.output = output,
		.output_limit = 1000,
	};
	nec_context *context = NULL;
	size_t fds = open_descriptors();
	int r;

	assert_int_equal(nec_context_new(&context, NULL), 0);
	nec_context_set_cancel(context, &cancelled);
	r = nec_process_run(context, &process, err);
	nec_context_free(context);
	assert_int_equal(open_descriptors(), fds);
	return r;
}

static void run__passes_bytes_in_and_out(void **state)
{
	static const uint8_t bytes[] = { 0, 1, 255, '\n', 0 };
	cleanup_buffer struct nec_buffer output = { 0 };

	(void)state;
	assert_int_equal(
		run_shell("cat; cat /dev/stdin | wc -c", bytes, sizeof(bytes), &output, NULL), 0);
	assert_int_equal(output.size, sizeof(bytes) + 2);
	assert_memory_equal(output.data, bytes, sizeof(bytes));
}

static void run__gives_an_empty_input_when_there_is_none(void **state)
{
	cleanup_buffer struct nec_buffer output = { 0 };

	(void)state;
	assert_int_equal(run_shell("wc -c", NULL, 0, &output, NULL), 0);
	assert_string_equal(nec_buffer_text(&output), "0\n");
}

static void run__survives_a_program_that_reads_nothing(void **state)
{
	size_t size = 1 << 20;
	char *input = calloc(1, size);

	(void)state;
	assert_int_equal(run_shell("true", input, size, NULL, NULL), 0);
	free(input);
}

static void run__tells_how_the_program_failed(void **state)
{
	cleanup_buffer struct nec_buffer output = { 0 };
	static const char *const missing[] = { "/nonexistent/program", NULL };
	const struct nec_process process = { .argv = missing };
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	assert_int_equal(run_shell("echo partly; exit 7", NULL, 0, &output, &err), -EIO);
	assert_int_equal(err.code, NEC_E_TOOL_FAILED);
	assert_string_equal(err.message, "the command failed with exit status 7");
	assert_int_equal(run_shell("kill -KILL $$", NULL, 0, &output, &err), -EIO);
	assert_string_equal(err.message, "the command was ended by signal 9 (Killed)");
	assert_int_equal(nec_process_run(NULL, &process, &err), -ENOENT);
	assert_int_equal(err.code, NEC_E_TOOL_MISSING);
	assert_string_equal(err.message, "there is no program /nonexistent/program");
}

static void run__ends_a_program_that_talks_too_much(void **state)
{
	cleanup_buffer struct nec_buffer output = { 0 };
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	assert_int_equal(run_shell("yes", NULL, 0, &output, &err), -EFBIG);
	assert_int_equal(err.code, NEC_E_TOO_LARGE);
	assert_string_equal(err.message, "the command answers more than 1000 bytes");
}

static pid_t pid_in(const struct nec_buffer *output)
{
	long pid = strtol(nec_buffer_text(output), NULL, 10);

	assert_true(pid > 0);
	return (pid_t)pid;
}

static void run__does_not_wait_for_what_is_left_behind(void **state)
{
	cleanup_buffer struct nec_buffer output = { 0 };

	(void)state;
	assert_int_equal(run_shell("sleep 1000 & echo $!", NULL, 0, &output, NULL), 0);
	assert_int_equal(kill(pid_in(&output), SIGKILL), 0);
}

/* Runs a command that says its process id and never ends; the flag is raised meanwhile. */
static void cancel_while_running(const char *command)
{
	const struct itimerval soon = { .it_value.tv_usec = 100000 };
	cleanup_buffer struct nec_buffer output = { 0 };
	nec_error err = NEC_ERROR_INIT;

	cancelled = 0;
	(void)signal(SIGALRM, raise_cancel);
	assert_int_equal(setitimer(ITIMER_REAL, &soon, NULL), 0);
	assert_int_equal(run_shell(command, NULL, 0, &output, &err), -ECANCELED);
	assert_int_equal(err.code, NEC_E_CANCELLED);
	assert_int_equal(kill(pid_in(&output), 0), -1);
	cancelled = 0;
}

static void run__ends_the_program_when_cancelled(void **state)
{
	(void)state;
	cancel_while_running("echo $$; exec sleep 1000");
	cancel_while_running("trap '' TERM; echo $$; exec sleep 1000");
}

static void run__says_cancelled_when_ctrl_c_ended_the_program(void **state)
{
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	(void)signal(SIGINT, raise_cancel);
	assert_int_equal(run_shell("kill -INT $PPID; kill -INT $$", NULL, 0, NULL, &err),
			 -ECANCELED);
	assert_int_equal(err.code, NEC_E_CANCELLED);
	(void)signal(SIGINT, SIG_DFL);
	cancelled = 0;
}

static void run__does_not_trust_a_status_that_it_cannot_get(void **state)
{
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	(void)signal(SIGCHLD, SIG_IGN);
	assert_int_equal(run_shell("exit 1", NULL, 0, NULL, &err), -ECHILD);
	(void)signal(SIGCHLD, SIG_DFL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(run__passes_bytes_in_and_out),
		cmocka_unit_test(run__gives_an_empty_input_when_there_is_none),
		cmocka_unit_test(run__survives_a_program_that_reads_nothing),
		cmocka_unit_test(run__tells_how_the_program_failed),
		cmocka_unit_test(run__ends_a_program_that_talks_too_much),
		cmocka_unit_test(run__does_not_wait_for_what_is_left_behind),
		cmocka_unit_test(run__ends_the_program_when_cancelled),
		cmocka_unit_test(run__says_cancelled_when_ctrl_c_ended_the_program),
		cmocka_unit_test(run__does_not_trust_a_status_that_it_cannot_get),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
