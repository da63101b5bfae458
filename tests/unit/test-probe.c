/* SPDX-License-Identifier: Apache-2.0 */
/* What the probe says of machines on which something is missing. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/unix-socket.h"
#include "enclave/probe.h"
#include "fake-device.h"

#define ALL_NITRO \
	"module device permission pool hugepages vsock memory sockets enclaves holder libraries"

/* Belongs to nobody on any machine. */
enum { GROUP = 4242 };

static const struct fake_machine healthy = {
	.cores = 5,
	.threads = 2,
	.pool = "1-4,6-9",
	.huge = { { 0, FAKE_2M, 200 } },
};

static struct fake_device *fake;
static nec_context *context;
static char dir[128];
static struct nec_probe probe;

static void make(const struct fake_machine *machine)
{
	fake = fake_device_new(machine);
	(void)snprintf(dir, sizeof(dir), "%s/run", fake_device_root(fake));
	assert_int_equal(mkdir(dir, 0755), 0);
	assert_int_equal(nec_context_new(&context, NULL), 0);
	context->device = fake_device_get(fake);
	fake_device_write(fake, "/proc/meminfo", "MemTotal: 9 kB\nMemAvailable:  204800 kB\n");
}

static int tear_down(void **state)
{
	(void)state;
	nec_context_free(context);
	fake_device_expect_clean(fake);
	fake_device_free(fake);
	return 0;
}

static void run_about(enum nec_backend_kind backend, enum nec_error_code about)
{
	const struct nec_probe_request request = {
		.backend = backend,
		.sockets_dir = dir,
		.about = about,
	};

	assert_int_equal(nec_probe_run(context, &request, &probe, NULL), 0);
}

static void run(void)
{
	run_about(NEC_BACKEND_NITRO, NEC_E_NONE);
}

static const struct nec_probe_result *result_of(const char *name)
{
	for (size_t i = 0; i < probe.count; i++)
		if (strcmp(probe.results[i].name, name) == 0)
			return &probe.results[i];
	fail_msg("there is no check %s", name);
	return NULL;
}

static void expect(const char *name, enum nec_probe_state state, enum nec_error_code code,
		   const char *message, const char *fix)
{
	const struct nec_probe_result *result = result_of(name);

	if (result->state != state || result->code != code || !strstr(result->message, message) ||
	    !strstr(result->fix, fix))
		fail_msg("%s: %s, %s: %s (fix: %s)", name, nec_probe_state_name(result->state),
			 nec_error_name(result->code), result->message, result->fix);
}

static void expect_names(const char *names)
{
	char text[256] = "";

	for (size_t i = 0; i < probe.count; i++)
		(void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s",
			       i > 0 ? " " : "", probe.results[i].name);
	assert_string_equal(text, names);
}

static void probe__of_a_machine_that_is_ready_fails_nowhere(void **state)
{
	(void)state;
	make(&healthy);
	run();
	expect_names(ALL_NITRO);
	for (size_t i = 0; i < probe.count; i++)
		expect(probe.results[i].name, NEC_PROBE_OK, NEC_E_NONE, "", "");
	assert_null(nec_probe_first_failure(&probe));
	expect("pool", NEC_PROBE_OK, NEC_E_NONE,
	       "CPUs 1-4,6-9 on NUMA node 0, of which 1-4,6-9 are free; a core has 2", "");
	expect("hugepages", NEC_PROBE_OK, NEC_E_NONE,
	       "400 MiB can be had: node 0: 200 of 200 pages of 2 MiB are free", "");
	expect("memory", NEC_PROBE_OK, NEC_E_NONE, "200 MiB", "");
	/* Looking takes nothing: tear_down() sees to that. */
}

static void probe__has_the_names_that_are_documented(void **state)
{
	(void)state;
	make(&healthy);
	run();
	for (size_t i = 0; i < probe.count; i++)
		assert_string_equal(probe.results[i].name, nec_probe_name(NEC_BACKEND_NITRO, i));
	assert_null(nec_probe_name(NEC_BACKEND_NITRO, probe.count));
}

static void machine_without_driver__is_no_instance_for_enclaves(void **state)
{
	const struct fake_machine machine = { .no_driver = true, .no_device = true };

	(void)state;
	make(&machine);
	run();
	expect("module", NEC_PROBE_FAILED, NEC_E_DRIVER_MISSING, "has no enclave device",
	       "This is no EC2 instance. Add `--backend qemu`");
	expect("device", NEC_PROBE_SKIPPED, NEC_E_NONE, "", "");
	expect("permission", NEC_PROBE_SKIPPED, NEC_E_NONE, "", "");
	expect("pool", NEC_PROBE_SKIPPED, NEC_E_NONE, "", "");
	assert_string_equal(nec_probe_first_failure(&probe)->name, "module");

	fake_device_write(fake, "/sys/devices/virtual/dmi/id/sys_vendor", "Hardware\033[1m Inc.\n");
	run();
	expect("module", NEC_PROBE_FAILED, NEC_E_DRIVER_MISSING, "",
	       "(the vendor is Hardware?[1m Inc.)");

	fake_device_write(fake, "/sys/devices/virtual/dmi/id/sys_vendor", "Amazon EC2\n");
	run();
	expect("module", NEC_PROBE_FAILED, NEC_E_DRIVER_MISSING, "", "--enclave-options");
}

static void machine_without_driver__may_have_its_device(void **state)
{
	const struct fake_machine machine = { .no_driver = true, .no_device = true };

	(void)state;
	make(&machine);
	fake_device_write(fake, "/sys/bus/pci/devices/0000:00:01.0/vendor", "0x1d0f\n");
	fake_device_write(fake, "/sys/bus/pci/devices/0000:00:01.0/device", "0xec20\n");
	fake_device_write(fake, "/sys/bus/pci/devices/0000:00:02.0/vendor", "0x1d0f\n");
	fake_device_write(fake, "/sys/bus/pci/devices/0000:00:02.0/device", "0xe4c1\n");
	run();
	expect("module", NEC_PROBE_FAILED, NEC_E_DRIVER_MISSING, "at PCI address 0000:00:02.0",
	       "`modprobe nitro_enclaves`");
	assert_int_equal(nec_error_exit_status(nec_probe_first_failure(&probe)->code), 19);
}

static void driver_without_device__is_told_from_one_that_does_not_bind(void **state)
{
	const struct fake_machine machine = { .no_device = true };

	(void)state;
	make(&machine);
	run();
	expect("module", NEC_PROBE_OK, NEC_E_NONE, "", "");
	expect("device", NEC_PROBE_FAILED, NEC_E_DEVICE_MISSING, "found no enclave device",
	       "simulation");
	fake_device_write(fake, "/sys/bus/pci/devices/0000:00:02.0/vendor", "0x1d0f\n");
	fake_device_write(fake, "/sys/bus/pci/devices/0000:00:02.0/device", "0xe4c1\n");
	run();
	expect("device", NEC_PROBE_FAILED, NEC_E_DEVICE_MISSING, "0000:00:02.0", "dmesg");
}

/* The node as the packages make it; root may give it to a group that is nobody's. */
static unsigned int make_node(unsigned int mode)
{
	struct stat st;
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/dev/nitro_enclaves", fake_device_root(fake));
	if (geteuid() == 0)
		assert_int_equal(chown(path, 0, GROUP), 0);
	assert_int_equal(chmod(path, mode), 0);
	assert_int_equal(stat(path, &st), 0);
	return st.st_gid;
}

static void write_user(const char *groups, unsigned int gid, const char *members)
{
	char text[256];

	(void)snprintf(text, sizeof(text),
		       "Name:\tnec\nUid:\t1000\t1001\t1000\t1000\nGroups:\t%s \n", groups);
	fake_device_write(fake, "/proc/self/status", text);
	fake_device_write(
		fake, "/etc/passwd",
		"root:x:0:0::/:/bin/sh\nbob:x:1000:9::/:/bin/sh\nalice:x:1001:9::/:/bin/sh\n");
	(void)snprintf(text, sizeof(text), "root:x:0:\nne:x:%u:%s\n", gid, members);
	fake_device_write(fake, "/etc/group", text);
}

static void expect_refusal(const char *message, const char *fix)
{
	fake_device_refuse(fake, FAKE_OPEN_DEVICE, 1, EACCES);
	run_about(NEC_BACKEND_NITRO, NEC_E_DEVICE_PERMISSION);
	expect_names("permission");
	expect("permission", NEC_PROBE_FAILED, NEC_E_DEVICE_PERMISSION, message, fix);
}

static void permission__says_which_group_and_how_to_join(void **state)
{
	unsigned int node_gid;
	char gid[16];

	(void)state;
	make(&healthy);
	node_gid = make_node(0660);
	(void)snprintf(gid, sizeof(gid), "%u", node_gid);
	write_user("9 33", node_gid, "bob,alicia");
	expect_refusal("and alice is not in the group ne", "`sudo usermod -aG ne alice`");
	write_user("9 33", node_gid, "bob,alice");
	expect_refusal("alice is in the group ne, but was not yet", "Log in again");
	write_user(gid, node_gid, "bob,alice");
	expect_refusal("although alice is in its group ne", "container");
}

static void permission__of_a_node_for_its_owner_alone_wants_a_rule(void **state)
{
	(void)state;
	make(&healthy);
	(void)make_node(0600);
	expect_refusal("with mode 0600: only ", "`groupadd --system ne`, `echo 'SUBSYSTEM");
	write_user("9", GROUP, "");
	expect_refusal("with mode 0600: only ", "Give the device to the group ne: `echo");
}

static void permission__of_another_kind_is_told_as_it_is(void **state)
{
	(void)state;
	make(&healthy);
	fake_device_refuse(fake, FAKE_OPEN_DEVICE, 1, EMFILE);
	run();
	expect("permission", NEC_PROBE_FAILED, NEC_E_SYSTEM, "too many files open", "");
}

static void pool__that_is_empty_is_told(void **state)
{
	const struct fake_machine machine = { .huge = { { 0, FAKE_2M, 200 } } };

	(void)state;
	make(&machine);
	run();
	expect("pool", NEC_PROBE_FAILED, NEC_E_POOL_EMPTY, "no CPU is set aside", "allocator.yaml");
	expect("hugepages", NEC_PROBE_OK, NEC_E_NONE, "400 MiB", "");
	assert_int_equal(nec_error_exit_status(nec_probe_first_failure(&probe)->code), 22);
}

static void pool__that_cannot_be_read_is_told(void **state)
{
	(void)state;
	make(&healthy);
	fake_device_write(fake, "/sys/module/nitro_enclaves/parameters/ne_cpus", "1-x\n");
	run();
	expect("pool", NEC_PROBE_FAILED, NEC_E_CPU_LIST_NUMBER, "ne_cpus", "");
}

static void hugepages__that_are_none_too_few_or_elsewhere(void **state)
{
	const struct fake_machine none = { .cores = 5, .threads = 2, .pool = "1-4,6-9" };
	const struct fake_machine few = {
		.cores = 5,
		.threads = 2,
		.pool = "1-4,6-9",
		.huge = { { 0, FAKE_2M, 31 } },
	};
	const struct fake_machine elsewhere = {
		.nodes = 2,
		.cores = 2,
		.pool = "1",
		.huge = { { 0, FAKE_2M, 8 }, { 1, FAKE_2M, 512 }, { 1, FAKE_1G, 2 } },
	};

	(void)state;
	make(&none);
	run();
	expect("hugepages", NEC_PROBE_FAILED, NEC_E_HUGEPAGES_EXHAUSTED,
	       "no huge pages are reserved",
	       "/sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages");
	(void)tear_down(NULL);

	make(&few);
	run();
	expect("hugepages", NEC_PROBE_FAILED, NEC_E_HUGEPAGES_EXHAUSTED,
	       "62 MiB of huge pages are free, an enclave needs 64 MiB", "memory_mib");
	(void)tear_down(NULL);

	make(&elsewhere);
	run();
	expect("hugepages", NEC_PROBE_FAILED, NEC_E_HUGEPAGES_EXHAUSTED,
	       "the CPU pool is on NUMA node 0, where 16 MiB of huge pages are free, and pages of "
	       "other nodes cannot be used: node 0: 8 of 8 pages of 2 MiB are free, node 1: 512 of "
	       "512 pages of 2 MiB are free, node 1: 2 of 2 pages of 1024 MiB are free",
	       "node0");
	assert_int_equal(nec_error_exit_status(nec_probe_first_failure(&probe)->code), 27);
}

static void vsock_port__that_is_taken_is_a_warning(void **state)
{
	const struct nec_device *device;
	int fd;

	(void)state;
	make(&healthy);
	device = fake_device_get(fake);
	fd = device->ops->vsock_listen(device, NEC_CID_PARENT, NEC_PORT_HEARTBEAT);
	assert_true(fd >= 0);
	run();
	expect("vsock", NEC_PROBE_WARNING, NEC_E_NONE, "another program has port 9000",
	       "ss --vsock");
	assert_null(nec_probe_first_failure(&probe));
	(void)close(fd);
	run();
	expect("vsock", NEC_PROBE_OK, NEC_E_NONE, "is free", "");
}

static void vsock_port__of_a_launch_that_shares_it_is_in_order(void **state)
{
	char path[256];
	int meeting;

	(void)state;
	make(&healthy);
	(void)snprintf(path, sizeof(path), "%s/heartbeat", dir);
	meeting = nec_listen_unix(path, 0600, NULL);
	assert_true(meeting >= 0);
	fake_device_refuse(fake, FAKE_VSOCK_LISTEN, 1, EADDRINUSE);
	run();
	expect("vsock", NEC_PROBE_OK, NEC_E_NONE, "another launch", "");
	(void)close(meeting);
	(void)unlink(path);
}

static void vsock__that_is_missing_is_told_by_what_is_missing(void **state)
{
	(void)state;
	make(&healthy);
	fake_device_refuse(fake, FAKE_VSOCK_LISTEN, 1, EADDRNOTAVAIL);
	run();
	expect("vsock", NEC_PROBE_FAILED, NEC_E_VSOCK, "not vsock CID 3", "modprobe vmw_vsock");
	fake_device_refuse(fake, FAKE_VSOCK_LISTEN, 1, EAFNOSUPPORT);
	run();
	expect("vsock", NEC_PROBE_FAILED, NEC_E_VSOCK, "no vsock", "modprobe vsock");
	fake_device_refuse(fake, FAKE_VSOCK_LISTEN, 1, EACCES);
	run();
	expect("vsock", NEC_PROBE_FAILED, NEC_E_VSOCK, "Permission denied", "");
}

static void sockets__are_made_by_the_first_launch(void **state)
{
	(void)state;
	make(&healthy);
	assert_int_equal(rmdir(dir), 0);
	run();
	expect("sockets", NEC_PROBE_OK, NEC_E_NONE, "the first launch makes it", "");
	fake_device_write(fake, "/run", "a file");
	run();
	expect("sockets", NEC_PROBE_FAILED, NEC_E_FILE_WRITE, "is no folder",
	       "NITRO_CLI_SOCKETS_PATH");
}

static void holder__that_cannot_be_run_is_told(void **state)
{
	(void)state;
	make(&healthy);
	assert_int_equal(setenv("NEC_HOLDER", "/nowhere/nec-holder", 1), 0);
	run();
	expect("holder", NEC_PROBE_FAILED, NEC_E_HOLDER, "/nowhere/nec-holder", "Reinstall");
	assert_int_equal(setenv("NEC_HOLDER", "/bin/sh", 1), 0);
}

/* ---- the simulation ---- */

static void write_program(const char *path, const char *text)
{
	char full[256];

	fake_device_write(fake, path, text);
	(void)snprintf(full, sizeof(full), "%s%s", fake_device_root(fake), path);
	assert_int_equal(chmod(full, 0755), 0);
}

static void simulation__needs_qemu_of_some_age_and_memory(void **state)
{
	const struct fake_machine machine = { .no_driver = true, .no_device = true };
	const char *before = getenv("PATH");
	char *path = strdup(before ? before : "/usr/bin:/bin");
	char folder[256];

	(void)state;
	assert_non_null(path);
	make(&machine);
	(void)snprintf(folder, sizeof(folder), "%s/bin", fake_device_root(fake));
	assert_int_equal(setenv("PATH", folder, 1), 0);
	assert_int_equal(setenv("NEC_SIM_ACCEL", "kvm", 1), 0);
	run_about(NEC_BACKEND_QEMU, NEC_E_NONE);
	expect_names("qemu kvm loopback memory sockets enclaves holder libraries");
	expect("qemu", NEC_PROBE_FAILED, NEC_E_TOOL_MISSING, "qemu-system-",
	       "apt-get install qemu");
	expect("kvm", NEC_PROBE_SKIPPED, NEC_E_NONE, "", "");

	write_program("/bin/qemu-system-x86_64", "#!/bin/sh\necho QEMU emulator version 6.1.0\n");
	write_program("/bin/qemu-system-aarch64", "#!/bin/sh\necho QEMU emulator version 6.1.0\n");
	fake_device_write(fake, "/proc/meminfo", "MemAvailable:  65535 kB\n");
	run_about(NEC_BACKEND_QEMU, NEC_E_NONE);
	expect("qemu", NEC_PROBE_WARNING, NEC_E_NONE, "is version 6.1; 7.2 is the oldest", "");
	expect("kvm", NEC_PROBE_OK, NEC_E_NONE, "", "");
	expect("memory", NEC_PROBE_FAILED, NEC_E_NO_MEMORY, "63 MiB", "");

	write_program("/bin/qemu-system-x86_64", "#!/bin/sh\necho QEMU emulator version 10.0.2\n");
	write_program("/bin/qemu-system-aarch64", "#!/bin/sh\necho QEMU emulator version 10.0.2\n");
	assert_int_equal(setenv("NEC_SIM_ACCEL", "tcg", 1), 0);
	run_about(NEC_BACKEND_QEMU, NEC_E_NONE);
	expect("qemu", NEC_PROBE_OK, NEC_E_NONE, "is version 10.0", "");
	expect("kvm", NEC_PROBE_WARNING, NEC_E_NONE, "there is no /dev/kvm", "");
	/* As most machines, the fake one has none. */
	expect("loopback", NEC_PROBE_OK, NEC_E_NONE, "there is no vsock loopback", "");
	assert_int_equal(setenv("PATH", path, 1), 0);
	free(path);
}

/* ---- only what can explain an error ---- */

static void error__is_explained_by_what_has_to_do_with_it(void **state)
{
	(void)state;
	make(&healthy);
	run_about(NEC_BACKEND_NITRO, NEC_E_HUGEPAGES_EXHAUSTED);
	expect_names("hugepages memory enclaves");
	run_about(NEC_BACKEND_QEMU, NEC_E_HUGEPAGES_EXHAUSTED);
	expect_names("memory enclaves");
	run_about(NEC_BACKEND_NITRO, NEC_E_CPUS_INSUFFICIENT);
	expect_names("pool enclaves");
	run_about(NEC_BACKEND_NITRO, NEC_E_EIF_CRC);
	expect_names("");
	/* Suspected, and innocent. */
	run_about(NEC_BACKEND_NITRO, NEC_E_ENCLAVE_BOOT);
	expect_names("");
	fake_device_refuse(fake, FAKE_VSOCK_LISTEN, 1, EAFNOSUPPORT);
	run_about(NEC_BACKEND_NITRO, NEC_E_ENCLAVE_BOOT);
	expect_names("vsock");
}

#define test(name) cmocka_unit_test_teardown(name, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(probe__of_a_machine_that_is_ready_fails_nowhere),
		test(probe__has_the_names_that_are_documented),
		test(machine_without_driver__is_no_instance_for_enclaves),
		test(machine_without_driver__may_have_its_device),
		test(driver_without_device__is_told_from_one_that_does_not_bind),
		test(permission__says_which_group_and_how_to_join),
		test(permission__of_a_node_for_its_owner_alone_wants_a_rule),
		test(permission__of_another_kind_is_told_as_it_is),
		test(pool__that_is_empty_is_told),
		test(pool__that_cannot_be_read_is_told),
		test(hugepages__that_are_none_too_few_or_elsewhere),
		test(vsock_port__that_is_taken_is_a_warning),
		test(vsock_port__of_a_launch_that_shares_it_is_in_order),
		test(vsock__that_is_missing_is_told_by_what_is_missing),
		test(sockets__are_made_by_the_first_launch),
		test(holder__that_cannot_be_run_is_told),
		test(simulation__needs_qemu_of_some_age_and_memory),
		test(error__is_explained_by_what_has_to_do_with_it),
	};

	/* Anything that can be run. */
	(void)setenv("NEC_HOLDER", "/bin/sh", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
