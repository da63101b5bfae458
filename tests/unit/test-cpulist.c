/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "host/cpulist.h"

enum { LAST = 95 };

static void parse(const char *text, const char *expected)
{
	cleanup_buffer struct nec_buffer printed = { 0 };
	nec_error err = NEC_ERROR_INIT;
	struct nec_cpuset set;

	if (nec_cpulist_parse(text, LAST, &set, &err) < 0)
		fail_msg("\"%s\" is refused: %s", text, err.message);
	nec_cpulist_print(&set, &printed);
	assert_string_equal(nec_buffer_text(&printed), expected);
}

static void refuse(const char *text, int result, enum nec_error_code code, const char *message)
{
	nec_error err = NEC_ERROR_INIT;
	struct nec_cpuset set = { { 42 } };

	assert_int_equal(nec_cpulist_parse(text, LAST, &set, &err), result);
	assert_int_equal(err.code, code);
	assert_string_equal(err.message, message);
	assert_int_equal(set.words[0], 42); /* not touched on failure */
}

static void list__reads_numbers_and_intervals(void **state)
{
	(void)state;
	parse("", "");
	parse("\n", "");
	parse("0", "0");
	parse("1-3,4-6,7-9", "1-9");
	parse("1-4,7", "1-4,7");
	parse("3,5,7,9", "3,5,7,9");
	parse("9,7,5,7", "5,7,9");
	parse("95", "95");
	parse("0-95", "0-95");
	parse("007", "7");
	parse("5-5", "5");
	parse("63-64", "63-64");
}

static void list__tolerates_white_space_and_empty_items(void **state)
{
	(void)state;
	parse(" 1 , 2-4 ,\t7 \n", "1-4,7");
	parse("1 2", "1-2");
	parse("3 - 5", "3-5");
	parse(",,1,,3,", "1,3");
	/* What `echo` made of the driver's parameter reads back with two newlines. */
	parse("4-5\n\n", "4-5");
}

static void list__reads_the_kernels_groups_and_words(void **state)
{
	(void)state;
	parse("0-15:1/2", "0,2,4,6,8,10,12,14");
	parse("0-15:2/4,3", "0-1,3-5,8-9,12-13");
	parse("0-3:4/4", "0-3");
	parse("0-3:0/1", "");
	parse("all", "0-95");
	parse("all:1/48", "0,48");
	parse("N", "95");
	parse("90-N", "90-95");
}

static void list__refuses_what_is_no_cpu_id(void **state)
{
	(void)state;
	refuse("3+5,7-10", -EINVAL, NEC_E_CPU_LIST_NUMBER,
	       "malformed CPU ID at character 2 of the CPU list \"3+5,7-10\"");
	refuse("3-a,7-b", -EINVAL, NEC_E_CPU_LIST_NUMBER,
	       "malformed CPU ID at character 3 of the CPU list \"3-a,7-b\"");
	refuse("-2", -EINVAL, NEC_E_CPU_LIST_NUMBER,
	       "malformed CPU ID at character 1 of the CPU list \"-2\"");
	refuse("0x06", -EINVAL, NEC_E_CPU_LIST_NUMBER,
	       "malformed CPU ID at character 2 of the CPU list \"0x06\"");
	refuse("two", -EINVAL, NEC_E_CPU_LIST_NUMBER,
	       "malformed CPU ID at character 1 of the CPU list \"two\"");
	refuse("allx", -EINVAL, NEC_E_CPU_LIST_NUMBER,
	       "malformed CPU ID at character 1 of the CPU list \"allx\"");
	refuse("3-", -EINVAL, NEC_E_CPU_LIST_NUMBER,
	       "malformed CPU ID at character 3 of the CPU list \"3-\"");
	refuse("1.5", -EINVAL, NEC_E_CPU_LIST_NUMBER,
	       "malformed CPU ID at character 2 of the CPU list \"1.5\"");
}

static void list__refuses_cpus_beyond_the_last_one(void **state)
{
	(void)state;
	refuse("96", -ERANGE, NEC_E_CPU_LIST_NUMBER,
	       "96 in the CPU list \"96\" is too high, the last is 95");
	refuse("1,2-18446744073709551617", -ERANGE, NEC_E_CPU_LIST_NUMBER,
	       "18446744073709551617 in the CPU list \"1,2-18446744073709551617\" is too high, "
	       "the last is 95");
}

static void list__refuses_impossible_intervals_and_groups(void **state)
{
	(void)state;
	refuse("0-3-7", -EINVAL, NEC_E_CPU_LIST_RANGE,
	       "interval with three ends at character 5 of the CPU list \"0-3-7\"");
	refuse("3-1", -EINVAL, NEC_E_CPU_LIST_RANGE,
	       "interval that runs backwards at character 4 of the CPU list \"3-1\"");
	refuse("0-7:1", -EINVAL, NEC_E_CPU_LIST_RANGE,
	       "group without a size at character 6 of the CPU list \"0-7:1\"");
	refuse("0-7:1/0", -EINVAL, NEC_E_CPU_LIST_RANGE,
	       "impossible group at character 8 of the CPU list \"0-7:1/0\"");
	refuse("0-7:3/2", -EINVAL, NEC_E_CPU_LIST_RANGE,
	       "impossible group at character 8 of the CPU list \"0-7:3/2\"");
	refuse("1/2", -EINVAL, NEC_E_CPU_LIST_RANGE,
	       "misplaced sign at character 2 of the CPU list \"1/2\"");
}

static void list__holds_the_largest_machine(void **state)
{
	cleanup_buffer struct nec_buffer printed = { 0 };
	struct nec_cpuset set;

	(void)state;
	assert_int_equal(nec_cpulist_parse("0-N:1/2", NEC_CPUS_MAX - 1, &set, NULL), 0);
	assert_int_equal(nec_cpuset_count(&set), NEC_CPUS_MAX / 2);
	assert_int_equal(nec_cpulist_parse("all", NEC_CPUS_MAX - 1, &set, NULL), 0);
	nec_cpulist_print(&set, &printed);
	assert_string_equal(nec_buffer_text(&printed), "0-8191");
}

static void cpuset__finds_its_members(void **state)
{
	struct nec_cpuset set = { 0 };
	uint32_t seen = 0;

	(void)state;
	assert_int_equal(nec_cpuset_next(&set, 0), NEC_CPUS_MAX);
	nec_cpuset_add(&set, 0);
	nec_cpuset_add(&set, 64);
	nec_cpuset_add(&set, NEC_CPUS_MAX - 1);
	assert_int_equal(nec_cpuset_next(&set, 1), 64);
	assert_int_equal(nec_cpuset_next(&set, 65), NEC_CPUS_MAX - 1);
	NEC_CPUSET_FOR_EACH (cpu, &set)
		seen += cpu;
	assert_int_equal(seen, 64 + NEC_CPUS_MAX - 1);
	nec_cpuset_remove(&set, 64);
	assert_false(nec_cpuset_has(&set, 64));
	assert_false(nec_cpuset_has(&set, UINT32_MAX));
	assert_int_equal(nec_cpuset_count(&set), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(list__reads_numbers_and_intervals),
		cmocka_unit_test(list__tolerates_white_space_and_empty_items),
		cmocka_unit_test(list__reads_the_kernels_groups_and_words),
		cmocka_unit_test(list__refuses_what_is_no_cpu_id),
		cmocka_unit_test(list__refuses_cpus_beyond_the_last_one),
		cmocka_unit_test(list__refuses_impossible_intervals_and_groups),
		cmocka_unit_test(list__holds_the_largest_machine),
		cmocka_unit_test(cpuset__finds_its_members),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
