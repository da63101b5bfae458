/* SPDX-License-Identifier: Apache-2.0 */
/* init/kernel.h states the kernel's numbers itself; here each is compared with the system's. */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "base/files.h"
#include "init-abi.h"

static void kernel_header__has_the_systems_values(void **state)
{
	(void)state;
	for (size_t i = 0; abi_ours[i].name; i++) {
		assert_string_equal(abi_ours[i].name, abi_system[i].name);
		if (abi_ours[i].value != abi_system[i].value)
			fail_msg("%s is 0x%lx, the system's 0x%lx", abi_ours[i].name,
				 abi_ours[i].value, abi_system[i].value);
	}
}

static bool is_listed(const char *name)
{
	for (size_t i = 0; abi_ours[i].name; i++) {
		if (strcmp(abi_ours[i].name, name) == 0)
			return true;
	}
	return false;
}

static void kernel_header__is_compared_in_full(void **state)
{
	cleanup_buffer struct nec_buffer header = { 0 };
	char *rest;
	size_t count = 0;

	(void)state;
	assert_int_equal(nec_file_read_all(NEC_SOURCE_DIR "/init/kernel.h", 1 << 20, &header, NULL),
			 0);
	for (char *line = strtok_r((char *)header.data, "\n", &rest); line;
	     line = strtok_r(NULL, "\n", &rest)) {
		char name[64];
		char value[64];

		if (sscanf(line, "#define %63s %63s", name, value) != 2)
			continue;
		count++;
		if (!is_listed(name))
			fail_msg("%s is not compared: add it to init-abi.h", name);
	}
	assert_true(count > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kernel_header__has_the_systems_values),
		cmocka_unit_test(kernel_header__is_compared_in_full),
	};

	return cmocka_run_group_tests_name("init-abi", tests, NULL, NULL);
}
