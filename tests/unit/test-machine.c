/* SPDX-License-Identifier: Apache-2.0 */
/* QEMU's arguments: what each kind of image's machine has. */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "sim/machine.h"

static const struct nec_machine_options debian = {
	.arch = NEC_ARCH_X86_64,
	.memory_mib = 256,
	.cpu_count = 2,
	.accel = NEC_MACHINE_TCG,
	.cmdline = "console=ttyS0 panic=30",
	.words = "tsc_early_khz=2400000",
};

/* One line an argument that begins with a dash, with its value behind it. */
static struct nec_buffer describe(const struct nec_machine_options *options)
{
	char **arguments = nec_machine_build_arguments(options);
	struct nec_buffer text = { 0 };

	assert_non_null(arguments);
	for (size_t i = 0; arguments[i]; i++)
		nec_buffer_printf(&text, "%s%s",
				  i == 0                 ? ""
				  : *arguments[i] == '-' ? "\n"
							 : " ",
				  arguments[i]);
	nec_buffer_append_text(&text, "\n");
	nec_machine_free_arguments(arguments);
	return text;
}

static void expect(const struct nec_machine_options *options, const char *line)
{
	cleanup_buffer struct nec_buffer text = describe(options);
	char whole[256];

	(void)snprintf(whole, sizeof(whole), "\n%s\n", line);
	if (!strstr(nec_buffer_text(&text), whole))
		fail_msg("no line \"%s\" in:\n%s", line, nec_buffer_text(&text));
}

/* All of it once: each is an option of QEMU 7.2 and of 11, deprecated in neither. */
static void machine__of_debians_kernel_has_acpi(void **state)
{
	cleanup_buffer struct nec_buffer text = describe(&debian);

	(void)state;
	assert_string_equal(nec_buffer_text(&text),
			    "qemu-system-x86_64\n"
			    "-nodefaults\n"
			    "-no-user-config\n"
			    "-display none\n"
			    "-no-reboot\n"
			    "-machine microvm,acpi=on,memory-backend=ram\n"
			    "-accel tcg\n"
			    "-cpu max\n"
			    "-smp 2\n"
			    "-m 256M\n"
			    "-object memory-backend-memfd,id=ram,size=256M,share=on\n"
			    "-kernel /proc/self/fd/40\n"
			    "-initrd /proc/self/fd/41\n"
			    "-append console=ttyS0 panic=30 tsc_early_khz=2400000\n"
			    "-chardev socket,id=console,fd=43\n"
			    "-serial chardev:console\n"
			    "-chardev socket,id=vsock,fd=42\n"
			    "-device vhost-user-vsock-device,chardev=vsock\n");
}

/* Without ACPI microvm names its virtio-mmio devices on the command line of the kernel. */
static void machine__of_nitro_clis_kernel_has_devices_on_the_command_line(void **state)
{
	struct nec_machine_options options = debian;

	(void)state;
	options.mmio_on_cmdline = true;
	expect(&options, "-machine microvm,acpi=off,memory-backend=ram");
	expect(&options, "-device vhost-user-vsock-device,chardev=vsock");
}

static void machine__with_kvm_has_the_hosts_cpu(void **state)
{
	struct nec_machine_options options = debian;

	(void)state;
	options.accel = NEC_MACHINE_KVM;
	nec_machine_choose_words(&options);
	expect(&options, "-accel kvm");
	expect(&options, "-cpu host");
	expect(&options, "-append console=ttyS0 panic=30");
}

static void machine__has_the_cpu_that_the_environment_names(void **state)
{
	(void)state;
	assert_int_equal(setenv("NEC_SIM_CPU", "max,cx16=off", 1), 0);
	expect(&debian, "-cpu max,cx16=off");
	assert_int_equal(unsetenv("NEC_SIM_CPU"), 0);
}

static void machine__of_arm_is_the_virt_board(void **state)
{
	struct nec_machine_options options = debian;
	cleanup_buffer struct nec_buffer text = { 0 };

	(void)state;
	options.arch = NEC_ARCH_AARCH64;
	nec_machine_choose_words(&options);
	text = describe(&options);
	assert_memory_equal(nec_buffer_text(&text), "qemu-system-aarch64\n", 20);
	expect(&options, "-machine virt,memory-backend=ram");
	expect(&options, "-append console=ttyS0 panic=30 console=ttyAMA0");
}

static void words__tell_an_emulated_x86_its_counters_speed(void **state)
{
	struct nec_machine_options options = debian;

	(void)state;
	options.since = nec_machine_read_ticks();
	options.since.nsec -= 1000000000; /* as if a second had passed */
	options.since.ticks -= 2400000000;
	nec_machine_choose_words(&options);
#if defined(__x86_64__)
	assert_memory_equal(options.words, "tsc_early_khz=", 14);
#endif
}

static void machine__that_is_paused_runs_nothing(void **state)
{
	struct nec_machine_options options = debian;

	(void)state;
	options.paused = true;
	expect(&options, "-S");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(machine__of_debians_kernel_has_acpi),
		cmocka_unit_test(machine__of_nitro_clis_kernel_has_devices_on_the_command_line),
		cmocka_unit_test(machine__with_kvm_has_the_hosts_cpu),
		cmocka_unit_test(machine__has_the_cpu_that_the_environment_names),
		cmocka_unit_test(machine__of_arm_is_the_virt_board),
		cmocka_unit_test(words__tell_an_emulated_x86_its_counters_speed),
		cmocka_unit_test(machine__that_is_paused_runs_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
