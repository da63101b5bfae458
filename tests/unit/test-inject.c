/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of faults, against the table of the driver's errors. */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "inject.h" /* cli/ */
#include "sim/inject.h"

static const enum nec_driver_call calls[] = {
	NEC_DRIVER_OPEN,
	NEC_DRIVER_CREATE_VM,
	NEC_DRIVER_ADD_VCPU,
	NEC_DRIVER_GET_IMAGE_LOAD_INFO,
	NEC_DRIVER_SET_MEMORY_REGION,
	NEC_DRIVER_START,
};

static struct nec_sim_faults parse(const char *text)
{
	struct nec_sim_faults faults = { 0 };
	nec_error err = NEC_ERROR_INIT;

	if (nec_sim_faults_parse(text, &faults, &err) < 0)
		fail_msg("%s: %s", text, err.message);
	return faults;
}

static void answers__can_be_had_of_each_call_that_gives_them(void **state)
{
	struct nec_driver_answer answer;
	size_t tried = 0;

	(void)state;
	for (size_t i = 0; nec_driver_answer_get(i, &answer); i++)
		for (size_t j = 0; j < ARRAY_SIZE(calls); j++) {
			struct nec_sim_faults faults;
			char text[128];

			if (!(answer.calls & calls[j]))
				continue;
			(void)snprintf(text, sizeof(text), "%s:%s", nec_driver_call_name(calls[j]),
				       answer.name);
			faults = parse(text);
			for (size_t k = 0; k < ARRAY_SIZE(calls); k++)
				assert_int_equal(nec_sim_faults_answer(&faults, calls[k]),
						 k == j ? -answer.number : 0);
			tried++;
		}
	assert_true(tried > 40);
}

static void answers__without_a_call_are_the_first_calls_in_a_launch(void **state)
{
	struct nec_sim_faults faults = parse("NE_ERR_NO_CPUS_AVAIL_IN_POOL,EIO");

	(void)state;
	assert_int_equal(nec_sim_faults_answer(&faults, NEC_DRIVER_CREATE_VM), -272);
	/* The memory comes later in a launch. */
	assert_int_equal(nec_sim_faults_answer(&faults, NEC_DRIVER_ADD_VCPU), -EIO);
	assert_int_equal(nec_sim_faults_answer(&faults, NEC_DRIVER_SET_MEMORY_REGION), 0);
}

static void answers__of_the_device_are_any_number(void **state)
{
	struct nec_sim_faults faults = parse("NE_START_ENCLAVE:EBADF,NE_ADD_VCPU:4095");
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	assert_int_equal(nec_sim_faults_answer(&faults, NEC_DRIVER_START), -EBADF);
	assert_int_equal(nec_sim_faults_answer(&faults, NEC_DRIVER_ADD_VCPU), -4095);
	assert_int_equal(nec_sim_faults_parse("EBADF", &faults, &err), -ENOENT);
	assert_int_equal(nec_sim_faults_parse("NE_ADD_VCPU:4096", &faults, &err), -ENOENT);
}

static void lists__have_all_their_words(void **state)
{
	struct nec_sim_faults faults =
		parse("boot-hang,boot-crash,heartbeat-missing,heartbeat-wrong,no-memory,crash=0,"
		      "heartbeat-late=86400,slow-load=7,open:ENXIO");

	(void)state;
	assert_true(faults.boot_hang && faults.boot_crash && faults.heartbeat_missing);
	assert_true(faults.heartbeat_wrong && faults.no_memory && faults.crash);
	assert_true(faults.heartbeat_late && faults.slow_load);
	assert_int_equal(faults.crash_usec, 0);
	assert_int_equal(faults.heartbeat_late_usec, 86400000000);
	assert_int_equal(faults.slow_load_usec, 7000000);
	assert_int_equal(nec_sim_faults_answer(&faults, NEC_DRIVER_OPEN), -ENXIO);
}

static void lists__can_be_empty(void **state)
{
	const struct nec_sim_faults none = { 0 };
	struct nec_sim_faults faults = parse(NULL);

	(void)state;
	assert_memory_equal(&faults, &none, sizeof(none));
	faults = parse("");
	assert_memory_equal(&faults, &none, sizeof(none));
}

static void failure__changes_nothing(void **state)
{
	struct nec_sim_faults faults = parse("crash=3");

	(void)state;
	assert_int_equal(nec_sim_faults_parse("boot-hang,nonsense", &faults, NULL), -ENOENT);
	assert_false(faults.boot_hang);
	assert_true(faults.crash);
}

static void help__names_every_fault(void **state)
{
	const char *name;

	(void)state;
	for (size_t i = 0; (name = nec_sim_fault_name(i)); i++) {
		char word[64];

		(void)snprintf(word, sizeof(word), "%s", name);
		word[strcspn(word, ":")] = '\0';
		if (!strstr(CLI_INJECT_HELP, word))
			fail_msg("the help does not name %s", word);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers__can_be_had_of_each_call_that_gives_them),
		cmocka_unit_test(answers__without_a_call_are_the_first_calls_in_a_launch),
		cmocka_unit_test(answers__of_the_device_are_any_number),
		cmocka_unit_test(lists__have_all_their_words),
		cmocka_unit_test(lists__can_be_empty),
		cmocka_unit_test(failure__changes_nothing),
		cmocka_unit_test(help__names_every_fault),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
