/* SPDX-License-Identifier: Apache-2.0 */
/* What a failure looks like, as text and as JSON, and the status it ends with. */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/error.h"
#include "base/json.h"
#include "base/logger.h"
#include "fake-device.h"
#include "output.h"
#include "report.h"

/* Calls cli_fail() and returns its status; what it printed is in @text. */
static int report(const struct cli *cli, const nec_error *err, int number, struct nec_buffer *text)
{
	char chunk[4096];
	int saved = dup(STDERR_FILENO);
	int fd = memfd_create("stderr", MFD_CLOEXEC);
	int status;
	ssize_t size;

	assert_true(saved >= 0 && fd >= 0);
	assert_true(dup2(fd, STDERR_FILENO) >= 0);
	status = cli_fail(cli, err, number);
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	size = pread(fd, chunk, sizeof(chunk), 0);
	assert_true(size >= 0);
	nec_buffer_append(text, chunk, (size_t)size);
	(void)close(saved);
	(void)close(fd);
	return status;
}

static void failure__is_a_block_with_code_cause_hint_and_link(void **state)
{
	const struct cli cli = { .json_errors = false };
	cleanup_buffer struct nec_buffer text = { 0 };
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	(void)nec_error_set_system(&err, NEC_E_FILE_OPEN, -ENOENT, "cannot open a%%b.eif");
	assert_int_equal(report(&cli, &err, 0, &text), 19);
	assert_string_equal(
		nec_buffer_text(&text),
		"[ E19 ] File operation failure. cannot open a%b.eif: No such file or directory\n"
		"Check the path and your permissions.\n"
		"\n"
		"For more details, please visit "
		"https://docs.aws.amazon.com/enclaves/latest/user/cli-errors.html#E19\n");
}

static void failure__has_no_empty_line_where_there_is_no_hint(void **state)
{
	const struct cli cli = { .json_errors = false };
	cleanup_buffer struct nec_buffer text = { 0 };
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	(void)nec_error_set(&err, NEC_E_INVALID_ARGUMENT, -EINVAL, "no");
	assert_int_equal(report(&cli, &err, 0, &text), 3);
	assert_non_null(strstr(nec_buffer_text(&text),
			       "[ E03 ] Invalid argument provided. no\n\nFor more"));
}

static void failure__has_the_number_that_the_command_knows_better(void **state)
{
	const struct cli cli = { .json_errors = false };
	cleanup_buffer struct nec_buffer text = { 0 };
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	(void)nec_error_set(&err, NEC_E_FILE_OPEN, -ENOENT, "cannot open x");
	assert_int_equal(report(&cli, &err, 35, &text), 35);
	assert_ptr_equal(strstr(nec_buffer_text(&text), "[ E35 ] EIF file parsing error. cannot"),
			 nec_buffer_text(&text));
	assert_non_null(strstr(nec_buffer_text(&text), "#E35\n"));
}

static void failure__is_one_object_in_json_mode(void **state)
{
	const struct cli cli = { .json_errors = true };
	cleanup_buffer struct nec_buffer text = { 0 };
	cleanup_json cJSON *object = NULL;
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	(void)nec_error_set(&err, NEC_E_EIF_CRC, -EBADMSG, "a \"quoted\" name\nand a line");
	assert_int_equal(report(&cli, &err, 0, &text), 35);
	assert_string_equal(nec_buffer_text(&text),
			    "{\n"
			    "  \"code\": \"E35\",\n"
			    "  \"name\": \"eif-crc\",\n"
			    "  \"message\": \"a \\\"quoted\\\" name\\nand a line\",\n"
			    "  \"hint\": \"The file is damaged: copy or build it again.\",\n"
			    "  \"exit\": 35\n"
			    "}\n");
	assert_int_equal(nec_json_parse(nec_buffer_text(&text), text.size, &object, NULL), 0);
}

/* Whatever failed after the signal: it may be a program of ours that got the same Ctrl-C. */
static void interruption__is_no_error_of_its_own(void **state)
{
	const volatile int signal_number = 15;
	const struct cli cli = { .cancel = &signal_number, .json_errors = true };
	cleanup_buffer struct nec_buffer text = { 0 };
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	(void)nec_error_set(&err, NEC_E_TOOL_FAILED, -EIO, "skopeo was killed");
	assert_int_equal(report(&cli, &err, 50, &text), 128 + 15);
	assert_string_equal(nec_buffer_text(&text), "Interrupted.\n");
}

/* What a launch is told to do about missing memory is what the allocator has just tried. */
static void failure_of_the_allocator__keeps_its_own_hint(void **state)
{
	static const struct fake_machine machine = { .cores = 2, .threads = 2 };
	struct fake_device *fake = fake_device_new(&machine);
	static const struct nec_log_places nowhere = { .level = 0 };
	struct nec_logger logger = NEC_LOGGER_INIT;
	struct cli cli = { .logger = &logger, .command = cli_commands[0] };
	cleanup_buffer struct nec_buffer launch = { 0 };
	cleanup_buffer struct nec_buffer allocator = { 0 };
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	assert_int_equal(nec_context_new(&cli.context, NULL), 0);
	nec_logger_open(&logger, &nowhere, "nec", "nec");
	cli.context->device = fake_device_get(fake);
	(void)nec_error_set(&err, NEC_E_HUGEPAGES_EXHAUSTED, -ENOMEM, "no memory");
	nec_error_set_hint(&err, "When the machine starts.");
	assert_int_equal(report(&cli, &err, 0, &launch), 27);
	assert_non_null(strstr(nec_buffer_text(&launch), "fix: Set memory_mib"));
	cli.sets_aside = true;
	assert_int_equal(report(&cli, &err, 0, &allocator), 27);
	assert_non_null(strstr(nec_buffer_text(&allocator), "When the machine starts.\n"));
	assert_null(strstr(nec_buffer_text(&allocator), "fix:"));
	nec_logger_close(&logger);
	nec_context_free(cli.context);
	fake_device_free(fake);
}

static void result_without_memory__is_reported(void **state)
{
	const struct cli cli = { .json_errors = false };
	struct nec_buffer failed = { .failed = true };

	(void)state;
	assert_int_equal(cli_print_text(&cli, &failed), 19);
	assert_int_equal(cli_print_json(&cli, NULL), 19);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(failure__is_a_block_with_code_cause_hint_and_link),
		cmocka_unit_test(failure__has_no_empty_line_where_there_is_no_hint),
		cmocka_unit_test(failure__has_the_number_that_the_command_knows_better),
		cmocka_unit_test(failure__is_one_object_in_json_mode),
		cmocka_unit_test(interruption__is_no_error_of_its_own),
		cmocka_unit_test(failure_of_the_allocator__keeps_its_own_hint),
		cmocka_unit_test(result_without_memory__is_reported),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
