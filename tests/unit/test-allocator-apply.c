/* SPDX-License-Identifier: Apache-2.0 */
/* Applying and releasing on machines of many shapes and moods. */
#include "test.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "allocator/apply.h"
#include "allocator/change.h"
#include "allocator/status.h"
#include "base/context.h"
#include "base/error.h"
#include "fake-device.h"

static struct fake_device *fake;
static nec_context context;
static nec_error err;
static struct nec_allocator_outcome outcome;
static char warning[1024];
static const struct nec_allocator_apply_options defaults = NEC_ALLOCATOR_APPLY_OPTIONS_INIT;

static int end(void **state)
{
	(void)state;
	if (fake)
		fake_device_free(fake);
	fake = NULL;
	return 0;
}

static void on_warning(void *userdata, const char *text)
{
	(void)userdata;
	(void)snprintf(warning, sizeof(warning), "%s", text);
}

static void boot(const struct fake_machine *machine)
{
	(void)end(NULL);
	fake = fake_device_new(machine);
	fake_device_write(fake, "/run/utmp", "");
	context = (nec_context){ .device = fake_device_get(fake), .warning = on_warning };
	warning[0] = '\0';
}

/* Free memory on a node, all of it in big pieces. */
static void set_memory(uint32_t node, uint32_t mib)
{
	const struct fake_memory memory = { .free_mib = mib, .contiguous_mib = mib };

	fake_device_set_memory(fake, node, &memory);
}

static void boot_with(const struct fake_machine *machine, uint32_t mib)
{
	boot(machine);
	set_memory(0, mib);
}

static struct nec_allocator_config parse(const char *yaml)
{
	struct nec_allocator_config config;

	if (nec_allocator_config_parse(yaml, strlen(yaml), "f", &config, &err) < 0)
		fail_msg("refused: %s", err.message);
	return config;
}

static int apply_with(const char *yaml, const struct nec_allocator_apply_options *options)
{
	struct nec_allocator_config config = parse(yaml);

	err = (nec_error)NEC_ERROR_INIT;
	outcome = (struct nec_allocator_outcome){ 0 };
	return nec_allocator_apply(&context, &config, options, &outcome, &err);
}

static void apply(const char *yaml)
{
	if (apply_with(yaml, &defaults) < 0)
		fail_msg("refused: %s", err.message);
	assert_int_equal(err.code, NEC_E_NONE);
}

static void refuse(const char *yaml, int number, enum nec_error_code code, const char *message)
{
	assert_int_equal(apply_with(yaml, &defaults), number);
	assert_string_equal(err.message, message);
	assert_int_equal(err.code, code);
}

static void release(void)
{
	err = (nec_error)NEC_ERROR_INIT;
	if (nec_allocator_release(&context, &outcome, &err) < 0)
		fail_msg("not released: %s", err.message);
}

/* As "1-2; 0:2x256 1:1024x1": the pool, and on each node pages of that many MiB. */
static void expect_machine(const char *expected)
{
	cleanup_buffer struct nec_buffer text = { 0 };
	cleanup_host struct nec_host *host = NULL;

	if (nec_host_take(fake_device_get(fake), &host, &err) < 0)
		fail_msg("%s", err.message);
	nec_cpulist_print(&host->pool.cpus, &text);
	nec_buffer_append_text(&text, ";");
	for (size_t i = 0; i < host->hugepages.count; i++)
		if (host->hugepages.rows[i].total)
			nec_buffer_printf(&text, " %d:%llux%llu", host->hugepages.rows[i].node,
					  (unsigned long long)host->hugepages.rows[i].page_bytes >>
						  20,
					  (unsigned long long)host->hugepages.rows[i].total);
	assert_string_equal(nec_buffer_text(&text), expected);
}

static bool has_file(const char *path)
{
	return nec_device_exists(fake_device_get(fake), path) == 1;
}

static const struct fake_machine ec2 = { .cores = 4, .threads = 2, .huge = { { 0, FAKE_2M, 0 } } };
static const struct fake_machine ec2_with_pool = {
	.cores = 4, .threads = 2, .pool = "3,7", .huge = { { 0, FAKE_2M, 0 } }
};

/* ---- applying ---- */

static void apply__sets_memory_and_cpus_aside_and_release_gives_them_back(void **state)
{
	(void)state;
	boot_with(&ec2, 1024);
	apply("memory_mib: 512\ncpu_count: 2\n");
	assert_true(outcome.changed);
	assert_true(outcome.device_present);
	assert_int_equal(outcome.node, 0);
	assert_int_equal(outcome.memory_bytes, 512 * FAKE_MIB);
	assert_int_equal(outcome.made_bytes, 512 * FAKE_MIB);
	assert_int_equal(outcome.recovery, NEC_ALLOCATOR_NOTHING);
	assert_int_equal(outcome.page_count, 1);
	assert_int_equal(outcome.pages[0].ours, 256);
	assert_int_equal(nec_cpuset_count(&outcome.cpus), 2);
	expect_machine("1,5; 0:2x256");
	release();
	assert_true(outcome.changed);
	assert_int_equal(outcome.returned_bytes, 512 * FAKE_MIB);
	expect_machine(";");
	assert_false(has_file(NEC_ALLOCATOR_STATE));
	release();
	assert_false(outcome.changed);
}

static void apply__of_what_stands_touches_nothing(void **state)
{
	unsigned int writes;

	(void)state;
	boot_with(&ec2, 1024);
	apply("memory_mib: 512\ncpu_count: 2\n");
	writes = fake_device_calls(fake, FAKE_WRITE_TEXT);
	apply("memory_mib: 512\ncpu_count: 2\n");
	assert_false(outcome.changed);
	assert_int_equal(outcome.memory_bytes, 512 * FAKE_MIB);
	assert_int_equal(fake_device_calls(fake, FAKE_WRITE_TEXT), writes);
}

static void apply__of_another_file_changes_what_differs(void **state)
{
	(void)state;
	boot_with(&ec2, 2048);
	apply("memory_mib: 512\ncpu_count: 2\n");
	apply("memory_mib: 1024\ncpu_count: 2\n");
	assert_int_equal(outcome.made_bytes, 512 * FAKE_MIB);
	expect_machine("1,5; 0:2x512");
	apply("memory_mib: 64\ncpu_count: 4\n");
	assert_int_equal(outcome.returned_bytes, 960 * FAKE_MIB);
	expect_machine("1-2,5-6; 0:2x32");
	apply("memory_mib: 64\ncpu_pool: 3,7\n");
	assert_int_equal(outcome.made_bytes, 0);
	expect_machine("3,7; 0:2x32");
	release();
	expect_machine(";");
}

static void apply__moves_to_another_node_and_leaves_nothing_behind(void **state)
{
	(void)state;
	boot(&(struct fake_machine){
		.nodes = 2, .cores = 3, .huge = { { 0, FAKE_2M, 0 }, { 1, FAKE_2M, 0 } } });
	set_memory(0, 128);
	set_memory(1, 128);
	apply("memory_mib: 100\ncpu_count: 2\nnuma_node: 1\n");
	expect_machine("3-4; 1:2x50");
	/* It stays where it is as long as nobody says otherwise. */
	apply("memory_mib: 102\ncpu_count: 2\n");
	expect_machine("3-4; 1:2x51");
	apply("memory_mib: 100\ncpu_count: 2\nnuma_node: 0\n");
	assert_int_equal(outcome.node, 0);
	expect_machine("1-2; 0:2x50");
}

static void apply__leaves_a_machine_that_a_plan_does_not_fit(void **state)
{
	(void)state;
	boot_with(&ec2, 100);
	refuse("memory_mib: 512\ncpu_count: 2\n", -ENOSPC, NEC_E_HUGEPAGES_EXHAUSTED,
	       "NUMA node 0 has 100 MiB free, 512 MiB must become huge pages");
	assert_string_equal(err.hint, "To make it fit: lower memory_mib to 100.");
	refuse("memory_mib: 2\ncpu_count: 8\n", -ENOSPC, NEC_E_CPUS_INSUFFICIENT,
	       "NUMA node 0 has 6 CPUs for enclaves, 2 are missing");
	assert_int_equal(fake_device_calls(fake, FAKE_WRITE_TEXT), 0);
	assert_false(has_file(NEC_ALLOCATOR_STATE));
}

static void apply__needs_rights_and_the_lock(void **state)
{
	cleanup_close int fd = -1;

	(void)state;
	boot_with(&ec2, 1024);
	fake_device_set_rights(fake, false);
	refuse("memory_mib: 2\ncpu_count: 2\n", -EPERM, NEC_E_ALLOCATOR_RIGHTS,
	       "setting memory and CPUs aside needs root's rights");
	assert_false(has_file(NEC_ALLOCATOR_DIR));
	fake_device_set_rights(fake, true);
	fd = nec_ledger_lock(fake_device_get(fake), NULL);
	assert_true(fd >= 0);
	refuse("memory_mib: 2\ncpu_count: 2\n", -EAGAIN, NEC_E_ALLOCATOR_BUSY,
	       "another process is changing what is set aside");
}

static void apply__works_without_numa(void **state)
{
	(void)state;
	boot(&(struct fake_machine){ .cores = 4, .no_numa = true, .huge = { { 0, FAKE_2M, 0 } } });
	set_memory(0, 64);
	apply("memory_mib: 64\ncpu_count: 2\n");
	expect_machine("1-2; 0:2x32");
	release();
	expect_machine(";");
}

static void apply__leaves_a_dynamic_pool_alone(void **state)
{
	(void)state;
	boot(&(struct fake_machine){
		.cores = 4, .dynamic_pool = true, .huge = { { 0, FAKE_2M, 0 } } });
	set_memory(0, 64);
	apply("memory_mib: 64\ncpu_count: 2\n");
	expect_machine("1-3; 0:2x32");
	apply("memory_mib: 64\ncpu_count: 3\n");
	assert_false(outcome.changed);
	release();
	expect_machine("1-3;");
}

/* Each entry its own pages, of the size that it asks for; all on the node that one of them names.
 */
static void apply__of_a_list_serves_each_entry(void **state)
{
	static const char yaml[] = "- memory_mib: 512\n  cpu_count: 2\n"
				   "- memory_mib: 1500\n  cpu_pool: 6\n  numa_node: 1\n"
				   "  page_size: 1G\n"
				   "- memory_mib: 3\n  cpu_count: 1\n  page_size: 2M\n";

	(void)state;
	boot(&(struct fake_machine){ .nodes = 2,
				     .cores = 4,
				     .huge = { { 0, FAKE_2M, 0 },
					       { 0, FAKE_1G, 0 },
					       { 1, FAKE_2M, 0 },
					       { 1, FAKE_1G, 0 } } });
	set_memory(0, 8192);
	fake_device_set_memory(
		fake, 1,
		&(struct fake_memory){ .free_mib = 8192, .contiguous_mib = 8192, .big_pages = 4 });
	apply(yaml);
	expect_machine("4-7; 1:2x258 1:1024x2");
	assert_int_equal(outcome.node, 1);
	apply(yaml);
	assert_false(outcome.changed);
	release();
	expect_machine(";");
}

/* ---- the driver and its device ---- */

static void *bring_device(void *late)
{
	const struct timespec time = { .tv_nsec = 20000000 };

	(void)nanosleep(&time, NULL);
	fake_device_write(late, "/dev/nitro_enclaves", "");
	return NULL;
}

static void driver__is_loaded_and_its_device_waited_for(void **state)
{
	struct nec_allocator_apply_options options = NEC_ALLOCATOR_APPLY_OPTIONS_INIT;
	pthread_t thread;

	(void)state;
	boot(&(struct fake_machine){
		.cores = 4, .no_driver = true, .huge = { { 0, FAKE_2M, 0 } } });
	set_memory(0, 64);
	fake_device_set_late_device(fake, true);
	options.load_driver = false;
	assert_int_equal(apply_with("memory_mib: 64\ncpu_count: 2\n", &options), -ENOENT);
	assert_int_equal(err.code, NEC_E_DRIVER_MISSING);
	options.load_driver = true;
	options.device = NEC_ALLOCATOR_DEVICE_REQUIRE;
	options.device_wait_usec = 120 * UINT64_C(1000000);
	assert_int_equal(pthread_create(&thread, NULL, bring_device, fake), 0);
	assert_int_equal(apply_with("memory_mib: 64\ncpu_count: 2\n", &options), 0);
	(void)pthread_join(thread, NULL);
	assert_true(outcome.driver_loaded);
	assert_true(outcome.device_present);
	expect_machine("1-2; 0:2x32");
}

static void driver__without_a_device_is_told_or_refused(void **state)
{
	struct nec_allocator_apply_options options = NEC_ALLOCATOR_APPLY_OPTIONS_INIT;

	(void)state;
	boot(&(struct fake_machine){
		.cores = 4, .no_device = true, .huge = { { 0, FAKE_2M, 0 } } });
	set_memory(0, 64);
	options.device = NEC_ALLOCATOR_DEVICE_REQUIRE;
	options.device_wait_usec = 0;
	assert_int_equal(apply_with("memory_mib: 64\ncpu_count: 2\n", &options), -ENOENT);
	assert_int_equal(err.code, NEC_E_DEVICE_MISSING);
	assert_int_equal(fake_device_calls(fake, FAKE_WRITE_TEXT), 0);
	apply("memory_mib: 64\ncpu_count: 2\n");
	assert_non_null(strstr(warning, "/dev/nitro_enclaves"));
	assert_false(outcome.device_present);
	expect_machine("1-2; 0:2x32");
}

/* ---- others ---- */

static void pages__of_others_are_counted_on_and_never_lowered(void **state)
{
	(void)state;
	boot(&(struct fake_machine){ .cores = 4, .huge = { { 0, FAKE_2M, 20 } } });
	set_memory(0, 128);
	/* Another program has 8 of the 20. */
	fake_device_take_pages(fake, 0, FAKE_2M, 8);
	apply("memory_mib: 64\ncpu_count: 2\n");
	assert_int_equal(outcome.made_bytes, 40 * FAKE_MIB);
	assert_int_equal(outcome.pages[0].found, 12);
	assert_int_equal(outcome.pages[0].ours, 20);
	expect_machine("1-2; 0:2x40");
	apply("memory_mib: 64\ncpu_count: 2\n");
	assert_false(outcome.changed);
	apply("memory_mib: 10\ncpu_count: 2\n");
	assert_int_equal(outcome.pages[0].ours, 5);
	expect_machine("1-2; 0:2x25");
	release();
	expect_machine("; 0:2x20");
	assert_int_equal(fake_device_free_pages(fake, 0, FAKE_2M), 12);
}

/* They become part of the number when it is raised, and are no new ones. */
static void pages__that_others_have_beyond_the_number_are_not_counted_as_made(void **state)
{
	const char *number =
		"/sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages";
	const struct nec_device *device;

	(void)state;
	boot(&(struct fake_machine){ .cores = 4, .threads = 2, .huge = { { 0, FAKE_2M, 40 } } });
	set_memory(0, 1024);
	device = fake_device_get(fake);
	fake_device_take_pages(fake, 0, FAKE_2M, 40);
	assert_int_equal(device->ops->write_text(device, number, "0"), 0);
	apply("memory_mib: 64\ncpu_count: 2\n");
	assert_int_equal(outcome.made_bytes, 64 * FAKE_MIB);
	assert_int_equal(fake_device_free_pages(fake, 0, FAKE_2M), 32);
	expect_machine("1,5; 0:2x72");
	apply("memory_mib: 64\ncpu_count: 2\n");
	assert_false(outcome.changed);
	release();
	assert_int_equal(outcome.returned_bytes, 64 * FAKE_MIB);
	expect_machine("; 0:2x40");
	assert_false(has_file(NEC_ALLOCATOR_STATE));
}

static void pages__that_others_took_away_from_us_are_forgotten(void **state)
{
	struct nec_device device;

	(void)state;
	boot_with(&ec2, 128);
	apply("memory_mib: 64\ncpu_count: 2\n");
	device = *fake_device_get(fake);
	assert_int_equal(nec_page_count_set(&device, 0, FAKE_2M, 10, &err), 0);
	expect_machine("1,5; 0:2x10");
	apply("memory_mib: 64\ncpu_count: 2\n");
	assert_int_equal(outcome.made_bytes, 44 * FAKE_MIB);
	expect_machine("1,5; 0:2x32");
	assert_int_equal(nec_page_count_set(&device, 0, FAKE_2M, 10, &err), 0);
	release();
	expect_machine(";");
}

static void pool__that_stood_before_comes_back(void **state)
{
	(void)state;
	boot_with(&ec2_with_pool, 128);
	apply("memory_mib: 2\ncpu_pool: 1,5\n");
	apply("memory_mib: 2\ncpu_pool: 2,6\n");
	expect_machine("2,6; 0:2x1");
	release();
	expect_machine("3,7;");
	/* One that was there already is not ours to release. */
	apply("memory_mib: 2\ncpu_count: 2\n");
	expect_machine("3,7; 0:2x1");
	release();
	expect_machine("3,7;");
}

static void pool__that_somebody_else_has_set_meanwhile_stays(void **state)
{
	(void)state;
	boot_with(&ec2, 128);
	apply("memory_mib: 2\ncpu_pool: 1,5\n");
	assert_int_equal(fake_device_set_pool(fake, "2,6"), 0);
	release();
	expect_machine("2,6;");
}

/* One slice of pages and a pool: that many writes. The one that is refused leaves nothing. */
static void refuse_write(unsigned int write, int number, int result, enum nec_error_code code)
{
	fake_device_refuse(fake, FAKE_WRITE_TEXT, write, number);
	assert_int_equal(apply_with("memory_mib: 64\ncpu_pool: 1,5\n", &defaults), result);
	assert_int_equal(err.code, code);
	assert_false(has_file(NEC_ALLOCATOR_STATE));
}

/* The driver drops the old pool before it refuses the new one. */
static void pool__comes_back_when_the_driver_refuses_the_new_one(void **state)
{
	(void)state;
	boot_with(&ec2_with_pool, 128);
	refuse_write(2, FAKE_POOL_LOST, -EIO, NEC_E_ALLOCATOR_POOL);
	assert_non_null(strstr(err.message, "refuses the CPU pool \"1,5\""));
	expect_machine("3,7;");
}

static void pool__comes_back_at_the_second_try(void **state)
{
	(void)state;
	boot_with(&ec2_with_pool, 128);
	fake_device_refuse(fake, FAKE_WRITE_TEXT, 3, EBUSY);
	refuse_write(2, FAKE_POOL_LOST, -EIO, NEC_E_ALLOCATOR_POOL);
	expect_machine("3,7;");
}

/* So it is in a unit that was started before the driver was loaded anew. */
static void pool__that_is_read_only_wants_the_service_restarted(void **state)
{
	(void)state;
	boot_with(&ec2, 128);
	refuse_write(2, EROFS, -EROFS, NEC_E_ALLOCATOR_POOL);
	assert_non_null(strstr(err.hint, "systemctl restart nitro-enclaves-allocator"));
	expect_machine(";");
}

/* As in a container. */
static void pages__that_are_read_only_want_the_host(void **state)
{
	(void)state;
	boot_with(&ec2, 128);
	refuse_write(1, EROFS, -EROFS, NEC_E_FILE_WRITE);
	assert_non_null(strstr(err.hint, "in most containers"));
	expect_machine(";");
}

static void release__of_what_is_read_only_wants_the_host(void **state)
{
	(void)state;
	boot_with(&ec2, 128);
	apply("memory_mib: 64\ncpu_pool: 1,5\n");
	/* Each of its two tries writes the pool twice. */
	for (unsigned int number = 1; number <= 4; number++)
		fake_device_refuse(fake, FAKE_WRITE_TEXT, number, EROFS);
	assert_int_equal(nec_allocator_release(&context, &outcome, &err), -EROFS);
	assert_int_equal(err.code, NEC_E_ALLOCATOR_POOL);
	assert_non_null(strstr(err.hint, "in most containers"));
	expect_machine("1,5; 0:2x32");
	/* What was begun is brought to its end where that can be done. */
	release();
	expect_machine(";");
}

/* Three writes of the pool: the new one, and the old one twice. */
static void lose_pool(const char *yaml)
{
	fake_device_refuse(fake, FAKE_WRITE_TEXT, 1, FAKE_POOL_LOST);
	fake_device_refuse(fake, FAKE_WRITE_TEXT, 2, EINVAL);
	fake_device_refuse(fake, FAKE_WRITE_TEXT, 3, EINVAL);
	assert_int_equal(apply_with(yaml, &defaults), -EINVAL);
	assert_int_equal(err.code, NEC_E_ALLOCATOR_UNDO);
}

static void pool__that_could_not_be_put_back_is_not_forgotten(void **state)
{
	const struct fake_machine machine = {
		.cores = 4, .threads = 2, .pool = "3,7", .huge = { { 0, FAKE_2M, 0 } }
	};

	(void)state;
	boot_with(&machine, 128);
	apply("memory_mib: 2\ncpu_pool: 1,5\n");
	lose_pool("memory_mib: 2\ncpu_pool: 2,6\n");
	expect_machine("; 0:2x1");
	apply("memory_mib: 2\ncpu_pool: 2,6\n");
	release();
	expect_machine("3,7;");
	assert_false(has_file(NEC_ALLOCATOR_STATE));
	/* Nor when it was never ours; and without another apply. */
	apply("memory_mib: 2\ncpu_pool: 3,7\n");
	lose_pool("memory_mib: 2\ncpu_pool: 2,6\n");
	release();
	assert_true(outcome.changed);
	expect_machine("3,7;");
	assert_false(has_file(NEC_ALLOCATOR_STATE));
}

/* The driver takes that, and keeps it as it is. */
static void pool__of_several_lines_is_one_in_the_ledger(void **state)
{
	(void)state;
	boot(&(struct fake_machine){
		.cores = 4, .threads = 2, .pool = "3,\n\t7", .huge = { { 0, FAKE_2M, 0 } } });
	set_memory(0, 128);
	apply("memory_mib: 64\ncpu_pool: 1,5\n");
	apply("memory_mib: 64\ncpu_pool: 1,5\n");
	assert_int_equal(outcome.recovery, NEC_ALLOCATOR_NOTHING);
	assert_false(outcome.changed);
	release();
	expect_machine("3,7;");
}

/* ---- enclaves that run ---- */

static int start_enclave(void)
{
	const struct nec_device *device = fake_device_get(fake);
	cleanup_close int fd = device->ops->open_device(device);
	uint64_t slot = 0;
	int enclave;

	assert_true(fd >= 0);
	enclave = device->ops->create_vm(device, fd, &slot);
	assert_true(enclave >= 0);
	return enclave;
}

static void end_enclave(int enclave)
{
	const struct nec_device *device = fake_device_get(fake);

	device->ops->close_enclave(device, enclave);
}

static void enclaves__keep_the_pool_as_it_is(void **state)
{
	unsigned int writes;
	int enclave;

	(void)state;
	boot_with(&ec2, 1024);
	apply("memory_mib: 64\ncpu_count: 2\n");
	enclave = start_enclave();
	writes = fake_device_calls(fake, FAKE_WRITE_TEXT);
	refuse("memory_mib: 128\ncpu_count: 4\n", -EBUSY, NEC_E_ALLOCATOR_ENCLAVES,
	       "the CPU pool would change from \"1,5\" to \"1-2,5-6\", but enclaves are running or "
	       "starting");
	assert_int_equal(nec_allocator_release(&context, &outcome, &err), -EBUSY);
	assert_int_equal(err.code, NEC_E_ALLOCATOR_ENCLAVES);
	assert_string_equal(err.message, "the CPU pool \"1,5\" would be released, but enclaves are "
					 "running or starting");
	assert_int_equal(fake_device_calls(fake, FAKE_WRITE_TEXT), writes);
	/* Memory can be added, and what nobody uses can go. */
	apply("memory_mib: 128\ncpu_count: 2\n");
	expect_machine("1,5; 0:2x64");
	apply("memory_mib: 96\ncpu_count: 2\n");
	expect_machine("1,5; 0:2x48");
	end_enclave(enclave);
	release();
	expect_machine(";");
}

static void enclaves__keep_their_pages(void **state)
{
	(void)state;
	boot_with(&ec2, 1024);
	apply("memory_mib: 128\ncpu_count: 2\n");
	fake_device_take_pages(fake, 0, FAKE_2M, 40);
	apply("memory_mib: 128\ncpu_count: 2\n");
	assert_false(outcome.changed);
	refuse("memory_mib: 64\ncpu_count: 2\n", -EBUSY, NEC_E_ALLOCATOR_ENCLAVES,
	       "32 huge pages of 2 MiB on NUMA node 0 would be given back, but only 24 are not in "
	       "use");
	apply("memory_mib: 80\ncpu_count: 2\n");
	expect_machine("1,5; 0:2x40");
	fake_device_take_pages(fake, 0, FAKE_2M, -40);
	release();
	expect_machine(";");
}

/* As when the driver is built into the kernel, and nobody tells who uses it. */
static void enclaves__that_nobody_tells_of_are_refused_by_the_driver(void **state)
{
	int enclave;

	(void)state;
	boot_with(&ec2, 1024);
	apply("memory_mib: 64\ncpu_count: 2\n");
	enclave = start_enclave();
	fake_device_write(fake, "/sys/module/nitro_enclaves/refcnt", NULL);
	refuse("memory_mib: 128\ncpu_count: 4\n", -EBUSY, NEC_E_ALLOCATOR_ENCLAVES,
	       "the driver keeps the CPU pool as it is while enclaves exist");
	expect_machine("1,5; 0:2x32");
	assert_int_equal(nec_allocator_release(&context, &outcome, &err), -EBUSY);
	assert_int_equal(err.code, NEC_E_ALLOCATOR_ENCLAVES);
	expect_machine("1,5; 0:2x32");
	end_enclave(enclave);
	release();
	expect_machine(";");
}

/* ---- memory that is hard to find ---- */

static void memory__is_compacted_with_patience(void **state)
{
	(void)state;
	boot(&ec2);
	fake_device_set_memory(fake, 0,
			       &(struct fake_memory){ .free_mib = 512,
						      .contiguous_mib = 20,
						      .compaction_mib = 30,
						      .late_compaction = 2,
						      .pages_a_write = 7 });
	apply("memory_mib: 256\ncpu_count: 2\n");
	expect_machine("1,5; 0:2x128");
}

static void memory__of_files_is_dropped(void **state)
{
	(void)state;
	boot(&ec2);
	fake_device_set_memory(
		fake, 0,
		&(struct fake_memory){ .free_mib = 100, .cache_mib = 200, .contiguous_mib = 300 });
	apply("memory_mib: 256\ncpu_count: 2\n");
	expect_machine("1,5; 0:2x128");
}

static void memory__that_cannot_be_had_is_told_and_given_back(void **state)
{
	(void)state;
	boot(&ec2);
	fake_device_set_memory(fake, 0,
			       &(struct fake_memory){ .free_mib = 512, .contiguous_mib = 100 });
	refuse("memory_mib: 256\ncpu_count: 2\n", -ENOMEM, NEC_E_HUGEPAGES_EXHAUSTED,
	       "the kernel made 50 of 128 huge pages of 2 MiB on NUMA node 0; node 0 has 412 MiB "
	       "free, 0 MiB of it in pieces of 2 MiB or more");
	assert_string_equal(err.hint,
			    "Reserve them when the machine starts, with `hugepagesz=2M "
			    "hugepages=128` on the kernel's command line; or end programs that use "
			    "much memory, and try again.");
	expect_machine(";");
	assert_false(has_file(NEC_ALLOCATOR_STATE));
}

static void memory__is_looked_for_on_the_next_node(void **state)
{
	(void)state;
	boot(&(struct fake_machine){
		.nodes = 2, .cores = 3, .huge = { { 0, FAKE_2M, 0 }, { 1, FAKE_2M, 0 } } });
	fake_device_set_memory(fake, 0,
			       &(struct fake_memory){ .free_mib = 512, .contiguous_mib = 100 });
	set_memory(1, 512);
	apply("memory_mib: 256\ncpu_count: 2\n");
	assert_int_equal(outcome.node, 1);
	expect_machine("3-4; 1:2x128");
	release();
	assert_int_equal(apply_with("memory_mib: 256\ncpu_count: 2\nnuma_node: 0\n", &defaults),
			 -ENOMEM);
	assert_non_null(strstr(err.hint, "hugepages=0:128"));
	fake_device_set_memory(fake, 1,
			       &(struct fake_memory){ .free_mib = 512, .contiguous_mib = 100 });
	assert_int_equal(apply_with("memory_mib: 256\ncpu_count: 2\n", &defaults), -ENOMEM);
	assert_non_null(strstr(err.message, "on NUMA node 0"));
	expect_machine(";");
}

static const struct fake_machine big = { .cores = 4,
					 .huge = { { 0, FAKE_2M, 0 }, { 0, FAKE_1G, 0 } } };

static void memory__in_bigger_pages_stands_in_for_small_ones(void **state)
{
	(void)state;
	boot(&big);
	fake_device_set_memory(
		fake, 0,
		&(struct fake_memory){ .free_mib = 4096, .contiguous_mib = 600, .big_pages = 2 });
	/* 300 small pages could be had, 724 MiB are missing: one big page, and 212 small ones. */
	apply("memory_mib: 1448\ncpu_count: 2\n");
	expect_machine("1-2; 0:2x212 0:1024x1");
	assert_int_equal(outcome.memory_bytes, 1448 * FAKE_MIB);
	apply("memory_mib: 1448\ncpu_count: 2\n");
	assert_false(outcome.changed);
	release();
	expect_machine(";");
}

static void memory__in_bigger_pages_is_not_shared_by_entries(void **state)
{
	(void)state;
	boot(&big);
	fake_device_set_memory(
		fake, 0,
		&(struct fake_memory){ .free_mib = 4096, .contiguous_mib = 100, .big_pages = 2 });
	apply("- {memory_mib: 300, cpu_count: 1}\n- {memory_mib: 300, cpu_count: 1}\n");
	expect_machine("1-2; 0:1024x2");
	apply("- {memory_mib: 300, cpu_count: 1}\n- {memory_mib: 300, cpu_count: 1}\n");
	assert_false(outcome.changed);
	release();
	fake_device_set_memory(
		fake, 0,
		&(struct fake_memory){ .free_mib = 4096, .contiguous_mib = 100, .big_pages = 1 });
	assert_int_equal(
		apply_with("- {memory_mib: 300, cpu_count: 1}\n- {memory_mib: 300, cpu_count: 1}\n",
			   &defaults),
		-ENOMEM);
	expect_machine(";");
}

static void memory__of_a_size_that_is_asked_for_has_no_stand_in(void **state)
{
	(void)state;
	boot_with(&big, 4096);
	refuse("memory_mib: 2048\ncpu_count: 2\npage_size: 1G\n", -ENOMEM,
	       NEC_E_HUGEPAGES_EXHAUSTED,
	       "the kernel made 0 of 2 huge pages of 1024 MiB on NUMA node 0; node 0 has 4096 MiB "
	       "free, 4096 MiB of it in pieces of 2 MiB or more");
	assert_non_null(strstr(err.hint, "hugepagesz=1G hugepages=2`"));
}

static int cancel_flag;

static void on_progress(void *userdata, const char *phase, uint64_t done, uint64_t total)
{
	(void)userdata;
	(void)phase;
	if (done < total)
		__atomic_store_n(&cancel_flag, 1, __ATOMIC_RELAXED);
}

static void memory__can_be_given_up_on_the_way(void **state)
{
	(void)state;
	boot_with(&ec2, 4096);
	cancel_flag = 0;
	context.cancel = &cancel_flag;
	/* Interrupted while the kernel is at it: it stops early, and so do we. */
	__atomic_store_n(&cancel_flag, 1, __ATOMIC_RELAXED);
	context.progress = on_progress;
	assert_int_equal(apply_with("memory_mib: 2048\ncpu_count: 2\n", &defaults), -ECANCELED);
	assert_int_equal(err.code, NEC_E_CANCELLED);
	expect_machine(";");
	assert_false(has_file(NEC_ALLOCATOR_STATE));
}

struct heard {
	char phase[32];
	uint64_t done;
	uint64_t total;
};

static void listen_to(void *userdata, const char *phase, uint64_t done, uint64_t total)
{
	struct heard *heard = userdata;

	assert_true(done >= heard->done || strcmp(phase, heard->phase) != 0);
	(void)snprintf(heard->phase, sizeof(heard->phase), "%s", phase);
	heard->done = done;
	heard->total = total;
}

/* 1 GiB in four slices, and the pool. It is not cancelled: there is no way back. */
static void memory__is_returned_by_slices_and_that_is_told(void **state)
{
	struct heard heard = { .phase = "" };
	unsigned int writes;

	(void)state;
	boot_with(&ec2, 4096);
	apply("memory_mib: 1024\ncpu_count: 2\n");
	cancel_flag = 1;
	context.cancel = &cancel_flag;
	context.progress = listen_to;
	context.progress_userdata = &heard;
	writes = fake_device_calls(fake, FAKE_WRITE_TEXT);
	release();
	assert_int_equal(fake_device_calls(fake, FAKE_WRITE_TEXT) - writes, 5);
	assert_string_equal(heard.phase, "return memory");
	assert_int_equal(heard.done, 1024 * FAKE_MIB);
	assert_int_equal(heard.total, 1024 * FAKE_MIB);
	expect_machine(";");
}

/* ---- status ---- */

static void expect_worker(enum nec_ledger_work work, enum nec_allocator_worker worker)
{
	cleanup_allocator_status struct nec_allocator_status *status = NULL;

	assert_int_equal(nec_allocator_status_read(&context, NULL, &status, &err), 0);
	assert_int_equal(status->work, work);
	assert_int_equal(status->worker, worker);
}

static void status__tells_a_change_that_runs_from_one_that_was_killed(void **state)
{
	struct nec_change change = NEC_CHANGE_INIT;
	char path[128];

	(void)state;
	boot_with(&ec2, 128);
	expect_worker(NEC_LEDGER_IDLE, NEC_ALLOCATOR_WORKER_NONE);
	assert_int_equal(nec_change_open(&context, &change, &err), 0);
	expect_worker(NEC_LEDGER_IDLE, NEC_ALLOCATOR_WORKER_RUNS);
	assert_int_equal(nec_change_begin(&change, NEC_LEDGER_APPLYING, &err), 0);
	expect_worker(NEC_LEDGER_APPLYING, NEC_ALLOCATOR_WORKER_RUNS);
	nec_change_close(&change);
	expect_worker(NEC_LEDGER_APPLYING, NEC_ALLOCATOR_WORKER_NONE);
	/* Who may not open the lock: as somebody else than root. */
	(void)snprintf(path, sizeof(path), "%s" NEC_ALLOCATOR_DIR "/lock", fake_device_root(fake));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("nowhere", path), 0);
	expect_worker(NEC_LEDGER_APPLYING, NEC_ALLOCATOR_WORKER_UNKNOWN);
	assert_int_equal(unlink(path), 0);
	apply("memory_mib: 64\ncpu_count: 2\n");
	expect_worker(NEC_LEDGER_IDLE, NEC_ALLOCATOR_WORKER_NONE);
}

static void status__tells_whose_pages_are_whose(void **state)
{
	struct nec_allocator_config config = parse("memory_mib: 64\ncpu_count: 2\n");

	(void)state;
	boot(&(struct fake_machine){ .cores = 4, .huge = { { 0, FAKE_2M, 20 } } });
	set_memory(0, 128);
	fake_device_take_pages(fake, 0, FAKE_2M, 8);
	{
		cleanup_allocator_status struct nec_allocator_status *status = NULL;

		assert_int_equal(nec_allocator_status_read(&context, &config, &status, &err), 0);
		assert_false(status->reserved);
		assert_false(status->matches);
		assert_int_equal(status->rows[0].ours, 0);
	}
	apply("memory_mib: 64\ncpu_count: 2\n");
	{
		cleanup_allocator_status struct nec_allocator_status *status = NULL;
		int enclave = start_enclave();

		assert_int_equal(nec_allocator_status_read(&context, &config, &status, &err), 0);
		assert_true(status->reserved);
		assert_true(status->matches);
		assert_true(status->pool_ours);
		assert_true(status->driver_in_use);
		assert_false(status->damaged);
		assert_int_equal(status->work, NEC_LEDGER_IDLE);
		assert_int_equal(status->row_count, 1);
		assert_int_equal(status->rows[0].total, 40);
		assert_int_equal(status->rows[0].ours, 20);
		assert_int_equal(status->rows[0].found, 12);
		assert_int_equal(status->rows[0].in_use, 8);
		end_enclave(enclave);
	}
	config = parse("memory_mib: 66\ncpu_count: 2\n");
	{
		cleanup_allocator_status struct nec_allocator_status *status = NULL;

		assert_int_equal(nec_allocator_status_read(&context, &config, &status, &err), 0);
		assert_false(status->matches);
		assert_int_equal(status->plan->make_bytes, FAKE_2M);
	}
}

/* ---- what others have left behind ---- */

static void recovery__of_a_damaged_file_takes_no_page_for_ours(void **state)
{
	enum nec_allocator_recovery recovery;
	cleanup_allocator_status struct nec_allocator_status *status = NULL;

	(void)state;
	boot_with(&ec2, 128);
	apply("memory_mib: 64\ncpu_count: 2\n");
	fake_device_write(fake, NEC_ALLOCATOR_STATE, "nec-allocator 1\nboot x\nwork applying\n");
	assert_int_equal(nec_allocator_status_read(&context, NULL, &status, &err), 0);
	assert_true(status->damaged);
	assert_int_equal(nec_allocator_recover(&context, &recovery, &err), 0);
	assert_int_equal(recovery, NEC_ALLOCATOR_FORGOTTEN);
	assert_non_null(strstr(warning, "damaged"));
	assert_true(has_file(NEC_ALLOCATOR_STATE ".damaged"));
	expect_machine("1,5; 0:2x32");
	/* They count as others', which nobody has. */
	apply("memory_mib: 64\ncpu_count: 2\n");
	assert_int_equal(outcome.pages[0].found, 32);
	release();
	expect_machine("1,5; 0:2x32");
}

/* What is left of a process that was killed when it had begun that, and had added so many pages. */
static void be_killed(enum nec_ledger_work work, uint64_t pages)
{
	struct nec_change change = NEC_CHANGE_INIT;
	uint64_t got = 0;

	assert_int_equal(nec_change_open(&context, &change, &err), 0);
	assert_int_equal(nec_change_begin(&change, work, &err), 0);
	if (pages)
		assert_int_equal(nec_change_add_pages(&change,
						      nec_ledger_row(&change.ledger, 0, FAKE_2M),
						      pages, &got, &err),
				 0);
	assert_int_equal(got, pages);
	nec_change_close(&change);
}

static void recovery__goes_on_when_pages_came_into_use_meanwhile(void **state)
{
	(void)state;
	boot_with(&ec2, 256);
	be_killed(NEC_LEDGER_APPLYING, 10);
	fake_device_take_pages(fake, 0, FAKE_2M, 4);
	apply("memory_mib: 64\ncpu_count: 2\n");
	assert_int_equal(outcome.recovery, NEC_ALLOCATOR_UNDONE);
	assert_non_null(strstr(warning, "4 huge pages of 2 MiB on NUMA node 0 came into use"));
	fake_device_take_pages(fake, 0, FAKE_2M, -4);
	release();
	expect_machine(";");
}

/* With the new pool everything stood; an enclave may have begun to use it. */
static void recovery__of_a_change_whose_pool_stands_finishes_it(void **state)
{
	struct nec_change change = NEC_CHANGE_INIT;
	enum nec_allocator_recovery recovery = NEC_ALLOCATOR_NOTHING;
	int enclave;

	(void)state;
	boot(&ec2_with_pool);
	assert_int_equal(nec_change_open(&context, &change, &err), 0);
	assert_int_equal(nec_change_begin(&change, NEC_LEDGER_APPLYING, &err), 0);
	assert_int_equal(nec_change_set_pool(&change, "1,5", &err), 0);
	nec_change_close(&change);
	enclave = start_enclave();
	assert_int_equal(nec_allocator_recover(&context, &recovery, &err), 0);
	assert_int_equal(recovery, NEC_ALLOCATOR_FINISHED);
	assert_string_equal(warning, "");
	expect_machine("1,5;");
	end_enclave(enclave);
	release();
	expect_machine("3,7;");
}

/* A process without CAP_SYS_ADMIN is refused as if there were enclaves. */
static void recovery__that_cannot_put_the_pool_back_is_not_called_undone(void **state)
{
	struct nec_change change = NEC_CHANGE_INIT;
	enum nec_allocator_recovery recovery = NEC_ALLOCATOR_UNDONE;

	(void)state;
	boot(&(struct fake_machine){
		.cores = 4, .threads = 2, .pool = "3,7", .huge = { { 0, FAKE_2M, 0 } } });
	assert_int_equal(nec_change_open(&context, &change, &err), 0);
	assert_int_equal(nec_change_begin(&change, NEC_LEDGER_APPLYING, &err), 0);
	fake_device_refuse(fake, FAKE_WRITE_TEXT, 1, FAKE_POOL_LOST);
	assert_true(nec_change_set_pool(&change, "1,5", &err) < 0);
	nec_change_close(&change);
	fake_device_refuse(fake, FAKE_WRITE_TEXT, 1, EPERM);
	assert_int_equal(nec_allocator_recover(&context, &recovery, &err), 0);
	assert_int_equal(recovery, NEC_ALLOCATOR_NOTHING);
	assert_non_null(strstr(warning, "could not be undone: the CPU pool \"3,7\""));
	expect_machine(";");
	release();
	expect_machine("3,7;");
}

static void recovery__goes_on_when_an_enclave_keeps_what_was_to_be_released(void **state)
{
	int enclave;

	(void)state;
	boot_with(&ec2, 256);
	apply("memory_mib: 64\ncpu_count: 2\n");
	be_killed(NEC_LEDGER_RELEASING, 0);
	enclave = start_enclave();
	apply("memory_mib: 64\ncpu_count: 2\n");
	assert_int_equal(outcome.recovery, NEC_ALLOCATOR_UNDONE);
	assert_non_null(strstr(warning, "while enclaves exist"));
	assert_false(outcome.changed);
	expect_machine("1,5; 0:2x32");
	end_enclave(enclave);
	release();
	expect_machine(";");
}

static void recovery__after_a_reboot_has_nothing_to_do(void **state)
{
	enum nec_allocator_recovery recovery = NEC_ALLOCATOR_UNDONE;

	(void)state;
	boot_with(&ec2, 128);
	apply("memory_mib: 64\ncpu_count: 2\n");
	fake_device_write(fake, "/proc/sys/kernel/random/boot_id", "another\n");
	assert_int_equal(nec_allocator_recover(&context, &recovery, &err), 0);
	assert_int_equal(recovery, NEC_ALLOCATOR_NOTHING);
	release();
	assert_false(outcome.changed);
	expect_machine("1,5; 0:2x32");
}

static void state__is_for_all_to_read_and_for_root_to_lock(void **state)
{
	char path[128];
	struct stat st;

	(void)state;
	boot_with(&ec2, 128);
	(void)umask(077);
	apply("memory_mib: 64\ncpu_count: 2\n");
	(void)umask(022);
	(void)snprintf(path, sizeof(path), "%s" NEC_ALLOCATOR_DIR, fake_device_root(fake));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0711);
	(void)snprintf(path, sizeof(path), "%s" NEC_ALLOCATOR_STATE, fake_device_root(fake));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	(void)snprintf(path, sizeof(path), "%s" NEC_ALLOCATOR_DIR "/lock", fake_device_root(fake));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

#define TEST(name) cmocka_unit_test_teardown(name, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(apply__sets_memory_and_cpus_aside_and_release_gives_them_back),
		TEST(apply__of_what_stands_touches_nothing),
		TEST(apply__of_another_file_changes_what_differs),
		TEST(apply__moves_to_another_node_and_leaves_nothing_behind),
		TEST(apply__leaves_a_machine_that_a_plan_does_not_fit),
		TEST(apply__needs_rights_and_the_lock),
		TEST(apply__works_without_numa),
		TEST(apply__leaves_a_dynamic_pool_alone),
		TEST(apply__of_a_list_serves_each_entry),
		TEST(driver__is_loaded_and_its_device_waited_for),
		TEST(driver__without_a_device_is_told_or_refused),
		TEST(pages__of_others_are_counted_on_and_never_lowered),
		TEST(pages__that_others_have_beyond_the_number_are_not_counted_as_made),
		TEST(pages__that_others_took_away_from_us_are_forgotten),
		TEST(pool__that_stood_before_comes_back),
		TEST(pool__that_somebody_else_has_set_meanwhile_stays),
		TEST(pool__comes_back_when_the_driver_refuses_the_new_one),
		TEST(pool__comes_back_at_the_second_try),
		TEST(pool__that_is_read_only_wants_the_service_restarted),
		TEST(pages__that_are_read_only_want_the_host),
		TEST(release__of_what_is_read_only_wants_the_host),
		TEST(pool__that_could_not_be_put_back_is_not_forgotten),
		TEST(pool__of_several_lines_is_one_in_the_ledger),
		TEST(enclaves__keep_the_pool_as_it_is),
		TEST(enclaves__keep_their_pages),
		TEST(enclaves__that_nobody_tells_of_are_refused_by_the_driver),
		TEST(memory__is_compacted_with_patience),
		TEST(memory__of_files_is_dropped),
		TEST(memory__that_cannot_be_had_is_told_and_given_back),
		TEST(memory__is_looked_for_on_the_next_node),
		TEST(memory__in_bigger_pages_stands_in_for_small_ones),
		TEST(memory__in_bigger_pages_is_not_shared_by_entries),
		TEST(memory__of_a_size_that_is_asked_for_has_no_stand_in),
		TEST(memory__can_be_given_up_on_the_way),
		TEST(memory__is_returned_by_slices_and_that_is_told),
		TEST(status__tells_a_change_that_runs_from_one_that_was_killed),
		TEST(status__tells_whose_pages_are_whose),
		TEST(recovery__of_a_damaged_file_takes_no_page_for_ours),
		TEST(recovery__goes_on_when_pages_came_into_use_meanwhile),
		TEST(recovery__of_a_change_whose_pool_stands_finishes_it),
		TEST(recovery__that_cannot_put_the_pool_back_is_not_called_undone),
		TEST(recovery__goes_on_when_an_enclave_keeps_what_was_to_be_released),
		TEST(recovery__after_a_reboot_has_nothing_to_do),
		TEST(state__is_for_all_to_read_and_for_root_to_lock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
