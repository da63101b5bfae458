/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/files.h"
#include "image/boot-files.h"

#define PACKAGE NEC_TEST_DATA "/kernel"
#define RELEASE "6.1.0-1-test"

static char folder[64];

static int make_folder(void **state)
{
	(void)state;
	(void)snprintf(folder, sizeof(folder), "/tmp/nec-test-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	char command[128];

	(void)state;
	(void)snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command); /* NOLINT(cert-env33-c) */
}

/* Copies a kernel of the test data to @name in the folder. */
static void put(const char *from, const char *name)
{
	cleanup_buffer struct nec_buffer data = { 0 };
	char path[128];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/boot", folder);
	(void)mkdir(path, 0700);
	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	assert_int_equal(nec_file_read_all(from, 1 << 20, &data, NULL), 0);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(nec_file_write_at(fd, path, data.data, data.size, 0, NULL), 0);
	(void)close(fd);
}

#define X86_KERNEL PACKAGE "/boot/vmlinuz-" RELEASE
#define ARM_KERNEL NEC_TEST_DATA "/eif/inputs/arm64-2rd.kernel"

static void assert_ends(const char *path, const char *end)
{
	assert_non_null(path);
	assert_true(strlen(path) >= strlen(end));
	assert_string_equal(path + strlen(path) - strlen(end), end);
}

static void package__gives_kernel_config_and_modules(void **state)
{
	static const char *const names[] = { PACKAGE, PACKAGE "/boot", X86_KERNEL };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		cleanup_boot_files struct nec_boot_files files = { 0 };

		assert_int_equal(nec_boot_files_find(names[i], NEC_ARCH_X86_64, &files, NULL), 0);
		assert_ends(files.kernel, "/boot/vmlinuz-" RELEASE);
		assert_ends(files.config, "/boot/config-" RELEASE);
		assert_ends(files.modules, "/lib/modules/" RELEASE);
		assert_null(files.cmdline);
		assert_null(files.nsm);
	}
}

static void package__gives_the_newest_kernel_of_the_architecture(void **state)
{
	cleanup_boot_files struct nec_boot_files x86 = { 0 };
	cleanup_boot_files struct nec_boot_files arm = { 0 };

	(void)state;
	put(X86_KERNEL, "boot/vmlinuz-6.1.0-9-amd64");
	put(X86_KERNEL, "boot/vmlinuz-6.1.0-10-amd64");
	put(ARM_KERNEL, "boot/vmlinuz-6.12.1-arm64");
	assert_int_equal(nec_boot_files_find(folder, NEC_ARCH_X86_64, &x86, NULL), 0);
	assert_ends(x86.kernel, "/boot/vmlinuz-6.1.0-10-amd64");
	assert_null(x86.modules);
	assert_null(x86.config);
	assert_int_equal(nec_boot_files_find(folder, NEC_ARCH_AARCH64, &arm, NULL), 0);
	assert_ends(arm.kernel, "/boot/vmlinuz-6.12.1-arm64");
}

static void blobs__come_with_their_command_line_and_module(void **state)
{
	cleanup_boot_files struct nec_boot_files files = { 0 };
	cleanup_boot_files struct nec_boot_files other = { 0 };

	(void)state;
	put(X86_KERNEL, "bzImage");
	put(X86_KERNEL, "bzImage.config");
	put(X86_KERNEL, "cmdline");
	put(X86_KERNEL, "nsm.ko");
	(void)setenv("NITRO_CLI_BLOBS", folder, 1);
	assert_int_equal(nec_boot_files_find(NULL, NEC_ARCH_X86_64, &files, NULL), 0);
	(void)unsetenv("NITRO_CLI_BLOBS");
	assert_ends(files.kernel, "/bzImage");
	assert_ends(files.config, "/bzImage.config");
	assert_ends(files.cmdline, "/cmdline");
	assert_ends(files.nsm, "/nsm.ko");
	assert_null(files.modules);
	assert_int_equal(nec_boot_files_find(folder, NEC_ARCH_AARCH64, &other, NULL), -ENOENT);
}

static void find__says_how_to_get_a_kernel(void **state)
{
	struct nec_boot_files files;
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	put(X86_KERNEL, "boot/vmlinuz-6.1.0-9-amd64");
	assert_int_equal(nec_boot_files_find(folder, NEC_ARCH_AARCH64, &files, &err), -ENOENT);
	assert_int_equal(err.code, NEC_E_KERNEL);
	assert_non_null(strstr(err.message, "no kernel for aarch64"));
	assert_non_null(strstr(err.hint, "linux-image-cloud-arm64"));
	assert_int_equal(nec_boot_files_find("/nowhere", NEC_ARCH_X86_64, &files, &err), -ENOENT);
	assert_int_equal(err.code, NEC_E_FILE_OPEN);
}

#define IN_FOLDER(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(package__gives_kernel_config_and_modules),
		IN_FOLDER(package__gives_the_newest_kernel_of_the_architecture),
		IN_FOLDER(blobs__come_with_their_command_line_and_module),
		IN_FOLDER(find__says_how_to_get_a_kernel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
