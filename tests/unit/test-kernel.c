/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/arch.h"
#include "base/error.h"
#include "base/files.h"
#include "image/kernel.h"

/* The file that a test writes its kernel to. */
static int scratch = -1;

static int open_scratch(void **state)
{
	(void)state;
	scratch = nec_file_temporary(NULL);
	return scratch < 0;
}

static int close_scratch(void **state)
{
	(void)state;
	return close(scratch);
}

static struct nec_kernel probe(const void *bytes, size_t size)
{
	struct nec_kernel kernel;
	nec_error err = NEC_ERROR_INIT;

	assert_int_equal(nec_file_write_at(scratch, "scratch", bytes, size, 0, &err), 0);
	assert_int_equal(nec_kernel_probe(scratch, "scratch", 0, size, &kernel, &err), 0);
	return kernel;
}

enum { KERNEL_BYTES = 0x1000 };

/* As small as a bzImage can be, with its version string at @version_at. */
static size_t make_bzimage(uint8_t bytes[KERNEL_BYTES + 1], uint16_t version_at,
			   const char *version)
{
	static const uint8_t header[] = { 'H', 'd', 'r', 'S', 0x0f, 0x02 };

	memset(bytes, 0, KERNEL_BYTES + 1);
	bytes[0x1fe] = 0x55;
	bytes[0x1ff] = 0xaa;
	memcpy(bytes + 0x202, header, sizeof(header));
	bytes[0x20e] = (uint8_t)version_at;
	bytes[0x20f] = (uint8_t)(version_at >> 8);
	if (version)
		(void)stpcpy((char *)bytes + 0x200 + version_at, version);
	return KERNEL_BYTES;
}

static void probe__knows_the_kernels_of_the_test_data(void **state)
{
	struct nec_kernel kernel;
	cleanup_buffer struct nec_buffer x86 = { 0 };
	cleanup_buffer struct nec_buffer arm = { 0 };

	(void)state;
	assert_int_equal(
		nec_file_read_all(NEC_TEST_DATA "/eif/inputs/x86-2rd.kernel", 1 << 20, &x86, NULL),
		0);
	assert_int_equal(nec_file_read_all(NEC_TEST_DATA "/eif/inputs/arm64-2rd.kernel", 1 << 20,
					   &arm, NULL),
			 0);
	kernel = probe(x86.data, x86.size);
	assert_int_equal(kernel.format, NEC_KERNEL_BZIMAGE);
	assert_int_equal(nec_kernel_check(&kernel, NEC_ARCH_X86_64, "k", NULL), 0);
	kernel = probe(arm.data, arm.size);
	assert_int_equal(kernel.format, NEC_KERNEL_ARM64_IMAGE);
	assert_int_equal(nec_kernel_check(&kernel, NEC_ARCH_AARCH64, "k", NULL), 0);
}

static void probe__reads_the_release_of_a_bzimage(void **state)
{
	uint8_t bytes[KERNEL_BYTES + 1];
	struct nec_kernel kernel;
	size_t size = make_bzimage(bytes, 0x300, "6.1.0-56-cloud-amd64 (b@h) #1 SMP");

	(void)state;
	kernel = probe(bytes, size);
	assert_int_equal(kernel.arch, NEC_ARCH_X86_64);
	assert_string_equal(kernel.release, "6.1.0-56-cloud-amd64");
}

static void probe__leaves_out_a_release_that_cannot_be_right(void **state)
{
	uint8_t bytes[KERNEL_BYTES + 1];
	uint8_t long_version[NEC_KERNEL_RELEASE_SIZE + 1];

	(void)state;
	assert_string_equal(probe(bytes, make_bzimage(bytes, 0xffff, NULL)).release, "");
	assert_string_equal(probe(bytes, make_bzimage(bytes, 0, NULL)).release, "");
	assert_string_equal(probe(bytes, make_bzimage(bytes, 0x300, "6.1\x1b[2J x")).release, "");
	/* Runs into the end of the file without an end of its own. */
	assert_string_equal(probe(bytes, make_bzimage(bytes, 0xdfd, "6.1")).release, "");
	memset(long_version, '6', sizeof(long_version));
	long_version[NEC_KERNEL_RELEASE_SIZE] = '\0';
	assert_string_equal(
		probe(bytes, make_bzimage(bytes, 0x300, (const char *)long_version)).release, "");
}

static void probe__survives_truncation_at_every_byte(void **state)
{
	uint8_t bytes[KERNEL_BYTES + 1];

	(void)state;
	(void)make_bzimage(bytes, 0x80, "6.1.0 x");
	for (size_t size = 0; size < 0x300; size++) {
		struct nec_kernel kernel = probe(bytes, size);

		assert_int_equal(kernel.format,
				 size < 0x206 ? NEC_KERNEL_UNKNOWN : NEC_KERNEL_BZIMAGE);
	}
}

static void probe__reads_inside_a_larger_file(void **state)
{
	uint8_t bytes[KERNEL_BYTES + 1];
	struct nec_kernel kernel;
	size_t size = make_bzimage(bytes, 0x300, "6.6.79 x");

	(void)state;
	assert_int_equal(nec_file_write_at(scratch, "s", bytes, size, 560, NULL), 0);
	assert_int_equal(nec_kernel_probe(scratch, "s", 560, size, &kernel, NULL), 0);
	assert_string_equal(kernel.release, "6.6.79");
	/* The caller's size is believed, so a file that is shorter is a read error. */
	assert_int_equal(nec_kernel_probe(scratch, "s", 1 << 20, 560, &kernel, NULL), -EBADMSG);
}

static void check__refuses_what_no_enclave_boots(void **state)
{
	static const struct {
		const char *bytes;
		size_t size;
		enum nec_kernel_format format;
		const char *word; /* of the message or hint */
	} cases[] = {
		{ "\x1f\x8b\x08", 3, NEC_KERNEL_GZIP, "gunzip" },
		{ "MZ\0\0zimg", 8, NEC_KERNEL_EFI_ZBOOT, "arch/arm64/boot/Image" },
		{ "\177ELF\2\1\1\0\0\0\0\0\0\0\0\0\2\0\x3e\0", 20, NEC_KERNEL_ELF, "bzImage" },
		{ "#!/bin/sh", 9, NEC_KERNEL_UNKNOWN, "vmlinuz" },
		{ "", 0, NEC_KERNEL_UNKNOWN, "vmlinuz" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		nec_error err = NEC_ERROR_INIT;
		struct nec_kernel kernel = probe(cases[i].bytes, cases[i].size);

		assert_int_equal(kernel.format, cases[i].format);
		assert_int_equal(nec_kernel_check(&kernel, NEC_ARCH_X86_64, "k", &err), -EINVAL);
		assert_int_equal(err.code, NEC_E_KERNEL);
		assert_non_null(strstr(err.hint, cases[i].word));
	}
}

static void check__refuses_the_other_architecture(void **state)
{
	uint8_t bytes[KERNEL_BYTES + 1];
	nec_error err = NEC_ERROR_INIT;
	struct nec_kernel kernel;

	(void)state;
	kernel = probe(bytes, make_bzimage(bytes, 0, NULL));
	assert_int_equal(nec_kernel_check(&kernel, NEC_ARCH_AARCH64, "k", &err), -EINVAL);
	assert_int_equal(err.code, NEC_E_EIF_ARCH);
	assert_string_equal(err.message, "k is a kernel for x86_64, not for aarch64");
}

static void config__takes_system_and_version_from_line_3(void **state)
{
	static const struct {
		const char *text;
		const char *operating_system;
		const char *version;
	} cases[] = {
		{ "#\n# Automatically generated\n"
		  "# Linux/x86_64 4.14.256-209.484.amzn2.x86_64 Kernel Configuration\n#\n",
		  "Linux", "4.14.256" },
		{ "#\n#\n# Linux/arm64 6.12.107 Kernel Configuration", "Linux", "6.12.107" },
		{ "#\n#\n# Linux", "Linux", "Unknown" },
		{ "#\n#\n# Linux/x86_64\n5.1", "Linux", "Unknown" },
	};
	struct nec_kernel_config config;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(nec_kernel_config_parse(cases[i].text, strlen(cases[i].text), "c",
							 &config, NULL),
				 0);
		assert_string_equal(config.operating_system, cases[i].operating_system);
		assert_string_equal(config.version, cases[i].version);
	}
}

static void config__tells_whether_devices_come_from_the_command_line(void **state)
{
	static const char line[] = "#\n#\n# Linux/x86 6.1.9 Kernel Configuration\n";
	struct nec_kernel_config config;

	(void)state;
	assert_int_equal(nec_kernel_config_parse(line, strlen(line), "c", &config, NULL), 0);
	assert_false(config.no_cmdline_devices);
	assert_int_equal(nec_kernel_config_read(NEC_TEST_DATA "/kernel/boot/config-6.1.0-1-test",
						&config, NULL),
			 0);
	assert_true(config.no_cmdline_devices);
}

static void config__refuses_what_is_none(void **state)
{
	static const char *const texts[] = {
		"", "\n\n", "\n\n\n", "#\n# x", "a\nb\nc d e f g", "#\n#\n# \x1b[2J 1 2"
	};
	struct nec_kernel_config config;
	nec_error err = NEC_ERROR_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		assert_int_equal(
			nec_kernel_config_parse(texts[i], strlen(texts[i]), "c", &config, &err),
			-EBADMSG);
		assert_int_equal(err.code, NEC_E_KERNEL);
	}
}

static void arch__has_two_names_each(void **state)
{
	enum nec_arch arch;

	(void)state;
	assert_int_equal(nec_arch_parse("amd64", &arch, NULL), 0);
	assert_string_equal(nec_arch_name(arch), "x86_64");
	assert_int_equal(nec_arch_parse("aarch64", &arch, NULL), 0);
	assert_string_equal(nec_arch_docker_name(arch), "arm64");
	assert_int_equal(nec_arch_parse("i386", &arch, NULL), -EINVAL);
	assert_string_equal(nec_arch_name(NEC_ARCH_UNKNOWN), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(probe__knows_the_kernels_of_the_test_data,
						open_scratch, close_scratch),
		cmocka_unit_test_setup_teardown(probe__reads_the_release_of_a_bzimage, open_scratch,
						close_scratch),
		cmocka_unit_test_setup_teardown(probe__leaves_out_a_release_that_cannot_be_right,
						open_scratch, close_scratch),
		cmocka_unit_test_setup_teardown(probe__survives_truncation_at_every_byte,
						open_scratch, close_scratch),
		cmocka_unit_test_setup_teardown(probe__reads_inside_a_larger_file, open_scratch,
						close_scratch),
		cmocka_unit_test_setup_teardown(check__refuses_what_no_enclave_boots, open_scratch,
						close_scratch),
		cmocka_unit_test_setup_teardown(check__refuses_the_other_architecture, open_scratch,
						close_scratch),
		cmocka_unit_test(config__takes_system_and_version_from_line_3),
		cmocka_unit_test(config__tells_whether_devices_come_from_the_command_line),
		cmocka_unit_test(config__refuses_what_is_none),
		cmocka_unit_test(arch__has_two_names_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
