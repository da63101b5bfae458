/* SPDX-License-Identifier: Apache-2.0 */
/* Plans for machines of many shapes. */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocator/plan.h"
#include "base/context.h"
#include "base/error.h"
#include "fake-device.h"

static struct fake_device *fake;
static struct nec_host *host;
static struct nec_allocator_plan *plan;
static struct nec_ledger *ledger;

static int end(void **state)
{
	(void)state;
	free(plan);
	plan = NULL;
	nec_host_free(host);
	host = NULL;
	if (fake)
		fake_device_free(fake);
	fake = NULL;
	ledger = NULL;
	return 0;
}

static void boot(const struct fake_machine *machine)
{
	(void)end(NULL);
	fake = fake_device_new(machine);
}

/* @mib: free on each node */
static void make(const char *yaml, uint64_t mib)
{
	struct nec_node_memory memory[NEC_PLAN_NODES_MAX];
	struct nec_allocator_config config;
	nec_error err = NEC_ERROR_INIT;

	for (size_t i = 0; i < NEC_PLAN_NODES_MAX; i++)
		memory[i] = (struct nec_node_memory){ .free_bytes = mib << 20 };
	nec_host_free(host);
	host = NULL;
	free(plan);
	plan = NULL;
	if (nec_allocator_config_parse(yaml, strlen(yaml), "f", &config, &err) < 0 ||
	    nec_host_take(fake_device_get(fake), &host, &err) < 0)
		fail_msg("refused: %s", err.message);
	if (nec_allocator_plan_make(
		    &config,
		    &(struct nec_plan_machine){ .host = host, .memory = memory, .ledger = ledger },
		    &plan, &err) < 0)
		fail_msg("refused: %s", err.message);
}

/* As "node 0: 1-2; 1024x1+0 2x0+256": pages of that many MiB, at hand and to be made. */
static void expect(const char *expected)
{
	cleanup_buffer struct nec_buffer text = { 0 };

	nec_buffer_printf(&text, "node %d: ", plan->node);
	nec_cpulist_print(&plan->cpus, &text);
	nec_buffer_append_text(&text, ";");
	for (size_t i = 0; i < plan->part_count; i++)
		nec_buffer_printf(&text, " %llux%llu+%llu",
				  (unsigned long long)(plan->parts[i].page_bytes >> 20),
				  (unsigned long long)plan->parts[i].at_hand,
				  (unsigned long long)plan->parts[i].to_make);
	assert_string_equal(nec_buffer_text(&text), expected);
}

static void expect_fit(const char *expected)
{
	if (plan->problem_count)
		fail_msg("does not fit: %s", plan->problems[0].message);
	expect(expected);
}

static void expect_problem(enum nec_error_code code, const char *message, const char *change)
{
	assert_true(plan->problem_count > 0);
	assert_string_equal(plan->problems[0].message, message);
	assert_string_equal(plan->problems[0].change, change);
	assert_int_equal(plan->problems[0].code, code);
}

static const struct fake_machine ec2 = { .cores = 4, .threads = 2, .huge = { { 0, FAKE_2M, 0 } } };

/* ---- CPUs ---- */

static void cpus__are_whole_cores_from_the_lowest_without_cpu_0s(void **state)
{
	(void)state;
	boot(&ec2);
	make("memory_mib: 512\ncpu_count: 2\n", 1024);
	expect_fit("node 0: 1,5; 2x0+256");
	make("memory_mib: 512\ncpu_count: 6\n", 1024);
	expect_fit("node 0: 1-3,5-7; 2x0+256");
	boot(&(struct fake_machine){ .cores = 4,
				     .threads = 2,
				     .threads_adjacent = true,
				     .huge = { { 0, FAKE_2M, 0 } } });
	make("memory_mib: 512\ncpu_count: 4\n", 1024);
	expect_fit("node 0: 2-5; 2x0+256");
}

static void cpus__odd_counts_are_told_with_the_next_that_fits(void **state)
{
	(void)state;
	boot(&ec2);
	make("memory_mib: 2\ncpu_count: 3\n", 1024);
	expect_problem(NEC_E_CORES_INCOMPLETE,
		       "cpu_count is 3, a core has 2 threads, and only whole cores can be "
		       "had",
		       "raise cpu_count to 4");
}

static void cpus__odd_counts_fit_without_smt(void **state)
{
	(void)state;
	boot(&(struct fake_machine){ .cores = 5, .huge = { { 0, FAKE_2M, 0 } } });
	make("memory_mib: 2\ncpu_count: 3\n", 1024);
	expect_fit("node 0: 1-3; 2x0+1");
	make("- {memory_mib: 2, cpu_count: 1}\n- {memory_mib: 4, cpu_count: 3}\n", 1024);
	expect_fit("node 0: 1-4; 2x0+1 2x0+2");
}

static void cpus__too_many_are_told_with_what_fits(void **state)
{
	(void)state;
	boot(&ec2);
	make("memory_mib: 2\ncpu_count: 8\n", 1024);
	expect_problem(NEC_E_CPUS_INSUFFICIENT,
		       "NUMA node 0 has 6 CPUs for enclaves, 2 are missing",
		       "lower cpu_count to 6");
	make("memory_mib: 2\ncpu_count: 7\n", 1024);
	assert_int_equal(plan->problem_count, 1);
	assert_string_equal(plan->problems[0].change, "lower cpu_count to 6");
	make("memory_mib: 2\ncpu_count: 6\n", 1024);
	assert_int_equal(plan->problem_count, 0);
	boot(&(struct fake_machine){ .cores = 1, .threads = 2, .huge = { { 0, FAKE_2M, 1 } } });
	make("memory_mib: 2\ncpu_count: 2\n", 1024);
	expect_problem(NEC_E_CPUS_INSUFFICIENT,
		       "NUMA node 0 has 0 CPUs for enclaves, 2 are missing", "");
}

static void cpus__with_an_offline_sibling_are_left_out(void **state)
{
	(void)state;
	boot(&(struct fake_machine){
		.cores = 4, .threads = 2, .offline = "5", .huge = { { 0, FAKE_2M, 0 } } });
	make("memory_mib: 2\ncpu_count: 4\n", 1024);
	expect_fit("node 0: 2-3,6-7; 2x0+1");
	make("memory_mib: 2\ncpu_pool: 1\n", 1024);
	expect_problem(NEC_E_VCPU_NOT_IN_POOL, "CPU 1 is offline, or a thread of its core is",
		       "take it out of cpu_pool");
}

static void cpus__of_the_present_pool_come_first(void **state)
{
	(void)state;
	boot(&(struct fake_machine){
		.cores = 4, .threads = 2, .pool = "3,7", .huge = { { 0, FAKE_2M, 0 } } });
	make("memory_mib: 2\ncpu_count: 2\n", 1024);
	expect_fit("node 0: 3,7; 2x0+1");
	make("memory_mib: 2\ncpu_count: 4\n", 1024);
	expect_fit("node 0: 1,3,5,7; 2x0+1");
}

/* ---- cpu_pool ---- */

static void pool__is_taken_as_it_is_named(void **state)
{
	(void)state;
	boot(&ec2);
	make("memory_mib: 2\ncpu_pool: 2-3,6-7\n", 1024);
	expect_fit("node 0: 2-3,6-7; 2x0+1");
	make("- {memory_mib: 2, cpu_count: 2}\n- {memory_mib: 2, cpu_pool: '1,5'}\n", 1024);
	expect_fit("node 0: 1-2,5-6; 2x0+1 2x0+1");
}

static void pool__refuses_what_the_driver_would(void **state)
{
	(void)state;
	boot(&ec2);
	make("memory_mib: 2\ncpu_pool: 2\n", 1024);
	expect_problem(NEC_E_CORES_INCOMPLETE, "CPU 2 is named without its sibling 6",
		       "add 6 to cpu_pool");
	make("memory_mib: 2\ncpu_pool: 4\n", 1024);
	expect_problem(NEC_E_VCPU_NOT_IN_POOL,
		       "CPU 4 is on the core of CPU 0, which stays with the parent",
		       "take it out of cpu_pool");
	make("memory_mib: 2\ncpu_pool: 1,5,99\n", 1024);
	expect_problem(NEC_E_VCPU_RANGE, "CPU 99 of the cpu_pool in line 1 is not there",
		       "take it out of cpu_pool");
	boot(&(struct fake_machine){ .nodes = 2, .cores = 3, .huge = { { 0, FAKE_2M, 0 } } });
	make("memory_mib: 2\ncpu_pool: 2,3\n", 1024);
	expect_problem(NEC_E_VCPU_NOT_IN_POOL, "CPU 3 is on NUMA node 1, the pool on node 0",
		       "take it out of cpu_pool");
}

/* ---- nodes ---- */

static const struct fake_machine two_nodes = {
	.nodes = 2,
	.cores = 3,
	.huge = { { 0, FAKE_2M, 0 }, { 1, FAKE_2M, 8 }, { 1, FAKE_1G, 2 } },
};

static void nodes__the_first_that_fits_is_taken(void **state)
{
	(void)state;
	boot(&two_nodes);
	make("memory_mib: 2\ncpu_count: 2\n", 1024);
	expect_fit("node 0: 1-2; 2x0+1");
	make("memory_mib: 2\ncpu_count: 3\n", 1024);
	expect_fit("node 1: 3-5; 2x1+0");
	make("memory_mib: 1040\ncpu_count: 1\n", 0);
	expect_fit("node 1: 3; 1024x1+0 2x8+0");
}

static void nodes__can_be_asked_for(void **state)
{
	(void)state;
	boot(&two_nodes);
	make("memory_mib: 2\ncpu_count: 2\nnuma_node: 1\n", 1024);
	expect_fit("node 1: 3-4; 2x1+0");
	make("memory_mib: 2\ncpu_pool: 4\n", 1024);
	expect_fit("node 1: 4; 2x1+0");
	make("memory_mib: 2\ncpu_count: 2\nnuma_node: 7\n", 1024);
	expect_problem(NEC_E_CPU_TOPOLOGY, "there is no NUMA node 7", "leave numa_node out");
	assert_int_equal(plan->node, -1);
}

static void nodes__tell_what_they_could_give(void **state)
{
	(void)state;
	boot(&two_nodes);
	make("memory_mib: 2\ncpu_count: 1\n", 64);
	assert_int_equal(plan->node_count, 2);
	assert_int_equal(nec_cpuset_count(&plan->nodes[0].cpus), 2);
	assert_int_equal(nec_cpuset_count(&plan->nodes[1].cpus), 3);
	assert_int_equal(plan->nodes[0].at_hand_bytes, 0);
	assert_int_equal(plan->nodes[1].at_hand_bytes, 2064 * FAKE_MIB);
}

/* ---- memory ---- */

static void memory__uses_pages_that_are_there_and_wastes_least(void **state)
{
	(void)state;
	boot(&(struct fake_machine){
		.cores = 2,
		.huge = { { 0, FAKE_2M, 4 }, { 0, 32 * FAKE_MIB, 1 }, { 0, FAKE_1G, 1 } } });
	make("memory_mib: 1023\ncpu_count: 1\n", 2048);
	expect_fit("node 0: 1; 32x1+0 2x4+492");
	make("memory_mib: 1025\ncpu_count: 1\n", 2048);
	expect_fit("node 0: 1; 1024x1+0 2x1+0");
	make("memory_mib: 0\ncpu_count: 1\n", 2048);
	expect_fit("node 0: 1; 2x1+0");
}

static void memory__of_a_size_that_is_asked_for(void **state)
{
	(void)state;
	boot(&(struct fake_machine){ .cores = 3,
				     .huge = { { 0, FAKE_2M, 4 }, { 0, FAKE_1G, 1 } } });
	make("- {memory_mib: 1024, cpu_count: 1}\n"
	     "- {memory_mib: 1025, cpu_count: 1, page_size: 1G}\n",
	     4096);
	/* The second is served first: it cannot use other pages. */
	expect_fit("node 0: 1-2; 1024x1+1 2x4+508");
	make("memory_mib: 32\ncpu_count: 1\npage_size: 32M\n", 4096);
	expect_problem(NEC_E_REGION_PAGE_SIZE,
		       "the kernel has no huge pages of 32 MiB on NUMA node 0",
		       "leave page_size out");
}

static void memory__that_is_missing_is_told_with_what_fits(void **state)
{
	(void)state;
	boot(&(struct fake_machine){ .cores = 2, .huge = { { 0, FAKE_2M, 4 } } });
	make("memory_mib: 512\ncpu_count: 1\n", 100);
	expect_problem(NEC_E_HUGEPAGES_EXHAUSTED,
		       "NUMA node 0 has 100 MiB free, 504 MiB must become huge pages",
		       "lower memory_mib to 108");
	make("memory_mib: 108\ncpu_count: 1\n", 100);
	assert_int_equal(plan->problem_count, 0);
	make("- {memory_mib: 60, cpu_count: 1}\n- {memory_mib: 61, cpu_pool: '1'}\n", 99);
	assert_int_equal(plan->problems[plan->problem_count - 1].code, NEC_E_HUGEPAGES_EXHAUSTED);
	assert_string_equal(plan->problems[plan->problem_count - 1].change,
			    "lower memory_mib by 16 in all, in whole pages");
	boot(&(struct fake_machine){ .cores = 2, .huge = { { 0, FAKE_1G, 0 } } });
	make("memory_mib: 1025\ncpu_count: 1\n", 1536);
	expect_problem(NEC_E_HUGEPAGES_EXHAUSTED,
		       "NUMA node 0 has 1536 MiB free, 2048 MiB must become huge pages",
		       "lower memory_mib to 1024");
	make("memory_mib: 512\ncpu_count: 1\n", 512);
	expect_problem(NEC_E_HUGEPAGES_EXHAUSTED,
		       "NUMA node 0 has 512 MiB free, 1024 MiB must become huge pages", "");
}

/* ---- what is ours ---- */

static struct nec_ledger with_pages(int32_t node, uint64_t page_bytes, uint64_t ours,
				    uint64_t found, uint64_t coarse)
{
	struct nec_ledger made = NEC_LEDGER_INIT;
	struct nec_ledger_row *row = nec_ledger_row(&made, node, page_bytes);

	made.reserved = true;
	made.node = node;
	row->ours = ours;
	row->found = found;
	row->coarse = coarse;
	return made;
}

static void ledger__pages_of_the_reservation_count_also_in_enclaves(void **state)
{
	struct nec_ledger ours = with_pages(0, FAKE_2M, 30, 10, 0);

	(void)state;
	boot(&(struct fake_machine){ .cores = 4, .huge = { { 0, FAKE_2M, 50 } } });
	fake_device_take_pages(fake, 0, FAKE_2M, 45);
	make("memory_mib: 80\ncpu_count: 1\n", 1024);
	expect_fit("node 0: 1; 2x5+35");
	ledger = &ours;
	make("memory_mib: 80\ncpu_count: 1\n", 1024);
	expect_fit("node 0: 1; 2x40+0");
	/* Never more than there are, and never both: they may be the same. */
	ours.rows[0].ours = 100;
	make("memory_mib: 104\ncpu_count: 1\n", 1024);
	expect_fit("node 0: 1; 2x50+2");
	ours.rows[0].ours = 0;
	fake_device_take_pages(fake, 0, FAKE_2M, -30);
	make("memory_mib: 80\ncpu_count: 1\n", 1024);
	expect_fit("node 0: 1; 2x35+5");
	assert_int_equal(plan->nodes[0].at_hand_bytes, 70 * FAKE_MIB);
}

static void ledger__node_of_the_reservation_comes_first(void **state)
{
	struct nec_ledger ours = with_pages(1, FAKE_2M, 8, 0, 0);

	(void)state;
	boot(&two_nodes);
	ledger = &ours;
	make("memory_mib: 16\ncpu_count: 2\n", 1024);
	expect_fit("node 1: 3-4; 2x8+0");
	make("memory_mib: 16\ncpu_count: 2\nnuma_node: 0\n", 1024);
	expect_fit("node 0: 1-2; 2x0+8");
	ours.node = 7;
	make("memory_mib: 16\ncpu_count: 2\n", 1024);
	expect_fit("node 0: 1-2; 2x0+8");
}

static void ledger__pages_that_stand_in_for_smaller_ones_go_on_doing_so(void **state)
{
	struct nec_ledger ours = with_pages(0, FAKE_1G, 1, 0, 1);

	(void)state;
	boot(&(struct fake_machine){ .cores = 4,
				     .huge = { { 0, FAKE_2M, 4 }, { 0, FAKE_1G, 1 } } });
	ledger = &ours;
	make("memory_mib: 512\ncpu_count: 1\n", 1024);
	expect_fit("node 0: 1; 2x4+0 1024x1+0");
	/* One that was made for its own sake does not. */
	ours.rows[0].coarse = 0;
	make("memory_mib: 512\ncpu_count: 1\n", 1024);
	expect_fit("node 0: 1; 2x4+252");
	/* And none does where small ones are enough, or two entries would have to share it. */
	ours.rows[0].coarse = 1;
	make("memory_mib: 8\ncpu_count: 1\n", 1024);
	expect_fit("node 0: 1; 2x4+0");
	make("- {memory_mib: 100, cpu_count: 1}\n- {memory_mib: 100, cpu_count: 1}\n", 1024);
	expect_fit("node 0: 1-2; 2x4+0 1024x1+0 2x0+50");
}

static void ledger__pages_of_the_reservation_are_not_given_up_for_bigger_ones(void **state)
{
	struct nec_ledger ours = with_pages(0, FAKE_2M, 512, 0, 0);

	(void)state;
	boot(&(struct fake_machine){ .cores = 4,
				     .huge = { { 0, FAKE_2M, 512 }, { 0, FAKE_1G, 1 } } });
	make("memory_mib: 1024\ncpu_count: 1\n", 1024);
	expect_fit("node 0: 1; 1024x1+0");
	ledger = &ours;
	make("memory_mib: 1024\ncpu_count: 1\n", 1024);
	expect_fit("node 0: 1; 2x512+0");
	/* For more they will do. */
	make("memory_mib: 2050\ncpu_count: 1\n", 1024);
	expect_fit("node 0: 1; 2x512+1 1024x1+0");
	make("- {memory_mib: 1000, cpu_count: 1}\n- {memory_mib: 1000, cpu_count: 1}\n", 1024);
	expect_fit("node 0: 1-2; 2x500+0 2x12+488");
}

static void memory__of_files_counts_as_free(void **state)
{
	struct nec_node_memory memory[NEC_PLAN_NODES_MAX] = {
		{ .free_bytes = 60 * FAKE_MIB, .reclaimable_bytes = 40 * FAKE_MIB },
	};
	struct nec_plan_machine machine = { .memory = memory };
	struct nec_allocator_config config;

	(void)state;
	boot(&ec2);
	make("memory_mib: 100\ncpu_count: 2\n", 60);
	assert_int_equal(plan->problem_count, 1);
	free(plan);
	machine.host = host;
	assert_int_equal(nec_allocator_config_parse("memory_mib: 100\ncpu_count: 2\n", 28, "f",
						    &config, NULL),
			 0);
	assert_int_equal(nec_allocator_plan_make(&config, &machine, &plan, NULL), 0);
	expect_fit("node 0: 1,5; 2x0+50");
}

static void memory__of_a_node_is_read_from_the_kernel(void **state)
{
	struct nec_node_memory memory = { 0 };

	(void)state;
	boot(&two_nodes);
	fake_device_write(fake, "/sys/devices/system/node/node1/meminfo",
			  "Node 1 MemTotal:  9000 kB\nNode 1 MemFree:   4096 kB\n"
			  "Node 1 Active(file):  1024 kB\nNode 1 Inactive(file): 2048 kB\n");
	fake_device_write(fake, "/proc/buddyinfo",
			  "Node 0, zone   Normal 9 9 9 9 9 9 9 9 9 9 9\n"
			  "Node 1, zone      DMA 1 1 1 1 1 1 1 1 1 1 0\n"
			  "Node 1, zone   Normal 7 0 0 0 0 0 0 0 0 2 3\n"
			  "Node 11, zone  Normal 9 9 9 9 9 9 9 9 9 9 9\n");
	assert_int_equal(nec_node_memory_read(fake_device_get(fake), 1, &memory, NULL), 0);
	assert_int_equal(memory.free_bytes, 4 * FAKE_MIB);
	assert_int_equal(memory.reclaimable_bytes, 3 * FAKE_MIB);
	assert_int_equal(memory.contiguous_bytes, (2 + 2 * 2 + 3 * 4) * FAKE_MIB);
}

/* Every second CPU: no ranges, and so no room in the driver's 511 characters. */
static void pool__of_too_long_a_list_is_told(void **state)
{
	static struct nec_cpu cpus[300];
	struct nec_hugepages pages = { .page_bytes = FAKE_2M };
	struct nec_node_memory memory = { .free_bytes = UINT64_C(1) << 30 };
	struct nec_allocator_config config;
	struct nec_host sparse = {
		.pool.info.state = NEC_POOL_EMPTY,
		.topology = { .cpus = cpus, .count = ARRAY_SIZE(cpus), .threads_per_core = 1 },
		.hugepages = { .rows = &pages, .count = 1 },
	};
	const struct nec_plan_machine machine = { .host = &sparse, .memory = &memory };
	nec_error err = NEC_ERROR_INIT;
	const char *yaml = "memory_mib: 64\ncpu_count: 200\n";

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(cpus); i++)
		cpus[i] = (struct nec_cpu){ .id = 2 * i, .core = (int32_t)(2 * i), .online = true };
	nec_cpuset_add(&sparse.topology.nodes, 0);
	assert_int_equal(nec_allocator_config_parse(yaml, strlen(yaml), "f", &config, &err), 0);
	assert_int_equal(nec_allocator_plan_make(&config, &machine, &plan, &err), 0);
	assert_int_equal(plan->problem_count, 1);
	assert_int_equal(plan->problems[0].code, NEC_E_TOO_LARGE);
	assert_string_equal(plan->problems[0].message,
			    "the pool's list has 746 characters, the driver takes 511");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(cpus__are_whole_cores_from_the_lowest_without_cpu_0s,
					  end),
		cmocka_unit_test_teardown(cpus__odd_counts_are_told_with_the_next_that_fits, end),
		cmocka_unit_test_teardown(cpus__odd_counts_fit_without_smt, end),
		cmocka_unit_test_teardown(cpus__too_many_are_told_with_what_fits, end),
		cmocka_unit_test_teardown(cpus__with_an_offline_sibling_are_left_out, end),
		cmocka_unit_test_teardown(cpus__of_the_present_pool_come_first, end),
		cmocka_unit_test_teardown(pool__is_taken_as_it_is_named, end),
		cmocka_unit_test_teardown(pool__refuses_what_the_driver_would, end),
		cmocka_unit_test_teardown(pool__of_too_long_a_list_is_told, end),
		cmocka_unit_test_teardown(nodes__the_first_that_fits_is_taken, end),
		cmocka_unit_test_teardown(nodes__can_be_asked_for, end),
		cmocka_unit_test_teardown(nodes__tell_what_they_could_give, end),
		cmocka_unit_test_teardown(memory__uses_pages_that_are_there_and_wastes_least, end),
		cmocka_unit_test_teardown(memory__of_a_size_that_is_asked_for, end),
		cmocka_unit_test_teardown(memory__that_is_missing_is_told_with_what_fits, end),
		cmocka_unit_test_teardown(ledger__pages_of_the_reservation_count_also_in_enclaves,
					  end),
		cmocka_unit_test_teardown(ledger__node_of_the_reservation_comes_first, end),
		cmocka_unit_test_teardown(
			ledger__pages_that_stand_in_for_smaller_ones_go_on_doing_so, end),
		cmocka_unit_test_teardown(
			ledger__pages_of_the_reservation_are_not_given_up_for_bigger_ones, end),
		cmocka_unit_test_teardown(memory__of_files_counts_as_free, end),
		cmocka_unit_test_teardown(memory__of_a_node_is_read_from_the_kernel, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
