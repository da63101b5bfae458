/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checking, comparing and taking images apart while memory runs out or the disk fails: call 1, 2, 3
 * ... n of our own code is refused, one in each run. Each failure is told, and nothing is left;
 * memory is watched by the sanitizers.
 */
#include "eif-make.h"

#include <errno.h>

#include "base/error.h"
#include "faults.h"
#include "leftovers.h"

static const char clean[] = NEC_TEST_DATA "/lint/clean.eif";
static const char autologin[] = NEC_TEST_DATA "/lint/autologin.eif";
static const char signed_image[] = EIF_DATA "x86-signed-p256.eif";
static const char other_signed_image[] = EIF_DATA "x86-signed-expired.eif";

static char place[] = "/tmp/nec-faults-XXXXXX";

static int enter_place(void **state)
{
	(void)state;
	return mkdtemp(place) && chdir(place) == 0 ? 0 : -1;
}

static int leave_place(void **state)
{
	(void)state;
	return chdir("/") == 0 && rmdir(place) == 0 ? 0 : -1;
}

static int lint(const char *file, nec_error *err)
{
	nec_lint *result = NULL;
	int r = nec_lint_run(NULL, file, NULL, &result, err);

	nec_lint_free(result);
	return r;
}

static int lint_leftovers(nec_error *err)
{
	return lint(autologin, err);
}

static int lint_signed(nec_error *err)
{
	return lint(signed_image, err);
}

static int diff(const char *before, const char *after, nec_error *err)
{
	nec_diff *result = NULL;
	int r = nec_diff_run(NULL, before, after, &result, err);

	nec_diff_free(result);
	return r;
}

static int diff_files(nec_error *err)
{
	return diff(clean, autologin, err);
}

static int diff_signed(nec_error *err)
{
	return diff(signed_image, other_signed_image, err);
}

/* What was extracted is removed again, by a program that no call is refused to. */
static int extract(nec_error *err)
{
	struct nec_extract_options options = NEC_EXTRACT_OPTIONS_INIT;
	int r;

	options.unpack = true;
	r = nec_extract_run(NULL, signed_image, "out", &options, err);
	if (r == 0)
		assert_int_equal(system("rm -r out"), 0); /* NOLINT(cert-env33-c) */
	return r;
}

static void fail_each_call(enum fault_family family, int error, int (*work)(nec_error *err),
			   int at_least)
{
	bool refused;
	int number = 0;

	do {
		size_t fds = open_descriptors();
		nec_error err = NEC_ERROR_INIT;
		int r;

		fault_arm(family, ++number, error);
		r = work(&err);
		refused = fault_disarm();
		/* A file that cannot be read or made is never passed over. */
		if (refused && family == FAULT_FILES && r == 0)
			fail_msg("call %d was refused, and all is well", number);
		assert_int_equal(open_descriptors(), fds);
		assert_int_equal(count_entries(place), 0);
		if (r < 0 && (err.code == NEC_E_NONE || err.message[0] == '\0'))
			fail_msg("call %d fails without a word", number);
		if (r < 0 && family == FAULT_MEMORY)
			assert_int_equal(err.code, NEC_E_NO_MEMORY);
	} while (refused);
	/* Or else the functions are not where they are looked for. */
	if (number < at_least)
		fail_msg("only %d calls were seen", number - 1);
}

static void fail_all(int (*work)(nec_error *err), int allocations, int file_calls)
{
	/* Libraries are loaded, by calls that are not ours. */
	assert_int_equal(work(NULL), 0);
	fail_each_call(FAULT_MEMORY, ENOMEM, work, allocations);
	fail_each_call(FAULT_FILES, EIO, work, file_calls);
}

static void lint__survives_every_failure(void **state)
{
	(void)state;
	fail_all(lint_leftovers, 40, 15);
	fail_all(lint_signed, 40, 15);
}

static void diff__survives_every_failure(void **state)
{
	(void)state;
	fail_all(diff_files, 60, 20);
	fail_all(diff_signed, 100, 20);
}

static void extract__survives_every_failure(void **state)
{
	(void)state;
	fail_all(extract, 20, 60);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lint__survives_every_failure),
		cmocka_unit_test(diff__survives_every_failure),
		cmocka_unit_test(extract__survives_every_failure),
	};

	return cmocka_run_group_tests_name("image-faults", tests, enter_place, leave_place);
}
