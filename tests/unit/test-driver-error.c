/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>
#include <linux/nitro_enclaves.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "host/driver-error.h"

static const enum nec_driver_call ioctls[] = {
	NEC_DRIVER_CREATE_VM,
	NEC_DRIVER_GET_IMAGE_LOAD_INFO,
	NEC_DRIVER_SET_MEMORY_REGION,
	NEC_DRIVER_ADD_VCPU,
	NEC_DRIVER_START,
};

static nec_error answer(enum nec_driver_call call, int number)
{
	nec_error err = NEC_ERROR_INIT;
	int r = nec_error_from_driver(&err, call, -number, "what was tried");

	if (r >= 0 || r < -255)
		fail_msg("%d gives %d, which is no errno value of libc", number, r);
	assert_int_equal(err.os_error, number);
	assert_memory_equal(err.message, "what was tried: ", 16);
	return err;
}

static void driver_code(int number, enum nec_driver_call call, enum nec_error_code code,
			int exit_status)
{
	nec_error err = answer(call, number);
	char text[16];

	assert_int_equal(err.code, code);
	assert_int_equal(nec_error_exit_status(err.code), exit_status);
	(void)snprintf(text, sizeof(text), ", %d)", number);
	assert_non_null(strstr(err.message, text));
	assert_non_null(strstr(err.message, "NE_ERR_"));
}

static void code__of_the_driver_has_its_own_name(void **state)
{
	(void)state;
	driver_code(256, NEC_DRIVER_ADD_VCPU, NEC_E_VCPU_ALREADY_USED, 20);
	driver_code(257, NEC_DRIVER_ADD_VCPU, NEC_E_VCPU_NOT_IN_POOL, 21);
	driver_code(258, NEC_DRIVER_ADD_VCPU, NEC_E_VCPU_CORE, 29);
	driver_code(259, NEC_DRIVER_SET_MEMORY_REGION, NEC_E_REGION_SIZE, 29);
	driver_code(260, NEC_DRIVER_SET_MEMORY_REGION, NEC_E_REGION_ADDRESS, 29);
	driver_code(261, NEC_DRIVER_SET_MEMORY_REGION, NEC_E_REGION_ALIGNMENT, 29);
	driver_code(262, NEC_DRIVER_SET_MEMORY_REGION, NEC_E_REGION_USED, 29);
	driver_code(263, NEC_DRIVER_SET_MEMORY_REGION, NEC_E_REGION_NOT_HUGE, 29);
	driver_code(264, NEC_DRIVER_SET_MEMORY_REGION, NEC_E_REGION_NUMA_NODE, 29);
	driver_code(265, NEC_DRIVER_SET_MEMORY_REGION, NEC_E_REGION_LIMIT, 29);
	driver_code(266, NEC_DRIVER_START, NEC_E_NO_REGIONS, 29);
	driver_code(267, NEC_DRIVER_START, NEC_E_NO_VCPUS, 29);
	driver_code(268, NEC_DRIVER_START, NEC_E_MEMORY_MINIMUM, 26);
	driver_code(269, NEC_DRIVER_START, NEC_E_CORES_INCOMPLETE, 29);
	driver_code(270, NEC_DRIVER_START, NEC_E_ENCLAVE_STATE, 29);
	driver_code(271, NEC_DRIVER_ADD_VCPU, NEC_E_VCPU_RANGE, 21);
	driver_code(272, NEC_DRIVER_CREATE_VM, NEC_E_POOL_EXHAUSTED, 22);
	driver_code(272, NEC_DRIVER_ADD_VCPU, NEC_E_POOL_EXHAUSTED, 22);
	driver_code(273, NEC_DRIVER_SET_MEMORY_REGION, NEC_E_REGION_PAGE_SIZE, 29);
	driver_code(274, NEC_DRIVER_START, NEC_E_DRIVER_FLAG, 29);
	driver_code(275, NEC_DRIVER_START, NEC_E_CID, 29);
}

static void message__has_what_was_tried_its_meaning_and_the_number(void **state)
{
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	assert_int_equal(nec_error_from_driver(&err, NEC_DRIVER_SET_MEMORY_REGION,
					       -NE_ERR_MEM_DIFFERENT_NUMA_NODE,
					       "memory region %d on NUMA node %d", 3, 1),
			 -EINVAL);
	assert_string_equal(err.message,
			    "memory region 3 on NUMA node 1: a huge page lies on another NUMA node "
			    "than the CPU pool (NE_SET_USER_MEMORY_REGION: "
			    "NE_ERR_MEM_DIFFERENT_NUMA_NODE, 264)");
	assert_string_equal(err.hint, "Reserve the huge pages on the NUMA node of the CPU pool.");
	assert_int_equal(nec_error_from_driver(NULL, NEC_DRIVER_START, -269, "nobody listens"),
			 -EINVAL);
}

static void errno__means_what_the_call_makes_of_it(void **state)
{
	static const struct {
		enum nec_driver_call call;
		int number;
		enum nec_error_code code;
	} rows[] = {
		{ NEC_DRIVER_OPEN, ENOENT, NEC_E_DEVICE_MISSING },
		{ NEC_DRIVER_OPEN, ENXIO, NEC_E_DEVICE_MISSING },
		{ NEC_DRIVER_OPEN, ENODEV, NEC_E_DEVICE_MISSING },
		{ NEC_DRIVER_OPEN, EACCES, NEC_E_DEVICE_PERMISSION },
		{ NEC_DRIVER_OPEN, EPERM, NEC_E_DEVICE_PERMISSION },
		{ NEC_DRIVER_OPEN, EMFILE, NEC_E_SYSTEM },
		{ NEC_DRIVER_CREATE_VM, ENFILE, NEC_E_SYSTEM },
		{ NEC_DRIVER_CREATE_VM, ENOMEM, NEC_E_NO_MEMORY },
		{ NEC_DRIVER_CREATE_VM, ENOTTY, NEC_E_DRIVER_UNSUPPORTED },
		{ NEC_DRIVER_CREATE_VM, ETIMEDOUT, NEC_E_DEVICE_TIMEOUT },
		{ NEC_DRIVER_CREATE_VM, EFAULT, NEC_E_DRIVER_FAULT },
		{ NEC_DRIVER_ADD_VCPU, EIO, NEC_E_DRIVER_ADDRESS_SPACE },
		{ NEC_DRIVER_SET_MEMORY_REGION, EIO, NEC_E_DRIVER_ADDRESS_SPACE },
		{ NEC_DRIVER_SET_MEMORY_REGION, EFAULT, NEC_E_REGION_ADDRESS },
		{ NEC_DRIVER_SET_MEMORY_REGION, EINVAL, NEC_E_REGION_ALIGNMENT },
		{ NEC_DRIVER_SET_MEMORY_REGION, ENOMEM, NEC_E_NO_MEMORY },
		{ NEC_DRIVER_START, EFAULT, NEC_E_DRIVER_FAULT },
		{ NEC_DRIVER_START, ETIMEDOUT, NEC_E_DEVICE_TIMEOUT },
		/* what the driver itself never says to these calls, the device did */
		{ NEC_DRIVER_START, EIO, NEC_E_DEVICE_ANSWER },
		{ NEC_DRIVER_START, EINVAL, NEC_E_DEVICE_ANSWER },
		{ NEC_DRIVER_ADD_VCPU, EPERM, NEC_E_DEVICE_ANSWER },
		{ NEC_DRIVER_ADD_VCPU, NE_ERR_NO_VCPUS_ADDED, NEC_E_DEVICE_ANSWER },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		nec_error err = answer(rows[i].call, rows[i].number);

		if (err.code != rows[i].code)
			fail_msg("row %zu: %s", i, err.message);
	}
}

static void number__that_nobody_knows_is_the_devices_answer(void **state)
{
	static const struct {
		int number;
		const char *text;
	} rows[] = {
		{ 300, "the device answered -300 (NE_START_ENCLAVE: 300)" },
		{ 276, "the device answered -276 (NE_START_ENCLAVE: 276, to Amazon's driver: the "
		       "enclave is not running)" },
		{ 532, "the device answered -276 (NE_START_ENCLAVE: 532)" },
		{ 554, "the device answered -298 (NE_START_ENCLAVE: 554)" },
		{ 555, "the device answered -555 (NE_START_ENCLAVE: 555)" },
		{ EAGAIN, "the device answered -11 (NE_START_ENCLAVE: 11, EAGAIN)" },
		{ 4095, "the device answered -4095 (NE_START_ENCLAVE: 4095)" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		nec_error err = answer(NEC_DRIVER_START, rows[i].number);

		assert_int_equal(err.code, NEC_E_DEVICE_ANSWER);
		assert_string_equal(err.message + strlen("what was tried: "), rows[i].text);
	}
	assert_int_equal(nec_error_exit_status(NEC_E_DEVICE_ANSWER), 29);
}

static void every_number__gives_a_named_error_for_every_call(void **state)
{
	(void)state;
	for (size_t call = 0; call < ARRAY_SIZE(ioctls); call++)
		for (int number = 1; number <= 600; number++) {
			nec_error err = answer(ioctls[call], number);

			assert_string_not_equal(nec_error_name(err.code), "unknown");
			if (err.hint[0] == '\0')
				fail_msg("%d: no hint to \"%s\"", number, err.message);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(code__of_the_driver_has_its_own_name),
		cmocka_unit_test(message__has_what_was_tried_its_meaning_and_the_number),
		cmocka_unit_test(errno__means_what_the_call_makes_of_it),
		cmocka_unit_test(number__that_nobody_knows_is_the_devices_answer),
		cmocka_unit_test(every_number__gives_a_named_error_for_every_call),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
