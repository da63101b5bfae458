/* SPDX-License-Identifier: Apache-2.0 */
/* Huge pages: what there is, which to take, and taking them. */
#include "test.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include "base/error.h"
#include "base/loop.h"
#include "fake-device.h"
#include "host/memory.h"
#include "host/topology.h"

#define NODE0 "/sys/devices/system/node/node0/hugepages"

static const struct fake_machine two_nodes = {
	.nodes = 2,
	.huge = { { 0, FAKE_2M, 64 },
		  { 1, FAKE_2M, 32 },
		  { 1, 32 * FAKE_MIB, 4 },
		  { 1, FAKE_1G, 2 } },
};

static struct fake_device *fake;
static const struct nec_device *device;
static unsigned int fds_before;
static nec_error err;

static int make_fake(void **state)
{
	(void)state;
	fds_before = fake_open_fds();
	fake = fake_device_new(&two_nodes);
	device = fake_device_get(fake);
	err = (nec_error)NEC_ERROR_INIT;
	return 0;
}

static int free_fake(void **state)
{
	(void)state;
	fake_device_expect_clean(fake);
	fake_device_free(fake);
	return fake_open_fds() == fds_before ? 0 : -1;
}

static int read_table(struct nec_hugepage_table *table)
{
	struct nec_cpuset nodes;

	assert_int_equal(nec_topology_read_nodes(device, &nodes, NULL), 0);
	return nec_hugepages_read(device, &nodes, table, &err);
}

/* ---- the table ---- */

static void table__is_sorted_by_node_and_size(void **state)
{
	static const struct nec_hugepages expected[] = {
		{ 0, FAKE_2M, 64, 64, 64 },
		{ 1, FAKE_2M, 32, 32, 32 },
		{ 1, 32 * FAKE_MIB, 4, 4, 4 },
		{ 1, FAKE_1G, 2, 2, 2 },
	};
	cleanup_hugepages struct nec_hugepage_table table = { 0 };

	(void)state;
	assert_int_equal(read_table(&table), 0);
	assert_int_equal(table.count, ARRAY_SIZE(expected));
	for (size_t i = 0; i < table.count; i++)
		assert_memory_equal(&table.rows[i], &expected[i], sizeof(expected[i]));
}

static void table__counts_what_is_taken_and_what_is_promised(void **state)
{
	cleanup_hugepages struct nec_hugepage_table table = { 0 };

	(void)state;
	fake_device_take_pages(fake, 1, FAKE_2M, 20);
	fake_device_promise_pages(fake, FAKE_2M, 66);
	assert_int_equal(read_table(&table), 0);
	assert_int_equal(table.rows[0].free, 64);
	/* 76 are free on the machine, 66 of them promised: wherever they will come from. */
	assert_int_equal(table.rows[0].available, 10);
	assert_int_equal(table.rows[1].total, 32);
	assert_int_equal(table.rows[1].free, 12);
	assert_int_equal(table.rows[1].available, 10);
}

static void table__ignores_folders_that_are_no_size(void **state)
{
	cleanup_hugepages struct nec_hugepage_table table = { 0 };

	(void)state;
	fake_device_write(fake, NODE0 "/hugepages-3kB/nr_hugepages", "1");
	fake_device_write(fake, NODE0 "/hugepages-0kB/nr_hugepages", "1");
	fake_device_write(fake, NODE0 "/hugepages-2048MB/nr_hugepages", "1");
	fake_device_write(fake, NODE0 "/hugepages-18014398509481984kB/nr_hugepages", "1");
	fake_device_write(fake, NODE0 "/hugepages-kB/nr_hugepages", "1");
	fake_device_write(fake, NODE0 "/other/nr_hugepages", "1");
	assert_int_equal(read_table(&table), 0);
	assert_int_equal(table.count, 4);
}

static void table__refuses_a_count_that_is_none(void **state)
{
	static const char *const texts[] = { "", "x", "-1", "1 2", "18446744073709551616" };
	cleanup_hugepages struct nec_hugepage_table table = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		fake_device_write(fake, NODE0 "/hugepages-2048kB/nr_hugepages", texts[i]);
		assert_int_equal(read_table(&table), -EBADMSG);
		assert_int_equal(err.code, NEC_E_FILE_READ);
		assert_null(table.rows);
	}
	fake_device_write(fake, NODE0 "/hugepages-2048kB/nr_hugepages", NULL);
	assert_int_equal(read_table(&table), -ENOENT);
}

static void table__without_numa_is_the_machines(void **state)
{
	cleanup_hugepages struct nec_hugepage_table table = { 0 };

	fake_device_free(fake);
	fake = fake_device_new(
		&(struct fake_machine){ .no_numa = true, .huge = { { 0, FAKE_2M, 5 } } });
	device = fake_device_get(fake);
	(void)state;
	assert_int_equal(read_table(&table), 0);
	assert_int_equal(table.count, 1);
	assert_int_equal(table.rows[0].node, 0);
	assert_int_equal(table.rows[0].available, 5);
}

static void table__may_be_empty(void **state)
{
	cleanup_hugepages struct nec_hugepage_table table = { 0 };

	fake_device_free(fake);
	fake = fake_device_new(&(struct fake_machine){ 0 });
	device = fake_device_get(fake);
	(void)state;
	assert_int_equal(read_table(&table), 0);
	assert_int_equal(table.count, 0);
}

/* ---- the plan ---- */

static void plan__is_least_waste_then_fewest_pages(void **state)
{
	static const struct {
		uint64_t mib;
		uint64_t available[3]; /* of 2 MiB, 32 MiB, 1 GiB */
		uint64_t planned[3];
	} rows[] = {
		{ 64, { 100, 0, 0 }, { 32, 0, 0 } },
		{ 63, { 100, 0, 0 }, { 32, 0, 0 } },
		{ 64, { 100, 4, 0 }, { 0, 2, 0 } },
		{ 66, { 100, 4, 0 }, { 1, 2, 0 } },
		{ 66, { 0, 4, 0 }, { 0, 3, 0 } },
		{ 1024, { 600, 40, 1 }, { 0, 0, 1 } },
		{ 1026, { 600, 40, 2 }, { 1, 0, 1 } },
		{ 1026, { 0, 0, 2 }, { 0, 0, 2 } },
		/* 1 MiB short with small pages only: a big one replaces them all */
		{ 600, { 299, 0, 1 }, { 0, 0, 1 } },
		{ 600, { 300, 0, 1 }, { 300, 0, 0 } },
		{ 100, { 1, 4, 1 }, { 0, 4, 0 } },
		{ 98, { 1, 4, 1 }, { 1, 3, 0 } },
		{ 100, { 1, 3, 1 }, { 0, 0, 1 } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		static const uint64_t sizes[3] = { FAKE_2M, 32 * FAKE_MIB, FAKE_1G };
		struct nec_hugepages table_rows[4];
		const struct nec_hugepage_table table = { table_rows, 4 };
		struct nec_memory_plan plan;
		uint64_t planned[3] = { 0 };

		/* Another node's pages and pages too small are never taken. */
		table_rows[0] = (struct nec_hugepages){ 0, 65536, 9999, 9999, 9999 };
		for (size_t k = 0; k < 3; k++)
			table_rows[k + 1] = (struct nec_hugepages){
				.page_bytes = sizes[k],
				.available = rows[i].available[k],
			};
		assert_int_equal(nec_memory_plan(&table, 0, rows[i].mib * FAKE_MIB, &plan, &err),
				 0);
		for (size_t k = 0; k < plan.count; k++) {
			assert_true(k == 0 ||
				    plan.parts[k].page_bytes < plan.parts[k - 1].page_bytes);
			for (size_t s = 0; s < 3; s++)
				if (plan.parts[k].page_bytes == sizes[s])
					planned[s] = plan.parts[k].pages;
		}
		if (memcmp(planned, rows[i].planned, sizeof(planned)) != 0)
			fail_msg("row %zu: %d, %d, %d pages", i, (int)planned[0], (int)planned[1],
				 (int)planned[2]);
	}
}

/* Every way to take pages of three sizes (1, 4 and 16 units), compared with the plan. */
static void compare_with_every_way(const uint64_t available[3], uint64_t wanted)
{
	static const uint64_t units[3] = { 1, 4, 16 };
	struct nec_hugepages rows[3];
	const struct nec_hugepage_table table = { rows, 3 };
	struct nec_memory_plan plan = { 0 };
	uint64_t best_sum = UINT64_MAX;
	uint64_t best_pages = UINT64_MAX;
	uint64_t pages = 0;
	int r;

	for (size_t k = 0; k < 3; k++)
		rows[k] = (struct nec_hugepages){
			.page_bytes = units[k] * FAKE_2M,
			.available = available[k],
		};
	for (uint64_t a = 0; a <= available[0]; a++)
		for (uint64_t b = 0; b <= available[1]; b++)
			for (uint64_t c = 0; c <= available[2]; c++) {
				uint64_t sum = a + 4 * b + 16 * c;

				if (sum < wanted || sum > best_sum ||
				    (sum == best_sum && a + b + c >= best_pages))
					continue;
				best_sum = sum;
				best_pages = a + b + c;
			}
	r = nec_memory_plan(&table, 0, wanted * FAKE_2M, &plan, NULL);
	assert_int_equal(r, best_sum == UINT64_MAX ? -ENOMEM : 0);
	if (r < 0)
		return;
	for (size_t k = 0; k < plan.count; k++)
		pages += plan.parts[k].pages;
	assert_int_equal(plan.bytes, best_sum * FAKE_2M);
	assert_int_equal(pages, best_pages);
}

static void plan__is_as_good_as_trying_every_way(void **state)
{
	(void)state;
	for (uint64_t a = 0; a <= 6; a++)
		for (uint64_t b = 0; b <= 5; b++)
			for (uint64_t c = 0; c <= 2; c++)
				for (uint64_t wanted = 1; wanted <= 60; wanted++)
					compare_with_every_way((uint64_t[3]){ a, b, c }, wanted);
}

static void plan__says_what_there_is_when_it_is_not_enough(void **state)
{
	cleanup_hugepages struct nec_hugepage_table table = { 0 };
	struct nec_memory_plan plan;

	(void)state;
	fake_device_take_pages(fake, 0, FAKE_2M, 4);
	assert_int_equal(read_table(&table), 0);
	assert_int_equal(nec_memory_plan(&table, 0, 121 * FAKE_MIB, &plan, &err), -ENOMEM);
	assert_int_equal(err.code, NEC_E_HUGEPAGES_EXHAUSTED);
	assert_int_equal(nec_error_exit_status(err.code), 27);
	assert_string_equal(err.message,
			    "121 MiB of huge pages are not free on NUMA node 0: it has 60 of 64 "
			    "pages of 2 MiB; on node 1 32 of 32 pages of 2 MiB, 4 of 4 pages of 32 "
			    "MiB, 2 of 2 pages of 1024 MiB");
	assert_int_equal(nec_memory_plan(&table, 7, FAKE_2M, &plan, &err), -ENOMEM);
	assert_non_null(strstr(err.message, "on NUMA node 7: it has no huge pages; on node 0 "));
	/* Of a size that the machine has none of there is nothing to say. */
	table.rows[0].total = table.rows[0].available = 0;
	assert_int_equal(nec_memory_plan(&table, 0, FAKE_2M, &plan, &err), -ENOMEM);
	assert_non_null(strstr(err.message, "on NUMA node 0: it has no huge pages; on node 1 "));
	assert_int_equal(nec_memory_plan(&table, 1, UINT64_MAX, &plan, &err), -ENOMEM);
	/* Nor may a sysfs that claims anything make the sums overflow. */
	table.rows[0].available = UINT64_MAX;
	assert_int_equal(nec_memory_plan(&table, 0, -FAKE_2M, &plan, &err), -ENOMEM);
	assert_int_equal(nec_memory_plan(&table, 0, 0, &plan, &err), -EINVAL);
	assert_int_equal(err.code, NEC_E_INVALID_ARGUMENT);
}

/* ---- taking ---- */

static int take(int32_t node, uint64_t mib, struct nec_memory *memory)
{
	return nec_memory_take(device, NULL, -1, node, mib * FAKE_MIB, memory, &err);
}

static void memory__is_mapped_on_the_node_and_given_back(void **state)
{
	struct nec_memory memory = { 0 };

	(void)state;
	assert_int_equal(take(1, 1024 + 32 + 6, &memory), 0);
	assert_int_equal(memory.bytes, 1062 * FAKE_MIB);
	assert_int_equal(memory.count, 3);
	assert_int_equal(memory.mappings[0].page_bytes, FAKE_1G);
	assert_int_equal(memory.mappings[2].pages, 3);
	assert_int_equal(fake_device_free_pages(fake, 1, FAKE_1G), 1);
	assert_int_equal(fake_device_free_pages(fake, 1, 32 * FAKE_MIB), 3);
	assert_int_equal(fake_device_free_pages(fake, 1, FAKE_2M), 29);
	assert_int_equal(fake_device_free_pages(fake, 0, FAKE_2M), 64);
	assert_int_equal(fake_device_calls(fake, FAKE_POPULATE), 5);
	nec_memory_release(&memory);
	assert_int_equal(memory.bytes, 0);
	nec_memory_release(&memory); /* once more does no harm */
}

static void memory__gives_everything_back_whichever_call_is_refused(void **state)
{
	unsigned int calls;

	(void)state;
	for (unsigned int n = 1;; n++) {
		struct nec_memory memory = { 0 };
		int r;

		calls = fake_device_calls(fake, FAKE_CALLS);
		fake_device_refuse_any(fake, n, EPERM);
		r = take(1, 32 + 6, &memory);
		if (r == 0) {
			assert_int_equal(fake_device_calls(fake, FAKE_CALLS) - calls, n - 1);
			nec_memory_release(&memory);
			break;
		}
		assert_int_equal(r, -EPERM);
		assert_int_equal(err.code, NEC_E_HUGEPAGES_MAP);
		assert_int_equal(memory.count, 0);
		fake_device_expect_clean(fake);
	}
	/* Two mappings, four pages. */
	assert_int_equal(fake_device_calls(fake, FAKE_CALLS) - calls, 6);
}

static void memory__is_planned_again_when_others_were_faster(void **state)
{
	static const enum fake_call calls[] = { FAKE_MAP_PAGES, FAKE_POPULATE };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		struct nec_memory memory = { 0 };

		fake_device_refuse(fake, calls[i], 1, ENOMEM);
		fake_device_refuse(fake, calls[i], 3, ENOMEM);
		assert_int_equal(take(0, 64, &memory), 0);
		assert_int_equal(err.code, NEC_E_NONE);
		nec_memory_release(&memory);
	}
}

static void memory__gives_up_in_the_end(void **state)
{
	struct nec_memory memory = { 0 };

	(void)state;
	for (unsigned int i = 1; i <= 8; i++)
		fake_device_refuse(fake, FAKE_MAP_PAGES, i, ENOMEM);
	assert_int_equal(take(0, 2, &memory), -ENOMEM);
	assert_int_equal(err.code, NEC_E_HUGEPAGES_EXHAUSTED);
	assert_string_equal(err.message, "cannot map 1 huge pages of 2 MiB on NUMA node 0: Cannot "
					 "allocate memory");
	assert_int_equal(fake_device_calls(fake, FAKE_MAP_PAGES), 8);
}

static void memory__says_so_when_the_node_runs_dry(void **state)
{
	const struct nec_memory_plan plan = {
		.node = 0,
		.count = 1,
		.parts = { { FAKE_2M, 80 } },
		.bytes = 160 * FAKE_MIB,
	};
	struct nec_memory memory = { 0 };

	(void)state;
	/* The machine has them, so mapping works; the node has 64. */
	assert_int_equal(nec_memory_map(device, &plan, &memory, &err), 0);
	assert_int_equal(nec_memory_populate(&memory, NULL, &err), -ENOMEM);
	assert_int_equal(err.code, NEC_E_HUGEPAGES_EXHAUSTED);
	assert_string_equal(err.message,
			    "after 128 of 160 MiB: NUMA node 0 ran out of huge pages of 2 MiB");
	nec_memory_release(&memory);
}

struct reports {
	unsigned int count;
	uint64_t last;
	uint64_t total;
};

static void count_report(void *userdata, const char *phase, uint64_t done, uint64_t total)
{
	struct reports *reports = userdata;

	assert_string_equal(phase, "memory");
	assert_true(done >= reports->last);
	reports->count++;
	reports->last = done;
	reports->total = total;
}

static void memory__reports_progress_and_can_be_cancelled(void **state)
{
	struct reports reports = { 0 };
	struct nec_memory memory = { 0 };
	nec_context *context = NULL;
	int flag = 0;

	(void)state;
	assert_int_equal(nec_context_new(&context, NULL), 0);
	nec_context_set_progress(context, count_report, &reports);
	nec_context_set_cancel(context, &flag);
	assert_int_equal(nec_memory_take(device, context, -1, 0, FAKE_2M * 64, &memory, &err), 0);
	assert_true(reports.count >= 1);
	assert_int_equal(reports.last, 64 * FAKE_2M);
	assert_int_equal(reports.total, 64 * FAKE_2M);
	nec_memory_release(&memory);

	reports = (struct reports){ 0 };
	flag = 1;
	assert_int_equal(nec_memory_take(device, context, -1, 0, FAKE_2M * 64, &memory, &err),
			 -ECANCELED);
	assert_int_equal(err.code, NEC_E_CANCELLED);
	assert_int_equal(reports.last, 0);
	nec_context_free(context);
}

struct taker {
	pthread_t thread;
	struct nec_memory memory;
	int result;
};

static void *take_memory(void *argument)
{
	cleanup_close int lock_fd = device->ops->open_device(device);
	struct taker *taker = argument;

	taker->result =
		nec_memory_take(device, NULL, lock_fd, 1, 64 * FAKE_MIB, &taker->memory, NULL);
	return NULL;
}

static void memory__taken_by_many_at_once_goes_to_as_many_as_there_is_for(void **state)
{
	/* Two from the 32 MiB pages, one from the small ones, two from a big one each; none else.
	 */
	enum { TAKERS = 8, LUCKY = 5 };
	struct taker takers[TAKERS] = { 0 };
	int lucky = 0;

	(void)state;
	for (size_t i = 0; i < TAKERS; i++)
		assert_int_equal(pthread_create(&takers[i].thread, NULL, take_memory, &takers[i]),
				 0);
	for (size_t i = 0; i < TAKERS; i++) {
		assert_int_equal(pthread_join(takers[i].thread, NULL), 0);
		assert_true(takers[i].result == 0 || takers[i].result == -ENOMEM);
		lucky += takers[i].result == 0;
	}
	assert_int_equal(lucky, LUCKY);
	for (size_t i = 0; i < TAKERS; i++)
		nec_memory_release(&takers[i].memory);
}

static void memory__waits_for_its_turn_but_not_for_ever(void **state)
{
	cleanup_close int held = device->ops->open_device(device);
	cleanup_close int lock_fd = device->ops->open_device(device);
	struct nec_memory memory = { 0 };
	uint64_t before = nec_loop_now();

	(void)state;
	assert_int_equal(flock(held, LOCK_EX), 0);
	assert_int_equal(nec_memory_take(device, NULL, lock_fd, 0, FAKE_2M, &memory, &err), 0);
	assert_in_range(nec_loop_now() - before, 900000, 60000000);
	nec_memory_release(&memory);
	/* And lets go of its own lock. */
	assert_int_equal(flock(held, LOCK_UN), 0);
	assert_int_equal(nec_memory_take(device, NULL, lock_fd, 0, FAKE_2M, &memory, &err), 0);
	assert_int_equal(flock(held, LOCK_EX | LOCK_NB), 0);
	nec_memory_release(&memory);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_fake, free_fake)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(table__is_sorted_by_node_and_size),
		TEST(table__counts_what_is_taken_and_what_is_promised),
		TEST(table__ignores_folders_that_are_no_size),
		TEST(table__refuses_a_count_that_is_none),
		TEST(table__without_numa_is_the_machines),
		TEST(table__may_be_empty),
		TEST(plan__is_least_waste_then_fewest_pages),
		TEST(plan__is_as_good_as_trying_every_way),
		TEST(plan__says_what_there_is_when_it_is_not_enough),
		TEST(memory__is_mapped_on_the_node_and_given_back),
		TEST(memory__gives_everything_back_whichever_call_is_refused),
		TEST(memory__is_planned_again_when_others_were_faster),
		TEST(memory__gives_up_in_the_end),
		TEST(memory__says_so_when_the_node_runs_dry),
		TEST(memory__reports_progress_and_can_be_cancelled),
		TEST(memory__taken_by_many_at_once_goes_to_as_many_as_there_is_for),
		TEST(memory__waits_for_its_turn_but_not_for_ever),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
