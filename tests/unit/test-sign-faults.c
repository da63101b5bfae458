/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signing while memory runs out or the disk fails: call 1, 2, 3 ... n of our own code is refused,
 * one in each run. Whatever the answer is, there is one whole image and nothing else.
 */
#include "test.h"

#include <errno.h>
#include <string.h>

#include "base/files.h"
#include "faults.h"
#include "image/eif.h"
#include "leftovers.h"
#include "samples.h"

#define KEYS     NEC_TEST_DATA "/keys/"
#define UNSIGNED NEC_TEST_DATA "/eif/x86-2rd.eif"

static void copy_image(struct nec_buffer *image)
{
	assert_int_equal(nec_file_read_all(UNSIGNED, 1 << 20, image, NULL), 0);
	sample_write("image.eif", image->data, image->size);
}

/* As it was when signing failed, signed when it went round the failure. */
static void assert_whole(int result, const struct nec_buffer *before)
{
	cleanup_buffer struct nec_buffer after = { 0 };
	cleanup_eif nec_eif *eif = NULL;

	assert_int_equal(nec_file_read_all(sample_path("image.eif"), 1 << 20, &after, NULL), 0);
	assert_int_equal(count_entries(sample_folder), 1);
	if (result < 0) {
		assert_int_equal(after.size, before->size);
		assert_memory_equal(after.data, before->data, after.size);
		return;
	}
	assert_int_equal(nec_eif_open(NULL, sample_path("image.eif"), &eif, NULL), 0);
	assert_int_equal(nec_eif_check(eif, NULL), 0);
	assert_non_null(nec_eif_find_section(eif, NEC_EIF_SIGNATURE));
}

/* Returns whether a call was refused at all. */
static bool sign_with_fault(int number, bool memory, int error, const char *command)
{
	struct nec_sign_options options = NEC_SIGN_OPTIONS_INIT;
	cleanup_buffer struct nec_buffer before = { 0 };
	nec_error err = NEC_ERROR_INIT;
	const char *path = sample_path("image.eif");
	size_t fds = open_descriptors();
	bool refused;
	int r;

	options.certificate = KEYS "p384.pem";
	options.private_key = command ? NULL : KEYS "p384.key";
	options.signer_command = command;
	copy_image(&before);
	fault_arm(memory ? FAULT_MEMORY : FAULT_FILES, number, error);
	r = nec_eif_sign(NULL, path, NULL, &options, NULL, &err);
	refused = fault_disarm();
	assert_int_equal(open_descriptors(), fds);
	assert_whole(r, &before);
	if (r < 0)
		assert_true(err.code != NEC_E_NONE && err.message[0] != '\0');
	if (r < 0 && memory)
		assert_int_equal(err.code, NEC_E_NO_MEMORY);
	return refused;
}

static void fail_each_call(bool memory, int error, const char *command, int at_least)
{
	int number = 1;

	while (sign_with_fault(number, memory, error, command))
		number++;
	/* Or else the functions are not where they are looked for. */
	if (number < at_least)
		fail_msg("only %d calls were seen", number - 1);
}

static void sign__survives_every_failing_allocation(void **state)
{
	(void)state;
	fail_each_call(true, ENOMEM, NULL, 10);
}

static void sign__survives_every_failing_file_operation(void **state)
{
	(void)state;
	fail_each_call(false, EIO, NULL, 15);
	fail_each_call(false, ENOSPC, NULL, 15);
}

static void command__survives_every_failure(void **state)
{
	static const char command[] = "openssl dgst -sha384 -sign " KEYS "p384.key";

	(void)state;
	fail_each_call(true, ENOMEM, command, 10);
	fail_each_call(false, EIO, command, 15);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(sign__survives_every_failing_allocation,
						sample_make_folder, sample_remove_folder),
		cmocka_unit_test_setup_teardown(sign__survives_every_failing_file_operation,
						sample_make_folder, sample_remove_folder),
		cmocka_unit_test_setup_teardown(command__survives_every_failure, sample_make_folder,
						sample_remove_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
