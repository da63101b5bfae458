/* SPDX-License-Identifier: Apache-2.0 */
/* CPUs, cores, nodes and the pool, over machines of many shapes. */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "fake-device.h"
#include "host/host.h"

#define CPU       "/sys/devices/system/cpu"
#define PARAMETER "/sys/module/nitro_enclaves/parameters/ne_cpus"

static struct fake_device *fake;
static nec_host *host;
static nec_error err;

static void boot(const struct fake_machine *machine)
{
	fake = fake_device_new(machine);
}

static void look(void)
{
	if (nec_host_take(fake_device_get(fake), &host, &err) < 0)
		fail_msg("refused: %s", err.message);
	assert_int_equal(err.code, NEC_E_NONE);
}

static void look_fails(int result, enum nec_error_code code, const char *message)
{
	assert_int_equal(nec_host_take(fake_device_get(fake), &host, &err), result);
	assert_int_equal(err.code, code);
	assert_string_equal(err.message, message);
	assert_null(host);
}

static int end(void **state)
{
	(void)state;
	nec_host_free(host);
	fake_device_free(fake);
	host = NULL;
	fake = NULL;
	err = (nec_error)NEC_ERROR_INIT;
	return 0;
}

/* The cores as "0+4 1+5 2?6?": a question mark is a CPU whose core is not known. */
static const char *cores(void)
{
	static char text[512];
	const struct nec_cpu *cpu;
	size_t used = 0;

	text[0] = '\0';
	for (size_t i = 0; (cpu = nec_host_get_cpu(host, i)); i++) {
		const struct nec_cpu *other;

		if (cpu->core < 0)
			used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%u?",
						 used ? " " : "", cpu->id);
		if (cpu->core != (int32_t)cpu->id)
			continue;
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%u", used ? " " : "",
					 cpu->id);
		for (size_t k = i + 1; (other = nec_host_get_cpu(host, k)); k++)
			if (other->core == cpu->core)
				used += (size_t)snprintf(text + used, sizeof(text) - used, "+%u",
							 other->id);
	}
	return text;
}

static const struct nec_cpu *cpu_of(uint32_t id)
{
	const struct nec_cpu *cpu = nec_topology_find(&host->topology, id);

	assert_non_null(cpu);
	return cpu;
}

/* ---- topology ---- */

static void topology__reads_cores_threads_and_nodes(void **state)
{
	(void)state;
	boot(&(struct fake_machine){ .nodes = 2, .cores = 2, .threads = 2 });
	look();
	assert_string_equal(cores(), "0+4 1+5 2+6 3+7");
	assert_int_equal(nec_host_get_threads_per_core(host), 2);
	assert_int_equal(cpu_of(5)->node, 0);
	assert_int_equal(cpu_of(6)->node, 1);
	assert_int_equal(cpu_of(6)->core_source, NEC_CORE_READ);
	assert_true(cpu_of(6)->online);
	assert_false(cpu_of(6)->in_pool);
	assert_null(nec_topology_find(&host->topology, 8));
	assert_null(nec_host_get_cpu(host, 8));
}

static void topology__lists_the_threads_of_a_core(void **state)
{
	struct nec_cpuset threads;

	(void)state;
	boot(&(struct fake_machine){ .cores = 4, .threads = 2 });
	look();
	nec_topology_core(&host->topology, 1, &threads);
	assert_true(nec_cpuset_has(&threads, 1) && nec_cpuset_has(&threads, 5));
	assert_int_equal(nec_cpuset_count(&threads), 2);
	nec_topology_core(&host->topology, -1, &threads);
	assert_int_equal(nec_cpuset_count(&threads), 0);
}

static void topology__reads_sparse_numbers(void **state)
{
	(void)state;
	boot(&(struct fake_machine){ .nodes = 2, .cores = 2, .threads = 2, .id_step = 3 });
	look();
	assert_string_equal(cores(), "0+12 3+15 6+18 9+21");
	assert_int_equal(cpu_of(18)->node, 1);
	assert_null(nec_topology_find(&host->topology, 1));
}

static void topology__without_numa_is_one_node(void **state)
{
	(void)state;
	boot(&(struct fake_machine){ .no_numa = true, .pool = "1" });
	look();
	assert_int_equal(cpu_of(0)->node, 0);
	assert_int_equal(cpu_of(1)->node, 0);
	assert_int_equal(nec_host_get_pool(host)->node, 0);
}

static void cores__of_the_pool_are_derived_from_the_others(void **state)
{
	static const struct {
		struct fake_machine machine;
		const char *cores;
	} rows[] = {
		{ { .cores = 4, .threads = 2, .pool = "1-3,5-7" }, "0+4 1+5 2+6 3+7" },
		{ { .cores = 4, .threads = 2, .threads_adjacent = true, .pool = "2-7" },
		  "0+1 2+3 4+5 6+7" },
		{ { .cores = 4, .pool = "1-3" }, "0 1 2 3" },
		{ { .nodes = 4, .cores = 2, .threads = 2, .pool = "4-5,12-13" },
		  "0+8 1+9 2+10 3+11 4+12 5+13 6+14 7+15" },
		{ { .cores = 3, .threads = 2, .id_step = 2, .pool = "4,10" }, "0+6 2+8 4+10" },
		{ { .cores = 2, .threads = 4, .pool = "1,3,5,7" }, "0+2+4+6 1+3+5+7" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		boot(&rows[i].machine);
		look();
		assert_string_equal(cores(), rows[i].cores);
		for (size_t k = 0; nec_host_get_cpu(host, k); k++) {
			const struct nec_cpu *cpu = nec_host_get_cpu(host, k);

			assert_int_equal(cpu->core_source,
					 cpu->in_pool ? NEC_CORE_DERIVED : NEC_CORE_READ);
			assert_int_equal(cpu->online, !cpu->in_pool);
		}
		(void)end(state);
	}
}

static void cores__are_unknown_when_the_pool_does_not_fit_the_pattern(void **state)
{
	(void)state;
	boot(&(struct fake_machine){ .cores = 4, .threads = 2, .pool = "2-3,6-7" });
	/* No driver would take these; then its rules, and so the conclusion, do not hold. */
	fake_device_write(fake, PARAMETER, "2,3,6\n");
	look();
	assert_string_equal(cores(), "0+4 1+5 2? 3? 6? 7?");
}

static void cores__are_unknown_when_the_others_disagree(void **state)
{
	(void)state;
	boot(&(struct fake_machine){ .cores = 4, .threads = 2, .offline = "4,5", .pool = "3,7" });
	fake_device_write(fake, CPU "/cpu0/topology/thread_siblings_list", "0-1\n");
	fake_device_write(fake, CPU "/cpu1/topology/thread_siblings_list", "0-1\n");
	look();
	/* 2+6 would fit 3 and 7, but 0+1 says that it is no rule here. */
	assert_string_equal(cores(), "0+1 2+6 3? 4? 5? 7?");
}

static void cores__are_unknown_when_siblings_would_be_on_two_nodes(void **state)
{
	(void)state;
	boot(&(struct fake_machine){ .nodes = 2, .cores = 2, .threads = 2, .pool = "2,6" });
	fake_device_write(fake, CPU "/cpu6/node1", NULL);
	fake_device_write(fake, CPU "/cpu6/node0", "");
	look();
	assert_string_equal(cores(), "0+4 1+5 2? 3+7 6?");
	assert_int_equal(nec_host_get_pool(host)->node, -1);
}

static void cores__of_cpus_that_are_offline_otherwise_are_unknown(void **state)
{
	(void)state;
	boot(&(struct fake_machine){ .cores = 4, .threads = 2, .offline = "1,5,6", .pool = "3,7" });
	look();
	assert_string_equal(cores(), "0+4 1? 2 3+7 5? 6?");
	assert_int_equal(nec_host_get_threads_per_core(host), 2);
}

static void topology__bears_a_cpu_that_goes_offline_meanwhile(void **state)
{
	(void)state;
	boot(&(struct fake_machine){ .cores = 3 });
	fake_device_write(fake, CPU "/cpu1/topology/thread_siblings_list", NULL);
	look();
	assert_string_equal(cores(), "0 1? 2");
}

static void topology__refuses_a_sysfs_that_makes_no_sense(void **state)
{
	(void)state;
	boot(&(struct fake_machine){ .cores = 2 });
	fake_device_write(fake, CPU "/cpu1/topology/thread_siblings_list", "0\n");
	look_fails(-EBADMSG, NEC_E_CPU_TOPOLOGY,
		   "sysfs does not name CPU 1 as a thread of its own core");
	fake_device_write(fake, CPU "/cpu1/topology/thread_siblings_list", "1,\n,9000");
	look_fails(-ERANGE, NEC_E_CPU_LIST_NUMBER,
		   CPU "/cpu1/topology/thread_siblings_list: 9000 in the CPU list \"1,\n,9000\" is "
		       "too high, the last is 8191");
	fake_device_write(fake, CPU "/cpu0/topology/thread_siblings_list", NULL);
	fake_device_write(fake, CPU "/cpu1/topology/thread_siblings_list", NULL);
	look_fails(-ENODATA, NEC_E_CPU_TOPOLOGY,
		   "sysfs tells the siblings of no CPU that is online");
	fake_device_write(fake, CPU "/online", "0-?");
	look_fails(-EINVAL, NEC_E_CPU_LIST_NUMBER,
		   CPU "/online: malformed CPU ID at character 3 of the CPU list \"0-?\"");
	fake_device_write(fake, CPU "/present", NULL);
	look_fails(-ENOENT, NEC_E_CPU_TOPOLOGY, "there is no " CPU "/present");
}

/* ---- pool ---- */

static void check(int result, enum nec_error_code code)
{
	assert_int_equal(nec_cpu_pool_check(&host->pool, &err), result);
	assert_int_equal(err.code, code);
}

static void pool__without_a_driver_is_no_failure(void **state)
{
	(void)state;
	boot(&(struct fake_machine){ .no_driver = true });
	look();
	assert_int_equal(nec_host_get_pool(host)->state, NEC_POOL_NO_DRIVER);
	assert_false(nec_host_get_pool(host)->device_present);
	check(-ENOENT, NEC_E_DRIVER_MISSING);
	assert_int_equal(nec_error_exit_status(err.code), 19);
}

static void pool__can_be_set_without_a_device(void **state)
{
	(void)state;
	boot(&(struct fake_machine){ .no_device = true, .pool = "1" });
	look();
	assert_int_equal(nec_host_get_pool(host)->state, NEC_POOL_SET);
	assert_false(nec_host_get_pool(host)->device_present);
	check(-ENOENT, NEC_E_DEVICE_MISSING);
}

static void pool__may_be_empty(void **state)
{
	(void)state;
	boot(&(struct fake_machine){ 0 });
	look();
	assert_int_equal(nec_host_get_pool(host)->state, NEC_POOL_EMPTY);
	assert_true(nec_host_get_pool(host)->device_present);
	assert_string_equal(nec_host_get_pool(host)->text, "");
	assert_int_equal(nec_host_get_pool(host)->node, -1);
	check(-EBUSY, NEC_E_POOL_EMPTY);
	assert_int_equal(nec_error_exit_status(err.code), 22);
}

static void pool__has_its_cpus_and_their_node(void **state)
{
	(void)state;
	boot(&(struct fake_machine){ .nodes = 2, .cores = 2, .threads = 2, .pool = "2-3,6-7\n" });
	look();
	assert_int_equal(nec_host_get_pool(host)->state, NEC_POOL_SET);
	assert_int_equal(nec_host_get_pool(host)->cpu_count, 4);
	assert_int_equal(nec_host_get_pool(host)->node, 1);
	assert_string_equal(nec_host_get_pool(host)->text, "2-3,6-7");
	assert_true(cpu_of(6)->in_pool);
	assert_false(cpu_of(5)->in_pool);
	assert_int_equal(nec_cpu_pool_check(&host->pool, &err), 0);
}

static void pool__of_amazons_driver_is_everything_but_cpu_0(void **state)
{
	(void)state;
	boot(&(struct fake_machine){ .nodes = 2, .cores = 2, .threads = 2, .dynamic_pool = true });
	look();
	assert_int_equal(nec_host_get_pool(host)->state, NEC_POOL_DYNAMIC);
	assert_int_equal(nec_host_get_pool(host)->cpu_count, 6);
	assert_int_equal(nec_host_get_pool(host)->node, -1);
	assert_false(cpu_of(4)->in_pool);
	assert_true(cpu_of(5)->in_pool);
	assert_true(cpu_of(5)->online);
	assert_int_equal(cpu_of(5)->core_source, NEC_CORE_READ);
	assert_int_equal(nec_cpu_pool_check(&host->pool, &err), 0);
}

static void pool__that_is_malformed_says_where(void **state)
{
	char text[700];

	(void)state;
	boot(&(struct fake_machine){ .pool = "1" });
	fake_device_write(fake, PARAMETER, "1,0x06\n");
	look_fails(-EINVAL, NEC_E_CPU_LIST_NUMBER,
		   PARAMETER ": malformed CPU ID at character 4 of the CPU list \"1,0x06\"");
	assert_int_equal(nec_error_exit_status(err.code), 23);
	fake_device_write(fake, PARAMETER, "0-3-7");
	look_fails(-EINVAL, NEC_E_CPU_LIST_RANGE,
		   PARAMETER ": interval with three ends at character 5 of the CPU list \"0-3-7\"");
	assert_int_equal(nec_error_exit_status(err.code), 24);
	memset(text, '1', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	fake_device_write(fake, PARAMETER, text);
	look_fails(-EFBIG, NEC_E_TOO_LARGE, PARAMETER " has 699 characters, the driver takes 511");
}

/* ---- the public call ---- */

static void host__is_read_through_the_context(void **state)
{
	nec_context *context = NULL;

	(void)state;
	boot(&(struct fake_machine){ .pool = "1", .huge = { { 0, FAKE_2M, 8 } } });
	assert_int_equal(nec_context_new(&context, NULL), 0);
	context->device = fake_device_get(fake);
	assert_int_equal(nec_host_read(context, &host, &err), 0);
	assert_int_equal(nec_host_get_cpu(host, 1)->id, 1);
	assert_int_equal(nec_host_get_hugepages(host, 0)->total, 8);
	assert_null(nec_host_get_hugepages(host, 1));
	nec_context_free(context);
}

static void host__of_this_machine_can_be_read(void **state)
{
	nec_context *context = NULL;

	(void)state;
	assert_int_equal(nec_context_new(&context, NULL), 0);
	if (nec_host_read(context, &host, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(nec_host_get_cpu(host, 0)->id, 0);
	assert_true(nec_host_get_threads_per_core(host) >= 1);
	assert_non_null(nec_host_get_pool(host));
	nec_context_free(context);
}

#define TEST(name) cmocka_unit_test_teardown(name, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(topology__reads_cores_threads_and_nodes),
		TEST(topology__lists_the_threads_of_a_core),
		TEST(topology__reads_sparse_numbers),
		TEST(topology__without_numa_is_one_node),
		TEST(cores__of_the_pool_are_derived_from_the_others),
		TEST(cores__are_unknown_when_the_pool_does_not_fit_the_pattern),
		TEST(cores__are_unknown_when_the_others_disagree),
		TEST(cores__are_unknown_when_siblings_would_be_on_two_nodes),
		TEST(cores__of_cpus_that_are_offline_otherwise_are_unknown),
		TEST(topology__bears_a_cpu_that_goes_offline_meanwhile),
		TEST(topology__refuses_a_sysfs_that_makes_no_sense),
		TEST(pool__without_a_driver_is_no_failure),
		TEST(pool__can_be_set_without_a_device),
		TEST(pool__may_be_empty),
		TEST(pool__has_its_cpus_and_their_node),
		TEST(pool__of_amazons_driver_is_everything_but_cpu_0),
		TEST(pool__that_is_malformed_says_where),
		TEST(host__is_read_through_the_context),
		TEST(host__of_this_machine_can_be_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
