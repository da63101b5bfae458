/* SPDX-License-Identifier: Apache-2.0 */
/* Finding memory: patience first, then bigger pages, then a message that helps. */
#include "allocator/make-memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "base/error.h"
#include "host/hugepages.h"

#define MIB(bytes) ((bytes) >> 20)

/* Times that the kernel may find nothing more, with memory moved about before each but the first.
 */
enum { FRUITLESS_MAX = 3 };

/* What else gives memory back needs a moment: writers, and processes that are ending. */
enum { PAUSE_MSEC = 20 };

struct maker {
	struct nec_change *change;
	const struct nec_allocator_config *config;
	const struct nec_host *host;
	const struct nec_allocator_plan *plan;
	struct nec_progress progress;
};

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void pause_for(unsigned int msec)
{
	const struct timespec time = { .tv_nsec = (long)msec * 1000000 };

	(void)nanosleep(&time, NULL);
}

static void help_kernel(const struct maker *maker, int32_t node, unsigned int fruitless)
{
	bool compacted = nec_memory_compact(&maker->change->device, node);

	nec_log(maker->change->context, "memory of node %d was %s", node,
		compacted ? "compacted" : "not compacted: the kernel cannot");
	if (fruitless > 1)
		pause_for(PAUSE_MSEC * (fruitless - 1));
}

/* Adds up to @count pages; *ret_got is how many could be had. */
static int add_pages(struct maker *maker, struct nec_ledger_row *row, uint64_t count,
		     uint64_t *ret_got, nec_error *err)
{
	uint64_t slice = NEC_CHANGE_SLICE_PAGES(row->page_bytes);
	unsigned int fruitless = 0;

	*ret_got = 0;
	while (*ret_got < count && fruitless < FRUITLESS_MAX) {
		uint64_t wanted = smaller(slice, count - *ret_got);
		uint64_t got = 0;
		int r = nec_change_add_pages(maker->change, row, wanted, &got, err);

		if (r >= 0)
			r = nec_progress_add(&maker->progress, got * row->page_bytes, err);
		*ret_got += got;
		if (r < 0)
			return r;
		fruitless = got ? 0 : fruitless + 1;
		if (got < wanted)
			help_kernel(maker, row->node, fruitless);
	}
	return 0;
}

/* ---- when it cannot be had ---- */

/* "2M", "1G", as the kernel's command line takes it. */
static void print_size(uint64_t bytes, char ret[24])
{
	if (bytes % (UINT64_C(1) << 30) == 0)
		(void)snprintf(ret, 24, "%" PRIu64 "G", bytes >> 30);
	else
		(void)snprintf(ret, 24, "%" PRIu64 "M", MIB(bytes));
}

/* All pages of that size that the plan wants, made or found. */
static uint64_t count_planned(const struct nec_allocator_plan *plan, uint64_t page_bytes)
{
	uint64_t pages = 0;

	for (size_t i = 0; i < plan->part_count; i++)
		if (plan->parts[i].page_bytes == page_bytes)
			pages += plan->parts[i].at_hand + plan->parts[i].to_make;
	return pages;
}

static void describe_memory(const struct maker *maker, struct nec_buffer *to)
{
	for (size_t i = 0; i < maker->plan->node_count; i++) {
		struct nec_node_memory memory = maker->plan->nodes[i].memory;
		int32_t node = maker->plan->nodes[i].node;

		(void)nec_node_memory_read(&maker->change->device, node, &memory, NULL);
		nec_buffer_printf(to,
				  "; node %d has %" PRIu64 " MiB free, %" PRIu64
				  " MiB of it in pieces of 2 MiB or more",
				  node, MIB(memory.free_bytes), MIB(memory.contiguous_bytes));
	}
}

/* @got, @wanted: pages of the row, this time. */
static int give_up(const struct maker *maker, const struct nec_ledger_row *row, uint64_t got,
		   uint64_t wanted, nec_error *err)
{
	uint64_t pages = count_planned(maker->plan, row->page_bytes);
	cleanup_buffer struct nec_buffer text = { 0 };
	char node[16] = "";
	char size[24];

	describe_memory(maker, &text);
	(void)nec_error_set(err, NEC_E_HUGEPAGES_EXHAUSTED, -ENOMEM,
			    "the kernel made %" PRIu64 " of %" PRIu64 " huge pages of %" PRIu64
			    " MiB on NUMA node %d%s",
			    got, wanted, MIB(row->page_bytes), row->node, nec_buffer_text(&text));
	print_size(row->page_bytes, size);
	if (maker->plan->node_count > 1)
		(void)snprintf(node, sizeof(node), "%d:", row->node);
	nec_error_set_hint(err,
			   "Reserve them when the machine starts, with `hugepagesz=%s "
			   "hugepages=%s%" PRIu64 "` on the kernel's command line; or end programs "
			   "that use much memory, and try again.",
			   size, node, pages);
	return -ENOMEM;
}

static int make_all(struct maker *maker, struct nec_ledger_row *row, uint64_t count, nec_error *err)
{
	uint64_t got = 0;
	int r = add_pages(maker, row, count, &got, err);

	if (r < 0 || got == count)
		return r;
	return give_up(maker, row, got, count, err);
}

/* ---- sizes that the file asks for ---- */

static bool is_bound(const struct maker *maker, const struct nec_plan_part *part)
{
	return maker->config->entries[part->entry].page_bytes != 0;
}

static int make_bound(struct maker *maker, nec_error *err)
{
	for (size_t i = 0; i < maker->plan->part_count; i++) {
		const struct nec_plan_part *part = &maker->plan->parts[i];
		struct nec_ledger_row *row = nec_ledger_find(&maker->change->ledger,
							     maker->plan->node, part->page_bytes);
		int r;

		if (!is_bound(maker, part) || part->to_make == 0)
			continue;
		r = make_all(maker, row, part->to_make, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- sizes that are ours to choose ---- */

/*
 * Pages of a bigger size that would stand in for the small ones that are missing; none is shared by
 * entries. @small_got: small pages that could be had, given to the entries in order. *ret_surplus
 * is how many of these would not be needed then.
 */
static uint64_t count_stand_ins(const struct maker *maker, uint64_t small_bytes, uint64_t small_got,
				uint64_t big_bytes, uint64_t *ret_surplus)
{
	uint64_t ratio = big_bytes / small_bytes;
	uint64_t big = 0;

	*ret_surplus = 0;
	for (size_t i = 0; i < maker->plan->part_count; i++) {
		const struct nec_plan_part *part = &maker->plan->parts[i];
		uint64_t served = smaller(part->to_make, small_got);
		uint64_t missing = part->to_make - served;
		uint64_t pages = missing ? (missing - 1) / ratio + 1 : 0;

		if (is_bound(maker, part) || part->to_make == 0)
			continue;
		small_got -= served;
		big += pages;
		*ret_surplus += smaller(served, pages * ratio - missing);
	}
	return big;
}

static bool node_has(const struct maker *maker, uint64_t bytes)
{
	struct nec_node_memory memory;

	return nec_node_memory_read(&maker->change->device, maker->plan->node, &memory, NULL) >=
		       0 &&
	       memory.free_bytes + memory.reclaimable_bytes >= bytes;
}

/* Returns 1 when pages of @big_bytes stand in for what is missing, 0 when they cannot be had. */
static int try_size(struct maker *maker, struct nec_ledger_row *small, uint64_t small_got,
		    uint64_t small_wanted, uint64_t big_bytes, nec_error *err)
{
	struct nec_ledger_row *big = nec_ledger_row(&maker->change->ledger, small->node, big_bytes);
	uint64_t surplus;
	uint64_t count = count_stand_ins(maker, small->page_bytes, small_got, big_bytes, &surplus);
	nec_error big_err = NEC_ERROR_INIT;
	uint64_t gone;
	uint64_t got;
	int r;

	if (!big || !node_has(maker, count * big_bytes))
		return 0;
	r = add_pages(maker, big, count, &got, &big_err);
	if (r == -ECANCELED && err)
		*err = big_err;
	if (r == -ECANCELED)
		return r;
	/* Also when the kernel cannot make such pages at all while it runs. */
	if (r < 0 || got < count) {
		r = nec_change_return_pages(maker->change, big, got, &gone, err);
		return r < 0 ? r : 0;
	}
	big->after += count;
	big->coarse_after += count;
	r = nec_change_return_pages(maker->change, small, surplus, &gone, err);
	small->after -= small_wanted - small_got + gone;
	return r < 0 ? r : 1;
}

static int stand_in(struct maker *maker, struct nec_ledger_row *small, uint64_t got,
		    uint64_t wanted, nec_error *err)
{
	const struct nec_hugepage_table *table = &maker->host->hugepages;

	for (size_t i = 0; i < table->count; i++) {
		int r;

		if (table->rows[i].node != small->node ||
		    table->rows[i].page_bytes <= small->page_bytes)
			continue;
		r = try_size(maker, small, got, wanted, table->rows[i].page_bytes, err);
		if (r != 0)
			return r < 0 ? r : 0;
	}
	return give_up(maker, small, got, wanted, err);
}

/* All of these are of one size, the smallest. */
static int make_free(struct maker *maker, nec_error *err)
{
	struct nec_ledger_row *row = NULL;
	uint64_t wanted = 0;
	uint64_t got = 0;
	int r;

	for (size_t i = 0; i < maker->plan->part_count; i++) {
		const struct nec_plan_part *part = &maker->plan->parts[i];

		if (is_bound(maker, part) || part->to_make == 0)
			continue;
		row = nec_ledger_find(&maker->change->ledger, maker->plan->node, part->page_bytes);
		wanted += part->to_make;
	}
	if (!row)
		return 0;
	r = add_pages(maker, row, wanted, &got, err);
	if (r < 0 || got == wanted)
		return r;
	return stand_in(maker, row, got, wanted, err);
}

int nec_make_memory(struct nec_change *change, const struct nec_allocator_config *config,
		    const struct nec_host *host, const struct nec_allocator_plan *plan,
		    nec_error *err)
{
	struct maker maker = { .change = change, .config = config, .host = host, .plan = plan };
	int r;

	nec_progress_start(&maker.progress, change->context, "reserve memory", plan->make_bytes);
	r = make_bound(&maker, err);
	if (r >= 0)
		r = make_free(&maker, err);
	if (r >= 0)
		nec_progress_finish(&maker.progress);
	return r;
}
